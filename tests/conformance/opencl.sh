#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The conformance suite: opencl, on the first device that there is: one op of each kind, in f32; with TELAR_TEST_KERNELS=all (make check-opencl) all
# of them, in all types. A kernel takes up to a second to compile on a processor, so the whole takes a quarter of an hour.
# The first run compiles hundreds of kernels; they are kept in the build tree.
set -u
conformance=$TEST_BUILDDIR/tests/telar-conformance
cases=$("$conformance" --list | wc -l)
[ -e "$TEST_BUILDDIR/plugins-tree/backends/opencl.so" ] || { echo "1..0 # SKIP the opencl backend was not built: $cases cases are not run"; exit 0; }
[ -z "${TELAR_SANITIZE:-}" ] || { echo "1..0 # SKIP a compiler of OpenCL in the process makes sanitizers slow and noisy: $cases cases are not run"; exit 0; }
if [ -n "${XDG_CACHE_HOME:-}" ]; then
    POCL_CACHE_DIR=$XDG_CACHE_HOME/pocl
    export POCL_CACHE_DIR
    mkdir -p "$POCL_CACHE_DIR"
fi
if ! why=$("$TEST_BUILDDIR/cli/telar" bench mlp --runs 1 --seconds 0 --device opencl 2>&1 >/dev/null); then
    echo "1..0 # SKIP $cases cases are not run: $(printf '%s' "$why" | tail -1 | tr '#' ' ')"
elif [ "${TELAR_TEST_KERNELS:-}" = all ]; then
    "$conformance" --own opencl
else
    "$conformance" --own --types f32 --op copy,add,where,gelu,sum,softmax,nll_loss,batch_norm,mm,addmm,conv2d,max_pool2d,embedding,scatter_add,topk,cat,optimizer_step \
        opencl
fi
