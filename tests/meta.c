/* SPDX-License-Identifier: Apache-2.0
 *
 * The device "meta": what is walked there has the shapes, strides, types and histories of the real thing, takes no memory, draws
 * no random numbers, opens no backend, and says so when somebody asks for values.
 */
#include <stdlib.h>
#include <telar/nn.h>

#include "conformance/conformance.h"
#include "tap.h"

static const struct tl_options META = {.device = "meta"};

static void refused(bool failed, const char *op, const char *what)
{
    ok(failed && tl_error_code() == TL_ERR_STATE && strncmp(tl_error_message(), op, strlen(op)) == 0 &&
           strstr(tl_error_message(), "has a shape but no values"),
       "%s is refused: %s", what, tl_error_message());
    tl_error_clear();
}

/* ---- Without a backend ------------------------------------------------------------------------------------------- */

static tl_module *network(void)
{
    return TL_SEQUENTIAL(tl_nn_conv2d(3, 8, 3, .padding = {1}), tl_nn_batch_norm2d(8), tl_nn_relu(), tl_nn_max_pool2d(2),
                         tl_nn_dropout2d(0.5), tl_nn_conv_transpose2d(8, 4, 2, .stride = {2}), tl_nn_flatten(),
                         tl_nn_dropout(0.3), tl_nn_linear(4 * 8 * 8, 5));
}

static void step_meta(void)
{
    tl_module *net = NULL;
    unsigned char before[TL_GENERATOR_STATE_SIZE], after[TL_GENERATOR_STATE_SIZE];
    tl_generator_get_state(tl_default_generator(), before);
    TL_DEVICE("meta")
    {
        is_string(tl_default_device(), "meta", "TL_DEVICE sets the default device");
        is_string(tl_backend_name(), "meta", "which no backend answers for");
        net = network();
        tl_optimizer *adam = tl_adam(net, 1e-3);
        for (int i = 0; i < 2; i++)
            TL_SCOPE
            {
                tl_tensor *x = tl_randn(TL_SHAPE(6, 3, 8, 8), (struct tl_options){0}),
                          *labels = tl_randint(0, 5, TL_SHAPE(6), (struct tl_options){0});
                tl_tensor *loss = tl_cross_entropy(tl_forward(net, x), labels);
                double norm = 0;
                tl_optimizer_zero_grad(adam);
                ok(tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) == TL_OK, "backward: %s", tl_error_message());
                ok(tl_clip_grad_norm(net, 1, 2, &norm) == TL_OK && isnan(norm),
                   "gradients are clipped by a norm that nobody knows: %s", tl_error_message());
                ok(tl_clip_grad_value(net, 1) == TL_OK, "and by value: %s", tl_error_message());
                ok(tl_optimizer_step(adam) == TL_OK, "the optimizer steps: %s", tl_error_message());
            }
        tl_tensor *weight = tl_module_get(net, "8.weight");
        ok(tl_version(weight) == 3 && tl_version(tl_module_get(net, "1.running_mean")) == 3,
           "what a step writes has its versions: %d, %d", (int)tl_version(weight),
           (int)tl_version(tl_module_get(net, "1.running_mean")));
        ok(!tl_has_values(weight) && !tl_has_values(tl_grad_of(weight)) && tl_numel(tl_grad_of(weight)) == 5 * 256,
           "gradients are there, without values");
        tl_optimizer_free(adam);
    }
    tl_generator_get_state(tl_default_generator(), after);
    ok(memcmp(before, after, sizeof before) == 0, "building, initial weights, dropout and data drew no random number");
    tl_module_free(net);
}

static void test_without_backend(void)
{
    setenv("TELAR_BACKEND", "nowhere", 1);
    TL_SCOPE step_meta();
    ok(tl_error_code() == TL_OK, "no error is left: %s", tl_error_message());
    unsetenv("TELAR_BACKEND");
    struct tl_memory_stats m = tl_memory_stats("meta"), host = tl_memory_stats("cpu");
    ok(m.allocations == 0 && m.peak == 0 && m.reserved == 0 && host.allocations == 0,
       "and nothing was allocated, there or on the host");
    struct tl_walk_cost cost = tl_walk_cost();
    ok(cost.bytes == 0 && cost.peak > 0, "all that was counted is gone: %lld bytes, at most %lld", (long long)cost.bytes,
       (long long)cost.peak);
}

/* ---- Single tensors ---------------------------------------------------------------------------------------------- */

static void prints(tl_tensor *t, const char *want)
{
    char *text = tl_to_string(t);
    is_string(text, want, "prints as in PyTorch");
    free(text);
}

static void test_tensors(void)
{
    tl_tensor *x = tl_empty(TL_SHAPE(2, 3), META), *host = tl_ones(TL_SHAPE(2, 3), (struct tl_options){0});
    is_string(tl_device_of(x), "meta", "a tensor on meta");
    ok(!tl_has_values(x) && tl_has_values(host) && !tl_has_values(TL_NONE) && !tl_has_values(NULL), "has no values");
    prints(x, "tensor(..., device='meta', size=(2, 3))");
    prints(tl_gt(x, tl_scalar(0)), "tensor(..., device='meta', size=(2, 3), dtype=torch.bool)");
    prints(tl_empty(TL_SHAPE(0), (struct tl_options){.device = "meta:0", .dtype = TL_I64}),
           "tensor(..., device='meta', size=(0,), dtype=torch.int64)");
    prints(tl_empty(TL_SHAPE0, META), "tensor(..., device='meta', size=())");
    prints(tl_mul_s(tl_set_requires_grad(tl_empty(TL_SHAPE(2, 3), META), true), 2),
           "tensor(..., device='meta', size=(2, 3), grad_fn=<MulBackward0>)");
    ok(tl_numel(tl_empty(TL_SHAPE(1000000, 1000000), META)) == 1000000000000, "a tensor of a million times a million");
    ok(tl_numel(tl_arange(0, 1e12, 1, META)) == 1000000000000 && tl_numel(tl_linspace(0, 1, 1 << 30, META)) == 1 << 30 &&
           tl_numel(tl_eye(1 << 20, META)) == 1099511627776,
       "arange, linspace and eye of such sizes");
    ok(tl_numel(tl_randperm(1 << 30, META)) == 1 << 30 &&
           tl_dtype_of(tl_bernoulli(tl_rand(TL_SHAPE(1 << 20, 1 << 20), META))) == TL_F32,
       "and random ones");
    tl_tensor *moved = tl_to_device(host, "meta");
    ok(moved && !tl_has_values(moved) && tl_size(moved, 1) == 3, "what moves there leaves its values");
    uint64_t version = tl_version(x);
    ok(tl_fill_(x, 7) && tl_copy_(x, host) && tl_uniform_(x, 0, 1, NULL) && tl_add_(x, tl_scalar(1)) &&
           tl_version(x) == version + 4,
       "writes are taken, and counted");
    ok(tl_copy_in(x, TL_F32, tl_data(host), 24) == TL_OK && tl_version(x) == version + 5, "also those of the host's values");
    tl_tensor *row = tl_select(x, 0, 1);
    ok(tl_relu_(row) && tl_version(x) == version + 6 && tl_shares_storage(row, x), "also through views");
    ok(tl_resize_(tl_empty(TL_SHAPE(2), META), 2, (int64_t[]){4, 5}) != NULL, "resized: %s", tl_error_message());
    ok(!tl_has_values(tl_add(x, tl_scalar(3))), "a plain number is a fine operand");
    ok(!tl_add(x, host) && tl_error_code() == TL_ERR_DEVICE, "a tensor of the host is not: %s", tl_error_message());
    tl_error_clear();
    ok(tl_init_trunc_normal(x, 0, 1, -2, 2) == TL_OK && tl_init_trunc_normal(x, 0, 1, 5, 6) == TL_OK &&
           tl_init_orthogonal(x, 1) == TL_OK,
       "initialisers that look at what they have drawn: %s", tl_error_message());
    ok(tl_set_data(host, x) == TL_OK && !tl_has_values(host), "a tensor can be made to stand for one without values");
}

static void test_refusals(void)
{
    tl_tensor *x = tl_empty(TL_SHAPE(2, 3), META), *one = tl_sum(x), *mask = tl_gt(x, tl_scalar(0)),
              *host = tl_ones(TL_SHAPE(2, 3), (struct tl_options){0});
    tl_tensor *labels = tl_randint(0, 3, TL_SHAPE(4), META);
    float buffer[6];
    refused(tl_item(one) == 0, "item", "item");
    refused(tl_item_i64(one) == 0, "item", "item_i64");
    refused(!tl_data(x), "data", "data");
    refused(!tl_data_mut(x), "data", "data_mut");
    refused(tl_copy_out(x, TL_F32, buffer, sizeof buffer) != TL_OK, "copy_out", "copy_out");
    refused(!tl_to_device(x, "cpu"), "to_device", "moving to the host");
    refused(!tl_copy_(host, x), "copy_", "copying into the host");
    ok(tl_item(tl_sum(host)) == 6, "which keeps its values");
    refused(!tl_equal(x, x), "equal", "equal");
    refused(!tl_allclose(x, x, 0, 0), "allclose", "allclose");
    refused(!tl_nonzero(x), "nonzero", "nonzero");
    refused(!tl_masked_select(x, mask), "masked_select", "masked_select");
    refused(!tl_one_hot(labels, -1), "one_hot without a number of classes", "one_hot of as many classes as there are");
    ok(tl_size(tl_one_hot(labels, 3), 1) == 3, "one_hot of three");
    tl_module *net = NULL;
    TL_DEVICE("meta") net = tl_nn_linear(3, 2);
    ok(tl_module_save(net, "meta.safetensors") == TL_ERR_STATE, "saving is refused: %s", tl_error_message());
    tl_error_clear();
    remove("meta.safetensors");
    tl_module *real = tl_nn_linear(3, 2);
    tl_state *state = tl_module_state(real);
    ok(tl_module_load_state(net, state, true) == TL_ERR_STATE &&
           strstr(tl_error_message(), "\"weight\" of the module is on meta"),
       "weights cannot be loaded there: %s", tl_error_message());
    tl_error_clear();
    tl_module *taken = NULL;
    TL_DEVICE("meta") taken = tl_nn_linear(3, 2);
    ok(tl_module_load_state_with(taken, state, &(struct tl_load_options){.assign = true}) == TL_OK, "but a state's tensors can be taken over: %s",
       tl_error_message());
    ok(tl_shares_storage(tl_module_get(taken, "weight"), tl_module_get(real, "weight")) && tl_requires_grad(tl_module_get(taken, "weight")),
       "and then there are values");
    tl_module_free(taken);
    ok(tl_module_to(net, "cpu") == TL_ERR_STATE && !tl_has_values(tl_module_get(net, "weight")),
       "a module does not come back: %s", tl_error_message());
    tl_error_clear();
    ok(tl_module_to(real, "meta") == TL_OK && !tl_has_values(tl_module_get(real, "bias")), "but goes");
    tl_state_free(state);
    tl_module_free(net);
    tl_module_free(real);
}

static void test_device_block(void)
{
    bool run = false;
    TL_DEVICE("nowhere") run = true;
    ok(!run && tl_error_code() != TL_OK, "an unknown device: the block is not run: %s", tl_error_message());
    tl_error_clear();
    ok(tl_set_backend("meta") == TL_ERR_DEVICE && strstr(tl_error_message(), "device without a backend"),
       "meta is no backend: %s", tl_error_message());
    tl_error_clear();
    TL_DEVICE("meta")
    {
        TL_DEVICE("cpu") ok(tl_has_values(tl_zeros(TL_SHAPE(2), (struct tl_options){0})), "blocks lie in each other");
        ok(!tl_has_values(tl_zeros(TL_SHAPE(2), (struct tl_options){0})), "and the outer one goes on");
        for (int i = 0; i < 2; i++)
            TL_DEVICE("cpu") break;
        is_string(tl_default_device(), "meta", "also after an early end");
        ok(tl_has_values(tl_zeros(TL_SHAPE(2), (struct tl_options){.device = "cpu"})), "a device that is named counts");
    }
    is_string(tl_default_device(), "cpu", "the default device is back");
}

/* ---- A function of the program ----------------------------------------------------------------------------------- */

static tl_status cube_forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
{
    (void)saved, (void)data;
    out[0] = tl_mul(in[0], tl_square(in[0]));
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status cube_backward(struct tl_grad_ctx *g, const void *data)
{
    (void)data;
    return tl_grad_set(g, 0, tl_mul(tl_grad_arriving(g, 0), tl_mul_s(tl_square(tl_grad_input(g, 0)), 3)));
}

static void test_function(void)
{
    static const struct tl_function cube = {sizeof cube, "Cube", 1, 1, .saves_inputs = 1, .forward = cube_forward, .backward = cube_backward};
    tl_tensor *x = tl_set_requires_grad(tl_empty(TL_SHAPE(4, 3), META), true), *y = tl_apply(&cube, x);
    ok(y && !tl_has_values(y) && tl_size(y, 0) == 4, "a function of the program's own is walked");
    ok(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}) == TL_OK && tl_size(tl_grad_of(x), 1) == 3, "and its backward");
}

/* ---- Every op ---------------------------------------------------------------------------------------------------- */

enum { MAX_OUT = 8 };

struct run {
    tl_tensor *in[MAX_IN], *out[MAX_OUT], *grad[MAX_IN];
    tl_status status;
};

static void run_op(const struct test_case *c, enum layout layout, struct run *r)
{
    const tl_op *op = tl_op_find(c->op);
    memset(r, 0, sizeof *r);
    for (int k = 0; k < c->n_in; k++) {
        r->in[k] = make_operand(c, k, TL_F32, layout);
        if (!(c->flags & NO_GRADIENT) && differentiable(c, k))
            tl_set_requires_grad(r->in[k], true);
    }
    r->status = tl_op_call(op, c->attrs, r->in, c->n_in, r->out);
    for (int i = 0; i < op->n_out && r->status == TL_OK; i++)
        if (r->out[i] && tl_requires_grad(r->out[i]))
            r->status = tl_backward(r->out[i], tl_ones_like(r->out[i]), (struct tl_backward_options){.retain_graph = true});
    for (int k = 0; k < c->n_in && r->status == TL_OK; k++)
        r->grad[k] = tl_is_none(r->in[k]) ? TL_NONE : tl_grad_of(r->in[k]);
}

static bool alike(tl_tensor *walked, tl_tensor *real)
{
    size_t n = (size_t)tl_ndim(real) * sizeof(int64_t);
    if (!walked || !real || tl_is_none(walked) || tl_is_none(real))
        return walked == real;
    const char *made_by = tl_node_name(tl_grad_fn(real)), *walked_by = tl_node_name(tl_grad_fn(walked));
    return !tl_has_values(walked) && tl_dtype_of(walked) == tl_dtype_of(real) && tl_ndim(walked) == tl_ndim(real) &&
           memcmp(tl_shape(walked), tl_shape(real), n) == 0 && memcmp(tl_strides(walked), tl_strides(real), n) == 0 &&
           tl_requires_grad(walked) == tl_requires_grad(real) && strcmp(made_by ? made_by : "", walked_by ? walked_by : "") == 0;
}

static bool same_run(const struct test_case *c, enum layout layout)
{
    struct run real, walked = {.status = TL_ERR_STATE};
    bool same = true;
    run_op(c, layout, &real);
    TL_DEVICE("meta") run_op(c, layout, &walked);
    same = real.status == TL_OK && walked.status == TL_OK;
    for (int i = 0; i < MAX_OUT; i++)
        same = same && alike(walked.out[i], real.out[i]);
    for (int k = 0; k < c->n_in; k++)
        same = same && alike(walked.in[k], real.in[k]) && alike(walked.grad[k], real.grad[k]);
    return same;
}

static void same_case(const struct test_case *c)
{
    for (int layout = CONTIGUOUS; layout <= ((c->flags & NO_STRIDES) ? CONTIGUOUS : REVERSED); layout++)
        TL_SCOPE
        {
            ok(same_run(c, (enum layout)layout), "%s, %s, %s: as on the host %s", c->op, c->variant,
               layout ? "reversed" : "contiguous", tl_error_message());
            tl_error_clear();
        }
}

static void test_ops(void)
{
    for (size_t i = 0; i < n_cases; i++)
        same_case(&cases[i]);
    for (size_t i = 0; tl_op_at(i); i++) {
        struct test_case made[POINTWISE_CASES];
        if (!(tl_op_at(i)->flags & TL_OP_POINTWISE))
            continue;
        pointwise_cases(tl_op_at(i), made);
        same_case(&made[0]);
    }
}

/* ---- Account ----------------------------------------------------------------------------------------------------- */

static tl_tensor *meta(int ndim, const int64_t *shape)
{
    return tl_empty(ndim, shape, META);
}

static int64_t work_of(tl_tensor *(*f)(void))
{
    uint64_t before = tl_walk_cost().multiply_adds;
    TL_SCOPE ok(f() != NULL, "walked: %s", tl_error_message());
    return (int64_t)(tl_walk_cost().multiply_adds - before);
}

static tl_tensor *product(void)
{
    return tl_mm(meta(TL_SHAPE(2, 3)), meta(TL_SHAPE(3, 5)));
}
static tl_tensor *products(void)
{
    return tl_matmul(meta(TL_SHAPE(7, 2, 3)), meta(TL_SHAPE(7, 3, 5)));
}
static tl_tensor *dense(void)
{
    return tl_linear(meta(TL_SHAPE(4, 2, 3)), meta(TL_SHAPE(5, 3)), meta(TL_SHAPE(5)));
}
static tl_tensor *dots(void)
{
    return tl_add(tl_matmul(meta(TL_SHAPE(11)), meta(TL_SHAPE(11))), tl_sum(tl_matmul(meta(TL_SHAPE(2, 3)), meta(TL_SHAPE(3)))));
}
static tl_tensor *convolution(void)
{
    return tl_conv2d(meta(TL_SHAPE(2, 4, 8, 8)), meta(TL_SHAPE(6, 2, 3, 3)), TL_NONE, .groups = 2);
}
static tl_tensor *transposed(void)
{
    return tl_conv_transpose2d(meta(TL_SHAPE(2, 4, 8, 8)), meta(TL_SHAPE(4, 3, 2, 2)), meta(TL_SHAPE(3)), .stride = {2});
}
static tl_tensor *flat_convolution(void)
{
    return tl_conv1d(meta(TL_SHAPE(2, 4, 10)), meta(TL_SHAPE(6, 4, 3)), TL_NONE);
}
static tl_tensor *sum_of_products(void)
{
    tl_tensor *operands[] = {meta(TL_SHAPE(7, 2, 3)), meta(TL_SHAPE(7, 3, 5))};
    return tl_einsum("bij,bjk->bik", 2, operands);
}

static tl_tensor *recurrent(void)
{
    tl_tensor *y = NULL;
    TL_DEVICE("meta")
    {
        tl_module *lstm = tl_nn_lstm(3, 5, .num_layers = 2, .bidirectional = true);
        y = tl_forward(lstm, meta(TL_SHAPE(7, 2, 3)));
        tl_module_free(lstm);
    }
    return y;
}

static tl_tensor *too_much(void)
{
    return tl_mm(meta(TL_SHAPE(1LL << 24, 1LL << 24)), meta(TL_SHAPE(1LL << 24, 1LL << 24)));
}

static tl_tensor *there_and_back(void)
{
    tl_tensor *w = tl_set_requires_grad(meta(TL_SHAPE(6, 4, 3, 3)), true),
              *x = tl_set_requires_grad(meta(TL_SHAPE(2, 4, 8, 8)), true);
    tl_tensor *loss = tl_sum(tl_conv2d(x, w, TL_NONE));
    return tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) == TL_OK ? loss : NULL;
}

static void test_account(void)
{
    struct tl_walk_cost start = tl_walk_cost();
    TL_SCOPE
    {
        tl_tensor *a = meta(TL_SHAPE(10, 10)), *b = tl_cast(a, TL_F64), *view = tl_t(a);
        is_int(tl_walk_cost().bytes - start.bytes, 400 + 800, "bytes of two storages; views take none");
        TL_SCOPE tl_add(b, tl_cast(view, TL_F64));
        is_int(tl_walk_cost().bytes - start.bytes, 400 + 800, "what goes is taken off");
        tl_walk_reset_peak();
        TL_SCOPE tl_add(b, b);
        is_int(tl_walk_cost().peak - start.bytes, 400 + 800 + 800, "the peak is the most of it since it was reset");
    }
    is_int(tl_walk_cost().bytes, start.bytes, "and nothing is left");
    is_int(work_of(product), 2 * 3 * 5, "mm");
    is_int(work_of(products), 7 * 2 * 3 * 5, "matmul of batches");
    is_int(work_of(dense), 4 * 2 * 3 * 5, "linear");
    is_int(work_of(dots), 11 + 2 * 3, "dot and mv");
    is_int(work_of(convolution), 2 * 6 * 6 * 6 * 2 * 9, "conv2d with groups");
    is_int(work_of(transposed), 2 * 4 * 8 * 8 * 3 * 4, "conv_transpose2d");
    is_int(work_of(flat_convolution), 2 * 6 * 8 * 4 * 3, "conv1d");
    is_int(work_of(sum_of_products), 7 * 2 * 3 * 5, "einsum");
    is_int(work_of(recurrent), 7 * 2 * 2 * 20 * ((3 + 5) + (10 + 5)), "an LSTM of two layers in both directions");
    is_int(work_of(there_and_back), 3 * 2 * 6 * 6 * 6 * 4 * 9, "backward of a convolution is twice its forward");
    is_int(work_of(too_much), INT64_MAX, "what is too much for a number is the largest number");
}

int main(void)
{
    test_without_backend(); /* first: nothing is open yet */
    setenv("TELAR_BACKEND", "reference", 1);
    TL_SCOPE test_tensors();
    TL_SCOPE test_refusals();
    TL_SCOPE test_device_block();
    TL_SCOPE test_function();
    test_ops();
    TL_SCOPE test_account();
    ok(tl_error_code() == TL_OK, "no error is left over: %s", tl_error_message());
    tl_shutdown();
    return done_testing();
}
