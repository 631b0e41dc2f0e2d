/* SPDX-License-Identifier: Apache-2.0 -- how OpenCL C spells what the kernels use. kernels/cuda.cl is its twin. */
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#pragma OPENCL FP_CONTRACT ON

/* A kernel whose groups have x times y items. */
#define KERNEL(x, y) __kernel __attribute__((reqd_work_group_size(x, y, 1))) void
#define FUNCTION static inline
#define GLOBAL __global
#define LOCAL __local
#define LOCAL_POINTER(T) __local T *
#define CONSTANT __constant
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")

/* A buffer among a kernel's parameters, and what the kernel says before it uses it. Buffers come with an offset in elements. */
#define BUFFER(T, x) __global T *x, const ulong x##_offset
#define OPEN(T, x) x += x##_offset;

#define ITEM_X ((uint)get_local_id(0))
#define ITEM_Y ((uint)get_local_id(1))
#define SIZE_X ((uint)get_local_size(0))
#define SIZE_Y ((uint)get_local_size(1))
#define GROUP_X ((uint)get_group_id(0))
#define GROUP_Y ((uint)get_group_id(1))
#define GROUP_Z ((uint)get_group_id(2))
#define GROUPS_X ((uint)get_num_groups(0))
#define GROUPS_Y ((uint)get_num_groups(1))
#define GROUPS_Z ((uint)get_num_groups(2))
#define GLOBAL_X ((INDEX)get_global_id(0))
#define GLOBAL_SIZE ((INDEX)get_global_size(0))
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
#define WARP 1 /* OpenCL 1.2 has no shuffles */

#define NAN_ as_float(0x7fc00000)
#define BITS_OF_FLOAT(x) as_uint(x)
#define FLOAT_OF_BITS(x) as_float(x)
#define MUL_HIGH(a, b) mul_hi((uint)(a), (uint)(b))

FUNCTION float float_of_f16(ushort h)
{
    return vload_half(0, (const __private half *)&h);
}
FUNCTION ushort f16_of_float(float f)
{
    ushort h;
    vstore_half_rte(f, 0, (__private half *)&h);
    return h;
}

/* Atomics on global memory. */
#define ATOMIC_CAS(p, expected, value) atomic_cmpxchg((volatile __global int *)(p), (expected), (value))
#define ATOMIC_ADD_INT(p, value) atomic_add((volatile __global int *)(p), (value))
