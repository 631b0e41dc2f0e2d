#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: docs/ops.md is what the suite finds.
set -u
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cpu.so" ] || { echo "1..0 # SKIP the cpu backend was not built"; exit 0; }
table=$(mktemp) || exit 1
trap 'rm -f "$table"' EXIT
"$TEST_BUILDDIR/tests/telar-conformance" --table reference cpu >"$table" || echo "not ok 1 - the table is made"
if differences=$(sed -n '/^| op /,$p' "$TEST_SRCDIR/docs/ops.md" | diff - "$table"); then
    echo "ok 1 - docs/ops.md is up to date"
else
    echo "not ok 1 - docs/ops.md is up to date (make ops-table writes it anew)"
    printf '%s\n' "$differences" | sed 's/^/# /'
fi
echo "1..1"
