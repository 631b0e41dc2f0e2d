/* SPDX-License-Identifier: Apache-2.0
 *
 * A module's state: its parameters and buffers by name, in PyTorch's order, out of it and into it. Loading compares all
 * names and shapes first, reports everything that does not fit at once, and changes nothing then.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/layers/module.h"
#include "nn/options.h"

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
    tl_tensor *to, *from; /* from NULL: zeros, for a counter without memory that the state has not */
};

struct loading {
    const tl_state *state;
    const char *prefix; /* what the state's names have and the module's have not */
    bool counted;       /* the state has counters of batches */
    bool assign;        /* its tensors are taken over */
    struct pair_of_tensors *pairs;
    size_t n, capacity;
    struct string missing, unexpected, misshapen;
    size_t n_missing, n_unexpected, n_misshapen;
    size_t n_excused; /* counters among those missing, where the state has none at all */
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

#define COUNTER "num_batches_tracked"

static bool is_counter(const char *name)
{
    size_t n = strlen(name), m = strlen(COUNTER);
    return n >= m && strcmp(name + n - m, COUNTER) == 0;
}

/* Telar's own names in a checkpoint are no weights. */
static bool is_weight(const char *name)
{
    return strncmp(name, "telar.", 6) != 0;
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The entry of the module's name; NULL if there is none. `failed`: out of memory. */
static tl_tensor *entry_of(const struct loading *l, const char *name, bool *failed)
{
    struct string full = {0};
    if (!*l->prefix)
        return tl_state_get(l->state, name);
    string_add(&full, "%s%s", l->prefix, name);
    *failed = full.failed;
    tl_tensor *t = full.failed ? NULL : tl_state_get(l->state, full.text);
    string_free(&full);
    return t;
}

static tl_status add_pair(struct loading *l, tl_tensor *to, tl_tensor *from)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        struct pair_of_tensors *grown = realloc(l->pairs, capacity * sizeof *grown);
        if (!grown)
            return tl_fail(TL_ERR_NOMEM, "load_state: out of memory");
        l->pairs = grown;
        l->capacity = capacity;
    }
    l->pairs[l->n++] = (struct pair_of_tensors){to, from};
    return TL_OK;
}

static tl_status match(const char *name, tl_tensor *t, void *ctx)
{
    struct loading *l = ctx;
    bool failed = false;
    if (!l->assign && !tl_has_values(t))
        return tl_fail(TL_ERR_STATE, "load_state: \"%s\" of the module is on %s and can take no values; take the state's tensors over with .assign = true, or "
                                     "build the module on another device", name, tl_device_of(t));
    tl_tensor *from = entry_of(l, name, &failed);
    if (failed)
        return tl_fail(TL_ERR_NOMEM, "load_state: out of memory");
    if (!from) {
        bool excused = !l->counted && is_counter(name);
        l->n_excused += excused;
        list_name(&l->missing, &l->n_missing, name, "");
        return excused && !tl_has_values(t) ? add_pair(l, t, NULL) : TL_OK;
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
    return add_pair(l, t, from);
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
    for (size_t i = 0; i < tl_state_count(l->state); i++) {
        const char *name = tl_state_name(l->state, i);
        if (is_weight(name) && begins(name, l->prefix) && !expects(m, name + strlen(l->prefix)))
            list_name(&l->unexpected, &l->n_unexpected, name, "");
    }
    if (l->n_misshapen == 0 && (!strict || l->n_missing - l->n_excused + l->n_unexpected == 0))
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

static bool is_device(const tl_tensor *t, const char *name)
{
    return strcmp(tl_device_of(t), name) == 0;
}

/* The values of `from` where and as `to` has them: `from` itself, or new memory where device or dtype differ. */
static tl_tensor *converted(tl_tensor *from, const tl_tensor *to)
{
    tl_tensor *t = tl_cast(tl_to_device(from, tl_device_of(to)), tl_dtype_of(to));
    if (t && t != from)
        tl_from_map_forget(from);
    return t;
}

/* Can values be copied byte by byte? */
static bool is_plain(const tl_tensor *to, const tl_tensor *from)
{
    return is_device(to, "cpu") && tl_is_contiguous(to) && tl_is_contiguous(from) && tl_numel(from) > 0;
}

/* What is to be copied to `to`. All that can fail is done here, for both of them. */
static tl_tensor *copyable(tl_tensor *from, tl_tensor *to)
{
    tl_tensor *t = converted(from, to);
    if (t && is_plain(to, t) && (!tl_data(to) || tl_from_map_copy(t, NULL) != TL_OK))
        return NULL;
    return t;
}

static tl_status copy_values(tl_tensor *to, tl_tensor *from)
{
    if (tl_shares_storage(to, from))
        return TL_OK;
    if (!is_plain(to, from))
        return tl_copy_(to, from) ? TL_OK : tl_error_code();
    void *target = tl_data_mut(to);
    return target ? tl_from_map_copy(from, target) : tl_error_code();
}

/* What `to` is to become. All that can fail is done here, too. */
static tl_tensor *assignable(const struct loading *l, tl_tensor *const *ready, size_t i)
{
    const tl_tensor *to = l->pairs[i].to;
    tl_tensor *from = l->pairs[i].from;
    if (!tl_is_leaf(to)) {
        tl_fail(TL_ERR_STATE, "load_state: a parameter is the result of an operation; only leaves can be assigned to");
        return NULL;
    }
    if (!from)
        return tl_zeros(tl_ndim(to), tl_shape(to), (struct tl_options){.dtype = tl_dtype_of(to), .device = "cpu"});
    tl_tensor *t = tl_contiguous(tl_has_values(to) ? converted(from, to) : tl_cast(from, tl_dtype_of(to)));
    for (size_t k = 0; k < i && t; k++)
        if (l->pairs[k].to != to && tl_shares_storage(ready[k], t))
            return tl_clone(t);
    return is_device(t, "cpu") && tl_numel(t) > 0 && !tl_data(t) ? NULL : t; /* what lies in a map and is not aligned is copied now */
}

/* Convert everything first (new memory where device or dtype differ), then copy or assign, which cannot fail any more. */
static tl_status put_all(const struct loading *l)
{
    tl_tensor **ready = calloc(l->n + 1, sizeof *ready);
    tl_status status = ready ? TL_OK : tl_fail(TL_ERR_NOMEM, "load_state: out of memory");
    TL_NO_GRAD TL_SCOPE
    {
        for (size_t i = 0; i < l->n && status == TL_OK; i++) {
            ready[i] = l->assign ? assignable(l, ready, i) : copyable(l->pairs[i].from, l->pairs[i].to);
            status = ready[i] ? TL_OK : tl_error_code();
        }
        for (size_t i = 0; i < l->n && status == TL_OK; i++)
            status = l->assign ? tl_set_data(l->pairs[i].to, ready[i]) : copy_values(l->pairs[i].to, ready[i]);
    }
    free(ready);
    return status;
}

/* "module." if all weights are named so and the module has no such part: DataParallel was around it when it was saved. */
static const char *parallel_prefix(const tl_module *m, const tl_state *s)
{
    static const char prefix[] = "module.";
    bool all = false;
    for (size_t i = 0; i < m->n_children; i++)
        if (strcmp(m->children[i].name, "module") == 0)
            return "";
    for (size_t i = 0; i < tl_state_count(s); i++) {
        const char *name = tl_state_name(s, i);
        if (!is_weight(name))
            continue;
        if (!begins(name, prefix))
            return "";
        all = true;
    }
    return all ? prefix : "";
}

static bool has_counter(const tl_state *s)
{
    for (size_t i = 0; i < tl_state_count(s); i++)
        if (is_counter(tl_state_name(s, i)))
            return true;
    return false;
}

tl_status tl_module_load_state_with(tl_module *m, const tl_state *s, const struct tl_load_options *given)
{
    if (!m || !s)
        return tl_fail(TL_ERR_ARGUMENT, "load_state: the %s is NULL", m ? "state" : "module");
    struct tl_load_options o;
    options_taken(&o, sizeof o, given);
    struct loading l = {.state = s, .prefix = o.prefix ? o.prefix : parallel_prefix(m, s), .counted = has_counter(s), .assign = o.assign};
    struct string path = {0};
    tl_status status = each(m, &path, match, &l);
    if (status == TL_OK)
        status = judge(&l, m, !o.lenient);
    if (status == TL_OK)
        status = put_all(&l);
    string_free(&path);
    string_free(&l.missing);
    string_free(&l.unexpected);
    string_free(&l.misshapen);
    free(l.pairs);
    return status;
}

tl_status tl_module_load_state(tl_module *m, const tl_state *s, bool strict)
{
    return tl_module_load_state_with(m, s, &(struct tl_load_options){.lenient = !strict});
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

tl_status tl_module_load_with(tl_module *m, const char *path, const struct tl_load_options *o)
{
    if (!m)
        return tl_fail(TL_ERR_ARGUMENT, "load: the module is NULL");
    tl_state *s = tl_state_load(path);
    if (!s)
        return tl_error_code();
    tl_status status = tl_module_load_state_with(m, s, o);
    if (status != TL_OK)
        tl_error_prefix("%s: ", path);
    tl_state_free(s);
    return status;
}
