/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam and AdamW (decoupled weight decay). The formula stands in steps/adam_loop.h.
 */
#include <math.h>

#include "nn/optim/optimizer.h"

static unsigned uses(const struct settings *s, const struct rates *r)
{
    (void)r;
    return s->amsgrad ? 7 : 3;
}

#define MOMENTS                                                                                                                  \
    {                                                                                                                            \
        "exp_avg", "exp_avg_sq", "max_exp_avg_sq"                                                                                \
    }

const struct algorithm algorithm_adam = {
    .name = "adam",
    .moments = MOMENTS,
    .lr = 1e-3,
    .momentum = "beta1",
    .uses = uses,
    .step = step_adam,
    .code = TL_STEP_ADAM,
};

const struct algorithm algorithm_adamw = {
    .name = "adamw",
    .moments = MOMENTS,
    .lr = 1e-3,
    .momentum = "beta1",
    .uses = uses,
    .step = step_adam,
    .code = TL_STEP_ADAM,
};

static tl_optimizer *adam_new(const struct algorithm *a, tl_module *m, double lr, const struct tl_adam_options *options,
                              double decay)
{
    struct tl_adam_options o;
    options_taken(&o, sizeof o, options);
    struct rates r = {
        .lr = lr, .weight_decay = optimizer_option(o.weight_decay, decay), .momentum = optimizer_option(o.beta1, 0.9)};
    struct settings s = {
        .decay = optimizer_option(o.beta2, 0.999),
        .eps = optimizer_option(o.eps, 1e-8),
        .amsgrad = o.amsgrad,
        .maximize = o.maximize,
        .decoupled = a == &algorithm_adamw,
    };
    if (!optimizer_range(a->name, "beta1", r.momentum, 0, 1) || !optimizer_range(a->name, "beta2", s.decay, 0, 1) ||
        !optimizer_range(a->name, "eps", s.eps, 0, INFINITY))
        return NULL;
    return optimizer_new(a, m, o.parameters, o.n_parameters, r, s);
}

tl_optimizer *tl_adam_with(tl_module *m, double lr, const struct tl_adam_options *o)
{
    return adam_new(&algorithm_adam, m, lr, o, 0);
}

tl_optimizer *tl_adamw_with(tl_module *m, double lr, const struct tl_adam_options *o)
{
    return adam_new(&algorithm_adamw, m, lr, o, 0.01);
}
