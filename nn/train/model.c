/* SPDX-License-Identifier: Apache-2.0
 *
 * What programs do with a model: configure it, build it, bring inputs into its form, and run it. Its slots are plugins' code, so what they give is
 * compared with what they promised.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/model.h>

#include "nn/data/internal.h"
#include "nn/train/train.h"

/* ---- Configuring and building ---------------------------------------------------------------------------------------- */

struct tl_config *tl_model_configure(const struct tl_model *m, const char *options)
{
    return tl_model_configure_for(m, NULL, options);
}

struct tl_config *tl_model_configure_for(const struct tl_model *m, const struct tl_model_weights *weights, const char *options)
{
    char owner[120];
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_configure: the model is NULL");
        return NULL;
    }
    char *text = tl_config_join(weights ? weights->options : NULL, options);
    snprintf(owner, sizeof owner, "model %s", m->name);
    struct tl_config *c = text ? tl_config_new(owner, m->options, text) : NULL;
    if (c && weights)
        config_set_pictures(c, weights->pictures);
    free(text);
    return c;
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

/* "3 x 224 x 224". */
static void sizes_text(char *text, size_t size, int ndim, const int64_t *shape)
{
    text[0] = 0;
    for (int i = 0; i < ndim; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%lld", i > 0 ? " x " : "", (long long)shape[i]);
    }
}

tl_status model_refuses_size(const struct tl_model *m, int ndim, const int64_t *shape, int64_t values, int64_t came)
{
    char text[160];
    sizes_text(text, sizeof text, ndim, shape);
    return tl_fail(TL_ERR_SHAPE, "model %s: its inputs are [%s], %lld values a sample; the data have %lld", m->name, text, (long long)values,
                   (long long)came);
}

const struct tl_picture_form *tl_model_pictures(const struct tl_model *m, const struct tl_config *c)
{
    if (!m || !c) {
        tl_fail(TL_ERR_ARGUMENT, "model_pictures: a model and its configuration are needed");
        return NULL;
    }
    const struct tl_picture_form *form = config_pictures(c);
    return form ? form : m->pictures;
}

char *tl_model_picture_options(const struct tl_model *m, const struct tl_config *c)
{
    int64_t shape[TL_MAX_DIMS], values;
    char text[120], input[160];
    const struct tl_picture_form *form = tl_model_pictures(m, c);
    int n = m && c ? model_input_shape(m, c, shape, &values) : -1;
    if (n < 0)
        return NULL;
    if (n != 3 || (shape[0] != 1 && shape[0] != 3)) {
        sizes_text(input, sizeof input, n, shape);
        tl_fail(TL_ERR_UNSUPPORTED, "model %s does not take pictures: its input is [%s], not one or three channels of height and width", m->name, input);
        return NULL;
    }
    const char *grey = shape[0] == 1 ? ",grey" : "";
    if (form && form->crop > 0 && form->resize >= form->crop && shape[1] == shape[2]) /* of another size, in the same proportion */
        snprintf(text, sizeof text, "resize=%lld,crop=%lld%s", (long long)((shape[1] * form->resize + form->crop / 2) / form->crop), (long long)shape[1],
                 grey);
    else
        snprintf(text, sizeof text, "height=%lld,width=%lld%s", (long long)shape[1], (long long)shape[2], grey);
    char *options = strdup(text);
    if (!options)
        tl_fail(TL_ERR_NOMEM, "model_picture_options: out of memory");
    return options;
}

const struct tl_model_training *tl_model_training(const struct tl_model *m)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_training: the model is NULL");
        return NULL;
    }
    return m->training;
}

tl_module *tl_model_pretrained(const struct tl_model *m, const char *weights, const char *options, struct tl_config **config)
{
    const struct tl_model_weights *w = tl_model_weights_find(m, weights);
    struct tl_config *c = w ? tl_model_configure_for(m, w, options) : NULL;
    char *path = c ? tl_model_weights_path(m, w->name) : NULL;
    tl_module *net = path ? tl_model_build_with(m, c) : NULL;
    if (net && tl_module_load(net, path) != TL_OK) {
        tl_module_free(net);
        net = NULL;
    }
    free(path);
    if (net && config)
        *config = c;
    else
        tl_config_free(c);
    return net;
}

/* ---- Inputs and samples ------------------------------------------------------------------------------------------------ */

/* What a slot gave: NULL without an error becomes one that says which slot it was. */
static tl_tensor *slot_gave(const struct tl_model *m, const char *slot, tl_tensor *t)
{
    if (!t && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_PLUGIN, "model %s: %s() gave NULL without an error", m->name, slot);
    return t;
}

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
    const struct tl_picture_form *form = tl_model_pictures(m, c);
    return x && form ? scale_pictures(form, x) : x;
}

tl_tensor *tl_model_example(const struct tl_model *m, const struct tl_config *c, int ndim, const int64_t *shape)
{
    if (!m || !c || ndim < 0 || (ndim > 0 && !shape)) {
        tl_fail(TL_ERR_ARGUMENT, "model_example: a model, its configuration and a shape are needed");
        return NULL;
    }
    if (!m->example)
        return tl_randn(ndim, shape, (struct tl_options){0});
    return slot_gave(m, "example", m->example(c, ndim, shape));
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
    tl_tensor *x = slot_gave(m, "preprocess", m->preprocess(c, input));
    return x && (!clear || tl_error_code() == TL_OK) ? x : NULL;
}

/* ---- Running --------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_model_forward(const struct tl_model *m, const struct tl_config *c, tl_module *net, tl_tensor *const *batch, int n)
{
    if (!m || !c || !net || !batch || n < 1) {
        tl_fail(TL_ERR_ARGUMENT, "model_forward: a model, its configuration, a module and a batch are needed");
        return NULL;
    }
    return m->forward ? slot_gave(m, "forward", m->forward(c, net, batch, n)) : tl_forward(net, batch[0]);
}

tl_tensor *tl_model_advance(const struct tl_model *m, const struct tl_config *c, tl_module *net, tl_tensor *tokens, struct tl_rnn_state *state)
{
    if (!m || !c || !net || !tokens || !state) {
        tl_fail(TL_ERR_ARGUMENT, "model_advance: a model, its configuration, a module, tokens and a state are needed");
        return NULL;
    }
    if (!m->advance) {
        tl_fail(TL_ERR_UNSUPPORTED, "model %s: it does not go on from a state", m->name);
        return NULL;
    }
    return slot_gave(m, "advance", m->advance(c, net, tokens, state));
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
    if (!m->generate) {
        tl_fail(TL_ERR_UNSUPPORTED, "model %s: it does not generate samples", m->name);
        return NULL;
    }
    bool clear = tl_error_code() == TL_OK, training = tl_is_training(net), recording = tl_set_grad_enabled(false);
    tl_eval(net);
    tl_tensor *samples = slot_gave(m, "generate", m->generate(c, net, n));
    if (training)
        tl_train(net);
    tl_set_grad_enabled(recording);
    return samples && (!clear || tl_error_code() == TL_OK) ? check_samples(m, c, samples, n) : NULL;
}
