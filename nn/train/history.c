/* SPDX-License-Identifier: Apache-2.0
 *
 * The history of a run: a growing array of epoch records, written as CSV for other programs.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/train/train.h"

struct tl_history {
    struct tl_epoch *epochs;
    size_t count, capacity;
    char metric[48];
};

tl_history *tl_history_new(void)
{
    tl_history *h = calloc(1, sizeof *h);
    if (!h)
        tl_fail(TL_ERR_NOMEM, "history: out of memory");
    return h;
}

void tl_history_free(tl_history *h)
{
    if (!h)
        return;
    free(h->epochs);
    free(h);
}

void history_clear(tl_history *h)
{
    h->count = 0;
}

size_t tl_history_count(const tl_history *h)
{
    return h ? h->count : 0;
}

const struct tl_epoch *tl_history_at(const tl_history *h, size_t i)
{
    return h && i < h->count ? &h->epochs[i] : NULL;
}

tl_status tl_history_add(tl_history *h, const struct tl_epoch *e)
{
    if (!h || !e)
        return tl_fail(TL_ERR_ARGUMENT, "history: missing argument");
    if (h->count == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 16;
        struct tl_epoch *grown = realloc(h->epochs, capacity * sizeof *grown);
        if (!grown)
            return tl_fail(TL_ERR_NOMEM, "history: out of memory after %zu epochs", h->count);
        h->epochs = grown;
        h->capacity = capacity;
    }
    h->epochs[h->count++] = *e;
    return TL_OK;
}

const char *tl_history_metric_name(const tl_history *h)
{
    return h ? h->metric : "";
}

tl_status tl_history_set_metric_name(tl_history *h, const char *name)
{
    if (!h || !name)
        return tl_fail(TL_ERR_ARGUMENT, "history: missing argument");
    snprintf(h->metric, sizeof h->metric, "%s", name);
    return TL_OK;
}

tl_status tl_history_save_csv(const tl_history *h, const char *path)
{
    if (!h || !path)
        return tl_fail(TL_ERR_ARGUMENT, "history: missing argument");
    struct tl_atomic_file f;
    tl_status s = tl_atomic_begin(&f, path);
    if (s != TL_OK)
        return s;
    fprintf(f.file, "epoch,steps,train_mean,train_std,val_mean,val_std,train_metric,train_metric_std,val_metric,"
                    "val_metric_std,learning_rate,seconds\n");
    for (size_t i = 0; i < h->count; i++) {
        const struct tl_epoch *e = &h->epochs[i];
        const double numbers[] = {e->train_loss,   e->train_loss_std,   e->validation_loss,   e->validation_loss_std,
                                  e->train_metric, e->train_metric_std, e->validation_metric, e->validation_metric_std,
                                  e->learning_rate, e->seconds};
        fprintf(f.file, "%lld,%lld", (long long)e->epoch, (long long)e->steps);
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
            if (isnan(numbers[j]))
                fputc(',', f.file); /* an empty cell is what was not measured */
            else
                fprintf(f.file, ",%.9g", numbers[j]);
        fputc('\n', f.file);
    }
    return tl_atomic_commit(&f);
}
