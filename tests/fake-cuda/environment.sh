# SPDX-License-Identifier: Apache-2.0
#
# For tests in sh that run programs on the stand-in for a GPU; read after tests/tap.sh. $fake is the folder with the libraries, each of which a
# test may take away, and $log what they write down.
fake=$work/stand-in log=$work/stand-in.log
built=$TEST_BUILDDIR/tests/fake-cuda/.libs
[ -e "$TEST_BUILDDIR/plugins-tree/backends/cuda.so" ] || { echo "1..0 # SKIP the cuda backend was not built"; exit 0; }
mkdir "$fake" && ln -s "$built/libcuda.so" "$fake/libcuda.so.1" && ln -s "$built/libcudnn.so" "$fake/libcudnn.so.9" &&
    ln -s "$built/libcublasLt.so" "$fake/libcublasLt.so.13" && ln -s "$built/libcublasLt.so" "$fake/libcublasLt.so.12" || exit 1
unset CUDA_VISIBLE_DEVICES CUDA_LAUNCH_BLOCKING FAKE_CUDA_FAULT FAKE_CUDA_DEVICES FAKE_CUDA_CAPABILITY
LD_LIBRARY_PATH=$fake${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
FAKE_CUDA_LOG=$log
export LD_LIBRARY_PATH FAKE_CUDA_LOG
: >"$log"

# Kernels are compiled with the real NVRTC; without it the backend opens no device.
needs_nvrtc() {
    case $("$telar" backends 2>&1) in
    *"NVRTC, CUDA's run-time compiler is missing"*) echo "1..0 # SKIP NVRTC of the CUDA toolkit is not found"; exit 0 ;;
    esac
}
no_flaws() { # the last point of a test: what a driver would not forgive
    output=$(grep '^flaw' "$log" | sort | uniq -c | head -20)
    [ -z "$output" ]
    point $? "the stand-in found no flaw"
}
