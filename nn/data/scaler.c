/* SPDX-License-Identifier: Apache-2.0
 *
 * The standard scaler: mean and population deviation of every column, in double precision. The variance is
 * computed in two passes with the usual correction, sum((x-m)²)/n - (sum(x-m)/n)², whose second term is zero in exact
 * arithmetic and takes back the rounding of the mean otherwise.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <telar/data.h>

struct tl_scaler {
    int64_t columns;
    double values[]; /* means, then deviations */
};

static tl_scaler *scaler_make(int64_t columns)
{
    size_t bytes;
    bool fits = columns >= 1 && !__builtin_mul_overflow((size_t)columns, 2 * sizeof(double), &bytes) &&
                !__builtin_add_overflow(bytes, sizeof(tl_scaler), &bytes);
    tl_scaler *s = fits ? calloc(1, bytes) : NULL;

    if (s)
        s->columns = columns;
    else
        tl_fail(TL_ERR_NOMEM, "scaler: no memory for %" PRId64 " columns", columns);
    return s;
}

static tl_status check_table(const char *who, tl_tensor *x, int64_t columns)
{
    if (!x)
        return tl_fail(TL_ERR_ARGUMENT, "%s: no tensor", who);
    if (tl_is_none(x) || tl_ndim(x) != 2)
        return tl_fail(TL_ERR_SHAPE, "%s: a table [rows x columns] is needed, the tensor has %d dimensions", who, tl_ndim(x));
    if (columns >= 0 && tl_shape(x)[1] != columns)
        return tl_fail(TL_ERR_SHAPE, "%s: made for %" PRId64 " columns, the table has %" PRId64, who, columns, tl_shape(x)[1]);
    if (tl_dtype_of(x) != TL_F32 && tl_dtype_of(x) != TL_F64)
        return tl_fail(TL_ERR_DTYPE, "%s: the table must be f32 or f64, not %s", who, tl_dtype_name(tl_dtype_of(x)));
    return TL_OK;
}

/* All elements as doubles; free() them. */
static double *table_values(tl_tensor *x)
{
    size_t n = (size_t)tl_numel(x);
    double *v = calloc(n + 1, sizeof *v);

    if (!v)
        tl_fail(TL_ERR_NOMEM, "scaler: no memory for %zu numbers", n);
    else if (tl_copy_out(x, TL_F64, v, n * sizeof *v) != TL_OK) {
        free(v);
        v = NULL;
    }
    return v;
}

static tl_status learn(tl_scaler *s, const double *v, int64_t rows)
{
    double *mean = s->values, *deviation = mean + s->columns;

    for (int64_t c = 0; c < s->columns; c++) {
        double sum = 0, square = 0, rest = 0;
        for (int64_t r = 0; r < rows; r++) {
            double x = v[r * s->columns + c];
            if (!isfinite(x))
                return tl_fail(TL_ERR_ARGUMENT, "scaler_fit: row %" PRId64 ", column %" PRId64 " (from 0) is %g; only finite numbers "
                               "can be scaled", r, c, x);
            sum += x;
        }
        mean[c] = sum / (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            double away = v[r * s->columns + c] - mean[c];
            square += away * away;
            rest += away;
        }
        double variance = (square - rest * rest / (double)rows) / (double)rows;
        /* A constant column whose mean was rounded has a variance of rounding size: centre it only. */
        double noise = (double)rows * 0x1p-52 * variance + pow((double)rows * mean[c] * 0x1p-52, 2);
        deviation[c] = variance > noise ? sqrt(variance) : 1;
    }
    return TL_OK;
}

tl_scaler *tl_scaler_fit(tl_tensor *x)
{
    if (check_table("scaler_fit", x, -1) != TL_OK)
        return NULL;
    if (tl_numel(x) == 0) {
        tl_fail(TL_ERR_SHAPE, "scaler_fit: a table of %" PRId64 " x %" PRId64 " has nothing to learn from", tl_shape(x)[0],
                tl_shape(x)[1]);
        return NULL;
    }
    double *v = table_values(x);
    tl_scaler *s = v ? scaler_make(tl_shape(x)[1]) : NULL;
    if (s && learn(s, v, tl_shape(x)[0]) != TL_OK) {
        tl_scaler_free(s);
        s = NULL;
    }
    free(v);
    return s;
}

tl_scaler *tl_scaler_new(int64_t columns, const double *mean, const double *deviation)
{
    if (columns < 1 || !mean || !deviation) {
        tl_fail(TL_ERR_ARGUMENT, "scaler_new: means and deviations of at least one column are needed");
        return NULL;
    }
    for (int64_t c = 0; c < columns; c++)
        if (!isfinite(mean[c]) || !isfinite(deviation[c]) || deviation[c] <= 0) {
            tl_fail(TL_ERR_ARGUMENT, "scaler_new: column %" PRId64 ": mean %g and deviation %g must be finite, and the deviation "
                    "positive", c, mean[c], deviation[c]);
            return NULL;
        }
    tl_scaler *s = scaler_make(columns);
    if (s) {
        memcpy(s->values, mean, (size_t)columns * sizeof *mean);
        memcpy(s->values + columns, deviation, (size_t)columns * sizeof *deviation);
    }
    return s;
}

void tl_scaler_free(tl_scaler *s)
{
    free(s);
}

int64_t tl_scaler_columns(const tl_scaler *s)
{
    return s ? s->columns : 0;
}

const double *tl_scaler_mean(const tl_scaler *s)
{
    return s ? s->values : NULL;
}

const double *tl_scaler_deviation(const tl_scaler *s)
{
    return s ? s->values + s->columns : NULL;
}

static tl_tensor *apply(const char *who, const tl_scaler *s, tl_tensor *x, bool inverse)
{
    if (!s) {
        tl_fail(TL_ERR_ARGUMENT, "%s: no scaler", who);
        return NULL;
    }
    if (check_table(who, x, s->columns) != TL_OK)
        return NULL;
    double *v = table_values(x);
    if (!v)
        return NULL;
    const double *mean = s->values, *deviation = mean + s->columns;
    int64_t n = tl_numel(x);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i % s->columns;
        v[i] = inverse ? v[i] * deviation[c] + mean[c] : (v[i] - mean[c]) / deviation[c];
    }
    tl_tensor *y = tl_empty(2, tl_shape(x), (struct tl_options){.dtype = tl_dtype_of(x), .device = "cpu"});
    if (y && n > 0 && tl_copy_in(y, TL_F64, v, (size_t)n * sizeof *v) != TL_OK)
        y = NULL;
    free(v);
    return y;
}

tl_tensor *tl_scaler_transform(const tl_scaler *s, tl_tensor *x)
{
    return apply("scaler_transform", s, x, false);
}

tl_tensor *tl_scaler_inverse(const tl_scaler *s, tl_tensor *x)
{
    return apply("scaler_inverse", s, x, true);
}

/* ---- In a state ---- */

static const char *const parts[2] = {"mean", "deviation"};

/* "<prefix>mean"; free() it. */
static char *part_name(const char *prefix, int part)
{
    size_t size = strlen(prefix) + strlen(parts[part]) + 1;
    char *name = malloc(size);

    if (name)
        snprintf(name, size, "%s%s", prefix, parts[part]);
    else
        tl_fail(TL_ERR_NOMEM, "scaler: no memory for a name");
    return name;
}

tl_status tl_scaler_save(const tl_scaler *s, tl_state *to, const char *prefix)
{
    if (!s || !to || !prefix)
        return tl_fail(TL_ERR_ARGUMENT, "scaler_save: a scaler, a state and a prefix are needed");
    for (int p = 0; p < 2; p++) {
        TL_SCOPE
        {
            char *name = part_name(prefix, p);
            tl_tensor *t = tl_from_data(TL_SHAPE(s->columns), s->values + p * s->columns,
                                        (struct tl_options){.dtype = TL_F64, .device = "cpu"});
            tl_status status = name && t ? tl_state_add(to, name, t) : tl_error_code();
            free(name);
            if (status != TL_OK)
                return status;
        }
    }
    return TL_OK;
}

tl_scaler *tl_scaler_load(const tl_state *from, const char *prefix)
{
    tl_tensor *t[2] = {0};
    double *v[2] = {0};
    tl_scaler *s = NULL;

    if (!from || !prefix) {
        tl_fail(TL_ERR_ARGUMENT, "scaler_load: a state and a prefix are needed");
        return NULL;
    }
    for (int p = 0; p < 2; p++) {
        char *name = part_name(prefix, p);
        if (!name)
            return NULL;
        t[p] = tl_state_get(from, name);
        if (!t[p] || tl_ndim(t[p]) != 1 || tl_numel(t[p]) != tl_numel(t[0]) || tl_numel(t[0]) < 1)
            tl_fail(t[p] ? TL_ERR_SHAPE : TL_ERR_NOT_FOUND, "scaler_load: \"%s\" %s", name,
                    t[p] ? "is not a row of one number a column" : "is not in the state");
        free(name);
        if (tl_error_code() != TL_OK)
            return NULL;
    }
    v[0] = table_values(t[0]);
    v[1] = v[0] ? table_values(t[1]) : NULL;
    if (v[1])
        s = tl_scaler_new(tl_numel(t[0]), v[0], v[1]);
    free(v[0]);
    free(v[1]);
    return s;
}
