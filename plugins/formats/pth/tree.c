/* SPDX-License-Identifier: Apache-2.0
 *
 * A pickle's value is a tree (or, by the memo, a graph: depth, names and memory are bounded) of dictionaries and lists; a state is flat. Names
 * are joined by dots. A dictionary that has tensors is a state dictionary; one that has none, but such a dictionary under one of the
 * usual keys, is a checkpoint.
 */
#include "tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <telar/autograd.h>
#include <telar/ops.h>

static const char *const model_keys[] = {"state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params"};

enum { MOST_NAME = 1000, MOST_TEXT = 4000, TENSOR_COST = 512 /* of what a tensor in a state takes besides its values, at least */ };

struct walk {
    struct pickle *p;
    tree_storage *storage;
    tree_look *check; /* not NULL: tensors are looked at only, and `nothing` takes their names */
    tl_tensor *nothing;
    void *ctx;
    tl_state *into;
    char name[MOST_NAME + 1];
    size_t length;
    size_t visits;
};

/* ---- Tensors ---- */

/* Are all elements within the storage? */
static tl_status check_extent(const struct walk *w, const struct pickle_storage *s, const struct value *t, int64_t *sizes, int64_t *strides)
{
    const struct value *size = t->items[2], *stride = t->items[3];
    int64_t offset = t->items[1]->i;
    uint64_t last = (uint64_t)offset, numel = 1, step;
    bool empty = false;

    if (size->n > TL_MAX_DIMS)
        return pickle_fail(w->p, TL_ERR_LIMIT, "tensor \"%.200s\" has %u dimensions; %d are the most", w->name, size->n, TL_MAX_DIMS);
    if (stride->n != size->n || offset < 0)
        return pickle_fail(w->p, TL_ERR_FORMAT, "tensor \"%.200s\": %u sizes, %u strides, offset %" PRId64, w->name, size->n, stride->n, offset);
    for (uint32_t d = 0; d < size->n; d++) {
        sizes[d] = size->items[d]->i;
        strides[d] = stride->items[d]->i;
        if (sizes[d] < 0 || strides[d] < 0)
            return pickle_fail(w->p, TL_ERR_FORMAT, "tensor \"%.200s\": size %" PRId64 " and stride %" PRId64 " of dimension %u", w->name, sizes[d],
                               strides[d], d);
        empty = empty || sizes[d] == 0;
    }
    for (uint32_t d = 0; d < size->n; d++)
        if (!tl_size_mul(numel, sizes[d] ? (uint64_t)sizes[d] : 1, &numel) || numel > INT64_MAX / 8 ||
            (!empty && (!tl_size_mul((uint64_t)sizes[d] - 1, (uint64_t)strides[d], &step) || !tl_size_add(last, step, &last))))
            return pickle_fail(w->p, TL_ERR_LIMIT, "tensor \"%.200s\": its size overflows", w->name);
    if (empty ? last > (uint64_t)s->numel : last >= (uint64_t)s->numel)
        return pickle_fail(w->p, TL_ERR_FORMAT, "tensor \"%.200s\" needs element %" PRIu64 " of a storage of %" PRId64, w->name, last, s->numel);
    return TL_OK;
}

static bool is_dense(int ndim, const int64_t *sizes, const int64_t *strides)
{
    int64_t stride = 1;

    for (int d = ndim - 1; d >= 0; d--) {
        if (sizes[d] != 1 && strides[d] != stride)
            return false;
        stride *= sizes[d];
    }
    return true;
}

/* A tensor that is all of its storage and alone there is made at once; else views of one tensor are. */
static tl_tensor *make_tensor(const struct walk *w, struct pickle_storage *s, int ndim, const int64_t *sizes, const int64_t *strides, int64_t offset)
{
    int64_t numel = 1;

    for (int d = 0; d < ndim; d++) /* which does not overflow: checked */
        numel *= sizes[d];
    if (!s->shared && offset == 0 && numel > 0 && numel == s->numel && is_dense(ndim, sizes, strides))
        return w->storage(w->ctx, w->p, s, ndim, sizes);
    if (!s->tensor)
        s->tensor = tl_keep(w->storage(w->ctx, w->p, s, 1, &s->numel));
    return tl_as_strided(s->tensor, ndim, sizes, strides, offset);
}

static tl_status add_tensor(struct walk *w, const struct value *t)
{
    struct pickle_storage *s = &w->p->storages[t->items[0]->i];
    int64_t sizes[TL_MAX_DIMS], strides[TL_MAX_DIMS];
    uint64_t bytes;

    if (s->dtype == TL_DEFAULT)
        return pickle_fail(w->p, TL_ERR_UNSUPPORTED, "tensor \"%.200s\" is of a %s, whose element type there is not here", w->name, storage_type_name(s));
    if (s->numel < 0 || !tl_size_mul((uint64_t)s->numel, tl_dtype_size((tl_dtype)s->dtype), &bytes) || bytes > INT64_MAX)
        return pickle_fail(w->p, TL_ERR_LIMIT, "tensor \"%.200s\": a storage of %" PRId64 " elements", w->name, s->numel);
    tl_status status = check_extent(w, s, t, sizes, strides);
    if (status == TL_OK && tl_state_get(w->into, w->name))
        status = pickle_fail(w->p, TL_ERR_FORMAT, "tensor \"%.200s\" stands twice", w->name);
    if (status == TL_OK)
        status = pickle_charge(w->p, TENSOR_COST + w->length);
    if (status == TL_OK && w->check && !s->seen) {
        status = w->check(w->ctx, w->p, s);
        s->seen = status == TL_OK;
    }
    if (status == TL_OK && w->check)
        return tl_state_add(w->into, w->name, w->nothing);
    if (status != TL_OK)
        return status;
    TL_NO_GRAD TL_SCOPE
    {
        tl_tensor *made = make_tensor(w, s, (int)t->items[2]->n, sizes, strides, t->items[1]->i);
        status = made ? tl_state_add(w->into, w->name, made) : tl_error_code();
    }
    if (status != TL_OK)
        tl_error_prefix("\"%.200s\": tensor \"%.200s\": ", w->p->path, w->name);
    return status;
}

/* ---- Notes ---- */

struct words {
    char text[MOST_TEXT + sizeof "…"];
    size_t length;
    bool cut;
};

static void say(struct words *to, const char *text, size_t n)
{
    if (n > MOST_TEXT - to->length) {
        n = MOST_TEXT - to->length;
        to->cut = true;
    }
    if (n > 0)
        memcpy(to->text + to->length, text, n);
    to->length += n;
    to->text[to->length] = '\0';
}

/* As few digits as bring the number back, with a point in every locale. */
static void say_float(struct words *to, double value)
{
    char digits[40];

    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    for (char *c = digits; *c; c++)
        if (*c == ',')
            *c = '.';
    say(to, digits, strlen(digits));
}

/* Is there nothing in a list that holds others? */
static bool is_plain(const struct value *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i]->kind == VALUE_TENSOR || list->items[i]->kind == VALUE_DICT || list->items[i]->kind == VALUE_LIST ||
            list->items[i]->kind == VALUE_TUPLE)
            return false;
    return true;
}

/* A number, a text, or a short list of them. False if the value has no words. */
static bool say_value(struct words *to, const struct value *v, int depth)
{
    char digits[24];

    switch ((enum value_kind)v->kind) {
    case VALUE_NONE: say(to, "None", 4); return true;
    case VALUE_BOOL: say(to, v->i ? "True" : "False", v->i ? 4 : 5); return true;
    case VALUE_INT: say(to, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, v->i)); return true;
    case VALUE_FLOAT: say_float(to, v->f); return true;
    case VALUE_TEXT:
        if (v->n > 0 && memchr(v->text, 0, v->n))
            return false;
        say(to, v->text, v->n);
        return true;
    case VALUE_TUPLE:
    case VALUE_LIST:
        if (depth == 0)
            return false;
        say(to, "[", 1);
        for (uint32_t i = 0; i < v->n && !to->cut; i++) {
            say(to, ", ", i ? 2 : 0);
            if (!say_value(to, v->items[i], depth - 1))
                return false;
        }
        if (to->cut && !is_plain(v))
            return false;
        say(to, "]", 1);
        return true;
    default: return false;
    }
}

static tl_status add_note(struct walk *w, const struct value *v, bool *added)
{
    struct words words = {.length = 0};

    *added = say_value(&words, v, 3);
    if (words.cut)
        memcpy(words.text + words.length, "…", sizeof "…");
    if (!*added || w->length == 0)
        return TL_OK;
    tl_status s = pickle_charge(w->p, TENSOR_COST / 4 + w->length + words.length);
    if (s == TL_OK && tl_state_note(w->into, w->name))
        s = pickle_fail(w->p, TL_ERR_FORMAT, "note \"%.200s\" stands twice", w->name);
    return s == TL_OK ? tl_state_set_note(w->into, w->name, words.text) : s;
}

/* ---- The walk ---- */

/* Put a part behind the name; the caller cuts it off again. */
static tl_status lengthen(struct walk *w, const char *part, size_t n)
{
    size_t dot = w->length > 0 && w->name[w->length - 1] != '.';

    if (n > 0 && memchr(part, 0, n))
        return pickle_fail(w->p, TL_ERR_FORMAT, "a name below \"%.200s\" holds a NUL", w->name);
    if (n > MOST_NAME - w->length - dot || w->length + dot > MOST_NAME)
        return pickle_fail(w->p, TL_ERR_LIMIT, "a name below \"%.200s\" is longer than %d bytes", w->name, MOST_NAME);
    if (dot)
        w->name[w->length++] = '.';
    memcpy(w->name + w->length, part, n);
    w->length += n;
    w->name[w->length] = '\0';
    return TL_OK;
}

static tl_status visit(struct walk *w, const struct value *v, int depth);

static tl_status visit_part(struct walk *w, const char *part, size_t n, const struct value *v, int depth)
{
    size_t length = w->length;
    tl_status s = lengthen(w, part, n);

    if (s == TL_OK)
        s = visit(w, v, depth);
    w->length = length;
    w->name[length] = '\0';
    return s;
}

/* A key's words: a text, or a whole number as optimizers number their parameters. */
static tl_status key_words(const struct walk *w, const struct value *key, char digits[24], const char **text, size_t *n)
{
    *text = key->kind == VALUE_TEXT ? key->text : digits;
    *n = key->n;
    if (key->kind == VALUE_INT || key->kind == VALUE_BOOL)
        *n = (size_t)snprintf(digits, 24, "%" PRId64, key->i);
    else if (key->kind == VALUE_NONE)
        *n = (size_t)snprintf(digits, 24, "None");
    else if (key->kind != VALUE_TEXT)
        return pickle_fail(w->p, TL_ERR_UNSUPPORTED, "a key below \"%.200s\" is neither a text nor a whole number", w->name);
    return TL_OK;
}

static tl_status visit_dict(struct walk *w, const struct value *v, int depth)
{
    tl_status s = TL_OK;

    for (uint32_t i = 0; s == TL_OK && i + 1 < v->n; i += 2) {
        char digits[24];
        const char *text;
        size_t n;
        s = key_words(w, v->items[i], digits, &text, &n);
        if (s == TL_OK)
            s = visit_part(w, text, n, v->items[i + 1], depth + 1);
    }
    return s;
}

static tl_status visit_list(struct walk *w, const struct value *v, int depth)
{
    bool added = false;
    tl_status s = add_note(w, v, &added);

    for (uint32_t i = 0; s == TL_OK && !added && i < v->n; i++) {
        char digits[24];
        s = visit_part(w, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu32, i), v->items[i], depth + 1);
    }
    return s;
}

static tl_status visit(struct walk *w, const struct value *v, int depth)
{
    bool added;

    if (depth > PICKLE_MOST_DEPTH || w->visits++ > PICKLE_MOST_OPCODES)
        return pickle_fail(w->p, TL_ERR_LIMIT, "\"%.200s\": nested deeper than %d, or of more than %d values", w->name, PICKLE_MOST_DEPTH,
                           PICKLE_MOST_OPCODES);
    switch ((enum value_kind)v->kind) {
    case VALUE_TENSOR: return add_tensor(w, v);
    case VALUE_DICT: return visit_dict(w, v, depth);
    case VALUE_TUPLE:
    case VALUE_LIST: return visit_list(w, v, depth);
    default: return add_note(w, v, &added);
    }
}

/* ---- The whole ---- */

static bool has_tensors(const struct value *v)
{
    for (uint32_t i = 0; v->kind == VALUE_DICT && i + 1 < v->n; i += 2)
        if (v->items[i + 1]->kind == VALUE_TENSOR)
            return true;
    return false;
}

/* The usual keys, in their order, whatever the order in the file. A tensor beside the model is no reason to take all for a state
 * dictionary. */
static const struct value *find_model(const struct value *root)
{
    for (size_t k = 0; root->kind == VALUE_DICT && k < sizeof model_keys / sizeof *model_keys; k++)
        for (uint32_t i = 0; i + 1 < root->n; i += 2)
            if (value_is_text(root->items[i], model_keys[k]) && has_tensors(root->items[i + 1]))
                return root->items[i + 1];
    return NULL;
}

static tl_status visit_checkpoint(struct walk *w, const struct value *root, const struct value *model)
{
    tl_status s = visit_dict(w, model, 1);

    for (uint32_t i = 0; s == TL_OK && i + 1 < root->n; i += 2) {
        char digits[24];
        const char *text;
        size_t n;
        if (root->items[i + 1] == model)
            continue;
        s = key_words(w, root->items[i], digits, &text, &n);
        if (s == TL_OK)
            s = lengthen(w, REST, strlen(REST));
        if (s == TL_OK)
            s = visit_part(w, text, n, root->items[i + 1], 1);
        w->length = 0;
        w->name[0] = '\0';
    }
    return s;
}

static tl_status walk_all(struct walk *w)
{
    const struct value *root = w->p->result, *model = find_model(root);

    if (model)
        return visit_checkpoint(w, root, model);
    if (root->kind == VALUE_TENSOR)
        return visit_part(w, "tensor", 6, root, 0);
    if (root->kind != VALUE_DICT && root->kind != VALUE_LIST && root->kind != VALUE_TUPLE)
        return pickle_fail(w->p, TL_ERR_FORMAT, "it holds no tensors, but a single value");
    return visit(w, root, 0);
}

tl_status tree_read(struct pickle *p, tree_storage *storage, void *ctx, tl_state *into)
{
    return walk_all(&(struct walk){.p = p, .storage = storage, .ctx = ctx, .into = into});
}

tl_status tree_check(struct pickle *p, tree_look *check, void *ctx)
{
    struct walk w = {.p = p, .check = check, .ctx = ctx, .into = tl_state_new()};
    size_t budget = p->budget;

    w.nothing = tl_keep(tl_zeros(TL_SHAPE0, (struct tl_options){.device = "cpu"}));
    tl_status s = w.into && w.nothing ? walk_all(&w) : tl_error_code();
    tl_state_free(w.into);
    tl_release(w.nothing);
    p->budget = budget; /* what names took is free again */
    return s;
}
