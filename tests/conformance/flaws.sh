#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite finds what it is there to find: the opaque backend with one flaw at a time. And its command line.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/backends" && ln -s "$TEST_BUILDDIR/tests/opaque/.libs/opaque.so" "$folder/backends/opaque.so" || exit 1
conformance=$TEST_BUILDDIR/tests/telar-conformance
n=0

point() { # passed? description
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        grep -A3 -e '^not ok' -e '^telar' "$folder/out" | head -8 | sed 's/^/# /'
    fi
}

finds() { # flaw, the point that is not ok, the comment below it
    OPAQUE_FLAW=$1 "$conformance" "$folder/backends/opaque.so" >"$folder/out" 2>&1
    [ $? = 1 ] && grep -q "^not ok [0-9]* - opaque: $2" "$folder/out" && grep -q "^# .*$3" "$folder/out"
    point $? "$1: $2"
}

finds forgetful "gather, columns, index 6: is found before a value is read" "expected INDEX, then OK; came OK"
finds small-layout "conv2d, 3 x 3" "1 after a block of .* bytes: does layout_size() say enough"
finds one-way "conv2d, 3 x 3" "reorder to layout 16 and back to row-major gives other values"
finds threads "sum, all, strict" "other bits on three threads than on one"
finds idle-kernel "every kernel is for an op that there is" "no op comes to kernels as \"cumsumm\""
finds no-f16-copy "cast, to f16" "copy: no kernel on opaque:0 for f16: no f16"

"$conformance" --own "$folder/backends/opaque.so" >"$folder/out" 2>&1
point $? "--own judges a backend that lacks ops"
grep -q '^ok [0-9]* # SKIP opaque has no kernel of its own for topk' "$folder/out"
point $? "and leaves out what it lacks"
grep -q '^# topk  *0  ' "$folder/out" && grep -q '^# matmul  *[1-9][0-9]*  *0 ' "$folder/out"
point $? "the table says who did what"
TELAR_FALLBACK=error "$conformance" --own "$folder/backends/opaque.so" >"$folder/out" 2>&1
point $? "also with TELAR_FALLBACK=error"

OPAQUE_FLAW=no-plan "$conformance" --op sort --own "$folder/backends/opaque.so" >"$folder/out" 2>&1
[ $? = 1 ] && grep -q '^not ok [0-9]* - opaque: sort, rows' "$folder/out" && grep -q 'the plan does not compile' "$folder/out"
point $? "no-plan: a kernel that fails while it plans is not one that is lacking"
"$conformance" --op add,topk --op matmul --own "$folder/backends/opaque.so" >"$folder/out" 2>&1
point $? "--op judges only some ops"
cases=$(grep '^\(not \)*ok ' "$folder/out" | grep -v 'its own kernels took calls')
for op in add topk matmul bmm; do
    printf '%s\n' "$cases" | grep -q " \(opaque:\|own for\) $op,"
    point $? "$op among them"
done
printf '%s\n' "$cases" | grep -v ' \(opaque:\|own for\) \(add\|topk\|matmul\|mm\|bmm\),' >"$folder/out"
[ ! -s "$folder/out" ]
point $? "and nothing else is run"
"$conformance" --gradients --op mean >"$folder/out" 2>&1 && grep -q '^ok .* mean, all' "$folder/out" && ! grep -q -v -e ' mean\(_dim\)*, ' -e '^1\.\.' "$folder/out"
point $? "nor are gradients"
"$conformance" --op dot "$folder/backends/opaque.so" >"$folder/out" 2>&1
point $? "an op without a kernel of its name is judged by what it is decomposed into"
"$conformance" --op sum,sun "$folder/backends/opaque.so" >"$folder/out" 2>&1
[ $? = 2 ] && grep -q 'there are no cases for "sun"' "$folder/out"
point $? "an op that there is not is told"
"$conformance" "$folder/backends/opaque.so" --op >"$folder/out" 2>&1
[ $? = 2 ] && grep -q 'which op?' "$folder/out"
point $? "--op wants one"
"$conformance" --op sum --registry >"$folder/out" 2>&1
[ $? = 2 ] && grep -q -e '--registry is about all ops' "$folder/out"
point $? "--registry takes none"

"$conformance" --types f32,i64 --op abs "$folder/backends/opaque.so" >"$folder/out" 2>&1 && grep -q '^ok .* abs, .*, 2 types$' "$folder/out"
point $? "--types judges only some types"
"$conformance" --types f32,x64 "$folder/backends/opaque.so" >"$folder/out" 2>&1
[ $? = 2 ] && grep -q '"x64" is no element type' "$folder/out"
point $? "a type that there is not is told"
OPAQUE_FLAW=no-plan "$conformance" --run-only --op sort,sum "$folder/backends/opaque.so" >"$folder/out" 2>&1
[ $? = 1 ] && grep -q '^not ok [0-9]* - opaque: sort, rows' "$folder/out" && grep -q '^ok [0-9]* - opaque: sum, all.*: runs$' "$folder/out"
point $? "--run-only runs, and finds what does not"
OPAQUE_FLAW=forgetful "$conformance" --run-only --op gather "$folder/backends/opaque.so" >"$folder/out" 2>&1
point $? "but looks at no value"
"$conformance" --list --op gather >"$folder/out" 2>&1 && grep -q '^gather, ' "$folder/out" && ! grep -q -v '^gather, ' "$folder/out"
point $? "--list lists cases"

"$conformance" --help >"$folder/out" 2>&1 && grep -q -e '--own' "$folder/out"
point $? "--help is no backend"
"$conformance" --nonsense >"$folder/out" 2>&1
[ $? = 2 ] && grep -q 'unknown option --nonsense' "$folder/out"
point $? "nor is an option that there is not"
"$conformance" >"$folder/out" 2>&1
[ $? = 2 ]
point $? "and it wants one"
echo "1..$n"
