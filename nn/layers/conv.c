/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions: Conv1d, Conv2d, ConvTranspose2d. One set of fields for all; the one-dimensional layer uses the first
 * half of each pair.
 */
#include "nn/layers/module.h"

struct fields {
    int64_t in, out;
    struct pair kernel, stride, padding, dilation, output_padding;
    int spatial; /* 1 or 2 */
    bool transposed, bias;
    struct tl_conv2d_attrs attrs;
};

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    tl_tensor *weight = parameter_at(m, 0), *bias = parameter_at(m, 1);
    if (f->spatial == 1)
        return layer_takes(m, x[0], 2, 3, "[n, c, l] or [c, l]") ? tl_conv1d_with(x[0], weight, bias, &f->attrs) : NULL;
    if (!layer_takes(m, x[0], 3, 4, "[n, c, h, w] or [c, h, w]"))
        return NULL;
    return f->transposed ? tl_conv_transpose2d_with(x[0], weight, bias, &f->attrs)
                         : tl_conv2d_with(x[0], weight, bias, &f->attrs);
}

/* ", name=(a, b)" unless both are `usual`; "(a,)" in one dimension. */
static void put_tuple(const struct fields *f, char *buffer, size_t size, const char *name, struct pair p, int64_t usual)
{
    if (p.v[0] == usual && (f->spatial == 1 || p.v[1] == usual))
        return;
    if (f->spatial == 1)
        layer_text(buffer, size, ", %s=(%lld,)", name, (long long)p.v[0]);
    else
        layer_text(buffer, size, ", %s=(%lld, %lld)", name, (long long)p.v[0], (long long)p.v[1]);
}

static void extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text(buffer, size, "%lld, %lld", (long long)f->in, (long long)f->out);
    put_tuple(f, buffer, size, "kernel_size", f->kernel, -1);
    put_tuple(f, buffer, size, "stride", f->stride, -1);
    put_tuple(f, buffer, size, "padding", f->padding, 0);
    put_tuple(f, buffer, size, "dilation", f->dilation, 1);
    put_tuple(f, buffer, size, "output_padding", f->output_padding, 0);
    if (f->attrs.groups > 1)
        layer_text(buffer, size, ", groups=%lld", (long long)f->attrs.groups);
    if (!f->bias)
        layer_text(buffer, size, ", bias=False");
}

static bool check(const char *kind, const struct fields *f)
{
    int64_t groups = f->attrs.groups ? f->attrs.groups : 1;
    for (int i = 0; i < f->spatial; i++)
        if (!layer_size(kind, "kernel_size", f->kernel.v[i], 1) || !layer_size(kind, "stride", f->stride.v[i], 1) ||
            !layer_size(kind, "padding", f->padding.v[i], 0) || !layer_size(kind, "dilation", f->dilation.v[i], 1) ||
            !layer_size(kind, "output_padding", f->output_padding.v[i], 0))
            return false;
    if (!layer_size(kind, "in_channels", f->in, 1) || !layer_size(kind, "out_channels", f->out, 1) ||
        !layer_size(kind, "groups", groups, 1))
        return false;
    if (f->in % groups == 0 && f->out % groups == 0)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "%s: %lld groups do not divide both the %lld input and the %lld output channels", kind,
            (long long)groups, (long long)f->in, (long long)f->out);
    return false;
}

static tl_module *conv_new(const struct tl_module_class *class, int spatial, bool transposed, int64_t in, int64_t out, int64_t h,
                           int64_t w, const struct tl_layer_options *options)
{
    struct tl_layer_options o;
    unsigned has = HAS_STRIDE | HAS_PADDING | HAS_DILATION | HAS_GROUPS | HAS_NO_BIAS | (transposed ? HAS_OUTPUT_PADDING : 0u);
    if (!layer_options(&o, options, class->name, has))
        return NULL;
    if (spatial == 1 && (o.stride[1] || o.padding[1] || o.dilation[1])) {
        tl_fail(TL_ERR_ARGUMENT, "%s: stride, padding and dilation are one number each; it has no second dimension", class->name);
        return NULL;
    }
    struct fields f = {
        .in = in, .out = out, .spatial = spatial, .transposed = transposed, .bias = !o.no_bias, .kernel = {{h, w}}};
    f.stride = layer_pair(o.stride, 1);
    f.padding = layer_pair(o.padding, 0);
    f.dilation = layer_pair(o.dilation, 1);
    f.output_padding = layer_pair(o.output_padding, 0);
    f.attrs = (struct tl_conv2d_attrs){.struct_size = sizeof f.attrs, .groups = o.groups};
    for (int i = 0; i < spatial; i++) {
        f.attrs.stride[i] = o.stride[i];
        f.attrs.padding[i] = o.padding[i];
        f.attrs.dilation[i] = o.dilation[i];
        f.attrs.output_padding[i] = o.output_padding[i];
    }
    tl_module *m = check(class->name, &f) ? tl_module_new(class, sizeof f) : NULL;
    if (!m)
        return NULL;
    *(struct fields *)tl_module_fields(m) = f;
    int64_t groups = o.groups ? o.groups : 1;
    int64_t shape[4] = {transposed ? in : out, (transposed ? out : in) / groups, h, w};
    tl_tensor *weight = layer_parameter(m, "weight", 2 + spatial, shape);
    tl_tensor *bias = o.no_bias ? tl_module_parameter(m, "bias", TL_NONE) : layer_parameter(m, "bias", TL_SHAPE(out));
    return layer_finish(m, layer_init(weight, bias));
}

tl_module *tl_nn_conv2d_with(int64_t in, int64_t out, int64_t h, int64_t w, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "Conv2d", forward, extra, NULL, 1};
    return conv_new(&class, 2, false, in, out, h, w, o);
}

tl_module *tl_nn_conv1d_with(int64_t in, int64_t out, int64_t kernel, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "Conv1d", forward, extra, NULL, 1};
    return conv_new(&class, 1, false, in, out, kernel, 1, o);
}

tl_module *tl_nn_conv_transpose2d_with(int64_t in, int64_t out, int64_t h, int64_t w, const struct tl_layer_options *o)
{
    static const struct tl_module_class class = {sizeof class, "ConvTranspose2d", forward, extra, NULL, 1};
    return conv_new(&class, 2, true, in, out, h, w, o);
}
