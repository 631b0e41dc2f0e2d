/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations: modules around the pointwise functions and the two softmaxes. The plain ones differ in name and function
 * only; the macro below makes each from one line.
 */
#include "nn/layers/module.h"

#define PLAIN(layer, Name, text, call)                                                                                           \
    static tl_tensor *layer##_forward(tl_module *m, tl_tensor *const *x, int n)                                                  \
    {                                                                                                                            \
        (void)m;                                                                                                                 \
        (void)n;                                                                                                                 \
        return call;                                                                                                             \
    }                                                                                                                            \
    static void layer##_extra(const tl_module *m, char *buffer, size_t size)                                                     \
    {                                                                                                                            \
        (void)m;                                                                                                                 \
        layer_text(buffer, size, "%s", text);                                                                                    \
    }                                                                                                                            \
    tl_module *tl_nn_##layer(void)                                                                                               \
    {                                                                                                                            \
        static const struct tl_module_class class = {sizeof class, Name, layer##_forward, layer##_extra, NULL, 1};                  \
        return tl_module_new(&class, 0);                                                                                         \
    }

PLAIN(relu6, "ReLU6", "", tl_relu6(x[0]))
PLAIN(gelu, "GELU", "approximate='none'", tl_gelu(x[0]))
PLAIN(silu, "SiLU", "", tl_silu(x[0]))
PLAIN(sigmoid, "Sigmoid", "", tl_sigmoid(x[0]))
PLAIN(hard_sigmoid, "Hardsigmoid", "", tl_hard_sigmoid(x[0]))
PLAIN(hardswish, "Hardswish", "", tl_hardswish(x[0]))
PLAIN(selu, "SELU", "", tl_selu(x[0]))
PLAIN(mish, "Mish", "", tl_mish(x[0]))
PLAIN(log_sigmoid, "LogSigmoid", "", tl_log_sigmoid(x[0]))
PLAIN(tanh, "Tanh", "", tl_tanh(x[0]))
PLAIN(softplus, "Softplus", "beta=1.0, threshold=20.0", tl_softplus(x[0], 1, 20))

/* ---- ReLU, perhaps in place --------------------------------------------------------------------------------------- */

static tl_tensor *relu_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const bool *in_place = tl_module_fields(m);
    return *in_place ? tl_relu_(x[0]) : tl_relu(x[0]);
}

static void relu_extra(const tl_module *m, char *buffer, size_t size)
{
    const bool *in_place = tl_module_fields(m);
    layer_text(buffer, size, "%s", *in_place ? "inplace=True" : "");
}

tl_module *tl_nn_relu_with(const struct tl_layer_options *options)
{
    struct tl_layer_options o;
    static const struct tl_module_class class = {sizeof class, "ReLU", relu_forward, relu_extra, NULL, 1};
    tl_module *m = layer_options(&o, options, "ReLU", HAS_IN_PLACE) ? tl_module_new(&class, sizeof(bool)) : NULL;
    if (m)
        *(bool *)tl_module_fields(m) = o.in_place;
    return m;
}

/* ---- With one number ---------------------------------------------------------------------------------------------- */

static tl_module *with_number(const struct tl_module_class *class, double number)
{
    tl_module *m = tl_module_new(class, sizeof(double));
    if (m)
        *(double *)tl_module_fields(m) = number;
    return m;
}

static void put_number(const tl_module *m, char *buffer, size_t size, const char *name)
{
    char text[NUMBER_SIZE];
    layer_text(buffer, size, "%s=%s", name, layer_number(text, *(const double *)tl_module_fields(m)));
}

static tl_tensor *leaky_relu_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_leaky_relu(x[0], *(const double *)tl_module_fields(m));
}

static void leaky_relu_extra(const tl_module *m, char *buffer, size_t size)
{
    put_number(m, buffer, size, "negative_slope");
}

tl_module *tl_nn_leaky_relu(double slope)
{
    static const struct tl_module_class class = {sizeof class, "LeakyReLU", leaky_relu_forward, leaky_relu_extra, NULL, 1};
    return with_number(&class, slope);
}

static tl_tensor *elu_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_elu(x[0], *(const double *)tl_module_fields(m));
}

static void elu_extra(const tl_module *m, char *buffer, size_t size)
{
    put_number(m, buffer, size, "alpha");
}

tl_module *tl_nn_elu(double alpha)
{
    static const struct tl_module_class class = {sizeof class, "ELU", elu_forward, elu_extra, NULL, 1};
    return with_number(&class, alpha);
}

/* ---- With one dimension --------------------------------------------------------------------------------------------- */

static tl_module *with_dim(const struct tl_module_class *class, int dim)
{
    tl_module *m = tl_module_new(class, sizeof(int));
    if (m)
        *(int *)tl_module_fields(m) = dim;
    return m;
}

static void put_dim(const tl_module *m, char *buffer, size_t size)
{
    layer_text(buffer, size, "dim=%d", *(const int *)tl_module_fields(m));
}

static tl_tensor *softmax_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_softmax(x[0], *(const int *)tl_module_fields(m));
}

tl_module *tl_nn_softmax(int dim)
{
    static const struct tl_module_class class = {sizeof class, "Softmax", softmax_forward, put_dim, NULL, 1};
    return with_dim(&class, dim);
}

static tl_tensor *log_softmax_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_log_softmax(x[0], *(const int *)tl_module_fields(m));
}

tl_module *tl_nn_log_softmax(int dim)
{
    static const struct tl_module_class class = {sizeof class, "LogSoftmax", log_softmax_forward, put_dim, NULL, 1};
    return with_dim(&class, dim);
}
