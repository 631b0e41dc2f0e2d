#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What docs/add-a-model.md, docs/add-a-data-set.md and docs/add-a-format.md say, done: copies of the templates, out of the tree, are
# built with what pkg-config says and nothing else, and used through TELAR_PLUGIN_PATH.
if grep -q -e -fsanitize "$TEST_BUILDDIR/config.log"; then
    echo "1..0 # SKIP the sanitizers' own libraries would have to be linked"
    exit 0
fi
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
command -v "$PKG_CONFIG" >/dev/null 2>&1 || { echo "1..0 # SKIP no $PKG_CONFIG"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp -R "$TEST_SRCDIR/examples/templates" "$work/plugins" && chmod -R u+w "$work" && cd "$work" || exit 1
PKG_CONFIG_PATH=$TEST_BUILDDIR
TELAR=$TEST_BUILDDIR/cli/telar
TELAR_NUM_THREADS=1
export PKG_CONFIG PKG_CONFIG_PATH TELAR TELAR_NUM_THREADS
unset DESTDIR MAKEFLAGS MFLAGS MAKELEVEL
count=0 output=

point() { # 0-or-1 NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "$output" | sed 's/^/# /' | tail -30
    fi
}
says() { # NAME WORDS…: the output holds them
    name=$1 good=0
    shift
    for words; do
        case $output in *"$words"*) ;; *) good=1; name="$name (\"$words\" is missing)" ;; esac
    done
    point $good "$name"
}

for kind in model dataset format; do
    lines=$(wc -l <plugins/$kind/$kind.c)
    [ "$lines" -le 125 ]; point $? "the $kind template is short ($lines lines)"
    output=$(make -C plugins/$kind CC="${CC:-cc}" CFLAGS="-O2 -Wpedantic -Wshadow -Wconversion -Werror" 2>&1); point $? "the $kind template compiles without a warning"
    output=$(make -C plugins/$kind check 2>&1); point $? "its make check passes"
    case $output in *BAD*) false ;; *) true ;; esac; point $? "and telar doctor finds nothing wrong"
done

TELAR_PLUGIN_PATH=$work/plugins/model:$work/plugins/dataset:$work/plugins/format
export TELAR_PLUGIN_PATH
output=$("$TELAR" train my-resnet --epochs 6 --seed 1 --lr 0.01 --quiet --json --save net.safetensors 2>&1)
printf '%s\n' "$output" | awk -F'"accuracy":' '/"samples"/ {found = $2 + 0 > 0.85} END {exit !found}'; point $? "the model learns digits"
output=$("$TELAR" train my-resnet --data my-spirals --epochs 1 2>&1); says "and says that it cannot take points" "model my-resnet" "[1 x 8 x 8]"
output=$("$TELAR" train mlp --data my-spirals --data-option noise=0,arms=3,size=3000 --lr 0.01 --epochs 20 --seed 1 --quiet --json 2>&1)
printf '%s\n' "$output" | awk -F'"accuracy":' '/"samples"/ {found = $2 + 0 > 0.9} END {exit !found}'; point $? "spirals can be learnt"
says "as many samples are held out as there should be" '"samples":600'
output=$("$TELAR" data my-spirals --data-option arms=30 2>&1); says "options are checked against the table" "option arms=30: expected 2 to 20"

output=$("$TELAR" convert net.safetensors net.tlraw 2>&1 && "$TELAR" convert net.tlraw back.safetensors 2>&1 && cmp net.safetensors back.safetensors 2>&1)
point $? "weights through the format and back are the same bytes"
output=$("$TELAR" inspect net.tlraw 2>&1); says "telar reads them" "blocks.0.conv1.weight" "telar.model = my-resnet"
"$TELAR" eval --weights net.safetensors --json 2>/dev/null | sed 's/,"seconds".*//' >a; "$TELAR" eval --weights net.tlraw --json 2>/dev/null | sed 's/,"seconds".*//' >b
output=$(cat a b); [ -s a ] && cmp -s a b; point $? "and they measure the same"
size=$(wc -c <net.tlraw)
output=$("$TELAR" train my-resnet --epochs 1 --seed 1 --quiet --save whole.tlraw 2>&1 && "$TELAR" train --resume whole.tlraw --epochs 2 --quiet 2>&1)
point $? "a run is saved in the format, and goes on from it"
for at in 0 5 8 60 $((size / 2)) $((size - 1)); do
    head -c "$at" net.tlraw >cut.tlraw
    output=$("$TELAR" inspect cut.tlraw 2>&1); [ $? = 1 ]; point $? "cut at $at it is refused"
done
echo "1..$count"
