/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of training: a step is walked as a loop would do it, forward, backward, update, once the optimizer's state is there, and the most
 * that is alive at a time is read off. No formula knows as well what a backward pass has already let go when a gradient arrives.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/optim/optimizer.h"
#include "nn/train/summary.h"

/* A gradient of zeros for what trains but has none: heads that this forward passed by are trained as well, some time. */
static tl_status give_gradient(const char *name, tl_tensor *t, void *ctx)
{
    (void)name, (void)ctx;
    tl_status s = TL_OK;
    if (!tl_is_none(t) && tl_requires_grad(t) && tl_is_none(tl_grad_of(t)))
        TL_SCOPE s = tl_set_grad(t, tl_zeros_like(t));
    return s;
}

static tl_status update(tl_module *m, tl_optimizer *o)
{
    tl_status s = tl_module_parameters(m, give_gradient, NULL);
    return s == TL_OK ? tl_optimizer_step(o) : s;
}

static void count_state(const tl_optimizer *o, struct tl_summary_memory *memory)
{
    for (size_t i = 0; i < o->n_slots; i++) {
        tl_tensor *g = tl_grad_of(o->slots[i].parameter);
        memory->gradients += tl_is_none(g) ? 0 : summary_bytes(g);
        for (int k = 0; k < MAX_MOMENTS; k++)
            memory->state += o->slots[i].moments[k] ? summary_bytes(o->slots[i].moments[k]) : 0;
    }
}

static tl_status walk_step(tl_module *m, tl_optimizer *o, tl_tensor *const *x, int n, int64_t *saved)
{
    int64_t before = bytes_alive();
    tl_status s = TL_OK;
    TL_SCOPE {
        tl_tensor *y = tl_forward_n(m, x, n);
        *saved = bytes_alive() - before;
        s = y ? tl_backward(y, tl_ones_like(y), (struct tl_backward_options){0}) : tl_error_code();
        if (s == TL_OK)
            s = update(m, o);
    }
    return s;
}

static tl_status walk(tl_module *m, tl_optimizer *o, tl_tensor *const *x, int n, int64_t start, struct tl_summary_memory *memory)
{
    tl_status s = update(m, o);
    count_state(o, memory);
    tl_optimizer_zero_grad(o);
    tl_walk_reset_peak();
    if (s == TL_OK)
        s = walk_step(m, o, x, n, &memory->saved);
    memory->training = tl_walk_cost().peak - start;
    return s;
}

void summary_walk_training(tl_summary *s, tl_module *m, tl_tensor *const *x, int n, const struct stand_ins *module,
                           const struct tl_summary_options *options, int64_t start)
{
    bool clear = tl_error_code() == TL_OK;
    stand_ins_train(module);
    tl_optimizer *o = tl_optimizer_named(options->optimizer, m, 0, options->momentum, 0);
    tl_status status = o ? walk(m, o, x, n, start, &s->memory) : tl_error_code();
    tl_optimizer_free(o);
    if (status == TL_OK && (!clear || tl_error_code() == TL_OK))
        return;
    s->untrained = strdup(tl_error_message());
    s->memory.gradients = s->memory.state = s->memory.saved = s->memory.training = 0;
    if (clear)
        tl_error_clear();
}
