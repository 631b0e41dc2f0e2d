/* SPDX-License-Identifier: Apache-2.0
 *
 * lenet: LeNet-5 in the form that PyTorch's tutorials made common, with ReLU and max pooling. lenet5: the same network with its layers named as in the
 * paper of Y. LeCun and others, "Gradient-Based Learning Applied to Document Recognition" (1998), c1 to f7, where c5 is a convolution with one
 * place: so weights on the web have it.
 *
 *     x [n,1,32,32] -> conv1 5x5, 1 -> 6 -> relu -> max pool 2 -> conv2 5x5, 6 -> 16 -> relu -> max pool 2
 *                   -> flatten 400 -> fc1 120 -> relu -> fc2 84 -> relu -> fc3 10
 *
 * With input=28 the first convolution pads by 2, so that MNIST's pictures fit as they are.
 */
#include <string.h>

#include "models/mnist/mnist.h"

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_max_pool2d(tl_relu(tl_forward_child(m, "conv1", x)), .kernel = {2});
    x = tl_max_pool2d(tl_relu(tl_forward_child(m, "conv2", x)), .kernel = {2});
    x = tl_flatten(x, 1, -1);
    x = tl_relu(tl_forward_child(m, "fc1", x));
    x = tl_relu(tl_forward_child(m, "fc2", x));
    return tl_forward_child(m, "fc3", x);
}

static int64_t side(const struct tl_config *c)
{
    return strcmp(tl_config_choice(c, "input"), "28") == 0 ? 28 : 32;
}

static tl_module *build(const struct tl_config *c)
{
    tl_module *m = tl_module_from("LeNet", forward, NULL);
    tl_module_add(m, "conv1", side(c) == 28 ? tl_nn_conv2d(1, 6, 5, .padding = {2}) : tl_nn_conv2d(1, 6, 5));
    tl_module_add(m, "conv2", tl_nn_conv2d(6, 16, 5));
    tl_module_add(m, "fc1", tl_nn_linear(16 * 5 * 5, 120));
    tl_module_add(m, "fc2", tl_nn_linear(120, 84));
    tl_module_add(m, "fc3", tl_nn_linear(84, tl_config_int(c, "classes")));
    return m;
}

static tl_tensor *forward5(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward_child(m, "convnet", x);
    return tl_forward_child(m, "fc", tl_flatten(x, 1, -1));
}

static tl_module *build5(const struct tl_config *c)
{
    tl_module *m = tl_module_from("LeNet5", forward5, NULL), *convnet = tl_sequential_new(), *fc = tl_sequential_new();
    tl_module_add(convnet, "c1", side(c) == 28 ? tl_nn_conv2d(1, 6, 5, .padding = {2}) : tl_nn_conv2d(1, 6, 5));
    tl_module_add(convnet, "relu1", tl_nn_relu());
    tl_module_add(convnet, "s2", tl_nn_max_pool2d(2));
    tl_module_add(convnet, "c3", tl_nn_conv2d(6, 16, 5));
    tl_module_add(convnet, "relu3", tl_nn_relu());
    tl_module_add(convnet, "s4", tl_nn_max_pool2d(2));
    tl_module_add(convnet, "c5", tl_nn_conv2d(16, 120, 5));
    tl_module_add(convnet, "relu5", tl_nn_relu());
    tl_module_add(fc, "f6", tl_nn_linear(120, 84));
    tl_module_add(fc, "relu6", tl_nn_relu());
    tl_module_add(fc, "f7", tl_nn_linear(84, tl_config_int(c, "classes")));
    tl_module_add(m, "convnet", convnet);
    tl_module_add(m, "fc", fc);
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = 1;
    shape[1] = shape[2] = side(c);
    return 3;
}

static const char *const inputs[] = {"28", "32", NULL};
static const struct tl_plugin_option options[] = {
    {.name = "input", .help = "side of the pictures", .kind = TL_OPTION_CHOICE, .fallback = "28", .choices = inputs},
    {.name = "classes", .help = "number of outputs", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 100000,
     .role = TL_ROLE_CLASSES},
    {0},
};

const struct tl_model lenet = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "lenet",
    .summary = "LeNet-5 with ReLU and max pooling",
    .options = options,
    .data = "mnist",
    .input_shape = input_shape,
    .build = build,
    .labels = digit_names,
};

static const struct tl_model_weights weights5[] = {
    {.name = "lenet5_mnist_acc0.991.pth", .sha256 = "7b3591ba5a63752a7e728d7f7e511266556a2ec66844810da9f475e07019b85e",
     .note = "MNIST, 98.61 % with pictures padded to 32 x 32; from the repository gan-vae-pretrained-pytorch of csinva on GitHub"},
    {0},
};

const struct tl_model lenet5 = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "lenet5",
    .summary = "LeNet-5 with the paper's names of layers",
    .options = options,
    .weights = weights5,
    .data = "mnist",
    .input_shape = input_shape,
    .build = build5,
    .labels = digit_names,
};
