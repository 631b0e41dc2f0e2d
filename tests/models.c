/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks for pictures against torchvision: names and shapes of their state, parameters and multiply-adds in full size; and outputs of
 * narrow ones after the same seed. Numbers: tests/golden/make_models.py.
 */
#include <telar/nn.h>

#include <telar/registry.h>

#include "files.h"
#include "golden.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

static void has_shape(FILE *f, const tl_state *state, const char *model)
{
    char key[160], want[120], came[120] = "";
    golden_word(f, key, sizeof key);
    int ndim = (int)golden_integer(f), used = 0;
    tl_tensor *t = tl_state_get(state, key);
    tl_error_clear();
    *want = 0;
    for (int i = 0; i < ndim; i++)
        used += snprintf(want + used, sizeof want - (size_t)used, " %lld", (long long)golden_integer(f));
    used = 0;
    for (int i = 0; t && i < tl_ndim(t); i++)
        used += snprintf(came + used, sizeof came - (size_t)used, " %lld", (long long)tl_shape(t)[i]);
    if (!t || strcmp(want, came) != 0)
        fail("%s: %s is%s%s, not%s", model, key, t ? "" : " not there", came, want);
}

static void test_names(void)
{
    FILE *f = golden_open("models_names.txt");
    char word[64], model[64];
    while (golden_word(f, word, sizeof word) && strcmp(word, "model") == 0 && golden_word(f, model, sizeof model)) {
        int64_t entries = golden_integer(f), parameters = golden_integer(f), multiply_adds = golden_integer(f), shape[4] = {1};
        for (int i = 1; i < 4; i++)
            shape[i] = golden_integer(f);
        tl_module *m = tl_model_build(model, NULL);
        check(m != NULL, "%s: built: %s", model, tl_error_message());
        tl_state *state = tl_module_state(m);
        is_int(tl_state_count(state), entries, "%s: entries of its state", model);
        for (int64_t i = 0; i < entries; i++)
            has_shape(f, state, model);
        tl_state_free(state);
        is_int(tl_module_parameter_count(m), parameters, "%s: parameters", model);
        tl_summary *s = tl_summarize(m, 4, shape);
        is_int(tl_summary_totals(s).multiply_adds, multiply_adds, "%s: multiply-adds", model);
        tl_summary_free(s);
        tl_module_free(m);
        tl_error_clear();
    }
    fclose(f);
}

/* t over the number that comes next in the file, and the numbers after that. */
static void golden_scaled(FILE *f, tl_tensor *t, double tolerance, const char *what)
{
    golden_tensor(f, tl_div_s(t, golden_number(f)), tolerance, what);
}

/* In evaluation the outputs of both inputs, in training the difference between them, which no bias can make. */
static void test_numbers(void)
{
    FILE *f = golden_open("models_numbers.txt");
    char model[64], options[120], what[200];
    while (golden_word(f, model, sizeof model) && golden_word(f, options, sizeof options)) {
        int64_t entries = golden_integer(f), shape[4] = {2};
        for (int i = 1; i < 4; i++)
            shape[i] = golden_integer(f);
        tl_manual_seed(0);
        tl_module *m = tl_model_build(model, strcmp(options, "-") == 0 ? NULL : options);
        tl_state *state = tl_module_state(m);
        is_int(tl_state_count(state), entries, "%s %s: entries of its state", model, options);
        tl_state_free(state);
        TL_NO_GRAD TL_SCOPE {
            tl_tensor *x = tl_rand(4, shape, (struct tl_options){0});
            tl_eval(m);
            snprintf(what, sizeof what, "%s %s: outputs", model, options);
            golden_scaled(f, tl_forward(m, x), 1e-4, what);
            tl_train(m);
            tl_tensor *y = tl_forward(m, x);
            snprintf(what, sizeof what, "%s %s: in training", model, options);
            double apart = golden_number(f); /* PyTorch's f32 from its f64 */
            golden_scaled(f, tl_sub(tl_select(y, 0, 0), tl_select(y, 0, 1)), 1e-4 + 4 * apart, what);
        }
        if (tl_error_code() != TL_OK)
            diag("%s: %s", model, tl_error_message());
        tl_error_clear();
        tl_module_free(m);
    }
    fclose(f);
}

static size_t without_gradient(tl_module *m)
{
    size_t n = tl_module_parameter_list(m, NULL, 0), without = 0;
    tl_tensor **list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < (list ? tl_module_parameter_list(m, list, n) : 0); i++)
        without += tl_is_none(tl_grad_of(list[i]));
    free(list);
    return without;
}

/* One step of training on small pictures lowers the loss on them, and every parameter has a gradient. */
static void trains(const char *model, const char *options, int64_t side)
{
    double losses[2] = {0, 0};
    tl_manual_seed(1);
    tl_module *m = tl_model_build(model, options);
    tl_optimizer *sgd = tl_sgd(m, 0.01);
    size_t without = 0;
    TL_SCOPE {
        tl_tensor *x = tl_rand(TL_SHAPE(4, 3, side, side), (struct tl_options){0}), *labels = tl_zeros(TL_SHAPE(4), (struct tl_options){.dtype = TL_I64});
        for (int i = 0; i < 2; i++)
            TL_SCOPE {
                tl_tensor *loss = tl_cross_entropy(tl_forward(m, x), labels);
                losses[i] = loss ? tl_item(loss) : NAN;
                if (i == 0 && tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) == TL_OK)
                    tl_optimizer_step(sgd);
            }
        without = without_gradient(m);
    }
    check(losses[1] < losses[0] && losses[0] < 20, "%s: one step takes the loss from %g to %g %s", model, losses[0], losses[1], tl_error_message());
    is_int(without, 0, "%s: parameters without a gradient", model);
    tl_error_clear();
    tl_optimizer_free(sgd);
    tl_module_free(m);
}

/* The loss of a model's own step, in training; and that it is the plain one in evaluation. */
static void test_losses(void)
{
    FILE *f = golden_open("models_losses.txt");
    char model[64], options[120];
    while (golden_word(f, model, sizeof model) && golden_word(f, options, sizeof options)) {
        int64_t side = golden_integer(f);
        double want = golden_number(f);
        char all[160];
        snprintf(all, sizeof all, "%s,classes=10", options);
        const struct tl_model *table = tl_model_find(model);
        struct tl_config *c = tl_model_configure(table, all);
        tl_manual_seed(0);
        tl_module *m = tl_model_build_with(table, c);
        TL_SCOPE {
            tl_tensor *batch[2] = {tl_rand(TL_SHAPE(2, 3, side, side), (struct tl_options){0}), tl_tensor_i64(TL_SHAPE(2), 3, 7)};
            tl_tensor *loss = m && table->step ? table->step(c, m, batch, 2) : NULL;
            is_float(loss ? tl_item(loss) : NAN, want, 1e-4, "%s: loss with auxiliary heads", model);
            tl_backward(loss, TL_NONE, (struct tl_backward_options){0});
            is_int(without_gradient(m), 0, "%s: parameters without a gradient", model);
            tl_eval(m);
            TL_NO_GRAD {
                tl_tensor *plain = tl_cross_entropy(tl_forward(m, batch[0]), batch[1]), *evaluated = table->step(c, m, batch, 2);
                ok(plain && evaluated && tl_item(plain) == tl_item(evaluated), "%s: loss in evaluation", model);
            }
        }
        if (tl_error_code() != TL_OK)
            diag("%s: %s", model, tl_error_message());
        tl_error_clear();
        tl_module_free(m);
        tl_config_free(c);
    }
    fclose(f);
}

/* Values of six and more are too rare for the numbers above to tell relu6 from relu. */
static void counts(const char *model, const char *options, const char *layer, int want)
{
    tl_module *m = tl_model_build(model, options);
    char *text = tl_module_to_string(m);
    int n = 0;
    for (const char *at = text; at && (at = strstr(at, layer)); at++)
        n++;
    is_int(n, want, "%s %s: layers %s", model, options, layer);
    free(text);
    tl_module_free(m);
    tl_error_clear();
}

static void test_activations(void)
{
    counts("mobilenet_v1", "width=0.1,activation=relu6", "ReLU6()", 27);
    counts("mobilenet_v1", "width=0.1,activation=relu", "ReLU()", 27);
    counts("mobilenet_v1", "width=0.1,activation=leaky-relu,slope=0.2", "LeakyReLU(negative_slope=0.2)", 27);
    counts("mobilenet_v2", "width=0.1", "ReLU6()", 35);
}

/* What `telar predict` says of a picture, with weights that were saved without notes of where they come from. */
static const char *predict(const char *options)
{
    static char said[2000];
    char command[1600], path[400];
    tl_module *m = tl_model_build("mobilenet_v1", options);
    snprintf(path, sizeof path, "%s", files_name("mobilenet.safetensors"));
    ok(tl_module_save(m, path) == TL_OK, "weights of mobilenet_v1 %s: saved", options);
    tl_module_free(m);
    snprintf(command, sizeof command, "'%s/cli/telar' predict mobilenet_v1 -o %s --weights '%s' '%s/tests/golden/pictures/birds/rgb.png' 2>&1", TEST_BUILDDIR,
             options, path, TEST_SRCDIR);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(said, 1, sizeof said - 1, f) : 0;
    said[n] = 0;
    if (f)
        pclose(f);
    const char *name = strstr(said, "rgb.png: ");
    return name ? name + strlen("rgb.png: ") : said;
}

static void test_labels(void)
{
    const struct tl_model *m = tl_model_find("resnet18");
    int n = 0;
    while (m && m->labels && m->labels[n])
        n++;
    is_int(n, 1000, "ImageNet's classes");
    is_string(n == 1000 ? m->labels[207] : NULL, "golden retriever", "number 207");
    is_string(n == 1000 ? m->labels[999] : NULL, "toilet tissue", "the last");
    if (!tl_plugin_open("data", "folder", TL_DATA_ABI)) {
        tl_error_clear();
        skip(4, "the data plugin folder is not built: pictures were NOT predicted");
        return;
    }
    const char *said = predict("width=0.01,input-height=32,input-width=32");
    ok(strchr("0123456789", said[0]) == NULL, "a network of 1000 classes names them: %.60s", said);
    said = predict("width=0.01,input-height=32,input-width=32,classes=3");
    ok(said[0] >= '0' && said[0] <= '2', "one of three classes does not: %.60s", said);
}

static void test_scale(void)
{
    TL_SCOPE {
        const struct tl_model *m = tl_model_find("resnet18");
        struct tl_config *three = tl_model_configure(m, "input-height=2,input-width=1"), *one = tl_model_configure(m, "channels=1,input-height=1,input-width=1"),
                         *two = tl_model_configure(m, "channels=2,input-height=1,input-width=1");
        tl_tensor *x = tl_model_preprocess(m, three, tl_tensor_f32(TL_SHAPE(1, 3, 2, 1), 0.485f, 1, 0.456f, 1, 0, 0.406f));
        const float *v = tl_data(x);
        ok(v && v[0] == 0 && fabsf(v[1] - 0.515f / 0.229f) < 1e-6f && fabsf(v[3] - 0.544f / 0.224f) < 1e-6f && fabsf(v[4] + 0.406f / 0.225f) < 1e-6f && v[5] == 0,
           "pictures are scaled by ImageNet's mean and deviation");
        x = tl_model_preprocess(m, one, tl_tensor_f32(TL_SHAPE(2, 1, 1, 1), 0.449f, 1));
        v = tl_data(x);
        ok(v && fabsf(v[0]) < 1e-6f && fabsf(v[1] - 0.551f / 0.226f) < 1e-5f, "grey ones by the averages");
        x = tl_model_preprocess(m, two, tl_tensor_f32(TL_SHAPE(1, 2, 1, 1), 0.25f, 1));
        v = tl_data(x);
        ok(v && v[0] == 0.25f && v[1] == 1, "others not at all");
        tl_config_free(three);
        tl_config_free(one);
        tl_config_free(two);
        tl_error_clear();
    }
}

int main(void)
{
    files_begin("models");
    test_scale();
    test_labels();
    test_activations();
    test_names();
    test_numbers();
    /* Batch norms over two pictures double the difference that Winograd's rounding makes, layer by layer. */
    tl_set_math(TL_MATH_STRICT);
    test_losses();
    tl_set_math(TL_MATH_DEFAULT);
    trains("resnet18", "classes=4,width=8", 32);
    trains("resnet50", "classes=4,width=8", 40);
    trains("vgg11", "classes=4,width=8,hidden=32,dropout=0", 32);
    trains("vgg16_bn", "classes=4,width=8,hidden=32,dropout=0", 32);
    trains("alexnet", "classes=4,hidden=32,dropout=0", 64);
    trains("squeezenet1_1", "classes=4,dropout=0", 32);
    trains("mobilenet_v1", "classes=4,width=0.25,activation=relu6", 32);
    trains("mobilenet_v2", "classes=4,width=0.25,dropout=0", 32);
    trains("googlenet", "classes=4,aux=no,dropout=0", 32);
    trains("inception_v3", "classes=4,aux=no,dropout=0", 96);
    trains("xception", "classes=4", 48);
    trains("resnet20", "classes=4,width=8", 16);
    files_end();
    return done_testing();
}
