/* SPDX-License-Identifier: Apache-2.0
 *
 * Stochastic gradient descent, with momentum and Nesterov's variant of it. The formula stands in steps/sgd_loop.h.
 */
#include <math.h>

#include "nn/optim/optimizer.h"

static unsigned uses(const struct settings *s, const struct rates *r)
{
    (void)s;
    return r->momentum != 0 ? 1 : 0;
}

const struct algorithm algorithm_sgd = {
    .name = "sgd",
    .moments = {"momentum_buffer"},
    .lr = 1e-3,
    .momentum = "momentum",
    .uses = uses,
    .step = step_sgd,
    .code = TL_STEP_SGD,
};

tl_optimizer *tl_sgd_with(tl_module *m, double lr, const struct tl_sgd_options *options)
{
    struct tl_sgd_options o;
    options_taken(&o, sizeof o, options);
    if (!optimizer_range("sgd", "momentum", o.momentum, 0, INFINITY))
        return NULL;
    if (!isfinite(o.dampening)) {
        tl_fail(TL_ERR_ARGUMENT, "sgd: dampening is %g; it must be a number", o.dampening);
        return NULL;
    }
    if (o.nesterov && (o.momentum == 0 || o.dampening != 0)) {
        tl_fail(TL_ERR_ARGUMENT, "sgd: nesterov needs a momentum above 0 and no dampening, not %g and %g", o.momentum,
                o.dampening);
        return NULL;
    }
    struct rates r = {.lr = lr, .weight_decay = o.weight_decay, .momentum = o.momentum};
    struct settings s = {.dampening = o.dampening, .nesterov = o.nesterov, .maximize = o.maximize};
    return optimizer_new(&algorithm_sgd, m, o.parameters, o.n_parameters, r, s);
}
