/* SPDX-License-Identifier: Apache-2.0
 *
 * gan: both networks of dense layers. The generator's hidden layers grow, the discriminator's are the same in the other direction.
 *
 *     z [n, latent] -> (Linear, leaky ReLU) … -> Linear -> tanh -> [n, in]
 *     x [n, in] -> (Linear, leaky ReLU, dropout) … -> Linear -> [n, 1]
 */
#include "models/gan/gan.h"

enum { MAX_HIDDEN = 16 };

static tl_module *build(const struct tl_config *c)
{
    int64_t hidden[MAX_HIDDEN], in = tl_config_int(c, "in"), latent = tl_config_int(c, "latent"), width = latent;
    int n = tl_config_list(c, "hidden", hidden, MAX_HIDDEN);
    double dropout = tl_config_float(c, "dropout");
    if (n > MAX_HIDDEN) {
        tl_fail(TL_ERR_LIMIT, "hidden: %d layers; at most %d are possible", n, MAX_HIDDEN);
        return NULL;
    }
    tl_module *g = tl_sequential_new();
    for (int i = 0; i < n; i++) {
        tl_sequential_append(g, tl_nn_linear(width, hidden[i]));
        tl_sequential_append(g, tl_nn_leaky_relu(0.2));
        width = hidden[i];
    }
    tl_sequential_append(g, tl_nn_linear(width, in));
    tl_sequential_append(g, tl_nn_tanh());
    tl_module *d = tl_sequential_new();
    width = in;
    for (int i = n - 1; i >= 0; i--) {
        tl_sequential_append(d, tl_nn_linear(width, hidden[i]));
        tl_sequential_append(d, tl_nn_leaky_relu(0.2));
        if (dropout > 0)
            tl_sequential_append(d, tl_nn_dropout(dropout));
        width = hidden[i];
    }
    tl_sequential_append(d, tl_nn_linear(width, 1));
    tl_module *m = gan_new(latent);
    tl_module_add(m, "generator", gan_player("Generator", g, false));
    tl_module_add(m, "discriminator", gan_player("Discriminator", d, false));
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "in");
    return 1;
}

static const struct tl_plugin_option options[] = {
    {.name = "in", .help = "number of values of a sample", .kind = TL_OPTION_INT, .fallback = "784", .low = 1, .high = 1 << 24,
     .role = TL_ROLE_FEATURES},
    LATENT_OPTION,
    {.name = "hidden", .help = "sizes of the generator's hidden layers, with colons between; the discriminator's, from its end", .kind = TL_OPTION_LIST,
     .fallback = "256:512:1024", .low = 1, .high = 1 << 20},
    {.name = "dropout", .help = "chance of dropping each hidden value of the discriminator while training", .kind = TL_OPTION_FLOAT, .fallback = "0.3",
     .high = 0.95},
    {0},
};

const struct tl_model gan = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_GENERATE,
    .name = "gan",
    .summary = "generative adversarial network of dense layers, for values from 0 to 1",
    .options = options,
    .data = "mnist",
    .input_shape = input_shape,
    .build = build,
    .update = gan_update,
    .metric = GAN_METRIC,
    .generate = gan_generate,
    .training = &gan_training,
};
