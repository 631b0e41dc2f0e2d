/* SPDX-License-Identifier: Apache-2.0
 *
 * Training batches as a program: prepare, forward, loss, backward, clipping, the optimizer's step and the metric, recorded once for each
 * size of batch.
 */
#include <stdlib.h>

#include "nn/train/train.h"

/* Is the metric known from what the step computes? */
static bool metric_in_step(const struct tl_fit_options *o)
{
    return update_has_metric(o) && !o->measure_after_step && (o->update ? !o->metric : !o->step);
}

/* The losses, which are not there yet, are not looked at. Gradients are of no use after the step, and their memory is. */
static tl_status step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    const struct compiled *c = ctx;
    const struct tl_fit_options *o = c->o;
    tl_tensor *batch[TL_MAX_FIELDS], *output = NULL;
    for (int i = 0; i < n_in; i++)
        batch[i] = in[i];
    if (o->prepare && !(batch[0] = result_of("prepare", o->prepare(batch[0], o->function_ctx))))
        return tl_error_code();
    struct tl_update u = {.module = c->module, .optimizer = c->optimizer, .o = o, .late = true};
    out[0] = update_loss(&u, batch, n_in, &output);
    if (!out[0])
        return tl_error_code();
    tl_status s = o->update ? TL_OK : tl_update_descend(&u, out[0], NULL);
    if (s == TL_OK && n_out > 1 && o->metric)
        TL_NO_GRAD u.metric = result_of("metric", o->metric(tl_detach(output), batch, n_in, o->function_ctx));
    tl_optimizer_zero_grad(c->optimizer);
    out[0] = tl_detach(out[0]);
    if (n_out > 1)
        out[1] = u.metric;
    return s == TL_OK ? tl_error_code() : s;
}

tl_status compiled_open(struct compiled *c, tl_module *m, tl_optimizer *optimizer, const struct tl_fit_options *o)
{
    *c = (struct compiled){.module = m, .optimizer = optimizer, .o = o, .has_metric = metric_in_step(o)};
    c->program = tl_compile(step, c, c->has_metric ? 2 : 1);
    return c->program ? TL_OK : tl_error_code();
}

tl_status compiled_step(struct compiled *c, tl_tensor *const *batch, int n, tl_tensor **loss, tl_tensor **metric)
{
    tl_tensor *out[2] = {NULL, NULL};
    tl_status s = tl_program_run(c->program, batch, n, out);
    if (s != TL_OK)
        tl_error_prefix("the compiled step: ");
    *loss = out[0];
    *metric = out[1];
    return s;
}

void compiled_close(struct compiled *c)
{
    tl_program_free(c->program);
    c->program = NULL;
}
