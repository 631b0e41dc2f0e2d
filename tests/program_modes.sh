#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The tests of programs again, in strict arithmetic, on one thread, and with borders around all memory.
count=0
again() { # TEST VARIABLE=VALUE
    count=$((count + 1))
    if out=$(env "$2" "$TEST_BUILDDIR/tests/$1" 2>&1); then echo "ok $count - $1 with $2"; else
        echo "not ok $count - $1 with $2"
        printf '%s\n' "$out" | grep -v '^ok' | sed 's/^/# /' | head -40
    fi
}
for variable in TELAR_MATH=strict TELAR_NUM_THREADS=1 TELAR_CHECK=memory; do
    for test in program program_nn; do
        again $test $variable
    done
done
echo "1..$count"
