/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader: batches of a data set, in PyTorch's order, prepared ahead by threads. Batch number b of an epoch always
 * lives in slot b modulo the number of slots; workers claim numbers in order, at most one ring ahead of the reader, and the
 * reader takes them in order, so that the sequence does not depend on who was faster. Workers persist over epochs. Tensors
 * cross from worker to reader as owned references; an error crosses as its code and text.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <telar/data.h>

#include "nn/options.h"

enum slot_state { SLOT_EMPTY, SLOT_BUSY, SLOT_READY, SLOT_FAILED };

struct slot {
    enum slot_state state;
    tl_tensor *fields[TL_MAX_FIELDS]; /* owned while READY */
    struct tl_error error;            /* of a FAILED one */
};

struct tl_loader {
    tl_dataset *dataset;
    struct tl_loader_options o;
    int64_t size, length; /* samples of the data set, batches of an epoch */
    int n_fields;

    /* The epoch; written only while no worker is busy. */
    int64_t *order; /* NULL: 0, 1, 2, … */
    uint64_t base_seed;
    bool started;
    bool tail; /* a last draw is due when the epoch is through, see finish_order() */

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t work, done;
    struct slot *slots;
    int64_t n_slots;
    int64_t claimed, taken; /* next batch to make, next batch to hand out */
    int busy;
    bool quit;
    pthread_t *threads;
    int n_threads;
};

/* ---- Making one batch ---------------------------------------------------------------------------------------- */

/* A batch failed: find a sample that fails alone, so that the message can name it. Its own words win. */
static void blame_sample(tl_loader *l, const int64_t *index, int64_t n, int64_t number, struct tl_error *error)
{
    struct tl_error whole = *error;
    int64_t culprit = -1;

    for (int64_t i = 0; i < n && culprit < 0; i++) {
        TL_SCOPE
        {
            tl_tensor *fields[TL_MAX_FIELDS];
            tl_error_clear();
            if (tl_dataset_batch(l->dataset, &index[i], 1, fields) != TL_OK) {
                culprit = index[i];
                whole.code = tl_error_code();
                snprintf(whole.message, sizeof whole.message, "%s", tl_error_message());
            }
        }
    }
    tl_error_clear();
    error->code = whole.code;
    if (culprit >= 0)
        snprintf(error->message, sizeof error->message, "loader: batch %" PRId64 ", sample %" PRId64 ": %.900s", number + 1, culprit,
                 whole.message);
    else
        snprintf(error->message, sizeof error->message, "loader: batch %" PRId64 " (%" PRId64 " samples, the first is %" PRId64
                 "): %.900s", number + 1, n, index[0], whole.message);
}

/* Keep what the batch holds, or keep nothing. */
static tl_status own_fields(tl_tensor **fields, int n, tl_tensor **owned)
{
    for (int f = 0; f < n; f++)
        if (!fields[f])
            return tl_fail(TL_ERR_ARGUMENT, "the transform left field %d empty", f);
    for (int f = 0; f < n; f++)
        owned[f] = tl_keep(fields[f]);
    return TL_OK;
}

/* Fill `owned` with batch `number`, or fill *error. Leaves the thread's error as it found it: clear. */
static bool make_batch(tl_loader *l, int64_t number, tl_tensor **owned, struct tl_error *error)
{
    int64_t first = number * l->o.batch_size;
    int64_t n = l->size - first < l->o.batch_size ? l->size - first : l->o.batch_size;
    int64_t few[256];
    int64_t *made = NULL;
    const int64_t *index = l->order ? l->order + first : NULL;
    tl_status s = TL_OK;

    if (!index) {
        int64_t *to = n <= 256 ? few : (made = calloc((size_t)n, sizeof *made));
        if (!to) {
            error->code = TL_ERR_NOMEM;
            snprintf(error->message, sizeof error->message, "loader: no memory for %" PRId64 " indices", n);
            return false;
        }
        for (int64_t i = 0; i < n; i++)
            to[i] = first + i;
        index = to;
    }
    TL_SCOPE
    {
        tl_tensor *fields[TL_MAX_FIELDS] = {0};
        struct tl_batch batch = {fields, l->n_fields, index, n, number, l->base_seed + (uint64_t)number};
        s = tl_dataset_batch(l->dataset, index, n, fields);
        bool loaded = s == TL_OK;
        if (loaded && l->o.transform) {
            s = l->o.transform(&batch, l->o.ctx);
            if (s == TL_OK)
                s = tl_error_code(); /* a transform that overlooked a failure */
        }
        if (s == TL_OK)
            s = own_fields(fields, l->n_fields, owned);
        if (s != TL_OK) {
            error->code = s;
            snprintf(error->message, sizeof error->message, "%s", tl_error_message());
            tl_error_clear();
            if (!loaded)
                blame_sample(l, index, n, number, error);
            else {
                struct tl_error inner = *error;
                snprintf(error->message, sizeof error->message, "loader: batch %" PRId64 ", transform of %" PRId64
                         " samples, the first is %" PRId64 ": %.900s", number + 1, n, index[0],
                         inner.message[0] ? inner.message : "it failed without a message");
            }
        }
    }
    free(made);
    return s == TL_OK;
}

/* ---- Workers -------------------------------------------------------------------------------------------------- */

static bool can_claim(const tl_loader *l)
{
    return l->claimed < l->length && l->claimed - l->taken < l->n_slots;
}

static void *worker(void *arg)
{
    tl_loader *l = arg;

    tl_set_thread_limit(1); /* the cores belong to the model: no thread teams here */
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        if (!can_claim(l)) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        int64_t number = l->claimed++;
        struct slot *slot = &l->slots[number % l->n_slots];
        slot->state = SLOT_BUSY;
        l->busy++;
        pthread_mutex_unlock(&l->lock);
        bool good = make_batch(l, number, slot->fields, &slot->error);
        pthread_mutex_lock(&l->lock);
        slot->state = good ? SLOT_READY : SLOT_FAILED;
        l->busy--;
        pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Start the threads on first use. Signals are the program's business, so workers block them all. */
static tl_status start_threads(tl_loader *l)
{
    sigset_t all, old;
    int failure = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (l->n_threads < l->o.workers && failure == 0) {
        failure = pthread_create(&l->threads[l->n_threads], NULL, worker, l);
        if (failure == 0)
            l->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (l->n_threads == 0 && l->o.workers > 0)
        return tl_fail(TL_ERR_NOMEM, "loader: cannot start a worker thread: %s", strerror(failure));
    return TL_OK;
}

/* Let no more be claimed, wait for the batches under way, and drop all that is ready. */
static void end_epoch(tl_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->claimed = l->length;
    while (l->busy > 0)
        pthread_cond_wait(&l->done, &l->lock);
    for (int64_t i = 0; i < l->n_slots; i++) {
        struct slot *slot = &l->slots[i];
        if (slot->state == SLOT_READY)
            for (int f = 0; f < l->n_fields; f++)
                tl_release(slot->fields[f]);
        slot->state = SLOT_EMPTY;
    }
    l->taken = l->length;
    l->started = false;
    pthread_mutex_unlock(&l->lock);
}

/* ---- The loader ------------------------------------------------------------------------------------------------- */

static tl_status check_options(const tl_dataset *d, const struct tl_loader_options *o)
{
    if (!d)
        return tl_fail(TL_ERR_ARGUMENT, "loader: no data set");
    if (o->batch_size < 1)
        return tl_fail(TL_ERR_ARGUMENT, "loader: the batch size must be at least 1, %" PRId64 " given", o->batch_size);
    if (o->workers < 0 || o->workers > TL_LOADER_MAX_WORKERS)
        return tl_fail(TL_ERR_ARGUMENT, "loader: 0 to %d workers are possible, %d given", TL_LOADER_MAX_WORKERS, o->workers);
    if (o->prefetch < 1 || o->prefetch > TL_LOADER_MAX_AHEAD / TL_LOADER_MAX_WORKERS)
        return tl_fail(TL_ERR_ARGUMENT, "loader: a worker can prepare 1 to %d batches ahead, %d given",
                       TL_LOADER_MAX_AHEAD / TL_LOADER_MAX_WORKERS, o->prefetch);
    return TL_OK;
}

tl_loader *tl_loader_with(tl_dataset *d, const struct tl_loader_options *options)
{
    struct tl_loader_options o;

    options_taken(&o, sizeof o, options);
    if (o.batch_size == 0)
        o.batch_size = 1;
    if (o.prefetch == 0)
        o.prefetch = 2;
    if (check_options(d, &o) != TL_OK)
        return NULL;

    tl_loader *l = calloc(1, sizeof *l);
    int64_t n_slots = (int64_t)o.workers * o.prefetch;
    struct slot *slots = calloc((size_t)n_slots + 1, sizeof *slots);
    pthread_t *threads = calloc((size_t)o.workers + 1, sizeof *threads);
    if (!l || !slots || !threads) {
        free(l);
        free(slots);
        free(threads);
        tl_fail(TL_ERR_NOMEM, "loader: no memory for %" PRId64 " batches", n_slots);
        return NULL;
    }
    l->dataset = tl_dataset_keep(d);
    l->o = o;
    l->n_fields = tl_dataset_info(d)->n_fields;
    l->size = tl_dataset_size(d);
    l->length = l->size / o.batch_size + (!o.drop_last && l->size % o.batch_size > 0);
    l->slots = slots;
    l->n_slots = n_slots;
    l->threads = threads;
    l->claimed = l->taken = l->length;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    return l;
}

void tl_loader_free(tl_loader *l)
{
    if (!l)
        return;
    end_epoch(l);
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        pthread_join(l->threads[i], NULL);
    pthread_cond_destroy(&l->done);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    tl_dataset_free(l->dataset);
    free(l->threads);
    free(l->slots);
    free(l->order);
    free(l);
}

/* A seed as torch.empty((), dtype=torch.int64).random_() draws it: 63 bits of one 64-bit draw. */
static uint64_t draw_seed(tl_generator *g)
{
    return tl_generator_random64(g) & INT64_MAX;
}

/* The epoch's order, drawn like PyTorch: its RandomSampler seeds a generator of its own unless it was given one. */
static tl_status draw_order(tl_loader *l, tl_generator *from)
{
    tl_generator *own = NULL;

    if (!l->order && !(l->order = calloc((size_t)l->size + 1, sizeof *l->order)))
        return tl_fail(TL_ERR_NOMEM, "loader: no memory for the order of %" PRId64 " samples", l->size);
    if (l->size == 0)
        return TL_OK;
    if (!l->o.generator && !(own = tl_generator_new(draw_seed(from))))
        return tl_fail(TL_ERR_NOMEM, "loader: no memory for a generator");
    tl_status s = TL_OK;
    TL_SCOPE
    {
        tl_tensor *p = tl_randperm_with(l->size, own ? own : from, (struct tl_options){.dtype = TL_I64, .device = "cpu"});
        s = p ? tl_copy_out(p, TL_I64, l->order, (size_t)l->size * sizeof *l->order) : tl_error_code();
    }
    tl_generator_free(own);
    return s;
}

/* PyTorch's sampler draws a second permutation when it is through, of which it uses nothing. It shows if the generator is the
 * caller's own: the next epoch depends on it. */
static void finish_order(tl_loader *l)
{
    if (!l->tail || l->taken < l->length)
        return;
    l->tail = false;
    TL_SCOPE
    {
        tl_randperm_with(l->size, l->o.generator, (struct tl_options){.dtype = TL_I64, .device = "cpu"});
    }
}

tl_status tl_loader_start(tl_loader *l)
{
    if (!l)
        return tl_fail(TL_ERR_ARGUMENT, "loader_start: no loader");
    end_epoch(l);

    tl_generator *from = l->o.generator ? l->o.generator : tl_default_generator();
    l->base_seed = draw_seed(from); /* drawn even when nothing uses it, as PyTorch does */
    tl_status s = l->o.shuffle ? draw_order(l, from) : TL_OK;
    if (s == TL_OK)
        s = start_threads(l);
    if (s != TL_OK)
        return s;
    pthread_mutex_lock(&l->lock);
    l->claimed = l->taken = 0;
    l->started = true;
    l->tail = l->o.shuffle && l->o.generator && l->size > 0;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return TL_OK;
}

/* Wait for the next batch in its slot and empty the slot. */
static bool take_batch(tl_loader *l, tl_tensor **fields, struct tl_error *error)
{
    pthread_mutex_lock(&l->lock);
    struct slot *slot = &l->slots[l->taken % l->n_slots];
    while (slot->state != SLOT_READY && slot->state != SLOT_FAILED)
        pthread_cond_wait(&l->done, &l->lock);
    bool good = slot->state == SLOT_READY;
    if (good)
        memcpy(fields, slot->fields, (size_t)l->n_fields * sizeof *fields);
    else
        *error = slot->error;
    slot->state = SLOT_EMPTY;
    l->taken++;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
    return good;
}

int tl_loader_next(tl_loader *l, tl_tensor **out)
{
    tl_tensor *fields[TL_MAX_FIELDS];
    struct tl_error error;
    bool good;

    if (!l || !out) {
        tl_fail(TL_ERR_ARGUMENT, "loader_next: no loader, or nowhere to put the batch");
        return -1;
    }
    if (!l->started) {
        tl_fail(TL_ERR_STATE, "loader_next: no epoch is under way; call tl_loader_start() first");
        return -1;
    }
    if (l->taken == l->length) {
        finish_order(l); /* of an epoch without a batch */
        return 0;
    }
    if (tl_error_code() != TL_OK)
        return -1; /* an earlier failure, which would be taken for one of the batch */
    if (l->o.workers > 0)
        good = take_batch(l, fields, &error);
    else
        good = make_batch(l, l->taken++, fields, &error);
    finish_order(l);
    if (!good) {
        tl_fail(error.code, "%s", error.message);
        return -1;
    }
    for (int f = 0; f < l->n_fields; f++)
        out[f] = tl_scope_adopt(fields[f]);
    return 1;
}

int64_t tl_loader_length(const tl_loader *l)
{
    return l ? l->length : 0;
}

tl_dataset *tl_loader_dataset(const tl_loader *l)
{
    return l ? l->dataset : NULL;
}

int64_t tl_loader_batch_size(const tl_loader *l)
{
    return l ? l->o.batch_size : 0;
}
