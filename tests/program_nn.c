/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole training steps as programs: after every step of a small net, its loss, parameters, gradients, running statistics and the optimizer's state
 * have the bits that the same function leaves as it is.
 */
#include <telar/nn.h>

#include "tests/program.h"

enum { STEPS = 5, TENSORS = 64 };

struct training {
    tl_module *net;
    tl_optimizer *optimizer;
    tl_status (*step)(struct training *t, tl_tensor *const *in, tl_tensor **out);
};

static const struct tl_backward_options once = {0};

static tl_status call_step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct training *t = ctx;
    (void)n_in, (void)n_out;
    return t->step(t, in, out);
}

/* ---- Nets ------------------------------------------------------------------------------------------------------------------- */

static tl_module *dense(void)
{
    return TL_SEQUENTIAL(tl_nn_linear(6, 8), tl_nn_tanh(), tl_nn_linear(8, 4));
}

static tl_module *convolutional(void)
{
    return TL_SEQUENTIAL(tl_nn_conv2d(2, 8, 3, .padding = {1}), tl_nn_batch_norm2d(8), tl_nn_relu(.in_place = true), tl_nn_max_pool2d(2),
                         tl_nn_conv2d(8, 8, 3, .padding = {1}, .no_bias = true), tl_nn_batch_norm2d(8), tl_nn_relu(), tl_nn_dropout(0.3),
                         tl_nn_adaptive_avg_pool2d(1, 1), tl_nn_flatten(), tl_nn_linear(8, 4));
}

static tl_tensor *last_step(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "head", tl_select(tl_forward_child(m, "body", x), 1, -1));
}

static tl_module *recurrent(tl_module *body, int64_t width)
{
    tl_module *m = tl_module_from("Recurrent", last_step, NULL);
    tl_module_add(m, "body", body);
    tl_module_add(m, "head", tl_nn_linear(width, 4));
    return m;
}

static tl_module *lstm(void)
{
    return recurrent(tl_nn_lstm(6, 5, .num_layers = 2, .batch_first = true, .dropout = 0.25), 5);
}

static tl_module *gru(void)
{
    return recurrent(tl_nn_gru(6, 5, .bidirectional = true, .batch_first = true), 10);
}

static tl_module *rnn(void)
{
    return recurrent(tl_nn_rnn(6, 5, .batch_first = true), 5);
}

static tl_module *words(void)
{
    return TL_SEQUENTIAL(tl_nn_embedding(10, 3, .padding_row = true, .padding_idx = 2), tl_nn_layer_norm(3), tl_nn_flatten(), tl_nn_linear(12, 4));
}

/* ---- Steps ------------------------------------------------------------------------------------------------------------------ */

static tl_status usual(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_optimizer_zero_grad(t->optimizer);
    out[0] = tl_cross_entropy(tl_forward(t->net, in[0]), in[1]);
    tl_backward(out[0], TL_NONE, once);
    return tl_optimizer_step(t->optimizer);
}

static tl_status clipped(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_optimizer_zero_grad(t->optimizer);
    out[0] = tl_cross_entropy(tl_forward(t->net, in[0]), in[1]);
    tl_backward(out[0], TL_NONE, once);
    tl_clip_grad_norm(t->net, 0.1, 2, NULL);
    tl_clip_grad_value(t->net, 0.03);
    return tl_optimizer_step(t->optimizer);
}

/* Two passes, whose gradients add up. */
static tl_status accumulated(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_optimizer_zero_grad(t->optimizer);
    for (int i = 0; i < 2; i++) {
        tl_tensor *x = tl_slice(in[0], 0, i, TL_END, 2), *labels = tl_slice(in[1], 0, i, TL_END, 2);
        tl_tensor *loss = tl_mul_s(tl_cross_entropy(tl_forward(t->net, x), labels), 0.5);
        tl_backward(loss, TL_NONE, once);
        out[0] = i ? tl_add(out[0], tl_detach(loss)) : tl_detach(loss);
    }
    return tl_optimizer_step(t->optimizer);
}

static tl_status retained(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_optimizer_zero_grad(t->optimizer);
    tl_tensor *y = tl_forward(t->net, in[0]), *loss = tl_cross_entropy(y, in[1]);
    tl_backward(loss, TL_NONE, (struct tl_backward_options){.retain_graph = true});
    tl_backward(tl_mul_s(tl_sum(tl_mul(y, y)), 0.01), TL_NONE, (struct tl_backward_options){.retain_graph = true});
    tl_backward(loss, TL_NONE, once);
    out[0] = tl_detach(loss);
    return tl_optimizer_step(t->optimizer);
}

/* The gradient's own length is part of the loss. */
static tl_status penalised(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_optimizer_zero_grad(t->optimizer);
    tl_tensor *x = tl_set_requires_grad(tl_clone(in[0]), true), *g, *loss = tl_cross_entropy(tl_forward(t->net, x), in[1]);
    tl_grad(&loss, 1, NULL, &x, 1, &g, (struct tl_backward_options){.create_graph = true});
    tl_tensor *all = tl_add(loss, tl_mul_s(tl_sum(tl_mul(g, g)), 2));
    tl_backward(all, TL_NONE, once);
    out[0] = tl_detach(all);
    return tl_optimizer_step(t->optimizer);
}

/* Gradients add to those that the caller left, and stay for it. */
static tl_status adding(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *loss = tl_cross_entropy(tl_forward(t->net, in[0]), in[1]);
    tl_backward(loss, TL_NONE, once);
    out[0] = tl_detach(loss);
    return tl_error_code();
}

static tl_status frozen(struct training *t, tl_tensor *const *in, tl_tensor **out)
{
    TL_NO_GRAD out[0] = tl_softmax(tl_forward(t->net, in[0]), 1);
    return tl_error_code();
}

/* ---- Optimizers ---------------------------------------------------------------------------------------------------------------- */

static tl_optimizer *sgd(tl_module *m)
{
    return tl_sgd(m, 0.05);
}

static tl_optimizer *momentum(tl_module *m)
{
    return tl_sgd(m, 0.05, .momentum = 0.9, .dampening = 0.25, .weight_decay = 0.01);
}

static tl_optimizer *nesterov(tl_module *m)
{
    return tl_sgd(m, 0.05, .momentum = 0.9, .nesterov = true);
}

static tl_optimizer *adam(tl_module *m)
{
    return tl_adam(m, 0.01, .weight_decay = 0.02, .amsgrad = true);
}

static tl_optimizer *adamw(tl_module *m)
{
    return tl_adamw(m, 0.01);
}

static tl_optimizer *adadelta(tl_module *m)
{
    return tl_adadelta(m, 1);
}

static tl_optimizer *rmsprop(tl_module *m)
{
    return tl_rmsprop(m, 0.01, .momentum = 0.5, .centered = true);
}

static tl_optimizer *none(tl_module *m)
{
    (void)m;
    return NULL;
}

/* ---- As it is, and as a program ---------------------------------------------------------------------------------------------------- */

enum between { NOTHING, RATE, ZERO, VALUES };
static const struct course {
    const char *name;
    tl_module *(*net)(void);
    tl_optimizer *(*optimizer)(tl_module *m);
    tl_status (*step)(struct training *t, tl_tensor *const *in, tl_tensor **out);
    enum { POINTS, PICTURES, SERIES, TOKENS } input;
    enum between between; /* what the caller does between steps */
    tl_dtype dtype;
    int most_recordings;
} courses[] = {
    {"SGD", dense, sgd, usual, POINTS, NOTHING, TL_F32, 1},
    {"SGD in f64", dense, sgd, usual, POINTS, NOTHING, TL_F64, 1},
    {"SGD in bf16", dense, sgd, usual, POINTS, NOTHING, TL_BF16, 1},
    {"SGD with momentum, dampening and decay", dense, momentum, usual, POINTS, RATE, TL_F32, 1},
    {"Nesterov's SGD", dense, nesterov, usual, POINTS, RATE, TL_F32, 1},
    {"Adam", dense, adam, usual, POINTS, RATE, TL_F32, 1},
    {"AdamW", dense, adamw, usual, POINTS, NOTHING, TL_F32, 1},
    {"AdamW in f64", dense, adamw, usual, POINTS, RATE, TL_F64, 1},
    {"Adadelta", dense, adadelta, usual, POINTS, RATE, TL_F32, 1},
    {"RMSprop", dense, rmsprop, usual, POINTS, RATE, TL_F32, 1},
    {"clipping", dense, momentum, clipped, POINTS, NOTHING, TL_F32, 1},
    {"two passes a step", dense, adam, accumulated, POINTS, NOTHING, TL_F32, 1},
    {"a graph that is kept", dense, sgd, retained, POINTS, NOTHING, TL_F32, 1},
    {"gradients of gradients", dense, sgd, penalised, POINTS, NOTHING, TL_F32, 1},
    {"weights changed from outside", dense, sgd, usual, POINTS, VALUES, TL_F32, 1},
    {"convolutions", convolutional, momentum, usual, PICTURES, RATE, TL_F32, 1},
    {"convolutions in f64", convolutional, adam, usual, PICTURES, NOTHING, TL_F64, 1},
    {"convolutions, clipped", convolutional, adam, clipped, PICTURES, NOTHING, TL_F32, 1},
    {"convolutions, two passes a step", convolutional, sgd, accumulated, PICTURES, NOTHING, TL_F32, 1},
    {"convolutions without gradients", convolutional, none, frozen, PICTURES, VALUES, TL_F32, 1},
    {"an LSTM", lstm, adam, usual, SERIES, NOTHING, TL_F32, 1},
    {"a GRU", gru, momentum, clipped, SERIES, NOTHING, TL_F32, 1},
    {"an RNN", rnn, rmsprop, usual, SERIES, NOTHING, TL_F32, 1},
    {"an embedding", words, adam, usual, TOKENS, NOTHING, TL_F32, 1},
    {"gradients cleared from outside", dense, none, adding, POINTS, ZERO, TL_F32, 2},
    {"gradients that add up from step to step", convolutional, none, adding, PICTURES, NOTHING, TL_F32, 2},
};

static void make_batch(const struct course *c, tl_tensor **in)
{
    struct tl_options o = {0};
    switch (c->input) {
    case POINTS: in[0] = tl_randn(TL_SHAPE(8, 6), o); break;
    case PICTURES: in[0] = tl_randn(TL_SHAPE(8, 2, 6, 6), o); break;
    case SERIES: in[0] = tl_randn(TL_SHAPE(8, 3, 6), o); break;
    case TOKENS: in[0] = tl_randint(0, 10, TL_SHAPE(8, 4), o); break;
    }
    if (c->input != TOKENS)
        in[0] = tl_cast(in[0], c->dtype);
    in[1] = tl_randint(0, 4, TL_SHAPE(8), o);
}

static void do_between(const struct course *c, struct training *t, int step)
{
    tl_tensor *first = NULL;
    switch (c->between) {
    case NOTHING: break;
    case RATE:
        if (step == 2)
            tl_optimizer_set_lr(t->optimizer, 0, 0.5 * tl_optimizer_lr(t->optimizer, 0));
        break;
    case ZERO: tl_zero_grad(t->net); break;
    case VALUES:
        tl_module_parameter_list(t->net, &first, 1);
        TL_NO_GRAD tl_mul_(first, tl_scalar(1.25));
        break;
    }
}

/* All that a step leaves: copies. */
static void keep_state(struct training *t, tl_tensor **left, int *n)
{
    tl_tensor *list[TENSORS];
    tl_state *s = tl_module_state(t->net);
    for (size_t i = 0; i < tl_state_count(s); i++)
        left[(*n)++] = tl_detach(tl_clone(tl_state_at(s, i)));
    tl_state_free(s);
    size_t parameters = tl_module_parameter_list(t->net, list, TENSORS);
    for (size_t i = 0; i < parameters; i++) {
        tl_tensor *g = tl_grad_of(list[i]);
        left[(*n)++] = tl_is_none(g) ? TL_NONE : tl_clone(g);
    }
    if (!t->optimizer)
        return;
    s = tl_state_new();
    tl_optimizer_save_state(t->optimizer, s, "");
    for (size_t i = 0; i < tl_state_count(s); i++)
        left[(*n)++] = tl_clone(tl_state_at(s, i));
    tl_state_free(s);
}

/* Train; the number of tensors left, or -1. */
static int train(const struct course *c, bool compiled, tl_tensor **left, const char *what)
{
    tl_manual_seed(3);
    int n = 0;
    struct training t = {.net = c->net(), .step = c->step};
    if (c->dtype != TL_F32)
        tl_module_to_dtype(t.net, c->dtype);
    t.optimizer = c->optimizer(t.net);
    tl_program *p = compiled ? tl_compile(call_step, &t, 1) : NULL;
    for (int step = 0; step < STEPS && tl_error_code() == TL_OK; step++) {
        tl_tensor *in[2], *loss = NULL;
        make_batch(c, in);
        do_between(c, &t, step);
        if (p)
            tl_program_run(p, in, 2, &loss);
        else
            t.step(&t, in, &loss);
        left[n++] = loss ? tl_detach(loss) : NULL;
        if (loss)
            keep_state(&t, left, &n);
    }
    left[n++] = tl_rand(TL_SHAPE(2), (struct tl_options){0});
    if (p)
        ok((int)tl_program_info(p).recordings <= c->most_recordings, "%s: not recorded more often than needed (%zu)", what, tl_program_info(p).recordings);
    tl_program_free(p);
    tl_optimizer_free(t.optimizer);
    tl_module_free(t.net);
    return tl_error_code() == TL_OK ? n : -1;
}

static void test_course(const struct course *c, const char *backend)
{
    tl_tensor *plain[STEPS * TENSORS], *programs[STEPS * TENSORS];
    char what[200], which[240];
    snprintf(what, sizeof what, "%s: %s", backend, c->name);
    int n = train(c, false, plain, what), m = n < 0 ? -1 : train(c, true, programs, what);
    if (n < 0 || m < 0) {
        fail("%s: %s: %s", what, n < 0 ? "as it is" : "as a program", tl_error_message());
        tl_error_clear();
        return;
    }
    bool equal = n == m;
    for (int i = 0; i < n && equal; i++) {
        snprintf(which, sizeof which, "%s, tensor %d of %d", what, i, n);
        equal = same_bits(plain[i], programs[i], which);
    }
    ok(equal, "%s", what);
}

static void test_courses(const char *backend)
{
    for (size_t i = 0; i < sizeof courses / sizeof *courses; i++)
        TL_SCOPE test_course(&courses[i], backend);
}

int main(void)
{
    on_each_backend(test_courses);
    tl_shutdown();
    return done_testing();
}
