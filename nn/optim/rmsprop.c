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

static tl_status step_ops(struct slot *s, tl_tensor *g, const struct settings *set, const struct rates *r, bool first)
{
    (void)first;
    tl_tensor *p = s->parameter, *v = s->moments[SQUARE];
    g = optimizer_gradient(g, p, set, r->weight_decay);
    v = tl_axpy_(tl_mul_(v, tl_scalar(set->decay)), 1 - set->decay, tl_mul(g, g));
    if (set->centered) {
        tl_tensor *mean = tl_axpy_(s->moments[MEAN], 1 - set->decay, tl_sub(g, s->moments[MEAN]));
        v = tl_sub(v, tl_mul(mean, mean));
    }
    tl_tensor *step = tl_div(g, tl_add_s(tl_sqrt(v), set->eps));
    if (r->momentum > 0)
        step = tl_add_(tl_mul_(s->moments[BUFFER], tl_scalar(r->momentum)), step);
    return tl_axpy_(p, -r->lr, step) ? TL_OK : tl_error_code();
}

const struct algorithm algorithm_rmsprop = {
    .name = "rmsprop",
    .moments = {"square_avg", "momentum_buffer", "grad_avg"},
    .lr = 1e-2,
    .momentum = "momentum",
    .uses = uses,
    .step = step_rmsprop,
    .step_ops = step_ops,
};

tl_optimizer *tl_rmsprop_with(tl_module *m, double lr, const struct tl_rmsprop_options *options)
{
    struct tl_rmsprop_options o;
    optimizer_options(&o, sizeof o, options);
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
