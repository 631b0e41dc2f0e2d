/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of a regression. The targets' spread is summed as a running mean and sum of squared distances (Welford's update), so
 * that no list of samples is needed and large values far from zero lose nothing.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "nn/train/train.h"

struct column {
    double mean, squares;          /* of the targets */
    double squared_errors, errors; /* sums */
};

struct tl_regression {
    int64_t columns, n;
    struct column column[];
};

tl_regression *tl_regression_new(int64_t columns)
{
    size_t size;
    if (columns < 1 || __builtin_mul_overflow((size_t)columns, sizeof(struct column), &size) ||
        __builtin_add_overflow(size, sizeof(tl_regression), &size)) {
        tl_fail(TL_ERR_ARGUMENT, "regression_new: %" PRId64 " columns", columns);
        return NULL;
    }
    tl_regression *r = calloc(1, size);
    if (r)
        r->columns = columns;
    else
        tl_fail(TL_ERR_NOMEM, "regression_new: no memory for %" PRId64 " columns", columns);
    return r;
}

void tl_regression_free(tl_regression *r)
{
    free(r);
}

static void count(tl_regression *r, const double *output, const double *target)
{
    r->n++;
    for (int64_t c = 0; c < r->columns; c++) {
        struct column *k = &r->column[c];
        double error = output[c] - target[c], distance = target[c] - k->mean;
        k->mean += distance / (double)r->n;
        k->squares += distance * (target[c] - k->mean);
        k->squared_errors += error * error;
        k->errors += fabs(error);
    }
}

tl_status tl_regression_add(tl_regression *r, tl_tensor *output, tl_tensor *target)
{
    if (!r || !output || !target)
        return tl_fail(TL_ERR_ARGUMENT, "regression_add: missing argument");
    int64_t all = tl_numel(output), n = tl_ndim(output) > 0 ? tl_size(output, 0) : 0;
    if (!match_target(output, target))
        return tl_error_code();
    if (n == 0 || all != n * r->columns)
        return n == 0 ? TL_OK : tl_fail(TL_ERR_SHAPE, "regression_add: %" PRId64 " numbers a sample; expected %" PRId64, all / n, r->columns);
    size_t size = (size_t)all * sizeof(double);
    double *a = malloc(size), *b = malloc(size);
    tl_status s = a && b ? tl_copy_out(output, TL_F64, a, size) : tl_fail(TL_ERR_NOMEM, "regression_add: no memory for %" PRId64 " numbers", all);
    if (s == TL_OK)
        s = tl_copy_out(target, TL_F64, b, size);
    for (int64_t i = 0; s == TL_OK && i < n; i++)
        count(r, a + i * r->columns, b + i * r->columns);
    free(a);
    free(b);
    return s;
}

struct tl_regression_scores tl_regression_scores(const tl_regression *r)
{
    struct tl_regression_scores s = {r ? r->n : 0, NAN, NAN, NAN};
    if (s.samples == 0)
        return s;
    s.r2 = s.mean_absolute_error = s.mean_squared_error = 0;
    for (int64_t c = 0; c < r->columns; c++) {
        const struct column *k = &r->column[c];
        s.r2 += k->squares > 0 ? 1 - k->squared_errors / k->squares : k->squared_errors == 0;
        s.mean_absolute_error += k->errors / (double)r->n;
        s.mean_squared_error += k->squared_errors / (double)r->n;
    }
    s.r2 = r->n < 2 ? NAN : s.r2 / (double)r->columns;
    s.mean_absolute_error /= (double)r->columns;
    s.mean_squared_error /= (double)r->columns;
    return s;
}
