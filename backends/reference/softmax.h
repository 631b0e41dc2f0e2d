/* SPDX-License-Identifier: Apache-2.0
 *
 * What softmax, log_softmax and their gradients share: the lines along a dimension, one after the other, and the sum of a line's
 * exponentials. Included by the template part of their files.
 */
#include "reference.h"

/* The sum of e^(x - largest), so that it does not overflow. */
static inline double NAME(exponentials)(const T *x, int64_t n, int64_t step, double *largest)
{
    double sum = 0;
    *largest = -INFINITY;
    for (int64_t i = 0; i < n * step; i += step)
        if ((double)x[i] > *largest)
            *largest = (double)x[i];
    for (int64_t i = 0; i < n * step; i += step)
        sum += exp((double)x[i] - *largest);
    return sum;
}

/* Call `line` with the first elements of each line of input 0, of input 1 (NULL if there is none), and of the output. */
static inline tl_status NAME(lines)(const struct tl_call *call, void (*line)(const T *a, const T *b, T *y, int64_t n, int64_t step))
{
    const struct tl_along_attrs *attrs = call->attrs;
    const struct axes a = axes_around(&call->out[0], attrs->dim);
    const T *first = input(call, 0), *second = input(call, 1);
    T *y = output(call, 0);
    for (int64_t outer = 0; outer < a.outer; outer++) {
        for (int64_t inner = 0; inner < a.inner; inner++) {
            const int64_t at = outer * a.n * a.inner + inner;
            line(first + at, second ? second + at : NULL, y + at, a.n, a.inner);
        }
    }
    return TL_OK;
}
