/* SPDX-License-Identifier: Apache-2.0
 *
 * Included once for each type: T is float or double, F(name) gives a name its suffix, ROOT is the square root. Adadelta:
 *
 *     g += weight_decay p;  v = rho v + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(v + eps) g
 *     a = rho a + (1 - rho) d^2;  p -= lr d
 */
STEP_INLINE void F(adadelta_loop)(const struct update *u, int64_t from, int64_t to, const bool decay)
{
    T *restrict p = u->weights, *restrict v = u->moments[0], *restrict a = u->moments[1];
    const T *restrict g0 = u->gradient;
    const T sign = u->settings->maximize ? -1 : 1, weight_decay = (T)u->rates->weight_decay;
    const T rho = (T)u->settings->decay, share = (T)(1 - u->settings->decay), eps = (T)u->settings->eps;
    const T minus_lr = (T)-u->rates->lr;
    for (int64_t i = from; i < to; i++) {
        T g = sign * g0[i];
        if (decay)
            g += weight_decay * p[i];
        v[i] = rho * v[i] + share * g * g;
        T d = ROOT(a[i] + eps) / ROOT(v[i] + eps) * g;
        a[i] = rho * a[i] + share * d * d;
        p[i] += minus_lr * d;
    }
}

static void F(adadelta)(const struct update *u, int64_t from, int64_t to)
{
    if (u->rates->weight_decay != 0)
        F(adadelta_loop)(u, from, to, true);
    else
        F(adadelta_loop)(u, from, to, false);
}
