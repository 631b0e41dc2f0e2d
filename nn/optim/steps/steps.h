/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/optim: the update of one parameter in host memory, in a single pass over the weights, the gradient and
 * the moments. These loops are compiled with vectorisation, and large parameters are cut up among threads; every element's
 * result depends on that element only, so the cuts change nothing.
 */
#ifndef TELAR_NN_OPTIM_STEPS_H
#define TELAR_NN_OPTIM_STEPS_H

#include <stdbool.h>
#include <stdint.h>

/* Settings of an optimizer that its groups share; each algorithm reads its own. */
struct settings {
    double decay; /* adam: beta2; adadelta: rho; rmsprop: alpha */
    double eps, dampening;
    bool nesterov, maximize, amsgrad, centered, decoupled;
};

/* What a group has of its own. */
struct rates {
    double lr, weight_decay;
    double momentum;   /* adam: beta1 */
    double initial_lr; /* where schedules start; NaN: none made yet */
};

enum { MAX_MOMENTS = 3 };

/* One update. Pointers are to `n` elements, f64 if `wide`, else f32. */
struct update {
    int64_t n;
    void *weights;
    const void *gradient;
    void *moments[MAX_MOMENTS];
    bool wide;
    bool first; /* moments[0] is new: sgd starts it with the gradient */
    int64_t t;  /* number of this update, from 1 */
    const struct settings *settings;
    const struct rates *rates;
    int threads;
};

void step_sgd(const struct update *u);
void step_adam(const struct update *u);
void step_adadelta(const struct update *u);
void step_rmsprop(const struct update *u);

/* Gradients in host memory, f64 if `wide`: sum of squares, largest magnitude (NaN if there is one), scaling, limiting. */
double gradient_square_sum(const void *g, int64_t n, bool wide);
void gradient_scale(void *g, int64_t n, bool wide, double factor);
void gradient_limit(void *g, int64_t n, bool wide, double limit);

/* For the loops: call chunk on pieces of [0, n), on several threads if it is worth it. */
typedef void (*step_chunk)(const struct update *u, int64_t from, int64_t to);
void step_split(const struct update *u, step_chunk chunk);

/* Copies of one loop body with its conditions known; the compiler removes what cannot happen. */
#define STEP_INLINE static inline __attribute__((always_inline))

#endif
