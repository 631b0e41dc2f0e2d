/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs of ops: whatever a function does, a program of it gives the same bits, run after run, on every kind of device.
 */
#include "tests/program.h"

enum { RUNS = 3, MOST = 4 };

struct shape {
    int n;
    int64_t of[4];
};
#define OF(...) {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}}

/* A function, and what it is called on. `world` are tensors from outside. */
struct call {
    const char *name;
    void (*fn)(tl_tensor *const *in, tl_tensor **out);
    int n_in, n_out;
    struct shape in[MOST];
    tl_dtype dtype;          /* of the inputs; TL_DEFAULT: f32 */
    bool turned;             /* they are transposed views */
};
static tl_tensor *world[3], *number;

/* ---- Functions ------------------------------------------------------------------------------------------------------------- */

static void chain(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_tanh(tl_add(tl_mul(tl_relu(in[0]), in[1]), tl_mul_s(in[0], 0.5)));
    out[1] = tl_where(tl_gt(in[0], in[1]), out[0], tl_neg(in[1]));
}

static void broadcasting(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *row = tl_select(in[0], 0, 1), *column = tl_unsqueeze(tl_select(in[0], 1, 2), 1);
    out[0] = tl_sub(tl_add(in[0], row), column);
    out[1] = tl_mul(row, column);
}

static void products(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *ab = tl_matmul(in[0], in[1]);
    out[0] = tl_softmax(ab, 1);
    out[1] = tl_matmul(tl_t(in[1]), tl_t(in[0]));
    out[2] = tl_addmm(ab, in[0], in[1], .alpha = 0.5, .beta = 2);
    out[3] = tl_einsum("ij,jk->k", 2, (tl_tensor *[]){in[0], in[1]});
}

static void reductions(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_sum(in[0], .dims = TL_DIMS(1));
    out[1] = tl_add(tl_var(in[0], .dims = TL_DIMS(0, 2)), tl_amax(in[0], .dims = TL_DIMS(0, 2)));
    out[2] = tl_mean(in[0]);
    out[3] = tl_cumsum(tl_norm(in[0], 2), 0);
}

static void views(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *h = tl_exp(in[0]);
    out[0] = tl_sum(tl_slice(tl_transpose(h, 0, 1), 0, 1, TL_END, 2), .dims = TL_DIMS(0));
    out[1] = tl_reshape(tl_t(h), 2, (int64_t[]){2, 12});
    out[2] = tl_contiguous(tl_expand(tl_select(h, 0, 3), 2, (int64_t[]){3, 6}));
    out[3] = tl_flip(tl_pad(h, 4, (int64_t[]){1, 2, 0, -1}, 7), 1, (int64_t[]){1});
}

static void writes_through_views(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *h = tl_mul(in[0], in[0]), *row = tl_select(h, 0, 1), *rest = tl_slice(h, 0, 2, TL_END, 1);
    tl_add_(row, tl_select(in[0], 0, 0));
    tl_mul_(tl_t(h), tl_select(in[0], 1, 2));
    out[1] = tl_sum(h);
    tl_copy_(tl_select(h, 1, 0), row); /* six into four would not fit: the part of it that does */
    tl_fill_(tl_slice(rest, 1, 0, 2, 1), -1);
    tl_masked_fill_(rest, tl_lt(rest, tl_scalar(0.5)), 9);
    tl_zero_(tl_select(tl_select(h, 0, 0), 0, 0));
    out[0] = h;
}

/* An operand that is also the result, seen otherwise. */
static void writes_over_itself(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *h = tl_mul_s(in[0], 2);
    tl_add_(h, tl_t(h));
    tl_sub_(tl_slice(h, 0, 1, TL_END, 1), tl_slice(h, 0, 0, -1, 1));
    tl_copy_(tl_slice(h, 0, 0, 2, 1), tl_slice(h, 0, 1, 3, 1));
    out[0] = h;
}

static void writes_an_input(tl_tensor *const *in, tl_tensor **out)
{
    tl_add_(in[0], in[1]);
    tl_mul_s(in[0], 3);
    tl_relu_(tl_select(in[0], 0, 1));
    out[0] = in[0];
    out[1] = tl_select(in[0], 1, 1);
    out[2] = tl_sum(in[0]);
}

static void outputs_that_share(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *h = tl_exp(in[0]);
    out[0] = tl_t(h);
    out[1] = h;
    out[2] = tl_slice(h, 1, 1, 3, 1);
    tl_add_(tl_select(h, 0, 0), tl_scalar(1));
    out[3] = h;
}

static void outputs_from_elsewhere(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    out[1] = tl_t(in[0]);
    out[2] = world[0];
    out[3] = tl_select(world[0], 0, 1);
}

static void single_numbers(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *s = tl_sum(in[0]);
    out[0] = tl_add(s, tl_scalar(1));
    tl_mul_(s, in[1]);
    out[1] = tl_div(s, tl_sqrt(tl_abs(out[0])));
    out[2] = tl_reshape(s, 2, (int64_t[]){1, 1});
}

static void nothing_at_all(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(tl_mul_s(in[0], 2), in[0]);
    out[1] = tl_matmul(tl_t(in[0]), in[0]); /* sums of nothing */
    out[2] = tl_sum(in[0], .dims = TL_DIMS(1));
    out[3] = tl_cat(3, (tl_tensor *[]){in[1], tl_exp(in[0]), in[1]}, 0);
}

static void made_inside(tl_tensor *const *in, tl_tensor **out)
{
    struct tl_options o = {0};
    tl_tensor *steps = tl_arange(0, 4, 1, (struct tl_options){.dtype = TL_F32}), *table = tl_tensor_f32(TL_SHAPE(2, 2), 1, 2, 3, 4);
    tl_tensor *zeros = tl_zeros(TL_SHAPE(3, 4), o), *ones = tl_ones_like(in[0]);
    tl_add_(zeros, steps);
    tl_copy_(tl_slice(tl_slice(ones, 0, 1, 3, 1), 1, 0, 2, 1), table);
    out[0] = tl_mul(tl_add(in[0], zeros), ones);
    out[1] = tl_matmul(tl_eye(3, o), in[0]);
    out[2] = tl_mul(tl_linspace(-1, 1, 4, o), tl_full(TL_SHAPE(3, 1), 0.25, o)); /* the same at each run */
    out[3] = tl_one_hot(tl_tensor_i64(TL_SHAPE(3), 2, 0, 1), 4);
}

static void picking(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *order, *best, *sorted = tl_sort(in[0], 1, true, &order), *top = tl_topk(in[0], 2, 1, true, &best);
    tl_tensor *rows = tl_tensor_i64(TL_SHAPE(3), 3, 0, 3);
    out[0] = tl_add(tl_gather(sorted, 1, order), tl_index_select(in[0], 0, tl_tensor_i64(TL_SHAPE(4), 3, 2, 0, 0)));
    out[1] = tl_scatter_add(in[0], 1, best, top);
    out[2] = tl_embedding(in[0], rows);
    out[3] = tl_add(tl_argmax(in[0], .dims = TL_DIMS(1)), tl_sum(order, .dims = TL_DIMS(1)));
}

/* Layouts of a backend's own between convolutions, and everything that must see through them. */
static void pictures(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *h = tl_relu(tl_batch_norm(tl_conv2d(in[0], in[1], TL_NONE, .padding = {1}), tl_select(in[2], 0, 0), tl_exp(tl_select(in[2], 0, 1)),
                                         tl_select(in[2], 0, 2), TL_NONE));
    tl_tensor *again = tl_conv2d(h, in[3], TL_NONE, .padding = {1});
    tl_tensor *sum = tl_add(h, again), *pooled = tl_max_pool2d(sum, .kernel = {2});
    tl_tensor *both = tl_cat(2, (tl_tensor *[]){pooled, tl_avg_pool2d(h, .kernel = {2})}, 1);
    tl_add_(tl_select(sum, 1, 3), tl_select(again, 1, 0)); /* after it was pooled */
    out[0] = tl_mean(both, .dims = TL_DIMS(2, 3));
    out[1] = sum;
    out[2] = tl_conv2d(tl_slice(both, 1, 4, 12, 1), in[3], TL_NONE);
    out[3] = tl_reshape(tl_permute(again, 4, (int64_t[]){0, 2, 3, 1}), 2, (int64_t[]){-1, 8});
}

static void training_pictures(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *w = tl_detach(in[1]), *g[1], *h, *y;
    tl_set_requires_grad(w, true);
    h = tl_relu(tl_conv2d(in[0], w, TL_NONE, .padding = {1}));
    y = tl_sum(tl_mul(tl_max_pool2d(h, .kernel = {2}), tl_adaptive_avg_pool2d(h, 4, 4)));
    tl_grad(&y, 1, NULL, &w, 1, g, (struct tl_backward_options){0});
    out[0] = tl_detach(y);
    out[1] = g[0];
}

static void whole_numbers(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(tl_mul(in[0], in[0]), tl_scalar_i64(3));
    out[1] = tl_sum(in[0], .dims = TL_DIMS(0));
    out[2] = tl_ge(in[0], tl_cast(tl_mean(tl_cast(in[0], TL_F32)), tl_dtype_of(in[0])));
    out[3] = tl_div(in[0], tl_scalar(2)); /* floating */
}

static void halves(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_gelu(tl_matmul(in[0], tl_t(in[0])));
    out[1] = tl_layer_norm(in[0], 1, TL_NONE, TL_NONE, 0);
    out[2] = tl_log_softmax(tl_mul(in[0], tl_cast(tl_arange(0, 6, 1, (struct tl_options){.dtype = TL_F32}), tl_dtype_of(in[0]))), 1);
    out[3] = tl_std(in[0], .dims = TL_DIMS(1));
}

static void draws(tl_tensor *const *in, tl_tensor **out)
{
    struct tl_options o = {0};
    tl_tensor *a = tl_randn(TL_SHAPE(4, 5), o), *kept = tl_dropout(in[0], 0.4);
    tl_tensor *p = tl_bernoulli(tl_sigmoid(tl_add(in[0], a)));
    tl_uniform_(tl_select(a, 1, 2), -1, 1, NULL);
    tl_normal_(tl_t(kept), 1, 2, NULL);
    out[0] = tl_add(a, tl_mul(kept, p));
    out[1] = tl_add(tl_randperm(7, o), tl_randint(0, 5, TL_SHAPE(7), o));
    out[2] = tl_rand_like(in[0]);
    out[3] = tl_bernoulli_(tl_empty(TL_SHAPE(33), o), 0.25, NULL);
}

/* World 0 is read, then written; world 1 counts; world 2 never changes but from outside. */
static void changes_the_world(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *before = tl_clone(world[0]);
    tl_add_(tl_select(world[0], 0, 1), tl_select(in[0], 0, 0));
    tl_add_(world[1], tl_scalar(1));
    tl_normal_(tl_select(world[0], 0, 0), 0, 1, NULL);
    out[0] = tl_mul(before, world[0]);
    out[1] = tl_mul(in[0], tl_matmul(world[2], tl_t(tl_exp(world[2])))); /* a constant until then */
    out[2] = tl_clone(world[1]);
}

/* Through handles that end with the function. */
static void borrows_the_world(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(in[0], tl_detach(world[0]));
    tl_add_(tl_as_strided(world[2], 1, (int64_t[]){4}, (int64_t[]){5}, 0), tl_scalar(1)); /* its diagonal */
    out[1] = tl_detach(world[2]);
}

/* Numbers of the caller's, which it may change, and many that are known. */
static void numbers(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *many = tl_arange(0, 400, 1, (struct tl_options){.dtype = TL_F32});
    out[0] = tl_mul(in[0], number);
    out[1] = tl_add(tl_sum(tl_mul(many, many)), tl_mul(tl_scalar(2), tl_scalar(3)));
    tl_mul_(tl_scalar(2), tl_scalar(3));
}

static void only_the_world(tl_tensor *const *in, tl_tensor **out)
{
    (void)in, (void)out;
    tl_mul_(world[0], tl_scalar(1.5));
    tl_add_(world[1], tl_sum(world[0]));
}

static const struct call calls[] = {
    {"a chain", chain, 2, 2, {OF(5, 7), OF(5, 7)}, .dtype = TL_F32},
    {"a chain of transposed inputs", chain, 2, 2, {OF(5, 7), OF(5, 7)}, .turned = true, .dtype = TL_F32},
    {"a long chain", chain, 2, 2, {OF(300, 70), OF(70)}, .dtype = TL_F32},
    {"a chain in f64", chain, 2, 2, {OF(5, 7), OF(7)}, .dtype = TL_F64},
    {"a chain in f16", chain, 2, 2, {OF(5, 7), OF(5, 1)}, .dtype = TL_F16},
    {"a chain in bf16", chain, 2, 2, {OF(5, 7), OF(5, 1)}, .dtype = TL_BF16},
    {"broadcasting", broadcasting, 1, 2, {OF(4, 6)}, .dtype = TL_F32},
    {"products", products, 2, 4, {OF(6, 5), OF(5, 6)}, .dtype = TL_F32},
    {"products of transposed matrices", products, 2, 4, {OF(6, 5), OF(5, 6)}, .turned = true, .dtype = TL_F32},
    {"products in f64", products, 2, 4, {OF(6, 5), OF(5, 6)}, .dtype = TL_F64},
    {"reductions", reductions, 1, 4, {OF(3, 4, 5)}, .dtype = TL_F32},
    {"reductions of a turned tensor", reductions, 1, 4, {OF(3, 4, 5)}, .turned = true, .dtype = TL_F32},
    {"views", views, 1, 4, {OF(4, 6)}, .dtype = TL_F32},
    {"views of a transposed input", views, 1, 4, {OF(4, 6)}, .turned = true, .dtype = TL_F32},
    {"writes through views", writes_through_views, 1, 2, {OF(6, 6)}, .dtype = TL_F32},
    {"writes over what is read", writes_over_itself, 1, 1, {OF(5, 5)}, .dtype = TL_F32},
    {"an input written in place", writes_an_input, 2, 3, {OF(3, 4), OF(3, 4)}, .dtype = TL_F32},
    {"outputs that are views of one another", outputs_that_share, 1, 4, {OF(4, 4)}, .dtype = TL_F32},
    {"outputs that were there before", outputs_from_elsewhere, 1, 4, {OF(4, 4)}, .dtype = TL_F32},
    {"outputs that were there before, of a transposed input", outputs_from_elsewhere, 1, 4, {OF(4, 4)}, .turned = true, .dtype = TL_F32},
    {"single numbers", single_numbers, 2, 3, {OF(4, 4), {0}}, .dtype = TL_F32},
    {"no elements", nothing_at_all, 2, 4, {OF(0, 3), OF(2, 3)}, .dtype = TL_F32},
    {"tensors made inside", made_inside, 1, 4, {OF(3, 4)}, .dtype = TL_F32},
    {"indices", picking, 1, 4, {OF(4, 4)}, .dtype = TL_F32},
    {"pictures", pictures, 4, 4, {OF(2, 4, 9, 9), OF(8, 4, 3, 3), OF(3, 8), OF(8, 8, 3, 3)}, .dtype = TL_F32},
    {"pictures, turned", pictures, 4, 4, {OF(2, 4, 9, 9), OF(8, 4, 3, 3), OF(3, 8), OF(8, 8, 3, 3)}, .turned = true, .dtype = TL_F32},
    {"pictures in f64", pictures, 4, 4, {OF(2, 4, 9, 9), OF(8, 4, 3, 3), OF(3, 8), OF(8, 8, 3, 3)}, .dtype = TL_F64},
    {"gradients of pictures", training_pictures, 2, 2, {OF(2, 4, 9, 9), OF(8, 4, 3, 3)}, .dtype = TL_F32},
    {"i64", whole_numbers, 1, 4, {OF(4, 5)}, .dtype = TL_I64},
    {"i32", whole_numbers, 1, 4, {OF(4, 5)}, .dtype = TL_I32},
    {"u8", whole_numbers, 1, 4, {OF(4, 5)}, .dtype = TL_U8},
    {"f16", halves, 1, 4, {OF(4, 6)}, .dtype = TL_F16},
    {"bf16", halves, 1, 4, {OF(4, 6)}, .dtype = TL_BF16},
    {"random numbers", draws, 1, 4, {OF(4, 5)}, .dtype = TL_F32},
    {"random numbers for a transposed input", draws, 1, 4, {OF(4, 5)}, .turned = true, .dtype = TL_F32},
    {"a transposed input written in place", writes_an_input, 2, 3, {OF(3, 4), OF(3, 4)}, .turned = true, .dtype = TL_F32},
    {"tensors from outside that change", changes_the_world, 1, 3, {OF(4, 4)}, .dtype = TL_F32},
    {"tensors from outside, borrowed", borrows_the_world, 1, 2, {OF(4, 4)}, .dtype = TL_F32},
    {"numbers", numbers, 1, 2, {OF(4, 4)}, .dtype = TL_F32},
    {.name = "effects alone", .fn = only_the_world},
};

/* ---- As it is, and as a program ----------------------------------------------------------------------------------------------- */

static tl_status call_case(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    const struct call *c = ctx;
    (void)n_in, (void)n_out;
    c->fn(in, out);
    return tl_error_code();
}

static tl_tensor *input(const struct call *c, int i)
{
    struct shape s = c->in[i];
    for (int d = 0; c->turned && d < s.n / 2; d++) {
        int64_t first = s.of[d];
        s.of[d] = s.of[s.n - 1 - d];
        s.of[s.n - 1 - d] = first;
    }
    bool whole = c->dtype == TL_I64 || c->dtype == TL_I32 || c->dtype == TL_U8;
    tl_tensor *t = tl_randn(s.n, s.of, (struct tl_options){0});
    if (whole)
        t = tl_add(tl_mul_s(tl_abs(t), 3), tl_scalar(1));
    t = tl_cast(t, c->dtype ? c->dtype : TL_F32);
    if (c->turned) {
        int64_t dims[4];
        for (int d = 0; d < s.n; d++)
            dims[d] = s.n - 1 - d;
        t = tl_permute(t, s.n, dims);
    }
    return t;
}

static void world_begin(void)
{
    for (int i = 0; i < 3; i++)
        world[i] = i == 1 ? tl_zeros(TL_SHAPE0, (struct tl_options){0}) : tl_randn(TL_SHAPE(4, 4), (struct tl_options){0});
    number = tl_scalar(2.5);
}

/* RUNS runs, each on new inputs; all tensors that they leave into `left`. Between the runs world[2] changes. */
static bool run_all(const struct call *c, tl_program *p, tl_tensor **left)
{
    tl_manual_seed(11);
    world_begin();
    for (int run = 0; run < RUNS; run++) {
        tl_tensor *in[MOST] = {0}, *out[MOST] = {0};
        for (int i = 0; i < c->n_in; i++)
            in[i] = input(c, i);
        if (run == RUNS - 1 && (!tl_copy_(tl_select(world[2], 0, 1), tl_select(world[2], 0, 2)) || !tl_fill_(number, 7)))
            return false;
        tl_status s = p ? tl_program_run(p, in, c->n_in, out) : call_case((void *)(uintptr_t)c, in, c->n_in, out, c->n_out);
        if (s != TL_OK)
            return false;
        /* Outputs may be what the next run writes: keep what they are now. */
        for (int i = 0; i < c->n_out; i++)
            *left++ = tl_clone(out[i]);
        for (int i = 0; i < c->n_in; i++)
            *left++ = tl_clone(in[i]);
    }
    for (int i = 0; i < 3; i++)
        *left++ = world[i];
    *left++ = tl_rand(TL_SHAPE(3), (struct tl_options){0}); /* as many numbers were drawn */
    return tl_error_code() == TL_OK;
}

static void test_call(const struct call *c, const char *backend)
{
    tl_tensor *plain[RUNS * 2 * MOST + 4], *programs[RUNS * 2 * MOST + 4];
    char what[200];
    int n = RUNS * (c->n_in + c->n_out) + 4;
    bool equal = true;
    tl_program *p = tl_compile(call_case, (void *)(uintptr_t)c, c->n_out);
    if (!run_all(c, NULL, plain) || !run_all(c, p, programs)) {
        fail("%s: %s: %s", backend, c->name, tl_error_message());
        tl_error_clear();
        tl_program_free(p);
        return;
    }
    for (int i = 0; i < n; i++) {
        snprintf(what, sizeof what, "%s, tensor %d", c->name, i);
        equal &= same_bits(plain[i], programs[i], what);
    }
    ok(equal, "%s: %s", backend, c->name);
    is_int(tl_program_info(p).recordings, 1, "%s: %s: recorded once", backend, c->name);
    tl_program_free(p);
}

static void test_calls(const char *backend)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        TL_SCOPE test_call(&calls[i], backend);
}

int main(void)
{
    on_each_backend(test_calls);
    tl_shutdown();
    return done_testing();
}
