/* SPDX-License-Identifier: Apache-2.0
 *
 * Models by name, and what makes a table of one fit for use.
 */
#include <stdio.h>
#include <string.h>
#include <telar/model.h>

#include "nn/data/catalogue.h"

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
static const char *judge(const void *entry, char *why, size_t size)
{
    const struct tl_model *m = entry;
    const uint32_t known = TL_CLASSIFY | TL_LANGUAGE | TL_REGRESS | TL_RECONSTRUCT | TL_GENERATE;
    char owner[120];
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

static struct catalogue models = {
    .kind = "model",
    .what = "model",
    .type = "tl_model",
    .abi = TL_MODEL_ABI,
    .size = sizeof(struct tl_model),
    .least = offsetof(struct tl_model, step) + sizeof(((struct tl_model *)NULL)->step),
    .name = offsetof(struct tl_model, name),
    .judge = judge,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

size_t tl_models(const struct tl_model **list, size_t capacity)
{
    return catalogue_list(&models, (const void **)list, capacity);
}

const struct tl_model *tl_model_find(const char *name)
{
    if (name)
        return catalogue_find(&models, name, "");
    tl_fail(TL_ERR_ARGUMENT, "model: no name given");
    return NULL;
}
