/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "mlp": a multilayer perceptron of any depth. Layers are numbered as in a PyTorch Sequential:
 * Linear, activation, (Dropout), Linear, …, Linear.
 */
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

static tl_module *build(const struct tl_config *c)
{
    int64_t hidden[MAX_HIDDEN], width = tl_config_int(c, "in");
    int n = tl_config_list(c, "hidden", hidden, MAX_HIDDEN);
    double dropout = tl_config_float(c, "dropout");
    tl_module *m = tl_sequential_new();
    for (int i = 0; i < n && i < MAX_HIDDEN; i++) {
        tl_sequential_append(m, tl_nn_linear(width, hidden[i]));
        tl_sequential_append(m, activation(tl_config_choice(c, "activation")));
        if (dropout > 0)
            tl_sequential_append(m, tl_nn_dropout(dropout));
        width = hidden[i];
    }
    tl_sequential_append(m, tl_nn_linear(width, tl_config_int(c, "out")));
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "in");
    return 1;
}

static const struct tl_plugin_option options[] = {
    {.name = "in", .help = "number of inputs", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1 << 24,
     .role = TL_ROLE_FEATURES},
    {.name = "hidden", .help = "sizes of the hidden layers, with colons between; empty for none", .kind = TL_OPTION_LIST,
     .fallback = "128:64", .low = 1, .high = 1 << 20},
    {.name = "out", .help = "number of outputs", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 1 << 20,
     .role = TL_ROLE_OUTPUTS},
    {.name = "activation", .help = "function between the layers", .kind = TL_OPTION_CHOICE, .fallback = "relu", .choices = activations},
    {.name = "dropout", .help = "chance of dropping each hidden value while training", .kind = TL_OPTION_FLOAT, .fallback = "0",
     .high = 0.95},
    {0},
};

static const struct tl_model mlp = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY | TL_REGRESS,
    .name = "mlp",
    .summary = "multilayer perceptron of any depth, for classes or numbers",
    .options = options,
    .data = "digits",
    .input_shape = input_shape,
    .build = build,
};

TL_MODEL_PLUGIN("mlp", "0.1.0", "multilayer perceptron of any depth: mlp", &mlp);
