/* SPDX-License-Identifier: Apache-2.0
 *
 * mnist-cnn: a small network for MNIST as a course on PyTorch builds it, with that course's parameter names.
 *
 *     x [n,1,28,28] -> conv1 3x3, 1 -> 32 -> relu -> conv2 3x3, 32 -> 32 -> relu -> max pool 2 -> [n,32,12,12]
 *                   -> conv3 3x3, 32 -> 2 -> relu -> flatten 200 -> linear1 50 -> relu -> linear2 10
 *
 * The course applies ReLU to the ten outputs, too (relu-output=yes). An output that is negative for every sample then
 * has no gradient and never recovers, which costs such a network 20 to 40 % of its accuracy; hence off by default.
 */
#include "models/mnist/mnist.h"

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_relu(tl_forward_child(m, "conv1", x));
    x = tl_relu(tl_forward_child(m, "conv2", x));
    x = tl_forward_child(m, "max_pool", x);
    x = tl_relu(tl_forward_child(m, "conv3", x));
    x = tl_forward_child(m, "flatten", x);
    x = tl_relu(tl_forward_child(m, "linear1", x));
    return tl_forward_child(m, "linear2", x);
}

static tl_tensor *forward_relu_output(tl_module *m, tl_tensor *x, void *ctx)
{
    return tl_relu(forward(m, x, ctx));
}

static tl_module *build(const struct tl_config *c)
{
    tl_module *m = tl_module_from("MnistCNN", tl_config_bool(c, "relu-output") ? forward_relu_output : forward, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(1, 32, 3));
    tl_module_add(m, "conv2", tl_nn_conv2d(32, 32, 3));
    tl_module_add(m, "max_pool", tl_nn_max_pool2d(2));
    tl_module_add(m, "conv3", tl_nn_conv2d(32, 2, 3));
    tl_module_add(m, "flatten", tl_nn_flatten());
    tl_module_add(m, "linear1", tl_nn_linear(200, 50));
    tl_module_add(m, "linear2", tl_nn_linear(50, 10));
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    (void)c;
    shape[0] = 1;
    shape[1] = shape[2] = 28;
    return 3;
}

static const struct tl_plugin_option options[] = {
    {.name = "relu-output", .help = "apply ReLU to the outputs as well, as the course does", .kind = TL_OPTION_BOOL, .fallback = "no"},
    {0},
};

const struct tl_model mnist_cnn = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "mnist-cnn",
    .summary = "three 3 x 3 convolutions and two dense layers for MNIST",
    .options = options,
    .data = "mnist",
    .input_shape = input_shape,
    .build = build,
    .labels = digit_names,
};
