/* SPDX-License-Identifier: Apache-2.0
 *
 * Making operands, running one case on the default device, comparing two runs.
 */
#include "conformance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same numbers on every machine: a 64-bit congruential generator, its upper bits. */
static double draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) / 9007199254740992.0;
}

static uint64_t seed_of(const struct test_case *c, int k)
{
    uint64_t h = UINT64_C(14695981039346656037) + (uint64_t)k * 7919;
    for (const char *s = c->op; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    for (const char *s = c->variant; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

static void fill_values(const struct test_case *c, int k, double *v, int64_t n, bool integers)
{
    const struct operand *o = &c->in[k];
    uint64_t state = seed_of(c, k);
    for (int64_t i = 0; i < n; i++) {
        double u = draw(&state);
        switch (o->fill) {
        case UNIT: v[i] = integers ? 1 + floor(3 * u) : 0.1 + 0.8 * u; break;
        case TENTH: v[i] = 0.6 * u - 0.3; break;
        case WIDE: v[i] = integers ? floor(15 * u) - 7 : 14 * u - 7; break;
        case INDEX: v[i] = floor(u * (double)o->limit); break;
        case BOOLEAN: v[i] = u < 0.5; break;
        case TIES: v[i] = floor(4 * u) - 1; break;
        case DISTINCT: v[i] = 0; break;
        default: v[i] = integers ? floor(7 * u) : 6 * u - 3; break;
        }
    }
    /* Integers are not divided by 0. */
    for (int64_t i = 0; i < n && k > 0 && integers && o->fill == WIDE; i++)
        v[i] = v[i] == 0 ? 7 : v[i];
    if (o->spoiled && n > 0)
        v[n / 2] = o->spoil;
    if (o->fill != DISTINCT)
        return;
    /* A shuffled ladder: every step is a hundredth, so that rounding to a narrow type changes no order. */
    for (int64_t i = 0; i < n; i++)
        v[i] = integers ? (double)(i % 100) : 0.02 * (double)i - 0.01 * (double)n;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(draw(&state) * (double)(i + 1));
        double t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

static tl_tensor *lay_out(tl_tensor *t, enum layout layout)
{
    int n = tl_ndim(t);
    int64_t order[TL_MAX_DIMS], shape[TL_MAX_DIMS];
    if (layout == CONTIGUOUS || n == 0)
        return t;
    if (layout == REVERSED) {
        for (int i = 0; i < n; i++)
            order[i] = n - 1 - i;
        return tl_permute(tl_contiguous(tl_permute(t, n, order)), n, order);
    }
    memcpy(shape, tl_shape(t), (size_t)n * sizeof *shape);
    shape[n - 1] = 2 * shape[n - 1] + 1;
    tl_tensor *larger = tl_full(n, shape, 99, (struct tl_options){.dtype = tl_dtype_of(t)});
    tl_tensor *spaced = tl_slice(larger, n - 1, 1, TL_END, 2);
    return tl_copy_(spaced, t);
}

tl_tensor *make_operand(const struct test_case *c, int k, tl_dtype dtype, enum layout layout)
{
    const struct operand *o = &c->in[k];
    if (o->fill == ABSENT)
        return TL_NONE;
    int64_t n = 1;
    for (int i = 0; i < o->ndim; i++)
        n *= o->shape[i];
    double *v = malloc((size_t)(n ? n : 1) * sizeof *v);
    if (!v)
        return NULL;
    fill_values(c, k, v, n, !tl_dtype_is_float(dtype));
    for (int64_t i = 0; i < n && dtype == TL_U8; i++)
        v[i] = fabs(v[i]); /* or it would saturate to 0 */
    if (o->fill == INDEX)
        dtype = TL_I64;
    if (o->fill == BOOLEAN)
        dtype = TL_BOOL;
    tl_tensor *t = tl_empty(o->ndim, o->shape, (struct tl_options){.dtype = dtype});
    if (!t || tl_copy_in(t, TL_F64, v, (size_t)n * sizeof *v) != TL_OK)
        t = NULL;
    free(v);
    return t ? lay_out(t, layout) : NULL;
}

tl_status take_values(tl_tensor *t, struct values *r)
{
    r->n = tl_numel(t);
    r->dtype = tl_dtype_of(t);
    r->ndim = tl_ndim(t);
    memcpy(r->shape, tl_shape(t), (size_t)r->ndim * sizeof *r->shape);
    r->v = malloc((size_t)(r->n ? r->n : 1) * sizeof *r->v);
    return r->v ? tl_copy_out(t, TL_F64, r->v, (size_t)r->n * sizeof *r->v) : tl_fail(TL_ERR_NOMEM, "conformance: out of memory");
}

/* Backward from every floating output, each with its own fixed gradient. */
static tl_status backward(const struct test_case *c, tl_tensor **out, int n_out, tl_tensor **in, struct results *r)
{
    for (int i = 0; i < n_out; i++) {
        if (!out[i] || !tl_requires_grad(out[i]))
            continue;
        struct test_case like = {.op = c->op, .variant = "gradient", .in = {{.fill = NORMAL, .ndim = tl_ndim(out[i])}}};
        memcpy(like.in[0].shape, tl_shape(out[i]), (size_t)tl_ndim(out[i]) * sizeof(int64_t));
        tl_tensor *g = make_operand(&like, 0, tl_dtype_of(out[i]), CONTIGUOUS);
        tl_status s = tl_backward(out[i], g, (struct tl_backward_options){.retain_graph = true});
        if (s != TL_OK)
            return s;
    }
    for (int k = 0; k < c->n_in; k++) {
        tl_tensor *g = tl_grad_of(in[k]);
        if (tl_is_none(in[k]) || tl_is_none(g))
            continue;
        tl_status s = take_values(g, &r->grad[k]);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

bool differentiable(const struct test_case *c, int k)
{
    return c->in[k].fill != INDEX && c->in[k].fill != ABSENT && c->in[k].fill != BOOLEAN && !c->in[k].constant;
}

/* Of operand k. Indices are not spaced: they would come to lie beside a 99. */
static enum layout layout_of(const struct test_case *c, int k, enum layout layout)
{
    if (layout == MIXED)
        return k == c->n_in - 1 ? REVERSED : CONTIGUOUS;
    return layout == SPACED && c->in[k].fill == INDEX ? CONTIGUOUS : layout;
}

void run_case(const struct test_case *c, tl_dtype dtype, enum layout layout, bool gradients, struct results *r)
{
    memset(r, 0, sizeof *r);
    tl_error_clear();
    TL_SCOPE
    {
        const tl_op *op = tl_op_find(c->op);
        tl_tensor *in[MAX_IN], *out[8] = {0};
        tl_status s = op ? TL_OK : tl_fail(TL_ERR_NOT_FOUND, "there is no op \"%s\"", c->op);
        for (int k = 0; k < c->n_in && s == TL_OK; k++) {
            in[k] = make_operand(c, k, dtype, layout_of(c, k, layout));
            if (!in[k])
                s = tl_error_code();
            else if (gradients && !tl_is_none(in[k]) && tl_dtype_is_float(tl_dtype_of(in[k])) && differentiable(c, k))
                tl_set_requires_grad(in[k], true);
        }
        if (s == TL_OK)
            s = tl_op_call(op, c->attrs, in, c->n_in, out);
        r->n_out = op ? op->n_out : 0;
        for (int i = 0; i < r->n_out && s == TL_OK; i++)
            if (out[i])
                s = take_values(out[i], &r->out[i]);
        if (s == TL_OK && gradients)
            s = backward(c, out, r->n_out, in, r);
        r->status = s;
        snprintf(r->message, sizeof r->message, "%s", tl_error_message());
        tl_error_clear();
    }
}

void results_free(struct results *r)
{
    for (int i = 0; i < 8; i++)
        free(r->out[i].v);
    for (int i = 0; i < MAX_IN; i++)
        free(r->grad[i].v);
}

static double bound(const struct test_case *c, tl_dtype dtype, const struct values *v)
{
    if ((c->flags & EXACT) || !tl_dtype_is_float(v->dtype))
        return 0;
    double f32 = c->tolerance ? c->tolerance : 1e-5;
    return dtype == TL_F64 ? 1e-12 : dtype == TL_F16 ? 4e-3 : dtype == TL_BF16 ? 3e-2 : f32;
}

static bool same_values(const struct values *a, const struct values *b, double tolerance, const char *what, int which, char *text, size_t size)
{
    if ((a->v == NULL) != (b->v == NULL)) {
        snprintf(text, size, "%s %d: %s", what, which, a->v ? "is there, but not in the reference" : "is missing");
        return false;
    }
    if (!a->v)
        return true;
    if (a->n != b->n || a->dtype != b->dtype || a->ndim != b->ndim || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0) {
        snprintf(text, size, "%s %d: another shape or dtype than the reference's", what, which);
        return false;
    }
    double largest = 0;
    for (int64_t i = 0; i < b->n; i++)
        if (isfinite(b->v[i]) && fabs(b->v[i]) > largest)
            largest = fabs(b->v[i]);
    for (int64_t i = 0; i < b->n; i++) {
        double x = a->v[i], y = b->v[i];
        bool same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= tolerance * (largest > 1e-2 ? largest : 1e-2);
        if (!same) {
            snprintf(text, size, "%s %d, element %lld: %.9g, the reference has %.9g (largest %.3g)", what, which, (long long)i, x, y, largest);
            return false;
        }
    }
    return true;
}

bool same_results(const struct test_case *c, const struct results *got, const struct results *want, tl_dtype dtype, char *text, size_t size)
{
    if (got->status != want->status) {
        snprintf(text, size, "status %s (%s), the reference has %s (%s)", tl_status_name(got->status), got->message,
                 tl_status_name(want->status), want->message);
        return false;
    }
    /* What a failing call leaves is nobody's: an error may show before or after its outputs do. */
    if (want->status != TL_OK)
        return true;
    for (int i = 0; i < got->n_out; i++)
        if (!same_values(&got->out[i], &want->out[i], bound(c, dtype, &want->out[i]), "output", i, text, size))
            return false;
    for (int i = 0; i < c->n_in; i++) {
        /* Sums of gradients round differently even where the forward is exact. */
        double tolerance = bound(c, dtype, &want->grad[i]);
        if (tolerance == 0)
            tolerance = dtype == TL_F64 ? 1e-12 : dtype == TL_F16 ? 4e-3 : dtype == TL_BF16 ? 3e-2 : 1e-5;
        if (!same_values(&got->grad[i], &want->grad[i], 4 * tolerance, "gradient of input", i, text, size))
            return false;
    }
    return true;
}
