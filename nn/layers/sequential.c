/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequential: each child's output is the next one's input.
 */
#include "nn/layers/module.h"

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    /* Held outside of scopes, so that each activation is gone as soon as the next one is there. */
    tl_tensor *y = tl_keep(x[0]);
    for (size_t i = 0; i < m->n_children && y; i++) {
        tl_scope scope = tl_scope_begin();
        tl_tensor *next = tl_keep(tl_forward(m->children[i].module, y));
        tl_scope_end(&scope);
        tl_release(y);
        y = next;
    }
    return tl_scope_adopt(y);
}

tl_module *tl_sequential_new(void)
{
    static const struct tl_module_class class = {.struct_size = sizeof class, .name = "Sequential", .forward = forward, .inputs = 1};
    return tl_module_new(&class, 0);
}

tl_module *tl_sequential_append(tl_module *m, tl_module *layer)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", m ? m->n_children : 0);
    return tl_module_add(m, name, layer);
}

tl_module *tl_sequential_of(size_t n, tl_module *const *layers)
{
    tl_module *m = tl_sequential_new();
    bool complete = m != NULL;
    if (n > 0 && !layers) {
        tl_fail(TL_ERR_ARGUMENT, "Sequential: the list of %zu layers is NULL", n);
        n = 0;
        complete = false;
    }
    for (size_t i = 0; i < n; i++)
        complete &= tl_sequential_append(m, layers[i]) != NULL;
    if (complete)
        return m;
    tl_module_free(m);
    return NULL;
}
