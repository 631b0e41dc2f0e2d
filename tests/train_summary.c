/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries: numbers that others publish, memory against that of a real run, and a network that is as it was before.
 */
#include <pthread.h>
#include <stdlib.h>
#include <telar/model.h>
#include <telar/nn.h>

#include "tap.h"

/* ---- Published numbers ------------------------------------------------------------------------------------------- */

/* torchvision 0.29.2, <Model>_Weights.IMAGENET1K_V1.meta: "num_params", and "_ops", which is in units of 10^9 multiply-adds, to
 * three digits after the point. GoogLeNet's parameters are without the auxiliary heads, Inception's with. */
static const struct {
    const char *model, *options;
    int64_t parameters;
    double ops;
} published[] = {
    {"resnet18", NULL, 11689512, 1.814},     {"vgg16", NULL, 138357544, 15.47},       {"mobilenet_v2", NULL, 3504872, 0.301},
    {"googlenet", "aux=no", 6624904, 1.498}, {"inception_v3", NULL, 27161264, 5.713}, {"alexnet", NULL, 61100840, 0.714},
    {"squeezenet1_1", NULL, 1235496, 0.349},
};

static void test_published(void)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        TL_SCOPE TL_DEVICE("meta")
        {
            int64_t side = strcmp(published[i].model, "inception_v3") == 0 ? 299 : 224;
            tl_module *net = tl_model_build(published[i].model, published[i].options);
            tl_summary *s = tl_summarize(net, TL_SHAPE(1, 3, side, side));
            struct tl_summary_totals t = tl_summary_totals(s);
            is_int(t.parameters, published[i].parameters, "%s: parameters", published[i].model);
            is_float((double)t.multiply_adds / 1e9, published[i].ops, 0.0005, "%s: multiply-adds", published[i].model);
            tl_summary_free(s);
            tl_module_free(net);
        }
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

static size_t allocated(void)
{
    return tl_memory_stats("cpu").allocated;
}

static int64_t real_inference(tl_module *net, tl_tensor *x, size_t start)
{
    tl_eval(net);
    tl_memory_reset_peak("cpu");
    TL_NO_GRAD TL_SCOPE ok(tl_forward(net, x) != NULL, "forward: %s", tl_error_message());
    return (int64_t)(tl_memory_stats("cpu").peak - start);
}

static int64_t real_training(tl_module *net, tl_tensor *x, const char *optimizer, size_t start)
{
    tl_train(net);
    tl_optimizer *o = tl_optimizer_named(optimizer, net, 0, 0.9, 0);
    for (int i = 0; i < 2; i++) {
        tl_optimizer_zero_grad(o);
        tl_memory_reset_peak("cpu");
        TL_SCOPE
        {
            tl_tensor *y = tl_forward(net, x);
            ok(tl_backward(y, tl_ones_like(y), (struct tl_backward_options){0}) == TL_OK && tl_optimizer_step(o) == TL_OK,
               "a step: %s", tl_error_message());
        }
    }
    int64_t peak = (int64_t)(tl_memory_stats("cpu").peak - start);
    tl_optimizer_free(o);
    return peak;
}

/* The pool's classes are an eighth of a power of two apart, so a block is less than an eighth larger than what was asked for.
 * Storages of up to 64 bytes lie in their structs and are not in the pool's count: here are a few dozen of them. The reference
 * backend needs no scratch memory and knows one layout only; of the layers here none of its kernels leaves anything for its
 * gradient. */
static void within(int64_t walked, int64_t real, const char *what)
{
    enum { TINY = 64 * 100 };
    ok(real >= walked - TINY && real <= walked + walked / 8, "%s: %lld bytes walked, %lld in fact, %lld at most expected", what,
       (long long)walked, (long long)real, (long long)(walked + walked / 8));
}

static void compare(const char *what, tl_module *(*build)(void), int ndim, const int64_t *shape, const char *optimizer)
{
    char text[120];
    TL_SCOPE
    {
        size_t start = allocated();
        tl_module *net = build();
        tl_tensor *x = tl_zeros(ndim, shape, (struct tl_options){0});
        tl_summary *s = tl_summarize_inputs(net, &x, 1, .optimizer = optimizer, .momentum = 0.9);
        struct tl_summary_memory m = tl_summary_memory(s);
        ok(s && !tl_summary_untrained(s), "%s: walked: %s%s", what, tl_error_message(),
           tl_summary_untrained(s) ? tl_summary_untrained(s) : "");
        snprintf(text, sizeof text, "%s: inference", what);
        within(m.inference, real_inference(net, x, start), text);
        snprintf(text, sizeof text, "%s: training with %s", what, optimizer);
        within(m.training, real_training(net, x, optimizer, start), text);
        tl_summary_free(s);
        tl_module_free(net);
    }
}

static tl_module *dense(void)
{
    return TL_SEQUENTIAL(tl_nn_linear(300, 500), tl_nn_relu(), tl_nn_linear(500, 400), tl_nn_batch_norm1d(400),
                         tl_nn_dropout(0.5), tl_nn_linear(400, 70));
}

static tl_module *convolutions(void)
{
    return TL_SEQUENTIAL(tl_nn_conv2d(3, 20, 3, .padding = {1}), tl_nn_batch_norm2d(20), tl_nn_relu(), tl_nn_avg_pool2d(2),
                         tl_nn_conv2d(20, 40, 3), tl_nn_relu(), tl_nn_flatten(), tl_nn_linear(40 * 6 * 6, 50));
}

static tl_module *residual(void)
{
    return tl_model_build("resnet20", NULL);
}

static void test_memory(void)
{
    compare("dense layers", dense, TL_SHAPE(30, 300), "adam");
    compare("dense layers, large batch", dense, TL_SHAPE(900, 300), "sgd");
    compare("convolutions", convolutions, TL_SHAPE(9, 3, 16, 16), "rmsprop");
    compare("resnet20", residual, TL_SHAPE(2, 3, 32, 32), "adamw");
}

static void test_parts(void)
{
    tl_module *net = dense();
    int64_t numbers = 300 * 500 + 500 + 500 * 400 + 400 + 2 * 400 + 400 * 70 + 70;
    tl_tensor *x = tl_zeros(TL_SHAPE(10, 300), (struct tl_options){0});
    tl_summary *s = tl_summarize_inputs(net, &x, 1, .optimizer = "adam");
    struct tl_summary_memory m = tl_summary_memory(s);
    is_int(m.parameters, 4 * numbers, "bytes of parameters");
    is_int(m.buffers, 4 * 800 + 8, "of buffers");
    is_int(m.gradients, 4 * numbers, "of gradients");
    is_int(m.state, 8 * numbers, "of adam's state");
    is_int(m.inference, 4 * numbers + 3208 + 4 * 3000 + 4 * 2 * 10 * 500, "of inference: two outputs of 500 are alive at a time");
    tl_summary_free(s);
    s = tl_summarize_inputs(net, &x, 1);
    ok(tl_summary_memory(s).training == 0 && !tl_summary_untrained(s), "without an optimizer there is no training");
    tl_summary_free(s);
    tl_module_freeze(net, "0.*", NULL);
    s = tl_summarize_inputs(net, &x, 1, .optimizer = "sgd", .momentum = 0.9);
    int64_t frozen = 300 * 500 + 500;
    ok(tl_summary_memory(s).gradients == 4 * (numbers - frozen) && tl_summary_memory(s).state == 4 * (numbers - frozen),
       "frozen parameters take no more than themselves");
    is_int(tl_summary_totals(s).trainable, numbers - frozen, "and are not trained");
    tl_summary_free(s);
    tl_module_freeze(net, "*", NULL);
    s = tl_summarize_inputs(net, &x, 1, .optimizer = "sgd");
    contains(tl_summary_untrained(s), "needs no gradient", "nothing to train");
    tl_summary_free(s);
    tl_module_unfreeze(net, "*", NULL);
    x = tl_zeros(TL_SHAPE(1, 300), (struct tl_options){0});
    s = tl_summarize_inputs(net, &x, 1, .optimizer = "adam");
    char *text = tl_summary_to_string(s);
    contains(text,
             "memory to train: not known, since a step of adam cannot be walked: batch_norm: training needs more than one value "
             "per channel",
             "a batch that cannot be trained on");
    ok(tl_error_code() == TL_OK && tl_summary_memory(s).inference > 0, "is no error: %s", tl_error_message());
    free(text);
    tl_summary_free(s);
    s = tl_summarize_inputs(net, &x, 1, .optimizer = "atom");
    contains(tl_summary_untrained(s), "there is no optimizer \"atom\"", "an unknown optimizer");
    tl_summary_free(s);
    tl_module_free(net);
}

/* ---- What is walked ---------------------------------------------------------------------------------------------- */

static void test_untouched(void)
{
    tl_module *net = convolutions();
    unsigned char before[TL_GENERATOR_STATE_SIZE], after[TL_GENERATOR_STATE_SIZE];
    tl_tensor *w = tl_module_get(net, "0.weight"), *mean = tl_module_get(net, "1.running_mean"),
              *x = tl_randn(TL_SHAPE(2, 3, 16, 16), (struct tl_options){0});
    const void *bytes = tl_data(w);
    uint64_t versions = tl_version(w) + tl_version(mean);
    tl_backward(tl_sum(tl_forward(net, x)), TL_NONE, (struct tl_backward_options){0});
    tl_tensor *g = tl_grad_of(w);
    double sum = tl_item(tl_sum(g));
    versions = tl_version(w) + tl_version(mean);
    tl_eval(tl_module_child(net, "1"));
    tl_generator_get_state(tl_default_generator(), before);
    size_t held = allocated();
    struct tl_memory_stats start = tl_memory_stats("cpu");
    tl_summary *s = tl_summarize_inputs(net, &x, 1, .optimizer = "adam");
    ok(s && tl_summary_memory(s).training > 0, "walked: %s", tl_error_message());
    ok(allocated() == held && tl_memory_stats("cpu").allocations == start.allocations, "no memory was taken for it");
    tl_generator_get_state(tl_default_generator(), after);
    ok(memcmp(before, after, sizeof before) == 0, "no number was drawn");
    ok(tl_data(w) == bytes && tl_version(w) + tl_version(mean) == versions, "values are where they were");
    ok(tl_grad_of(w) == g && tl_item(tl_sum(g)) == sum, "and gradients");
    ok(tl_is_training(net) && !tl_is_training(tl_module_child(net, "1")) && tl_is_training(tl_module_child(net, "2")),
       "and modes");
    ok(tl_walk_cost().bytes == 0, "nothing is left of the walk");
    tl_summary_free(s);
    ok(!tl_summarize(net, TL_SHAPE(2, 4, 16, 16)) && strncmp(tl_error_message(), "0: Conv2d, given [2 x 4 x 16 x 16]: ", 36) == 0,
       "a shape that does not fit: %s", tl_error_message());
    tl_error_clear();
    ok(tl_data(w) == bytes && tl_grad_of(w) == g && tl_is_training(net) && !tl_is_training(tl_module_child(net, "1")),
       "after a failure, too");
    tl_module_free(net);
}

static void test_recurrent(void)
{
    tl_module *lstm = tl_nn_lstm(10, 20, .num_layers = 2, .batch_first = true);
    tl_tensor *x[3] = {tl_zeros(TL_SHAPE(3, 7, 10), (struct tl_options){0}), tl_zeros(TL_SHAPE(2, 3, 20), (struct tl_options){0}),
                       NULL};
    x[2] = tl_zeros_like(x[1]);
    tl_summary *s = tl_summarize_inputs(lstm, x, 3, .optimizer = "adam");
    struct tl_summary_totals t = tl_summary_totals(s);
    is_int(t.multiply_adds, 3 * 7 * (80 * (10 + 20) + 80 * (20 + 20)), "an LSTM with its state: multiply-adds");
    is_int(t.input_bytes, 4 * (3 * 7 * 10 + 2 * 2 * 3 * 20), "bytes of three inputs");
    ok(s && tl_summary_memory(s).training > tl_summary_memory(s).inference && !tl_summary_untrained(s), "and it trains");
    tl_summary_free(s);
    tl_module_free(lstm);
}

/* Attention without a layer for its products: it is the op that is counted. */
static tl_tensor *attend(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *q = tl_forward_child(m, "q", x);
    return tl_matmul(tl_softmax(tl_matmul(q, tl_transpose(x, 1, 2)), 2), x);
}

static void test_functions(void)
{
    tl_module *m = tl_module_from("Attention", attend, NULL);
    tl_module_add(m, "q", tl_nn_linear(16, 16));
    tl_summary *s = tl_summarize(m, TL_SHAPE(2, 5, 16));
    is_int(tl_summary_at(s, 0)->multiply_adds, 2 * 2 * 5 * 5 * 16, "products of a function's own");
    is_int(tl_summary_at(s, 1)->multiply_adds, 2 * 5 * 16 * 16, "and those of a layer in it, apart");
    tl_summary_free(s);
    tl_module_free(m);
}

static tl_tensor *look(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)m, (void)ctx;
    return tl_item(tl_sum(x)) > 0 ? x : tl_neg(x);
}

static tl_tensor *masked(tl_module *m, tl_tensor *x, void *mask)
{
    (void)m;
    return tl_mul(x, mask);
}

static void test_refusals(void)
{
    tl_module *m = tl_module_from("Look", look, NULL);
    ok(!tl_summarize(m, TL_SHAPE(3)), "a forward that looks at values");
    contains(tl_error_message(), "Look, given [3]: item: the tensor, f32 [] on meta, has a shape but no values", "is refused");
    tl_error_clear();
    tl_module_free(m);
    tl_tensor *mask = tl_ones(TL_SHAPE(3), (struct tl_options){0});
    m = tl_module_from("Masked", masked, mask);
    ok(!tl_summarize(m, TL_SHAPE(3)), "a tensor that is no buffer");
    contains(tl_error_message(), "on cpu", "is refused");
    tl_error_clear();
    tl_module_buffer(m, "mask", mask);
    tl_summary *s = tl_summarize(m, TL_SHAPE(3));
    ok(s && tl_has_values(mask), "as a buffer it goes along: %s", tl_error_message());
    tl_summary_free(s);
    tl_module_free(m);
}

/* Two threads, each with networks of its own: none sees the other's bytes. */
static void *summarize_many(void *ctx)
{
    struct tl_summary_memory *m = ctx, now;
    bool same = true;
    for (int i = 0; i < 20; i++)
        TL_SCOPE
        {
            tl_module *net = NULL;
            TL_DEVICE("meta") net = tl_model_build("resnet20", NULL);
            tl_tensor *x = tl_empty(TL_SHAPE(4, 3, 32, 32), (struct tl_options){.device = "meta"});
            tl_summary *s = tl_summarize_inputs(net, &x, 1, .optimizer = "adam");
            now = tl_summary_memory(s);
            same = same && now.training > 0 && (i == 0 || memcmp(&now, m, sizeof now) == 0);
            *m = now;
            tl_summary_free(s);
            tl_module_free(net);
        }
    return same ? ctx : NULL;
}

static void test_threads(void)
{
    pthread_t thread[2];
    struct tl_summary_memory m[2];
    void *same[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, summarize_many, &m[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], &same[i]);
    ok(same[0] && same[1] && memcmp(&m[0], &m[1], sizeof m[0]) == 0, "threads count apart");
}

int main(void)
{
    setenv("TELAR_BACKEND", "reference", 1);
    tl_manual_seed(3);
    test_published();
    TL_SCOPE test_memory();
    TL_SCOPE test_parts();
    TL_SCOPE test_untouched();
    TL_SCOPE test_recurrent();
    TL_SCOPE test_functions();
    TL_SCOPE test_refusals();
    test_threads();
    ok(tl_error_code() == TL_OK, "no error is left over: %s", tl_error_message());
    tl_shutdown();
    return done_testing();
}
