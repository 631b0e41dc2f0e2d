/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of all optimizers, made for f32 and f64 from one text each. Products are rounded before they are added, in the
 * order in which PyTorch's single-tensor optimizers apply their operations.
 */
#include <math.h>
#include <stddef.h>

#include "nn/optim/steps/steps.h"

#define T float
#define F(name) name##_f32
#define ROOT sqrtf
#include "nn/optim/steps/adadelta_loop.h"
#include "nn/optim/steps/adam_loop.h"
#include "nn/optim/steps/rmsprop_loop.h"
#include "nn/optim/steps/sgd_loop.h"
#undef T
#undef F
#undef ROOT

#define T double
#define F(name) name##_f64
#define ROOT sqrt
#include "nn/optim/steps/adadelta_loop.h"
#include "nn/optim/steps/adam_loop.h"
#include "nn/optim/steps/rmsprop_loop.h"
#include "nn/optim/steps/sgd_loop.h"

void step_sgd(const struct update *u)
{
    step_split(u, u->wide ? sgd_f64 : sgd_f32);
}

void step_adam(const struct update *u)
{
    step_split(u, u->wide ? adam_f64 : adam_f32);
}

void step_adadelta(const struct update *u)
{
    step_split(u, u->wide ? adadelta_f64 : adadelta_f32);
}

void step_rmsprop(const struct update *u)
{
    step_split(u, u->wide ? rmsprop_f64 : rmsprop_f32);
}

/* ---- Gradients ------------------------------------------------------------------------------------------------------ */

double gradient_square_sum(const void *gradient, int64_t n, bool wide)
{
    /* Several sums side by side: one would wait for itself at every element. */
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0;
    const float *f = gradient;
    const double *d = gradient;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double x = wide ? d[i + k] : (double)f[i + k];
            lane[k] += x * x;
        }
    for (; i < n; i++) {
        double x = wide ? d[i] : (double)f[i];
        sum += x * x;
    }
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

void gradient_scale(void *gradient, int64_t n, bool wide, double factor)
{
    float *f = gradient, narrow = (float)factor;
    double *d = gradient;
    if (wide)
        for (int64_t i = 0; i < n; i++)
            d[i] *= factor;
    else
        for (int64_t i = 0; i < n; i++)
            f[i] *= narrow;
}

void gradient_limit(void *gradient, int64_t n, bool wide, double limit)
{
    float *f = gradient, narrow = (float)limit;
    double *d = gradient;
    if (wide)
        for (int64_t i = 0; i < n; i++)
            d[i] = d[i] > limit ? limit : d[i] < -limit ? -limit : d[i];
    else
        for (int64_t i = 0; i < n; i++)
            f[i] = f[i] > narrow ? narrow : f[i] < -narrow ? -narrow : f[i];
}
