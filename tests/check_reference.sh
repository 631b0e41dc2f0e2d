#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# TELAR_CHECK=reference on a backend that computes wrongly: the run stops at the first wrong result, and leaves a file with which
# telar-conformance finds it again there, and finds nothing on a right backend.
set -u
n=0
point() { # ok?, what
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; sed 's/^/# /' out err 2>/dev/null; fi
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/backends" && ln -s "$TEST_BUILDDIR/tests/wrong/.libs/wrong.so" "$folder/backends/wrong.so" && cd "$folder" || exit 1
TELAR_PLUGIN_PATH=$folder
TELAR_DATA=
export TELAR_PLUGIN_PATH TELAR_DATA
telar=$TEST_BUILDDIR/cli/telar
conformance=$TEST_BUILDDIR/tests/telar-conformance

run() { "$@" >out 2>err; }

TELAR_BACKEND=wrong run "$telar" train mlp --epochs 1 --seed 1 --quiet
point $? "without the check the training goes on"
! TELAR_CHECK=reference TELAR_BACKEND=wrong run "$telar" train mlp --epochs 1 --seed 1 --quiet
point $? "with it the training fails"
grep -q 'addmm: output 0 differs from the reference at element [0-9]*:' err
point $? "and says which op, where, and by how much"
file=$(ls telar-divergence-*-addmm.txt 2>/dev/null)
[ -s "$file" ]
point $? "the operands are in a file"
run "$conformance" --replay "$file" wrong
[ $? = 1 ] && grep -q 'addmm on wrong: output 0, element [0-9]*:' out
point $? "run again from the file, the op is wrong again"
for backend in reference cpu; do
    [ -e "$TEST_BUILDDIR/plugins-tree/backends/$backend.so" ] || continue
    run "$conformance" --replay "$file" $backend && grep -q 'as on the reference' out
    point $? "and right on $backend"
    TELAR_CHECK=reference TELAR_BACKEND=$backend run "$telar" train digits-cnn --epochs 1 --seed 1 --quiet
    point $? "a training on $backend passes the check"
done
sed '$d' "$file" >cut.txt
run "$conformance" --replay cut.txt wrong
[ $? = 2 ] && grep -q 'cut.txt, line [0-9]*: the file ends without "end"' err
point $? "a file that was cut short is refused"
! run "$conformance" "$folder/backends/wrong.so"
point $? "the conformance suite does not pass"
! grep '^not ok' out | grep -v -E 'relu|addmm|linear|lstm|gru|rnn|a small network' && grep -q '^not ok.*addmm' out
point $? "and names those ops, no others"
TELAR_CHECK=nonsense run "$telar" train mlp --epochs 1 --seed 1 --quiet && grep -q 'TELAR_CHECK=nonsense is ignored: expected reference' err
point $? "another value of the variable is named and ignored"
echo "1..$n"
