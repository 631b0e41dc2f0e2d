/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling: MaxPool2d, AvgPool2d, AdaptiveAvgPool2d. Inputs are [n, c, h, w], or [c, h, w].
 */
#include "nn/layers/module.h"

struct fields {
    struct pair kernel, stride, padding, dilation;
    struct tl_pool2d_attrs attrs;
};

static const char layout[] = "[n, c, h, w] or [c, h, w]";

static tl_tensor *max_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    return layer_takes(m, x[0], 3, 4, layout) ? tl_max_pool2d_with(x[0], &f->attrs) : NULL;
}

static void max_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text_pair(buffer, size, "kernel_size", f->kernel);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "stride", f->stride);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "padding", f->padding);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "dilation", f->dilation);
    layer_text(buffer, size, ", ceil_mode=%s", f->attrs.ceil_mode ? "True" : "False");
}

static tl_tensor *avg_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    return layer_takes(m, x[0], 3, 4, layout) ? tl_avg_pool2d_with(x[0], &f->attrs) : NULL;
}

static void avg_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text_pair(buffer, size, "kernel_size", f->kernel);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "stride", f->stride);
    layer_text(buffer, size, ", ");
    layer_text_pair(buffer, size, "padding", f->padding);
}

static tl_module *pool_new(const struct tl_module_class *class, int64_t h, int64_t w, const struct tl_layer_options *options, bool max)
{
    struct tl_layer_options o;
    if (!layer_options(&o, options, class->name, HAS_STRIDE | HAS_PADDING | HAS_CEIL_MODE | (max ? HAS_DILATION : HAS_EXCLUDE_PAD)))
        return NULL;
    struct fields f = {.kernel = {{h, w}}, .padding = layer_pair(o.padding, 0)};
    f.stride = o.stride[0] || o.stride[1] ? layer_pair(o.stride, 0) : f.kernel;
    f.dilation = layer_pair(o.dilation, 1);
    for (int i = 0; i < 2; i++) {
        int64_t kernel = f.kernel.v[i];
        if (!layer_size(class->name, "kernel_size", kernel, 1) || !layer_size(class->name, "stride", f.stride.v[i], 1) ||
            !layer_size(class->name, "padding", f.padding.v[i], 0) || !layer_size(class->name, "dilation", f.dilation.v[i], 1))
            return NULL;
        if (f.padding.v[i] > kernel / 2) {
            tl_fail(TL_ERR_ARGUMENT, "%s: padding is %lld; it must be at most half of kernel_size, %lld", class->name,
                    (long long)f.padding.v[i], (long long)kernel);
            return NULL;
        }
    }
    f.attrs = (struct tl_pool2d_attrs){
        .struct_size = sizeof f.attrs,
        .kernel = {h, w},
        .stride = {o.stride[0], o.stride[1]},
        .padding = {o.padding[0], o.padding[1]},
        .dilation = {o.dilation[0], o.dilation[1]},
        .ceil_mode = o.ceil_mode,
        .exclude_pad = o.exclude_pad,
    };
    tl_module *m = tl_module_new(class, sizeof f);
    if (m)
        *(struct fields *)tl_module_fields(m) = f;
    return m;
}

tl_module *tl_nn_max_pool2d_with(int64_t h, int64_t w, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "MaxPool2d", max_forward, max_extra, NULL, 1};
    return pool_new(&class, h, w, o, true);
}

tl_module *tl_nn_avg_pool2d_with(int64_t h, int64_t w, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "AvgPool2d", avg_forward, avg_extra, NULL, 1};
    return pool_new(&class, h, w, o, false);
}

static tl_tensor *adaptive_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct pair *f = tl_module_fields(m);
    return layer_takes(m, x[0], 3, 4, layout) ? tl_adaptive_avg_pool2d(x[0], f->v[0], f->v[1]) : NULL;
}

static void adaptive_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct pair *f = tl_module_fields(m);
    layer_text(buffer, size, "output_size=(%lld, %lld)", (long long)f->v[0], (long long)f->v[1]);
}

tl_module *tl_nn_adaptive_avg_pool2d(int64_t h, int64_t w)
{
    static const struct tl_module_class class = {sizeof class, "AdaptiveAvgPool2d", adaptive_forward, adaptive_extra, NULL, 1};
    if (!layer_size(class.name, "output_size", h, 1) || !layer_size(class.name, "output_size", w, 1))
        return NULL;
    tl_module *m = tl_module_new(&class, sizeof(struct pair));
    if (m)
        *(struct pair *)tl_module_fields(m) = (struct pair){{h, w}};
    return m;
}
