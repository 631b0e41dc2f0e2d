/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing tokens from logits, on the host, in double: one uniform number a row, compared with the running sum of the chances.
 */
#include <math.h>
#include <stdlib.h>
#include <telar/model.h>

/* The k-th largest of n numbers, by quickselect's partition around a middle one. k counts from 1. */
static double kth_largest(double *v, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = v[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] > pivot)
                i++;
            while (v[j] < pivot)
                j--;
            if (i <= j) {
                double t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (k - 1 <= j)
            high = j;
        else if (k - 1 >= i)
            low = i;
        else
            break;
    }
    return v[k - 1];
}

/* One of n classes; `scratch` has room for n. -1: the logits are no numbers. */
static int64_t draw(const double *logits, double *scratch, int64_t n, double temperature, int64_t top_k, double uniform)
{
    int64_t best = 0;
    double least = -INFINITY, sum = 0, passed = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(logits[i]) || logits[i] == INFINITY)
            return -1;
        best = logits[i] > logits[best] ? i : best;
        scratch[i] = logits[i];
    }
    if (temperature == 0 || logits[best] == -INFINITY)
        return logits[best] == -INFINITY ? -1 : best;
    if (top_k > 0 && top_k < n)
        least = kth_largest(scratch, n, top_k);
    for (int64_t i = 0; i < n; i++) {
        scratch[i] = logits[i] >= least ? exp((logits[i] - logits[best]) / temperature) : 0;
        sum += scratch[i];
    }
    for (int64_t i = 0; i < n; i++) {
        passed += scratch[i];
        if (scratch[i] > 0 && uniform * sum < passed)
            return i;
    }
    return best;
}

static tl_status draw_rows(tl_tensor *logits, double temperature, int64_t top_k, tl_tensor *uniform, int64_t *to)
{
    int64_t rows = tl_size(logits, 0), n = tl_size(logits, 1);
    const double *v = tl_data(logits), *u = tl_data(uniform);
    double *scratch = v && u ? malloc((size_t)n * sizeof *scratch) : NULL;
    if (!scratch)
        return v && u ? tl_fail(TL_ERR_NOMEM, "sample: out of memory") : tl_error_code();
    tl_status s = TL_OK;
    for (int64_t i = 0; i < rows && s == TL_OK; i++)
        if ((to[i] = draw(v + i * n, scratch, n, temperature, top_k, u[i])) < 0)
            s = tl_fail(TL_ERR_ARGUMENT, "sample: the logits of row %lld are NaN or infinite", (long long)i);
    free(scratch);
    return s;
}

tl_tensor *tl_sample_tokens(tl_tensor *logits, double temperature, int64_t top_k, tl_generator *g)
{
    if (!logits || tl_is_none(logits) || tl_ndim(logits) != 2 || tl_size(logits, 1) < 1 || !tl_dtype_is_float(tl_dtype_of(logits))) {
        tl_fail(TL_ERR_SHAPE, "sample: floating logits [n, classes] are needed");
        return NULL;
    }
    if (!(temperature >= 0) || isinf(temperature) || top_k < 0) {
        tl_fail(TL_ERR_ARGUMENT, "sample: a temperature of %g and a top_k of %lld; both must be finite and not negative", temperature, (long long)top_k);
        return NULL;
    }
    tl_tensor *tokens = NULL;
    TL_NO_GRAD TL_SCOPE {
        struct tl_options host = {.dtype = TL_F64, .device = "cpu"};
        tl_tensor *v = tl_contiguous(tl_to_device(tl_cast(logits, TL_F64), "cpu"));
        tl_tensor *u = tl_uniform_(tl_empty(TL_SHAPE(tl_size(logits, 0)), host), 0, 1, g);
        tl_tensor *t = tl_empty(TL_SHAPE(tl_size(logits, 0)), (struct tl_options){.dtype = TL_I64, .device = "cpu"});
        int64_t *to = t ? tl_data_mut(t) : NULL;
        if (v && u && to && draw_rows(v, temperature, top_k, u, to) == TL_OK)
            tokens = tl_scope_return(t);
    }
    return tokens;
}
