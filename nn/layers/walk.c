/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks over the module tree, in PyTorch's order: a module's own parameters first, then its children's, each tensor
 * once however many modules share it. What acts on a whole tree (modes, gradients, devices) is here too.
 */
#include <stdlib.h>

#include "nn/layers/module.h"

/* ---- A set of pointers ------------------------------------------------------------------------------------------ */

struct seen {
    const void **slots; /* open addressing; the capacity is a power of two */
    size_t n, capacity;
};

static bool seen_insert(struct seen *s, const void *p);

static bool seen_grow(struct seen *s)
{
    struct seen larger = {.capacity = s->capacity ? 2 * s->capacity : 64};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < s->capacity; i++)
        if (s->slots[i])
            seen_insert(&larger, s->slots[i]);
    free(s->slots);
    *s = larger;
    return true;
}

/* Was p new? Out of memory it is taken for new: a shared tensor is then seen twice, which is harmless. */
static bool seen_insert(struct seen *s, const void *p)
{
    if (2 * s->n >= s->capacity && !seen_grow(s))
        return true;
    size_t i = ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u;
    for (i ^= i >> 32;; i++) {
        const void **slot = &s->slots[i & (s->capacity - 1)];
        if (*slot == p)
            return false;
        if (!*slot) {
            *slot = p;
            s->n++;
            return true;
        }
    }
}

/* ---- Tensors ------------------------------------------------------------------------------------------------------ */

struct walk {
    struct string path;
    struct seen seen;
    bool buffers;
    tl_module_visit visit;
    void *ctx;
};

static tl_status walk_tensors(struct walk *w, tl_module *m)
{
    size_t here = w->path.length;
    struct members *list = w->buffers ? &m->buffers : &m->parameters;
    tl_status status = TL_OK;
    for (size_t i = 0; i < list->n && status == TL_OK; i++) {
        tl_tensor *t = list->items[i].tensor;
        if (tl_is_none(t) || !seen_insert(&w->seen, t))
            continue;
        string_add(&w->path, "%s", list->items[i].name);
        status = w->path.failed ? TL_ERR_NOMEM : w->visit(w->path.text, t, w->ctx);
        string_cut(&w->path, here);
    }
    for (size_t i = 0; i < m->n_children && status == TL_OK; i++) {
        string_add(&w->path, "%s.", m->children[i].name);
        status = w->path.failed ? TL_ERR_NOMEM : walk_tensors(w, m->children[i].module);
        string_cut(&w->path, here);
    }
    return status;
}

static tl_status walk(tl_module *m, bool buffers, tl_module_visit visit, void *ctx)
{
    if (!m || !visit)
        return tl_fail(TL_ERR_ARGUMENT, "module: a walk needs a module and a function; one is NULL");
    struct walk w = {.buffers = buffers, .visit = visit, .ctx = ctx};
    tl_status status = walk_tensors(&w, m);
    free(w.seen.slots);
    string_free(&w.path);
    return status;
}

tl_status tl_module_parameters(tl_module *m, tl_module_visit visit, void *ctx)
{
    return walk(m, false, visit, ctx);
}

tl_status tl_module_buffers(tl_module *m, tl_module_visit visit, void *ctx)
{
    return walk(m, true, visit, ctx);
}

struct list {
    tl_tensor **items;
    size_t n, capacity;
    int64_t elements;
};

static tl_status list_one(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    struct list *l = ctx;
    if (l->n < l->capacity)
        l->items[l->n] = t;
    l->n++;
    l->elements += tl_numel(t);
    return TL_OK;
}

size_t tl_module_parameter_list(tl_module *m, tl_tensor **list, size_t capacity)
{
    struct list l = {list, 0, list ? capacity : 0, 0};
    if (m)
        walk(m, false, list_one, &l);
    return l.n;
}

int64_t tl_module_parameter_count(tl_module *m)
{
    struct list l = {0};
    if (m)
        walk(m, false, list_one, &l);
    return l.elements;
}

/* ---- Modules ------------------------------------------------------------------------------------------------------ */

static tl_status walk_modules(struct string *path, tl_module *m, tl_status (*visit)(const char *, tl_module *, void *), void *ctx)
{
    size_t here = path->length;
    tl_status status = visit(here ? path->text : "", m, ctx);
    for (size_t i = 0; i < m->n_children && status == TL_OK; i++) {
        string_add(path, here ? ".%s" : "%s", m->children[i].name);
        status = path->failed ? TL_ERR_NOMEM : walk_modules(path, m->children[i].module, visit, ctx);
        string_cut(path, here);
    }
    return status;
}

tl_status tl_modules(tl_module *m, tl_status (*visit)(const char *name, tl_module *m, void *ctx), void *ctx)
{
    if (!m || !visit)
        return tl_fail(TL_ERR_ARGUMENT, "module: a walk needs a module and a function; one is NULL");
    struct string path = {0};
    tl_status status = walk_modules(&path, m, visit, ctx);
    string_free(&path);
    return status;
}

static void set_training(tl_module *m, bool on)
{
    m->training = on && !m->held;
    for (size_t i = 0; i < m->n_children; i++)
        set_training(m->children[i].module, on);
}

void tl_train(tl_module *m)
{
    if (m)
        set_training(m, true);
}

void tl_eval(tl_module *m)
{
    if (m)
        set_training(m, false);
}

void tl_hold_eval(tl_module *m, bool hold)
{
    if (!m)
        return;
    m->held = hold;
    m->training = m->training && !hold;
    for (size_t i = 0; i < m->n_children; i++)
        tl_hold_eval(m->children[i].module, hold);
}

bool tl_is_training(const tl_module *m)
{
    return m && m->training;
}

void tl_zero_grad(tl_module *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->parameters.n; i++)
        if (!tl_is_none(m->parameters.items[i].tensor))
            tl_set_grad(m->parameters.items[i].tensor, TL_NONE);
    for (size_t i = 0; i < m->n_children; i++)
        tl_zero_grad(m->children[i].module);
}

/* ---- Moving ------------------------------------------------------------------------------------------------------- */

/* One tensor to be replaced. Everything is converted before anything is replaced. */
struct move {
    const char *device;
    tl_dtype dtype;
    tl_tensor **from, **to;
    size_t n, capacity;
};

static tl_status convert(const char *name, tl_tensor *t, void *ctx)
{
    struct move *mv = ctx;
    if (mv->n == mv->capacity) {
        size_t capacity = mv->capacity ? 2 * mv->capacity : 64;
        tl_tensor **from = realloc(mv->from, capacity * sizeof *from);
        mv->from = from ? from : mv->from;
        tl_tensor **to = from ? realloc(mv->to, capacity * sizeof *to) : NULL;
        mv->to = to ? to : mv->to;
        if (!to)
            return tl_fail(TL_ERR_NOMEM, "module: out of memory while moving \"%s\"", name);
        mv->capacity = capacity;
    }
    tl_tensor *moved = mv->device ? tl_to_device(t, mv->device) : tl_dtype_is_float(tl_dtype_of(t)) ? tl_cast(t, mv->dtype) : t;
    if (!moved) {
        tl_error_prefix("moving \"%s\": ", name);
        return tl_error_code();
    }
    mv->from[mv->n] = t;
    mv->to[mv->n++] = moved;
    return TL_OK;
}

static tl_status move(tl_module *m, struct move *mv)
{
    if (!m)
        return tl_fail(TL_ERR_ARGUMENT, "module: cannot move NULL");
    tl_status status = TL_OK;
    TL_NO_GRAD TL_SCOPE
    {
        status = walk(m, false, convert, mv);
        if (status == TL_OK)
            status = walk(m, true, convert, mv);
        for (size_t i = 0; i < mv->n && status == TL_OK; i++)
            if (mv->to[i] != mv->from[i])
                status = tl_set_data(mv->from[i], mv->to[i]);
    }
    free(mv->from);
    free(mv->to);
    return status;
}

tl_status tl_module_to(tl_module *m, const char *device)
{
    if (!device)
        return tl_fail(TL_ERR_ARGUMENT, "module: the device to move to is NULL");
    struct move mv = {.device = device};
    return move(m, &mv);
}

tl_status tl_module_to_dtype(tl_module *m, tl_dtype dtype)
{
    if (!tl_dtype_is_float(dtype))
        return tl_fail(TL_ERR_DTYPE, "module: weights are of a floating type, not %s", tl_dtype_name(dtype));
    struct move mv = {.dtype = dtype};
    return move(m, &mv);
}
