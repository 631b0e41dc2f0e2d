/* SPDX-License-Identifier: Apache-2.0
 *
 * Included once for each type: T is float or double, F(name) gives a name its suffix, ROOT is the square root. Adam:
 *
 *     g += weight_decay p  (decoupled: p *= 1 - lr weight_decay)
 *     m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;  w = amsgrad ? max(w, v) : v
 *     p -= lr / (1 - beta1^t) * m / (sqrt(w) / sqrt(1 - beta2^t) + eps)
 */
STEP_INLINE void F(adam_loop)(const struct update *u, int64_t from, int64_t to, const bool decay, const bool amsgrad)
{
    T *restrict p = u->weights, *restrict m = u->moments[0], *restrict v = u->moments[1], *restrict top = u->moments[2];
    const T *restrict g0 = u->gradient;
    const struct settings *s = u->settings;
    const double beta1 = u->rates->momentum, lr = u->rates->lr, t = (double)u->t;
    const T sign = s->maximize ? -1 : 1, weight_decay = (T)u->rates->weight_decay;
    const T keep = s->decoupled ? (T)(1 - lr * u->rates->weight_decay) : 1;
    const T beta2 = (T)s->decay, share1 = (T)(1 - beta1), share2 = (T)(1 - s->decay), eps = (T)s->eps;
    const T correction = (T)sqrt(1 - pow(s->decay, t)), step = (T)(-lr / (1 - pow(beta1, t)));
    /* PyTorch's lerp takes the nearer end as its base. */
    const bool near = share1 < (T)0.5;
    const T weight = near ? share1 : share1 - 1;
    for (int64_t i = from; i < to; i++) {
        T g = sign * g0[i], x = p[i] * keep;
        if (decay)
            g += weight_decay * x;
        T d = g - m[i];
        m[i] = (near ? m[i] : g) + weight * d;
        v[i] = beta2 * v[i] + share2 * g * g;
        T w = v[i];
        if (amsgrad)
            w = top[i] = w > top[i] || w != w ? w : top[i];
        p[i] = x + step * m[i] / (ROOT(w) / correction + eps);
    }
}

static void F(adam)(const struct update *u, int64_t from, int64_t to)
{
    switch ((u->rates->weight_decay != 0 && !u->settings->decoupled) | u->settings->amsgrad << 1) {
    case 0:
        F(adam_loop)(u, from, to, false, false);
        break;
    case 1:
        F(adam_loop)(u, from, to, true, false);
        break;
    case 2:
        F(adam_loop)(u, from, to, false, true);
        break;
    case 3:
        F(adam_loop)(u, from, to, true, true);
        break;
    }
}
