/* SPDX-License-Identifier: Apache-2.0
 *
 * Unfold and Fold: windows of pictures as columns, and back. Pictures are [n, c, h, w], columns [n, c * kernel, windows].
 */
#include "nn/layers/module.h"

struct fields {
    int64_t kernel;
    struct pair stride, padding, dilation;
    struct tl_unfold_attrs attrs;
};

static tl_tensor *unfold_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    return layer_takes(m, x[0], 3, 4, "[n, c, h, w] or [c, h, w]") ? tl_unfold_with(x[0], &f->attrs) : NULL;
}

static tl_tensor *fold_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    return layer_takes(m, x[0], 2, 3, "[n, c * kernel, windows] or [c * kernel, windows]") ? tl_fold_with(x[0], &f->attrs) : NULL;
}

static void unfold_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text(buffer, size, "kernel_size=%lld, ", (long long)f->kernel);
    layer_text_pair(buffer, size, "dilation", f->dilation);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "padding", f->padding);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "stride", f->stride);
}

static void fold_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text(buffer, size, "output_size=(%lld, %lld), ", (long long)f->attrs.size[0], (long long)f->attrs.size[1]);
    unfold_extra(m, buffer, size);
}

static tl_module *new(const struct tl_module_class *class, int64_t h, int64_t w, int64_t kernel, const struct tl_layer_options *options)
{
    struct tl_layer_options o;
    if (!layer_options(&o, options, class->name, HAS_STRIDE | HAS_PADDING | HAS_DILATION))
        return NULL;
    struct fields f = {.kernel = kernel, .stride = layer_pair(o.stride, 1), .padding = layer_pair(o.padding, 0), .dilation = layer_pair(o.dilation, 1)};
    for (int i = 0; i < 2; i++)
        if (!layer_size(class->name, "kernel_size", kernel, 1) || !layer_size(class->name, "stride", f.stride.v[i], 1) ||
            !layer_size(class->name, "padding", f.padding.v[i], 0) || !layer_size(class->name, "dilation", f.dilation.v[i], 1))
            return NULL;
    f.attrs = (struct tl_unfold_attrs){
        .struct_size = sizeof f.attrs,
        .kernel = {kernel, kernel},
        .stride = {o.stride[0], o.stride[1]},
        .padding = {o.padding[0], o.padding[1]},
        .dilation = {o.dilation[0], o.dilation[1]},
        .size = {h, w},
    };
    tl_module *m = tl_module_new(class, sizeof f);
    if (m)
        *(struct fields *)tl_module_fields(m) = f;
    return m;
}

tl_module *tl_nn_unfold_with(int64_t kernel, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "Unfold", unfold_forward, unfold_extra, NULL, 1};
    return new(&class, 0, 0, kernel, o);
}

tl_module *tl_nn_fold_with(int64_t h, int64_t w, int64_t kernel, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "Fold", fold_forward, fold_extra, NULL, 1};
    if (!layer_size(class.name, "output_size", h, 1) || !layer_size(class.name, "output_size", w, 1))
        return NULL;
    return new(&class, h, w, kernel, o);
}
