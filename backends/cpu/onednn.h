/* SPDX-License-Identifier: Apache-2.0
 *
 * oneDNN's C interface as this backend uses it, the same for versions 2 and 3. Version 2 has memory descriptors that
 * are passed by address and operation descriptors from which primitive descriptors are made; version 3 has opaque
 * memory descriptors and makes primitive descriptors at once. Here a descriptor is a pointer in both, owned by
 * whoever created it; strides NULL means "any layout you like"; a missing descriptor is NULL.
 */
#ifndef CPU_ONEDNN_H
#define CPU_ONEDNN_H

#include <dnnl.h>
#include <stdbool.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t onednn_desc;

static inline dnnl_status_t onednn_desc_create(onednn_desc *desc, int ndim, const dnnl_dims_t shape, dnnl_data_type_t type,
                                               const int64_t *stride)
{
    dnnl_memory_desc_t made = NULL;
    dnnl_status_t status = stride ? dnnl_memory_desc_create_with_strides(&made, ndim, shape, type, stride)
                                  : dnnl_memory_desc_create_with_tag(&made, ndim, shape, type, dnnl_format_tag_any);
    *desc = made;
    return status;
}

static inline dnnl_status_t onednn_desc_clone(onednn_desc *desc, onednn_desc from)
{
    dnnl_memory_desc_t made = NULL;
    dnnl_status_t status = dnnl_memory_desc_clone(&made, from);
    *desc = made;
    return status;
}

static inline void onednn_desc_free(onednn_desc desc)
{
    if (desc)
        dnnl_memory_desc_destroy((dnnl_memory_desc_t)(uintptr_t)desc);
}

static inline int onednn_desc_shape(onednn_desc desc, int64_t *shape)
{
    int32_t ndim = 0;
    const dnnl_dims_t *dims = NULL;
    if (dnnl_memory_desc_query(desc, dnnl_query_ndims_s32, &ndim) != dnnl_success ||
        dnnl_memory_desc_query(desc, dnnl_query_dims, (void *)&dims) != dnnl_success)
        return 0;
    for (int d = 0; d < ndim; d++)
        shape[d] = (*dims)[d];
    return ndim;
}

static inline dnnl_status_t onednn_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                               onednn_desc x, onednn_desc w, onednn_desc b, onednn_desc y,
                                               const int64_t *stride, const int64_t *dilation, const int64_t *padding,
                                               const int64_t *padding_end, dnnl_primitive_desc_t hint,
                                               const_dnnl_primitive_attr_t attr)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (prop == dnnl_backward_data)
        return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, direct, x, w, y, stride, dilation, padding,
                                                                    padding_end, hint, attr);
    if (prop == dnnl_backward_weights)
        return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, direct, x, w, b, y, stride, dilation,
                                                                       padding, padding_end, hint, attr);
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, prop, direct, x, w, b, y, stride, dilation, padding,
                                                          padding_end, attr);
}

static inline dnnl_status_t onednn_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha, float beta)
{
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

static inline dnnl_status_t onednn_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, onednn_desc a, onednn_desc b,
                                          onednn_desc bias, onednn_desc y, const_dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, a, b, bias, y, attr);
}

#else

typedef const dnnl_memory_desc_t *onednn_desc;

static inline dnnl_status_t onednn_desc_clone(onednn_desc *desc, onednn_desc from)
{
    dnnl_memory_desc_t *made = malloc(sizeof *made);
    if (made)
        *made = *from;
    *desc = made;
    return made ? dnnl_success : dnnl_out_of_memory;
}

static inline dnnl_status_t onednn_desc_create(onednn_desc *desc, int ndim, const dnnl_dims_t shape, dnnl_data_type_t type,
                                               const int64_t *stride)
{
    dnnl_memory_desc_t made;
    *desc = NULL;
    dnnl_status_t status = stride ? dnnl_memory_desc_init_by_strides(&made, ndim, shape, type, stride)
                                  : dnnl_memory_desc_init_by_tag(&made, ndim, shape, type, dnnl_format_tag_any);
    return status == dnnl_success ? onednn_desc_clone(desc, &made) : status;
}

static inline void onednn_desc_free(onednn_desc desc)
{
    free((void *)(uintptr_t)desc);
}

static inline int onednn_desc_shape(onednn_desc desc, int64_t *shape)
{
    for (int d = 0; d < desc->ndims; d++)
        shape[d] = desc->dims[d];
    return desc->ndims;
}

static inline dnnl_status_t onednn_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                               onednn_desc x, onednn_desc w, onednn_desc b, onednn_desc y,
                                               const int64_t *stride, const int64_t *dilation, const int64_t *padding,
                                               const int64_t *padding_end, dnnl_primitive_desc_t hint,
                                               const_dnnl_primitive_attr_t attr)
{
    const dnnl_alg_kind_t alg = dnnl_convolution_direct;
    dnnl_convolution_desc_t d;
    dnnl_status_t status;
    if (prop == dnnl_backward_data)
        status = dnnl_dilated_convolution_backward_data_desc_init(&d, alg, x, w, y, stride, dilation, padding, padding_end);
    else if (prop == dnnl_backward_weights)
        status = dnnl_dilated_convolution_backward_weights_desc_init(&d, alg, x, w, b, y, stride, dilation, padding,
                                                                     padding_end);
    else
        status = dnnl_dilated_convolution_forward_desc_init(&d, prop, alg, x, w, b, y, stride, dilation, padding, padding_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, hint) : status;
}

static inline dnnl_status_t onednn_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha, float beta)
{
    return dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
}

static inline dnnl_status_t onednn_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, onednn_desc a, onednn_desc b,
                                          onednn_desc bias, onednn_desc y, const_dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t d;
    dnnl_status_t status = dnnl_matmul_desc_init(&d, a, b, bias, y);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, NULL) : status;
}

#endif

/** A descriptor that a primitive descriptor owns: clone what is to outlive it. */
static inline onednn_desc onednn_query(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

#endif
