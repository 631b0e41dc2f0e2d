/* SPDX-License-Identifier: Apache-2.0 -- how CUDA C++ spells what the kernels use. kernels/opencl.cl is its twin. */
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

/* A kernel whose groups have x times y items. */
#define KERNEL(x, y) extern "C" __global__ void __launch_bounds__((x) * (y))
#define FUNCTION [[maybe_unused]] static __device__ __forceinline__
#define GLOBAL
#define LOCAL __shared__
#define LOCAL_POINTER(T) T *
#define CONSTANT static __device__ const
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")

/* A buffer among a kernel's parameters, and what the kernel says before it uses it. */
#define BUFFER(T, x) T *x
#define OPEN(T, x)

#define ITEM_X threadIdx.x
#define ITEM_Y threadIdx.y
#define SIZE_X blockDim.x
#define SIZE_Y blockDim.y
#define GROUP_X blockIdx.x
#define GROUP_Y blockIdx.y
#define GROUP_Z blockIdx.z
#define GROUPS_X gridDim.x
#define GROUPS_Y gridDim.y
#define GROUPS_Z gridDim.z
#define GLOBAL_X ((INDEX)blockIdx.x * blockDim.x + threadIdx.x)
#define GLOBAL_SIZE ((INDEX)gridDim.x * blockDim.x)
#define BARRIER() __syncthreads()

/* Items that run in step, and may read each other's registers: the value of the item d after this one, or of item i of the WARP. T is of
 * whole 4 bytes. */
#define WARP 32
template <class T> FUNCTION T shuffle(T v, int i, bool down)
{
    union {
        T value;
        int words[sizeof(T) / 4];
    } u = {v};
    UNROLL
    for (int k = 0; k < (int)(sizeof(T) / 4); k++)
        u.words[k] = down ? __shfl_down_sync(0xffffffffu, u.words[k], i) : __shfl_sync(0xffffffffu, u.words[k], i);
    return u.value;
}
#define SHUFFLE_DOWN(v, d) shuffle((v), (d), true)
#define SHUFFLE(v, i) shuffle((v), (i), false)

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#define NAN_ __int_as_float(0x7fc00000)
#define BITS_OF_FLOAT(x) __float_as_uint(x)
#define FLOAT_OF_BITS(x) __uint_as_float(x)
#define MUL_HIGH(a, b) __umulhi(a, b)

FUNCTION float float_of_f16(ushort h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
FUNCTION ushort f16_of_float(float f)
{
    ushort h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}

/* Atomics on global memory. */
#define ATOMIC_CAS(p, expected, value) atomicCAS((p), (expected), (value))
#define ATOMIC_ADD_INT(p, value) atomicAdd((p), (value))
