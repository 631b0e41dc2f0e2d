/* SPDX-License-Identifier: Apache-2.0
 *
 * A template: a model plugin. Copy it, rename what is called "my", change the rest. docs/add-a-model.md walks through it.
 */
#include <stdio.h>
#include <telar/model.h>

/* ---- A block: two convolutions and a way around them. The names of children become names in weight files. ---- */

static tl_tensor *block_forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    /* No checks between the calls: after a failure NULL passes through all of them, with the first error. */
    tl_tensor *y = tl_relu(tl_forward_child(m, "bn1", tl_forward_child(m, "conv1", x)));
    y = tl_forward_child(m, "bn2", tl_forward_child(m, "conv2", y));
    return tl_relu(tl_add(y, tl_forward_child(m, "shortcut", x)));
}

static tl_module *block_new(int64_t in, int64_t out, int64_t stride)
{
    bool same = stride == 1 && in == out;
    tl_module *m = tl_module_from("MyBlock", block_forward, NULL);
    /* One statement a layer: each draws its initial weights when it is made, so their order decides what a seed gives. */
    tl_module_add(m, "conv1", tl_nn_conv2d(in, out, 3, .stride = {stride}, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn1", tl_nn_batch_norm2d(out));
    tl_module_add(m, "conv2", tl_nn_conv2d(out, out, 3, .padding = {1}, .no_bias = true));
    tl_module_add(m, "bn2", tl_nn_batch_norm2d(out));
    tl_module_add(m, "shortcut", same ? tl_nn_identity() : tl_nn_conv2d(in, out, 1, .stride = {stride}, .no_bias = true));
    return m;
}

/* ---- The network ---- */

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward_child(m, "blocks", x);
    x = tl_flatten(tl_adaptive_avg_pool2d(x, 1, 1), 1, -1);
    return tl_forward_child(m, "fc", x); /* logits: the loss applies softmax */
}

static tl_module *build(const struct tl_config *c)
{
    int64_t width = tl_config_int(c, "width"), depth = tl_config_int(c, "depth"), in = tl_config_int(c, "channels");
    tl_module *m = tl_module_from("MyResNet", forward, NULL);
    tl_module *blocks = tl_module_add(m, "blocks", tl_sequential_new());
    for (int64_t i = 0; i < depth; i++, in = width) {
        char name[24];
        snprintf(name, sizeof name, "%d", (int)i);
        tl_module_add(blocks, name, block_new(in, width, i > 0 && i == depth / 2 ? 2 : 1));
    }
    tl_module_add(m, "fc", tl_nn_linear(width, tl_config_int(c, "classes")));
    return m; /* if an addition failed, an error is set, and the host frees m and reports it */
}

/* Of one sample. The host brings batches into this shape, so no preprocess is needed here. */
static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "channels");
    shape[1] = tl_config_int(c, "rows");
    shape[2] = tl_config_int(c, "columns");
    return 3;
}

/* Options with a role take their value from the data set, unless the user sets them. */
static const struct tl_plugin_option options[] = {
    {.name = "width", .help = "channels of every block", .kind = TL_OPTION_INT, .fallback = "16", .low = 1, .high = 1024},
    {.name = "depth", .help = "blocks; the middle one halves the picture", .kind = TL_OPTION_INT, .fallback = "3", .low = 1, .high = 100},
    {.name = "channels", .help = "of the pictures", .kind = TL_OPTION_INT, .fallback = "1", .low = 1, .high = 64,
     .role = TL_ROLE_CHANNELS},
    {.name = "rows", .help = "of the pictures", .kind = TL_OPTION_INT, .fallback = "8", .low = 4, .high = 4096, .role = TL_ROLE_HEIGHT},
    {.name = "columns", .help = "of the pictures", .kind = TL_OPTION_INT, .fallback = "8", .low = 4, .high = 4096,
     .role = TL_ROLE_WIDTH},
    {.name = "classes", .help = "outputs", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 100000, .role = TL_ROLE_CLASSES},
    {0},
};

static const struct tl_model my_resnet = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "my-resnet",
    .summary = "a small residual network for pictures",
    .options = options,
    .data = "digits",
    .input_shape = input_shape,
    .build = build,
};

/* The first word is the file's name without .so. Further models follow the first, with commas between. */
TL_MODEL_PLUGIN("my-models", "1.0", "my models: my-resnet", &my_resnet);
