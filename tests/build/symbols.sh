#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The libraries export exactly what the public headers mark TL_PUBLIC, a plugin exports its one symbol, backends need nothing
# of Telar, and the core stays small and depends on nothing but the C library.
cd "$TEST_BUILDDIR" || exit 1
command -v nm >/dev/null 2>&1 && command -v readelf >/dev/null 2>&1 || { echo "1..0 # SKIP no binutils"; exit 0; }
count=0

point() { # 0-or-1 NAME [EXPLANATION]
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "${3:-}" | sed 's/^/# /'
    fi
}

exports() { nm -D --defined-only "$1" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u; }

# Names declared TL_PUBLIC: the last word before the first parenthesis, or before the semicolon of a datum. pointwise.def declares
# one function for each of its lines.
declared=$(
    for header in "$TEST_SRCDIR"/include/telar/*.h; do
        ${CC:-gcc} -E -P -I"$TEST_SRCDIR/include" "$header"
    done | tr '\n' ' ' | tr ';{}' '\n\n\n' | grep 'visibility("default")' |
        sed -e 's/__attribute__((visibility("default")))//g' -e 's/__attribute__.*//' |
        grep -oE '\btl_[a-z0-9_]+ *(\(|$)' | sed 's/[ (]*$//' | sort -u
)
all=$({ exports core/.libs/libtelar.so; exports nn/.libs/libtelar-nn.so; } | sort -u)

extra=$(printf '%s\n' "$all" | grep -vxF "$declared")
[ -z "$extra" ]; point $? "nothing is exported that no public header declares" "$extra"
lacking=$(nm -D --defined-only core/.libs/libtelar.so nn/.libs/libtelar-nn.so >/dev/null &&
    for name in $(grep -hoE '^TL_PUBLIC [^(;]*\btl_[a-z0-9_]+ *\(' "$TEST_SRCDIR"/include/telar/*.h | grep -oE 'tl_[a-z0-9_]+ *\($' | tr -d ' ('); do
        printf '%s\n' "$all" | grep -qx "$name" || echo "$name"
    done)
[ -z "$lacking" ]; point $? "every function of the public headers exists" "$lacking"

for plugin in plugins-tree/*/*.so; do
    found=$(exports "$plugin")
    [ "$found" = telar_plugin ]; point $? "$plugin exports telar_plugin only" "$found"
done
for backend in plugins-tree/backends/*.so; do
    found=$(readelf -d "$backend" | grep NEEDED | grep telar)
    [ -z "$found" ]; point $? "$backend links none of Telar's libraries" "$found"
done

found=$(readelf -d core/.libs/libtelar.so | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libdl|libpthread|ld-linux.*|lib[atu]*san|libubsan)\.so')
[ -z "$found" ]; point $? "libtelar depends on the C library alone" "$found"
soname=$(readelf -d core/.libs/libtelar.so | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libtelar.so.1 ]; point $? "its soname is libtelar.so.1" "$soname"
if [ -z "${TELAR_SANITIZE:-}" ]; then
    text=$(size -A core/.libs/libtelar.so | awk '$1 == ".text" || $1 == ".rodata" {sum += $2} END {print sum}')
    [ "$text" -lt 400000 ]; point $? "libtelar has under 400 kB of code and constants ($text bytes)"
else
    point 0 "libtelar has under 400 kB of code # SKIP sanitizers make it larger"
fi
echo "1..$count"
