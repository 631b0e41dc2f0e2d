#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The program telar on odd machines and with hostile files: closed streams, variables of nonsense, names that would steer a terminal.
. "$TEST_SRCDIR/tests/tap.sh"

# ---- Waiting threads ----------------------------------------------------------------------------------------------------------
unset OMP_WAIT_POLICY GOMP_SPINCOUNT
seen() { # NAME=VALUE…: sets $output to what the computing process was started with
    output=
    env "$@" "$telar" train mlp --data digits --epochs 1000000 -o hidden=4 --threads 1 --quiet --save seen.safetensors >/dev/null 2>&1 &
    pid=$!
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        sleep 0.5
        [ -s seen.safetensors ] && break
    done
    output=$(tr '\0' '\n' <"/proc/$pid/environ" | grep -e '^OMP_WAIT' -e '^GOMP_SPIN')
    kill -9 $pid
    wait $pid 2>/dev/null
    rm -f seen.safetensors*
}
if [ -r /proc/self/environ ]; then
    seen A=b; [ "$output" = GOMP_SPINCOUNT=1000 ]; point $? "threads that wait sleep soon"
    seen OMP_WAIT_POLICY=passive; [ "$output" = OMP_WAIT_POLICY=passive ]; point $? "unless OMP_WAIT_POLICY is set"
    seen GOMP_SPINCOUNT=7; [ "$output" = GOMP_SPINCOUNT=7 ]; point $? "or GOMP_SPINCOUNT is"
else
    skip "threads that wait" "no /proc"
fi
OMP_WAIT_POLICY=passive
export OMP_WAIT_POLICY

# ---- Closed streams ------------------------------------------------------------------------------------------------------------
if [ -e /proc/self/fd/0 ]; then
    "$telar" train mlp --data digits --epochs 1000000 -o hidden=4 --threads 1 --save closed.safetensors <&- >&- 2>&- &
    pid=$!
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        sleep 0.5
        [ -s closed.safetensors ] && break
    done
    output=$(readlink /proc/$pid/fd/0 /proc/$pid/fd/1 /proc/$pid/fd/2 | tr '\n' ' ')
    kill -9 $pid
    wait $pid 2>/dev/null
    [ "$output" = "/dev/null /dev/null /dev/null " ]; point $? "files do not take the numbers of closed streams"
else
    skip "closed streams" "no /proc"
fi
output=$("$telar" models 2>&1 >&-); status=$?
is 1 "a closed standard output is a failure" "cannot write the output"

# ---- Interrupts ----------------------------------------------------------------------------------------------------------------
"$telar" train mlp --data digits --epochs 1000000 -o hidden=4 --threads 2 --workers 1 --save stopped.safetensors >words 2>&1 &
pid=$!
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    sleep 0.5
    [ -s stopped.safetensors ] && break
done
if [ -r /proc/self/task ]; then
    output=$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/$pid/task/*/status)
    # The fourth digit has the bit of SIGTERM: a handler on a thread within oneDNN would destroy the heap. One thread waits, and takes it.
    [ "$(printf '%s\n' "$output" | grep -vc '[4567cdef]...$')" = 1 ]; point $? "one thread takes signals"
    sed -n 's/^SigBlk:[[:space:]]*//p' /proc/$pid/task/$pid/status | grep -q '[4567cdef]...$'; point $? "and not the one that computes"
else
    skip "one thread takes signals" "no /proc"
fi
kill -TERM $pid
wait $pid
status=$? output=$(cat words)
is 130 "SIGTERM stops after a batch" "interrupted; go on with --resume"
run train --resume stopped.safetensors --epochs 1; is 0 "and what was learnt is saved" "nothing to do: already at epoch"

# ---- Variables -------------------------------------------------------------------------------------------------------------------
output=$(TELAR_LOG=loud,+cpu "$telar" summary mlp 2>&1); status=$?
is 0 "TELAR_LOG of nonsense" 'TELAR_LOG: "loud" is ignored: expected error, warn'
output=$(TELAR_FALLBACK=eror "$telar" summary mlp 2>&1); status=$?
is 0 "TELAR_FALLBACK of nonsense" "TELAR_FALLBACK=eror is ignored: expected reference or error"
# Another library under the name of the oneDNN that the backend wants.
onednn=$(ldd "$TEST_BUILDDIR/plugins-tree/backends/cpu.so" 2>/dev/null | sed -n 's/^[[:space:]]*\(libdnnl[^ ]*\) =>.*/\1/p')
mkdir other
if [ -n "$onednn" ]; then
    cp -L "$TEST_BUILDDIR/plugins-tree/models/mlp.so" "other/$onednn"
    output=$(LD_LIBRARY_PATH=$work/other${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$telar" bench mlp --runs 1 --seconds 0 2>&1); status=$?
    is 0 "a cpu backend that does not load is told" "dnnl" "computing with the slow reference"
else
    skip "a cpu backend that does not load is told" "it needs no library that could be missing"
fi
run data --label x; is 2 "an option of data without data" "--label needs DATA"

# ---- Files ------------------------------------------------------------------------------------------------------------------------
mkdir pets
run data pets; is 1 "a folder without a slash" "\"pets\" is also a folder here: write ./pets"
escape=$(printf '\033')
header='{"__metadata__":{"telar.model":"mlp","telar.batch":"-5"}}'
{ printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0"; printf %s "$header"; } >notes.safetensors
run train --resume notes.safetensors; is 1 "a checkpoint whose notes are nonsense" 'telar.batch = "-5": expected a number from 1'
header='{"__metadata__":{"k\u001b[31m":"a\nb\u001b[2J\u009b"}}'
{ printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0"; printf %s "$header"; } >steer.safetensors
run inspect steer.safetensors; is 0 "inspect shows control characters" '\x1b[31m = a\nb\x1b[2J\x9b'
case $output in *"$escape"*) good=1 ;; *) good=0 ;; esac; point $good "and sends none"
{ echo "a,b,label"; for i in 1 2 3 4 5; do printf '1,2,%s[31mx\n3,4,y\n' "$escape"; done; } >steer.csv
run data steer.csv; is 0 "so does data" '\x1b[31mx'
run train mlp --data ./steer.csv --epochs 1 -o hidden=2 --quiet; is 0 "and the report" '?[31mx'
printf '1,2,%s[31m\n3,x%s,y\n' "$escape" "$escape" >steer.csv
run data steer.csv --no-header; is 1 "and errors" 'x\x1b'
case $output in *"$escape"*) good=1 ;; *) good=0 ;; esac; point $good "which send none either"
# ---- Data that are odd -------------------------------------------------------------------------------------------------------------
printf 'a,b,label\n1,2,x\n3,4,y\n' >two.csv
run train mlp --data ./two.csv --epochs 1; is 1 "too few rows for two parts" "./two.csv: no sample is left to validate on" "--hold-out"
run train mlp --data ./two.csv --hold-out 0.5 --epochs 1; is 1 "or for the other one" "no sample is left to learn from"
{ echo a,b,label; for i in 1 2 3 4 5 6; do printf '1,2,x\n3,4,\351t\351\n'; done; } >latin.csv
run train mlp --data ./latin.csv --epochs 1 --seed 1 --quiet --save latin.safetensors; is 0 "classes whose names are not UTF-8"
run eval --weights latin.safetensors --json; is 0 "are the same again" '\ufffdt\ufffd'; json_lines "in JSON, too"
case $output in *"to the weights"*) false ;; *) true ;; esac; point $? "without a warning"
run eval --weights latin.safetensors --data ./two.csv; is 1 "a part without samples" "./two.csv: there is no sample in this part; --split all"
sed "s/x$/z$escape[1m/" latin.csv >renamed.csv
run eval --weights latin.safetensors --data ./renamed.csv; is 0 "other classes than the weights have learnt" 'class 0 is "x" to the weights and "z\x1b[1m" in ./renamed.csv'
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo "the quick brown fox jumps over the lazy dog"; done >text.txt
tr -d qjz <text.txt >fewer.txt; tr x X <text.txt >other.txt
run train lstm --data text:text.txt -o hidden=8,embedding=4 --data-option seq=8 --lr 0.1 --epochs 3 --seed 1 --quiet --save text.safetensors; is 0 "a language"
"$telar" eval --weights text.safetensors --data text:fewer.txt --data-option seq=8 --json >words; first=$(sed 's/"seconds".*//' words)
vocabulary=$(printf '%s' '\n abcdefghijklmnopqrstuvwxyz')
"$telar" eval --weights text.safetensors --data text:fewer.txt --data-option "seq=8,vocabulary=$vocabulary" --json >words; output=$(sed 's/"seconds".*//' words)
[ -n "$first" ] && [ "$first" = "$output" ]; point $? "of another text, characters are those that the weights have learnt"
run eval --weights text.safetensors --data text:other.txt; is 1 "or none" "the character U+0058 is not in the vocabulary"
run train lstm --data text:text.txt -o hidden=8,embedding=4 --data-option seq=1 --epochs 1 --seed 1 --quiet; is 0 "one character at a time" "perplexity"
run train lstm --data wine --epochs 1; is 1 "measurements are no text" "these samples are f32 (data for it: text:FILE)"
run train lstm --data text:two.csv; is 1 "a text that is too short" "are too few for windows of 64"
done_testing
