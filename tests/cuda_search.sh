#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the CUDA backend says where something is missing, too old or broken, and how its devices are listed and chosen: on a stand-in for the
# driver.
set -u
. "$TEST_SRCDIR/tests/tap.sh"
. "$TEST_SRCDIR/tests/fake-cuda/environment.sh"
needs_nvrtc

with() { # FAULTS ARGUMENTS of telar
    FAKE_CUDA_FAULT=$1
    export FAKE_CUDA_FAULT
    shift
    run "$@"
    unset FAKE_CUDA_FAULT
}

# ---- All is well ----
run backends; is 0 "a device is listed" "Stand-in GPU 0, compute capability 9.0, 132 multiprocessors" "80.0 GiB" "default device: cuda:0 (cuda)"
FAKE_CUDA_DEVICES=2; export FAKE_CUDA_DEVICES
run backends; is 0 "two are" "0: Stand-in GPU 0" "1: Stand-in GPU 1"
run backends --json; is 0 "also for programs" '"index":1,"description":"Stand-in GPU 1' '"trouble":null'
TELAR_BACKEND=cuda:1; export TELAR_BACKEND
run backends; is 0 "one is chosen by its number" "default device: cuda:1 (cuda)"
TELAR_BACKEND=cuda:7
run backends; is 1 "a number that there is not" 'backend "cuda" has 2 devices, numbered from 0: there is no number 7'
unset TELAR_BACKEND FAKE_CUDA_DEVICES

# ---- What the driver says ----
no_gpu="the driver finds no GPU: nvidia-smi lists what there is"
with no-device backends; is 0 "no GPU" "no device answers: cuda: $no_gpu" "default device: cpu"
CUDA_VISIBLE_DEVICES=5; export CUDA_VISIBLE_DEVICES
with no-device backends; is 0 "perhaps a hidden one" '(CUDA_VISIBLE_DEVICES is "5")'
unset CUDA_VISIBLE_DEVICES
with no-device doctor; is 0 "telar doctor says it, too" "$no_gpu"
with no-device backends --json; is 0 "and JSON has it" '"trouble":"cuda: the driver finds no GPU'
with no-device bench mlp --runs 1 --seconds 0 --device cuda; is 1 "nothing runs on it" "no backend opens" "$no_gpu"
with no-device bench mlp --runs 1 --seconds 0 --device cuda,cpu; is 0 "or on what comes next, with a warning" "left out: cuda: $no_gpu; cpu goes on"
with driver=11080 backends; is 0 "too old a driver" "the driver is for CUDA 11.8; 12.0 or newer is needed: update the driver"
with init=803 backends; is 0 "a driver that does not start" "starting the driver: system has unsupported display driver" "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
with init=4321 backends; is 0 "for a reason that it does not know itself" "starting the driver: no words for it (an unknown error"
with pinned backends; is 0 "host memory that cannot be pinned" "cannot be used: cuda: pinning host memory: out of memory"
FAKE_CUDA_CAPABILITY=61; export FAKE_CUDA_CAPABILITY
run backends; is 0 "a GPU too old for the compiler" "compute capability 6.1, and NVRTC" "an older CUDA toolkit may know it"
unset FAKE_CUDA_CAPABILITY

# ---- Libraries ----
with cudnn=8907 backends; is 0 "cuDNN of another major version" "libcudnn.so.9 says it is version 8.9; version 9 is needed"
with cudnn=100200 backends; is 0 "also of a newer one" "says it is version 10.2"
with cublaslt=110500 backends; is 0 "an old cuBLASLt" "cuBLASLt is version 11.5; 12 or newer is needed"
CUDA_HOME=$work/none; export CUDA_HOME # nothing is found there
replaced() { # FILE by another library: its functions are not there
    mv "$fake/$1" "$work/taken"
    ln -s "$built/libcuda.so" "$fake/$1"
    run backends
    rm "$fake/$1"
}
restored() {
    mv "$work/taken" "$fake/$1"
}
replaced libcudnn.so.9; is 0 "cuDNN without its functions" "cuDNN 9 is missing (libcudnn.so.9 has no function cudnnGetVersion: it is too old): install cuDNN 9"
echo "not a library" >"$fake/libcudnn.so.9"
run backends; is 0 "a file that is no library" "cuDNN 9 is missing ($fake/libcudnn.so.9:" "install cuDNN 9"
rm "$fake/libcudnn.so.9"; restored libcudnn.so.9
rm "$fake/libcublasLt.so.12"
replaced libcublasLt.so.13; is 0 "cuBLASLt likewise" "has no function cublasLtGetVersion: it is too old): install the CUDA toolkit 12 or newer, or set CUDA_HOME"
ln -s "$built/libcublasLt.so" "$fake/libcublasLt.so.12"
ln -s "$built/libcuda.so" "$fake/libcublasLt.so.13"
run backends; is 0 "of two versions the one that works" "Stand-in GPU 0"
rm "$fake/libcublasLt.so.13"; restored libcublasLt.so.13
mv "$fake/libcuda.so.1" "$work/taken"; ln -s "$built/libcudnn.so" "$fake/libcuda.so.1"
run backends; is 0 "a driver without its functions" "the NVIDIA driver is missing (libcuda.so.1 has no function cuInit: it is too old): install the driver of the GPU"
rm "$fake/libcuda.so.1"; restored libcuda.so.1

# ---- Libraries that are not there: the linker's own list of them is left out ----
linker= program=$TEST_BUILDDIR/cli/.libs/telar
for l in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do [ -x $l ] && linker=$l; done
usual="/lib /usr/lib /lib64 /usr/lib64 /lib/*-linux-gnu /usr/lib/*-linux-gnu"
bare() { # ARGUMENTS of telar
    output=$("$linker" --inhibit-cache --library-path "$fake:$TEST_BUILDDIR/core/.libs:$TEST_BUILDDIR/nn/.libs" "$program" "$@" 2>&1)
    status=$?
}
missing() { # NAME FILE WORDS
    found=
    for folder in $usual; do [ -e "$folder/$2" ] && found=$folder/$2; done
    if [ -n "$found" ]; then
        skip "$1" "$found is there"
        return
    fi
    bare backends; is 0 "$1" "$2: cannot open shared object file: No such file or directory): $3"
    TELAR_BACKEND=cuda; export TELAR_BACKEND
    bare bench mlp --runs 1 --seconds 0; is 1 "$1, and nothing else is wanted" "no backend opens (asked for \"cuda\"): cuda:" "$3"
    unset TELAR_BACKEND
}
if [ -n "$linker" ] && [ -x "$program" ] && bare --version && [ "$status" = 0 ]; then
    missing "no NVRTC" libnvrtc.so.13 "install the CUDA toolkit 12 or newer, or set CUDA_HOME"
    nvrtc=
    for folder in "${TELAR_TEST_CUDA:-/usr/local/cuda}"/lib64 "${TELAR_TEST_CUDA:-/usr/local/cuda}"/lib; do
        for version in 12 13; do [ -e "$folder/libnvrtc.so.$version" ] && nvrtc=$folder/libnvrtc.so.$version; done
    done
    if [ -n "$nvrtc" ]; then
        ln -s "$nvrtc" "$fake/"
        rm "$fake/libcudnn.so.9"
        missing "no cuDNN" libcudnn.so.9 "install cuDNN 9, or put its folder into LD_LIBRARY_PATH"
        mkdir -p "$work/toolkit/lib" && ln -s "$built/libcudnn.so" "$work/toolkit/lib/libcudnn.so.9"
        CUDA_HOME=$work/toolkit
        bare backends; is 0 "it is found in CUDA_HOME" "Stand-in GPU 0"
        CUDA_PATH=$work/toolkit CUDA_HOME=; export CUDA_PATH
        bare backends; is 0 "or in CUDA_PATH" "Stand-in GPU 0"
        rm "$fake"/libcublasLt.so.*
        missing "no cuBLASLt" libcublasLt.so.13 "install the CUDA toolkit 12 or newer"
    else
        skip "no cuDNN, no cuBLASLt" "NVRTC is not in the toolkit's folder"
    fi
    rm "$fake/libcuda.so.1"
    missing "no driver" libcuda.so.1 "install the driver of the GPU"
else
    skip "libraries that are not there" "the dynamic linker does not run programs by itself here"
fi

no_flaws
done_testing
