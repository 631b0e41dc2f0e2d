#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every C example of the README compiles against the public headers without a warning, and runs.
set -u
if grep -q -e -fsanitize "$TEST_BUILDDIR/config.log"; then
    echo "1..0 # SKIP the sanitizers' own libraries would have to be linked"
    exit 0
fi
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
awk -v folder="$folder" '/^```c$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside { print > (folder "/example" n ".c") }' "$TEST_SRCDIR/README.md"
n=0
for source in "$folder"/example*.c; do
    n=$((n + 1))
    program=${source%.c}
    if ${CC:-cc} -std=c11 -Wall -Wextra -Werror -I"$TEST_SRCDIR/include" "$source" -o "$program" \
        -L"$TEST_BUILDDIR/nn/.libs" -L"$TEST_BUILDDIR/core/.libs" -ltelar-nn -ltelar 2>"$folder/words"; then
        echo "ok $n - example $n compiles"
    else
        echo "not ok $n - example $n compiles"
        sed 's/^/# /' "$folder/words"
        continue
    fi
    n=$((n + 1))
    if LD_LIBRARY_PATH="$TEST_BUILDDIR/nn/.libs:$TEST_BUILDDIR/core/.libs" "$program" >"$folder/out" 2>&1; then
        echo "ok $n - example $((n / 2)) runs"
    else
        echo "not ok $n - example $((n / 2)) runs"
        sed 's/^/# /' "$folder/out"
    fi
done
[ "$n" -gt 0 ] || echo "not ok 1 - the README has an example"
echo "1..$n"
