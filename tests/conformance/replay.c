/* SPDX-License-Identifier: Apache-2.0
 *
 * Run again what a run under TELAR_CHECK=reference stopped at: one op with the operands of its file, on a backend and on the
 * reference.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

enum { MAX_REPLAYED = 64, MAX_ATTRS = 1024, MOST_SPAN = 1 << 28 };

struct replay {
    FILE *file;
    const char *path;
    char *line;
    size_t size;
    long number; /* of the line, for messages */
    const tl_op *op;
    _Alignas(max_align_t) char attrs[MAX_ATTRS];
    tl_math math;
    struct replayed {
        tl_dtype dtype;
        int ndim; /* -1: absent */
        int64_t shape[TL_MAX_DIMS], stride[TL_MAX_DIMS], n, span;
        void *values; /* double, or int64_t of integers */
    } in[MAX_REPLAYED];
    int n_in;
};

static tl_status fail_at(const struct replay *r, const char *expected)
{
    return tl_fail(TL_ERR_FORMAT, "%s, line %ld: expected %s; found \"%.60s\"", r->path, r->number, expected, r->line ? r->line : "");
}

/* The next line, without its end; false at the end of the file. */
static bool next(struct replay *r)
{
    ssize_t n = getline(&r->line, &r->size, r->file);
    r->number++;
    if (n < 0)
        return false;
    if (n > 0 && r->line[n - 1] == '\n')
        r->line[n - 1] = '\0';
    return true;
}

/* Up to `most` integers of the text, which moves on; returns their number. */
static int integers(char **text, int64_t *to, int most)
{
    int n = 0;
    for (char *end; n < most; n++, *text = end) {
        errno = 0;
        to[n] = strtoll(*text, &end, 10);
        if (end == *text || errno)
            break;
    }
    return n;
}

static bool dtype_named(const char *name, size_t length, tl_dtype *dtype)
{
    for (int t = 0; t < TL_DTYPE_COUNT; t++)
        if (strlen(tl_dtype_name((tl_dtype)t)) == length && strncmp(tl_dtype_name((tl_dtype)t), name, length) == 0) {
            *dtype = (tl_dtype)t;
            return true;
        }
    return false;
}

static tl_status read_attribute(struct replay *r)
{
    char *text = r->line + 5;
    size_t length = strcspn(text, " ");
    const struct tl_attr_field *field = r->op ? r->op->attrs : NULL;
    while (field && field->name && (strlen(field->name) != length || strncmp(field->name, text, length) != 0))
        field++;
    if (!field || !field->name)
        return fail_at(r, "an attribute that the op has");
    char *to = r->attrs + field->offset;
    text += length;
    int64_t number[TL_MAX_DIMS + 1];
    struct tl_dims dims = {0};
    double d;
    char *end = text;
    switch ((tl_attr_kind)field->kind) {
    case TL_ATTR_I64:
    case TL_ATTR_BOOL:
    case TL_ATTR_PAIR: {
        int want = field->kind == TL_ATTR_PAIR ? 2 : 1;
        if (integers(&text, number, want) != want)
            return fail_at(r, "a whole number, or two");
        if (field->kind == TL_ATTR_BOOL)
            *(bool *)(void *)to = number[0] != 0;
        else
            memcpy(to, number, (size_t)want * 8);
        return TL_OK;
    }
    case TL_ATTR_F64:
        d = strtod(text, &end);
        memcpy(to, &d, sizeof d);
        return end != text ? TL_OK : fail_at(r, "a number");
    case TL_ATTR_DTYPE: {
        tl_dtype dtype;
        if (*text != ' ' || !dtype_named(text + 1, strlen(text + 1), &dtype))
            return fail_at(r, "a dtype");
        memcpy(to, &dtype, sizeof dtype);
        return TL_OK;
    }
    case TL_ATTR_DIMS:
        dims.n = integers(&text, number, TL_MAX_DIMS);
        for (int64_t i = 0; i < dims.n; i++)
            dims.v[i] = number[i];
        memcpy(to, &dims, sizeof dims);
        return TL_OK;
    }
    return fail_at(r, "an attribute");
}

/* The values that follow an operand's line. */
static tl_status read_values(struct replay *r, struct replayed *v)
{
    size_t room = 0;
    bool real = tl_dtype_is_float(v->dtype);
    for (int64_t i = 0; i < v->n; i++) {
        if (!next(r))
            return fail_at(r, "as many values as the shape says");
        if ((size_t)i == room) { /* grows with what is there, not with what the file declares */
            room = room ? 2 * room : 64;
            void *grown = realloc(v->values, room * 8);
            if (!grown)
                return tl_fail(TL_ERR_NOMEM, "%s: no memory for %zu values", r->path, room);
            v->values = grown;
        }
        char *end = r->line;
        if (real)
            ((double *)v->values)[i] = strtod(r->line, &end);
        else
            ((int64_t *)v->values)[i] = strtoll(r->line, &end, 10);
        if (end == r->line)
            return fail_at(r, "a number");
    }
    return TL_OK;
}

static tl_status read_operand(struct replay *r)
{
    struct replayed *v = &r->in[r->n_in];
    char *text = r->line + 6, *word;
    int64_t index;
    if (integers(&text, &index, 1) != 1 || index != r->n_in || *text != ' ' || r->n_in == MAX_REPLAYED)
        return fail_at(r, "the next operand's number");
    r->n_in++;
    v->ndim = -1;
    word = text + 1;
    if (strcmp(word, "none") == 0)
        return TL_OK;
    size_t length = strcspn(word, " ");
    text = word + length;
    if (!dtype_named(word, length, &v->dtype) || strncmp(text, " shape", 6) != 0)
        return fail_at(r, "a dtype and a shape");
    text += 6;
    int ndim = integers(&text, v->shape, TL_MAX_DIMS);
    if (strncmp(text, " strides", 8) != 0)
        return fail_at(r, "at most 8 sizes, then strides");
    text += 8;
    if (integers(&text, v->stride, TL_MAX_DIMS) != ndim)
        return fail_at(r, "as many strides as sizes");
    v->n = 1;
    for (int d = 0; d < ndim; d++)
        if (v->shape[d] < 0 || v->stride[d] < 0 || __builtin_mul_overflow(v->n, v->shape[d], &v->n))
            return fail_at(r, "sizes and strides that are not negative, and whose product can be counted");
    v->span = v->n > 0;
    for (int d = 0; d < ndim && v->n; d++) {
        int64_t reach;
        if (__builtin_mul_overflow(v->shape[d] - 1, v->stride[d], &reach) || __builtin_add_overflow(v->span, reach, &v->span) ||
            v->span > MOST_SPAN)
            return fail_at(r, "strides that stay within 2^28 elements");
    }
    v->ndim = ndim;
    return read_values(r, v);
}

static tl_status read_line(struct replay *r)
{
    if (strncmp(r->line, "op ", 3) == 0) {
        r->op = tl_op_find(r->line + 3);
        if (!r->op || r->op->attrs_size > MAX_ATTRS)
            return fail_at(r, "the name of an op");
        *(size_t *)(void *)r->attrs = r->op->attrs_size;
        return TL_OK;
    }
    if (strncmp(r->line, "math ", 5) == 0) {
        r->math = strcmp(r->line + 5, "strict") == 0 ? TL_MATH_STRICT : tl_get_math();
        return TL_OK;
    }
    if (strncmp(r->line, "attr ", 5) == 0)
        return read_attribute(r);
    if (strncmp(r->line, "input ", 6) == 0)
        return read_operand(r);
    return fail_at(r, "op, math, attr, input or end");
}

static tl_status read_file(struct replay *r)
{
    r->file = fopen(r->path, "r");
    if (!r->file)
        return tl_fail(TL_ERR_IO, "%s: %s", r->path, strerror(errno));
    if (!next(r) || strcmp(r->line, "telar replay 1") != 0)
        return fail_at(r, "\"telar replay 1\"");
    for (tl_status s = TL_OK;;) {
        if (!next(r))
            return tl_fail(TL_ERR_TRUNCATED, "%s, line %ld: the file ends without \"end\"", r->path, r->number);
        if (strcmp(r->line, "end") == 0)
            return r->op ? TL_OK : fail_at(r, "an op before the end");
        if ((s = read_line(r)) != TL_OK)
            return s;
    }
}

/* An operand on the default device, with its strides. */
static tl_tensor *make(const struct replayed *v)
{
    if (v->ndim < 0)
        return TL_NONE;
    struct tl_options o = {.dtype = v->dtype};
    tl_tensor *base = tl_empty(TL_SHAPE(v->span), o);
    tl_tensor *t = base ? tl_as_strided(base, v->ndim, v->shape, v->stride, 0) : NULL;
    tl_dtype from = tl_dtype_is_float(v->dtype) ? TL_F64 : TL_I64;
    bool repeats = false;
    for (int d = 0; d < v->ndim; d++)
        repeats |= v->shape[d] > 1 && v->stride[d] == 0;
    if (!t || v->n == 0)
        return t;
    if (!repeats)
        return tl_copy_in(t, from, v->values, (size_t)v->n * 8) == TL_OK ? t : NULL;
    /* Written densely where nothing repeats, then spread. */
    tl_tensor *dense = tl_empty(v->ndim, v->shape, o);
    if (!dense || tl_copy_in(dense, from, v->values, (size_t)v->n * 8) != TL_OK)
        return NULL;
    for (int d = 0; d < v->ndim; d++)
        if (v->stride[d] == 0)
            dense = tl_slice(dense, d, 0, 1, 1);
    return dense ? tl_expand(dense, v->ndim, v->shape) : NULL;
}

static void run_on(const struct replay *r, const char *backend, struct results *results)
{
    memset(results, 0, sizeof *results);
    tl_error_clear();
    TL_SCOPE
    {
        tl_tensor *in[MAX_REPLAYED], *out[8] = {0};
        tl_status s = tl_set_backend(backend);
        for (int i = 0; i < r->n_in && s == TL_OK; i++)
            if (!(in[i] = make(&r->in[i])))
                s = tl_error_code();
        if (s == TL_OK)
            s = tl_op_call(r->op, r->op->attrs ? r->attrs : NULL, in, r->n_in, out);
        results->n_out = r->op->n_out;
        for (int i = 0; i < r->op->n_out && s == TL_OK; i++)
            if (out[i])
                s = take_values(out[i], &results->out[i]);
        results->status = s;
        snprintf(results->message, sizeof results->message, "%s", tl_error_message());
        tl_error_clear();
    }
}

int replay(const char *path, const char *backend)
{
    struct replay r = {.path = path, .math = tl_get_math()};
    tl_status s = read_file(&r);
    int code = s == TL_OK ? 0 : 2;
    if (s != TL_OK) {
        fprintf(stderr, "telar-conformance: %s\n", tl_error_message());
    } else {
        struct results got, want;
        char why[600];
        tl_dtype dtype = r.n_in && r.in[0].ndim >= 0 ? r.in[0].dtype : TL_F32;
        tl_set_math(r.math);
        run_on(&r, backend, &got);
        run_on(&r, "reference", &want);
        struct test_case c = {.op = r.op->name, .variant = path};
        code = !same_results(&c, &got, &want, dtype, why, sizeof why);
        printf("%s on %s: %s\n", r.op->name, backend, code ? why : "as on the reference");
        results_free(&got);
        results_free(&want);
    }
    for (int i = 0; i < r.n_in; i++)
        free(r.in[i].values);
    free(r.line);
    if (r.file)
        fclose(r.file);
    return code;
}
