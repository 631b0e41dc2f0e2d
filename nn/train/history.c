/* SPDX-License-Identifier: Apache-2.0
 *
 * The history of a run: a growing array of epoch records, written as CSV for other programs.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/numbers.h"
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
    struct plain_numbers plain = plain_numbers_begin();
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
    plain_numbers_end(&plain);
    return tl_atomic_commit(&f);
}

/* ---- In a checkpoint: f64 [epochs, 12] and the metric's name as a note --------------------------------------------------- */

enum { EPOCH_COLUMNS = 12 };

static void epoch_to_row(const struct tl_epoch *e, double row[EPOCH_COLUMNS])
{
    const double values[EPOCH_COLUMNS] = {(double)e->epoch,     (double)e->steps,         e->train_loss,
                                          e->train_loss_std,    e->validation_loss,       e->validation_loss_std,
                                          e->train_metric,      e->train_metric_std,      e->validation_metric,
                                          e->validation_metric_std, e->learning_rate,     e->seconds};
    memcpy(row, values, sizeof values);
}

static struct tl_epoch epoch_from_row(const double r[EPOCH_COLUMNS])
{
    return (struct tl_epoch){(int64_t)r[0], (int64_t)r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11]};
}

tl_status history_save(tl_state *s, const tl_history *h)
{
    size_t n = tl_history_count(h);
    tl_status status = tl_state_set_note(s, "telar.metric", tl_history_metric_name(h));
    if (status != TL_OK || n == 0)
        return status;
    double *rows = calloc(n, EPOCH_COLUMNS * sizeof *rows);
    if (!rows)
        return tl_fail(TL_ERR_NOMEM, "checkpoint: out of memory");
    for (size_t i = 0; i < n; i++)
        epoch_to_row(tl_history_at(h, i), rows + i * EPOCH_COLUMNS);
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE((int64_t)n, EPOCH_COLUMNS), rows, (struct tl_options){.dtype = TL_F64, .device = "cpu"});
        status = t ? tl_state_add(s, "telar.history", t) : tl_error_code();
    }
    free(rows);
    return status;
}

tl_status history_load(const tl_state *s, tl_history *h)
{
    tl_tensor *t = tl_state_get(s, "telar.history");
    if (t && (tl_ndim(t) != 2 || tl_size(t, 1) != EPOCH_COLUMNS || tl_dtype_of(t) != TL_F64))
        return tl_fail(TL_ERR_FORMAT, "\"telar.history\": expected f64 [epochs, %d]", EPOCH_COLUMNS);
    size_t n = t ? (size_t)tl_size(t, 0) : 0;
    double *rows = calloc(n ? n : 1, EPOCH_COLUMNS * sizeof *rows);
    if (!rows)
        return tl_fail(TL_ERR_NOMEM, "checkpoint: out of memory");
    tl_status status = n ? tl_copy_out(t, TL_F64, rows, n * EPOCH_COLUMNS * sizeof *rows) : TL_OK;
    for (size_t i = 0; status == TL_OK && i < n; i++)
        if (!(rows[i * EPOCH_COLUMNS] >= 0 && rows[i * EPOCH_COLUMNS] < 1e15 && rows[i * EPOCH_COLUMNS + 1] >= 0 &&
              rows[i * EPOCH_COLUMNS + 1] < 1e15))
            status = tl_fail(TL_ERR_FORMAT, "\"telar.history\": row %zu has no epoch number", i);
    if (status == TL_OK)
        h->count = 0;
    for (size_t i = 0; status == TL_OK && i < n; i++) {
        struct tl_epoch e = epoch_from_row(rows + i * EPOCH_COLUMNS);
        status = tl_history_add(h, &e);
    }
    free(rows);
    const char *metric = tl_state_note(s, "telar.metric");
    return status == TL_OK && metric ? tl_history_set_metric_name(h, metric) : status;
}
