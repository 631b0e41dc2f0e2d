#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What docs/add-a-backend.md says, done: a copy of the template, out of the tree, is built with what pkg-config says and nothing else, judged by
# telar-conformance, and trains a network.
set -u
if grep -q -e -fsanitize "$TEST_BUILDDIR/config.log"; then
    echo "1..0 # SKIP the sanitizers' own libraries would have to be linked"
    exit 0
fi
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
command -v "$PKG_CONFIG" >/dev/null 2>&1 || { echo "1..0 # SKIP no $PKG_CONFIG"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp -R "$TEST_SRCDIR/examples/templates/backend" "$work/mine" && chmod -R u+w "$work" && cd "$work/mine" || exit 1
PKG_CONFIG_PATH=$TEST_BUILDDIR
TELAR=$TEST_BUILDDIR/cli/telar
CONFORMANCE=$TEST_BUILDDIR/tests/telar-conformance
export PKG_CONFIG PKG_CONFIG_PATH TELAR CONFORMANCE
unset DESTDIR MAKEFLAGS MFLAGS MAKELEVEL
count=0 output=

point() { # 0-or-1 NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "$output" | sed 's/^/# /' | tail -30
    fi
}
says() { # NAME WORDS: the output holds them
    case $output in *"$2"*) point 0 "$1" ;; *) point 1 "$1 (\"$2\" is missing)" ;; esac
}

lines=$(wc -l <backend.c)
[ "$lines" -le 120 ]; point $? "the template is short ($lines lines)"
output=$(make CC="${CC:-cc}" CFLAGS="-O3 -Wpedantic -Wshadow -Wconversion -Werror" 2>&1); point $? "it compiles without a warning"
output=$(make check 2>&1); point $? "its make check passes"
says "telar doctor finds it" "mine"
says "the suite judged its kernel" "mine: matmul, 2-d, "
says "and left out what it lacks" "SKIP mine has no kernel of its own for conv2d"
case $output in *"not ok"*) false ;; *) true ;; esac; point $? "nothing is wrong with it"
output=$(TELAR_PLUGIN_PATH=$PWD "$CONFORMANCE" "$PWD/backends/mine.so" 2>&1); point $? "with all that it leaves to others, too"
says "it trains a small network" "mine: a small network learns as on the reference"

TELAR_PLUGIN_PATH=$PWD
others=cpu
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cpu.so" ] || others=reference
export TELAR_PLUGIN_PATH
output=$(TELAR_BACKEND=mine,$others TELAR_LOG=+kernel "$TELAR" train mlp --epochs 2 --seed 1 --quiet 2>&1); point $? "mlp trains on mine,$others"
says "with its kernel" "matmul on cpu: mine:tiles took it"
accuracy() { # BACKENDS
    TELAR_BACKEND=$1 "$TELAR" train mlp --epochs 2 --seed 1 --quiet --json 2>/dev/null | grep -o '"accuracy":[0-9.]*' | tail -1 | cut -d: -f2
}
here=$(accuracy mine,$others) there=$(accuracy reference)
output="$here; on the reference $there"
awk "BEGIN { d = $here - $there; exit !(d < 0.02 && d > -0.02 && $there > 0.7) }"; point $? "and learns what it learns on the reference ($here)"

# The second kernel of the page, with a layout of its own.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$TEST_SRCDIR/docs/add-a-backend.md" >conv2d.h
sed 's/^static const struct tl_kernel \*const kernels.*/#include "conv2d.h"\n&/; s/{&matmul, NULL}/{\&matmul, \&conv2d, NULL}/
    s/\.kernels = kernels/.layout_size = layout_size, .reorder = reorder, &/' backend.c >both.c
mv backend.c one.c && mv both.c backend.c
output=$(make CC="${CC:-cc}" CFLAGS="-O3 -Wpedantic -Wshadow -Wconversion -Werror" 2>&1); point $? "the page's convolution compiles without a warning"
output=$("$CONFORMANCE" --own mine 2>&1); point $? "it is right"
says "and was judged" "mine: conv2d, dilation, "
output=$("$CONFORMANCE" "$PWD/backends/mine.so" 2>&1); point $? "also together with the kernels of others"
output=$(TELAR_BACKEND=mine,$others TELAR_LOG=+kernel "$TELAR" train digits-cnn --epochs 1 --seed 1 --quiet 2>&1); says "and trains" "conv2d on cpu: mine:packed took it"
mv one.c backend.c

# A typing error in the name of the op is not silent.
sed 's/\.op = "matmul"/.op = "matmull"/' backend.c >typo.c && mv typo.c backend.c && make CC="${CC:-cc}" >/dev/null 2>&1
output=$(TELAR_BACKEND=mine,$others "$TELAR" train mlp --epochs 1 --seed 1 --quiet 2>&1); says "a kernel that is never called is told of" 'there is no op "matmull"'
output=$(make check 2>&1) && false; [ $? != 0 ]; point $? "and no backend passes that does nothing"
make install DESTDIR="$work/there" >/dev/null 2>&1
output=$(find "$work/there" -name mine.so); says "make install puts it where plugins lie" "/backends/mine.so"
echo "1..$count"
