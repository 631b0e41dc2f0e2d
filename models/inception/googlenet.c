/* SPDX-License-Identifier: Apache-2.0
 *
 * googlenet: Szegedy et al., "Going deeper with convolutions", 2014, with torchvision's names and order of random draws: batch norm after each
 * convolution, and 3x3 kernels where the paper has 5x5.
 *
 *     x [n,3,h,w] -> conv1 7x7, stride 2 -> pool -> conv2 1x1 -> conv3 3x3 -> pool
 *                 -> inception3a, 3b -> pool -> inception4a … 4e -> pool -> inception5a, 5b [n,1024,h/32,w/32]
 *                 -> mean over all positions -> dropout -> fc
 *
 * In training two small classifiers look at what 4a and 4d give, and count 0.3 of the loss each: gradients reach the first layers by
 * a shorter way.
 */
#include "models/inception/inception.h"

/* ---- Modules -------------------------------------------------------------------------------------------------------- */

static tl_tensor *forward_module(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y[4] = {CHAIN(m, x, "branch1"), CHAIN(m, x, "branch2"), CHAIN(m, x, "branch3"), CHAIN(m, x, "branch4")};
    return tl_cat(4, y, 1);
}

struct widths {
    int64_t one, reduce_a, a, reduce_b, b, pool; /* channels of the branches, and those that the middle ones first reduce to */
};

static tl_module *build_reduced(int64_t in, int64_t reduced, int64_t out)
{
    tl_module *m = tl_sequential_new();
    tl_sequential_append(m, build_unit(in, reduced, 1, 1, 1, 0, 0));
    tl_sequential_append(m, build_unit(reduced, out, 3, 3, 1, 1, 1));
    return m;
}

static tl_module *build_module(int64_t in, struct widths w)
{
    tl_module *m = tl_module_from("Inception", forward_module, NULL), *pooled = tl_sequential_new();
    tl_module_add(m, "branch1", build_unit(in, w.one, 1, 1, 1, 0, 0));
    tl_module_add(m, "branch2", build_reduced(in, w.reduce_a, w.a));
    tl_module_add(m, "branch3", build_reduced(in, w.reduce_b, w.b));
    tl_sequential_append(pooled, tl_nn_max_pool2d(3, .stride = {1}, .padding = {1}, .ceil_mode = true));
    tl_sequential_append(pooled, build_unit(in, w.pool, 1, 1, 1, 0, 0));
    tl_module_add(m, "branch4", pooled);
    return m;
}

static tl_tensor *forward_aux(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_flatten(CHAIN(m, tl_adaptive_avg_pool2d(x, 4, 4), "conv"), 1, -1);
    return CHAIN(m, tl_relu(CHAIN(m, x, "fc1")), "dropout", "fc2");
}

static tl_module *build_aux(const struct tl_config *c, int64_t in)
{
    tl_module *m = tl_module_from("InceptionAux", forward_aux, NULL);
    tl_module_add(m, "conv", build_unit(in, 128, 1, 1, 1, 0, 0));
    tl_module_add(m, "fc1", tl_nn_linear(128 * 4 * 4, 1024));
    tl_module_add(m, "fc2", tl_nn_linear(1024, tl_config_int(c, "classes")));
    tl_module_add(m, "dropout", tl_nn_dropout(tl_config_float(c, "dropout-aux")));
    return m;
}

/* ---- The network ------------------------------------------------------------------------------------------------------ */

/* The logits; those of the auxiliary heads too, if aux is not NULL. */
static tl_tensor *logits(tl_module *m, tl_tensor *x, tl_tensor **aux)
{
    x = CHAIN(m, x, "conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3", "inception4a");
    if (aux)
        aux[0] = tl_forward_child(m, "aux1", x);
    x = CHAIN(m, x, "inception4b", "inception4c", "inception4d");
    if (aux)
        aux[1] = tl_forward_child(m, "aux2", x);
    x = CHAIN(m, x, "inception4e", "maxpool4", "inception5a", "inception5b", "avgpool");
    return CHAIN(m, tl_flatten(x, 1, -1), "dropout", "fc");
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return logits(m, x, NULL);
}

static tl_tensor *forward_transformed(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return logits(m, transform_input(x), NULL);
}

static tl_tensor *step(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    tl_tensor *labels = batch[n - 1], *aux[2], *x = batch[0];
    if (!tl_config_bool(c, "aux") || !tl_is_training(m))
        return tl_cross_entropy(tl_forward(m, x), labels);
    tl_tensor *y = logits(m, tl_config_bool(c, "transform-input") ? transform_input(x) : x, aux);
    tl_tensor *aux_loss = tl_add(tl_cross_entropy(aux[0], labels), tl_cross_entropy(aux[1], labels));
    return tl_add(tl_cross_entropy(y, labels), tl_mul_s(aux_loss, 0.3));
}

static tl_module *build(const struct tl_config *c)
{
    static const struct {
        const char *name;
        int64_t in;
        struct widths w;
    } modules[] = {{"inception3a", 192, {64, 96, 128, 16, 32, 32}},     {"inception3b", 256, {128, 128, 192, 32, 96, 64}},
                   {"inception4a", 480, {192, 96, 208, 16, 48, 64}},    {"inception4b", 512, {160, 112, 224, 24, 64, 64}},
                   {"inception4c", 512, {128, 128, 256, 24, 64, 64}},   {"inception4d", 512, {112, 144, 288, 32, 64, 64}},
                   {"inception4e", 528, {256, 160, 320, 32, 128, 128}}, {"inception5a", 832, {256, 160, 320, 32, 128, 128}},
                   {"inception5b", 832, {384, 192, 384, 48, 128, 128}}};
    tl_module *m = tl_module_from("GoogLeNet", tl_config_bool(c, "transform-input") ? forward_transformed : forward, NULL);
    tl_module_add(m, "conv1", build_unit(tl_config_int(c, "channels"), 64, 7, 7, 2, 3, 3));
    tl_module_add(m, "maxpool1", tl_nn_max_pool2d(3, .stride = {2}, .ceil_mode = true));
    tl_module_add(m, "conv2", build_unit(64, 64, 1, 1, 1, 0, 0));
    tl_module_add(m, "conv3", build_unit(64, 192, 3, 3, 1, 1, 1));
    tl_module_add(m, "maxpool2", tl_nn_max_pool2d(3, .stride = {2}, .ceil_mode = true));
    for (int i = 0; i < 9; i++) {
        tl_module_add(m, modules[i].name, build_module(modules[i].in, modules[i].w));
        if (i == 1)
            tl_module_add(m, "maxpool3", tl_nn_max_pool2d(3, .stride = {2}, .ceil_mode = true));
        if (i == 6)
            tl_module_add(m, "maxpool4", tl_nn_max_pool2d(2, .stride = {2}, .ceil_mode = true));
    }
    if (tl_config_bool(c, "aux")) {
        tl_module_add(m, "aux1", build_aux(c, 512));
        tl_module_add(m, "aux2", build_aux(c, 528));
    }
    tl_module_add(m, "avgpool", tl_nn_adaptive_avg_pool2d(1, 1));
    tl_module_add(m, "dropout", tl_nn_dropout(tl_config_float(c, "dropout")));
    tl_module_add(m, "fc", tl_nn_linear(1024, tl_config_int(c, "classes")));
    return init_truncated(m, 0.01, NULL, 0);
}

static const struct tl_plugin_option options[] = {
    INCEPTION_OPTIONS("224"),
    {.name = "dropout", .help = "chance of dropping each feature before the last layer while training", .kind = TL_OPTION_FLOAT, .fallback = "0.2",
     .high = 0.95},
    {.name = "dropout-aux", .help = "the same in the auxiliary heads", .kind = TL_OPTION_FLOAT, .fallback = "0.7", .high = 0.95},
    {0},
};

static const struct tl_model_weights weights[] = {
    {.name = "IMAGENET1K_V1", .url = "https://download.pytorch.org/models/googlenet-1378be20.pth", .sha256 = "1378be20", .options = "transform-input",
     .note = "ImageNet, 1000 classes: 69.778 % right at the first guess, 89.530 % within five; the auxiliary heads are not trained"},
    {0},
};

const struct tl_model googlenet = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "googlenet",
    .summary = "GoogLeNet, the first Inception network",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .step = step,
    .labels = imagenet_labels,
    .pictures = &imagenet_224,
};
