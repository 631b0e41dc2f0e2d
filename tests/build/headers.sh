#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every public header compiles by itself, without warnings, as C11 and, where there is a compiler for it, as C++.
cd "$TEST_SRCDIR/include" || exit 1
count=0
try() { # NAME COMMAND…
    name=$1
    shift
    count=$((count + 1))
    if out=$("$@" 2>&1); then echo "ok $count - $name"; else
        echo "not ok $count - $name"
        printf '%s\n' "$out" | sed 's/^/# /'
    fi
}
for header in telar/*.h; do
    try "$header as C11" ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -I. -include "$header" -x c /dev/null
    if command -v g++ >/dev/null 2>&1; then
        try "$header as C++" g++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I. -include "$header" -x c++ /dev/null
    else
        count=$((count + 1))
        echo "ok $count - $header as C++ # SKIP no C++ compiler"
    fi
done
echo "1..$count"
