#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# telar fetch against a server on this machine that misbehaves in every way (fetch_server.py).
. "$TEST_SRCDIR/tests/tap.sh"
mkdir -p plugins/models; cp "$TEST_BUILDDIR/tests/crooked/.libs/models.so" plugins/models/crooked.so
export TELAR_PLUGIN_PATH="$work/plugins" XDG_DATA_HOME="$work/data"
unset TELAR_DATA http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY no_proxy NO_PROXY
fetch() { # ARGUMENTS: as run, without the plugin's warnings
    output=$("$telar" fetch "$@" 2>&1)
    status=$?
    output=$(printf '%s\n' "$output" | grep -v 'see telar doctor')
}
here=$work/data/telar/weights
nothing_named() { # NAME: no file has got its final name
    [ -z "$(find "$work/data" -type f ! -name '*.part' 2>/dev/null)" ]; point $? "$1"
}

# ---- Without a server --------------------------------------------------------------------------------------------------------------
fetch; is 2 "fetch nothing" "--list"
fetch distnat; is 1 "an unknown model" "did you mean \"distant\""
fetch distant:patern; is 1 "unknown weights" "lists no weights \"patern\"; it has: homeless, pattern, unsummed"
fetch mlp; is 1 "a model without weights" "model mlp lists no weights"
fetch distant:homeless; is 1 "weights without an address" "lists no address for its weights homeless (three bytes from somewhere)" "--url URL" "$here/homeless"
fetch distant:pattern --url ftp://example.org/pattern.bin; is 1 "another scheme" "is no address to fetch from" "https://HOST/FILE"
fetch distant:pattern --url /etc/passwd; is 1 "a path" "is no address to fetch from"
fetch distant:pattern three:abc --url https://example.org/; is 2 "one address for two" "of one file"
fetch --list distant; is 0 "--list" "distant:pattern " "not here" "https://example.org/pattern.bin" "distant:homeless" "(no address is listed)"
fetch --list --json; is 0 "--list of everything, as JSON" '"model":"resnet18","weights":"IMAGENET1K_V1","state":"not here"'
output=$(XDG_DATA_HOME='' HOME=nowhere "$telar" fetch distant:pattern 2>&1); status=$?; is 1 "no folder for data" "neither XDG_DATA_HOME nor HOME"
fetch distant:pattern --url http://127.0.0.1:1/pattern.bin
case $output in *"without libcurl"*)
    is 1 "without libcurl it says what to do" "libcurl4-openssl-dev"
    skip "fetching" "telar was built without libcurl: fetching was NOT tested"
    done_testing
    exit 0 ;;
esac
is 1 "a server that does not answer" "http://127.0.0.1:1/pattern.bin: " "onnect"
nothing_named "leaves nothing"; [ ! -e "$here/pattern.bin.part" ]; point $? "and no beginning of a file"
if ! command -v python3 >/dev/null 2>&1; then
    skip "fetching" "no python3 for a server: fetching was NOT tested"
    done_testing
    exit 0
fi

# ---- The server ----------------------------------------------------------------------------------------------------------------------
python3 "$TEST_SRCDIR/tests/fetch_server.py" port log 2>server.err &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s port ] && break; sleep 0.5; done
[ -s port ] || { output=$(cat server.err); point 1 "the server starts"; done_testing; exit 1; }
at=http://127.0.0.1:$(cat port)
python3 -c 'import sys; sys.stdout.buffer.write(bytes(i % 251 for i in range(1 << 20)))' >pattern
part=$here/pattern.bin.part
fresh() { rm -rf data; : >log; }
last_range() { tail -n 1 log | cut -d ' ' -f 2; }
holds_pattern() { cmp -s "$here/pattern.bin" pattern && [ ! -e "$part" ]; point $? "$1"; }

fetch distant:pattern --url "$at/plain/pattern.bin"; is 0 "fetch" "fetching http://" "distant:pattern: $here/pattern.bin"; holds_pattern "the file is whole and has its name"
fetch distant:pattern --url "$at/missing/pattern.bin"; is 0 "what is here is not fetched again" "distant:pattern is here: $here/pattern.bin"
fetch --list distant --json; is 0 "and is listed" '"weights":"pattern","state":"here","path":"'
printf x >"$here/pattern.bin"
fetch --list distant; is 0 "a damaged one is, too" "damaged"
fetch distant --url "$at/plain/pattern.bin"; is 1 "the first weights are taken, with an address that is given" "expected one that begins with ba7816bf"
fetch distant:pattern --url "$at/plain/pattern.bin" --quiet; is 0 "the damaged one is fetched anew"; holds_pattern "and is whole"
case $output in *fetching*) false ;; esac; point $? "--quiet is quiet"
fresh; fetch distant:pattern --url "$at/moved/pattern.bin" --json; is 0 "a redirection" '"fetched":true,"bytes_received":1048576,"checked":true'; holds_pattern "is followed"
fresh; output=$(http_proxy=$at "$telar" fetch distant:pattern --url "http://nowhere.invalid/plain/pattern.bin" 2>&1); status=$?
is 0 "a proxy by the variable"; holds_pattern "hands the file on"
fresh; fetch three:abc distant:nothing --quiet; is 1 "several: one fails" "lists no weights \"nothing\""
fresh; mkdir -p data/telar/weights elsewhere; printf abd >elsewhere/pattern.bin
output=$(TELAR_DATA=$work/elsewhere "$telar" fetch distant:pattern --url "$at/plain/pattern.bin" 2>&1); status=$?
is 1 "a wrong file that comes before is told, not touched" "elsewhere/pattern.bin\" is not the file"; [ "$(cat elsewhere/pattern.bin)" = abd ]; point $? "and left"

# ---- Interruptions -----------------------------------------------------------------------------------------------------------------
fresh; fetch distant:pattern --url "$at/cut/pattern.bin"
is 1 "a connection that breaks" "broke after 524288 of 1048576 bytes" "the next telar fetch goes on from there"; nothing_named "gives no file"
[ "$(wc -c <"$part")" = 524288 ]; point $? "but a beginning"
fetch distant:pattern --url "$at/cut/pattern.bin"; is 1 "and again" "broke after 525288 of 1048576 bytes"; [ "$(last_range)" = bytes=524288- ]; point $? "it went on"
fetch distant:pattern --url "$at/plain/pattern.bin" --json; is 0 "resumed" '"bytes_received":523288'; holds_pattern "to the same bytes"
[ "$(last_range)" = bytes=525288- ]; point $? "by asking for the rest"
fresh; fetch distant:pattern --url "$at/cut/pattern.bin"; fetch distant:pattern --url "$at/norange/pattern.bin" --json
is 0 "a server that knows no ranges" '"bytes_received":1048576'; holds_pattern "sends everything"
fresh; fetch distant:pattern --url "$at/cut/pattern.bin"; fetch distant:pattern --url "$at/elsewhere/pattern.bin"
is 1 "one that sends another part" "asked for what follows byte 524288, and sends another part"; nothing_named "gives no file either"
mkdir -p "$here"; cp pattern "$part"; fetch distant:pattern --url "$at/plain/pattern.bin" --json
is 0 "a beginning that is the whole" '"bytes_received":0'; holds_pattern "gets its name"
fresh; mkdir -p "$here"; cat pattern pattern >"$part"; fetch distant:pattern --url "$at/plain/pattern.bin"; is 0 "a beginning that is too long"; holds_pattern "is thrown away"
fresh; mkdir -p "$here"; printf abcdefg >"$part"; fetch distant:pattern --url "$at/plain/pattern.bin"; is 0 "the beginning of another file"; holds_pattern "is, too"
[ "$(grep -c . log)" = 2 ] && [ "$(last_range)" = - ]; point $? "after a look at the sum"
fresh; mkdir -p "$here"; printf abcdefg >"$here/unsummed.bin.part"; fetch distant:unsummed --url "$at/plain/pattern.bin"
is 0 "without a sum" "no SHA-256 is listed"; cmp -s pattern "$here/unsummed.bin" && [ "$(last_range)" = - ]; point $? "nothing is resumed"
fresh; mkdir -p "$here"; : >"$part"
python3 -c 'import fcntl, subprocess, sys
f = open(sys.argv[1], "r+"); fcntl.flock(f, fcntl.LOCK_EX)
sys.exit(subprocess.call(sys.argv[2:]))' "$part" "$telar" fetch distant:pattern --url "$at/plain/pattern.bin" >words 2>&1; status=$?; output=$(cat words)
is 1 "two at a time" "another telar fetch is at work"

# ---- Servers that do harm ----------------------------------------------------------------------------------------------------------------
fresh; fetch distant:pattern --url "$at/other/pattern.bin"
is 1 "a file with another sum" "its SHA-256 is 5eb634ecf68dc60b3b593a45e2705db8192296bb3d4473e78cee9c451346889c" "expected 631b84027d6b9e52b539c4e8373622d23032dfadc64d60af87339c9037e4f769"
nothing_named "gets no name"; [ ! -e "$part" ]; point $? "and does not stay"
fresh; fetch distant:pattern --url "$at/missing/pattern.bin"; is 1 "no such file" "HTTP status 404, not found" "$at/missing"; nothing_named "nothing of the answer is kept"; [ ! -e "$part" ]; point $? "at all"
fetch distant:pattern --url "$at/broken/pattern.bin"; is 1 "a server in trouble" "HTTP status 500"; nothing_named "nothing of that either"
fetch distant:pattern --url "$at/loop/pattern.bin"; is 1 "redirections without an end" "more than 10 redirections"; [ "$(grep -c /loop/ log)" = 11 ]; point $? "are followed ten times"
fetch distant:pattern --url "$at/file/pattern.bin"; is 1 "a redirection to a file of this machine" "neither https nor"
fetch distant:pattern --url "$at/gibberish/pattern.bin"; is 1 "a server of another kind" "what answers is no HTTP server"; nothing_named "gives no file"
fetch distant:pattern --url "$at/lengthless/pattern.bin"; is 1 "a file of unknown length" "does not say how long"
fetch distant:pattern --url "$at/endless/pattern.bin"; is 1 "a file without an end" "no space: 1152921504606846976 bytes are to come"
fetch distant:pattern --url "$at/empty/pattern.bin"; is 1 "an empty file" "its SHA-256 is e3b0c442"; nothing_named "none of these gives a file"
fetch distant:up --url "$at/plain/abc.bin"; is 0 "an address that ends in .." "$here/up"
if [ "$(id -u)" != 0 ]; then
    fresh; mkdir -p data/telar; chmod 500 data/telar
    fetch distant:pattern --url "$at/plain/pattern.bin"; is 1 "a folder that may not be written to" "cannot make the folder"
    chmod 700 data/telar
fi
fresh; mkdir -p data/telar; : >data/telar/weights; fetch distant:pattern --url "$at/plain/pattern.bin"; is 1 "a file where the folder should be" "$here"
fresh; mkdir -p "$here"; ln -s "$work/victim" "$part"; fetch distant:pattern --url "$at/plain/pattern.bin"
is 1 "a link where the beginning should be" "cannot write"; [ ! -e victim ]; point $? "is not followed"
fresh; output=$(ulimit -f 512; "$telar" fetch distant:pattern --url "$at/plain/pattern.bin" 2>&1); status=$?
is 1 "a file system that is full" "cannot write: "; nothing_named "no file"
done_testing
