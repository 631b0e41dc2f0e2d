/* SPDX-License-Identifier: Apache-2.0
 *
 * tl_compile() and what it returns: recordings by key, each ready to run.
 */
#include <stdlib.h>

#include "core/program/program.h"

enum { MOST_RECORDINGS = 16 };

struct key {
    int n_in, threads;
    bool grad;
    uint32_t math;
    uint64_t variant;
    struct {
        device *device;
        tl_dtype dtype;
        int ndim;
        int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    } in[MAX_ENDS];
};

struct recorded {
    struct key key;
    struct program *program;
    uint64_t used;
};

struct tl_program {
    pthread_mutex_t lock;
    tl_program_fn fn;
    void *ctx;
    int n_out;
    uint64_t variant, runs;
    struct recorded *list[MOST_RECORDINGS];
    size_t n;
    struct recorded *last; /* the one that ran last */
};

tl_program *tl_compile(tl_program_fn fn, void *ctx, int n_out)
{
    if (!fn || n_out < 0 || n_out > MAX_ENDS) {
        tl_fail(TL_ERR_ARGUMENT, fn ? "compile: %d outputs; 0 to %d are possible" : "compile: the function is NULL", n_out, (int)MAX_ENDS);
        return NULL;
    }
    tl_program *p = calloc(1, sizeof *p);
    if (!p) {
        tl_fail(TL_ERR_NOMEM, "compile: out of memory");
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    p->fn = fn;
    p->ctx = ctx;
    p->n_out = n_out;
    return p;
}

static void recorded_free(struct recorded *r)
{
    program_free(r->program);
    free(r);
}

static void forget(tl_program *p)
{
    for (size_t i = 0; i < p->n; i++)
        recorded_free(p->list[i]);
    p->n = 0;
    p->last = NULL;
}

void tl_program_forget(tl_program *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    forget(p);
    pthread_mutex_unlock(&p->lock);
}

void tl_program_free(tl_program *p)
{
    if (!p)
        return;
    forget(p);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void tl_program_set_variant(tl_program *p, uint64_t variant)
{
    if (p)
        p->variant = variant;
}

/* ---- Finding and recording ---------------------------------------------------------------------------------------------------------------- */

static void key_make(struct key *k, const tl_program *p, tl_tensor *const *in, int n_in)
{
    *k = (struct key){.n_in = n_in, .threads = tl_get_num_threads(), .grad = !grad_mode_off, .math = (uint32_t)tl_get_math(), .variant = p->variant};
    for (int i = 0; i < n_in; i++) {
        k->in[i].device = in[i]->storage->device;
        k->in[i].dtype = (tl_dtype)in[i]->dtype;
        k->in[i].ndim = in[i]->ndim;
        memcpy(k->in[i].shape, in[i]->shape, (size_t)in[i]->ndim * sizeof *in[i]->shape);
        program_strides(in[i], k->in[i].strides);
    }
}

static bool key_fits(const struct key *k, const tl_program *p, tl_tensor *const *in, int n_in)
{
    if (k->n_in != n_in || k->variant != p->variant || k->grad == grad_mode_off || k->math != (uint32_t)tl_get_math() ||
        k->threads != tl_get_num_threads())
        return false;
    for (int i = 0; i < n_in; i++) {
        int64_t strides[TL_MAX_DIMS];
        size_t bytes = (size_t)in[i]->ndim * sizeof *strides;
        if (k->in[i].device != in[i]->storage->device || k->in[i].dtype != (tl_dtype)in[i]->dtype || k->in[i].ndim != in[i]->ndim ||
            memcmp(k->in[i].shape, in[i]->shape, bytes) != 0)
            return false;
        program_strides(in[i], strides);
        if (memcmp(k->in[i].strides, strides, bytes) != 0)
            return false;
    }
    return true;
}

static struct recorded *find(tl_program *p, tl_tensor *const *in, int n_in)
{
    if (LIKELY(p->last && key_fits(&p->last->key, p, in, n_in) && program_fits(p->last->program)))
        return p->last;
    for (size_t i = 0; i < p->n; i++)
        if (key_fits(&p->list[i]->key, p, in, n_in) && program_fits(p->list[i]->program))
            return p->list[i];
    return NULL;
}

static void drop_oldest(tl_program *p)
{
    size_t oldest = 0;
    for (size_t i = 1; i < p->n; i++)
        if (p->list[i]->used < p->list[oldest]->used)
            oldest = i;
    if (p->last == p->list[oldest])
        p->last = NULL;
    recorded_free(p->list[oldest]);
    p->list[oldest] = p->list[--p->n];
}

static struct recorded *record_anew(tl_program *p, tl_tensor *const *in, int n_in)
{
    struct recorded *r = calloc(1, sizeof *r);
    if (!r) {
        tl_fail(TL_ERR_NOMEM, "program: out of memory");
        return NULL;
    }
    key_make(&r->key, p, in, n_in);
    struct graph *g = record_function(p->fn, p->ctx, in, n_in, p->n_out);
    if (g && graph_optimize(g) != TL_OK) {
        graph_free(g);
        g = NULL;
    }
    r->program = g ? program_lower(g) : NULL;
    if (!r->program) {
        free(r);
        return NULL;
    }
    if (p->n == MOST_RECORDINGS)
        drop_oldest(p);
    return p->list[p->n++] = r;
}

static tl_status check_run(const tl_program *p, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    if (!p || n_in < 0 || n_in > MAX_ENDS || (n_in && !in) || (p->n_out && !out))
        return tl_fail(TL_ERR_ARGUMENT, "program_run: %s", !p ? "the program is NULL" : n_in < 0 || n_in > MAX_ENDS ? "0 to 64 inputs are possible"
                                                                                                                  : "a list of tensors is NULL");
    if (recording_anywhere())
        return tl_fail(TL_ERR_STATE, "program_run: a program is being recorded in this thread, and cannot run another one; call its function instead");
    for (int i = 0; i < n_in; i++) {
        if (!in[i] || is_none(in[i]))
            return tl_fail(TL_ERR_ARGUMENT, "program_run: input %d is NULL or TL_NONE, and no earlier call failed", i);
        if (!grad_mode_off && needs_grad(in[i]))
            return tl_fail(TL_ERR_STATE, "program_run: input %d needs a gradient, which does not go through a program; tl_detach() it, or run the "
                                         "program under TL_NO_GRAD { }",
                           i);
    }
    return forked("program_run") ? tl_error_code() : TL_OK;
}

tl_status tl_program_run(tl_program *p, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    tl_status s = check_run(p, in, n_in, out);
    for (int i = 0; p && out && i < p->n_out; i++)
        out[i] = NULL;
    if (s != TL_OK)
        return s;
    pthread_mutex_lock(&p->lock);
    struct recorded *r = find(p, in, n_in);
    if (UNLIKELY(!r) && !(r = record_anew(p, in, n_in)))
        s = tl_error_code();
    if (s == TL_OK) {
        r->used = ++p->runs;
        p->last = r;
        bool was = tl_set_grad_enabled(false);
        s = program_replay(r->program, in, out);
        tl_set_grad_enabled(was);
    }
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; s != TL_OK && i < p->n_out; i++)
        out[i] = NULL;
    return s;
}

/* ---- Looking ---------------------------------------------------------------------------------------------------------------------------- */

struct tl_program_info tl_program_info(tl_program *p)
{
    struct tl_program_info info = {0};
    if (!p)
        return info;
    pthread_mutex_lock(&p->lock);
    info.recordings = p->n;
    if (p->last) {
        const struct program *q = p->last->program;
        info.nodes = q->graph->nodes.n;
        info.steps = q->n_steps - q->n_constant;
        info.constant_steps = q->n_constant;
        info.arena = q->arena_bytes;
        info.values = q->value_bytes;
        for (size_t i = 0; i < q->n_buffers; i++)
            info.constants += q->buffers[i].lasting && q->buffers[i].first >= 0 ? q->buffers[i].bytes : 0;
    }
    pthread_mutex_unlock(&p->lock);
    return info;
}

tl_status tl_program_print(tl_program *p, FILE *to, unsigned format)
{
    const unsigned parts = TL_PROGRAM_RECORDED | TL_PROGRAM_NODES | TL_PROGRAM_STEPS;
    if (!p || !to)
        return tl_fail(TL_ERR_ARGUMENT, "program_print: the %s is NULL", p ? "file" : "program");
    if ((format & ~parts) > TL_PROGRAM_JSON)
        return tl_fail(TL_ERR_ARGUMENT, "program_print: there is no format %u", format);
    pthread_mutex_lock(&p->lock);
    tl_status s = p->last ? program_print(p->last->program, to, format)
                          : tl_fail(TL_ERR_STATE, "program_print: it has not run yet, or forgot what it had recorded");
    pthread_mutex_unlock(&p->lock);
    if (s == TL_OK && (fflush(to) != 0 || ferror(to)))
        s = tl_fail(TL_ERR_IO, "program_print: the file cannot be written");
    return s;
}
