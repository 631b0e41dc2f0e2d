/* SPDX-License-Identifier: Apache-2.0
 *
 * Models by name. Every model plugin is opened once and its models are listed, in the order in which plugins are found; of
 * two models with one name, the first counts. A model is judged before it is listed, so that what is listed can be used. Listed are
 * copies of today's size: members that a table of an earlier version lacks are NULL in them, and nobody else need ask what there is.
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
static struct tl_model models[MAX_MODELS];
static size_t n_models;
static bool listed;

static const struct tl_model *find_listed(const char *name)
{
    for (size_t i = 0; i < n_models; i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
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

/* The table in today's size; false if it is smaller than its first version. */
static bool copy_table(struct tl_model *to, const struct tl_model *from)
{
    *to = (struct tl_model){0};
    memcpy(to, from, from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
    to->struct_size = sizeof *to;
    return from->struct_size >= offsetof(struct tl_model, step) + sizeof from->step;
}

/* NULL if the model can be used, else why not, in `why`. */
static const char *judge(const struct tl_model *m, char *why, size_t size)
{
    const uint32_t known = TL_CLASSIFY | TL_LANGUAGE | TL_REGRESS | TL_RECONSTRUCT | TL_GENERATE;
    char owner[120];
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
    if ((m->tasks & TL_GENERATE) && !m->step && !m->update)
        return "its task is to generate, so it needs a step or an update, but both are NULL";
    if (m->metric && !m->update)
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
        struct tl_model m;
        const char *flaw = why;
        if (copy_table(&m, p->models[i]))
            flaw = judge(&m, why, sizeof why);
        else
            snprintf(why, sizeof why, "struct_size is %u; .struct_size = sizeof(struct tl_model) is needed", p->models[i]->struct_size);
        if (p->models[i]->name)
            snprintf(name, sizeof name, "'%.30s'", p->models[i]->name);
        else
            snprintf(name, sizeof name, "%zu of its list", i + 1);
        if (flaw)
            tl_plugin_left_out("model", plugin, "model %s: %s", name, flaw);
        else if (find_listed(m.name))
            tl_plugin_remark_add("model %s of the plugin %s is hidden by another of that name", m.name, plugin);
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
        list[i] = &models[i];
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
        names[i] = models[i].name;
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
