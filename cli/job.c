/* SPDX-License-Identifier: Apache-2.0
 *
 * A model, its options and its data, put together from the command line and, where that is silent, from the notes that
 * telar train left in the weight file.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

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

uint64_t choose_draw_seed(const struct invocation *v)
{
    uint64_t seed = (uint64_t)v->set.seed;
    if (!given(v, "seed") && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = 0;
    return seed;
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

/* Weights by the name that the model lists them under, or by path; of the two, the listed name. *options become those that the
 * listed weights ask for. */
static tl_state *load_weights(const struct tl_model *m, const char *name, const char *file, const char **options)
{
    char listed[300] = "";
    const struct tl_model_weights *w = m && name ? m->weights : NULL;
    for (; w && w->name; w++) {
        if (strcmp(w->name, name) == 0) {
            char *path = tl_model_weights_path(m, name);
            tl_state *s = path ? tl_state_load(path) : NULL;
            free(path);
            *options = w->options;
            return s;
        }
        size_t used = strlen(listed);
        snprintf(listed + used, sizeof listed - used, "%s%s", used ? ", " : "", w->name);
    }
    tl_state *s = tl_state_load(file);
    if (!s && listed[0] && access(file, F_OK) != 0)
        tl_error_prefix("model %s lists the weights %s, and there is no such file: ", m->name, listed);
    return s;
}

/* The names of the classes that telar train noted, one a line. */
static tl_status note_classes(struct job *j)
{
    const char *text = note(j, "telar.classes");
    int64_t n = 1;
    if (!text)
        return TL_OK;
    for (const char *s = text; *s; s++)
        n += *s == '\n';
    j->class_text = strdup(text);
    j->class_names = calloc((size_t)n, sizeof *j->class_names);
    if (!j->class_text || !j->class_names)
        return TL_ERR_NOMEM;
    char *rest = j->class_text;
    while (j->n_class_names < n)
        j->class_names[j->n_class_names++] = strsep(&rest, "\n");
    return TL_OK;
}

tl_status job_model(struct job *j, const struct invocation *v)
{
    const char *file = weight_file(v);
    const char *argument = v->n_arguments && !names_pictures(v->arguments[0]) ? v->arguments[0] : NULL;
    const struct tl_model *named = argument ? tl_model_find(argument) : NULL;
    if (argument && !named)
        return tl_error_code();
    const char *listed = NULL;
    if (file && !(j->weights = load_weights(named, v->set.resume ? NULL : v->set.weights, file, &listed)))
        return tl_error_code();
    const char *name = argument ? argument : note(j, "telar.model");
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
    const char *options = v->set.options ? v->set.options : same && noted ? noted : listed ? listed : "";
    j->options = strdup(options);
    return j->options && (!same || note_classes(j) == TL_OK) ? TL_OK : tl_fail(TL_ERR_NOMEM, "out of memory");
}

const char *usual_optimizer(const struct tl_model *m, const struct invocation *v, double *lr, double *momentum)
{
    const struct tl_model_training *usual = tl_model_training(m);
    const char *usually = usual ? usual->optimizer : NULL, *name = usually && !given(v, "optimizer") ? usually : v->set.optimizer;
    bool follow = usually && strcmp(name, usually) == 0;
    *lr = follow && !given(v, "lr") ? usual->lr : v->set.lr;
    *momentum = follow && !given(v, "momentum") ? usual->momentum : v->set.momentum;
    return name;
}

/* ---- Data ------------------------------------------------------------------------------------------------------------- */

static tl_dataset *open_part(struct job *j, const char *part)
{
    struct tl_data_options o = j->data_options;
    o.split = part;
    return tl_data_open_with(j->data_name, &o);
}

static char *add_option(char *text, const char *name, const char *value)
{
    char *longer = text ? tl_config_append(text, name, value) : NULL;
    free(text);
    return longer;
}

char *data_option_text(const struct invocation *v, const char *noted)
{
    const struct settings *s = &v->set;
    const char *own = s->data_options ? s->data_options : "";
    size_t size = strlen(noted ? noted : "") + strlen(own) + 2;
    char *text = malloc(size);
    if (!text) {
        tl_fail(TL_ERR_NOMEM, "out of memory");
        return NULL;
    }
    snprintf(text, size, "%s%s%s", noted ? noted : "", noted && *own ? "," : "", own); /* of two for one option, the last counts */
    if (s->label)
        text = add_option(text, "label", s->label);
    if (s->no_header)
        text = add_option(text, "no-header", NULL);
    return s->standardize ? add_option(text, "standardize", NULL) : text;
}

static tl_status find_data(struct job *j, const struct invocation *v)
{
    const struct settings *s = &v->set;
    bool other = s->data != NULL; /* then the notes' details are of no use */
    j->data_name = s->data ? s->data : note(j, "telar.data") ? note(j, "telar.data") : j->model->data;
    j->data_options.struct_size = sizeof j->data_options;
    j->data_options.path = s->path ? s->path : other ? NULL : note(j, "telar.data_path");
    j->data_text = data_option_text(v, other ? NULL : note(j, "telar.data_options"));
    j->data_options.options = j->data_text;
    return j->data_text ? TL_OK : tl_error_code();
}

static tl_status hold_out(struct job *j, double share)
{
    tl_dataset *parts[2] = {NULL, NULL};
    tl_status s = tl_train_test_split(j->train, share, 0, parts);
    if (s != TL_OK)
        return s;
    tl_dataset_free(j->train);
    j->train = parts[0];
    j->test = parts[1];
    return TL_OK;
}

/* A table is standardized by its own training part. That of another table is not what the weights have learnt from. */
static void warn_of_statistics(const struct job *j, const struct invocation *v)
{
    const char *learnt_from = note(j, "telar.data");
    if (!j->weights || !v->set.data || !learnt_from || strcmp(learnt_from, v->set.data) == 0)
        return;
    bool then = tl_config_mentions(note(j, "telar.data_options"), "standardize"), now = tl_config_mentions(j->data_text, "standardize");
    if (then && !now)
        fprintf(stderr, "telar: the weights were trained on %s, standardized; %s is not\n", learnt_from, v->set.data);
    else if (now)
        fprintf(stderr, "telar: %s is standardized by its own mean and deviation, not by those of %s, from which the weights have learnt\n",
                v->set.data, learnt_from);
}

/* A loss over no samples is no number, and no accuracy. */
static tl_status check_parts(const struct job *j)
{
    const char *none = j->train && tl_dataset_size(j->train) == 0  ? "no sample is left to learn from"
                       : !j->test || tl_dataset_size(j->test) > 0 ? NULL
                       : j->train                                 ? "no sample is left to validate on"
                                                                  : "there is no sample in this part";
    if (!none)
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "data set %s: %s; %s", j->data_name, none,
                   j->train ? "more are needed in a class, or another share: --hold-out SHARE" : "--split all takes the whole set");
}

static tl_status open_parts(struct job *j, const struct invocation *v, bool train, bool test)
{
    if (train && !(j->train = open_part(j, "train")))
        return tl_error_code();
    if (train && v->set.hold_out > 0)
        return hold_out(j, v->set.hold_out);
    if (test && !(j->test = open_part(j, v->set.split && strcmp(v->set.split, "all") == 0 ? NULL : v->set.split ? v->set.split : "test")))
        return tl_error_code();
    return TL_OK;
}

tl_status job_data(struct job *j, const struct invocation *v, bool train, bool test)
{
    tl_status s = find_data(j, v);
    if (s != TL_OK)
        return s;
    if (!j->data_name)
        return tl_fail(TL_ERR_ARGUMENT, "which data? model %s is not made for one data set: --data DATA (see telar data)",
                       j->model->name);
    if (!train)
        warn_of_statistics(j, v);
    if ((s = keep_vocabulary(j)) == TL_OK && (s = open_parts(j, v, train, test)) == TL_OK)
        s = check_parts(j);
    if (s == TL_OK && (!train || v->set.resume)) /* who trains on may have other classes in mind */
        warn_of_classes(j);
    return s;
}

/* ---- Network ---------------------------------------------------------------------------------------------------------- */

static const struct tl_dataset_info *raw_info(const struct job *j)
{
    return j->train || j->test ? tl_dataset_info(j->train ? j->train : j->test) : NULL;
}

static const struct tl_dataset_info *info_of(const struct job *j)
{
    return j->shown.size ? &j->shown : raw_info(j);
}

/* What is asked for, or was when the weights were trained. */
static tl_status recall_transfer(struct job *j, const struct invocation *v)
{
    static const struct {
        const char *name;
        tl_dtype dtype;
    } types[] = {{"f32", TL_F32}, {"f16", TL_F16}, {"bf16", TL_BF16}, {"f64", TL_F64}};
    const char *resize = note(j, "telar.resize"), *dtype = given(v, "dtype") ? v->set.dtype : note(j, "telar.dtype");
    j->freeze = v->set.freeze ? v->set.freeze : v->set.resume ? note(j, "telar.freeze") : NULL;
    j->replace = v->set.replace ? v->set.replace : note(j, "telar.replace");
    j->resize = v->set.resize ? v->set.resize : resize ? strtoll(resize, NULL, 10) : 0;
    j->dtype = dtype ? TL_DEFAULT : TL_F32;
    for (size_t i = 0; dtype && i < sizeof types / sizeof *types; i++)
        if (strcmp(dtype, types[i].name) == 0)
            j->dtype = types[i].dtype;
    if (j->dtype == TL_DEFAULT)
        return tl_fail(TL_ERR_FORMAT, "the weights' note telar.dtype = \"%.60s\": expected f32, f16, bf16 or f64", dtype);
    if (j->resize < 0 || j->resize > 8192)
        return tl_fail(TL_ERR_FORMAT, "the weights' note telar.resize = \"%.60s\": expected a size up to 8192", resize);
    return TL_OK;
}

/* Resized pictures are what the model sees of the data. */
static tl_status show_data(struct job *j)
{
    const struct tl_dataset_info *raw = raw_info(j);
    if (!raw || !j->resize)
        return TL_OK;
    if (raw->ndim < 2)
        return tl_fail(TL_ERR_SHAPE, "--resize: the samples of %s are no pictures; they have %d dimension%s", j->data_name, raw->ndim, raw->ndim == 1 ? "" : "s");
    j->shown = *raw;
    j->shown.shape[raw->ndim - 2] = j->shown.shape[raw->ndim - 1] = j->resize;
    return TL_OK;
}

/* Sizes that the data determine need not be given. A layer that is replaced by hand is not the data's affair. */
static tl_status fit_options_to_data(struct job *j)
{
    struct tl_dataset_info info;
    if (!info_of(j))
        return TL_OK;
    info = *info_of(j);
    if (j->replace)
        info.n_classes = info.n_targets = 0;
    char *fitting = tl_model_options_for(j->model, j->options, &info);
    if (!fitting)
        return tl_error_code();
    free(j->options);
    j->options = fitting;
    return TL_OK;
}

static tl_status load_own_weights(struct job *j, const struct invocation *v)
{
    tl_state *weights = tl_state_weights(j->weights);
    tl_status s = weights ? tl_module_load_state(j->net, weights, true) : tl_error_code();
    tl_state_free(weights);
    if (s != TL_OK)
        tl_error_prefix("%s: ", weight_file(v));
    return s;
}

/* Weights of the network as it was before a layer was replaced come in before, those of one with the layer after. */
static tl_status shape_net(struct job *j, const struct invocation *v)
{
    const char *had = note(j, "telar.replace");
    bool load = j->weights && !v->set.resume, with_layer = j->replace && had && strcmp(had, j->replace) == 0;
    tl_status s = load && !with_layer ? load_own_weights(j, v) : TL_OK;
    if (s == TL_OK && j->freeze)
        s = tl_module_freeze(j->net, j->freeze, NULL);
    if (s == TL_OK && j->replace)
        s = replace_layer(j->net, j->replace);
    if (s == TL_OK && load && with_layer)
        s = load_own_weights(j, v);
    return s;
}

tl_status job_net(struct job *j, const struct invocation *v)
{
    tl_status s = recall_transfer(j, v);
    if (s == TL_OK)
        s = show_data(j);
    if (s == TL_OK)
        s = fit_options_to_data(j);
    if (s != TL_OK)
        return s;
    if (!(j->config = tl_model_configure(j->model, j->options)))
        return tl_error_code();
    if (tl_job_start(&j->work, j->model, j->config, info_of(j)) != TL_OK) {
        tl_error_prefix("data set %s: ", j->data_name ? j->data_name : "");
        return tl_error_code();
    }
    if (!(j->net = tl_model_build_with(j->model, j->config)))
        return tl_error_code();
    const char *device = tl_default_device();
    s = device ? shape_net(j, v) : tl_error_code();
    if (s == TL_OK)
        s = tl_module_to(j->net, device);
    if (s == TL_OK && j->dtype != TL_F32)
        s = tl_module_to_dtype(j->net, j->dtype);
    j->trained = j->net;
    return s;
}

tl_tensor *job_prepare(const struct job *j, tl_tensor *x)
{
    if (x && j->resize)
        x = tl_image_resize(x, j->resize, j->resize);
    x = x ? tl_model_preprocess(j->model, j->config, x) : NULL;
    return x && tl_dtype_of(x) != j->dtype && tl_dtype_is_float(tl_dtype_of(x)) ? tl_cast(x, j->dtype) : x;
}

/* ---- Cached features ---------------------------------------------------------------------------------------------------- */

/* The job stands in for itself: struct job begins elsewhere than struct tl_job. */
static tl_tensor *prepare_input(tl_tensor *x, void *ctx)
{
    return job_prepare(ctx, x);
}

static tl_status cache_part(struct job *j, const struct invocation *v, const char *layer, tl_dataset **part)
{
    if (!*part)
        return TL_OK;
    tl_dataset *features = tl_features(j->net, layer, *part, .batch = v->set.batch, .workers = (int)v->set.workers, .prepare = prepare_input,
                                       .function_ctx = j, .progress = v->set.quiet || v->set.json ? NULL : stderr);
    if (!features)
        return tl_error_code();
    tl_dataset_free(*part);
    *part = features;
    return TL_OK;
}

tl_status job_cache_features(struct job *j, const struct invocation *v)
{
    char layer[128];
    if (!j->replace)
        return tl_fail(TL_ERR_ARGUMENT, "--cache-features: of what? It needs --replace NAME=N, the layer to train, and --freeze '*'");
    if (j->work.task == TL_LANGUAGE)
        return tl_fail(TL_ERR_UNSUPPORTED, "--cache-features: model %s is a language model, whose layers do not see samples one by one", j->model->name);
    replaced_name(j->replace, layer);
    tl_status s = check_frozen(j->net, layer);
    if (s == TL_OK && !j->shown.size)
        j->shown = *raw_info(j); /* the features are not what the model takes */
    if (s == TL_OK)
        s = cache_part(j, v, layer, &j->train);
    if (s == TL_OK)
        s = cache_part(j, v, layer, &j->test);
    if (s == TL_OK)
        j->trained = tl_module_child(j->net, layer);
    return s;
}

void job_free(struct job *j)
{
    tl_module_free(j->net);
    tl_config_free(j->config);
    tl_dataset_free(j->train);
    tl_dataset_free(j->test);
    tl_state_free(j->weights);
    free(j->options);
    free(j->data_text);
    free(j->class_text);
    free(j->class_names);
}

/* ---- What it computes --------------------------------------------------------------------------------------------------- */

/* The functions of struct tl_job get a pointer to it, the first of what is handed on; what prepares inputs needs more. */
static tl_tensor *prepare_for_net(tl_tensor *x, void *ctx)
{
    const struct job *j = (const struct job *)(const void *)((const char *)ctx - offsetof(struct job, work));
    return job_prepare(j, x);
}

void job_functions(struct job *j, struct tl_fit_options *o)
{
    tl_job_fit_options(&j->work, o);
    o->prepare = j->trained == j->net ? prepare_for_net : NULL;
    if (j->trained != j->net) {
        o->whole = j->net;
        o->forward = NULL; /* of the whole model */
    }
}

const char *const *job_classes(const struct job *j, int64_t *n)
{
    const struct tl_dataset_info *info = info_of(j);
    *n = 0;
    if (j->work.task != TL_CLASSIFY && j->work.task != TL_LANGUAGE)
        return NULL;
    *n = info ? info->n_classes : 0;
    if (info && info->classes)
        return info->classes;
    if (!info && j->class_names) {
        *n = j->n_class_names;
        return j->class_names;
    }
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

/* What sees every output. */
struct scorer {
    tl_confusion *confusion;
    tl_regression *regression;
};

static tl_status score(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    struct scorer *s = ctx;
    if (s->regression)
        return tl_regression_add(s->regression, output, batch[n - 1]);
    tl_tensor *predicted = tl_argmax(output, .dims = TL_DIMS(1));
    return predicted ? tl_confusion_add(s->confusion, batch[n - 1], predicted) : tl_error_code();
}

tl_status job_measure(struct job *j, const struct invocation *v, tl_dataset *data, struct measured *m)
{
    struct tl_fit_options o = {.struct_size = sizeof o, .progress = v->set.quiet || v->set.json ? NULL : stderr};
    struct scorer scorer = {NULL, NULL};
    job_functions(j, &o);
    int64_t classes;
    const char *const *names = job_classes(j, &classes);
    *m = (struct measured){.task = j->work.task, .metric = o.update && !o.metric ? o.metric_name : NULL};
    if (j->work.task == TL_CLASSIFY && !(scorer.confusion = m->confusion = tl_confusion_new(classes, names)))
        return tl_error_code();
    if (j->work.task == TL_REGRESS && !(scorer.regression = tl_regression_new(j->work.outputs)))
        return tl_error_code();
    int64_t batch = tl_dataset_info(data)->streams ? tl_dataset_info(data)->streams : v->set.batch > 1 ? v->set.batch : 256;
    tl_loader *loader = tl_loader_new(data, .batch_size = batch, .workers = (int)v->set.workers);
    bool scored = scorer.confusion || scorer.regression;
    tl_status s = loader ? tl_evaluate(j->trained, loader, &o, scored ? score : NULL, &scorer, &m->evaluation) : tl_error_code();
    m->regression = scorer.regression != NULL;
    m->scores = tl_regression_scores(scorer.regression);
    tl_regression_free(scorer.regression);
    tl_loader_free(loader);
    return s;
}

void print_scores(const struct measured *m)
{
    if (m->confusion)
        printf(", accuracy %.2f %%", 100 * tl_confusion_accuracy(m->confusion));
    if (m->regression)
        printf(", R² %.4f, mean absolute error %.4g", m->scores.r2, m->scores.mean_absolute_error);
    if (m->metric)
        printf(", %s %.4f", m->metric, m->evaluation.metric);
    else if (m->task == TL_RECONSTRUCT)
        printf(", mean absolute error %.4g", m->evaluation.metric);
    else if (m->task == TL_LANGUAGE)
        printf(", perplexity %.4g, accuracy %.2f %%", exp(m->evaluation.loss), 100 * m->evaluation.metric);
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
    json_text_of(to, "task", tl_task_name(m->task));
    json_number_of(to, "loss", m->evaluation.loss);
    if (m->regression)
        json_number_of(to, "r2", m->scores.r2);
    if (m->metric) {
        json_text_of(to, "metric_name", m->metric);
        json_number_of(to, "metric", m->evaluation.metric);
        return;
    }
    if (m->regression || m->task == TL_RECONSTRUCT)
        json_number_of(to, "mean_absolute_error", m->regression ? m->scores.mean_absolute_error : m->evaluation.metric);
    if (m->task == TL_LANGUAGE)
        json_number_of(to, "perplexity", exp(m->evaluation.loss));
    if (m->task == TL_LANGUAGE)
        json_number_of(to, "accuracy", m->evaluation.metric);
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
