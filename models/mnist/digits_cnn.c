/* SPDX-License-Identifier: Apache-2.0
 *
 * digits-cnn: a small network for 8 x 8 digits that learns in seconds.
 *
 *     x [n,1,8,8] -> conv1 3x3, pad 1, 1 -> 32 -> bn1 -> relu
 *                 -> conv2 3x3, pad 1, 32 -> 32 -> bn2 -> relu -> max pool 2 -> [n,32,4,4]
 *                 -> conv3 3x3, pad 1, 32 -> 64 -> bn3 -> relu -> max pool 2 -> [n,64,2,2]
 *                 -> flatten -> dropout -> fc 256 -> 10
 */
#include "models/mnist/mnist.h"

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_relu(tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    x = tl_relu(tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", x)));
    x = tl_forward_child(m, "pool", x);
    x = tl_relu(tl_forward_child(m, "bn3", tl_forward_child(m, "conv3", x)));
    x = tl_forward_child(m, "pool", x);
    x = tl_forward_child(m, "dropout", tl_flatten(x, 1, -1));
    return tl_forward_child(m, "fc", x);
}

static tl_module *build(const struct tl_config *c)
{
    int64_t width = tl_config_int(c, "width");
    tl_module *m = tl_module_from("DigitsCNN", forward, NULL);
    tl_module_add(m, "conv1", tl_nn_conv2d(1, width, 3, .padding = {1}));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(width));
    tl_module_add(m, "conv2", tl_nn_conv2d(width, width, 3, .padding = {1}));
    tl_module_add(m, "bn2", tl_nn_batch_norm2d(width));
    tl_module_add(m, "conv3", tl_nn_conv2d(width, 2 * width, 3, .padding = {1}));
    tl_module_add(m, "bn3", tl_nn_batch_norm2d(2 * width));
    tl_module_add(m, "pool", tl_nn_max_pool2d(2));
    tl_module_add(m, "dropout", tl_nn_dropout(tl_config_float(c, "dropout")));
    tl_module_add(m, "fc", tl_nn_linear(8 * width, 10));
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    (void)c;
    shape[0] = 1;
    shape[1] = shape[2] = 8;
    return 3;
}

static const struct tl_plugin_option options[] = {
    {.name = "width", .help = "channels of the first layers", .kind = TL_OPTION_INT, .fallback = "32", .low = 1, .high = 1024},
    {.name = "dropout", .help = "chance of dropping a feature before the last layer", .kind = TL_OPTION_FLOAT, .fallback = "0.25",
     .high = 0.95},
    {0},
};

const struct tl_model digits_cnn = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "digits-cnn",
    .summary = "three convolutions with batch norm for 8 x 8 digits",
    .options = options,
    .data = "digits",
    .input_shape = input_shape,
    .build = build,
    .labels = digit_names,
};
