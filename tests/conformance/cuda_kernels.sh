#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every kernel of the CUDA backend that the conformance suite uses compiles without a warning, is launched as it can be, and is kept: on a stand-in
# for the driver, with the real compiler. TELAR_TEST_KERNELS=all (make check-cuda-kernels) does so in all types and for all architectures.
set -u
. "$TEST_SRCDIR/tests/tap.sh"
. "$TEST_SRCDIR/tests/fake-cuda/environment.sh"
needs_nvrtc
conformance=$TEST_BUILDDIR/tests/telar-conformance
TELAR_LOG=warn,+cuda TELAR_FALLBACK=error; export TELAR_LOG TELAR_FALLBACK

suite() { # FAULTS ARGUMENTS of telar-conformance: sets $status, leaves $work/out and $work/err
    FAKE_CUDA_FAULT=$1; export FAKE_CUDA_FAULT
    shift
    "$conformance" "$@" cuda >"$work/out" 2>"$work/err"
    status=$?
    unset FAKE_CUDA_FAULT
}
compiled() { grep -c '\[cuda\] compiling ' "$work/err"; }

good_kernels() { # NAME
    output=$(grep -A3 '^not ok' "$work/out" | head -30)
    [ "$status" = 0 ] && grep -q '^ok' "$work/out"
    point $? "$1: $(grep '^ok' "$work/out" | grep -vc '# SKIP') cases run, $(grep -c '# SKIP' "$work/out") need ops without kernels; $(grep -c '^module' "$log") kernels, of which $(compiled) were compiled now"
    sed -n 's/^ok [0-9]* # SKIP \([^,]*\),.*/\1/p' "$work/out" | sort -u | xargs echo "# not run, for want of kernels:"
    output=$(grep -A8 'the compiler warns about' "$work/err" | head -40)
    [ -z "$output" ]
    point $? "$1: the compiler has nothing to say"
}

architecture() { # NUMBER ARGUMENTS of telar-conformance
    FAKE_CUDA_CAPABILITY=$1; export FAKE_CUDA_CAPABILITY
    shift
    # Where cuDNN and cuBLASLt decline, the backend's own kernels do all of it.
    suite decline --run-only --op abs
    if grep -q '^module ptx' "$log" || ! grep -q '^module binary' "$log"; then
        skip "sm_$FAKE_CUDA_CAPABILITY" "this NVRTC does not know sm_$FAKE_CUDA_CAPABILITY"
        : >"$log"
        return
    fi
    : >"$log"
    suite decline "$@"
    good_kernels "sm_$FAKE_CUDA_CAPABILITY"
    no_flaws
    : >"$log"
}

if [ "${TELAR_TEST_KERNELS:-}" = all ]; then
    for number in 75 80 86 89 90 100 120; do architecture $number --run-only; done
else
    architecture 90 --types f32,i64 --run-only
fi
unset FAKE_CUDA_CAPABILITY

# ---- Where cuDNN and cuBLASLt do their part ----
suite "" --types f32 --run-only
good_kernels "with the libraries' kernels"
grep -q '^library cublasLtMatmul' "$log"
point $? "which are called"
no_flaws
: >"$log"

# ---- Kernels are kept, in a folder of their own ----
XDG_CACHE_HOME=$work/cache; export XDG_CACHE_HOME
some() { suite "$1" --op relu,neg --types f32 --run-only; }
some ""
first=$(compiled)
[ "$status" = 0 ] && [ "$first" -gt 3 ]
point $? "with an empty cache $first kernels are compiled"
some ""
[ "$status" = 0 ] && [ "$(compiled)" = 0 ]
point $? "a second process compiles none"
entry=$(find "$work/cache/telar/cuda" -type f | sort | head -1)
printf 'x' | dd of="$entry" bs=1 seek=200 conv=notrunc 2>/dev/null
some ""
[ "$status" = 0 ] && [ "$(compiled)" = 1 ]
point $? "a damaged entry is compiled anew"
: >"$entry"
some ""
[ "$status" = 0 ] && [ "$(compiled)" = 1 ]
point $? "so is an empty one"
some reject=1
[ "$status" = 0 ] && [ "$(compiled)" = 1 ] && grep -q 'the driver does not take the cached binary; compiling again' "$work/err"
point $? "and one that the driver does not take"
some ""
[ "$status" = 0 ] && [ "$(compiled)" = 0 ]
point $? "after which all is well"
rm -rf "$work/cache/telar/cuda" && ln -s /proc "$work/cache/telar/cuda"
some ""
[ "$status" = 0 ] && [ "$(compiled)" = "$first" ]
point $? "a folder that cannot be written harms nobody"
rm "$work/cache/telar/cuda"
FAKE_CUDA_CAPABILITY=80; export FAKE_CUDA_CAPABILITY
some ""
FAKE_CUDA_CAPABILITY=90
some ""
[ "$(compiled)" = "$first" ]
point $? "another architecture's kernels are others"
no_flaws
done_testing
