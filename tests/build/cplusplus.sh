#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The program of docs/cplusplus.md, with every public header included before it, is good C++, and runs.
if grep -q -e -fsanitize "$TEST_BUILDDIR/config.log"; then
    echo "1..0 # SKIP the sanitizers' own libraries would have to be linked"
    exit 0
fi
if ! command -v "${CXX:-g++}" >/dev/null 2>&1; then
    echo "1..0 # SKIP no C++ compiler: nothing is known of the headers in C++"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0
step() { # NAME COMMAND…
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/words" 2>&1; then echo "ok $count - $name"; else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/words"
    fi
}
(cd "$TEST_SRCDIR/include" && printf '#include <%s>\n' telar/*.h) >"$work/program.cpp"
awk '/^```cpp$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$TEST_SRCDIR/docs/cplusplus.md" >>"$work/program.cpp"
for standard in c++11 c++20; do
    step "the example is $standard" ${CXX:-g++} -std=$standard -Wall -Wextra -Werror -I"$TEST_SRCDIR/include" "$work/program.cpp" \
        -o "$work/program" -L"$TEST_BUILDDIR/nn/.libs" -L"$TEST_BUILDDIR/core/.libs" -ltelar-nn -ltelar
done
LD_LIBRARY_PATH=$TEST_BUILDDIR/nn/.libs:$TEST_BUILDDIR/core/.libs
export LD_LIBRARY_PATH
step "and runs" "$work/program"
cp "$work/words" "$work/lines"
step "and trains three epochs" grep "3/3" "$work/lines"
echo "1..$count"
