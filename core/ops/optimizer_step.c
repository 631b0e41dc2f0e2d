/* SPDX-License-Identifier: Apache-2.0
 *
 * optimizer_step: the update of one parameter in one pass, where its memory is not the host's. p, the gradient g, the rates, and up to three
 * moments come in; p and the moments go out, over themselves. With the gradient g, negated to maximise, + weight_decay p:
 *
 *     sgd       b = momentum b + share g (at first: g);  g = nesterov ? g + momentum b : b;  p += step g
 *     adam      m += share (g - m);  v = decay v + (1 - decay) g^2;  w = amsgrad ? max(w, v) : v;  p += step m / (sqrt(w) / correction + eps)
 *     adadelta  v = decay v + (1 - decay) g^2;  d = sqrt(a + eps) / sqrt(v + eps) g;  a = decay a + (1 - decay) d^2;  p += step d
 *     rmsprop   v = decay v + (1 - decay) g^2;  a += (1 - decay) (g - a);  w = centered ? v - a^2 : v;  d = g / (sqrt(w) + eps)
 *               b = momentum b + d;  p += step (momentum ? b : d)
 *
 * What the numbers are is said with TL_RATE_STEP and its like in <telar/attrs.h>. nn/optim has the same formulas as loops over host memory.
 */
#include "core/ops/shape_util.h"

static const struct tl_attr_field fields[] = {TL_ATTR_TABLE(optimizer)};

enum { P, G, RATES, M0, M1, M2, INPUTS };
enum { MOMENTS = 3 };

/* Bit i: moment i is used. */
static unsigned moments_of(const struct tl_optimizer_attrs *a)
{
    switch (a->algorithm) {
    case TL_STEP_SGD:
        return a->momentum ? 1 : 0;
    case TL_STEP_ADAM:
        return a->amsgrad ? 7 : 3;
    case TL_STEP_ADADELTA:
        return 3;
    default:
        return 1 | (a->momentum ? 2u : 0) | (a->centered ? 4u : 0);
    }
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in;
    static const char *const names[] = {"the parameter", "the gradient", "the rates", "moment 0", "moment 1", "moment 2"};
    const struct tl_optimizer_attrs *a = attrs;
    if (a->algorithm < TL_STEP_SGD || a->algorithm > TL_STEP_RMSPROP)
        return tl_fail(TL_ERR_ARGUMENT, "optimizer_step: there is no algorithm %lld", (long long)a->algorithm);
    if (!tl_dtype_is_float(in[P].dtype))
        return tl_fail(TL_ERR_DTYPE, "optimizer_step: the parameter is %s; only floating types can be trained", tl_dtype_name(in[P].dtype));
    tl_dtype wide = in[P].dtype == TL_F64 ? TL_F64 : TL_F32;
    if (in[RATES].ndim != 1 || in[RATES].shape[0] != TL_RATES || in[RATES].dtype != wide)
        return tl_fail(TL_ERR_SHAPE, "optimizer_step: the rates must be %d numbers of %s", (int)TL_RATES, tl_dtype_name(wide));
    unsigned used = moments_of(a);
    for (int i = G; i < INPUTS; i++) {
        if (i == RATES)
            continue;
        bool wanted = i == G || used >> (i - M0) & 1;
        if (wanted != (in[i].ndim >= 0))
            return tl_fail(TL_ERR_ARGUMENT, "optimizer_step: %s is %s", names[i], wanted ? "missing" : "not used by this algorithm");
        if (!wanted)
            continue;
        tl_status s = demand_same_shape("optimizer_step", names[i], &in[i], names[P], &in[P]);
        if (s != TL_OK)
            return s;
        if (in[i].dtype != in[P].dtype)
            return tl_fail(TL_ERR_DTYPE, "optimizer_step: %s is %s, the parameter %s", names[i], tl_dtype_name(in[i].dtype),
                           tl_dtype_name(in[P].dtype));
        if (i >= M0)
            out[1 + i - M0] = in[i];
    }
    out[0] = in[P];
    return TL_OK;
}

/* a + r (b - a): PyTorch's lerp. */
static tl_tensor *towards(tl_tensor *a, tl_tensor *b, tl_tensor *share)
{
    return tl_add(a, tl_mul(tl_sub(b, a), share));
}

struct step {
    const struct tl_optimizer_attrs *attrs;
    tl_tensor *const *in;
    tl_tensor **out;
    tl_tensor *rates;
};

static tl_tensor *rate(const struct step *s, int i)
{
    return tl_select(s->rates, 0, i);
}

/* decay m + (1 - decay) x^2 */
static tl_tensor *squares(const struct step *s, tl_tensor *m, tl_tensor *x)
{
    return tl_add(tl_mul(m, rate(s, TL_RATE_DECAY)), tl_mul(tl_mul(x, x), rate(s, TL_RATE_DECAY_SHARE)));
}

static tl_tensor *sgd(const struct step *s, tl_tensor *g)
{
    if (!s->attrs->momentum)
        return g;
    tl_tensor *b = s->attrs->first ? tl_clone(g)
                                   : tl_add(tl_mul(s->in[M0], rate(s, TL_RATE_MOMENTUM)), tl_mul(g, rate(s, TL_RATE_SHARE)));
    s->out[1] = b;
    return s->attrs->nesterov ? tl_add(g, tl_mul(b, rate(s, TL_RATE_MOMENTUM))) : b;
}

static tl_tensor *adam(const struct step *s, tl_tensor *g)
{
    s->out[1] = towards(s->in[M0], g, rate(s, TL_RATE_SHARE));
    tl_tensor *v = s->out[2] = squares(s, s->in[M1], g);
    if (s->attrs->amsgrad)
        v = s->out[3] = tl_maximum(s->in[M2], v);
    return tl_div(s->out[1], tl_add(tl_div(tl_sqrt(v), rate(s, TL_RATE_CORRECTION)), rate(s, TL_RATE_EPS)));
}

static tl_tensor *adadelta(const struct step *s, tl_tensor *g)
{
    tl_tensor *eps = rate(s, TL_RATE_EPS), *v = s->out[1] = squares(s, s->in[M0], g);
    tl_tensor *d = tl_mul(tl_div(tl_sqrt(tl_add(s->in[M1], eps)), tl_sqrt(tl_add(v, eps))), g);
    s->out[2] = squares(s, s->in[M1], d);
    return d;
}

static tl_tensor *rmsprop(const struct step *s, tl_tensor *g)
{
    tl_tensor *w = s->out[1] = squares(s, s->in[M0], g);
    if (s->attrs->centered) {
        tl_tensor *mean = s->out[3] = towards(s->in[M2], g, rate(s, TL_RATE_DECAY_SHARE));
        w = tl_sub(w, tl_mul(mean, mean));
    }
    tl_tensor *d = tl_div(g, tl_add(tl_sqrt(w), rate(s, TL_RATE_EPS)));
    if (s->attrs->momentum)
        d = s->out[2] = tl_add(tl_mul(s->in[M1], rate(s, TL_RATE_MOMENTUM)), d);
    return d;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)n_in;
    const struct tl_optimizer_attrs *a = attrs;
    struct step s = {a, in, out, in[RATES]};
    tl_tensor *p = in[P], *g = a->maximize ? tl_neg(in[G]) : in[G];
    if (a->decay && a->decoupled)
        p = tl_mul(p, rate(&s, TL_RATE_KEEP));
    else if (a->decay)
        g = tl_add(g, tl_mul(p, rate(&s, TL_RATE_WEIGHT_DECAY)));
    tl_tensor *d = a->algorithm == TL_STEP_SGD        ? sgd(&s, g)
                   : a->algorithm == TL_STEP_ADAM     ? adam(&s, g)
                   : a->algorithm == TL_STEP_ADADELTA ? adadelta(&s, g)
                                                      : rmsprop(&s, g);
    out[0] = tl_add(p, tl_mul(d, rate(&s, TL_RATE_STEP)));
    return made(out[0]);
}

const tl_op tl_op_optimizer_step = {
    .struct_size = sizeof(tl_op),
    .name = "optimizer_step",
    .formula = "p = p + step * d, moments m0, m1, m2 = …; d by the algorithm",
    .flags = TL_OP_INTERNAL,
    .n_in = INPUTS,
    .n_out = 1 + MOMENTS,
    .optional_in = 1u << M0 | 1u << M1 | 1u << M2,
    .attrs = fields,
    .attrs_size = sizeof(struct tl_optimizer_attrs),
    .infer = infer,
    .decompose = decompose,
    .reuses = {P + 1, M0 + 1, M1 + 1, M2 + 1},
};
