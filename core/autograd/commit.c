/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a backward pass: gradients of leaves were staged, and are added to what the leaves have when nothing can fail any more.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/autograd/engine.h"

tl_status engine_stage(struct engine *e, tl_tensor *leaf, tl_tensor *g)
{
    if (e->n_staged == e->staged_capacity) {
        size_t capacity = e->staged_capacity ? 2 * e->staged_capacity : 16;
        void *p = realloc(e->staged, capacity * sizeof *e->staged);
        if (!p)
            return tl_fail(TL_ERR_NOMEM, "backward: out of memory for %zu gradients", capacity);
        e->staged = p;
        e->staged_capacity = capacity;
    }
    tensor_keep(leaf);
    tensor_keep(g);
    e->staged[e->n_staged].leaf = leaf;
    e->staged[e->n_staged++].gradient = g;
    return TL_OK;
}

/* Is the stage the only holder of this gradient, so that it can become .grad itself? */
static bool exclusive(const tl_tensor *g)
{
    int holders = g->storage->recorded & RECORDED_VALUELESS ? 2 : 1; /* what records holds it, too */
    return atomic_load(&((tl_tensor *)(uintptr_t)g)->refs) == 1 && atomic_load(&g->storage->refs) == holders && (g->flags & T_CONTIGUOUS);
}

/* May what is added to t be written over it? Its holders see it grow, as in PyTorch. */
static bool stays(const tl_tensor *t, const tl_tensor *g)
{
    return t->dtype == g->dtype && t->storage->device == g->storage->device && (t->flags & T_CONTIGUOUS);
}

/* Memory for a gradient, if it is to have any now. */
static tl_status have_bytes(tl_tensor *t)
{
    return t->storage->valueless || program_recorder ? TL_OK : tensor_canonical(t);
}

/* Everything that can fail: the sums that are not made in place by one plain addition, and memory for all of them. */
static tl_status prepare_commit(struct engine *e, struct staged *s)
{
    tl_tensor *old = s->leaf->grad, *g = s->gradient, *better = NULL;
    s->how = REPLACE;
    if (UNLIKELY(program_recorder != NULL)) {
        tl_status status = record_gradient(s->leaf, true);
        if (status != TL_OK)
            return status;
    }
    if (old && !e->create && stays(old, g)) {
        tl_status status = have_bytes(old);
        if (status == TL_OK)
            status = have_bytes(g);
        if (status != TL_OK)
            return status;
        s->how = (old->dtype == TL_F32 || old->dtype == TL_F64) && (g->flags & T_CONTIGUOUS) && old->storage != g->storage ? ADD : COPY;
    }
    if (s->how == ADD || (!old && exclusive(g)))
        return TL_OK;
    better = old ? tl_add(old, g) : tl_clone(g);
    if (!better || (s->how == COPY && have_bytes(better) != TL_OK))
        return tl_error_code();
    tensor_keep(better);
    tensor_release(g);
    s->gradient = better;
    return TL_OK;
}

/* Threads that go backward at once may meet in a leaf. */
static pthread_mutex_t committing = PTHREAD_MUTEX_INITIALIZER;

static tl_status commit_locked(struct engine *e)
{
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_status s = prepare_commit(e, &e->staged[i]);
        if (s != TL_OK)
            return s;
    }
    for (size_t i = 0; i < e->n_staged; i++) {
        tl_tensor *old = e->staged[i].leaf->grad, *g = e->staged[i].gradient;
        tl_status s = TL_OK;
        switch (e->staged[i].how) {
        case ADD: s = tl_add_(old, g) ? TL_OK : tl_error_code(); break;
        case COPY:
            if ((s = tensor_written(old)) == TL_OK)
                s = copy_values(g, old);
            break;
        case REPLACE:
            tensor_keep(g);
            e->staged[i].leaf->grad = g;
            if (old)
                tensor_release(old);
        }
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

tl_status engine_commit(struct engine *e)
{
    if (e->n_staged == 0)
        return TL_OK;
    pthread_mutex_lock(&committing);
    tl_status s = commit_locked(e);
    pthread_mutex_unlock(&committing);
    return s;
}
