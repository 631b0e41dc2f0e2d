/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of models, options as text, the families that are installed, and summaries.
 */
#include <telar/model.h>

#include "tests/tap.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

static void test_registry(void)
{
    const struct tl_model *list[64];
    size_t n = tl_models(list, 64);
    ok(n >= 4, "models: at least four (%zu)", n);
    const char *names[] = {"digits-cnn", "lenet", "lenet5", "mnist-cnn", "mlp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tl_model *m = tl_model_find(names[i]);
        ok(m && strcmp(m->name, names[i]) == 0 && m->summary, "models: there is %s", names[i]);
    }
    check(!tl_model_find("lennet") && tl_error_code() == TL_ERR_NOT_FOUND && strstr(tl_error_message(), "\"lenet\""),
       "models: a misspelt name: %s", tl_error_message());
    tl_error_clear();
    check(!tl_model_find(NULL) && tl_error_code() == TL_ERR_ARGUMENT, "models: no name: %s", tl_error_message());
    tl_error_clear();
}

static void refused(const char *model, const char *options, tl_status code, const char *words)
{
    struct tl_config *c = tl_model_configure(tl_model_find(model), options);
    check(!c && tl_error_code() == code && strstr(tl_error_message(), words), "options: %s %s: %s", model, options, tl_error_message());
    tl_error_clear();
    tl_config_free(c);
}

static void test_options(void)
{
    const struct tl_model *mlp = tl_model_find("mlp");
    struct tl_config *c = tl_model_configure(mlp, NULL);
    int64_t hidden[8] = {0};
    ok(c && tl_config_int(c, "in") == 64 && tl_config_list(c, "hidden", hidden, 8) == 2 && hidden[0] == 128 && hidden[1] == 64,
       "options: defaults");
    tl_config_free(c);
    c = tl_model_configure(mlp, "hidden=3:4:5,activation=tanh,dropout=0.5");
    ok(c && tl_config_list(c, "hidden", hidden, 8) == 3 && hidden[2] == 5 && tl_config_float(c, "dropout") == 0.5 &&
           strcmp(tl_config_choice(c, "activation"), "tanh") == 0, "options: set");
    tl_config_free(c);
    c = tl_model_configure(mlp, "hidden=");
    ok(c && tl_config_list(c, "hidden", hidden, 8) == 0, "options: an empty list");
    tl_config_free(c);
    c = tl_model_configure(tl_model_find("mnist-cnn"), "relu-output");
    ok(c && tl_config_bool(c, "relu-output"), "options: a bare name switches on");
    tl_config_free(c);
    refused("mlp", "hiden=3", TL_ERR_NOT_FOUND, "\"hidden\"");
    refused("mlp", "in=0", TL_ERR_ARGUMENT, "1 to");
    refused("mlp", "in=three", TL_ERR_ARGUMENT, "whole number");
    refused("mlp", "in=99999999999999999999999", TL_ERR_ARGUMENT, "1 to");
    refused("mlp", "in", TL_ERR_ARGUMENT, "needs a value");
    refused("mlp", "hidden=3:x", TL_ERR_ARGUMENT, "whole number");
    refused("mlp", "hidden=3::4", TL_ERR_ARGUMENT, "colons");
    refused("mlp", "dropout=nan", TL_ERR_ARGUMENT, "0 to 0.95");
    refused("mlp", "dropout=half", TL_ERR_ARGUMENT, "a number");
    refused("mlp", "activation=rellu", TL_ERR_ARGUMENT, "did you mean relu");
    refused("mnist-cnn", "relu-output=perhaps", TL_ERR_ARGUMENT, "yes or no");
    refused("lenet", "input=30", TL_ERR_ARGUMENT, "28, 32");
}

static void has_shape(tl_tensor *t, int64_t a, int64_t b, const char *what)
{
    check(t && tl_ndim(t) == 2 && tl_size(t, 0) == a && tl_size(t, 1) == b, "%s: %s", what, tl_error_message());
    tl_error_clear();
}

static void test_models(void)
{
    static const struct {
        const char *name, *options;
        int64_t parameters, outputs;
        const char *parameter;
    } cases[] = {{"lenet", "input=32", 61706, 10, "fc1.weight"},
                 {"lenet", "input=28", 61706, 10, "conv2.bias"},
                 {"lenet5", "input=32", 61706, 10, "convnet.c5.weight"},
                 {"mnist-cnn", "", 320 + 9248 + 578 + 10050 + 510, 10, "linear2.weight"},
                 {"mnist-cnn", "relu-output=yes", 20706, 10, "conv3.bias"},
                 {"digits-cnn", "", -1, 10, "bn3.running_var"},
                 {"mlp", "in=13,hidden=32,out=3", 13 * 32 + 32 + 32 * 3 + 3, 3, "2.weight"},
                 {"sequence-classifier", "", 4 * 64 * (8 + 64 + 2) + 650, 10, "rnn.weight_hh_l0"},
                 {"sequence-classifier", "cell=gru,bidirectional,steps=5,features=3", 2 * 3 * 64 * (3 + 64 + 2) + 1290, 10, "rnn.bias_ih_l0_reverse"},
                 {"mlp", "in=13,hidden=,out=3", 13 * 3 + 3, 3, "0.bias"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        TL_SCOPE {
            const struct tl_model *m = tl_model_find(cases[i].name);
            struct tl_config *c = tl_model_configure(m, cases[i].options);
            tl_module *net = tl_model_build(cases[i].name, cases[i].options);
            int64_t shape[TL_MAX_DIMS + 1] = {2};
            int ndim = m->input_shape(c, shape + 1);
            tl_eval(net);
            has_shape(tl_forward(net, tl_model_preprocess(m, c, tl_zeros(ndim + 1, shape, (struct tl_options){0}))), 2, cases[i].outputs,
                      cases[i].name);
            int64_t n = tl_module_parameter_count(net);
            ok(cases[i].parameters < 0 || n == cases[i].parameters, "%s %s: %lld parameters", cases[i].name, cases[i].options,
               (long long)n);
            ok(tl_module_get(net, cases[i].parameter) != NULL, "%s: there is %s", cases[i].name, cases[i].parameter);
            tl_error_clear();
            check(!tl_model_preprocess(m, c, tl_zeros(TL_SHAPE(2, 7), (struct tl_options){0})) && tl_error_code() == TL_ERR_SHAPE,
               "%s: input of another size: %s", cases[i].name, tl_error_message());
            tl_error_clear();
            tl_config_free(c);
            tl_module_free(net);
        }
}

static void test_summary(void)
{
    tl_module *net = tl_model_build("lenet", "input=32");
    tl_summary *s = tl_summarize(net, TL_SHAPE(2, 1, 32, 32));
    struct tl_summary_totals t = tl_summary_totals(s);
    check(s && tl_summary_count(s) == 6, "summary: the root and five layers (%zu): %s", tl_summary_count(s), tl_error_message());
    ok(t.parameters == 61706 && t.trainable == 61706, "summary: parameters");
    const int64_t expected = 2 * (28 * 28 * 150 + 10 * 10 * 2400 + 400 * 120 + 120 * 84 + 84 * 10);
    ok(t.multiply_adds == expected, "summary: multiply-adds (%lld, expected %lld)", (long long)t.multiply_adds, (long long)expected);
    const struct tl_summary_row *r = tl_summary_at(s, 2);
    ok(r && strcmp(r->name, "conv2") == 0 && strcmp(r->kind, "Conv2d") == 0 && r->depth == 1 && r->ndim == 4 && r->shape[1] == 16 &&
           r->parameters == 2416, "summary: a row");
    char *text = tl_summary_to_string(s);
    ok(text && strstr(text, "61,706") && strstr(text, "[2, 16, 10, 10]"), "summary: as text");
    free(text);
    tl_summary_free(s);
    check(!tl_summarize(net, TL_SHAPE(2, 3, 32, 32)) && tl_error_code() != TL_OK &&
              strncmp(tl_error_message(), "conv1: Conv2d, given [2 x 3 x 32 x 32]: ", 40) == 0, "summary: input of another shape: %s", tl_error_message());
    tl_error_clear();
    s = tl_summarize_partly(net, TL_SHAPE(2, 1, 36, 32));
    check(s && tl_error_code() == TL_ERR_SHAPE && strncmp(tl_error_message(), "fc1: Linear, given [2 x 480]: ", 30) == 0, "summary: as far as it came: %s",
          tl_error_message());
    tl_error_clear();
    r = tl_summary_at(s, 2);
    ok(tl_summary_count(s) == 4 && r->ndim == 4 && r->shape[2] == 12 && !r->failed && tl_summary_at(s, 3)->failed && tl_summary_at(s, 0)->failed,
       "summary: what ran, and what failed");
    text = tl_summary_to_string(s);
    ok(text && strstr(text, "fc1: Linear") && strstr(text, "(failed)") && !strstr(text, "multiply-adds:") && tl_error_code() == TL_OK,
       "summary: without totals");
    free(text);
    tl_summary_free(s);
    tl_error_clear();
    check(!tl_summarize(net, TL_SHAPE(INT64_MAX, 8, 32, 32)) && tl_error_code() == TL_ERR_LIMIT, "summary: an impossible batch: %s",
       tl_error_message());
    tl_error_clear();
    tl_module_free(net);
}

/* Two layers, of which the forward pass uses one. */
static tl_tensor *half_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_forward(tl_module_child(m, "used"), x[0]);
}

static void test_idle(void)
{
    static const struct tl_module_class half = {sizeof half, "Half", half_forward, NULL, NULL, 0};
    tl_module *net = tl_module_new(&half, 1);
    tl_module_add(net, "used", tl_nn_linear(4, 3));
    tl_module_add(net, "unused", TL_SEQUENTIAL(tl_nn_linear(3, 2), tl_nn_relu()));
    tl_summary *s = tl_summarize(net, TL_SHAPE(5, 4));
    ok(tl_summary_totals(s).parameters == tl_module_parameter_count(net) && tl_summary_totals(s).trainable == 23,
       "summary: parameters of modules that did not run are counted");
    const struct tl_summary_row *r = tl_summary_at(s, 2);
    ok(tl_summary_count(s) == 3 && r->idle && r->ndim == 0 && r->parameters == 8 && r->depth == 2, "summary: and these are listed");
    char *text = tl_summary_to_string(s);
    ok(text && strstr(text, "unused.0: Linear") && strstr(text, "(not run)"), "summary: as not run");
    free(text);
    tl_summary_free(s);
    tl_module_free(net);
}

static void test_nearest(void)
{
    static const char *const list[] = {"reference", "cpu", "cuda", NULL, "opencl"};
    static const struct {
        const char *word, *expected;
    } cases[] = {{"refrence", "reference"}, {"CUDA", "cuda"}, {"cdua", "cuda"}, {"ref", "reference"}, {"opnecl", "opencl"},
                 {"tensor", NULL},          {"", NULL},       {"xyz", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *near = tl_nearest_name(cases[i].word, list, 5);
        ok((!near && !cases[i].expected) || (near && cases[i].expected && strcmp(near, cases[i].expected) == 0),
           "nearest: \"%s\" is %s", cases[i].word, near ? near : "nothing");
    }
}

int main(void)
{
    test_nearest();
    test_registry();
    test_options();
    test_models();
    test_summary();
    test_idle();
    return done_testing();
}
