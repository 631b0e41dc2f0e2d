#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: reference.
set -u
"$TEST_BUILDDIR/tests/telar-conformance" reference
