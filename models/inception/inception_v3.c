/* SPDX-License-Identifier: Apache-2.0
 *
 * inception_v3: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015, with torchvision's names and order of
 * random draws.
 *
 *     x [n,3,299,299] -> Conv2d_1a … 2b -> pool -> Conv2d_3b, 4a -> pool [n,192,35,35]
 *                     -> Mixed_5b … 5d (A) [n,288,35,35] -> Mixed_6a (B) -> Mixed_6b … 6e (C) [n,768,17,17]
 *                     -> Mixed_7a (D) -> Mixed_7b, 7c (E) [n,2048,8,8] -> mean over all positions -> dropout -> fc
 *
 * Large kernels are taken apart: 5x5 into two of 3x3, 7x7 into 1x7 and 7x1. In training an auxiliary classifier looks at what 6e gives, and
 * counts 0.4 of the loss. It needs 17 x 17 positions there, that is 299 x 299 pixels or a few less.
 */
#include "models/inception/inception.h"

/* ---- Modules -------------------------------------------------------------------------------------------------------- */

static tl_tensor *mean_pool(tl_tensor *x)
{
    return tl_avg_pool2d(x, .kernel = {3}, .stride = {1}, .padding = {1});
}

static tl_tensor *max_pool(tl_tensor *x)
{
    return tl_max_pool2d(x, .kernel = {3}, .stride = {2});
}

static tl_tensor *forward_a(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y[4] = {CHAIN(m, x, "branch1x1"), CHAIN(m, x, "branch5x5_1", "branch5x5_2"),
                       CHAIN(m, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), CHAIN(m, mean_pool(x), "branch_pool")};
    return tl_cat(4, y, 1);
}

static tl_module *build_a(int64_t in, int64_t pooled)
{
    const struct unit units[] = {{"branch1x1", 0, 64, 1, 1, 1, false},       {"branch5x5_1", 0, 48, 1, 1, 1, false},
                                 {"branch5x5_2", 48, 64, 5, 5, 1, false},    {"branch3x3dbl_1", 0, 64, 1, 1, 1, false},
                                 {"branch3x3dbl_2", 64, 96, 3, 3, 1, false}, {"branch3x3dbl_3", 96, 96, 3, 3, 1, false},
                                 {"branch_pool", 0, pooled, 1, 1, 1, false}, {0}};
    tl_module *m = tl_module_from("InceptionA", forward_a, NULL);
    add_units(m, in, units);
    return m;
}

static tl_tensor *forward_b(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y[3] = {CHAIN(m, x, "branch3x3"), CHAIN(m, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), max_pool(x)};
    return tl_cat(3, y, 1);
}

static tl_module *build_b(int64_t in)
{
    static const struct unit units[] = {{"branch3x3", 0, 384, 3, 3, 2, false},
                                        {"branch3x3dbl_1", 0, 64, 1, 1, 1, false},
                                        {"branch3x3dbl_2", 64, 96, 3, 3, 1, false},
                                        {"branch3x3dbl_3", 96, 96, 3, 3, 2, false},
                                        {0}};
    tl_module *m = tl_module_from("InceptionB", forward_b, NULL);
    add_units(m, in, units);
    return m;
}

static tl_tensor *forward_c(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y[4] = {CHAIN(m, x, "branch1x1"), CHAIN(m, x, "branch7x7_1", "branch7x7_2", "branch7x7_3"),
                       CHAIN(m, x, "branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"),
                       CHAIN(m, mean_pool(x), "branch_pool")};
    return tl_cat(4, y, 1);
}

static tl_module *build_c(int64_t in, int64_t inner)
{
    const struct unit units[] = {{"branch1x1", 0, 192, 1, 1, 1, false},
                                 {"branch7x7_1", 0, inner, 1, 1, 1, false},
                                 {"branch7x7_2", inner, inner, 1, 7, 1, false},
                                 {"branch7x7_3", inner, 192, 7, 1, 1, false},
                                 {"branch7x7dbl_1", 0, inner, 1, 1, 1, false},
                                 {"branch7x7dbl_2", inner, inner, 7, 1, 1, false},
                                 {"branch7x7dbl_3", inner, inner, 1, 7, 1, false},
                                 {"branch7x7dbl_4", inner, inner, 7, 1, 1, false},
                                 {"branch7x7dbl_5", inner, 192, 1, 7, 1, false},
                                 {"branch_pool", 0, 192, 1, 1, 1, false},
                                 {0}};
    tl_module *m = tl_module_from("InceptionC", forward_c, NULL);
    add_units(m, in, units);
    return m;
}

static tl_tensor *forward_d(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *y[3] = {CHAIN(m, x, "branch3x3_1", "branch3x3_2"),
                       CHAIN(m, x, "branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"), max_pool(x)};
    return tl_cat(3, y, 1);
}

static tl_module *build_d(int64_t in)
{
    static const struct unit units[] = {{"branch3x3_1", 0, 192, 1, 1, 1, false},     {"branch3x3_2", 192, 320, 3, 3, 2, false},
                                        {"branch7x7x3_1", 0, 192, 1, 1, 1, false},   {"branch7x7x3_2", 192, 192, 1, 7, 1, false},
                                        {"branch7x7x3_3", 192, 192, 7, 1, 1, false}, {"branch7x7x3_4", 192, 192, 3, 3, 2, false},
                                        {0}};
    tl_module *m = tl_module_from("InceptionD", forward_d, NULL);
    add_units(m, in, units);
    return m;
}

static tl_tensor *forward_e(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    tl_tensor *a = CHAIN(m, x, "branch3x3_1"), *b = CHAIN(m, x, "branch3x3dbl_1", "branch3x3dbl_2");
    tl_tensor *y[6] = {CHAIN(m, x, "branch1x1"),      CHAIN(m, a, "branch3x3_2a"),    CHAIN(m, a, "branch3x3_2b"),
                       CHAIN(m, b, "branch3x3dbl_3a"), CHAIN(m, b, "branch3x3dbl_3b"), CHAIN(m, mean_pool(x), "branch_pool")};
    return tl_cat(6, y, 1);
}

static tl_module *build_e(int64_t in)
{
    static const struct unit units[] = {{"branch1x1", 0, 320, 1, 1, 1, false},
                                        {"branch3x3_1", 0, 384, 1, 1, 1, false},
                                        {"branch3x3_2a", 384, 384, 1, 3, 1, false},
                                        {"branch3x3_2b", 384, 384, 3, 1, 1, false},
                                        {"branch3x3dbl_1", 0, 448, 1, 1, 1, false},
                                        {"branch3x3dbl_2", 448, 384, 3, 3, 1, false},
                                        {"branch3x3dbl_3a", 384, 384, 1, 3, 1, false},
                                        {"branch3x3dbl_3b", 384, 384, 3, 1, 1, false},
                                        {"branch_pool", 0, 192, 1, 1, 1, false},
                                        {0}};
    tl_module *m = tl_module_from("InceptionE", forward_e, NULL);
    add_units(m, in, units);
    return m;
}

static tl_tensor *forward_aux(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = CHAIN(m, tl_avg_pool2d(x, .kernel = {5}, .stride = {3}), "conv0", "conv1");
    return CHAIN(m, tl_flatten(tl_adaptive_avg_pool2d(x, 1, 1), 1, -1), "fc");
}

static tl_module *build_aux(int64_t in, int64_t classes)
{
    static const struct unit units[] = {{"conv0", 0, 128, 1, 1, 1, false}, {"conv1", 128, 768, 5, 5, 1, true}, {0}};
    tl_module *m = tl_module_from("InceptionAux", forward_aux, NULL);
    add_units(m, in, units);
    tl_module_add(m, "fc", tl_nn_linear(768, classes));
    return m;
}

/* ---- The network ------------------------------------------------------------------------------------------------------ */

/* The logits; those of the auxiliary head too, if aux is not NULL. */
static tl_tensor *logits(tl_module *m, tl_tensor *x, tl_tensor **aux)
{
    x = CHAIN(m, x, "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c",
              "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e");
    if (aux)
        *aux = tl_forward_child(m, "AuxLogits", x);
    x = CHAIN(m, x, "Mixed_7a", "Mixed_7b", "Mixed_7c", "avgpool", "dropout");
    return CHAIN(m, tl_flatten(x, 1, -1), "fc");
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
    tl_tensor *labels = batch[n - 1], *aux, *x = batch[0];
    if (!tl_config_bool(c, "aux") || !tl_is_training(m))
        return tl_cross_entropy(tl_forward(m, x), labels);
    tl_tensor *y = logits(m, tl_config_bool(c, "transform-input") ? transform_input(x) : x, &aux);
    return tl_add(tl_cross_entropy(y, labels), tl_mul_s(tl_cross_entropy(aux, labels), 0.4));
}

static tl_module *build(const struct tl_config *c)
{
    static const struct unit before[] = {{"Conv2d_1a_3x3", 0, 32, 3, 3, 2, false}, {"Conv2d_2a_3x3", 32, 32, 3, 3, 1, true},
                                         {"Conv2d_2b_3x3", 32, 64, 3, 3, 1, false}, {0}};
    static const struct unit between[] = {{"Conv2d_3b_1x1", 64, 80, 1, 1, 1, false}, {"Conv2d_4a_3x3", 80, 192, 3, 3, 1, true}, {0}};
    int64_t classes = tl_config_int(c, "classes");
    tl_module *m = tl_module_from("Inception3", tl_config_bool(c, "transform-input") ? forward_transformed : forward, NULL);
    add_units(m, tl_config_int(c, "channels"), before);
    tl_module_add(m, "maxpool1", tl_nn_max_pool2d(3, .stride = {2}));
    add_units(m, 0, between);
    tl_module_add(m, "maxpool2", tl_nn_max_pool2d(3, .stride = {2}));
    tl_module_add(m, "Mixed_5b", build_a(192, 32));
    tl_module_add(m, "Mixed_5c", build_a(256, 64));
    tl_module_add(m, "Mixed_5d", build_a(288, 64));
    tl_module_add(m, "Mixed_6a", build_b(288));
    tl_module_add(m, "Mixed_6b", build_c(768, 128));
    tl_module_add(m, "Mixed_6c", build_c(768, 160));
    tl_module_add(m, "Mixed_6d", build_c(768, 160));
    tl_module_add(m, "Mixed_6e", build_c(768, 192));
    if (tl_config_bool(c, "aux"))
        tl_module_add(m, "AuxLogits", build_aux(768, classes));
    tl_module_add(m, "Mixed_7a", build_d(768));
    tl_module_add(m, "Mixed_7b", build_e(1280));
    tl_module_add(m, "Mixed_7c", build_e(2048));
    tl_module_add(m, "avgpool", tl_nn_adaptive_avg_pool2d(1, 1));
    tl_module_add(m, "dropout", tl_nn_dropout(tl_config_float(c, "dropout")));
    tl_module_add(m, "fc", tl_nn_linear(2048, classes));
    return init_truncated(m, 0.1, "AuxLogits.fc", 0.001);
}

static const struct tl_plugin_option options[] = {
    INCEPTION_OPTIONS("299"),
    {.name = "dropout", .help = "chance of dropping each feature before the last layer while training", .kind = TL_OPTION_FLOAT, .fallback = "0.5",
     .high = 0.95},
    {0},
};

static const struct tl_model_weights weights[] = {
    {.name = "IMAGENET1K_V1", .url = "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth", .sha256 = "0cc3c7bd",
     .options = "transform-input", .note = "ImageNet, 1000 classes: 77.294 % right at the first guess, 93.450 % within five"},
    {0},
};

static const struct tl_picture_form pictures = {342, 299, TL_IMAGENET_SCALE};

const struct tl_model inception_v3 = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "inception_v3",
    .summary = "Inception, the third version",
    .options = options,
    .weights = weights,
    .input_shape = convnet_input_shape,
    .build = build,
    .step = step,
    .labels = imagenet_labels,
    .pictures = &pictures,
};
