/* SPDX-License-Identifier: Apache-2.0
 *
 * Included once for each type: T is float or double, F(name) gives a name its suffix, ROOT is the square root. RMSprop:
 *
 *     g += weight_decay p;  v = alpha v + (1 - alpha) g^2;  centered: a += (1 - alpha) (g - a), w = v - a^2; else w = v
 *     momentum: b = momentum b + g / (sqrt(w) + eps), p -= lr b;  else: p -= lr g / (sqrt(w) + eps)
 */
STEP_INLINE void F(rmsprop_loop)(const struct update *u, int64_t from, int64_t to, const bool decay, const bool momentum,
                                 const bool centered)
{
    T *restrict p = u->weights, *restrict v = u->moments[0], *restrict b = u->moments[1], *restrict a = u->moments[2];
    const T *restrict g0 = u->gradient;
    const T sign = u->settings->maximize ? -1 : 1, weight_decay = (T)u->rates->weight_decay, mu = (T)u->rates->momentum;
    const T alpha = (T)u->settings->decay, share = (T)(1 - u->settings->decay), eps = (T)u->settings->eps;
    const T minus_lr = (T)-u->rates->lr;
    /* PyTorch's lerp takes the nearer end as its base. */
    const bool near = share < (T)0.5;
    const T weight = near ? share : share - 1;
    for (int64_t i = from; i < to; i++) {
        T g = sign * g0[i];
        if (decay)
            g += weight_decay * p[i];
        T w = v[i] = alpha * v[i] + share * g * g;
        if (centered) {
            T d = g - a[i];
            a[i] = (near ? a[i] : g) + weight * d;
            w -= a[i] * a[i];
        }
        T deviation = ROOT(w) + eps;
        if (momentum) {
            b[i] = mu * b[i] + g / deviation;
            p[i] += minus_lr * b[i];
        } else {
            p[i] += minus_lr * g / deviation;
        }
    }
}

static void F(rmsprop)(const struct update *u, int64_t from, int64_t to)
{
    switch ((u->rates->weight_decay != 0) | (u->moments[1] != NULL) << 1 | u->settings->centered << 2) {
    case 0:
        F(rmsprop_loop)(u, from, to, false, false, false);
        break;
    case 1:
        F(rmsprop_loop)(u, from, to, true, false, false);
        break;
    case 2:
        F(rmsprop_loop)(u, from, to, false, true, false);
        break;
    case 3:
        F(rmsprop_loop)(u, from, to, true, true, false);
        break;
    case 4:
        F(rmsprop_loop)(u, from, to, false, false, true);
        break;
    case 5:
        F(rmsprop_loop)(u, from, to, true, false, true);
        break;
    case 6:
        F(rmsprop_loop)(u, from, to, false, true, true);
        break;
    case 7:
        F(rmsprop_loop)(u, from, to, true, true, true);
        break;
    }
}
