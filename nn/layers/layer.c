/* SPDX-License-Identifier: Apache-2.0
 *
 * What the layers share: making parameters, reading options, checking sizes and inputs, finishing a constructor.
 */
#include "nn/layers/module.h"
#include "nn/options.h"

tl_tensor *layer_parameter(tl_module *m, const char *name, int ndim, const int64_t *shape)
{
    tl_tensor *kept = NULL;
    TL_SCOPE kept = tl_module_parameter(m, name, tl_empty(ndim, shape, (struct tl_options){0}));
    return kept;
}

tl_module *layer_finish(tl_module *m, tl_status status)
{
    if (m && status == TL_OK && !m->broken)
        return m;
    tl_module_free(m);
    return NULL;
}

bool layer_takes(const tl_module *m, const tl_tensor *x, int low, int high, const char *layout)
{
    int n = tl_ndim(x);
    if (n >= low && n <= high)
        return true;
    char shape[200] = "[";
    for (int i = 0; i < n; i++)
        layer_text(shape, sizeof shape, i ? " x %lld" : "%lld", (long long)tl_shape(x)[i]);
    tl_fail(TL_ERR_SHAPE, "%s: takes an input of shape %s, not %s]", m->name, layout, shape);
    return false;
}

bool layer_size(const char *kind, const char *what, int64_t value, int64_t least)
{
    if (value >= least)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: %s is %lld; it must be at least %lld", kind, what, (long long)value, (long long)least);
    return false;
}

struct pair layer_pair(const int64_t option[2], int64_t fallback)
{
    struct pair p = {{option[0], option[1]}};
    if (p.v[0] == 0 && p.v[1] == 0)
        return (struct pair){{fallback, fallback}};
    if (p.v[1] == 0)
        p.v[1] = p.v[0];
    for (int i = 0; i < 2; i++)
        if (p.v[i] == TL_NONE_SIZE)
            p.v[i] = 0;
    return p;
}

struct tl_layer_options layer_options(const struct tl_layer_options *o)
{
    struct tl_layer_options copy;
    options_taken(&copy, sizeof copy, o);
    return copy;
}
