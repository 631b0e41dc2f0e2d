/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin of models for tests: first those with a flaw in their table, which must be left out by name; then those whose code
 * breaks its word; then one for each task that no installed model has.
 */
#include <telar/model.h>

static int shape(const struct tl_config *c, int64_t s[TL_MAX_DIMS])
{
    (void)c;
    s[0] = 4;
    return 1;
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "fc", x);
}

static tl_tensor *forward_flat(tl_module *m, tl_tensor *x, void *ctx)
{
    return tl_squeeze_dim(forward(m, x, ctx), 1);
}

static tl_module *dense(int64_t out)
{
    tl_module *m = tl_module_from("Dense", forward, NULL);
    tl_module_add(m, "fc", tl_nn_linear(4, out));
    return m;
}

static tl_module *build(const struct tl_config *c)
{
    (void)c;
    return dense(3);
}

static tl_module *build_one(const struct tl_config *c)
{
    (void)c;
    return dense(1);
}

static tl_module *build_four(const struct tl_config *c)
{
    (void)c;
    return dense(4);
}

static tl_module *build_flat(const struct tl_config *c)
{
    (void)c;
    tl_module *m = tl_module_from("Flat", forward_flat, NULL);
    tl_module_add(m, "fc", tl_nn_linear(4, 1));
    return m;
}

static tl_module *build_null(const struct tl_config *c)
{
    (void)c;
    return NULL;
}

static tl_module *build_wrong_kind(const struct tl_config *c)
{
    return dense((int64_t)tl_config_float(c, "out") + 3);
}

static tl_module *build_failing(const struct tl_config *c)
{
    (void)c;
    return dense(-3);
}

static tl_tensor *preprocess_null(const struct tl_config *c, tl_tensor *x)
{
    (void)c;
    (void)x;
    return NULL;
}

static tl_tensor *step_null(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c;
    (void)m;
    (void)batch;
    (void)n;
    return NULL;
}

/* Loss of its own: the mean of squared errors, times an option. */
static tl_tensor *step_scaled(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)n;
    return tl_mul_s(tl_mse_loss(tl_forward(m, batch[0]), batch[0]), tl_config_float(c, "scale"));
}

/* Tokens of a vocabulary of five. */
static int shape_tokens(const struct tl_config *c, int64_t s[TL_MAX_DIMS])
{
    (void)c;
    s[0] = 6;
    return 1;
}

static tl_module *build_tokens(const struct tl_config *c)
{
    int64_t vocabulary = tl_config_int(c, "vocabulary");
    tl_module *m = tl_sequential_new();
    tl_module_add(m, "0", tl_nn_embedding(vocabulary, 8));
    tl_module_add(m, "1", tl_nn_linear(8, vocabulary));
    return m;
}

static const struct tl_plugin_option out[] = {{.name = "out", .kind = TL_OPTION_INT, .fallback = "0", .high = 9}, {0}};
static const struct tl_plugin_option bad_default[] = {{.name = "out", .kind = TL_OPTION_INT, .fallback = "ten", .high = 9}, {0}};
static const struct tl_plugin_option bad_role[] = {{.name = "out", .kind = TL_OPTION_LIST, .role = TL_ROLE_CLASSES}, {0}};
static const struct tl_plugin_option scale[] = {{.name = "scale", .kind = TL_OPTION_FLOAT, .fallback = "1"}, {0}};
static const struct tl_plugin_option words[] = {
    {.name = "vocabulary", .kind = TL_OPTION_INT, .fallback = "2", .low = 1, .high = 100, .role = TL_ROLE_CLASSES}, {0}};
static const struct tl_plugin_option small[] = {
    {.name = "in", .kind = TL_OPTION_INT, .fallback = "4", .low = 1, .high = 5, .role = TL_ROLE_FEATURES},
    {.name = "more", .kind = TL_OPTION_INT, .fallback = "0"}, {0}};

/* The sum is that of the file "abc" that the test writes. */
static const struct tl_model_weights weights[] = {
    {.name = "abc", .url = "https://example.org/weights/abc.bin?raw=1", .note = "three bytes",
     .sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"},
    {.name = "first-digits", .url = "https://example.org/abc.bin", .sha256 = "ba7816bf"},
    {.name = "elsewhere", .url = "https://example.org/not-here.safetensors"},
    {0},
};

/* A megabyte whose bytes count from 0 to 250; a file without a sum; a sum without an address; an address that is no file's. */
static const struct tl_model_weights far[] = {
    {.name = "homeless", .sha256 = "ba7816bf", .note = "three bytes from somewhere"},
    {.name = "pattern", .url = "https://example.org/pattern.bin", .sha256 = "631b84027d6b9e52b539c4e8373622d23032dfadc64d60af87339c9037e4f769"},
    {.name = "unsummed", .url = "https://example.org/unsummed.bin"},
    {.name = "up", .url = "https://example.org/.."},
    {0},
};

static const struct tl_model_weights narrow[] = {{.name = "narrow", .url = "https://example.org/narrow.safetensors", .options = "in=3"}, {0}};
static const struct tl_model_weights seven_digits[] = {{.name = "seven", .sha256 = "ba7816b"}, {0}};

#define MODEL(variable, name_, tasks_, ...)                                                                                   \
    static const struct tl_model variable = {.struct_size = sizeof(struct tl_model), .tasks = tasks_, .name = name_, .summary = "for tests", \
                                             .input_shape = shape, __VA_ARGS__}

static const struct tl_model no_size = {.name = "no-size", .tasks = TL_CLASSIFY, .input_shape = shape, .build = build};
MODEL(no_build, "no-build", TL_CLASSIFY, .data = "wine");
MODEL(no_task, "no-task", 0, .build = build);
MODEL(new_task, "new-task", 1u << 20, .build = build);
MODEL(no_step, "no-step", TL_GENERATE, .build = build);
MODEL(default_, "default", TL_CLASSIFY, .build = build, .options = bad_default);
MODEL(role, "role", TL_CLASSIFY, .build = build, .options = bad_role);
MODEL(digest, "digest", TL_CLASSIFY, .build = build, .weights = seven_digits);
MODEL(no_update, "no-update", TL_CLASSIFY, .build = build, .metric = "KL");
MODEL(twin, "mnist-cnn", TL_CLASSIFY, .build = build);

static tl_tensor *null_update(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u)
{
    (void)c, (void)m, (void)batch, (void)n, (void)u;
    return NULL;
}

static tl_tensor *null_generate(const struct tl_config *c, tl_module *m, int64_t n)
{
    (void)c, (void)m, (void)n;
    return NULL;
}

static tl_tensor *thin_generate(const struct tl_config *c, tl_module *m, int64_t n)
{
    (void)c, (void)m;
    return tl_zeros(TL_SHAPE(n, 3), (struct tl_options){0});
}

MODEL(nothing, "nothing", TL_GENERATE, .build = build, .update = null_update, .generate = null_generate);
MODEL(thin, "thin", TL_GENERATE, .build = build, .update = null_update, .generate = thin_generate);
MODEL(null_build, "null-build", TL_CLASSIFY, .build = build_null);
MODEL(wrong_kind, "wrong-kind", TL_CLASSIFY, .build = build_wrong_kind, .options = out);
MODEL(failing, "failing", TL_CLASSIFY, .build = build_failing);
MODEL(null_preprocess, "null-preprocess", TL_CLASSIFY, .build = build, .preprocess = preprocess_null);
MODEL(null_step, "null-step", TL_CLASSIFY, .build = build, .step = step_null);
MODEL(tight, "tight", TL_CLASSIFY, .build = build, .options = small, .weights = narrow);

/* Weights that want other options and another form of pictures than the model has by itself; and an output of two inputs. */
static int shape_picture(const struct tl_config *c, int64_t s[TL_MAX_DIMS])
{
    (void)c;
    s[0] = 3, s[1] = s[2] = 4;
    return 3;
}

static tl_module *build_picture(const struct tl_config *c)
{
    tl_module *m = tl_sequential_new();
    tl_sequential_append(m, tl_nn_flatten());
    tl_sequential_append(m, tl_nn_linear(48, tl_config_int(c, "out")));
    return m;
}

static tl_tensor *forward_pair(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c;
    return n == 2 ? tl_sub(tl_forward(m, batch[0]), tl_forward(m, batch[1])) : NULL;
}

static const struct tl_picture_form own_form = {8, 4, {0, 0, 0}, {1, 1, 1}}, other_form = {6, 4, {0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
static const struct tl_plugin_option of_picture[] = {{.name = "out", .kind = TL_OPTION_INT, .fallback = "2", .low = 1, .high = 9},
                                                     {.name = "more", .kind = TL_OPTION_INT, .fallback = "0"}, {0}};
static const struct tl_model_weights of_form[] = {
    {.name = "wide", .url = "https://example.org/wide.safetensors", .options = "out=4,more=1", .pictures = &other_form},
    {.name = "plain", .url = "https://example.org/plain.safetensors"},
    {0},
};
static const struct tl_model formed = {.struct_size = sizeof(struct tl_model), .tasks = TL_CLASSIFY, .name = "formed", .input_shape = shape_picture,
                                       .build = build_picture, .options = of_picture, .weights = of_form, .pictures = &own_form};
MODEL(paired, "paired", TL_CLASSIFY, .build = build_picture, .options = of_picture, .forward = forward_pair);
/* A table of the first version: what lies behind it is not the host's business. */
static const struct tl_model early = {.struct_size = offsetof(struct tl_model, pictures), .tasks = TL_CLASSIFY, .name = "early", .input_shape = shape_picture,
                                      .build = build_picture, .options = of_picture, .pictures = &own_form, .forward = forward_pair};

MODEL(distant, "distant", TL_CLASSIFY, .build = build, .weights = far);
MODEL(three, "three", TL_CLASSIFY, .build = build, .weights = weights);
MODEL(one, "one", TL_REGRESS, .build = build_one);
MODEL(flat, "flat", TL_REGRESS, .build = build_flat);
MODEL(triple, "triple", TL_REGRESS, .build = build);
MODEL(again, "again", TL_RECONSTRUCT, .build = build_four);
MODEL(scaled, "scaled", TL_RECONSTRUCT, .build = build_four, .step = step_scaled, .options = scale);
static const struct tl_model tokens = {.struct_size = sizeof(struct tl_model), .tasks = TL_LANGUAGE, .name = "tokens",
                                       .input_shape = shape_tokens, .build = build_tokens, .options = words};

TL_MODEL_PLUGIN("crooked", "0", "models for tests", &no_size, &no_build, &no_task, &new_task, &no_step, &default_, &role, &digest, &no_update, &twin, &nothing, &thin, &null_build,
                &wrong_kind, &failing, &null_preprocess, &null_step, &tight, &distant, &three, &one, &flat, &triple, &again, &scaled, &tokens, &formed, &paired, &early);
