#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: registry.
set -u
"$TEST_BUILDDIR/tests/telar-conformance" --registry
