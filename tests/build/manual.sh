#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every name that the libraries export and every public macro has a manual page, every one of them has words in its header,
# and the pages are good roff.
cd "$TEST_BUILDDIR" || exit 1
count=0

point() { # 0-or-1 NAME [EXPLANATION]
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "${3:-}" | sed 's/^/# /' | head -30
    fi
}
skip() { # NAME REASON
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}
without_page() { # of the names on standard input, those that have none
    while read -r name; do [ -s "docs/man3/$name.3" ] || echo "$name"; done
}

silent=$("${PERL:-perl}" "$TEST_SRCDIR/build-aux/manual" --check "$TEST_SRCDIR"/include/telar/*.h 2>&1)
point $? "every public function and macro has a comment" "$silent"

if command -v nm >/dev/null 2>&1; then
    exported=$(nm -D --defined-only core/.libs/libtelar.so nn/.libs/libtelar-nn.so | awk 'NF == 3 && $2 != "A" {sub(/@.*/, "", $3); print $3}')
    [ "$(printf '%s\n' "$exported" | wc -l)" -gt 300 ]; point $? "the libraries' exports can be listed" "$exported"
    lacking=$(printf '%s\n' "$exported" | without_page)
    [ -z "$lacking" ]; point $? "every exported name has a page" "$lacking"
else
    skip "every exported name has a page" "no nm"
fi

# The compiler's own view of the macros, so that the page writer's reading of the headers is not its own judge. Names that end
# with an underscore are private; those that begin with TELAR_ guard the headers.
macros=$(for header in "$TEST_SRCDIR"/include/telar/*.h; do
    ${CC:-gcc} -std=c11 -E -dM -I"$TEST_SRCDIR/include" "$header"
done | sed -n 's/^#define \([Tt][Ll]_[A-Za-z0-9_]*\).*/\1/p' | sort -u | grep -v '^TL_.*_$')
[ "$(printf '%s\n' "$macros" | wc -l)" -gt 80 ]; point $? "the headers' macros can be listed" "$macros"
lacking=$(printf '%s\n' "$macros" | without_page)
[ -z "$lacking" ]; point $? "every public macro has a page" "$lacking"

broken=$(grep -h '^\.so ' docs/man3/*.3 | sed 's/^\.so man3\///' | sort -u | while read -r page; do
    [ -s "docs/man3/$page" ] && ! grep -q '^\.so ' "docs/man3/$page" || echo "$page"
done)
[ -z "$broken" ]; point $? "every link leads to a page" "$broken"
broken=$(cat docs/man3/*.3 | sed -n 's/^\.BR \([A-Za-z_]*[a-z0-9_]*\) (3).*/\1/p' | sort -u | without_page)
[ -z "$broken" ]; point $? "every page that a page refers to exists" "$broken"

pages="cli/telar.1 cli/telar.7 $(grep -L '^\.so ' docs/man3/*.3)"
if command -v groff >/dev/null 2>&1; then
    words=$(for page in $pages; do groff -man -Tutf8 -ww -z "$page" 2>&1; done)
    [ -z "$words" ]; point $? "groff has nothing to say of the pages" "$words"
else
    skip "groff has nothing to say of the pages" "groff is not installed: the pages were NOT checked by it"
fi
if command -v man >/dev/null 2>&1 && man -l --warnings cli/telar.1 >/dev/null 2>&1; then
    words=$(for page in $pages; do MANPAGER=cat man -l --warnings=w "$page" 2>&1 >/dev/null; done)
    [ -z "$words" ]; point $? "man has nothing to say of the pages" "$words"
else
    skip "man has nothing to say of the pages" "man is not installed: the pages were NOT checked by it"
fi
if command -v mandoc >/dev/null 2>&1; then
    # The pages bear the version and no date, so that two builds of one source are equal.
    words=$(for page in $pages; do mandoc -Tlint -Wwarning "$page"; done 2>&1 | grep -v 'missing date, using ""')
    [ -z "$words" ]; point $? "mandoc has nothing to say of the pages" "$words"
else
    skip "mandoc has nothing to say of the pages" "mandoc is not installed: the pages were NOT checked by it"
fi
echo "1..$count"
