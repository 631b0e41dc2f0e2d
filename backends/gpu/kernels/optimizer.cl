/* SPDX-License-Identifier: Apache-2.0
 *
 * The update of one parameter in one pass: the formulas of the op optimizer_step. T: the stored type; ALGORITHM: 0 sgd, 1 adam, 2 adadelta,
 * 3 rmsprop; DECAY, MOMENTUM, NESTEROV, FIRST, MAXIMIZE, AMSGRAD, DECOUPLED, CENTERED: 0 or 1. A moment that is not used is not touched.
 */
enum { STEP_, WEIGHT_DECAY_, KEEP_, MOMENTUM_, SHARE_, DECAY_, DECAY_SHARE_, EPS_, CORRECTION_ };

/* a + share (b - a), from the nearer end, as PyTorch's lerp. */
FUNCTION REAL towards(REAL a, REAL b, REAL share)
{
    REAL d = b - a;
    return share < (REAL)0.5 ? a + share * d : b - d * (1 - share);
}

KERNEL(256, 1) optimizer(BUFFER(const STORAGE(T), p0), BUFFER(const STORAGE(T), g0), BUFFER(const REAL, rates), BUFFER(const STORAGE(T), a0),
                         BUFFER(const STORAGE(T), b0), BUFFER(const STORAGE(T), c0), BUFFER(STORAGE(T), p1), BUFFER(STORAGE(T), a1),
                         BUFFER(STORAGE(T), b1), BUFFER(STORAGE(T), c1), INDEX n)
{
    OPEN(const STORAGE(T), p0) OPEN(const STORAGE(T), g0) OPEN(const REAL, rates) OPEN(const STORAGE(T), a0) OPEN(const STORAGE(T), b0)
    OPEN(const STORAGE(T), c0) OPEN(STORAGE(T), p1) OPEN(STORAGE(T), a1) OPEN(STORAGE(T), b1) OPEN(STORAGE(T), c1)
    const REAL step = rates[STEP_], weight_decay = rates[WEIGHT_DECAY_], keep = rates[KEEP_], momentum = rates[MOMENTUM_], share = rates[SHARE_],
               decay = rates[DECAY_], decay_share = rates[DECAY_SHARE_], eps = rates[EPS_], correction = rates[CORRECTION_];
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        REAL p = LOAD(T, p0, i), g = LOAD(T, g0, i), d;
        if (MAXIMIZE)
            g = -g;
        if (DECAY && DECOUPLED)
            p *= keep;
        else if (DECAY)
            g += weight_decay * p;
        if (ALGORITHM == 0) {
            d = g;
            if (MOMENTUM) {
                REAL b = FIRST ? g : momentum * LOAD(T, a0, i) + share * g;
                STORE(T, a1, i, b);
                d = NESTEROV ? g + momentum * b : b;
            }
        } else if (ALGORITHM == 1) {
            REAL m = towards(LOAD(T, a0, i), g, share), v = decay * LOAD(T, b0, i) + decay_share * g * g;
            STORE(T, a1, i, m);
            STORE(T, b1, i, v);
            if (AMSGRAD) {
                REAL top = LOAD(T, c0, i);
                v = v > top || v != v ? v : top;
                STORE(T, c1, i, v);
            }
            d = m / (sqrt(v) / correction + eps);
        } else if (ALGORITHM == 2) {
            REAL a = LOAD(T, b0, i), v = decay * LOAD(T, a0, i) + decay_share * g * g;
            d = sqrt(a + eps) / sqrt(v + eps) * g;
            STORE(T, a1, i, v);
            STORE(T, b1, i, decay * a + decay_share * d * d);
        } else {
            REAL w = decay * LOAD(T, a0, i) + decay_share * g * g;
            STORE(T, a1, i, w);
            if (CENTERED) {
                REAL mean = towards(LOAD(T, c0, i), g, decay_share);
                STORE(T, c1, i, mean);
                w -= mean * mean;
            }
            d = g / (sqrt(w) + eps);
            if (MOMENTUM) {
                d += momentum * LOAD(T, b0, i);
                STORE(T, b1, i, d);
            }
        }
        STORE(T, p1, i, p + step * d);
    }
}
