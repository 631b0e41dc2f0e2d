/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfer learning from the command line: layers that take another's place, and what is left to train.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { SIZES = 16 };

/* NAME of "NAME=N". */
static void replaced_name(const char *text, char name[128])
{
    snprintf(name, 128, "%.*s", (int)strcspn(text, "="), text);
}

/* "NAME=N,N": returns how many sizes; -1 after an error. */
static int parse_sizes(const char *text, int64_t sizes[SIZES])
{
    const char *equals = strchr(text, '=');
    int n = 0;
    for (const char *s = equals ? equals + 1 : NULL; s && n < SIZES;) {
        char *end;
        long long size = strtoll(s, &end, 10);
        if (end == s || size < 1 || size > 1 << 24 || (*end && *end != ','))
            break;
        sizes[n++] = size;
        if (!*end && equals > text && equals - text < 128)
            return n;
        s = end + 1;
    }
    tl_fail(TL_ERR_ARGUMENT, "--replace %s: expected NAME=N or NAME=N,N,…, at most %d sizes from 1 to %d", text, (int)SIZES, 1 << 24);
    return -1;
}

tl_status replace_layer(tl_module *net, const char *text)
{
    int64_t sizes[SIZES];
    char name[128];
    int n = parse_sizes(text, sizes);
    if (n < 0)
        return tl_error_code();
    replaced_name(text, name);
    tl_module *old = tl_module_child(net, name);
    if (!old) {
        tl_error_prefix("--replace: ");
        return tl_error_code();
    }
    if (strcmp(tl_module_name(old), "Linear") != 0)
        return tl_fail(TL_ERR_ARGUMENT, "--replace: %s is a %s; only a Linear layer tells how many numbers reach it", name, tl_module_name(old));
    int64_t in = tl_size(tl_module_get(old, "weight"), 1);
    tl_module *fresh = n == 1 ? tl_nn_linear(in, sizes[0]) : tl_sequential_new();
    for (int i = 0; n > 1 && i < n; in = sizes[i++])
        tl_sequential_append(fresh, tl_nn_linear(in, sizes[i]));
    if (tl_error_code() != TL_OK) {
        tl_module_free(fresh);
        return tl_error_code();
    }
    return tl_module_replace(net, name, fresh);
}

static tl_status count_trainable(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    *(int64_t *)ctx += tl_requires_grad(t) ? tl_numel(t) : 0;
    return TL_OK;
}

int64_t trainable_count(tl_module *m)
{
    int64_t n = 0;
    tl_module_parameters(m, count_trainable, &n);
    return n;
}

static tl_status hold_frozen_norm(const char *name, tl_module *m, void *ctx)
{
    (void)name, (void)ctx;
    bool norm = strncmp(tl_module_name(m), "BatchNorm", strlen("BatchNorm")) == 0;
    tl_tensor *weight = norm ? tl_module_get(m, "weight") : NULL;
    if (weight && !tl_is_none(weight) && !tl_requires_grad(weight) && !tl_requires_grad(tl_module_get(m, "bias")))
        tl_hold_eval(m, true);
    return TL_OK;
}

tl_status freeze_layers(tl_module *net, const char *patterns)
{
    tl_status s = tl_module_freeze(net, patterns, NULL);
    return s == TL_OK ? tl_modules(net, hold_frozen_norm, NULL) : s;
}

static tl_status demand_frozen(const char *name, tl_tensor *t, void *ctx)
{
    const char *layer = ctx;
    size_t n = strlen(layer);
    if (!tl_requires_grad(t) || (strncmp(name, layer, n) == 0 && name[n] == '.'))
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "--cache-features: %s is trained, so what reaches %s changes; freeze it, too: --freeze '*'", name, layer);
}

static tl_status check_frozen(tl_module *net, const char *name)
{
    return tl_module_parameters(net, demand_frozen, (void *)(uintptr_t)name);
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
    if (j->model->update)
        return tl_fail(TL_ERR_UNSUPPORTED, "--cache-features: model %s descends in a way of its own, which needs all of its layers", j->model->name);
    if (j->model->step && !v->set.quiet)
        fprintf(stderr, "telar: the training step of %s needs all of its layers; on cached features the last one is trained by the loss of its task, to %s\n",
                j->model->name, tl_task_name(j->work.task));
    replaced_name(j->replace, layer);
    tl_status s = check_frozen(j->net, layer);
    if (s == TL_OK && !j->shown.size)
        j->shown = *job_info(j); /* the features are not what the model takes */
    if (s == TL_OK)
        s = cache_part(j, v, layer, &j->train);
    if (s == TL_OK)
        s = cache_part(j, v, layer, &j->test);
    if (s == TL_OK)
        j->trained = tl_module_child(j->net, layer);
    return s;
}
