/* SPDX-License-Identifier: Apache-2.0
 *
 * The module tree: making and freeing modules, children, parameters and buffers, looking them up by dotted name, and
 * running a module. A module that an addition failed on is `broken`: it takes nothing more and cannot run, so that code that
 * builds a network needs one check only.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/layers/module.h"

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

tl_module *tl_module_new(const struct tl_module_class *c, size_t size)
{
    if (!c || !c->name || !c->forward) {
        tl_fail(TL_ERR_ARGUMENT, "module: a class needs a name and a forward function");
        return NULL;
    }
    tl_module *m = size < SIZE_MAX / 2 ? calloc(1, sizeof *m + size) : NULL;
    char *name = strdup(c->name);
    if (!m || !name) {
        free(m);
        free(name);
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", c->name);
        return NULL;
    }
    m->class = c;
    m->name = name;
    m->height = 1;
    m->training = true;
    return m;
}

struct from_fields {
    tl_tensor *(*forward)(tl_module *m, tl_tensor *x, void *ctx);
    void *ctx;
};

static tl_tensor *from_forward(tl_module *m, tl_tensor *const *x, int n)
{
    const struct from_fields *f = tl_module_fields(m);
    (void)n;
    return f->forward(m, x[0], f->ctx);
}

tl_module *tl_module_from(const char *name, tl_tensor *(*forward)(tl_module *m, tl_tensor *x, void *ctx), void *ctx)
{
    static const struct tl_module_class class = {.struct_size = sizeof class, .name = "Module", .forward = from_forward, .inputs = 1};
    if (!name || !forward) {
        tl_fail(TL_ERR_ARGUMENT, "module: a name and a forward function are needed");
        return NULL;
    }
    tl_module *m = tl_module_new(&class, sizeof(struct from_fields));
    char *copy = m ? strdup(name) : NULL;
    if (!copy) {
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", name);
        tl_module_free(m);
        return NULL;
    }
    free(m->name);
    m->name = copy;
    *(struct from_fields *)tl_module_fields(m) = (struct from_fields){forward, ctx};
    return m;
}

static void members_free(struct members *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        tl_release(list->items[i].tensor);
    }
    free(list->items);
}

static void destroy(tl_module *m)
{
    for (size_t i = 0; i < m->n_children; i++) {
        destroy(m->children[i].module);
        free(m->children[i].name);
    }
    if (m->class->destroy)
        m->class->destroy(m);
    free(m->children);
    members_free(&m->parameters);
    members_free(&m->buffers);
    free(m->name);
    free(m);
}

void tl_module_free(tl_module *m)
{
    /* Its parent still owns a module that was added. */
    if (m && !m->parent)
        destroy(m);
}

void *tl_module_fields(const tl_module *m)
{
    return m ? (void *)(uintptr_t)m->fields : NULL;
}

const char *tl_module_name(const tl_module *m)
{
    return m ? m->name : "";
}

const struct tl_module_class *tl_module_class_of(const tl_module *m)
{
    return m ? m->class : NULL;
}

/* ---- Growing the tree --------------------------------------------------------------------------------------------- */

/* Room for one more; false and an error. */
static bool grow(void *items, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 4;
    void *grown = realloc(*(void **)items, wanted * size);
    if (!grown) {
        tl_fail(TL_ERR_NOMEM, "module: out of memory");
        return false;
    }
    *(void **)items = grown;
    *capacity = wanted;
    return true;
}

static struct member *member_find(const struct members *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

static struct child *child_find(const tl_module *m, const char *name)
{
    for (size_t i = 0; i < m->n_children; i++)
        if (strcmp(m->children[i].name, name) == 0)
            return &m->children[i];
    return NULL;
}

static bool name_is_free(const tl_module *m, const char *what, const char *name)
{
    if (!name || !*name || strchr(name, '.')) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the name of a %s must not be empty or contain a dot: \"%s\"", m->name, what,
                name ? name : "");
        return false;
    }
    if (child_find(m, name) || member_find(&m->parameters, name) || member_find(&m->buffers, name)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: has a child, parameter or buffer \"%s\" already", m->name, name);
        return false;
    }
    return true;
}

/* May child be put under m? It must have no parent, must not be above m, and the tree must not grow too deep. */
static bool can_adopt(const tl_module *m, const tl_module *child)
{
    if (child->parent) {
        tl_fail(TL_ERR_ARGUMENT, "%s: this %s belongs to another module already; a module has one parent", m->name, child->name);
        return false;
    }
    int depth = 0;
    for (const tl_module *above = m; above; above = above->parent, depth++)
        if (above == child) {
            tl_fail(TL_ERR_ARGUMENT, "%s: a module cannot be inside itself", m->name);
            return false;
        }
    if (depth + child->height > MAX_DEPTH) {
        tl_fail(TL_ERR_LIMIT, "%s: modules may be nested %d deep, not %d", m->name, MAX_DEPTH, depth + child->height);
        return false;
    }
    if (child->broken) {
        tl_fail(TL_ERR_STATE, "%s: an earlier addition to this %s failed", m->name, child->name);
        return false;
    }
    return true;
}

static void adopt(tl_module *m, tl_module *child)
{
    child->parent = m;
    for (int height = child->height + 1; m && m->height < height; m = m->parent, height++)
        m->height = height;
}

static tl_module *refuse(tl_module *m, tl_module *child)
{
    if (m)
        m->broken = true;
    /* An ancestor of m stays: freeing it here would free m too. */
    const tl_module *above = m;
    while (above && above != child)
        above = above->parent;
    if (!above)
        tl_module_free(child);
    return NULL;
}

tl_module *tl_module_add(tl_module *m, const char *name, tl_module *child)
{
    if (!m || !child) {
        tl_fail(TL_ERR_ARGUMENT, "%s: the module \"%s\" is NULL", m ? m->name : "module", m ? name ? name : "" : "to add to");
        return refuse(m, child);
    }
    if (m->broken) {
        tl_fail(TL_ERR_STATE, "%s: an earlier addition to it failed", m->name);
        return refuse(m, child);
    }
    char *copy = NULL;
    if (!name_is_free(m, "child", name) || !can_adopt(m, child) ||
        !grow(&m->children, m->n_children, &m->children_capacity, sizeof *m->children) || !(copy = strdup(name))) {
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", m->name);
        return refuse(m, child);
    }
    m->children[m->n_children++] = (struct child){copy, child};
    adopt(m, child);
    return child;
}

/* The module that holds `name`'s last part, which *last becomes. */
static tl_module *owner_of(const tl_module *m, const char *name, const char **last)
{
    const tl_module *at = m;
    for (const char *dot; at && (dot = strchr(name, '.')); name = dot + 1) {
        const tl_module *next = NULL;
        size_t length = (size_t)(dot - name);
        for (size_t i = 0; i < at->n_children && !next; i++)
            if (strncmp(at->children[i].name, name, length) == 0 && !at->children[i].name[length])
                next = at->children[i].module;
        at = next;
    }
    *last = name;
    return (tl_module *)(uintptr_t)at;
}

tl_status tl_module_replace(tl_module *m, const char *name, tl_module *child)
{
    const char *last;
    if (!m || !name || !child) {
        tl_module_free(child);
        return tl_fail(TL_ERR_ARGUMENT, "module: replacing a child needs a module, a name and a child; one is NULL");
    }
    tl_module *owner = owner_of(m, name, &last);
    struct child *old = owner ? child_find(owner, last) : NULL;
    if (!old) {
        tl_fail(TL_ERR_NOT_FOUND, "%s: has no module \"%s\" to replace", m->name, name);
    } else if (can_adopt(owner, child)) {
        old->module->parent = NULL;
        tl_module_free(old->module);
        old->module = child;
        adopt(owner, child);
        return TL_OK;
    }
    const tl_module *above = m;
    while (above && above != child)
        above = above->parent;
    if (!above)
        tl_module_free(child);
    return tl_error_code();
}

/* Keep t in the list; NULL and an error, which break m. */
static tl_tensor *member_add(tl_module *m, struct members *list, const char *what, const char *name, tl_tensor *t)
{
    char *copy = NULL;
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "module: the module that \"%s\" is to be a %s of is NULL", name ? name : "", what);
        return NULL;
    }
    if (!t)
        tl_fail(TL_ERR_ARGUMENT, "%s: the %s \"%s\" is NULL", m->name, what, name ? name : "");
    else if (name_is_free(m, what, name) && grow(&list->items, list->n, &list->capacity, sizeof *list->items) &&
             !(copy = strdup(name)))
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", m->name);
    if (!copy) {
        m->broken = true;
        return NULL;
    }
    list->items[list->n++] = (struct member){copy, tl_keep(t)};
    return t;
}

tl_tensor *tl_module_parameter(tl_module *m, const char *name, tl_tensor *t)
{
    if (m && t && !tl_is_none(t) && !tl_dtype_is_float(tl_dtype_of(t))) {
        tl_fail(TL_ERR_DTYPE, "%s: the parameter \"%s\" is %s; only floating types can be trained (use a buffer)", m->name,
                name ? name : "", tl_dtype_name(tl_dtype_of(t)));
        t = NULL;
    } else if (m && t && !tl_is_none(t) && !tl_is_leaf(t)) {
        tl_fail(TL_ERR_STATE, "%s: the parameter \"%s\" is the result of an operation; use tl_detach() on it first", m->name,
                name ? name : "");
        t = NULL;
    }
    t = member_add(m, m ? &m->parameters : NULL, "parameter", name, t);
    if (t && !tl_is_none(t) && !tl_set_requires_grad(t, true))
        return NULL;
    return t;
}

tl_tensor *tl_module_buffer(tl_module *m, const char *name, tl_tensor *t)
{
    return member_add(m, m ? &m->buffers : NULL, "buffer", name, t);
}

/* ---- Looking up ------------------------------------------------------------------------------------------------------ */

tl_module *tl_module_child(const tl_module *m, const char *name)
{
    const char *last;
    if (!m || !name) {
        tl_fail(TL_ERR_ARGUMENT, "module: a module and the name of a child are needed");
        return NULL;
    }
    const tl_module *owner = owner_of(m, name, &last);
    const struct child *c = owner ? child_find(owner, last) : NULL;
    if (c)
        return c->module;
    tl_fail(TL_ERR_NOT_FOUND, "%s: has no module \"%s\"", m->name, name);
    return NULL;
}

tl_tensor *tl_module_get(const tl_module *m, const char *name)
{
    const char *last;
    if (!m || !name) {
        tl_fail(TL_ERR_ARGUMENT, "module: a module and the name of a tensor are needed");
        return NULL;
    }
    const tl_module *owner = owner_of(m, name, &last);
    const struct member *found = owner ? member_find(&owner->parameters, last) : NULL;
    if (owner && !found)
        found = member_find(&owner->buffers, last);
    if (found)
        return found->tensor;
    tl_fail(TL_ERR_NOT_FOUND, "%s: has no parameter or buffer \"%s\"", m->name, name);
    return NULL;
}

size_t tl_module_n_children(const tl_module *m)
{
    return m ? m->n_children : 0;
}

tl_module *tl_module_child_at(const tl_module *m, size_t i, const char **name)
{
    bool there = m && i < m->n_children;
    if (name)
        *name = there ? m->children[i].name : NULL;
    return there ? m->children[i].module : NULL;
}

/* ---- Running ----------------------------------------------------------------------------------------------------------- */

static _Thread_local const struct tl_module_observer *observer;

const struct tl_module_observer *tl_module_observe(const struct tl_module_observer *o)
{
    const struct tl_module_observer *before = observer;
    observer = o;
    return before;
}

static tl_tensor *class_forward(tl_module *m, tl_tensor *const *x, int n, void *ctx)
{
    (void)ctx;
    return m->class->forward(m, x, n);
}

/* Does its class say how many inputs it takes, and are they as many? What is not looked at must not pass. */
static bool takes_as_many(const tl_module *m, int n)
{
    int most = m->class->struct_size >= offsetof(struct tl_module_class, inputs) + sizeof most ? m->class->inputs : 0;
    if (most == 0 || n == most)
        return true;
    if (most == 1)
        tl_fail(TL_ERR_ARGUMENT, "%s: takes one input, not %d", m->name, n);
    else
        tl_fail(TL_ERR_ARGUMENT, "%s: takes %d inputs, not %d", m->name, most, n);
    return false;
}

tl_tensor *module_run(tl_module *m, tl_tensor *const *x, int n, module_body *body, void *ctx)
{
    if (!m || n < 1 || !x) {
        tl_fail(TL_ERR_ARGUMENT, "%s: needs a module and at least one input", m ? m->name : "forward");
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!x[i] || tl_is_none(x[i])) {
            tl_fail(TL_ERR_ARGUMENT, "%s: input %d is %s", m->name, i, x[i] ? "TL_NONE" : "NULL, and no earlier call failed");
            return NULL;
        }
    if (m->broken) {
        tl_fail(TL_ERR_STATE, "%s: an addition to this module failed; it cannot run", m->name);
        return NULL;
    }
    if (!takes_as_many(m, n))
        return NULL;
    const struct tl_module_observer *watching = observer;
    if (watching && watching->before)
        watching->before(m, watching->ctx);
    tl_scope scope = tl_scope_begin();
    tl_tensor *y = tl_scope_return(body(m, x, n, ctx));
    tl_scope_end(&scope);
    if (watching && watching->after)
        watching->after(m, x, n, y, watching->ctx);
    if (!y && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_STATE, "%s: its forward function gave NULL without an error", m->name);
    return y;
}

tl_tensor *tl_forward_n(tl_module *m, tl_tensor *const *x, int n)
{
    return module_run(m, x, n, class_forward, NULL);
}

tl_tensor *tl_forward(tl_module *m, tl_tensor *x)
{
    return tl_forward_n(m, &x, 1);
}

tl_tensor *tl_forward_child(tl_module *m, const char *name, tl_tensor *x)
{
    /* The error of a NULL x, if it has one, stays the first. */
    tl_module *child = tl_module_child(m, name);
    return child ? tl_forward(child, x) : NULL;
}
