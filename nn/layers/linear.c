/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear: y = x W^T + b.
 */
#include "nn/layers/module.h"

struct fields {
    int64_t in, out;
    bool bias;
};

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_linear(x[0], parameter_at(m, 0), parameter_at(m, 1));
}

static void extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    layer_text(buffer, size, "in_features=%lld, out_features=%lld, bias=%s", (long long)f->in, (long long)f->out,
               f->bias ? "True" : "False");
}

tl_module *tl_nn_linear_with(int64_t in, int64_t out, const struct tl_layer_options *options)
{
    static const struct tl_module_class class = {sizeof class, "Linear", forward, extra, NULL, 1};
    struct tl_layer_options o;
    if (!layer_options(&o, options, "Linear", HAS_NO_BIAS) || !layer_size("Linear", "in_features", in, 0) || !layer_size("Linear", "out_features", out, 0))
        return NULL;
    tl_module *m = tl_module_new(&class, sizeof(struct fields));
    if (!m)
        return NULL;
    *(struct fields *)tl_module_fields(m) = (struct fields){in, out, !o.no_bias};
    tl_tensor *weight = layer_parameter(m, "weight", TL_SHAPE(out, in));
    tl_tensor *bias = o.no_bias ? tl_module_parameter(m, "bias", TL_NONE) : layer_parameter(m, "bias", TL_SHAPE(out));
    return layer_finish(m, layer_init(weight, bias));
}
