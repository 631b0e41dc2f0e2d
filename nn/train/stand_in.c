/* SPDX-License-Identifier: Apache-2.0
 *
 * A module is put on the device "meta" while it is walked, and is what it was after: its values, gradients and modes are kept
 * aside.
 */
#include <stdlib.h>

#include "nn/train/summary.h"

static tl_status no_memory(void)
{
    return tl_fail(TL_ERR_NOMEM, "summary: out of memory");
}

static tl_status note_mode(const char *name, tl_module *m, void *ctx)
{
    (void)name;
    struct stand_ins *s = ctx;
    if (!summary_grow(&s->modes, &s->modes_capacity, s->n_modes + 1, sizeof *s->modes))
        return no_memory();
    s->modes[s->n_modes++] = (struct mode){m, tl_is_training(m)};
    return TL_OK;
}

static tl_status replace(struct stand_ins *s, tl_tensor *t, int64_t *bytes)
{
    if (tl_is_none(t))
        return TL_OK;
    if (!summary_grow(&s->tensors, &s->tensors_capacity, s->n_tensors + 1, sizeof *s->tensors))
        return no_memory();
    tl_status status = TL_OK;
    TL_SCOPE {
        tl_tensor *values = tl_keep(tl_detach(t)), *gradient = tl_keep(tl_grad_of(t));
        tl_tensor *empty = values ? tl_empty(tl_ndim(t), tl_shape(t), (struct tl_options){.dtype = tl_dtype_of(t), .device = "meta"}) : NULL;
        status = empty ? tl_set_data(t, empty) : tl_error_code();
        if (status == TL_OK)
            status = tl_set_grad(t, TL_NONE);
        if (status == TL_OK) {
            s->tensors[s->n_tensors++] = (struct stood_in){tl_keep(t), values, gradient};
            *bytes += summary_bytes(t);
        } else {
            tl_release(values);
            tl_release(gradient);
        }
    }
    return status;
}

static tl_status replace_parameter(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    struct stand_ins *s = ctx;
    return replace(s, t, &s->parameters);
}

static tl_status replace_buffer(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    struct stand_ins *s = ctx;
    return replace(s, t, &s->buffers);
}

tl_status stand_ins_begin(struct stand_ins *s, tl_module *m)
{
    tl_status status = tl_modules(m, note_mode, s);
    if (status == TL_OK)
        status = tl_module_parameters(m, replace_parameter, s);
    if (status == TL_OK)
        status = tl_module_buffers(m, replace_buffer, s);
    return status;
}

/* Parents come before their children, which a parent's mode is handed on to. */
static void set_modes(const struct stand_ins *s)
{
    for (size_t i = 0; i < s->n_modes; i++)
        if (s->modes[i].training)
            tl_train(s->modes[i].module);
        else
            tl_eval(s->modes[i].module);
}

void stand_ins_train(const struct stand_ins *s)
{
    if (s->n_modes && s->modes[0].training)
        set_modes(s);
    else if (s->n_modes)
        tl_train(s->modes[0].module);
}

void stand_ins_end(struct stand_ins *s)
{
    set_modes(s);
    for (size_t i = 0; i < s->n_tensors; i++) {
        struct stood_in *t = &s->tensors[i];
        tl_set_data(t->tensor, t->values);
        tl_set_grad(t->tensor, t->gradient);
        tl_release(t->values);
        tl_release(t->gradient);
        tl_release(t->tensor);
    }
    free(s->tensors);
    free(s->modes);
}
