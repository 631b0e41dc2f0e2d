/* SPDX-License-Identifier: Apache-2.0
 *
 * TELAR_CHECK=reference: every op is repeated on the reference backend and compared, and the run stops at the first
 * divergence, with a file from which `telar-conformance --replay` repeats it. For finding which kernel of a backend is wrong.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/internal.h"

atomic_int check_modes = -1;

int check_modes_read(void)
{
    const char *text = env_get("TELAR_CHECK", false);
    char *copy = text ? strdup(text) : NULL, *rest = copy;
    int modes = 0;
    for (char *item; copy && (item = strsep(&rest, ","));) {
        if (strcmp(item, "reference") == 0)
            modes |= CHECK_REFERENCE;
        else if (strcmp(item, "memory") == 0)
            modes |= CHECK_MEMORY;
        else if (*item)
            tl_log_message(TL_LOG_WARN, "check", "TELAR_CHECK=%s is ignored: expected reference, memory, or both with a comma", item);
    }
    free(copy);
    atomic_store(&check_modes, modes);
    return modes;
}

static double tolerance(tl_dtype t)
{
    return t == TL_F64 ? 1e-9 : t == TL_F32 ? 2e-4 : t == TL_F16 ? 4e-3 : t == TL_BF16 ? 3e-2 : 0;
}

/* One attribute, as numbers; a dtype by its name. */
static void write_attribute(FILE *f, const struct tl_attr_field *field, const void *attrs)
{
    struct attribute a;
    attribute_read(field, attrs, &a);
    fprintf(f, "attr %s", field->name);
    if (a.kind == TL_ATTR_F64)
        fprintf(f, " %a", a.number);
    else if (a.kind == TL_ATTR_DTYPE)
        fprintf(f, " %s", tl_dtype_name(a.dtype));
    else
        for (int i = 0; i < a.n; i++)
            fprintf(f, " %" PRId64, a.v[i]);
    fputc('\n', f);
}

/* One operand: dtype, sizes and strides in a line, then a value a line in row-major order, none of them rounded. */
static void write_operand(FILE *f, int i, tl_tensor *t)
{
    if (is_none(t)) {
        fprintf(f, "input %d none\n", i);
        return;
    }
    fprintf(f, "input %d %s shape", i, tl_dtype_name((tl_dtype)t->dtype));
    for (int d = 0; d < t->ndim; d++)
        fprintf(f, " %" PRId64, t->shape[d]);
    fprintf(f, " strides");
    for (int d = 0; d < t->ndim; d++)
        fprintf(f, " %" PRId64, t->strides[d]);
    fputc('\n', f);
    bool real = tl_dtype_is_float((tl_dtype)t->dtype);
    size_t n = (size_t)t->numel;
    void *values = malloc((n ? n : 1) * 8);
    if (values && tl_copy_out(t, real ? TL_F64 : TL_I64, values, n * 8) == TL_OK)
        for (size_t k = 0; k < n; k++)
            real ? fprintf(f, "%a\n", ((double *)values)[k]) : fprintf(f, "%" PRId64 "\n", ((int64_t *)values)[k]);
    free(values);
}

/* A text file that `telar-conformance --replay` runs again: the op, its attributes and operands. */
static void write_replay(const struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, char *path, size_t size)
{
    snprintf(path, size, "telar-divergence-%ld-%s.txt", (long)getpid(), e->op->name);
    FILE *f = fopen(path, "w");
    if (!f) {
        snprintf(path, size, "no file, since the working directory cannot be written");
        return;
    }
    fprintf(f, "telar replay 1\nop %s\nmath %s\n", e->op->name, tl_get_math() == TL_MATH_STRICT ? "strict" : "default");
    for (const struct tl_attr_field *field = e->op->attrs; field && field->name; field++)
        write_attribute(f, field, attrs);
    for (int i = 0; i < n_in; i++)
        write_operand(f, i, in[i]);
    fputs("end\n", f);
    if (fclose(f) != 0)
        snprintf(path, size, "no file, since it could not be written whole");
}

/* The largest magnitude among the operands: what a sum that cancels may be wrong by is measured against it. */
static double largest_operand(tl_tensor *const *in, int n_in)
{
    double largest = 0;
    for (int i = 0; i < n_in; i++) {
        size_t n = is_none(in[i]) ? 0 : (size_t)in[i]->numel;
        double *values = n ? malloc(n * sizeof *values) : NULL;
        if (values && tl_copy_out(in[i], TL_F64, values, n * sizeof *values) == TL_OK)
            for (size_t k = 0; k < n; k++)
                if (isfinite(values[k]) && fabs(values[k]) > largest)
                    largest = fabs(values[k]);
        free(values);
    }
    return largest;
}

static tl_status compare(const struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, int output, tl_tensor *got, tl_tensor *want)
{
    size_t n = (size_t)got->numel;
    double *a = malloc((n ? n : 1) * sizeof *a), *b = malloc((n ? n : 1) * sizeof *b), largest = 0, worst = 0;
    size_t at = 0;
    tl_status s = a && b ? TL_OK : tl_fail(TL_ERR_NOMEM, "check: out of memory");
    if (s == TL_OK && (s = tl_copy_out(got, TL_F64, a, n * sizeof *a)) == TL_OK)
        s = tl_copy_out(want, TL_F64, b, n * sizeof *b);
    for (size_t i = 0; i < n && s == TL_OK; i++)
        if (isfinite(b[i]) && fabs(b[i]) > largest)
            largest = fabs(b[i]);
    for (size_t i = 0; i < n && s == TL_OK; i++) {
        double d = isnan(a[i]) && isnan(b[i]) ? 0 : a[i] == b[i] ? 0 : isfinite(a[i]) && isfinite(b[i]) ? fabs(a[i] - b[i]) : INFINITY;
        if (d > worst) {
            worst = d;
            at = i;
        }
    }
    double allowed = tolerance((tl_dtype)got->dtype) * (largest > 1e-3 ? largest : 1e-3);
    if (s == TL_OK && worst > allowed && worst > allowed + 0.05 * tolerance((tl_dtype)got->dtype) * largest_operand(in, n_in)) {
        char path[300];
        double va = a[at], vb = b[at];
        write_replay(e, attrs, in, n_in, path, sizeof path);
        s = tl_fail(TL_ERR_CHECK, "%s: output %d differs from the reference at element %zu: %.9g, but %.9g there (largest value %.3g); telar-conformance --replay runs it again from: %s",
                    e->op->name, output, at, va, vb, largest, path);
    }
    free(a);
    free(b);
    return s;
}

/* The reference backend as a device of its own, so that its kernels are chosen and no other's. */
static device *reference_device(void)
{
    static _Atomic(device *) kept;
    device *d = atomic_load(&kept);
    if (!d && (d = device_open_alone("reference")))
        atomic_store(&kept, d);
    return d;
}

tl_status check_against_reference(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *out)
{
    static _Thread_local bool inside;
    for (int i = 0; i < n_in; i++)
        for (int k = 0; k < e->op->n_out; k++)
            if (out[k] && !is_none(in[i]) && in[i]->storage == out[k]->storage)
                return TL_OK; /* written in place: the operands are gone */
    if (inside || any_valueless(in, n_in))
        return TL_OK;
    inside = true;
    tl_status s = TL_OK;
    TL_SCOPE
    {
        device *d = reference_device();
        tl_tensor **moved = d ? calloc((size_t)n_in + 1, sizeof *moved) : NULL, *results[8] = {0};
        struct tl_meta meta[8];
        if (!moved)
            s = tl_error_code() ? tl_error_code() : tl_fail(TL_ERR_NOMEM, "check: out of memory");
        for (int i = 0; i < n_in && s == TL_OK; i++) {
            moved[i] = in[i];
            if (is_none(in[i]))
                continue;
            moved[i] = tensor_new(d, (tl_dtype)in[i]->dtype, in[i]->ndim, in[i]->shape, false);
            s = moved[i] ? copy_values(in[i], moved[i]) : tl_error_code();
        }
        for (int i = 0; i < e->op->n_out && s == TL_OK; i++) {
            meta[i] = (struct tl_meta){.ndim = -1};
            if (out[i]) {
                meta[i] = (struct tl_meta){.dtype = (tl_dtype)out[i]->dtype, .ndim = out[i]->ndim};
                memcpy(meta[i].shape, out[i]->shape, sizeof meta[i].shape);
            }
        }
        if (s == TL_OK)
            s = compute(e, attrs, moved, n_in, meta, results, NULL, false);
        for (int i = 0; i < e->op->n_out && s == TL_OK; i++)
            if (out[i] && results[i])
                s = compare(e, attrs, in, n_in, i, out[i], results[i]);
        free(moved);
    }
    inside = false;
    return s;
}
