/* SPDX-License-Identifier: Apache-2.0
 *
 * Models by name. Every model plugin is opened once and its models are listed, in the order in which plugins are found; of
 * two models with one name, the first counts. A model is judged before it is listed, so that what is listed can be used.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/model.h>
#include <telar/registry.h>

#include "nn/data/internal.h"
#include "nn/train/train.h"

enum { MAX_PLUGINS = 256, MAX_MODELS = 1024 };

/* ---- The list ------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tl_model *models[MAX_MODELS];
static size_t n_models;
static bool listed;

static const struct tl_model *find_listed(const char *name)
{
    for (size_t i = 0; i < n_models; i++)
        if (strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}

/* Digests that a file's can be compared with: the whole, or at least the first eight digits. */
static const struct tl_model_weights *odd_digest(const struct tl_model_weights *w)
{
    for (; w && w->name; w++) {
        size_t digits = w->sha256 ? strspn(w->sha256, "0123456789abcdefABCDEF") : 0;
        if (w->sha256 && (w->sha256[digits] || digits < 8 || digits > 64))
            return w;
    }
    return NULL;
}

/* NULL if the model can be used, else why not, in `why`. */
static const char *judge(const struct tl_model *m, char *why, size_t size)
{
    const uint32_t known = TL_CLASSIFY | TL_LANGUAGE | TL_REGRESS | TL_RECONSTRUCT | TL_GENERATE;
    char owner[120];
    if (!MODEL_HAS(m, step)) {
        snprintf(why, size, "struct_size is %u; .struct_size = sizeof(struct tl_model) is needed", m->struct_size);
        return why;
    }
    if (!m->name || !m->name[0])
        return "name is NULL or empty";
    if (!m->input_shape)
        return "input_shape is NULL";
    if (!m->build)
        return "build is NULL";
    if (m->tasks == 0)
        return "tasks is 0: at least one of TL_CLASSIFY, TL_LANGUAGE, TL_REGRESS, TL_RECONSTRUCT, TL_GENERATE is needed";
    if (m->tasks & ~known) {
        snprintf(why, size, "tasks has bits (0x%x) that this Telar does not know", (unsigned)(m->tasks & ~known));
        return why;
    }
    if ((m->tasks & TL_GENERATE) && !m->step && !(MODEL_HAS(m, update) && m->update))
        return "its task is to generate, so it needs a step or an update, but both are NULL";
    if (MODEL_HAS(m, metric) && m->metric && !m->update)
        return "it names a metric, which an update tells, but update is NULL";
    const struct tl_model_weights *odd = odd_digest(m->weights);
    if (odd) {
        snprintf(why, size, "sha256 of the weights %s is \"%.70s\": expected the 64 hexadecimal digits of a digest, or its first 8 or more", odd->name,
                 odd->sha256);
        return why;
    }
    snprintf(owner, sizeof owner, "model %s", m->name);
    if (tl_config_check(owner, m->options) == TL_OK)
        return NULL;
    snprintf(why, size, "%s", tl_error_message());
    tl_error_clear();
    return why;
}

static void list_plugin(const char *plugin)
{
    const struct tl_model_plugin *p = tl_plugin_open("model", plugin, TL_MODEL_ABI);
    char why[600], name[40];
    if (!p) { /* a broken plugin must not hide the others */
        tl_error_clear();
        tl_plugin_left_out("model", plugin, NULL);
        return;
    }
    if (p->struct_size < sizeof *p || !p->models || !p->models[0])
        tl_plugin_left_out("model", plugin, "its table lists no model");
    for (size_t i = 0; p->struct_size >= sizeof *p && p->models && p->models[i]; i++) {
        const struct tl_model *m = p->models[i];
        const char *flaw = judge(m, why, sizeof why);
        if (m->name)
            snprintf(name, sizeof name, "'%.30s'", m->name);
        else
            snprintf(name, sizeof name, "%zu of its list", i + 1);
        if (flaw)
            tl_plugin_left_out("model", plugin, "model %s: %s", name, flaw);
        else if (find_listed(m->name))
            tl_plugin_remark_add("model %s of the plugin %s is hidden by another of that name", m->name, plugin);
        else if (n_models < MAX_MODELS)
            models[n_models++] = m;
    }
}

static void list_models(void)
{
    pthread_mutex_lock(&lock);
    if (!listed) {
        static struct tl_plugin_info found[MAX_PLUGINS];
        bool clear = tl_error_code() == TL_OK;
        size_t n = tl_plugins("model", false, found, MAX_PLUGINS);
        for (size_t i = 0; clear && i < n && i < MAX_PLUGINS; i++)
            list_plugin(found[i].name);
        listed = clear;
    }
    pthread_mutex_unlock(&lock);
}

size_t tl_models(const struct tl_model **list, size_t capacity)
{
    list_models();
    for (size_t i = 0; list && i < n_models && i < capacity; i++)
        list[i] = models[i];
    return n_models;
}

const struct tl_model *tl_model_find(const char *name)
{
    if (!name) {
        tl_fail(TL_ERR_ARGUMENT, "model: no name given");
        return NULL;
    }
    list_models();
    const struct tl_model *m = find_listed(name);
    if (m)
        return m;
    if (plugin_is_broken("model", name))
        return NULL;
    const char *names[MAX_MODELS];
    char all[600] = "";
    for (size_t i = 0; i < n_models; i++) {
        names[i] = models[i]->name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, n_models);
    if (n_models == 0)
        tl_fail(TL_ERR_NOT_FOUND, "no model \"%s\": no model plugin was found (see telar doctor)", name);
    else
        tl_fail(TL_ERR_NOT_FOUND, "no model \"%s\"%s%s%s; there are: %s", name, near ? "; did you mean \"" : "", near ? near : "",
                near ? "\"?" : "", all);
    return NULL;
}

/* ---- Configuring and building ---------------------------------------------------------------------------------------- */

struct tl_config *tl_model_configure(const struct tl_model *m, const char *options)
{
    char owner[120];
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_configure: the model is NULL");
        return NULL;
    }
    snprintf(owner, sizeof owner, "model %s", m->name);
    return tl_config_new(owner, m->options, options);
}

/* What a role asks of the data; 0 if they do not tell. */
static int64_t size_for(enum tl_option_role role, const struct tl_dataset_info *info)
{
    int64_t features = 1;
    int n = info->ndim;
    switch (role) {
    case TL_ROLE_FEATURES:
        for (int i = 0; i < n; i++)
            if (__builtin_mul_overflow(features, info->shape[i], &features))
                return INT64_MAX;
        return features;
    case TL_ROLE_CHANNELS:
        return n == 3 ? info->shape[0] : n == 2 ? 1 : 0;
    case TL_ROLE_HEIGHT:
        return n >= 2 ? info->shape[n - 2] : 0;
    case TL_ROLE_WIDTH:
        return n >= 2 ? info->shape[n - 1] : 0;
    case TL_ROLE_CLASSES:
        return info->n_classes;
    case TL_ROLE_OUTPUTS:
        return info->n_classes > 0 ? info->n_classes : info->n_targets;
    case TL_ROLE_NONE:
        break;
    }
    return 0;
}

/* What the user has written is judged alone first: it is no fault of the data. */
static bool options_are_good(const struct tl_model *m, const char *text)
{
    char owner[100];
    snprintf(owner, sizeof owner, "model %s", m->name);
    struct tl_config *tried = tl_config_new(owner, m->options, text);
    tl_config_free(tried);
    return tried;
}

char *tl_model_options_for(const struct tl_model *m, const char *options, const struct tl_dataset_info *info)
{
    char number[24], owner[160];
    char *text = m && info ? strdup(options ? options : "") : NULL;
    if (!text)
        tl_fail(m && info ? TL_ERR_NOMEM : TL_ERR_ARGUMENT, "model_options_for: %s", m && info ? "out of memory" : "a model and an info are needed");
    if (text && !options_are_good(m, text)) {
        free(text);
        return NULL;
    }
    for (const struct tl_plugin_option *o = text ? m->options : NULL; o && o->name; o++) {
        int64_t size = size_for(o->role, info);
        if (size <= 0 || tl_config_mentions(text, o->name))
            continue;
        snprintf(number, sizeof number, "%lld", (long long)size);
        char *longer = tl_config_append(text, o->name, number);
        /* A size that the model cannot take: the user gave no such option, so the message says where it comes from. */
        snprintf(owner, sizeof owner, "model %s does not fit the data, which ask for %s=%s", m->name, o->name, number);
        struct tl_config *tried = longer ? tl_config_new(owner, m->options, longer) : NULL;
        free(text);
        text = longer;
        if (!tried) {
            free(text);
            return NULL;
        }
        tl_config_free(tried);
    }
    return text;
}

tl_module *tl_model_build_with(const struct tl_model *m, const struct tl_config *c)
{
    if (!m || !c) {
        tl_fail(TL_ERR_ARGUMENT, "model_build: a model and its configuration are needed");
        return NULL;
    }
    bool clear = tl_error_code() == TL_OK;
    tl_module *net = NULL;
    TL_SCOPE net = m->build(c);
    if (net && (!clear || tl_error_code() == TL_OK))
        return net;
    tl_module_free(net);
    if (tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: build() gave NULL without an error", m->name);
    else
        tl_error_prefix("model %s: ", m->name);
    return NULL;
}

tl_module *tl_model_build(const char *name, const char *options)
{
    const struct tl_model *m = tl_model_find(name);
    struct tl_config *c = m ? tl_model_configure(m, options) : NULL;
    tl_module *net = c ? tl_model_build_with(m, c) : NULL;
    tl_config_free(c);
    return net;
}

int model_input_shape(const struct tl_model *m, const struct tl_config *c, int64_t *shape, int64_t *values)
{
    int ndim = m->input_shape(c, shape);
    if (ndim < 0 || ndim >= TL_MAX_DIMS) {
        tl_fail(TL_ERR_PLUGIN, "model %s: input_shape() gave %d dimensions; 0 to %d are possible", m->name, ndim, TL_MAX_DIMS - 1);
        return -1;
    }
    *values = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(*values, shape[i], values)) {
            tl_fail(TL_ERR_PLUGIN, "model %s: input_shape() gave sizes that cannot be", m->name);
            return -1;
        }
    return ndim;
}

tl_status model_refuses_size(const struct tl_model *m, int ndim, const int64_t *shape, int64_t values, int64_t came)
{
    char text[160] = "";
    for (int i = 0; i < ndim; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%lld", i > 0 ? " x " : "", (long long)shape[i]);
    }
    return tl_fail(TL_ERR_SHAPE, "model %s: its inputs are [%s], %lld values a sample; the data have %lld", m->name, text, (long long)values,
                   (long long)came);
}

const struct tl_picture_form *tl_model_pictures(const struct tl_model *m)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_pictures: the model is NULL");
        return NULL;
    }
    return MODEL_HAS(m, pictures) ? m->pictures : NULL;
}

const struct tl_model_training *tl_model_training(const struct tl_model *m)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_training: the model is NULL");
        return NULL;
    }
    return MODEL_HAS(m, training) ? m->training : NULL;
}

/* ---- Inputs and samples ------------------------------------------------------------------------------------------------ */

/* (x - mean) / deviation, channel by channel. */
static tl_tensor *scale_pictures(const struct tl_picture_form *form, tl_tensor *x)
{
    float mean[3], deviation[3];
    int64_t channels = tl_ndim(x) == 4 ? tl_size(x, 1) : 0;
    if (channels != 1 && channels != 3)
        return x;
    for (int i = 0; i < channels; i++) {
        mean[i] = (float)(channels == 3 ? form->mean[i] : (form->mean[0] + form->mean[1] + form->mean[2]) / 3);
        deviation[i] = (float)(channels == 3 ? form->deviation[i] : (form->deviation[0] + form->deviation[1] + form->deviation[2]) / 3);
    }
    struct tl_options here = {.device = tl_device_of(x)};
    tl_tensor *m = tl_from_data(TL_SHAPE(channels, 1, 1), mean, here), *d = tl_from_data(TL_SHAPE(channels, 1, 1), deviation, here);
    return tl_div(tl_sub(x, m), d);
}

/* Samples in the shape that the model's input_shape says; tokens stay what they are. */
static tl_tensor *shape_input(const struct tl_model *m, const struct tl_config *c, tl_tensor *input)
{
    int64_t shape[TL_MAX_DIMS + 1] = {0}, values, n = tl_ndim(input) > 0 ? tl_size(input, 0) : 1;
    int ndim = model_input_shape(m, c, shape + 1, &values);
    if (ndim < 0)
        return NULL;
    shape[0] = n;
    if (n > 0 && tl_numel(input) != n * values) {
        model_refuses_size(m, ndim, shape + 1, values, tl_numel(input) / n);
        return NULL;
    }
    tl_dtype type = tl_dtype_of(input);
    tl_tensor *x = tl_reshape(input, ndim + 1, shape);
    if (type == TL_I64 || type == TL_I32)
        return x;
    x = type == TL_F32 ? x : tl_cast(x, TL_F32);
    const struct tl_picture_form *form = tl_model_pictures(m);
    return x && form ? scale_pictures(form, x) : x;
}

tl_tensor *tl_model_example(const struct tl_model *m, const struct tl_config *c, int ndim, const int64_t *shape)
{
    if (!m || !c || ndim < 0 || (ndim > 0 && !shape)) {
        tl_fail(TL_ERR_ARGUMENT, "model_example: a model, its configuration and a shape are needed");
        return NULL;
    }
    if (!MODEL_HAS(m, example) || !m->example)
        return tl_randn(ndim, shape, (struct tl_options){0});
    tl_tensor *x = m->example(c, ndim, shape);
    if (!x && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: example() gave NULL without an error", m->name);
    return x;
}

tl_tensor *tl_model_preprocess(const struct tl_model *m, const struct tl_config *c, tl_tensor *input)
{
    if (!m || !c || !input) {
        tl_fail(TL_ERR_ARGUMENT, "model_preprocess: a model, its configuration and an input are needed");
        return NULL;
    }
    if (!m->preprocess)
        return shape_input(m, c, input);
    bool clear = tl_error_code() == TL_OK;
    tl_tensor *x = m->preprocess(c, input);
    if (x && (!clear || tl_error_code() == TL_OK))
        return x;
    if (tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: preprocess() gave NULL without an error", m->name);
    return NULL;
}

/* NULL and an error if the samples are not what input_shape says. */
static tl_tensor *check_samples(const struct tl_model *m, const struct tl_config *c, tl_tensor *samples, int64_t n)
{
    int64_t shape[TL_MAX_DIMS + 1] = {n}, values;
    int ndim = model_input_shape(m, c, shape + 1, &values);
    bool same = ndim >= 0 && tl_ndim(samples) == ndim + 1;
    for (int i = 0; same && i <= ndim; i++)
        same = tl_shape(samples)[i] == shape[i];
    if (ndim >= 0 && !same) {
        char came[200];
        shape_text(came, sizeof came, samples);
        tl_fail(TL_ERR_PLUGIN, "model %s: generate() gave %s for %lld samples; expected the shape of its input_shape()", m->name, came, (long long)n);
    }
    return same ? samples : NULL;
}

tl_tensor *tl_model_generate(const struct tl_model *m, const struct tl_config *c, tl_module *net, int64_t n)
{
    if (!m || !c || !net || n < 1) {
        tl_fail(TL_ERR_ARGUMENT, "model_generate: a model, its configuration, a module and at least one sample are needed");
        return NULL;
    }
    if (!MODEL_HAS(m, generate) || !m->generate) {
        tl_fail(TL_ERR_UNSUPPORTED, "model %s: it does not generate samples", m->name);
        return NULL;
    }
    bool clear = tl_error_code() == TL_OK, training = tl_is_training(net), recording = tl_set_grad_enabled(false);
    tl_eval(net);
    tl_tensor *samples = m->generate(c, net, n);
    if (training)
        tl_train(net);
    tl_set_grad_enabled(recording);
    if (!samples && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: generate() gave NULL without an error", m->name);
    return samples && (!clear || tl_error_code() == TL_OK) ? check_samples(m, c, samples, n) : NULL;
}
