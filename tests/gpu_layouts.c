/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels that take what lies channels-last, and begins anywhere: called through a backend's table, since no op of a device without cuDNN makes such
 * operands. What they give must be what they give for row-major operands, element by element; telar-conformance judges that.
 * TELAR_TEST_BACKEND names the backend: opencl, if it is not set.
 */
#include <telar/backend.h>
#include <telar/registry.h>
#include <telar/telar.h>

#include "tap.h"

#define A(op, ...) &(const struct tl_##op##_attrs){.struct_size = sizeof(struct tl_##op##_attrs), __VA_ARGS__}, sizeof(struct tl_##op##_attrs)
enum { MOST_IN = 11, MOST = 1 << 14 };

struct shape {
    int64_t n[4];
};
static const struct test {
    const char *op;
    const void *attrs;
    size_t attrs_size;
    struct shape in[MOST_IN], out;
    int n_in;
} tests[] = {
    {"max_pool2d", A(pool2d, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}), {{{2, 8, 9, 7}}}, {{2, 8, 5, 4}}, 1},
    {"max_pool2d", A(pool2d, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}), {{{2, 6, 6, 7}}}, {{2, 6, 3, 3}}, 1},
    {"max_pool2d", A(pool2d, .kernel = {17, 16}, .stride = {1, 1}, .dilation = {1, 1}), {{{1, 4, 18, 18}}}, {{1, 4, 2, 3}}, 1},
    {"max_pool2d_pick", A(pool2d, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}),
     {{{2, 8, 9, 7}}, {{2, 8, 5, 4}}, {{2, 8, 9, 7}}}, {{2, 8, 5, 4}}, 3},
    {"avg_pool2d", A(pool2d, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}), {{{2, 8, 9, 7}}}, {{2, 8, 5, 4}}, 1},
    {"avg_pool2d", A(pool2d, .kernel = {7, 6}, .stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}), {{{2, 8, 9, 8}}}, {{2, 8, 3, 3}}, 1},
    {"avg_pool2d_grad", A(pool2d, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}, .size = {9, 7}),
     {{{2, 8, 5, 4}}}, {{2, 8, 9, 7}}, 1},
    {"adaptive_avg_pool2d", A(adaptive_pool2d, .size = {3, 2}), {{{2, 8, 7, 5}}}, {{2, 8, 3, 2}}, 1},
    {"adaptive_avg_pool2d", A(adaptive_pool2d, .size = {1, 1}), {{{3, 12, 13, 11}}}, {{3, 12, 1, 1}}, 1},
    {"adaptive_avg_pool2d", A(adaptive_pool2d, .size = {1, 1}), {{{1, 2, 60, 70}}}, {{1, 2, 1, 1}}, 1},
    {"adaptive_avg_pool2d_grad", A(adaptive_pool2d, .size = {7, 5}), {{{2, 6, 3, 2}}}, {{2, 6, 7, 5}}, 1},
    {"cat", A(along, .dim = 1), {{{2, 8, 3, 4}}, {{2, 4, 3, 4}}}, {{2, 12, 3, 4}}, 2},
    {"cat", A(along, .dim = 3), {{{2, 8, 3, 4}}, {{2, 8, 3, 0}}, {{2, 8, 3, 5}}}, {{2, 8, 3, 9}}, 3},
    {"cat", A(along, .dim = 0),
     {{{1, 4, 2, 2}}, {{2, 4, 2, 2}}, {{1, 4, 2, 2}}, {{1, 4, 2, 2}}, {{3, 4, 2, 2}}, {{1, 4, 2, 2}}, {{1, 4, 2, 2}}, {{1, 4, 2, 2}}, {{2, 4, 2, 2}},
      {{1, 4, 2, 2}}, {{1, 4, 2, 2}}}, {{15, 4, 2, 2}}, 11},
    {"pad", A(pad, .pad = TL_DIMS(1, 2, 0, 3), .value = 0.5), {{{2, 3, 4, 5}}}, {{2, 3, 7, 8}}, 1},
    {"flip", A(shape, .dims = TL_DIMS(1, 3)), {{{2, 3, 4, 5}}}, {{2, 3, 4, 5}}, 1},
};

/* How operands lie: their layout, and how many elements into their memory they begin. */
static const struct way {
    const char *name;
    uint32_t layout;
    int first;
} ways[] = {{"row-major", TL_LAYOUT_CONTIGUOUS, 0},
            {"row-major, from the third element on", TL_LAYOUT_CONTIGUOUS, 3},
            {"channels-last", TL_LAYOUT_CHANNELS_LAST, 0},
            {"channels-last, from the third element on", TL_LAYOUT_CHANNELS_LAST, 3},
            {"every second element", TL_LAYOUT_STRIDED, 1}};
enum { WAYS = sizeof ways / sizeof *ways };

struct place {
    const struct tl_backend *b;
    struct tl_device *d;
    struct tl_stream *s;
};

static void lie(struct tl_view *v, const struct way *way)
{
    const bool last = way->layout == TL_LAYOUT_CHANNELS_LAST;
    static const int row_major[] = {3, 2, 1, 0}, channels_last[] = {1, 3, 2, 0};
    int64_t step = way->layout == TL_LAYOUT_STRIDED ? 2 : 1;
    for (int i = 0; i < 4; i++) {
        const int d = last ? channels_last[i] : row_major[i];
        v->stride[d] = step;
        step *= v->shape[d] ? v->shape[d] : 1;
    }
    v->layout = way->layout;
}

static struct tl_view view_of(const struct shape *shape, const struct way *way)
{
    struct tl_view v = {.dtype = TL_F32, .ndim = 4};
    memcpy(v.shape, shape->n, sizeof shape->n);
    lie(&v, way);
    return v;
}

/* Element i in row-major order. */
static int64_t offset_of(const struct tl_view *v, int64_t i)
{
    int64_t at = 0;
    for (int d = 3; d >= 0; d--) {
        at += i % v->shape[d] * v->stride[d];
        i /= v->shape[d];
    }
    return at;
}

static bool give_memory(const struct place *p, struct tl_view *v, const struct way *way)
{
    if (p->b->alloc(p->d, 3 * MOST * sizeof(float), &v->mem) != TL_OK)
        return false;
    v->mem.offset += (size_t)way->first * sizeof(float);
    return true;
}

/* Distinct values in no order, small enough for sums to be exact. */
static float value(int64_t i, int k)
{
    return (float)((i * 2654435761u + (unsigned)k * 40503u) % 8191u) - 4096;
}

static bool write_operand(const struct place *p, struct tl_view *v, const struct way *way, int k)
{
    static float buffer[3 * MOST];
    for (int64_t i = 0; i < 3 * MOST; i++)
        buffer[i] = 1e6f;
    for (int64_t i = 0; i < tl_view_numel(v); i++)
        buffer[offset_of(v, i)] = value(i, k);
    return give_memory(p, v, way) && p->b->copy_in(p->s, v->mem, buffer, (3 * MOST - 4) * sizeof(float)) == TL_OK;
}

static bool read_result(const struct place *p, const struct tl_view *v, float *values)
{
    static float buffer[3 * MOST];
    if (p->b->sync(p->s) != TL_OK || p->b->copy_out(p->s, buffer, v->mem, (3 * MOST - 4) * sizeof(float)) != TL_OK)
        return false;
    for (int64_t i = 0; i < tl_view_numel(v); i++)
        values[i] = buffer[offset_of(v, i)];
    return true;
}

static void free_memory(const struct place *p, struct tl_mem mem)
{
    if (mem.handle)
        p->b->free(p->d, (struct tl_mem){.handle = mem.handle});
}

/* The first kernel that takes the call. */
static const struct tl_kernel *kernel_for(const struct place *p, struct tl_call *call)
{
    for (const struct tl_kernel *const *k = p->b->kernels; *k; k++) {
        call->kernel = *k;
        if (strcmp((*k)->op, call->op) == 0 && (!(*k)->refuses || !(*k)->refuses(p->d, call)))
            return *k;
    }
    return NULL;
}

/* Run a prepared call: its result lies as the kernel says, beginning where `way` says. */
static bool run(const struct place *p, struct tl_call *call, struct tl_view *out, const struct way *way, float *values)
{
    const struct tl_kernel *k = kernel_for(p, call);
    uint32_t in_layout[MOST_IN] = {0}, out_layout[1] = {0};
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = in_layout, .out_layout = out_layout};
    struct tl_view with_memory[MOST_IN], without[MOST_IN];
    memcpy(with_memory, call->in, (size_t)call->n_in * sizeof *with_memory);
    memcpy(without, call->in, (size_t)call->n_in * sizeof *without);
    for (int i = 0; i < call->n_in; i++)
        without[i].mem = (struct tl_mem){0};
    call->in = without;
    call->out = out;
    if (!k || (k->prepare && k->prepare(p->d, call, &prep) != TL_OK))
        return false;
    for (int i = 0; i < call->n_in; i++)
        if (k->prepare && in_layout[i] != TL_LAYOUT_STRIDED && in_layout[i] != call->in[i].layout)
            diag("%s wants another layout for input %d", call->op, i);
    const uint32_t expected = call->in[0].layout == TL_LAYOUT_CHANNELS_LAST ? TL_LAYOUT_CHANNELS_LAST : TL_LAYOUT_CONTIGUOUS;
    struct tl_mem workspace = {0};
    lie(out, &(struct way){.layout = out_layout[0]});
    bool good = out_layout[0] == expected && give_memory(p, out, way);
    if (good && prep.workspace)
        good = p->b->alloc(p->d, prep.workspace, &workspace) == TL_OK;
    if (good && (call->flags & TL_CALL_WANT_RESIDUAL) && prep.residual) {
        call->residual->maker = k->maker;
        call->residual->size = prep.residual;
        good = p->b->alloc(p->d, prep.residual, &call->residual->mem) == TL_OK;
    }
    call->in = with_memory;
    good = good && k->run(p->s, prep.plan, call, workspace) == TL_OK && read_result(p, out, values);
    if (k->release && prep.plan)
        k->release(prep.plan);
    free_memory(p, workspace);
    free_memory(p, out->mem);
    return good;
}

static bool compute(const struct place *p, const struct test *t, const struct way *way, struct tl_residual *residual, float *values)
{
    struct tl_view in[MOST_IN], out = view_of(&t->out, &ways[0]);
    bool good = true;
    for (int i = 0; i < t->n_in; i++) {
        in[i] = view_of(&t->in[i], way);
        good &= write_operand(p, &in[i], way, i);
    }
    struct tl_call call = {.struct_size = sizeof call, .op = t->op, .attrs = t->attrs, .attrs_size = (uint32_t)t->attrs_size, .n_in = t->n_in,
                           .n_out = 1, .in = in, .out = &out, .residual = residual,
                           .flags = strcmp(t->op, "max_pool2d") == 0 ? TL_CALL_WANT_RESIDUAL : 0};
    good = good && run(p, &call, &out, way, values);
    for (int i = 0; i < t->n_in; i++)
        free_memory(p, in[i].mem);
    return good;
}

static bool same(const struct test *t, const struct shape *shape, const char *what, const char *way, const float *got, const float *want)
{
    int64_t n = 1, bad = -1;
    for (int d = 0; d < 4; d++)
        n *= shape->n[d];
    for (int64_t i = 0; i < n && bad < 0; i++)
        if (!(got[i] - want[i] <= 1e-5f * 4096 && want[i] - got[i] <= 1e-5f * 4096))
            bad = i;
    if (!ok(bad < 0, "%s%s, %s", t->op, what, way))
        diag("element %lld: %g, row-major %g", (long long)bad, (double)got[bad], (double)want[bad]);
    return bad < 0;
}

/* The places that max_pool2d left, in whatever layout, for a gradient of whatever layout; or none. */
static void check_places(const struct place *p, const struct test *t, struct tl_residual *left, float *first, bool *some)
{
    static float got[MOST];
    for (int w = 0; w < WAYS; w++)
        for (int own = 0; own < 2; own++) {
            struct test gradient = {"max_pool2d_grad", t->attrs, t->attrs_size, {t->in[0], t->out, t->out}, t->in[0], 3};
            struct tl_residual residual = own ? *left : (struct tl_residual){0};
            bool good = compute(p, &gradient, &ways[w], &residual, *some ? got : first);
            if (!good || !*some)
                ok(good, "%s runs, %s: %s", gradient.op, ways[w].name, tl_error_message());
            else
                same(&gradient, &gradient.out, own ? ", with places" : ", without places", ways[w].name, got, first);
            *some |= good;
        }
}

static void check(const struct place *p, const struct test *t)
{
    static float first[MOST], got[MOST], gradient[MOST];
    bool some = false;
    for (int w = 0; w < WAYS; w++) {
        struct tl_residual residual = {0};
        if (!compute(p, t, &ways[w], &residual, w ? got : first))
            fail("%s, %s: %s", t->op, ways[w].name, tl_error_message());
        else if (w)
            same(t, &t->out, "", ways[w].name, got, first);
        if (residual.size)
            check_places(p, t, &residual, gradient, &some);
        free_memory(p, residual.mem);
        tl_error_clear();
    }
}

/* More inputs than one launch takes, each of another size, put together to what they were cut from. */
static void check_many(const char *backend)
{
    enum { PIECES = 20, ROWS = PIECES * (PIECES + 1) / 2 };
    static double values[ROWS * 3];
    ok(tl_set_backend(backend) == TL_OK, "%s is the default", backend);
    TL_SCOPE
    {
        tl_tensor *x = tl_reshape(tl_arange(0, ROWS * 3, 1, (struct tl_options){.dtype = TL_F64}), TL_SHAPE(ROWS, 3)), *pieces[PIECES];
        for (int64_t k = 0; k < PIECES; k++)
            pieces[k] = tl_narrow(x, 0, k * (k + 1) / 2, k + 1);
        tl_tensor *y = tl_cat(PIECES, pieces, 0);
        bool good = y && tl_copy_out(y, TL_F64, values, sizeof values) == TL_OK;
        for (int i = 0; i < ROWS * 3 && good; i++)
            good = values[i] == i;
        ok(good, "cat of %d tensors", PIECES);
    }
}

int main(void)
{
    const char *asked = getenv("TELAR_TEST_BACKEND"), *backend = asked ? asked : "opencl";
    if (getenv("TELAR_SANITIZE"))
        return skip_all("a compiler of OpenCL in the process makes sanitizers slow and noisy");
    struct place p = {.b = tl_plugin_open("backend", backend, TL_BACKEND_ABI)};
    int count = 0;
    if (!p.b || p.b->device_count(&count) != TL_OK || count == 0 || p.b->device_open(0, &p.d) != TL_OK || p.b->stream_open(p.d, &p.s) != TL_OK)
        return skip_all("no such device");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        check(&p, &tests[i]);
    p.b->stream_close(p.s);
    p.b->device_close(p.d);
    check_many(backend);
    tl_shutdown();
    return done_testing();
}
