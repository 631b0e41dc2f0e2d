#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A layer includes only what lies below it: core nothing of the others, nn nothing of the core's own headers, plugins and
# programs only public headers, and backends of those only the plugin ABI.
cd "$TEST_SRCDIR" || exit 1
count=0

# check NAME PATTERN FOLDER…: no #include in the folders matches the pattern (an extended regular expression).
check() {
    name=$1 pattern=$2
    shift 2
    count=$((count + 1))
    if found=$(find "$@" -name '*.[ch]' -exec grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" {} +); then
        echo "not ok $count - $name"
        printf '%s\n' "$found" | sed 's/^/# /'
    else
        echo "ok $count - $name"
    fi
}

check "core includes nothing above it" '(\.\./)*(nn|backends|plugins|models|cli)/|telar/(nn|train|data|model|dataset|optim)\.h' core
check "nn includes none of the core's own headers" '(\.\./)*(core|backends|plugins|models|cli)/' nn
check "backends include nothing of the libraries" '(\.\./)*(core|nn|plugins|models|cli)/' backends
check "backends include of the public headers only the plugin ABI" 'telar/(telar|tensor|ops|op|autograd|random|registry|state|nn|train|data|model|dataset|format|optim)\.h' backends
check "plugins include only public headers" '(\.\./)*(core|nn|backends|models|cli)/' plugins
check "models include only public headers" '(\.\./)*(core|nn|backends|plugins|cli)/' models
check "the command includes only public headers" '(\.\./)*(core|nn|backends|plugins|models)/' cli
echo "1..$count"
