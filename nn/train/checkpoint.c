/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints, and how they are saved. One state dictionary, one file:
 *
 *     <name>                     weights to use: of early stopping's best step if it keeps them, else the present ones
 *     telar.last.<name>          present weights, where those above are the best step's
 *     telar.checkpoint           i64: version of this list, number of schedules, what there is of early stopping, of the user's
 *     telar.progress             i64: epoch, step, batch
 *     telar.optimizer.…          moments, rates        telar.schedule.N.…  position
 *     telar.stopping.…           counts and best value; the weights, if the plain names are not theirs
 *     telar.extra.…              tensors and notes of the user's own
 *     telar.generator            default generator     telar.loader_generator   the loader's own
 *     telar.epoch.generator, telar.epoch.loader_generator, telar.running   of an epoch that is under way
 *     telar.history              f64 [epochs, 12]
 *
 * Version 1 had one schedule and no telar.checkpoint; it is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/optim/early_stopping.h"
#include "nn/train/checkpoint.h"

static bool is_own(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* ---- States -------------------------------------------------------------------------------------------------------- */

static tl_status add_all(tl_state *to, const tl_state *from, const char *prefix)
{
    char name[1024];
    tl_status s = from ? TL_OK : tl_error_code();
    for (size_t i = 0; s == TL_OK && i < tl_state_count(from); i++) {
        int n = snprintf(name, sizeof name, "%s%s", prefix, tl_state_name(from, i));
        s = n < 0 || (size_t)n >= sizeof name ? tl_fail(TL_ERR_LIMIT, "checkpoint: a name is too long (%d bytes)", n)
                                              : tl_state_add(to, name, tl_state_at(from, i));
    }
    return s;
}

tl_state *state_part(const tl_state *from, const char *prefix)
{
    size_t skip = strlen(prefix);
    tl_state *to = tl_state_new();
    for (size_t i = 0; to && i < tl_state_count(from); i++) {
        const char *name = tl_state_name(from, i);
        bool wanted = skip ? strncmp(name, prefix, skip) == 0 : !is_own(name);
        if (wanted && tl_state_add(to, name + skip, tl_state_at(from, i)) != TL_OK) {
            tl_state_free(to);
            return NULL;
        }
    }
    return to;
}

static tl_status add_bytes(tl_state *s, const char *name, const unsigned char *bytes)
{
    tl_status status = TL_OK;
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE(TL_GENERATOR_STATE_SIZE), bytes, (struct tl_options){.dtype = TL_U8, .device = "cpu"});
        status = t ? tl_state_add(s, name, t) : tl_error_code();
    }
    return status;
}

static tl_status add_numbers(tl_state *s, const char *name, tl_dtype dtype, const void *numbers, int64_t n)
{
    tl_status status = TL_OK;
    TL_SCOPE {
        tl_tensor *t = tl_from_data(TL_SHAPE(n), numbers, (struct tl_options){.dtype = dtype, .device = "cpu"});
        status = t ? tl_state_add(s, name, t) : tl_error_code();
    }
    return status;
}

/* ---- Saving -------------------------------------------------------------------------------------------------------- */

size_t count_schedules(const struct tl_checkpoint *c)
{
    size_t n = 0;
    while (c->schedules && c->schedules[n])
        n++;
    return n;
}

/* The best step's weights are the ones that others should use, if they are this module's. */
static int stopping_kind(const struct tl_checkpoint *c)
{
    if (!c->stopping)
        return NO_STOPPING;
    bool plain = c->module && c->stopping->options.module == c->module && tl_state_count(c->stopping->weights) > 0;
    return plain ? STOPPING_OWNS_PLAIN_NAMES : STOPPING;
}

static tl_status add_weights(tl_state *s, const struct tl_checkpoint *c)
{
    if (!c->module)
        return TL_OK;
    bool best = stopping_kind(c) == STOPPING_OWNS_PLAIN_NAMES;
    tl_state *present = tl_module_state(c->module);
    tl_status status = present ? TL_OK : tl_error_code();
    if (status == TL_OK && best)
        status = add_all(s, c->stopping->weights, "");
    if (status == TL_OK)
        status = add_all(s, present, best ? PREFIX "last." : "");
    tl_state_free(present);
    return status;
}

static tl_status add_generators(tl_state *s, const struct tl_checkpoint *c, const struct position *p)
{
    unsigned char bytes[TL_GENERATOR_STATE_SIZE];
    tl_generator_get_state(tl_default_generator(), bytes);
    tl_status status = add_bytes(s, PREFIX "generator", bytes);
    if (status == TL_OK && c->generator) {
        tl_generator_get_state(c->generator, bytes);
        status = add_bytes(s, PREFIX "loader_generator", bytes);
    }
    if (status == TL_OK && p->batch > 0)
        status = add_bytes(s, PREFIX "epoch.generator", p->epoch_generator);
    if (status == TL_OK && p->batch > 0 && c->generator)
        status = add_bytes(s, PREFIX "epoch.loader_generator", p->loader_generator);
    return status;
}

static tl_status add_extra(tl_state *s, const tl_state *extra)
{
    char key[1024];
    tl_status status = add_all(s, extra, PREFIX "extra.");
    for (size_t i = 0; status == TL_OK && i < tl_state_note_count(extra); i++) {
        const char *own = tl_state_note_key(extra, i);
        int n = snprintf(key, sizeof key, PREFIX "extra.%s", own);
        status = n < 0 || (size_t)n >= sizeof key ? tl_fail(TL_ERR_LIMIT, "checkpoint: a note's key is too long (%d bytes)", n)
                                                  : tl_state_set_note(s, key, tl_state_note(extra, own));
    }
    return status;
}

static tl_status add_notes(tl_state *s, const char *const *notes)
{
    tl_status status = tl_state_set_note(s, "telar.version", tl_version_string());
    for (size_t i = 0; status == TL_OK && notes && notes[i] && notes[i + 1]; i += 2)
        status = tl_state_set_note(s, notes[i], notes[i + 1]);
    return status;
}

static tl_status add_schedules(tl_state *s, const struct tl_checkpoint *c)
{
    char prefix[64];
    tl_status status = TL_OK;
    for (size_t i = 0; status == TL_OK && i < count_schedules(c); i++) {
        snprintf(prefix, sizeof prefix, PREFIX "schedule.%zu.", i);
        status = tl_schedule_save_state(c->schedules[i], s, prefix);
    }
    return status;
}

static tl_status add_training(tl_state *s, const struct tl_checkpoint *c, const struct position *p)
{
    const int64_t head[HEAD] = {VERSION, (int64_t)count_schedules(c), stopping_kind(c), c->extra != NULL};
    const int64_t progress[PROGRESS] = {c->epoch, c->step, p->batch};
    tl_status status = add_numbers(s, PREFIX "checkpoint", TL_I64, head, HEAD);
    if (status == TL_OK)
        status = add_numbers(s, PREFIX "progress", TL_I64, progress, PROGRESS);
    if (status == TL_OK && p->batch > 0)
        status = add_numbers(s, PREFIX "running", TL_F64, p->running, 6);
    if (status == TL_OK && c->optimizer)
        status = tl_optimizer_save_state(c->optimizer, s, PREFIX "optimizer.");
    if (status == TL_OK)
        status = add_schedules(s, c);
    if (status == TL_OK && stopping_kind(c) == STOPPING_OWNS_PLAIN_NAMES)
        status = early_stopping_save_numbers(c->stopping, s, PREFIX "stopping.");
    else if (status == TL_OK && c->stopping)
        status = tl_early_stopping_save_state(c->stopping, s, PREFIX "stopping.");
    if (status == TL_OK && c->extra)
        status = add_extra(s, c->extra);
    if (status == TL_OK)
        status = add_generators(s, c, p);
    if (status == TL_OK && c->history)
        status = history_save(s, c->history);
    return status;
}

tl_state *checkpoint_collect(const struct tl_checkpoint *c, const struct position *p)
{
    tl_state *s = tl_state_new();
    tl_status status = s ? add_weights(s, c) : tl_error_code();
    if (status == TL_OK)
        status = add_training(s, c, p);
    if (status == TL_OK)
        status = add_notes(s, c->notes);
    if (status == TL_OK)
        return s;
    tl_state_free(s);
    return NULL;
}

tl_status checkpoint_save(const struct tl_checkpoint *c, const struct position *p, const char *path)
{
    tl_state *s = checkpoint_collect(c, p);
    tl_status status = s ? tl_state_save(s, path) : tl_error_code();
    tl_state_free(s);
    return status;
}

struct tl_checkpoint checkpoint_taken(const struct tl_checkpoint *c)
{
    struct tl_checkpoint all;
    options_taken(&all, sizeof all, c);
    return all;
}

tl_status tl_checkpoint_save(const struct tl_checkpoint *c, const char *path)
{
    static const struct position between = {0};
    if (!c || !path)
        return tl_fail(TL_ERR_ARGUMENT, "checkpoint: missing argument");
    struct tl_checkpoint all = checkpoint_taken(c);
    return checkpoint_save(&all, &between, path);
}
