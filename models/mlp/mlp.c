/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "mlp": a multilayer perceptron of any depth. Layers are numbered as in a PyTorch Sequential:
 * Linear, activation, (Dropout), Linear, …, Linear.
 */
#include <stdio.h>
#include <string.h>
#include <telar/model.h>

enum { MAX_HIDDEN = 64 };

static const char *const activations[] = {"relu", "tanh", "sigmoid", "gelu", "silu", "leaky-relu", "elu", NULL};

static tl_module *activation(const char *name)
{
    if (strcmp(name, "tanh") == 0)
        return tl_nn_tanh();
    if (strcmp(name, "sigmoid") == 0)
        return tl_nn_sigmoid();
    if (strcmp(name, "gelu") == 0)
        return tl_nn_gelu();
    if (strcmp(name, "silu") == 0)
        return tl_nn_silu();
    if (strcmp(name, "leaky-relu") == 0)
        return tl_nn_leaky_relu(0.01);
    if (strcmp(name, "elu") == 0)
        return tl_nn_elu(1);
    return tl_nn_relu();
}

static bool append(tl_module *m, tl_module *layer)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", m ? tl_module_n_children(m) : 0);
    return tl_module_add(m, name, layer) != NULL;
}

static tl_module *build(const struct tl_model_config *c)
{
    int64_t hidden[MAX_HIDDEN], width = tl_config_int(c, "in");
    int n = tl_config_list(c, "hidden", hidden, MAX_HIDDEN);
    double dropout = tl_config_float(c, "dropout");
    tl_module *m = tl_sequential_new();
    bool ok = m != NULL;
    for (int i = 0; ok && i < n && i < MAX_HIDDEN; i++) {
        ok = append(m, tl_nn_linear(width, hidden[i])) && append(m, activation(tl_config_choice(c, "activation")));
        if (ok && dropout > 0)
            ok = append(m, tl_nn_dropout(dropout));
        width = hidden[i];
    }
    if (ok && append(m, tl_nn_linear(width, tl_config_int(c, "out"))))
        return m;
    tl_module_free(m);
    return NULL;
}

static int input_shape(const struct tl_model_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "in");
    return 1;
}

static tl_tensor *preprocess(const struct tl_model_config *c, tl_tensor *batch)
{
    if (!batch)
        return NULL;
    int64_t in = tl_config_int(c, "in"), n = tl_ndim(batch) > 0 ? tl_size(batch, 0) : 1;
    if (n > 0 && tl_numel(batch) != n * in) {
        tl_fail(TL_ERR_SHAPE, "mlp: samples have %lld values, but the option in says %lld",
                (long long)(tl_numel(batch) / n), (long long)in);
        return NULL;
    }
    return tl_cast(tl_reshape(batch, TL_SHAPE(n, in)), TL_F32);
}

static const struct tl_model_option options[] = {
    {"in", "number of inputs", "64", TL_OPTION_INT, 1, 1 << 24, NULL},
    {"hidden", "sizes of the hidden layers, with colons between; empty for none", "128:64", TL_OPTION_LIST, 1, 1 << 20, NULL},
    {"out", "number of outputs", "10", TL_OPTION_INT, 1, 1 << 20, NULL},
    {"activation", "function between the layers", "relu", TL_OPTION_CHOICE, 0, 0, activations},
    {"dropout", "chance of dropping each hidden value while training", "0", TL_OPTION_FLOAT, 0, 0.95, NULL},
    {0},
};

static const struct tl_model mlp = {
    .struct_size = sizeof(struct tl_model),
    .name = "mlp",
    .summary = "multilayer perceptron of any depth",
    .task = "classify",
    .options = options,
    .data = "digits",
    .input_shape = input_shape,
    .build = build,
    .preprocess = preprocess,
};

static const struct tl_model *const models[] = {&mlp, NULL};
static const struct tl_model_plugin plugin = {.struct_size = sizeof plugin, .models = models};

static tl_status open_plugin(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    (void)host;
    (void)err;
    *iface = &plugin;
    return TL_OK;
}

TL_PUBLIC extern const struct tl_plugin telar_plugin;
const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC,
    .struct_size = sizeof(struct tl_plugin),
    .abi = TL_MODEL_ABI,
    .kind = "model",
    .name = "mlp",
    .version = "0.1.0",
    .summary = "multilayer perceptron of any depth: mlp",
    .open = open_plugin,
};
