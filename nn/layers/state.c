/* SPDX-License-Identifier: Apache-2.0
 *
 * A module's state: its parameters and buffers by name, in PyTorch's order, out of it and into it. Loading compares all
 * names and shapes first, reports everything that does not fit at once, and changes nothing then.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/layers/module.h"

/* ---- Out ---------------------------------------------------------------------------------------------------------- */

/* Calls visit for parameters, then buffers, then children, as state_dict() does; shared tensors under every name. */
static tl_status each(tl_module *m, struct string *path, tl_module_visit visit, void *ctx)
{
    size_t here = path->length;
    const struct members *const lists[2] = {&m->parameters, &m->buffers};
    tl_status status = TL_OK;
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n && status == TL_OK; i++) {
            if (tl_is_none(lists[l]->items[i].tensor))
                continue;
            string_add(path, "%s", lists[l]->items[i].name);
            status = path->failed ? TL_ERR_NOMEM : visit(path->text, lists[l]->items[i].tensor, ctx);
            string_cut(path, here);
        }
    for (size_t i = 0; i < m->n_children && status == TL_OK; i++) {
        string_add(path, "%s.", m->children[i].name);
        status = path->failed ? TL_ERR_NOMEM : each(m->children[i].module, path, visit, ctx);
        string_cut(path, here);
    }
    return status;
}

static tl_status add_to_state(const char *name, tl_tensor *t, void *ctx)
{
    return tl_state_add(ctx, name, t);
}

tl_state *tl_module_state(tl_module *m)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "module: cannot take the state of NULL");
        return NULL;
    }
    tl_state *s = tl_state_new();
    if (!s)
        return NULL;
    struct string path = {0};
    tl_status status = TL_OK;
    status = each(m, &path, add_to_state, s);
    string_free(&path);
    if (status == TL_OK)
        return s;
    tl_state_free(s);
    return NULL;
}

/* ---- In ----------------------------------------------------------------------------------------------------------- */

struct pair_of_tensors {
    tl_tensor *to, *from;
};

struct loading {
    const tl_state *state;
    struct pair_of_tensors *pairs;
    size_t n, capacity;
    struct string missing, unexpected, misshapen;
    size_t n_missing, n_unexpected, n_misshapen;
};

/* A list in an error must fit into its message: past this many bytes it is only counted. */
#define LIST_BYTES 260

static void list_name(struct string *list, size_t *count, const char *name, const char *detail)
{
    if (list->length < LIST_BYTES)
        string_add(list, "%s\"%s\"%s", *count ? ", " : "", name, detail);
    ++*count;
    tl_log_message(TL_LOG_INFO, "nn", "load_state: \"%s\"%s", name, detail);
}

static void shape_text(struct string *s, const tl_tensor *t)
{
    string_add(s, "[");
    for (int i = 0; i < tl_ndim(t); i++)
        string_add(s, i ? " x %lld" : "%lld", (long long)tl_shape(t)[i]);
    string_add(s, "]");
}

static bool same_shape(const tl_tensor *a, const tl_tensor *b)
{
    return tl_ndim(a) == tl_ndim(b) && memcmp(tl_shape(a), tl_shape(b), (size_t)tl_ndim(a) * sizeof(int64_t)) == 0;
}

/* Files older than PyTorch 0.4.1 do not have it, and PyTorch reads them all the same. */
static bool is_batch_count(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, "num_batches_tracked") == 0;
}

static tl_status match(const char *name, tl_tensor *t, void *ctx)
{
    struct loading *l = ctx;
    tl_tensor *from = tl_state_get(l->state, name);
    if (!from && is_batch_count(name))
        return TL_OK;
    if (!from) {
        list_name(&l->missing, &l->n_missing, name, "");
        return TL_OK;
    }
    if (!same_shape(from, t)) {
        struct string detail = {0};
        string_add(&detail, " is ");
        shape_text(&detail, from);
        string_add(&detail, " and should be ");
        shape_text(&detail, t);
        list_name(&l->misshapen, &l->n_misshapen, name, detail.text ? detail.text : "");
        string_free(&detail);
        return TL_OK;
    }
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        struct pair_of_tensors *grown = realloc(l->pairs, capacity * sizeof *grown);
        if (!grown)
            return tl_fail(TL_ERR_NOMEM, "load_state: out of memory");
        l->pairs = grown;
        l->capacity = capacity;
    }
    l->pairs[l->n++] = (struct pair_of_tensors){t, from};
    return TL_OK;
}

/* Is there a parameter or buffer of this dotted name? */
static bool expects(const tl_module *m, const char *name)
{
    const char *dot;
    while ((dot = strchr(name, '.'))) {
        const tl_module *next = NULL;
        size_t length = (size_t)(dot - name);
        for (size_t i = 0; i < m->n_children && !next; i++)
            if (strncmp(m->children[i].name, name, length) == 0 && !m->children[i].name[length])
                next = m->children[i].module;
        if (!next)
            return false;
        m = next;
        name = dot + 1;
    }
    const struct members *const lists[2] = {&m->parameters, &m->buffers};
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            if (strcmp(lists[l]->items[i].name, name) == 0)
                return !tl_is_none(lists[l]->items[i].tensor);
    return false;
}

static void put_list(struct string *message, const char *title, const struct string *list, size_t count)
{
    if (count == 0)
        return;
    string_add(message, "%s%zu %s: %s", message->length ? "; " : "", count, title, list->text ? list->text : "");
    if (list->length >= LIST_BYTES)
        string_add(message, ", … (TELAR_LOG=info lists all)");
}

/* Say all that does not fit, if that matters. */
static tl_status judge(struct loading *l, const tl_module *m, bool strict)
{
    for (size_t i = 0; i < tl_state_count(l->state); i++)
        if (!expects(m, tl_state_name(l->state, i)))
            list_name(&l->unexpected, &l->n_unexpected, tl_state_name(l->state, i), "");
    if (l->n_misshapen == 0 && (!strict || l->n_missing + l->n_unexpected == 0))
        return TL_OK;
    struct string message = {0};
    put_list(&message, "of another shape", &l->misshapen, l->n_misshapen);
    if (strict) {
        put_list(&message, "missing", &l->missing, l->n_missing);
        put_list(&message, "unexpected", &l->unexpected, l->n_unexpected);
    }
    tl_status status = tl_fail(l->n_misshapen ? TL_ERR_SHAPE : TL_ERR_NOT_FOUND, "%s: this state does not fit: %s", m->name,
                               message.text ? message.text : "");
    string_free(&message);
    return status;
}

/* Convert everything first (new memory where device or dtype differ), then copy, which cannot fail any more. */
static tl_status copy_all(const struct loading *l)
{
    tl_tensor **ready = calloc(l->n + 1, sizeof *ready);
    tl_status status = ready ? TL_OK : tl_fail(TL_ERR_NOMEM, "load_state: out of memory");
    TL_NO_GRAD TL_SCOPE
    {
        for (size_t i = 0; i < l->n && status == TL_OK; i++) {
            const tl_tensor *to = l->pairs[i].to;
            ready[i] = tl_cast(tl_to_device(l->pairs[i].from, tl_device_of(to)), tl_dtype_of(to));
            status = ready[i] ? TL_OK : tl_error_code();
        }
        for (size_t i = 0; i < l->n && status == TL_OK; i++)
            if (!tl_shares_storage(l->pairs[i].to, ready[i]) && !tl_copy_(l->pairs[i].to, ready[i]))
                status = tl_error_code();
    }
    free(ready);
    return status;
}

tl_status tl_module_load_state(tl_module *m, const tl_state *s, bool strict)
{
    if (!m || !s)
        return tl_fail(TL_ERR_ARGUMENT, "load_state: the %s is NULL", m ? "state" : "module");
    struct loading l = {.state = s};
    struct string path = {0};
    tl_status status = each(m, &path, match, &l);
    if (status == TL_OK)
        status = judge(&l, m, strict);
    if (status == TL_OK)
        status = copy_all(&l);
    string_free(&path);
    string_free(&l.missing);
    string_free(&l.unexpected);
    string_free(&l.misshapen);
    free(l.pairs);
    return status;
}

/* ---- Files --------------------------------------------------------------------------------------------------------- */

tl_status tl_module_save(tl_module *m, const char *path)
{
    tl_state *s = tl_module_state(m);
    if (!s)
        return tl_error_code();
    tl_status status = tl_state_save(s, path);
    tl_state_free(s);
    return status;
}

tl_status tl_module_load(tl_module *m, const char *path)
{
    tl_state *s = tl_state_load(path);
    if (!s)
        return tl_error_code();
    tl_status status = tl_module_load_state(m, s, true);
    if (status != TL_OK)
        tl_error_prefix("%s: ", path);
    tl_state_free(s);
    return status;
}
