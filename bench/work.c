/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole pieces of work: the course's linear regression (yields of apples and oranges from temperature, rainfall and
 * humidity), and forward passes and training steps of the networks.
 */
#include "bench/bench.h"

bool bench_programs;

/* One run of the work: eagerly, or by its program, which is made when it is first wanted. */
static tl_status run_once(struct bench_state *s, tl_program_fn work, tl_tensor *const *in, int n_in)
{
    tl_tensor *out = NULL;
    if (!bench_programs)
        return work(s, in, n_in, &out, 1);
    if (!s->program && !(s->program = tl_compile(work, s, 1)))
        return tl_error_code();
    return tl_program_run(s->program, in, n_in, &out);
}

/* ---- Linear regression: a call is 100 steps ---------------------------------------------------------------------------- */

enum { BY_HAND, WITH_LAYERS };
enum { INPUTS, TARGETS, W, B }; /* places in `kept` */

static tl_status prepare_regression(struct bench_state *s, int variant)
{
    TL_SCOPE {
        s->kept[INPUTS] = tl_keep(tl_tensor_f32(TL_SHAPE(5, 3), 73, 67, 43, 91, 88, 64, 87, 134, 58, 102, 43, 37, 69, 96, 70));
        s->kept[TARGETS] = tl_keep(tl_tensor_f32(TL_SHAPE(5, 2), 56, 70, 81, 101, 119, 133, 22, 37, 103, 119));
        if (variant == WITH_LAYERS) {
            s->net = tl_nn_linear(3, 2);
            s->optimizer = tl_sgd(s->net, 1e-5);
        } else {
            s->kept[W] = tl_keep(tl_set_requires_grad(tl_randn(TL_SHAPE(2, 3), (struct tl_options){0}), true));
            s->kept[B] = tl_keep(tl_set_requires_grad(tl_randn(TL_SHAPE(2), (struct tl_options){0}), true));
        }
    }
    return tl_error_code();
}

/* As the course first does it, on bare tensors. */
static tl_status step_by_hand(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct bench_state *s = ctx;
    (void)n_in, (void)n_out;
    tl_tensor *w = s->kept[W], *b = s->kept[B];
    tl_tensor *y = tl_add(tl_mm(in[0], tl_t(w)), b);
    tl_tensor *difference = tl_sub(y, in[1]);
    tl_tensor *loss = tl_div_s(tl_sum(tl_mul(difference, difference)), (double)tl_numel(difference));
    if (tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) != TL_OK)
        return tl_error_code();
    TL_NO_GRAD {
        tl_sub_(w, tl_mul_s(tl_grad_of(w), 1e-5));
        tl_sub_(b, tl_mul_s(tl_grad_of(b), 1e-5));
        tl_zero_(tl_grad_of(w));
        tl_zero_(tl_grad_of(b));
    }
    out[0] = tl_detach(loss);
    return tl_error_code();
}

static tl_status step_with_layers(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct bench_state *s = ctx;
    (void)n_in, (void)n_out;
    tl_tensor *loss = tl_mse_loss(tl_forward(s->net, in[0]), in[1]);
    out[0] = loss;
    tl_status r = tl_backward(loss, TL_NONE, (struct tl_backward_options){0});
    if (r == TL_OK)
        r = tl_optimizer_step(s->optimizer);
    tl_optimizer_zero_grad(s->optimizer);
    return r;
}

static tl_status run_regression(struct bench_state *s, int variant, int64_t times)
{
    tl_status r = TL_OK;
    for (int64_t i = 0; r == TL_OK && i < 100 * times; i++)
        TL_SCOPE r = run_once(s, variant == WITH_LAYERS ? step_with_layers : step_by_hand, s->kept, 2);
    return r == TL_OK ? tl_synchronize(NULL) : r;
}

/* ---- Networks ------------------------------------------------------------------------------------------------------------ */

/* Those on ImageNet's pictures come with several batches each. */
enum {
    MNIST_CNN, DIGITS_CNN, MLP, RESNET18_1, RESNET18_16, RESNET18_32, RESNET18_64, RESNET18_256, VGG16_1, VGG16_4, VGG16_16, VGG16_64,
    VGG16_256,
    TRAIN = 16
};

#define PICTURES(batch) 4, {batch, 3, 224, 224}
static const struct {
    const char *model, *options, *optimizer;
    double lr, momentum;
    int ndim;
    int64_t shape[4];
} networks[] = {
    [MNIST_CNN] = {"mnist-cnn", "", "adadelta", 1, 0, 4, {64, 1, 28, 28}},
    [DIGITS_CNN] = {"digits-cnn", "", "adam", 1e-3, 0, 4, {64, 1, 8, 8}},
    [MLP] = {"mlp", "in=3072,hidden=512,out=10", "sgd", 1e-2, 0, 2, {64, 3072}},
    [RESNET18_1] = {"resnet18", "", "sgd", 1e-3, 0.9, PICTURES(1)},
    [RESNET18_16] = {"resnet18", "", "sgd", 1e-3, 0.9, PICTURES(16)},
    [RESNET18_32] = {"resnet18", "", "sgd", 1e-3, 0.9, PICTURES(32)},
    [RESNET18_64] = {"resnet18", "", "sgd", 1e-3, 0.9, PICTURES(64)},
    [RESNET18_256] = {"resnet18", "", "sgd", 1e-3, 0.9, PICTURES(256)},
    [VGG16_1] = {"vgg16", "", "sgd", 1e-3, 0.9, PICTURES(1)},
    [VGG16_4] = {"vgg16", "", "sgd", 1e-3, 0.9, PICTURES(4)},
    [VGG16_16] = {"vgg16", "", "sgd", 1e-3, 0.9, PICTURES(16)},
    [VGG16_64] = {"vgg16", "", "sgd", 1e-3, 0.9, PICTURES(64)},
    [VGG16_256] = {"vgg16", "", "sgd", 1e-3, 0.9, PICTURES(256)},
};

static tl_status prepare_network(struct bench_state *s, int variant)
{
    int which = variant % TRAIN;
    s->net = tl_model_build(networks[which].model, networks[which].options);
    if (!s->net)
        return tl_error_code();
    TL_SCOPE {
        s->kept[INPUTS] = tl_keep(tl_randn(networks[which].ndim, networks[which].shape, (struct tl_options){0}));
        s->kept[TARGETS] = tl_keep(tl_randint(0, 10, TL_SHAPE(networks[which].shape[0]), (struct tl_options){.dtype = TL_I64}));
    }
    if (variant < TRAIN)
        tl_eval(s->net);
    else
        s->optimizer = tl_optimizer_named(networks[which].optimizer, s->net, networks[which].lr, networks[which].momentum, 0);
    return tl_error_code();
}

static tl_status train_step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct bench_state *s = ctx;
    (void)n_in, (void)n_out;
    out[0] = tl_cross_entropy(tl_forward(s->net, in[0]), in[1]);
    tl_status r = tl_backward(out[0], TL_NONE, (struct tl_backward_options){0});
    if (r == TL_OK)
        r = tl_optimizer_step(s->optimizer);
    tl_optimizer_zero_grad(s->optimizer);
    return r;
}

static tl_status infer(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    const struct bench_state *s = ctx;
    (void)n_in, (void)n_out;
    out[0] = tl_forward(s->net, in[0]);
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status run_network(struct bench_state *s, int variant, int64_t times)
{
    tl_status r = TL_OK;
    for (int64_t i = 0; r == TL_OK && i < times; i++)
        TL_SCOPE {
            if (variant >= TRAIN)
                r = run_once(s, train_step, s->kept, 2);
            else
                TL_NO_GRAD r = run_once(s, infer, s->kept, 1);
        }
    return r == TL_OK ? tl_synchronize(NULL) : r;
}

/* Two floating-point operations a multiply-add of the convolutions and products, for 64 samples. */
#define MNIST_FLOPS (2.0 * 64 * (32 * 9 * 26 * 26 + 32 * 32 * 9 * 24 * 24 + 2 * 32 * 9 * 10 * 10 + 200 * 50 + 50 * 10))
#define DIGITS_FLOPS (2.0 * 64 * (32 * 9 * 64 + 32 * 32 * 9 * 64 + 64 * 32 * 9 * 16 + 256 * 10))
#define MLP_FLOPS (2.0 * 64 * (3072 * 512 + 512 * 10))

/* Multiply-adds of one picture. */
#define RESNET18_MACS 1.814e9
#define VGG16_MACS 15.47e9

const struct bench_case work_cases[] = {
    {"regression-100-by-hand", BY_HAND, prepare_regression, run_regression, 0, 0, false},
    {"regression-100-layers", WITH_LAYERS, prepare_regression, run_regression, 0, 0, false},
    {"mnist-cnn-infer", MNIST_CNN, prepare_network, run_network, MNIST_FLOPS, 0, false},
    {"mnist-cnn-train", TRAIN + MNIST_CNN, prepare_network, run_network, 3 * MNIST_FLOPS, 0, false},
    {"digits-cnn-infer", DIGITS_CNN, prepare_network, run_network, DIGITS_FLOPS, 0, false},
    {"digits-cnn-train", TRAIN + DIGITS_CNN, prepare_network, run_network, 3 * DIGITS_FLOPS, 0, false},
    {"mlp-infer", MLP, prepare_network, run_network, MLP_FLOPS, 0, false},
    {"mlp-train", TRAIN + MLP, prepare_network, run_network, 3 * MLP_FLOPS, 0, false},
    {"resnet18-infer-1", RESNET18_1, prepare_network, run_network, 2 * RESNET18_MACS * 1, 0, true},
    {"resnet18-train-1", TRAIN + RESNET18_1, prepare_network, run_network, 6 * RESNET18_MACS * 1, 0, true},
    {"resnet18-infer-16", RESNET18_16, prepare_network, run_network, 2 * RESNET18_MACS * 16, 0, true},
    {"resnet18-train-16", TRAIN + RESNET18_16, prepare_network, run_network, 6 * RESNET18_MACS * 16, 0, true},
    {"resnet18-infer-32", RESNET18_32, prepare_network, run_network, 2 * RESNET18_MACS * 32, 0, true},
    {"resnet18-train-32", TRAIN + RESNET18_32, prepare_network, run_network, 6 * RESNET18_MACS * 32, 0, true},
    {"resnet18-infer-64", RESNET18_64, prepare_network, run_network, 2 * RESNET18_MACS * 64, 0, true},
    {"resnet18-train-64", TRAIN + RESNET18_64, prepare_network, run_network, 6 * RESNET18_MACS * 64, 0, true},
    {"resnet18-infer-256", RESNET18_256, prepare_network, run_network, 2 * RESNET18_MACS * 256, 0, true},
    {"resnet18-train-256", TRAIN + RESNET18_256, prepare_network, run_network, 6 * RESNET18_MACS * 256, 0, true},
    {"vgg16-infer-1", VGG16_1, prepare_network, run_network, 2 * VGG16_MACS * 1, 0, true},
    {"vgg16-train-1", TRAIN + VGG16_1, prepare_network, run_network, 6 * VGG16_MACS * 1, 0, true},
    {"vgg16-infer-4", VGG16_4, prepare_network, run_network, 2 * VGG16_MACS * 4, 0, true},
    {"vgg16-train-4", TRAIN + VGG16_4, prepare_network, run_network, 6 * VGG16_MACS * 4, 0, true},
    {"vgg16-infer-16", VGG16_16, prepare_network, run_network, 2 * VGG16_MACS * 16, 0, true},
    {"vgg16-train-16", TRAIN + VGG16_16, prepare_network, run_network, 6 * VGG16_MACS * 16, 0, true},
    {"vgg16-infer-64", VGG16_64, prepare_network, run_network, 2 * VGG16_MACS * 64, 0, true},
    {"vgg16-train-64", TRAIN + VGG16_64, prepare_network, run_network, 6 * VGG16_MACS * 64, 0, true},
    {"vgg16-infer-256", VGG16_256, prepare_network, run_network, 2 * VGG16_MACS * 256, 0, true},
    {"vgg16-train-256", TRAIN + VGG16_256, prepare_network, run_network, 6 * VGG16_MACS * 256, 0, true},
    {0},
};
