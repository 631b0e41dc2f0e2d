#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The lists of sources in the local.mk files name exactly the files that are there.
if out=$("${PERL:-perl}" "$TEST_SRCDIR/build-aux/update-sources" --check 2>&1); then
    echo "ok 1 - lists of sources are in step"
else
    echo "not ok 1 - lists of sources are in step"
    printf '%s\n' "$out" | sed 's/^/# /'
fi
echo "1..1"
