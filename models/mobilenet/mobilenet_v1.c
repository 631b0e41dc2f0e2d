/* SPDX-License-Identifier: Apache-2.0
 *
 * mobilenet_v1: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, with the names of
 * the implementation in PyTorch whose weights are in use as the backbone of RetinaFace.
 *
 *     x [n,3,h,w] -> stage1: conv 3x3, stride 2, 32 -> 64, 128, 128, 256, 256 channels
 *                 -> stage2: 512, six times -> stage3: 1024, twice -> mean over all positions -> fc
 *
 * After the first convolution there are pairs of a depthwise 3x3 and a 1x1 convolution; batch norm and the activation follow each.
 * The first pair of 128, of 256, of 512 and of 1024 channels halves the sides.
 */
#include "models/mobilenet/mobilenet.h"

#include <string.h>

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward_child(m, "stage3", tl_forward_child(m, "stage2", tl_forward_child(m, "stage1", x)));
    return tl_forward_child(m, "fc", tl_flatten(tl_forward_child(m, "avg", x), 1, -1));
}

static tl_module *activation(const struct tl_config *c)
{
    const char *name = tl_config_choice(c, "activation");
    if (strcmp(name, "relu6") == 0)
        return tl_nn_relu6();
    if (strcmp(name, "leaky-relu") == 0)
        return tl_nn_leaky_relu(tl_config_float(c, "slope"));
    return tl_nn_relu();
}

static void append_pair(tl_module *stage, const struct tl_config *c, int64_t in, int64_t out, int64_t stride)
{
    tl_module *m = tl_sequential_new();
    append_conv(m, in, in, 3, stride, in);
    tl_sequential_append(m, activation(c));
    append_conv(m, in, out, 1, 1, 1);
    tl_sequential_append(m, activation(c));
    tl_sequential_append(stage, m);
}

/* The paper's channels times the width; eight at least, as the paper's implementation has it. */
static int64_t channels(const struct tl_config *c, int64_t n)
{
    int64_t scaled = (int64_t)((double)n * tl_config_float(c, "width"));
    return scaled < 8 ? 8 : scaled;
}

static tl_module *build(const struct tl_config *c)
{
    static const struct {
        int stage;
        int64_t out, stride;
    } pairs[] = {{0, 64, 1},  {0, 128, 2}, {0, 128, 1}, {0, 256, 2}, {0, 256, 1},  {1, 512, 2}, {1, 512, 1},
                 {1, 512, 1}, {1, 512, 1}, {1, 512, 1}, {1, 512, 1}, {2, 1024, 2}, {2, 1024, 1}};
    static const char *const names[] = {"stage1", "stage2", "stage3"};
    tl_module *m = tl_module_from("MobileNetV1", forward, NULL), *stages[3] = {NULL}, *first = tl_sequential_new();
    for (int i = 0; i < 3; i++)
        stages[i] = tl_module_add(m, names[i], tl_sequential_new());
    append_conv(first, tl_config_int(c, "channels"), channels(c, 32), 3, 2, 1);
    tl_sequential_append(first, activation(c));
    tl_sequential_append(stages[0], first);
    int64_t in = channels(c, 32);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        append_pair(stages[pairs[i].stage], c, in, channels(c, pairs[i].out), pairs[i].stride);
        in = channels(c, pairs[i].out);
    }
    tl_module_add(m, "avg", tl_nn_adaptive_avg_pool2d(1, 1));
    tl_module_add(m, "fc", tl_nn_linear(in, tl_config_int(c, "classes")));
    return m;
}

static const char *const activations[] = {"relu", "relu6", "leaky-relu", NULL};
static const struct tl_plugin_option options[] = {
    MOBILENET_OPTIONS,
    {.name = "activation", .help = "function after each batch norm", .kind = TL_OPTION_CHOICE, .fallback = "relu", .choices = activations},
    {.name = "slope", .help = "what leaky-relu multiplies negative values by", .kind = TL_OPTION_FLOAT, .fallback = "0.1", .high = 1},
    {0},
};

static const struct tl_model_weights weights[] = {
    {.name = "mobilenetV1X0.25_imagenet.tar", .sha256 = "75c37f8d438b7c6aed2e6b310fd0540c40dabf0dd820770bd7082668dfd7c1c1",
     .options = "width=0.25,activation=leaky-relu",
     .note = "ImageNet, 1000 classes, width 0.25; from the RetinaFace repositories of biubug6 and m2man on GitHub"},
    {0},
};

const struct tl_model mobilenet_v1 = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "mobilenet_v1",
    .summary = "MobileNet, the first version, of any width",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .labels = imagenet_labels,
    .pictures = &imagenet_224,
};
