/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers into tensors: the public functions. All checks come first, so that a refused call draws nothing. The host draws,
 * whatever the tensor's device: into a contiguous host tensor directly, else into a buffer that is then copied.
 *
 * Order. PyTorch fills a tensor that is not contiguous along its memory, not along its indices: a transposed matrix
 * column by column. draw_order() gives that order of the dimensions, and the values are put in their places afterwards.
 */
#include <math.h>
#include <stdlib.h>

#include <telar/program.h>

#include "core/internal.h"
#include "core/rng/distributions.h"

/* One request: which distribution, with which parameters. */
struct request {
    enum { UNIFORM, NORMAL, BERNOULLI, BERNOULLI_EACH, INTEGERS } kind;
    double a, b;       /* low and high, mean and standard deviation, or p */
    int64_t low, high; /* of integers */
    tl_dtype p_dtype;  /* of BERNOULLI_EACH */
    const void *p;
};

static void draw(tl_generator *g, const struct request *r, tl_dtype dtype, void *to, size_t n, bool one_by_one)
{
    g = generator_or_default(g);
    pthread_mutex_lock(&g->lock);
    switch (r->kind) {
    case UNIFORM: rng_uniform(g, dtype, to, n, r->a, r->b); break;
    case NORMAL: rng_normal(g, dtype, to, n, r->a, r->b, one_by_one); break;
    case BERNOULLI: rng_bernoulli(g, dtype, to, n, r->a); break;
    case BERNOULLI_EACH: rng_bernoulli_each(g, dtype, to, n, r->p_dtype, r->p); break;
    case INTEGERS: rng_integers(g, dtype, to, n, r->low, r->high); break;
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- Order ----------------------------------------------------------------------------------------------------------- */

/* Does dimension a vary slower than b, to judge by strides? 1 yes, -1 no, 0 cannot say. */
static int slower(const tl_tensor *t, int a, int b)
{
    if (t->strides[a] == 0 || t->strides[b] == 0)
        return 0;
    if (t->strides[a] != t->strides[b])
        return t->strides[a] > t->strides[b] ? 1 : -1;
    return t->shape[a] > t->shape[b] ? 1 : 0;
}

/* The dimensions of t, the fastest first: the last one first, then sorted by stride as far as strides can tell.
 * Returns whether that is row-major order. */
static bool draw_order(const tl_tensor *t, int order[TL_MAX_DIMS])
{
    for (int i = 0; i < t->ndim; i++)
        order[i] = t->ndim - 1 - i;
    for (int i = 1; i < t->ndim; i++)
        for (int at = i, before = i - 1; before >= 0; before--) {
            int which = slower(t, order[before], order[at]);
            if (which < 0)
                break;
            if (which > 0) {
                int dim = order[before];
                order[before] = order[at];
                order[at] = dim;
                at = before;
            }
        }
    for (int i = 0, last = t->ndim; i < t->ndim; i++) {
        if (t->shape[order[i]] == 1)
            continue;
        if (order[i] > last)
            return false;
        last = order[i];
    }
    return true;
}

/* From draw order to row-major order. */
static void reorder(const tl_tensor *t, const int order[TL_MAX_DIMS], size_t size, const char *from, char *to)
{
    int64_t stride[TL_MAX_DIMS], index[TL_MAX_DIMS] = {0}, place = 0;
    contiguous_strides(t->ndim, t->shape, stride);
    for (int64_t i = 0; i < t->numel; i++) {
        memcpy(to + (size_t)place * size, from + (size_t)i * size, size);
        for (int d = 0; d < t->ndim; d++) {
            int dim = order[d];
            place += stride[dim];
            if (++index[dim] < t->shape[dim])
                break;
            place -= stride[dim] * t->shape[dim];
            index[dim] = 0;
        }
    }
}

/* ---- Filling --------------------------------------------------------------------------------------------------------- */

static void *buffer_for(const char *who, const tl_tensor *t)
{
    void *buffer = malloc((size_t)t->numel * tl_dtype_size((tl_dtype)t->dtype));
    if (!buffer)
        tl_fail(TL_ERR_NOMEM, "%s: no memory for %lld numbers on the host", who, (long long)t->numel);
    return buffer;
}

/* Draw for t in the order of `like` (which has t's shape), through a buffer. */
static tl_status fill_by_copy(const char *who, tl_tensor *t, const struct request *r, tl_generator *g, const tl_tensor *like)
{
    int order[TL_MAX_DIMS];
    tl_dtype dtype = (tl_dtype)t->dtype;
    size_t size = tl_dtype_size(dtype), n = (size_t)t->numel;
    bool row_major = draw_order(like, order);
    bool one_by_one = like == t ? !(t->flags & T_CONTIGUOUS) : !row_major;
    char *drawn = buffer_for(who, t), *placed = drawn && !row_major ? buffer_for(who, t) : drawn;
    tl_status s = TL_ERR_NOMEM;
    if (placed) {
        draw(g, r, dtype, drawn, n, one_by_one);
        if (!row_major)
            reorder(like, order, size, drawn, placed);
        s = tl_copy_in(t, dtype, placed, n * size);
    }
    if (placed != drawn)
        free(placed);
    free(drawn);
    return s;
}

/* A draw that a program repeats. */
struct recorded_draw {
    const char *who;
    struct request request;
    tl_generator *generator;
};

static tl_status fill(const char *who, tl_tensor *t, const struct request *r, tl_generator *g, const tl_tensor *like);

static tl_status draw_again(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    const struct recorded_draw *d = ctx;
    (void)n_out;
    return fill(d->who, out[0], &d->request, d->generator, n_in ? in[0] : out[0]);
}

static tl_status record_draw(const char *who, tl_tensor *t, const struct request *r, tl_generator *g, const tl_tensor *like)
{
    struct recorded_draw *d = malloc(sizeof *d);
    if (!d)
        return tl_fail(TL_ERR_NOMEM, "%s: out of memory", who);
    *d = (struct recorded_draw){who, *r, g};
    return tl_record_call(who, draw_again, d, free, (tl_tensor *[]){(tl_tensor *)(uintptr_t)like}, like != t, &t, 1);
}

static tl_status fill(const char *who, tl_tensor *t, const struct request *r, tl_generator *g, const tl_tensor *like)
{
    int order[TL_MAX_DIMS];
    if (t->storage->valueless)
        return tensor_written(t); /* nobody will see the numbers, so the generator stays where it is */
    if (t->numel == 0)
        return TL_OK;
    if (UNLIKELY(program_recorder != NULL))
        return record_draw(who, t, r, g, like);
    if (!t->storage->device->host || !(t->flags & T_CONTIGUOUS) || (like != t && !draw_order(like, order)))
        return fill_by_copy(who, t, r, g, like);
    void *to = tl_data_mut(t);
    if (!to)
        return tl_error_code();
    draw(g, r, (tl_dtype)t->dtype, to, (size_t)t->numel, false);
    return TL_OK;
}

/* May a filler write t? */
static bool writable(const char *who, const tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the tensor is NULL or TL_NONE", who);
        return false;
    }
    if (needs_grad(t) && tl_grad_enabled()) {
        tl_fail(TL_ERR_STATE, "%s: %s would be overwritten while gradients are recorded; write it inside TL_NO_GRAD { … }", who,
                history_of((tl_tensor *)(uintptr_t)t) ? "a result that a gradient flows through" : "a leaf that requires a gradient");
        return false;
    }
    for (int d = 0; d < t->ndim; d++)
        if (t->shape[d] > 1 && t->strides[d] == 0) {
            tl_fail(TL_ERR_ARGUMENT, "%s: the tensor is expanded along dimension %d, where all elements are one; use tl_contiguous()", who, d);
            return false;
        }
    return true;
}

static bool floating(const char *who, tl_dtype dtype)
{
    if (tl_dtype_is_float(dtype))
        return true;
    tl_fail(TL_ERR_DTYPE, "%s: expected f32, f64, f16 or bf16, got %s", who, tl_dtype_name(dtype));
    return false;
}

/* ---- Checking parameters ----------------------------------------------------------------------------------------------- */

static double largest(tl_dtype dtype)
{
    switch (dtype) {
    case TL_F32: return 0x1.fffffep127;
    case TL_F16: return 65504;
    case TL_BF16: return 0x1.fep127;
    case TL_I8: return INT8_MAX;
    case TL_U8: return UINT8_MAX;
    case TL_I32: return INT32_MAX;
    case TL_BOOL: return 1;
    default: return 0x1.fffffffffffffp1023;
    }
}

static double least(tl_dtype dtype)
{
    if (dtype == TL_U8 || dtype == TL_BOOL)
        return 0;
    return dtype == TL_I8 ? INT8_MIN : dtype == TL_I32 ? INT32_MIN : -largest(dtype);
}

static bool check_uniform(const char *who, tl_dtype dtype, double low, double high)
{
    if (!floating(who, dtype))
        return false;
    double limit = largest(dtype);
    if (low <= high && low >= -limit && high <= limit && high - low <= limit)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: expected low <= high, both and their difference in the range of %s; got %g and %g", who,
            tl_dtype_name(dtype), low, high);
    return false;
}

static bool check_normal(const char *who, tl_dtype dtype, double std)
{
    if (!floating(who, dtype))
        return false;
    if (std >= 0)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: expected a standard deviation >= 0, got %g", who, std);
    return false;
}

static bool check_integers(const char *who, tl_dtype dtype, int64_t low, int64_t high)
{
    if (low >= high) {
        tl_fail(TL_ERR_ARGUMENT, "%s: expected low < high, got low %lld and high %lld; high itself is not drawn", who,
                (long long)low, (long long)high);
        return false;
    }
    if (dtype == TL_I64 || ((double)low >= least(dtype) && (double)(high - 1) <= largest(dtype)))
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: %lld … %lld do not fit into %s", who, (long long)low, (long long)high - 1,
            tl_dtype_name(dtype));
    return false;
}

/* The nearest value that `dtype` has, as an integer; 0 if that is beyond 64 bits. */
static int64_t rounded(tl_dtype dtype, int64_t value)
{
    double near = dtype == TL_F32   ? (double)(float)value
                  : dtype == TL_F64 ? (double)value
                                    : (double)rng_from_half(rng_to_half((float)value, dtype == TL_BF16), dtype == TL_BF16);
    return near >= 0x1p63 || near < -0x1p63 ? 0 : (int64_t)near;
}

/* Distance of the values that `dtype` has around `value`, at least 1. */
static int64_t spacing(tl_dtype dtype, int64_t value)
{
    static const int digits[TL_DTYPE_COUNT] = {[TL_F32] = 24, [TL_F64] = 53, [TL_F16] = 11, [TL_BF16] = 8};
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int log2 = magnitude ? 63 - __builtin_clzll(magnitude) : 0;
    return log2 < digits[dtype] - 1 ? 1 : (int64_t)1 << (log2 - digits[dtype] + 1);
}

/* Bounds that a floating type cannot hold are moved inwards, so that no rounding leaves [low, high). */
static void bounds_inwards(tl_dtype dtype, int64_t *low, int64_t *high)
{
    if (!tl_dtype_is_float(dtype))
        return;
    int64_t next = rounded(dtype, *low + 1), last = rounded(dtype, *high - 1);
    if (next && next < *low)
        *low = next + spacing(dtype, *low + 1);
    if (last && last >= *high)
        *high = last - spacing(dtype, *high - 1);
}

/* ---- In place ------------------------------------------------------------------------------------------------------------ */

tl_tensor *tl_uniform_(tl_tensor *t, double low, double high, tl_generator *generator)
{
    if (!writable("uniform_", t) || !check_uniform("uniform_", (tl_dtype)t->dtype, low, high))
        return NULL;
    return fill("uniform_", t, &(struct request){.kind = UNIFORM, .a = low, .b = high}, generator, t) == TL_OK ? t : NULL;
}

tl_tensor *tl_normal_(tl_tensor *t, double mean, double std, tl_generator *generator)
{
    if (!writable("normal_", t) || !check_normal("normal_", (tl_dtype)t->dtype, std))
        return NULL;
    return fill("normal_", t, &(struct request){.kind = NORMAL, .a = mean, .b = std}, generator, t) == TL_OK ? t : NULL;
}

tl_tensor *tl_bernoulli_(tl_tensor *t, double p, tl_generator *generator)
{
    if (!writable("bernoulli_", t))
        return NULL;
    if (!(p >= 0 && p <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "bernoulli_: expected a chance p in [0, 1], got %g", p);
        return NULL;
    }
    return fill("bernoulli_", t, &(struct request){.kind = BERNOULLI, .a = p}, generator, t) == TL_OK ? t : NULL;
}

static tl_tensor *fill_integers(const char *who, tl_tensor *t, int64_t low, int64_t high, tl_generator *g)
{
    if (!writable(who, t) || !check_integers(who, (tl_dtype)t->dtype, low, high))
        return NULL;
    bounds_inwards((tl_dtype)t->dtype, &low, &high);
    if (low >= high) {
        tl_fail(TL_ERR_ARGUMENT, "%s: %s has no value between the bounds", who, tl_dtype_name((tl_dtype)t->dtype));
        return NULL;
    }
    return fill(who, t, &(struct request){.kind = INTEGERS, .low = low, .high = high}, g, t) == TL_OK ? t : NULL;
}

tl_tensor *tl_random_(tl_tensor *t, int64_t low, int64_t high, tl_generator *generator)
{
    return fill_integers("random_", t, low, high, generator);
}

/* ---- Making ---------------------------------------------------------------------------------------------------------------- */

static tl_tensor *made(const char *who, int ndim, const int64_t *shape, struct tl_options o, const struct request *r)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    tl_tensor *t = tl_empty(ndim, shape, o);
    if (!t || !floating(who, (tl_dtype)t->dtype) || fill(who, t, r, NULL, t) != TL_OK)
        return NULL;
    return requires_grad ? tl_set_requires_grad(t, true) : t;
}

tl_tensor *tl_rand(int ndim, const int64_t *shape, struct tl_options o)
{
    return made("rand", ndim, shape, o, &(struct request){.kind = UNIFORM, .b = 1});
}

tl_tensor *tl_randn(int ndim, const int64_t *shape, struct tl_options o)
{
    return made("randn", ndim, shape, o, &(struct request){.kind = NORMAL, .b = 1});
}

tl_tensor *tl_normal(double mean, double std, int ndim, const int64_t *shape, struct tl_options o)
{
    if (!check_normal("normal", o.dtype ? o.dtype : TL_F32, std))
        return NULL;
    return made("normal", ndim, shape, o, &(struct request){.kind = NORMAL, .a = mean, .b = std});
}

tl_tensor *tl_randint(int64_t low, int64_t high, int ndim, const int64_t *shape, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    o.dtype = o.dtype ? o.dtype : TL_I64;
    tl_tensor *t = tl_empty(ndim, shape, o);
    if (!t || !fill_integers("randint", t, low, high, NULL))
        return NULL;
    return requires_grad ? tl_set_requires_grad(t, true) : t;
}

/* Shape, dtype and device of t; drawn in the order of t's memory, as PyTorch would lay out the result. */
static tl_tensor *made_like(const char *who, tl_tensor *t, const struct request *r)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the tensor is NULL or TL_NONE", who);
        return NULL;
    }
    tl_tensor *y = floating(who, (tl_dtype)t->dtype) ? tl_empty_like(t) : NULL;
    return y && fill(who, y, r, NULL, t) == TL_OK ? y : NULL;
}

tl_tensor *tl_rand_like(tl_tensor *t)
{
    return made_like("rand_like", t, &(struct request){.kind = UNIFORM, .b = 1});
}

tl_tensor *tl_randn_like(tl_tensor *t)
{
    return made_like("randn_like", t, &(struct request){.kind = NORMAL, .b = 1});
}

/* ---- Bernoulli with a tensor of chances -------------------------------------------------------------------------------------- */

static bool check_chances(tl_dtype dtype, const void *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double chance = dtype == TL_F64   ? ((const double *)p)[i]
                        : dtype == TL_F32 ? (double)((const float *)p)[i]
                                          : (double)rng_from_half(((const uint16_t *)p)[i], dtype == TL_BF16);
        if (!(chance >= 0 && chance <= 1)) {
            tl_fail(TL_ERR_ARGUMENT, "bernoulli: expected chances in [0, 1], got %g at element %lld", chance, (long long)i);
            return false;
        }
    }
    return true;
}

/* p's elements, row-major: its own memory, or a buffer that the caller frees. NULL and an error. */
static const void *host_chances(tl_tensor *p, void **buffer)
{
    if (p->storage->device->host && (p->flags & T_CONTIGUOUS))
        return tl_data(p);
    size_t bytes = (size_t)p->numel * tl_dtype_size((tl_dtype)p->dtype);
    *buffer = buffer_for("bernoulli", p);
    return *buffer && tl_copy_out(p, (tl_dtype)p->dtype, *buffer, bytes) == TL_OK ? *buffer : NULL;
}

static tl_status draw_each(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    (void)ctx, (void)n_in, (void)n_out;
    tl_tensor *p = in[0];
    tl_dtype dtype = (tl_dtype)p->dtype;
    void *buffer = NULL;
    const void *chances = host_chances(p, &buffer);
    struct request r = {.kind = BERNOULLI_EACH, .p_dtype = dtype, .p = chances};
    tl_status s = chances && check_chances(dtype, chances, p->numel) ? fill("bernoulli", out[0], &r, NULL, out[0]) : tl_error_code();
    free(buffer);
    return s;
}

/* The one filler that goes by indices even if p is not contiguous. */
tl_tensor *tl_bernoulli(tl_tensor *p)
{
    if (!p || is_none(p)) {
        tl_fail(TL_ERR_ARGUMENT, "bernoulli: the tensor is NULL or TL_NONE");
        return NULL;
    }
    tl_dtype dtype = (tl_dtype)p->dtype;
    tl_tensor *y = floating("bernoulli", dtype) ? tl_empty_like(p) : NULL;
    if (!y || p->numel == 0 || y->storage->valueless)
        return y;
    tl_status s = program_recorder ? tl_record_call("bernoulli", draw_each, NULL, NULL, &p, 1, &y, 1) : draw_each(NULL, &p, 1, &y, 1);
    return s == TL_OK ? y : NULL;
}

/* ---- Permutations ------------------------------------------------------------------------------------------------------------ */

/* Can `dtype` hold every number below n? */
static bool check_permutation(tl_dtype dtype, int64_t n)
{
    if (n < 0) {
        tl_fail(TL_ERR_ARGUMENT, "randperm: expected n >= 0, got %lld", (long long)n);
        return false;
    }
    if (dtype == TL_BOOL || (unsigned)dtype >= TL_DTYPE_COUNT) {
        tl_fail(TL_ERR_DTYPE, "randperm: expected an integer or floating type, got %s", tl_dtype_name(dtype));
        return false;
    }
    if (dtype == TL_I64 || (tl_dtype_is_float(dtype) ? n < 2 || spacing(dtype, n - 2) == 1 : (double)n - 1 <= largest(dtype)))
        return true;
    tl_fail(TL_ERR_ARGUMENT, "randperm: %s cannot hold 0 … %lld", tl_dtype_name(dtype), (long long)n - 1);
    return false;
}

static tl_status permute(tl_tensor *t, tl_generator *g);

static tl_status permute_again(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    (void)in, (void)n_in, (void)n_out;
    return permute(out[0], ctx);
}

static tl_status permute(tl_tensor *t, tl_generator *g)
{
    if (UNLIKELY(program_recorder != NULL))
        return tl_record_call("randperm", permute_again, g, NULL, NULL, 0, &t, 1);
    bool direct = t->storage->device->host && t->dtype == TL_I64;
    int64_t n = t->numel, *order = direct ? tl_data_mut(t) : malloc((size_t)n * sizeof *order);
    if (!order)
        return tl_fail(TL_ERR_NOMEM, "randperm: no memory for %lld numbers on the host", (long long)n);
    pthread_mutex_lock(&g->lock);
    rng_permutation(g, order, n);
    pthread_mutex_unlock(&g->lock);
    if (direct)
        return TL_OK;
    tl_status s = tl_copy_in(t, TL_I64, order, (size_t)n * sizeof *order);
    free(order);
    return s;
}

tl_tensor *tl_randperm_with(int64_t n, tl_generator *generator, struct tl_options o)
{
    bool requires_grad = o.requires_grad;
    o.requires_grad = false;
    o.dtype = o.dtype ? o.dtype : TL_I64;
    tl_tensor *t = check_permutation(o.dtype, n) ? tl_empty(1, &n, o) : NULL;
    if (!t || (n > 0 && !t->storage->valueless && permute(t, generator_or_default(generator)) != TL_OK))
        return NULL;
    return requires_grad ? tl_set_requires_grad(t, true) : t;
}

tl_tensor *tl_randperm(int64_t n, struct tl_options o)
{
    return tl_randperm_with(n, NULL, o);
}
