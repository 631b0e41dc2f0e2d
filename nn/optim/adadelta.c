/* SPDX-License-Identifier: Apache-2.0
 *
 * Adadelta: steps scaled by the ratio of the root mean squares of past steps and past gradients. The formula stands in
 * steps/adadelta_loop.h.
 */
#include <math.h>

#include "nn/optim/optimizer.h"

static unsigned uses(const struct settings *s, const struct rates *r)
{
    (void)s;
    (void)r;
    return 3;
}

const struct algorithm algorithm_adadelta = {
    .name = "adadelta",
    .moments = {"square_avg", "acc_delta"},
    .lr = 1,
    .uses = uses,
    .step = step_adadelta,
    .code = TL_STEP_ADADELTA,
};

tl_optimizer *tl_adadelta_with(tl_module *m, double lr, const struct tl_adadelta_options *options)
{
    struct tl_adadelta_options o;
    options_taken(&o, sizeof o, options);
    struct settings s = {.decay = optimizer_option(o.rho, 0.9), .eps = optimizer_option(o.eps, 1e-6), .maximize = o.maximize};
    if (!optimizer_range("adadelta", "rho", s.decay, 0, 1) || !optimizer_range("adadelta", "eps", s.eps, 0, INFINITY))
        return NULL;
    return optimizer_new(&algorithm_adadelta, m, o.parameters, o.n_parameters,
                         (struct rates){.lr = lr, .weight_decay = o.weight_decay}, s);
}
