/* SPDX-License-Identifier: Apache-2.0
 *
 * Epilogues as oneDNN's post-ops. Its maximum of NaN and 0 is 0, so that a fused relu does not let NaN through, where the op does: the price
 * of fusing, which strict mode does not pay.
 */
#include <string.h>

#include "layouts.h"

/* The post-op for a link; dnnl_alg_kind_undef: none. */
static dnnl_alg_kind_t algorithm_of(const struct tl_epilogue *link, float *alpha, float *beta)
{
    const struct tl_pointwise_attrs *a = link->attrs;
    *alpha = *beta = 0;
    if (strcmp(link->op, "add") == 0)
        return dnnl_binary_add;
    if (strcmp(link->op, "mul") == 0)
        return dnnl_binary_mul;
    if (strcmp(link->op, "relu") == 0)
        return dnnl_eltwise_relu;
    if (strcmp(link->op, "leaky_relu") == 0) {
        *alpha = (float)a->p;
        return dnnl_eltwise_relu;
    }
    if (strcmp(link->op, "relu6") == 0) {
        *beta = 6;
        return dnnl_eltwise_clip;
    }
    if (strcmp(link->op, "clamp") == 0) {
        *alpha = (float)a->p;
        *beta = (float)a->q;
        return dnnl_eltwise_clip;
    }
    return dnnl_alg_kind_undef;
}

const char *cpu_epilogue_refused(const struct tl_call *call)
{
    if (call->n_epilogue > CPU_MOST_LINKS)
        return "a long epilogue";
    for (int i = 0; i < call->n_epilogue; i++) {
        const struct tl_epilogue *link = &call->epilogue[i];
        const struct tl_view *y = &call->out[0];
        float alpha, beta;
        if (algorithm_of(link, &alpha, &beta) == dnnl_alg_kind_undef)
            return "an epilogue that oneDNN does not have";
        if (link->other >= 0 && (call->in[link->other].ndim != y->ndim ||
                                 memcmp(call->in[link->other].shape, y->shape, (size_t)y->ndim * sizeof *y->shape) != 0))
            return "an epilogue that broadcasts";
    }
    return NULL;
}

static dnnl_status_t append(dnnl_post_ops_t ops, const struct tl_call *call, const struct tl_epilogue *link, uint32_t layout)
{
    float alpha, beta;
    dnnl_alg_kind_t algorithm = algorithm_of(link, &alpha, &beta);
    if (link->other < 0)
        return onednn_append_eltwise(ops, algorithm, alpha, beta);
    onednn_desc desc = NULL;
    dnnl_status_t status = cpu_describe_as(&desc, &call->in[link->other], layout, 1);
    if (status == dnnl_success)
        status = dnnl_post_ops_append_binary(ops, algorithm, desc);
    onednn_desc_free(desc);
    return status;
}

dnnl_status_t cpu_epilogue_attr(dnnl_primitive_attr_t *attr, const struct tl_call *call, uint32_t layout)
{
    dnnl_primitive_attr_t made = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&made);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_post_ops_create(&ops);
    for (int i = 0; i < call->n_epilogue && status == dnnl_success; i++)
        status = append(ops, call, &call->epilogue[i], layout);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(made, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    if (status == dnnl_success)
        *attr = made;
    else if (made)
        dnnl_primitive_attr_destroy(made);
    return status;
}
