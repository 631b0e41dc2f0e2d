#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The documents: links lead somewhere, names exist, C programs compile without a warning and run. (What the pages on plugins
# say is done by templates.sh and template_backend.sh.)
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0

point() { # 0-or-1 NAME [EXPLANATION]
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "${3:-}" | sed 's/^/# /' | head -30
    fi
}

words=$("${PERL:-perl}" "$TEST_SRCDIR/build-aux/check-links" "$TEST_SRCDIR" 2>&1); point $? "relative links lead to files and headings" "$words"

# Manual pages exist for every function and macro; constants and fields of enumerations are found in the headers.
names=$(grep -ohE '\b(tl|TL)_[A-Za-z0-9_]+' "$TEST_SRCDIR/docs/from-pytorch.md" | sort -u)
[ "$(printf '%s\n' "$names" | wc -l)" -gt 150 ]; point $? "the table of PyTorch's names can be read" "$names"
unknown=$(for name in $names; do
    [ -s "$TEST_BUILDDIR/docs/man3/$name.3" ] || grep -qw -e "$name" "$TEST_SRCDIR"/include/telar/*.h || echo "$name"
done)
[ -z "$unknown" ]; point $? "every Telar name of that table exists" "$unknown"

if grep -q -e -fsanitize "$TEST_BUILDDIR/config.log"; then
    for name in README.md from-pytorch.md programs.md; do
        count=$((count + 1)); echo "ok $count - the C code of $name # SKIP the sanitizers' own libraries would have to be linked"
    done
    echo "1..$count"
    exit 0
fi
examples() { # FILE NAME: each C block becomes $work/NAME1.c, …
    awk -v stem="$work/$2" '/^```c$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside { print > (stem n ".c") }' "$1"
}
compile() { # ARGUMENTS…
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror -I"$TEST_SRCDIR/include" "$@" 2>&1
}
libraries="-L$TEST_BUILDDIR/nn/.libs -L$TEST_BUILDDIR/core/.libs -ltelar-nn -ltelar"
LD_LIBRARY_PATH=$TEST_BUILDDIR/nn/.libs:$TEST_BUILDDIR/core/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

examples "$TEST_SRCDIR/README.md" readme
examples "$TEST_SRCDIR/docs/from-pytorch.md" pytorch
examples "$TEST_SRCDIR/docs/programs.md" programs
[ -s "$work/readme1.c" ] && [ -s "$work/pytorch1.c" ] && [ -s "$work/programs1.c" ]; point $? "README.md, from-pytorch.md and programs.md have a program each"
for source in "$work"/readme*.c "$work"/pytorch*.c "$work"/programs*.c; do
    program=${source%.c}
    # shellcheck disable=SC2086
    words=$(compile "$source" -o "$program" $libraries); point $? "${program##*/} compiles" "$words"
    words=$("$program" 2>&1); point $? "${program##*/} runs" "$words"
    printf '%s\n' "$words" >"$program.out"
done
losses=$(tr '\n' ' ' <"$work/pytorch1.out")
[ "$losses" = "2.3029 2.2036 2.0311 " ] && grep -q '2.3029, 2.2036 and 2.0311' "$TEST_SRCDIR/docs/from-pytorch.md"
point $? "it prints PyTorch's losses" "$losses"

grep -q '^step 50, loss 0\.' "$work/programs1.out" && grep -q '^recordings: 1$' "$work/programs1.out"
point $? "the program of programs.md learns, and is recorded once" "$(cat "$work/programs1.out")"
echo "1..$count"
