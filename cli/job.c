/* SPDX-License-Identifier: Apache-2.0
 *
 * A model, its options and its data, put together from the command line and, where that is silent, from the notes that
 * telar train left in the weight file.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Add "did you mean …?" to the error that is set, if one of the names is near. */
static tl_status suggest(const char *word, const char *const *names, size_t n)
{
    const char *near = tl_nearest_name(word, names, n);
    tl_status code = tl_error_code();
    char message[1024];
    if (!near)
        return code;
    snprintf(message, sizeof message, "%s", tl_error_message());
    tl_error_clear();
    return tl_fail(code, "%s; did you mean \"%s\"?", message, near);
}

/* No backend of the list opens: perhaps its first name is misspelt. */
static tl_status suggest_backend(const char *list)
{
    static struct tl_plugin_info found[MAX_FOUND];
    const char *names[MAX_FOUND];
    char word[64];
    size_t n = tl_plugins("backend", false, found, MAX_FOUND);
    n = n < MAX_FOUND ? n : MAX_FOUND;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(list, ",:"), list);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(found[i].name, word) == 0)
            return tl_error_code(); /* it is spelt well, and fails for another reason */
        names[i] = found[i].name;
    }
    return suggest(word, names, n);
}

/* The default device, opened. */
static tl_status open_device(void)
{
    const char *list = getenv("TELAR_BACKEND");
    if (tl_default_device())
        return TL_OK;
    return list ? suggest_backend(list) : tl_error_code();
}

tl_status set_device(const struct invocation *v)
{
    if (v->set.threads > 0)
        tl_set_num_threads((int)v->set.threads);
    if (v->set.strict)
        tl_set_math(TL_MATH_STRICT);
    if (!v->set.device)
        return open_device();
    return tl_set_backend(v->set.device) == TL_OK ? TL_OK : suggest_backend(v->set.device);
}

tl_dataset *open_data(const char *name, const struct tl_data_options *o)
{
    static struct tl_data_name found[MAX_FOUND];
    const char *names[MAX_FOUND];
    tl_dataset *d = tl_data_open(name, o);
    if (d || tl_error_code() != TL_ERR_NOT_FOUND || strchr(name, '/'))
        return d;
    size_t n = tl_data_names(found, MAX_FOUND);
    n = n < MAX_FOUND ? n : MAX_FOUND;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(found[i].name, name) == 0)
            return NULL;
        names[i] = found[i].name;
    }
    suggest(name, names, n);
    return NULL;
}

/* ---- Model ------------------------------------------------------------------------------------------------------------ */

static const char *weight_file(const struct invocation *v)
{
    return v->set.resume ? v->set.resume : v->set.weights;
}

static const char *note(const struct job *j, const char *key)
{
    const char *text = j->weights ? tl_state_note(j->weights, key) : NULL;
    return text && *text ? text : NULL;
}

tl_status job_model(struct job *j, const struct invocation *v)
{
    const char *file = weight_file(v);
    if (file && !(j->weights = tl_state_load(file)))
        return tl_error_code();
    const char *name = v->n_arguments ? v->arguments[0] : note(j, "telar.model");
    if (!name && file)
        return tl_fail(TL_ERR_ARGUMENT, "%s does not say which model it belongs to: telar %s MODEL …", file, v->command->name);
    if (!name)
        return tl_fail(TL_ERR_ARGUMENT, "which model? telar %s MODEL …, or --weights FILE of one saved by telar train",
                       v->command->name);
    j->model = tl_model_find(name);
    if (!j->model)
        return tl_error_code();
    const char *noted = note(j, "telar.options");
    bool same = note(j, "telar.model") && strcmp(note(j, "telar.model"), name) == 0;
    const char *options = v->set.options ? v->set.options : same && noted ? noted : "";
    j->options = strdup(options);
    return j->options ? TL_OK : tl_fail(TL_ERR_NOMEM, "out of memory");
}

/* ---- Data ------------------------------------------------------------------------------------------------------------- */

static tl_dataset *open_part(struct job *j, const char *part)
{
    struct tl_data_options o = j->data_options;
    o.split = part;
    return open_data(j->data_name, &o);
}

static void find_data(struct job *j, const struct invocation *v)
{
    const struct settings *s = &v->set;
    bool other = s->data != NULL; /* then the notes' details are of no use */
    j->data_name = s->data ? s->data : note(j, "telar.data") ? note(j, "telar.data") : j->model->data;
    j->data_options.struct_size = sizeof j->data_options;
    j->data_options.path = s->path ? s->path : other ? NULL : note(j, "telar.data_path");
    j->data_options.label = s->label ? s->label : other ? NULL : note(j, "telar.label");
    j->data_options.no_header = s->no_header || (!other && note(j, "telar.no_header"));
    j->data_options.standardize = s->standardize || (!other && note(j, "telar.standardize"));
}

static tl_status hold_out(struct job *j, double share)
{
    tl_dataset *parts[2] = {NULL, NULL};
    tl_status s = tl_stratified_split(j->train, share, 0, parts);
    if (s != TL_OK)
        return s;
    tl_dataset_free(j->train);
    j->train = parts[0];
    j->test = parts[1];
    return TL_OK;
}

tl_status job_data(struct job *j, const struct invocation *v, bool train, bool test)
{
    find_data(j, v);
    if (!j->data_name)
        return tl_fail(TL_ERR_ARGUMENT, "which data? model %s is not made for one data set: --data DATA (see telar data)",
                       j->model->name);
    if (train && !(j->train = open_part(j, "train")))
        return tl_error_code();
    if (train && v->set.hold_out > 0)
        return hold_out(j, v->set.hold_out);
    if (test && !(j->test = open_part(j, v->set.split && strcmp(v->set.split, "all") == 0 ? NULL : v->set.split ? v->set.split : "test")))
        return tl_error_code();
    return TL_OK;
}

/* ---- Network ---------------------------------------------------------------------------------------------------------- */

static bool mentions(const char *options, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = options; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (strncmp(s, name, n) == 0 && (s[n] == '=' || s[n] == ',' || !s[n]))
            return true;
    return false;
}

static tl_status add_option(struct job *j, const char *name, int64_t value)
{
    bool known = false;
    for (const struct tl_model_option *o = j->model->options; o && o->name; o++)
        known = known || (strcmp(o->name, name) == 0 && o->kind == TL_OPTION_INT);
    if (!known || value <= 0 || mentions(j->options, name))
        return TL_OK;
    size_t size = strlen(j->options) + strlen(name) + 32;
    char *longer = malloc(size);
    if (!longer)
        return tl_fail(TL_ERR_NOMEM, "out of memory");
    snprintf(longer, size, "%s%s%s=%lld", j->options, *j->options ? "," : "", name, (long long)value);
    free(j->options);
    j->options = longer;
    return TL_OK;
}

/* Sizes that the data determine need not be given: options called in, out and classes. */
static tl_status fit_options_to_data(struct job *j)
{
    const struct tl_dataset_info *info = j->train || j->test ? tl_dataset_info(j->train ? j->train : j->test) : NULL;
    if (!info)
        return TL_OK;
    int64_t values = 1;
    for (int i = 0; i < info->ndim; i++)
        values *= info->shape[i];
    tl_status s = add_option(j, "in", values);
    if (s == TL_OK)
        s = add_option(j, "out", info->n_classes > 0 ? info->n_classes : 1);
    return s == TL_OK ? add_option(j, "classes", info->n_classes) : s;
}

tl_status job_net(struct job *j, const struct invocation *v)
{
    tl_status s = fit_options_to_data(j);
    if (s != TL_OK)
        return s;
    if (!(j->config = tl_model_configure(j->model, j->options)))
        return tl_error_code();
    if (!(j->net = j->model->build(j->config)))
        return tl_fail(TL_ERR_PLUGIN, "model %s: build() gave NULL without an error", j->model->name);
    const char *device = tl_default_device();
    s = device ? tl_module_to(j->net, device) : tl_error_code();
    if (s != TL_OK || !j->weights || v->set.resume)
        return s;
    tl_state *weights = tl_state_weights(j->weights);
    s = weights ? tl_module_load_state(j->net, weights, true) : tl_error_code();
    tl_state_free(weights);
    if (s != TL_OK)
        tl_error_prefix("%s: ", weight_file(v));
    return s;
}

void job_free(struct job *j)
{
    tl_module_free(j->net);
    tl_model_config_free(j->config);
    tl_dataset_free(j->train);
    tl_dataset_free(j->test);
    tl_state_free(j->weights);
    free(j->options);
}

/* ---- What it computes --------------------------------------------------------------------------------------------------- */

static tl_tensor *prepare(tl_tensor *input, void *ctx)
{
    const struct job *j = ctx;
    return j->model->preprocess ? j->model->preprocess(j->config, input) : input;
}

static tl_tensor *step(tl_module *m, tl_tensor *const *batch, int n, void *ctx)
{
    const struct job *j = ctx;
    return j->model->step(m, batch, n);
}

void job_functions(struct job *j, struct tl_fit_options *o)
{
    int64_t classes;
    job_classes(j, &classes);
    o->function_ctx = j;
    o->prepare = prepare;
    if (j->model->step) {
        o->step = step;
    } else if (classes > 0) {
        o->loss = tl_loss_cross_entropy;
        o->metric = tl_metric_accuracy;
    } else {
        o->loss = tl_loss_mse;
    }
}

const char *const *job_classes(const struct job *j, int64_t *n)
{
    const struct tl_dataset_info *info = j->train || j->test ? tl_dataset_info(j->train ? j->train : j->test) : NULL;
    *n = 0;
    if (!j->model->task || strcmp(j->model->task, "classify") != 0)
        return NULL;
    *n = info ? info->n_classes : 0;
    if (info && info->classes)
        return info->classes;
    int64_t labels = 0;
    while (j->model->labels && j->model->labels[labels])
        labels++;
    if (!info)
        *n = labels;
    return labels && labels == *n ? j->model->labels : NULL;
}

static int parse_shape(const char *s, int64_t shape[TL_MAX_DIMS])
{
    for (int n = 0; n < TL_MAX_DIMS;) {
        char *end;
        long long size = strtoll(s, &end, 10);
        if (end == s || size < 1 || size > INT32_MAX)
            return -1;
        shape[n++] = size;
        if (!*end)
            return n;
        if (*end != 'x' && *end != ',')
            return -1;
        s = end + 1;
    }
    return -1;
}

int job_input(const struct job *j, const struct invocation *v, int64_t shape[TL_MAX_DIMS])
{
    int64_t sample[TL_MAX_DIMS];
    int n = v->set.input ? parse_shape(v->set.input, sample) : j->model->input_shape(j->config, sample);
    if (n < 0 || n >= TL_MAX_DIMS) {
        misused(v, "--input %s: expected at most %d sizes, as 1x28x28", v->set.input ? v->set.input : "", TL_MAX_DIMS - 1);
        return -1;
    }
    shape[0] = v->set.batch;
    memcpy(shape + 1, sample, (size_t)n * sizeof *sample);
    return n + 1;
}

/* ---- Measuring ---------------------------------------------------------------------------------------------------------- */

static tl_status count_predictions(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    if (n < 2 || tl_ndim(output) != 2)
        return TL_OK;
    tl_tensor *predicted = tl_argmax(output, .dims = TL_DIMS(1));
    return predicted ? tl_confusion_add(ctx, batch[1], predicted) : tl_error_code();
}

tl_status job_measure(struct job *j, const struct invocation *v, tl_dataset *data, struct measured *m)
{
    struct tl_fit_options o = {.struct_size = sizeof o, .progress = v->set.quiet || v->set.json ? NULL : stderr};
    job_functions(j, &o);
    int64_t classes;
    const char *const *names = job_classes(j, &classes);
    *m = (struct measured){0};
    if (classes > 0 && !j->model->step && !(m->confusion = tl_confusion_new(classes, names)))
        return tl_error_code();
    tl_loader *loader = tl_loader_new(data, .batch_size = v->set.batch > 1 ? v->set.batch : 256, .workers = (int)v->set.workers);
    tl_status s = loader ? tl_evaluate(j->net, loader, &o, m->confusion ? count_predictions : NULL, m->confusion, &m->evaluation)
                         : tl_error_code();
    tl_loader_free(loader);
    return s;
}

tl_status print_measured(const struct measured *m, const struct invocation *v)
{
    if (!m->confusion)
        return TL_OK;
    char *report = tl_classification_report(m->confusion, NULL);
    char *matrix = report && v->set.confusion ? tl_confusion_to_string(m->confusion) : NULL;
    if (report)
        fputs(report, stdout);
    if (matrix)
        printf("\n%s", matrix);
    free(report);
    free(matrix);
    return tl_error_code();
}

void json_measured(struct json *to, const struct measured *m)
{
    json_integer_of(to, "samples", m->evaluation.samples);
    json_number_of(to, "loss", m->evaluation.loss);
    if (!m->confusion)
        return;
    json_number_of(to, "accuracy", tl_confusion_accuracy(m->confusion));
    json_key(to, "classes");
    json_open(to, '[');
    for (int64_t i = 0; i < tl_confusion_classes(m->confusion); i++) {
        struct tl_scores s = tl_confusion_scores(m->confusion, i, 0);
        json_open(to, '{');
        json_text_of(to, "name", tl_confusion_name(m->confusion, i));
        json_number_of(to, "precision", s.precision);
        json_number_of(to, "recall", s.recall);
        json_number_of(to, "f1", s.f1);
        json_integer_of(to, "support", s.support);
        json_close(to, '}');
    }
    json_close(to, ']');
}
