/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host makes of the tables of models and data sets: flaws are named, promises are checked, and each task has the target, the
 * loss and the metric that <telar/model.h> says. Uses the plugins of tests/crooked/.
 */
#include "files.h"

#include <math.h>
#include <telar/model.h>
#include <telar/registry.h>
#include <unistd.h>

static char folder[400];

static void borrow(const char *built, const char *kind)
{
    char from[4200], to[4400], made[4200];
    snprintf(from, sizeof from, "%s/tests/crooked/.libs/%s.so", TEST_BUILDDIR, built);
    snprintf(made, sizeof made, "%s/%s", folder, kind);
    snprintf(to, sizeof to, "%s/crooked.so", made);
    mkdir(made, 0755);
    if (symlink(from, to) != 0)
        bail_out("cannot link %s", to);
}

static void fails(bool failed, tl_status code, const char *words, const char *what)
{
    ok(failed, "%s is refused", what);
    is_string(tl_status_name(tl_error_code()), tl_status_name(code), "with the right code");
    contains(tl_error_message(), words, "it says what and where");
    tl_error_clear();
}

/* ---- Verdicts ---- */

static const char *verdict(const char *kind)
{
    static struct tl_plugin_info list[256];
    size_t n = tl_plugins(kind, false, list, 256);
    for (size_t i = 0; i < n && i < 256; i++)
        if (strcmp(list[i].name, "crooked") == 0) {
            ok(list[i].status != TL_OK, "the %s plugin does not pass for a good one", kind);
            return list[i].verdict;
        }
    return "";
}

static bool remarked(const char *words)
{
    for (size_t i = 0; tl_plugin_remark(i); i++)
        if (strstr(tl_plugin_remark(i), words))
            return true;
    return false;
}

static void test_verdicts(void)
{
    static const char *const models[] = {"'no-size': struct_size is 0", "'no-build': build is NULL", "'no-task': tasks is 0", "'new-task': tasks has bits (0x100000)",
                                         "'no-step': its task is to generate", "'default': a default that its own table", "option out=ten",
                                         "'role': model role: option out has a role, but",
                                         "'digest': sha256 of the weights seven is \"ba7816b\": expected the 64",
                                         "'no-update': it names a metric"};
    static const char *const left_out[] = {"no-size", "no-build", "no-task", "new-task", "no-step", "default", "role", "digest", "no-update"};
    tl_models(NULL, 0);
    tl_data_sources(NULL, 0);
    const char *words = verdict("model");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        contains(words, models[i], "the verdict tells");
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        ok(!tl_model_find(left_out[i]), "%s is not listed", left_out[i]);
        tl_error_clear();
    }
    ok(tl_model_find("three") != NULL, "its other models are");
    words = verdict("data");
    contains(words, "'d-no-open': open is NULL", "the verdict tells");
    contains(words, "'d-flags': flags has bits (0x40000000)", "the verdict tells");
    ok(remarked("model mnist-cnn of the plugin"), "a hidden model is remarked on");
    ok(remarked("stray.so is left out"), "so is a file where none is looked for");
    ok(remarked("/modles/ is not looked into"), "and a misspelt folder");
    const char *odd = NULL;
    for (size_t i = 0; tl_plugin_path(i, &odd) && !odd;)
        i++;
    contains(odd ? odd : "", "does not exist", "and one that is not there");
    fails(!tl_model_find("crooked"), TL_ERR_PLUGIN, "'no-size'", "a model named as the plugin");
}

/* ---- Slots that break their word ---- */

static tl_dataset *set(const char *options)
{
    return tl_data_open("d-good", .options = options);
}

static void test_promises(void)
{
    static const char *const models[][2] = {{"null-build", "build() gave NULL without an error"},
                                            {"wrong-kind", "reads the option out as a number, but its table says that it is a whole number"},
                                            {"failing", "model failing: "}};
    static const struct {
        const char *name, *words;
        tl_status code;
    } sets[] = {{"d-quiet", "d-quiet: batch() failed without a message", TL_ERR_IO},
                {"d-careless", "on fire", TL_ERR_IO},
                {"d-one-field", "d-one-field gave no tensor for field 1 of the 2", TL_ERR_PLUGIN},
                {"d-shape", "field 0 of a batch has the shape [2, 2, 2], but what the set says of itself makes it [2, 4]", TL_ERR_PLUGIN},
                {"d-f32", "the classes, is f32; expected i64", TL_ERR_PLUGIN},
                {"d-column", "field 1 of a batch has the shape [2, 1]", TL_ERR_PLUGIN},
                {"d-range", "sample 5 has the class 77; it says that there are 3", TL_ERR_PLUGIN},
                {"d-wide", "[2, 3], but what the set says of itself makes it [2, 1]", TL_ERR_PLUGIN}};
    for (size_t i = 0; i < 3; i++) {
        tl_module *net = tl_model_build(models[i][0], NULL);
        ok(!net && tl_error_code() != TL_OK, "%s does not build", models[i][0]);
        contains(tl_error_message(), models[i][1], "it says why");
        tl_error_clear();
    }
    fails(!tl_data_open("d-null"), TL_ERR_PLUGIN, "data set d-null: open() gave NULL without an error", "an open() that gives nothing");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        TL_SCOPE
        {
            tl_tensor *fields[TL_MAX_FIELDS];
            const int64_t index[] = {3, 5};
            tl_dataset *d = tl_data_open(sets[i].name);
            fails(tl_dataset_batch(d, index, 2, fields) != TL_OK, sets[i].code, sets[i].words, sets[i].name);
            tl_dataset_free(d);
        }
}

static void test_samples(void)
{
    static const char *const models[][2] = {{"nothing", "model nothing: generate() gave NULL without an error"},
                                            {"thin", "model thin: generate() gave [2 x 3] for 2 samples"}};
    for (size_t i = 0; i < 2; i++)
        TL_SCOPE
        {
            const struct tl_model *m = tl_model_find(models[i][0]);
            struct tl_config *c = tl_model_configure(m, NULL);
            tl_module *net = tl_model_build_with(m, c);
            fails(!tl_model_generate(m, c, net, 2), TL_ERR_PLUGIN, models[i][1], "what is no sample");
            ok(tl_is_training(net) && tl_grad_enabled(), "modes are what they were");
            tl_module_free(net);
            tl_config_free(c);
        }
}

/* ---- Requests ---- */

static int64_t size_of(const char *name, const char *split, const char *options)
{
    tl_dataset *d = tl_data_open(name, .split = split, .options = options);
    int64_t n = tl_dataset_size(d);
    tl_dataset_free(d);
    return n;
}

static void test_requests(void)
{
    is_int(size_of("d-good", NULL, "classes=4"), 40, "no split: all");
    is_int(size_of("d-good", "all", "classes=4"), 40, "all");
    is_int(size_of("d-good", "train", "classes=4"), 32, "the host cuts the training part");
    is_int(size_of("d-good", "test", "classes=4"), 8, "and the test part");
    is_int(size_of("d-good", "test", "targets=1"), 8, "of numbers, too");
    is_int(size_of("d-ordered", "train", NULL), 32, "a set that cuts itself");
    TL_SCOPE
    {
        tl_tensor *whole[TL_MAX_FIELDS] = {0}, *part[TL_MAX_FIELDS] = {0};
        tl_dataset *all = tl_data_open("d-ordered"), *test = tl_data_open("d-ordered", .split = "test");
        ok(tl_dataset_get(all, 32, whole) == TL_OK && tl_dataset_get(test, 0, part) == TL_OK && tl_equal(whole[0], part[0]),
           "whose test part is its end, in order");
        is_string(tl_dataset_name(test), "d-ordered", "a data set knows the name that it was opened by");
        tl_dataset_free(all);
        tl_dataset_free(test);
    }
    fails(!tl_data_open("d-good", .split = "tset"), TL_ERR_ARGUMENT, "there are train, test and all", "a split that is not there");
    fails(!tl_data_open("d-good", .options = "clases=3"), TL_ERR_NOT_FOUND, "did you mean \"classes\"", "a misspelt option");
    static const char *const paths[][2] = {{"a.good", "d-by-ending"}, {"./a.MORE.Good", "d-by-ending"}, {"b.even.more.good", "d-by-longer"},
                                           {"a.goods", "d-by-longer"}, {"a.csv", "csv"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct tl_data_source *s = tl_data_source_of(paths[i][0]);
        is_string(s ? s->name : tl_error_message(), paths[i][1], "who reads a file of this name");
        tl_error_clear();
    }
    const struct tl_data_source *any = tl_data_find_path(files_mkdir("any")), *known = tl_data_find_path(files_mkdir("known"));
    is_string(known ? known->name : tl_error_message(), "d-by-longer", "a folder is read by who knows it");
    is_string(any ? any->name : tl_error_message(), "d-by-ending", "else by the first who takes any");
    const struct tl_data_source *early = tl_data_find("d-first-version");
    ok(early && !early->endings && !early->reads_folder, "what an early table does not have is not read");
    fails(!tl_data_open("./x.unknown"), TL_ERR_NOT_FOUND, ".even.more.good, .GOODS, re.good, .good, .more.good", "an ending that nobody reads");
    fails(!tl_data_open("d-godo"), TL_ERR_NOT_FOUND, "did you mean \"d-good\"", "a misspelt data set");
    fails(!tl_data_open("d-good", .test_share = 1.5), TL_ERR_ARGUMENT, "between 0 and 1", "a test share over 1");

    static const struct tl_plugin_option table[] = {{.name = "text", .kind = TL_OPTION_TEXT}, {.name = "n", .kind = TL_OPTION_INT}, {0}};
    fails(!tl_config_new("it", table, NULL), TL_ERR_ARGUMENT, "it: option n=: expected a whole number", "a default that is none");
    static const struct tl_plugin_option texts[] = {{.name = "a", .kind = TL_OPTION_TEXT}, {.name = "b", .kind = TL_OPTION_TEXT, .fallback = "x"}, {0}};
    char *text = tl_config_append("b=2", "a", "1,2\\3");
    struct tl_config *c = tl_config_new("it", texts, text);
    is_string(text, "b=2,a=1\\,2\\\\3", "what must be escaped is");
    ok(tl_config_mentions(text, "a") && tl_config_mentions(text, "b") && !tl_config_mentions(text, "2"), "options that a text sets");
    is_string(tl_config_text(c, "a"), "1,2\\3", "and comes back");
    is_string(tl_config_text(c, "b"), "2", "beside the other");
    free(text);
    text = tl_config_join("a=1\\,b=7\\\\,b=2,bool,ab=3", "b=4");
    is_string(text, "a=1\\,b=7\\\\,bool,ab=3,b=4", "two texts in one: the second has the last word");
    free(text);
    text = tl_config_join(NULL, "b=4");
    is_string(text, "b=4", "either may be NULL");
    free(text);
    text = tl_config_join("a,b=4", "a=no,b=");
    is_string(text, "a=no,b=", "or set all of the other's");
    free(text);
    tl_config_free(c);
    c = tl_config_new("it", texts, NULL);
    ok(!tl_config_text(c, "a"), "a text that was not given");
    is_string(tl_config_text(c, "b"), "x", "and one with a default");
    tl_config_int(c, "a");
    fails(true, TL_ERR_PLUGIN, "it: its code reads the option a as a whole number, but its table says that it is a text", "another kind");
    tl_config_free(c);
}

/* ---- Roles ---- */

static void options_for(const char *model, const char *given, const struct tl_dataset_info *info, const char *expected)
{
    char *text = tl_model_options_for(tl_model_find(model), given, info);
    is_string(text ? text : tl_error_message(), expected, "options that fit the data");
    tl_error_clear();
    free(text);
}

static void test_roles(void)
{
    struct tl_dataset_info classes = {.ndim = 3, .shape = {2, 3, 4}, .n_classes = 5}, numbers = {.ndim = 1, .shape = {7}, .n_targets = 2};
    options_for("mlp", NULL, &classes, "in=24,out=5");
    options_for("mlp", "hidden=3,out=9", &classes, "hidden=3,out=9,in=24");
    options_for("mlp", NULL, &numbers, "in=7,out=2");
    options_for("lenet", "", &classes, "classes=5");
    options_for("lenet", "", &numbers, "");
    options_for("tight", "", &numbers, "model tight does not fit the data, which ask for in=7: option in=7: expected 1 to 5");
}

/* ---- Tasks ---- */

struct work {
    tl_dataset *data;
    tl_loader *loader;
    struct tl_config *config;
    tl_module *net;
    struct tl_job job;
    struct tl_fit_options o;
};

/* false and an error if anything does not go together. */
static bool begin(struct work *w, const char *model, const char *options, tl_dataset *data)
{
    const struct tl_model *m = tl_model_find(model);
    *w = (struct work){.data = data, .o = {.struct_size = sizeof w->o, .epochs = 1}};
    char *fitting = data ? tl_model_options_for(m, options, tl_dataset_info(data)) : NULL;
    w->config = fitting ? tl_model_configure(m, fitting) : NULL;
    free(fitting);
    tl_manual_seed(1);
    if (!w->config || tl_job_start(&w->job, m, w->config, tl_dataset_info(data)) != TL_OK)
        return false;
    tl_job_fit_options(&w->job, &w->o);
    w->net = tl_model_build_with(m, w->config);
    w->loader = w->net ? tl_loader_new(data, .batch_size = 8) : NULL;
    return w->loader;
}

static void end(struct work *w)
{
    tl_loader_free(w->loader);
    tl_module_free(w->net);
    tl_config_free(w->config);
    tl_dataset_free(w->data);
    *w = (struct work){0};
}

static tl_status fit(struct work *w, int64_t epochs, double lr, struct tl_evaluation *e)
{
    tl_optimizer *adam = tl_adam(w->net, lr);
    w->o.epochs = epochs;
    tl_status s = tl_fit_with(w->net, w->loader, adam, &w->o);
    if (s == TL_OK)
        s = tl_evaluate(w->net, w->loader, &w->o, NULL, NULL, e);
    tl_optimizer_free(adam);
    return s;
}

static void refused(const char *model, tl_dataset *data, tl_status code, const char *words)
{
    struct work w;
    struct tl_evaluation e;
    bool failed = !begin(&w, model, NULL, data) || fit(&w, 1, 1e-3, &e) != TL_OK;
    fails(failed, code, words, model);
    end(&w);
}

static void test_refusals(void)
{
    refused("three", set("targets=1"), TL_ERR_ARGUMENT, "model three needs data with classes; these have 1 number to predict");
    refused("one", set("classes=3"), TL_ERR_ARGUMENT, "needs data with numbers to predict; these have 3 classes");
    refused("three", set(NULL), TL_ERR_ARGUMENT, "neither classes nor numbers");
    refused("three", set("classes=4"), TL_ERR_SHAPE, "its output is [8 x 3]; expected [samples x 4]");
    refused("triple", set("targets=1"), TL_ERR_SHAPE, "outputs are [8 x 3] and targets [8 x 1]");
    refused("three", tl_data_open("d-tokens"), TL_ERR_SHAPE, "its inputs are [4], 4 values a sample; the data have 6");
    refused("null-preprocess", set("classes=3"), TL_ERR_PLUGIN, "preprocess() gave NULL without an error");
    refused("null-step", set("classes=3"), TL_ERR_PLUGIN, "step() gave NULL without an error");
}

static void test_tasks(void)
{
    static const struct {
        const char *model, *set, *options;
        enum tl_task task;
        double worst; /* metric after training */
    } cases[] = {{"flat", "d-good", "targets=1", TL_REGRESS, 0.1}, /* targets [n, 1], outputs [n] */
                 {"one", "d-good", "targets=1", TL_REGRESS, 0.1},
                 {"triple", "d-good", "targets=3", TL_REGRESS, 0.1},
                 {"again", "d-good", "classes=3", TL_RECONSTRUCT, 0.1}, /* the classes are not looked at */
                 {"scaled", "d-good", NULL, TL_RECONSTRUCT, 0.1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct work w;
        struct tl_evaluation e = {0};
        bool good = begin(&w, cases[i].model, NULL, tl_data_open(cases[i].set, .options = cases[i].options)) && fit(&w, 80, 0.05, &e) == TL_OK;
        ok(good && w.job.task == cases[i].task && e.metric < cases[i].worst, "%s is trained to %s: mean absolute error %g %s", cases[i].model,
           tl_task_name(w.job.task), e.metric, tl_error_message());
        tl_error_clear();
        end(&w);
    }
    struct work w;
    struct tl_evaluation e = {0}, twice = {0};
    ok(begin(&w, "tokens", NULL, tl_data_open("d-tokens")) && fit(&w, 30, 0.05, &e) == TL_OK, "a language is trained: %s", tl_error_message());
    ok(e.metric > 0.99 && e.loss < 0.2, "and learns what follows: accuracy %g, loss %g", e.metric, e.loss);
    is_int(tl_config_int(w.config, "vocabulary"), 5, "its vocabulary is that of the data");
    end(&w);
    /* The option reaches the step, whose loss is the one that is reported; the metric is that of the output. */
    bool good = begin(&w, "scaled", NULL, set(NULL)) && tl_evaluate(w.net, w.loader, &w.o, NULL, NULL, &e) == TL_OK;
    end(&w);
    good = good && begin(&w, "scaled", "scale=2", set(NULL)) && tl_evaluate(w.net, w.loader, &w.o, NULL, NULL, &twice) == TL_OK;
    end(&w);
    ok(good && fabs(twice.loss - 2 * e.loss) < 1e-6 && twice.metric == e.metric, "a step sees the options: %g, %g", e.loss, twice.loss);
    tl_history *h = tl_history_new();
    good = begin(&w, "scaled", NULL, set(NULL));
    w.o.history = h;
    good = good && fit(&w, 1, 0.05, &e) == TL_OK;
    end(&w);
    const struct tl_epoch *epoch = tl_history_at(h, 0);
    ok(good && epoch && epoch->train_metric > 0.01 && epoch->train_metric < 10, "training with a step measures its output, too: %g",
       epoch ? epoch->train_metric : 0);
    tl_history_free(h);
}

static void test_regression(void)
{
    TL_SCOPE
    {
        /* scikit-learn: r2_score 0.9486081370449679, mean_absolute_error 0.5, mean_squared_error 0.375 */
        const struct tl_options host = {.device = "cpu"};
        tl_tensor *y = tl_from_data(TL_SHAPE(4), (const float[]){3, -0.5f, 2, 7}, host), *out = tl_from_data(TL_SHAPE(4, 1), (const float[]){2.5f, 0, 2, 8}, host);
        tl_regression *r = tl_regression_new(1);
        ok(tl_regression_add(r, tl_narrow(out, 0, 0, 3), tl_narrow(y, 0, 0, 3)) == TL_OK && tl_regression_add(r, tl_narrow(out, 0, 3, 1), tl_narrow(y, 0, 3, 1)) == TL_OK,
           "batches are added");
        struct tl_regression_scores s = tl_regression_scores(r);
        ok(s.samples == 4 && fabs(s.r2 - 0.9486081370449679) < 1e-12 && s.mean_absolute_error == 0.5 && s.mean_squared_error == 0.375,
           "scores: %.15g %g %g", s.r2, s.mean_absolute_error, s.mean_squared_error);
        fails(tl_regression_add(r, tl_narrow(out, 0, 0, 2), y) != TL_OK, TL_ERR_SHAPE, "[2 x 1] and targets [4]", "other numbers of samples");
        tl_regression_free(r);
        /* The mean over columns: (0.9654 + 0.9082) / 2 in scikit-learn's own example. */
        r = tl_regression_new(2);
        y = tl_from_data(TL_SHAPE(3, 2), (const float[]){0.5f, 1, -1, 1, 7, -6}, host);
        out = tl_from_data(TL_SHAPE(3, 2), (const float[]){0, 2, -1, 2, 8, -5}, host);
        tl_regression_add(r, out, y);
        s = tl_regression_scores(r);
        ok(fabs(s.r2 - 0.936800526662278) < 1e-9 && s.mean_absolute_error == 0.75, "two columns: %.12g %g", s.r2, s.mean_absolute_error);
        tl_regression_free(r);
        tl_tensor *batch[] = {y, tl_zeros(TL_SHAPE(3), host)};
        fails(!tl_loss_mse(tl_zeros(TL_SHAPE(3, 3), host), batch, 2, NULL), TL_ERR_SHAPE, "outputs are [3 x 3] and targets [3]", "broadcasting in a loss");
        ok(tl_loss_mse(tl_zeros(TL_SHAPE(3, 1), host), batch, 2, NULL) != NULL, "[3 x 1] and [3] go together");
    }
}

/* ---- Weights by name ---- */

static void test_weights(void)
{
    const struct tl_model *m = tl_model_find("three");
    fails(!tl_model_weights_path(m, "elsewhere"), TL_ERR_NOT_FOUND, "https://example.org/not-here.safetensors", "weights that are not here");
    fails(!tl_model_weights_path(m, "abd"), TL_ERR_NOT_FOUND, "it has: abc, first-digits, elsewhere", "weights that are not listed");
    fails(!tl_model_weights_path(tl_model_find("mlp"), "abd"), TL_ERR_NOT_FOUND, "nor any others", "weights of a model without any");
    const char *path = files_write("abc.bin", "abc", 3);
    char *found = tl_model_weights_path(m, "abc");
    is_string(found ? found : tl_error_message(), path, "a file with the right sum");
    free(found);
    found = tl_model_weights_path(m, "first-digits");
    is_string(found ? found : tl_error_message(), path, "a file whose sum begins as it should");
    free(found);
    files_write("abc.bin", "abd", 3);
    fails(!tl_model_weights_path(m, "first-digits"), TL_ERR_FORMAT, "expected one that begins with ba7816bf", "a file whose sum does not");
    fails(!tl_model_weights_path(m, "abc"), TL_ERR_FORMAT, "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9, expected", "a file with another");
    /* Lengths around a block's end, against sha256sum's answers. */
    static const char *const sums[] = {"9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318", "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a",
                                       "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34", "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"};
    static const size_t lengths[] = {55, 56, 63, 64};
    char many[64];
    memset(many, 'a', sizeof many);
    for (size_t i = 0; i < 4; i++) {
        files_write("abc.bin", many, lengths[i]);
        fails(!tl_model_weights_path(m, "abc"), TL_ERR_FORMAT, sums[i], "a sum over the padding's edge");
    }
    path = files_write("other", "abc", 3);
    ok(tl_model_weights_check(m, "abc", path) == TL_OK && tl_model_weights_check(m, "elsewhere", path) == TL_OK, "the sum of any file");
    files_write("other", "abcd", 4);
    fails(tl_model_weights_check(m, "abc", path) != TL_OK, TL_ERR_FORMAT, "expected BA7816BF", "one that is wrong");
    fails(tl_model_weights_check(m, "abd", path) != TL_OK, TL_ERR_NOT_FOUND, "it has: abc", "of weights that are not listed");
    const char *home = getenv("XDG_DATA_HOME"), *had = home ? strdup(home) : NULL;
    setenv("XDG_DATA_HOME", "/srv/data", 1);
    char *place = tl_model_weights_place(m, "abc");
    is_string(place, "/srv/data/telar/weights/abc.bin", "where a file belongs: no question marks");
    free(place);
    place = tl_model_weights_place(tl_model_find("distant"), "up");
    is_string(place, "/srv/data/telar/weights/up", "an address without a name");
    free(place);
    fails(!tl_model_weights_place(m, "abd"), TL_ERR_NOT_FOUND, "it has: abc", "no place for weights that are not listed");
    setenv("XDG_DATA_HOME", "relative", 1);
    unsetenv("HOME");
    fails(!tl_model_weights_place(m, "abc"), TL_ERR_NOT_FOUND, "neither XDG_DATA_HOME nor HOME", "no home");
    if (had)
        setenv("XDG_DATA_HOME", had, 1);
    free((char *)had);
}

/* Weights decide how the model is built and what its pictures are brought into. */
static void test_pretrained(void)
{
    const struct tl_model *m = tl_model_find("formed");
    char path[4200];
    tl_module *made = tl_model_build("formed", "out=4"), *net;
    struct tl_config *c = NULL, *plain = tl_model_configure(m, NULL);
    snprintf(path, sizeof path, "%s/wide.safetensors", files_folder);
    ok(tl_module_save(made, path) == TL_OK, "weights are saved: %s", tl_error_message());
    net = tl_model_pretrained(m, NULL, "more=2", &c);
    ok(net && c, "the first weights that a model lists are loaded: %s", tl_error_message());
    is_int(tl_config_int(c, "out"), 4, "as wide as they are");
    is_int(tl_config_int(c, "more"), 2, "one's own options come behind theirs");
    TL_SCOPE
    {
        ok(tl_equal(tl_module_get(net, "1.weight"), tl_module_get(made, "1.weight")), "with their values");
        tl_tensor *x = tl_ones(TL_SHAPE(2, 3, 4, 4), (struct tl_options){0}), *pair[] = {x, tl_mul_s(x, 2)};
        ok(tl_item(tl_amax(tl_model_preprocess(m, c, x))) == 2 && tl_model_pictures(m, c)->resize == 6, "pictures are brought into the weights' form");
        ok(tl_item(tl_amax(tl_model_preprocess(m, plain, x))) == 1 && tl_model_pictures(m, plain)->resize == 8, "without them into the model's");
        char *of_weights = tl_model_picture_options(m, c), *of_model = tl_model_picture_options(m, plain);
        is_string(of_weights, "resize=6,crop=4", "files are read so for the weights");
        is_string(of_model, "resize=8,crop=4", "and so for the model");
        free(of_weights);
        free(of_model);
        fails(!tl_model_picture_options(tl_model_find("three"), plain), TL_ERR_UNSUPPORTED, "model three does not take pictures: its input is [4]", "no pictures");
        const struct tl_model *paired = tl_model_find("paired");
        ok(tl_equal(tl_model_forward(paired, c, net, pair, 2), tl_sub(tl_forward(net, pair[0]), tl_forward(net, pair[1]))), "the forward slot sees the whole batch");
        fails(!tl_model_forward(paired, c, net, pair, 1), TL_ERR_PLUGIN, "model paired: forward() gave NULL", "a forward slot that gives nothing");
        fails(!tl_model_advance(m, c, net, x, &(struct tl_rnn_state){0}), TL_ERR_UNSUPPORTED, "formed", "to go on with what is no language");
        const struct tl_model *early = tl_model_find("early");
        ok(early && !early->pictures && !early->forward && !early->advance, "what an early table does not have is not read");
        ok(tl_equal(tl_model_forward(early, plain, net, &x, 1), tl_forward(net, x)), "and its module's forward is taken");
    }
    tl_module_free(net);
    tl_config_free(c);
    c = plain;
    fails(!tl_model_pretrained(m, "wide", "out=5", &c), TL_ERR_SHAPE, "1.weight", "weights of another width");
    ok(c == plain, "the configuration is as it was");
    fails(!tl_model_pretrained(m, "plain", NULL, NULL), TL_ERR_NOT_FOUND, "telar fetch formed:plain", "weights that are not here");
    fails(!tl_model_pretrained(m, "none", NULL, NULL), TL_ERR_NOT_FOUND, "it has: wide, plain", "weights that are not listed");
    fails(!tl_model_pretrained(tl_model_find("mlp"), NULL, NULL, NULL), TL_ERR_NOT_FOUND, "lists no weights", "a model without any");
    ok((net = tl_model_pretrained(m, "wide", NULL, NULL)) != NULL, "nobody need ask for the configuration");
    tl_module_free(net);
    tl_config_free(plain);
    tl_module_free(made);
}

int main(void)
{
    files_begin("train_task");
    snprintf(folder, sizeof folder, "%s", files_mkdir("plugins"));
    borrow("models", "models");
    borrow("data", "data");
    char path[9000];
    files_mkdir("plugins/modles");
    files_write("plugins/modles/x.so", "", 0);
    files_write("plugins/stray.so", "", 0);
    snprintf(path, sizeof path, "%s/nowhere:%s", files_folder, folder);
    setenv("TELAR_PLUGIN_PATH", path, 1);
    setenv("TELAR_DATA", files_folder, 1);
    setenv("TELAR_LOG", "error", 1);
    test_verdicts();
    test_promises();
    test_samples();
    test_requests();
    test_roles();
    test_refusals();
    test_tasks();
    test_regression();
    test_weights();
    test_pretrained();
    files_end();
    return done_testing();
}
