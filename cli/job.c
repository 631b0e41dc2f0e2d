/* SPDX-License-Identifier: Apache-2.0
 *
 * A model, its options and its weights, put together from the command line and, where that is silent, from the notes that
 * telar train left in the weight file.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* ---- Model ------------------------------------------------------------------------------------------------------------ */

static const char *weight_file(const struct invocation *v)
{
    return v->set.resume ? v->set.resume : v->set.weights;
}

const char *job_note(const struct job *j, const char *key)
{
    const char *text = j->weights ? tl_state_note(j->weights, key) : NULL;
    return text && *text ? text : NULL;
}

static const struct tl_model_weights *find_listed(const struct tl_model *m, const char *name)
{
    for (const struct tl_model_weights *w = m && name ? m->weights : NULL; w && w->name; w++)
        if (strcmp(w->name, name) == 0)
            return w;
    return NULL;
}

static void list_weights(const struct tl_model *m, char *text, size_t size)
{
    text[0] = 0;
    for (const struct tl_model_weights *w = m ? m->weights : NULL; w && w->name; w++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", w->name);
    }
}

/* Weights by the name that the model lists them under, or by path; of the two, the listed name. */
static tl_status load_weights(struct job *j, const struct invocation *v, const struct tl_model *m)
{
    const char *file = weight_file(v);
    char listed[300];
    if (!file)
        return TL_OK;
    j->listed = find_listed(m, v->set.resume ? NULL : v->set.weights);
    char *path = j->listed ? tl_model_weights_path(m, j->listed->name) : NULL;
    if (!j->listed || path)
        j->weights = tl_state_load(path ? path : file);
    free(path);
    list_weights(v->set.resume ? NULL : m, listed, sizeof listed);
    if (!j->weights && !j->listed && listed[0] && access(file, F_OK) != 0)
        tl_error_prefix("model %s lists the weights %s, and there is no such file: ", m->name, listed);
    return j->weights ? TL_OK : tl_error_code();
}

/* Weights that began as listed ones want pictures in the form of these. */
static void recall_listed(struct job *j)
{
    const char *noted = job_note(j, "telar.weights");
    j->listed = find_listed(j->model, noted);
    if (noted && !j->listed)
        fprintf(stderr, "telar: these weights began as %s, which model %s does not list here: pictures are brought into the model's own form\n", noted,
                j->model->name);
}

/* What the weights were made with as far as the command line is silent. */
static tl_status choose_options(struct job *j, const struct invocation *v)
{
    const char *noted = job_note(j, "telar.model");
    const char *asked = j->listed ? j->listed->options : NULL;
    bool same = noted && strcmp(noted, j->model->name) == 0;
    if (same && !j->listed)
        recall_listed(j);
    if (same && job_note_classes(j) != TL_OK)
        return tl_fail(TL_ERR_NOMEM, "out of memory");
    char *made_with = tl_config_join(same ? job_note(j, "telar.options") : NULL, asked);
    j->options = made_with ? tl_config_join(made_with, v->set.options) : NULL;
    free(made_with);
    return j->options ? TL_OK : tl_error_code();
}

tl_status job_model(struct job *j, const struct invocation *v)
{
    const char *argument = v->n_arguments && !names_pictures(v->arguments[0]) ? v->arguments[0] : NULL;
    const struct tl_model *named = argument ? tl_model_find(argument) : NULL;
    if ((argument && !named) || load_weights(j, v, named) != TL_OK)
        return tl_error_code();
    const char *name = argument ? argument : job_note(j, "telar.model");
    if (!name && weight_file(v))
        return tl_fail(TL_ERR_ARGUMENT, "%s does not say which model it belongs to: telar %s MODEL …", weight_file(v), v->command->name);
    if (!name)
        return tl_fail(TL_ERR_ARGUMENT, "which model? telar %s MODEL …, or --weights FILE of one saved by telar train",
                       v->command->name);
    j->model = tl_model_find(name);
    return j->model ? choose_options(j, v) : tl_error_code();
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

/* ---- Network ---------------------------------------------------------------------------------------------------------- */

/* What is asked for, or was when the weights were trained. */
static tl_status recall_transfer(struct job *j, const struct invocation *v)
{
    static const struct {
        const char *name;
        tl_dtype dtype;
    } types[] = {{"f32", TL_F32}, {"f16", TL_F16}, {"bf16", TL_BF16}, {"f64", TL_F64}};
    const char *resize = job_note(j, "telar.resize"), *dtype = given(v, "dtype") ? v->set.dtype : job_note(j, "telar.dtype");
    j->freeze = v->set.freeze ? v->set.freeze : v->set.resume ? job_note(j, "telar.freeze") : NULL;
    j->replace = v->set.replace ? v->set.replace : job_note(j, "telar.replace");
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

/* Sizes that the data determine need not be given. A layer that is replaced by hand is not the data's affair. */
static tl_status fit_options_to_data(struct job *j)
{
    struct tl_dataset_info info;
    if (!job_info(j))
        return TL_OK;
    info = *job_info(j);
    if (j->replace)
        info.n_classes = info.n_targets = 0;
    char *fitting = tl_model_options_for(j->model, j->options, &info);
    if (!fitting)
        return tl_error_code();
    free(j->options);
    j->options = fitting;
    return TL_OK;
}

/* The file's own tensors, where the network has none yet. */
static tl_status load_own_weights(struct job *j, const struct invocation *v)
{
    const struct tl_load_options o = {.struct_size = sizeof o, .assign = j->only_run};
    tl_status s = tl_module_load_state_with(j->net, j->weights, &o);
    if (s != TL_OK)
        tl_error_prefix("%s: ", weight_file(v));
    return s;
}

/* Weights of the network as it was before a layer was replaced come in before, those of one with the layer after. */
static tl_status shape_net(struct job *j, const struct invocation *v)
{
    const char *had = job_note(j, "telar.replace");
    bool load = j->weights && !v->set.resume, with_layer = j->replace && had && strcmp(had, j->replace) == 0;
    tl_status s = load && !with_layer ? load_own_weights(j, v) : TL_OK;
    if (s == TL_OK && j->freeze)
        s = freeze_layers(j->net, j->freeze);
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
        s = job_show_data(j);
    if (s == TL_OK)
        s = fit_options_to_data(j);
    if (s != TL_OK)
        return s;
    if (!(j->config = tl_model_configure_for(j->model, j->listed, j->options)))
        return tl_error_code();
    if (tl_job_start(&j->work, j->model, j->config, job_info(j)) != TL_OK) {
        tl_error_prefix("data set %s: ", j->data_name ? j->data_name : "");
        return tl_error_code();
    }
    if (j->only_run && j->weights) /* what the file has need not be drawn before, nor be in memory twice */
        TL_DEVICE("meta") j->net = tl_model_build_with(j->model, j->config);
    else
        j->net = tl_model_build_with(j->model, j->config);
    if (!j->net)
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
        o->forward = NULL; /* of the whole model, as the step is */
        o->step = NULL;
    }
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
