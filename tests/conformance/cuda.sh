#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: cuda, where a GPU answers.
set -u
cases=$("$TEST_BUILDDIR/tests/telar-conformance" --list | wc -l)
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cuda.so" ] || { echo "1..0 # SKIP the cuda backend was not built: $cases cases are not run"; exit 0; }
# The other tests do not see it.
if [ "${TEST_VISIBLE_DEVICES:-all}" = all ]; then
    unset CUDA_VISIBLE_DEVICES
else
    CUDA_VISIBLE_DEVICES=$TEST_VISIBLE_DEVICES
fi
if why=$("$TEST_BUILDDIR/cli/telar" bench mlp --runs 1 --seconds 0 --device cuda 2>&1 >/dev/null); then
    "$TEST_BUILDDIR/tests/telar-conformance" --own cuda
else
    echo "1..0 # SKIP $cases cases are not run: $(printf '%s' "$why" | tail -1 | tr '#' ' ')"
fi
