/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a checked call on a device: choose a kernel, find or make its plan, have the operands brought and made, run. This is the
 * one place where kernels of ops are run, but for the pointwise ones, whose shorter way is in pointwise.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/run/launch.h"
#include "core/run/run.h"

void describe_call(const struct frame *f, struct tl_call *c, struct tl_residual *r)
{
    *c = (struct tl_call){.struct_size = sizeof *c,
                          .flags = f->want_residual ? TL_CALL_WANT_RESIDUAL : 0,
                          .op = f->entry->kernel_name,
                          .attrs = f->entry->op->attrs_size ? f->attrs : NULL,
                          .n_in = f->n_in,
                          .n_out = f->n_out,
                          .in = f->in_views,
                          .out = f->out_view,
                          .residual = r,
                          .math = (uint32_t)tl_get_math(),
                          .attrs_size = (uint32_t)f->entry->op->attrs_size};
}

static tl_status make_residual(struct frame *f, const struct bound_kernel *b, const struct plan *plan, struct tl_residual *r)
{
    if (!plan || !plan->residual || !f->residual)
        return TL_OK;
    if (!(f->residual->storage = storage_new(f->device, plan->residual, false)))
        return tl_error_code();
    f->residual->size = plan->residual;
    f->residual->maker = b->kernel->maker;
    *r = (struct tl_residual){.maker = f->residual->maker, .size = plan->residual, .mem = f->residual->storage->mem};
    return TL_OK;
}

static tl_status bring_operands(struct frame *f, const struct bound_kernel *b, const struct plan *plan)
{
    bool strided = !plan && (b->kernel->flags & TL_KERNEL_STRIDED);
    tl_status s = TL_OK;
    for (int i = 0; i < f->n_in && s == TL_OK; i++)
        s = bring_input(f, b, i, plan ? plan->in_layout[i] : strided ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS);
    for (int i = 0; i < f->n_out && s == TL_OK; i++) {
        if (f->out[i] && !writes_directly(f, plan, strided, i, f->out[i]))
            f->out[i] = NULL; /* computed beside it, and copied after */
        s = make_output(f, b, i, plan ? plan->out_layout[i] : TL_LAYOUT_CONTIGUOUS);
    }
    return s;
}

static tl_status run_kernel(struct frame *f, const struct bound_kernel *b, const struct plan *plan, struct tl_call *c, struct tl_residual *r)
{
    struct tl_mem workspace = {0};
    size_t capacity = 0;
    tl_status s = bring_operands(f, b, plan);
    if (s == TL_OK)
        s = make_residual(f, b, plan, r);
    if (s == TL_OK && plan && plan->workspace)
        s = memory_alloc(f->device, plan->workspace, &workspace, &capacity);
    if (s != TL_OK)
        return s;
    s = launch(f->device, b, plan ? plan->plan : NULL, c, workspace);
    if (capacity)
        memory_free(f->device, workspace, capacity);
    return s;
}

/* `*declined` is set, and nothing done, if the kernel finds while it prepares that the call is not for it. */
static tl_status run_bound(struct frame *f, const struct bound_kernel *b, struct tl_call *c, struct tl_residual *r, const char **declined)
{
    struct plan *plan = NULL;
    bool counted = false;
    if (b->kernel->prepare && !(plan = plan_acquire(f->entry, f->device, b, c, &counted)))
        return tl_error_code();
    if (UNLIKELY(plan && plan->declined)) {
        *declined = plan->declined;
        launch_passed_over(b, c, plan->declined);
        plan_release(plan, counted);
        return TL_OK;
    }
    tl_tensor *given[8];
    memcpy(given, f->out, (size_t)f->n_out * sizeof *given);
    tl_status s = run_kernel(f, b, plan, c, r);
    for (int i = 0; i < f->n_out; i++) {
        tl_tensor *made = f->out[i];
        if (!given[i])
            continue;
        if (s == TL_OK && made != given[i] && (s = tensor_written(given[i])) == TL_OK)
            s = copy_values(made, given[i]);
        f->out[i] = given[i];
    }
    if (plan)
        plan_release(plan, counted);
    return s;
}

static tl_status fail_everywhere(const struct frame *f, const char *why)
{
    const tl_tensor *x = f->n_in ? f->in[0] : NULL;
    return tl_fail(TL_ERR_DTYPE, "%s: not done for %s on %s: %s", f->entry->op->name,
                   x && !is_none(x) ? tl_dtype_name((tl_dtype)x->dtype) : "these types", f->device->name, why);
}

tl_status compute_otherwise(struct frame *f, const char *why)
{
    const tl_op *op = f->entry->op;
    if ((op->flags & TL_OP_POINTWISE) && f->entry->pointwise)
        return pointwise_otherwise(f->entry, f->attrs, f->in, f->n_in, f->meta[0].dtype, f->out[0]);
    /* Widening is itself a copy, so a copy is never widened. */
    if (any_half(f) && strcmp(f->entry->kernel_name, "copy") != 0)
        return compute_widened(f, why);
    if (op->decompose)
        return compute_decomposed(f, (op->flags & TL_OP_COMPOSITE) ? NULL : why);
    return f->device->host ? fail_everywhere(f, why) : compute_on_host(f, why);
}

static tl_status compute_frame(struct frame *f)
{
    const tl_op *op = f->entry->op;
    bool composite = (op->flags & TL_OP_COMPOSITE) != 0;
    const struct bound_kernel *b = device_kernels(f->device, f->entry->kernel_id, f->entry->kernel_name);
    if (!b)
        return tl_error_code();
    if (composite && !b->kernel) /* as usual: a backend may bring a fused kernel, but need not */
        return compute_decomposed(f, NULL);
    if (UNLIKELY(program_recorder != NULL))
        return record_op(f->entry, f->device, f->attrs, f->in, f->n_in, f->meta, f->n_out, f->out, f->residual, f->want_residual);
    offer_inputs(f);
    describe_outputs(f);
    struct tl_residual r = {0};
    if (f->residual && f->residual->storage)
        r = (struct tl_residual){.maker = f->residual->maker, .size = f->residual->size, .mem = f->residual->storage->mem};
    struct tl_call c;
    describe_call(f, &c, &r);
    const char *why = "it has none";
    const struct tl_device *offered_to = NULL;
    tl_status s = TL_OK;
    for (; b->kernel; b++) {
        if (UNLIKELY(f->some_private && b->device != offered_to)) {
            offer_inputs_to(f, b);
            offered_to = b->device;
        }
        const char *refused = launch_refused(b, &c);
        if (!refused)
            s = run_bound(f, b, &c, &r, &refused);
        if (!refused)
            break;
        why = refused;
    }
    release_inputs(f);
    if (b->kernel)
        return s;
    return compute_otherwise(f, why);
}

/* ---- Entry ------------------------------------------------------------------------------------------------------------------------------ */

static device *device_of(tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    for (int i = 0; i < n_in; i++)
        if (!is_none(in[i]))
            return in[i]->storage->device;
    for (int i = 0; i < n_out; i++)
        if (out[i])
            return out[i]->storage->device;
    return device_default();
}

tl_status compute(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, tl_tensor **out,
                  struct residual *residual, bool want_residual)
{
    struct frame f;
    f.entry = e;
    f.attrs = attrs;
    f.in = in;
    f.n_in = n_in;
    f.n_out = e->op->n_out;
    f.meta = meta;
    f.out = out;
    f.residual = residual;
    f.want_residual = want_residual;
    f.some_private = false;
    f.device = device_of(in, n_in, out, f.n_out);
    if (!f.device)
        return tl_error_code();
    if (UNLIKELY(f.device->valueless) || any_valueless(in, n_in))
        return compute_valueless(e, attrs, in, n_in, meta, f.device, out);
    f.in_views = f.few_views;
    f.in_natives = f.few_natives;
    char *many = NULL;
    if (UNLIKELY(n_in > MAX_OPERANDS)) {
        if (!(many = malloc((size_t)n_in * (sizeof *f.in_views + sizeof *f.in_natives))))
            return tl_fail(TL_ERR_NOMEM, "%s: out of memory for %d inputs", e->op->name, n_in);
        f.in_views = (void *)many;
        f.in_natives = (void *)(many + (size_t)n_in * sizeof *f.in_views);
    }
    tl_status s;
    bool was = tl_set_grad_enabled(false);
    if ((e->op->flags & TL_OP_POINTWISE) && e->pointwise)
        s = pointwise_compute(e, attrs, in, n_in, meta[0].dtype, out);
    else
        s = compute_frame(&f);
    tl_set_grad_enabled(was);
    free(many);
    return s;
}
