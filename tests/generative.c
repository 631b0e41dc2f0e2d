/* SPDX-License-Identifier: Apache-2.0
 *
 * Models that generate or reconstruct, trained beside PyTorch: losses, weights, evaluation and samples are its own, also where a step
 * descends on two losses. Numbers: tests/golden/make_generative.py.
 */
#include <telar/nn.h>
#include <unistd.h>

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

/* ---- Real weights ---------------------------------------------------------------------------------------------------------- */

static void test_pretrained(void)
{
    char path[1024];
    const char *folder = getenv("TELAR_DATA");
    snprintf(path, sizeof path, "%s/weights/vae_mnist_epoch25.pth", folder ? folder : "");
    tl_dataset *test = folder && access(path, R_OK) == 0 ? tl_data_open("mnist", .split = "test") : NULL;
    tl_error_clear();
    if (!test) {
        skip(3, "no MNIST and no weights/vae_mnist_epoch25.pth in TELAR_DATA");
        return;
    }
    struct subject s = {.model = tl_model_find("vae"), .data = test, .dtype = TL_F32, .bound = 5e-4, .label = "a pretrained vae"};
    struct tl_fit_options o = {.struct_size = sizeof o};
    struct tl_evaluation e = {0};
    s.config = tl_model_configure(s.model, NULL);
    s.net = tl_model_build_with(s.model, s.config);
    check(tl_module_load(s.net, path) == TL_OK && tl_job_start(&s.job, s.model, s.config, tl_dataset_info(test)) == TL_OK, "%s loads: %s", s.label,
          tl_error_message());
    tl_job_fit_options(&s.job, &o);
    tl_loader *loader = tl_loader_new(test, .batch_size = 256);
    tl_evaluate(s.net, loader, &o, NULL, NULL, &e);
    near((e.loss - e.metric) / 69.17, 1, &s, "reconstruction of MNIST, in 69.17 nats", 0);
    near(e.metric / 25.75, 1, &s, "divergence, in 25.75 nats", 0);
    tl_loader_free(loader);
    end(&s);
}

/* ---- What an update may do --------------------------------------------------------------------------------------------------- */

/* Two layers of one chain, and how the update goes. */
struct plan {
    const char *part;
    bool silent, wide, no_loss;
    int descents;
};

static tl_tensor *chain(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "b", tl_forward_child(m, "a", x));
}

static tl_tensor *planned(tl_module *m, tl_tensor *const *batch, int n, tl_update *u, void *ctx)
{
    struct plan *p = ctx;
    (void)n;
    tl_tensor *squares = tl_square(tl_forward(m, batch[0])), *loss = p->wide ? squares : tl_mean(squares);
    if (!p->silent)
        tl_update_metric(u, tl_sum(squares));
    for (int i = 0; i < p->descents; i++)
        if (tl_update_descend(u, loss, p->part) != TL_OK)
            return NULL;
    return p->no_loss ? NULL : loss;
}

struct bench {
    tl_module *net;
    tl_dataset *data;
    tl_loader *loader;
    tl_optimizer *sgd;
    double before[2];
};

static double sum_of(const struct bench *b, const char *name)
{
    return tl_item(tl_sum(tl_square(tl_module_get(b->net, name))));
}

static struct bench set_up(void)
{
    struct bench b;
    tl_manual_seed(1);
    b.net = tl_module_from("Chain", chain, NULL);
    tl_module_add(b.net, "a", tl_nn_linear(3, 4));
    tl_module_add(b.net, "b", tl_nn_linear(4, 2));
    tl_tensor *x = tl_rand(TL_SHAPE(6, 3), (struct tl_options){0});
    b.data = tl_tensor_dataset(1, &x);
    b.loader = tl_loader_new(b.data, .batch_size = 6);
    b.sgd = tl_sgd(b.net, 0.1);
    b.before[0] = sum_of(&b, "a.weight");
    b.before[1] = sum_of(&b, "b.weight");
    return b;
}

static void take_down(struct bench *b)
{
    tl_error_clear();
    tl_optimizer_free(b->sgd);
    tl_loader_free(b->loader);
    tl_dataset_free(b->data);
    tl_module_free(b->net);
}

static tl_status fit(struct bench *b, struct plan *p, tl_history *h)
{
    return tl_fit(b->net, b->loader, b->sgd, .update = planned, .metric_name = "squares", .function_ctx = p, .history = h);
}

static void test_parts(void)
{
    TL_SCOPE {
        struct bench b = set_up();
        tl_history *h = tl_history_new();
        check(fit(&b, &(struct plan){.part = "b", .descents = 1}, h) == TL_OK, "a part is trained: %s", tl_error_message());
        ok(sum_of(&b, "b.weight") != b.before[1], "it changes");
        ok(sum_of(&b, "a.weight") == b.before[0] && tl_is_none(tl_grad_of(tl_module_get(b.net, "a.weight"))), "the other does not, and has no gradient");
        const struct tl_epoch *e = tl_history_at(h, 0);
        is_string(tl_history_metric_name(h), "squares", "the metric's name");
        ok(e && fabs(e->train_metric - 12 * e->train_loss) < 1e-5, "and what the update told");
        tl_history_free(h);
        take_down(&b);

        b = set_up();
        tl_set_requires_grad(tl_module_get(b.net, "b.weight"), false);
        check(fit(&b, &(struct plan){.part = "b", .descents = 1}, NULL) == TL_OK && sum_of(&b, "b.weight") == b.before[1] &&
                  !tl_is_none(tl_grad_of(tl_module_get(b.net, "b.bias"))), "what is frozen in a part stays: %s", tl_error_message());
        take_down(&b);

        b = set_up();
        struct tl_evaluation e2 = {0};
        struct tl_fit_options o = {.update = planned, .metric_name = "squares", .function_ctx = &(struct plan){.descents = 1}};
        check(tl_evaluate(b.net, b.loader, &o, NULL, NULL, &e2) == TL_OK && fabs(e2.metric - 12 * e2.loss) < 1e-5, "evaluated: %s", tl_error_message());
        ok(sum_of(&b, "a.weight") == b.before[0] && sum_of(&b, "b.weight") == b.before[1], "which trains nothing");
        check(tl_fit(b.net, b.loader, b.sgd, .update = planned, .metric_name = "squares", .function_ctx = o.function_ctx, .measure_after_step = true) == TL_OK,
              "measured after the step: %s", tl_error_message());
        take_down(&b);
    }
}

/* What batch 1 of epoch 1 failed with. */
static void fails(struct plan p, tl_status code, const char *words)
{
    TL_SCOPE {
        struct bench b = set_up();
        tl_status s = fit(&b, &p, NULL);
        is_string(tl_status_name(s), tl_status_name(code), "an update fails");
        contains(tl_error_message(), words, "with the right words");
        ok(sum_of(&b, "a.weight") == b.before[0] && sum_of(&b, "b.weight") == b.before[1], "and nothing was trained");
        take_down(&b);
    }
}

static void test_mistakes(void)
{
    fails((struct plan){.part = "c", .descents = 1}, TL_ERR_NOT_FOUND, "c");
    fails((struct plan){.wide = true, .descents = 1}, TL_ERR_SHAPE, "the loss has 12 numbers; training needs one");
    fails((struct plan){.silent = true}, TL_ERR_STATE, "did not tell its metric, \"squares\"");
    fails((struct plan){.no_loss = true}, TL_ERR_STATE, "the function \"update\" gave NULL without an error");
    check(tl_update_descend(NULL, TL_NONE, NULL) == TL_ERR_ARGUMENT, "no update: %s", tl_error_message());
    tl_error_clear();
    check(tl_update_metric(NULL, TL_NONE) == TL_ERR_ARGUMENT, "no update: %s", tl_error_message());
    tl_error_clear();
    check(!tl_fit_step(NULL, NULL, NULL, 0, NULL) && tl_error_code() == TL_ERR_ARGUMENT, "a step of nothing: %s", tl_error_message());
    tl_error_clear();
    const struct tl_model *mlp = tl_model_find("mlp");
    struct tl_config *c = tl_model_configure(mlp, NULL);
    tl_module *net = tl_model_build_with(mlp, c);
    check(!tl_model_generate(mlp, c, net, 2) && tl_error_code() == TL_ERR_UNSUPPORTED, "a model that does not generate: %s", tl_error_message());
    tl_error_clear();
    check(!tl_model_generate(mlp, c, net, 0) && tl_error_code() == TL_ERR_ARGUMENT, "no samples: %s", tl_error_message());
    tl_error_clear();
    tl_module_free(net);
    tl_config_free(c);
    check(!tl_model_build("dcgan", "size=30") && tl_error_code() == TL_ERR_ARGUMENT && strstr(tl_error_message(), "times a power of two"),
          "pictures of a side that does not halve: %s", tl_error_message());
    tl_error_clear();
}

/* A batch of no samples goes through, forth and back, on every backend. */
static void test_nothing(void)
{
    static const char *const names[] = {"gan", "dcgan", "vae", "autoencoder"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tl_model *m = tl_model_find(names[i]);
        struct tl_config *c = m ? tl_model_configure(m, NULL) : NULL;
        tl_module *net = c ? tl_model_build_with(m, c) : NULL;
        TL_SCOPE {
            int64_t shape[TL_MAX_DIMS] = {0};
            int ndim = net ? m->input_shape(c, shape + 1) + 1 : 0;
            tl_tensor *x = net ? tl_model_example(m, c, ndim, shape) : NULL, *y = x ? tl_forward(net, x) : NULL;
            check(y && tl_size(y, 0) == 0, "%s: no samples in, none out: %s", names[i], tl_error_message());
            tl_backward(y ? tl_sum(y) : NULL, TL_NONE, (struct tl_backward_options){0});
            check(tl_error_code() == TL_OK, "%s: and back: %s", names[i], tl_error_message());
        }
        tl_error_clear();
        tl_module_free(net);
        tl_config_free(c);
    }
}

int main(void)
{
    test_nothing();
    test_pretrained();
    test_parts();
    test_mistakes();
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
