/* SPDX-License-Identifier: Apache-2.0
 *
 * Included once for each type: T is float or double, F(name) gives a name its suffix. Gradient descent:
 *
 *     g += weight_decay p;  b = momentum b + (1 - dampening) g  (at first: g);  g = nesterov ? g + momentum b : b
 *     p -= lr g
 */
STEP_INLINE void F(sgd_loop)(const struct update *u, int64_t from, int64_t to, const bool decay, const bool momentum,
                             const bool nesterov, const bool first)
{
    T *restrict p = u->weights, *restrict b = u->moments[0];
    const T *restrict g0 = u->gradient;
    const T sign = u->settings->maximize ? -1 : 1, weight_decay = (T)u->rates->weight_decay, mu = (T)u->rates->momentum;
    const T share = (T)(1 - u->settings->dampening), minus_lr = (T)-u->rates->lr;
    for (int64_t i = from; i < to; i++) {
        T g = sign * g0[i];
        if (decay)
            g += weight_decay * p[i];
        if (momentum) {
            b[i] = first ? g : mu * b[i] + share * g;
            g = nesterov ? g + mu * b[i] : b[i];
        }
        p[i] += minus_lr * g;
    }
}

static void F(sgd)(const struct update *u, int64_t from, int64_t to)
{
    switch ((u->rates->weight_decay != 0) | (u->moments[0] != NULL) << 1 | u->settings->nesterov << 2 | u->first << 3) {
    case 0:
    case 4:
    case 8:
    case 12:
        F(sgd_loop)(u, from, to, false, false, false, false);
        break;
    case 1:
    case 5:
    case 9:
    case 13:
        F(sgd_loop)(u, from, to, true, false, false, false);
        break;
    case 2:
        F(sgd_loop)(u, from, to, false, true, false, false);
        break;
    case 3:
        F(sgd_loop)(u, from, to, true, true, false, false);
        break;
    case 6:
        F(sgd_loop)(u, from, to, false, true, true, false);
        break;
    case 7:
        F(sgd_loop)(u, from, to, true, true, true, false);
        break;
    case 10:
        F(sgd_loop)(u, from, to, false, true, false, true);
        break;
    case 11:
        F(sgd_loop)(u, from, to, true, true, false, true);
        break;
    case 14:
        F(sgd_loop)(u, from, to, false, true, true, true);
        break;
    case 15:
        F(sgd_loop)(u, from, to, true, true, true, true);
        break;
    }
}
