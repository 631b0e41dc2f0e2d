#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The cpu backend with less than the processor has: the conformance suite and the vector code's own test at each lower level.
set -u
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cpu.so" ] || { echo "1..0 # SKIP the cpu backend was not built"; exit 0; }
have=$("$TEST_BUILDDIR/cli/telar" backends | sed -n 's/^ *0: .*, \(avx512\|avx2\|base\), .*/\1/p')
case $have in
avx512) levels="avx2 base" ;;
avx2) levels=base ;;
base) echo "1..0 # SKIP the processor has no more than the base level"; exit 0 ;;
*) echo "1..1"; echo "not ok 1 - telar backends names the level: '$have'"; exit 1 ;;
esac
n=0
log=$(mktemp) || exit 1
for level in $levels; do
    for program in "telar-conformance cpu" cpu_vector; do
        n=$((n + 1))
        TELAR_CPU_ISA=$level
        export TELAR_CPU_ISA
        # shellcheck disable=SC2086
        if "$TEST_BUILDDIR"/tests/$program >"$log" 2>&1 && grep -q '^ok' "$log"; then
            echo "ok $n - $program at level $level: $(grep -c '^ok' "$log") points"
        else
            echo "not ok $n - $program at level $level"
            grep -v '^ok' "$log" | sed 's/^/# /'
        fi
    done
done
rm -f "$log"
echo "1..$n"
