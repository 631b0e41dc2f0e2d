/* SPDX-License-Identifier: Apache-2.0
 *
 * What the layers share: making parameters, reading options, checking sizes and inputs, finishing a constructor.
 */
#include <string.h>

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

#define OPTION(bit, name)                                                                                                            \
    {                                                                                                                                \
        bit, #name, offsetof(struct tl_layer_options, name), sizeof(((struct tl_layer_options *)NULL)->name)                         \
    }
static const struct {
    unsigned bit;
    const char *name;
    size_t offset, size;
} all_options[] = {
    OPTION(HAS_NO_BIAS, no_bias),
    OPTION(HAS_STRIDE, stride),
    OPTION(HAS_PADDING, padding),
    OPTION(HAS_DILATION, dilation),
    OPTION(HAS_OUTPUT_PADDING, output_padding),
    OPTION(HAS_GROUPS, groups),
    OPTION(HAS_EPS, eps),
    OPTION(HAS_MOMENTUM, momentum),
    OPTION(HAS_NOT_AFFINE, not_affine),
    OPTION(HAS_NOT_TRACKED, not_tracked),
    OPTION(HAS_CEIL_MODE, ceil_mode),
    OPTION(HAS_EXCLUDE_PAD, exclude_pad),
    OPTION(HAS_PADDING_ROW, padding_row),
    OPTION(HAS_PADDING_ROW, padding_idx),
    OPTION(HAS_IN_PLACE, in_place),
    OPTION(HAS_NUM_LAYERS, num_layers),
    OPTION(HAS_BATCH_FIRST, batch_first),
    OPTION(HAS_BIDIRECTIONAL, bidirectional),
    OPTION(HAS_DROPOUT, dropout),
    OPTION(HAS_RELU, relu),
};
enum { OPTIONS = sizeof all_options / sizeof *all_options };

static void name_options(char *text, size_t size, unsigned has)
{
    text[0] = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        if (has & all_options[i].bit)
            layer_text(text, size, "%s%s", text[0] ? ", " : "", all_options[i].name);
}

bool layer_options(struct tl_layer_options *o, const struct tl_layer_options *given, const char *kind, unsigned has)
{
    static const unsigned char zeros[sizeof(struct tl_layer_options)];
    char names[300];
    options_taken(o, sizeof *o, given);
    for (size_t i = 0; i < OPTIONS; i++) {
        if ((has & all_options[i].bit) || memcmp((const char *)o + all_options[i].offset, zeros, all_options[i].size) == 0)
            continue;
        name_options(names, sizeof names, has);
        tl_fail(TL_ERR_ARGUMENT, "%s: has no option %s; it has: %s", kind, all_options[i].name, names);
        return false;
    }
    return true;
}
