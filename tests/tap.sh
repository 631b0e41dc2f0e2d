# SPDX-License-Identifier: Apache-2.0
#
# For tests of the program telar in sh, which read this file first: TAP points about a command's exit status and output. They run in
# a folder of their own, $work, which goes with them, and end with done_testing.
telar=$TEST_BUILDDIR/cli/telar
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0 status=0 output=

point() { # 0-or-1 NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "exit status $status, output:" "$output" | sed 's/^/# /' | head -40
    fi
}
skip() { # NAME REASON
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}
run() { # ARGUMENTS of telar: sets $status and $output (both streams)
    output=$("$telar" "$@" 2>&1)
    status=$?
}
is() { # STATUS NAME [WORDS THAT THE OUTPUT MUST HOLD…]
    wanted=$1 name=$2 good=0
    shift 2
    [ "$status" = "$wanted" ] || good=1
    for words; do
        case $output in *"$words"*) ;; *) good=1; name="$name (\"$words\" is missing)" ;; esac
    done
    point $good "$name"
}
json_lines() { # NAME: the output is one JSON value a line
    if command -v python3 >/dev/null 2>&1; then
        printf '%s\n' "$output" | python3 -c 'import json, sys
for line in sys.stdin: json.loads(line)' 2>/dev/null
        point $? "$1"
    else
        count=$((count + 1)); echo "ok $count - $1 # SKIP no python3"
    fi
}
done_testing() {
    echo "1..$count"
}
