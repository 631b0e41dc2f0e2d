/* SPDX-License-Identifier: Apache-2.0
 *
 * Models that generate or reconstruct, trained beside PyTorch: losses, weights, evaluation and samples are its own, also where a step
 * descends on two losses. Numbers: tests/golden/make_generative.py.
 */
#include <telar/nn.h>

#include "golden.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

/* What a line of the golden file begins. */
struct subject {
    const struct tl_model *model;
    struct tl_config *config;
    struct tl_job job;
    tl_module *net;
    tl_dataset *data;
    tl_dtype dtype;
    double bound;
    char label[200];
};

static tl_dataset *draw_data(FILE *f, tl_dtype dtype)
{
    int64_t shape[TL_MAX_DIMS] = {40};
    int ndim = (int)golden_integer(f) + 1;
    tl_dataset *data = NULL;
    for (int i = 1; i < ndim; i++)
        shape[i] = golden_integer(f);
    TL_SCOPE {
        tl_tensor *x = tl_cast(tl_rand(ndim, shape, (struct tl_options){0}), dtype);
        data = x ? tl_tensor_dataset(1, &x) : NULL;
    }
    return data;
}

/* Inputs keep their type: what stands for preprocess would make them f32. */
static tl_tensor *keep_input(tl_tensor *input, void *ctx)
{
    (void)ctx;
    return input;
}

static bool begin(FILE *f, struct subject *s)
{
    char model[64], options[100], type[8];
    if (!golden_word(f, model, sizeof model) || !golden_word(f, model, sizeof model) || !golden_word(f, options, sizeof options) ||
        !golden_word(f, type, sizeof type))
        return false;
    *s = (struct subject){.model = tl_model_find(model)};
    s->dtype = strcmp(type, "f64") == 0 ? TL_F64 : TL_F32;
    s->bound = s->dtype == TL_F64 ? 1e-8 : 2e-5; /* Adam divides gradients by their own size, small ones with their rounding errors */
    snprintf(s->label, sizeof s->label, "%s %s %s", model, options, type);
    s->config = tl_model_configure(s->model, options);
    tl_manual_seed(3);
    s->net = s->config ? tl_model_build_with(s->model, s->config) : NULL;
    if (!ok(s->net && tl_module_to_dtype(s->net, s->dtype) == TL_OK, "%s: built", s->label))
        bail_out("%s", tl_error_message());
    s->data = draw_data(f, s->dtype);
    check(s->data && tl_job_start(&s->job, s->model, s->config, tl_dataset_info(s->data)) == TL_OK, "%s: the data fit: %s", s->label,
          tl_error_message());
    return true;
}

static void end(struct subject *s)
{
    if (tl_error_code() != TL_OK)
        diag("%s: %s", s->label, tl_error_message());
    tl_error_clear();
    tl_module_free(s->net);
    tl_config_free(s->config);
    tl_dataset_free(s->data);
}

static void near(double came, double wanted, const struct subject *s, const char *what, int epoch)
{
    ok(fabs(came - wanted) <= s->bound * fmax(1, fabs(wanted)), "%s: %s %d", s->label, what, epoch);
    if (!(fabs(came - wanted) <= s->bound * fmax(1, fabs(wanted))))
        diag("%s: %.17g, %.17g expected", what, came, wanted);
}

static void compare_training(FILE *f, struct subject *s)
{
    const struct tl_model_training *usual = tl_model_training(s->model);
    tl_loader *loader = tl_loader_new(s->data, .batch_size = 16, .shuffle = true);
    tl_optimizer *optimizer = tl_optimizer_named(usual->optimizer, s->net, usual->lr, usual->momentum, 0);
    tl_history *history = tl_history_new();
    struct tl_fit_options o = {.struct_size = sizeof o, .epochs = 3, .history = history};
    tl_job_fit_options(&s->job, &o);
    o.prepare = keep_input;
    check(tl_fit_with(s->net, loader, optimizer, &o) == TL_OK, "%s: trained: %s", s->label, tl_error_message());
    for (size_t i = 0; i < 3; i++) {
        const struct tl_epoch *e = tl_history_at(history, i);
        near(e ? e->train_loss : NAN, golden_number(f), s, "loss of epoch", (int)i + 1);
        double metric = golden_number(f);
        if (s->model->update) /* the metric of a task is measured in evaluation mode, after the step */
            near(e ? e->train_metric : NAN, metric, s, s->model->metric, (int)i + 1);
    }
    tl_history_free(history);
    tl_optimizer_free(optimizer);
    tl_loader_free(loader);
}

static void compare_weights(FILE *f, const struct subject *s)
{
    char key[100], what[360];
    int64_t n = golden_integer(f);
    is_int((int64_t)tl_module_parameter_list(s->net, NULL, 0), n, "%s: parameters", s->label);
    for (int64_t i = 0; i < n; i++) {
        golden_word(f, key, sizeof key);
        snprintf(what, sizeof what, "%s: %s after training", s->label, key);
        golden_tensor(f, tl_module_get(s->net, key), s->bound, what);
    }
}

static void compare_evaluation(FILE *f, struct subject *s)
{
    tl_loader *loader = tl_loader_new(s->data, .batch_size = 40);
    struct tl_fit_options o = {.struct_size = sizeof o};
    struct tl_evaluation e = {0};
    tl_job_fit_options(&s->job, &o);
    o.prepare = keep_input;
    tl_manual_seed(4);
    check(tl_evaluate(s->net, loader, &o, NULL, NULL, &e) == TL_OK, "%s: evaluated: %s", s->label, tl_error_message());
    near(e.loss, golden_number(f), s, "loss in evaluation", 0);
    near(e.metric, golden_number(f), s, "metric in evaluation", 0);
    tl_loader_free(loader);
}

static void compare_samples(FILE *f, const struct subject *s)
{
    char what[220];
    snprintf(what, sizeof what, "%s: samples", s->label);
    tl_manual_seed(5);
    golden_tensor(f, tl_model_generate(s->model, s->config, s->net, 3), s->bound, what);
}

int main(void)
{
    FILE *f = golden_open("generative.txt");
    struct subject s;
    while (begin(f, &s)) {
        TL_SCOPE {
            compare_training(f, &s);
            compare_weights(f, &s);
            compare_evaluation(f, &s);
            if (s.model->tasks & TL_GENERATE)
                compare_samples(f, &s);
        }
        end(&s);
    }
    fclose(f);
    return done_testing();
}
