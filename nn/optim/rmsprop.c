/* SPDX-License-Identifier: Apache-2.0
 *
 * RMSprop: gradients divided by their running root mean square (centered: by their running deviation). The formula stands
 * in steps/rmsprop_loop.h.
 */
#include <math.h>

#include "nn/optim/optimizer.h"

enum { SQUARE, BUFFER, MEAN };

static unsigned uses(const struct settings *s, const struct rates *r)
{
    return 1u << SQUARE | (r->momentum > 0 ? 1u << BUFFER : 0) | (s->centered ? 1u << MEAN : 0);
}

const struct algorithm algorithm_rmsprop = {
    .name = "rmsprop",
    .moments = {"square_avg", "momentum_buffer", "grad_avg"},
    .lr = 1e-2,
    .momentum = "momentum",
    .uses = uses,
    .step = step_rmsprop,
    .code = TL_STEP_RMSPROP,
};

tl_optimizer *tl_rmsprop_with(tl_module *m, double lr, const struct tl_rmsprop_options *options)
{
    struct tl_rmsprop_options o;
    options_taken(&o, sizeof o, options);
    struct rates r = {.lr = lr, .weight_decay = o.weight_decay, .momentum = o.momentum};
    struct settings s = {
        .decay = optimizer_option(o.alpha, 0.99),
        .eps = optimizer_option(o.eps, 1e-8),
        .centered = o.centered,
        .maximize = o.maximize,
    };
    if (!optimizer_range("rmsprop", "momentum", r.momentum, 0, INFINITY) || !optimizer_range("rmsprop", "alpha", s.decay, 0, 1) ||
        !optimizer_range("rmsprop", "eps", s.eps, 0, INFINITY))
        return NULL;
    return optimizer_new(&algorithm_rmsprop, m, o.parameters, o.n_parameters, r, s);
}
