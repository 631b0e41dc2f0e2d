/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "autoencoder": networks that give their input back through a few numbers. The plain one:
 *
 *     x [n, in] -> encoder_fc1 -> relu -> encoder_fc2 -> relu -> [n, latent] -> decoder_fc1 -> relu -> decoder_output -> relu -> [n, in]
 *
 * and the mean squared error between both ends. The last relu keeps the outputs from being negative, as values of pictures are not.
 */
#include "models/autoencoder/autoencoder.h"

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    static const char *const layers[] = {"encoder_fc1", "encoder_fc2", "decoder_fc1", "decoder_output"};
    (void)ctx;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        x = tl_relu(tl_forward_child(m, layers[i], x));
    return x;
}

static tl_module *build(const struct tl_config *c)
{
    int64_t in = tl_config_int(c, "in"), hidden = tl_config_int(c, "hidden"), latent = tl_config_int(c, "latent");
    tl_module *m = tl_module_from("AutoEncoder", forward, NULL);
    tl_module_add(m, "encoder_fc1", tl_nn_linear(in, hidden));
    tl_module_add(m, "encoder_fc2", tl_nn_linear(hidden, latent));
    tl_module_add(m, "decoder_fc1", tl_nn_linear(latent, hidden));
    tl_module_add(m, "decoder_output", tl_nn_linear(hidden, in));
    return m;
}

int autoencoder_input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "in");
    return 1;
}

static const struct tl_plugin_option options[] = {
    INPUT_OPTION,
    SIZE_OPTION("hidden", "width of the layers between", "128"),
    SIZE_OPTION("latent", "numbers that a sample is reduced to", "128"),
    {0},
};

static const struct tl_model_training training = {.optimizer = "adam", .lr = 1e-3, .batch = 128};

const struct tl_model autoencoder = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_RECONSTRUCT,
    .name = "autoencoder",
    .summary = "two dense layers that reduce a sample to a few numbers, and two that make it of these",
    .options = options,
    .data = "mnist",
    .input_shape = autoencoder_input_shape,
    .build = build,
    .training = &training,
};

TL_MODEL_PLUGIN("autoencoder", "0.1.0", "autoencoders: autoencoder, vae", &autoencoder, &vae);
