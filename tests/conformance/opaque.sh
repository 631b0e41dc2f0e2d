#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: opaque.
set -u
# The loader wants a folder named after the kind.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/backends" && ln -s "$TEST_BUILDDIR/tests/opaque/.libs/opaque.so" "$folder/backends/opaque.so" || exit 1
"$TEST_BUILDDIR/tests/telar-conformance" "$folder/backends/opaque.so"
