#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: cpu.
set -u
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cpu.so" ] || { echo "1..0 # SKIP the cpu backend was not built"; exit 0; }
"$TEST_BUILDDIR/tests/telar-conformance" cpu
