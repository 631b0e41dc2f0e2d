/* SPDX-License-Identifier: Apache-2.0
 *
 * dcgan: both networks of convolutions (Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional
 * generative adversarial networks", 2015), with the names, order of layers and initial weights of PyTorch's example, for pictures of any side
 * that halves, once or more, down to 4 … 7, the base:
 *
 *     z [n, latent, 1, 1] -> ConvTranspose base, BN, ReLU -> [n, c, base, base]
 *                         -> (ConvTranspose 4, stride 2, BN, ReLU: side doubled, channels halved) … -> [n, width, side/2, side/2]
 *                         -> ConvTranspose 4, stride 2 -> tanh -> [n, channels, side, side]
 *     x -> Conv 4, stride 2, leaky ReLU -> (Conv 4, stride 2, BN, leaky ReLU) … -> Conv base -> [n, 1, 1, 1]
 */
#include <string.h>

#include "models/gan/gan.h"

/* Side 64 is 4 doubled 4 times, 28 is 7 doubled twice. */
struct form {
    int64_t latent, width, channels, base;
    int doublings;
};

static bool form_of(const struct tl_config *c, struct form *f)
{
    int64_t side = tl_config_int(c, "size");
    *f = (struct form){.latent = tl_config_int(c, "latent"), .width = tl_config_int(c, "width"), .channels = tl_config_int(c, "channels"), .base = side};
    for (; f->base > 7 && f->base % 2 == 0; f->base /= 2)
        f->doublings++;
    if (f->base <= 7)
        return true;
    tl_fail(TL_ERR_ARGUMENT, "size %lld: expected 4, 5, 6 or 7 times a power of two, as 28, 32, 48 and 64", (long long)side);
    return false;
}

static tl_module *build_generator(const struct form *f)
{
    int64_t channels = f->width << (f->doublings - 1);
    tl_module *m = tl_sequential_new();
    tl_sequential_append(m, tl_nn_conv_transpose2d(f->latent, channels, f->base, .no_bias = true));
    tl_sequential_append(m, tl_nn_batch_norm2d(channels));
    tl_sequential_append(m, tl_nn_relu());
    for (; channels > f->width; channels /= 2) {
        tl_sequential_append(m, tl_nn_conv_transpose2d(channels, channels / 2, 4, .stride = {2}, .padding = {1}, .no_bias = true));
        tl_sequential_append(m, tl_nn_batch_norm2d(channels / 2));
        tl_sequential_append(m, tl_nn_relu());
    }
    tl_sequential_append(m, tl_nn_conv_transpose2d(channels, f->channels, 4, .stride = {2}, .padding = {1}, .no_bias = true));
    tl_sequential_append(m, tl_nn_tanh());
    return gan_player("Generator", m, true);
}

static tl_module *build_discriminator(const struct form *f)
{
    int64_t channels = f->width;
    tl_module *m = tl_sequential_new();
    tl_sequential_append(m, tl_nn_conv2d(f->channels, channels, 4, .stride = {2}, .padding = {1}, .no_bias = true));
    tl_sequential_append(m, tl_nn_leaky_relu(0.2));
    for (int i = 1; i < f->doublings; i++, channels *= 2) {
        tl_sequential_append(m, tl_nn_conv2d(channels, 2 * channels, 4, .stride = {2}, .padding = {1}, .no_bias = true));
        tl_sequential_append(m, tl_nn_batch_norm2d(2 * channels));
        tl_sequential_append(m, tl_nn_leaky_relu(0.2));
    }
    tl_sequential_append(m, tl_nn_conv2d(channels, 1, f->base, .no_bias = true));
    return gan_player("Discriminator", m, false);
}

/* The paper's: deviation 0.02, in convolutions around 0, in batch norms around 1. */
static tl_status init(const char *name, tl_module *m, void *ctx)
{
    (void)name, (void)ctx;
    const char *kind = tl_module_name(m);
    if (strncmp(kind, "Conv", 4) == 0)
        return tl_init_normal(tl_module_get(m, "weight"), 0, 0.02);
    if (strncmp(kind, "BatchNorm", 9) != 0)
        return TL_OK;
    tl_status s = tl_init_normal(tl_module_get(m, "weight"), 1, 0.02);
    return s == TL_OK ? tl_init_constant(tl_module_get(m, "bias"), 0) : s;
}

static tl_module *build(const struct tl_config *c)
{
    struct form f;
    if (!form_of(c, &f))
        return NULL;
    tl_module *m = gan_new(f.latent);
    tl_module *generator = tl_module_add(m, "generator", build_generator(&f));
    if (generator)
        tl_modules(generator, init, NULL); /* before the discriminator's first weights are drawn */
    tl_module *discriminator = tl_module_add(m, "discriminator", build_discriminator(&f));
    if (discriminator)
        tl_modules(discriminator, init, NULL);
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "channels");
    shape[1] = shape[2] = tl_config_int(c, "size");
    return 3;
}

static const struct tl_plugin_option options[] = {
    {.name = "channels", .help = "channels of the pictures", .kind = TL_OPTION_INT, .fallback = "1", .low = 1, .high = 64, .role = TL_ROLE_CHANNELS},
    {.name = "size", .help = "side of the pictures: 4, 5, 6 or 7 times a power of two", .kind = TL_OPTION_INT, .fallback = "28", .low = 8, .high = 448,
     .role = TL_ROLE_HEIGHT},
    LATENT_OPTION,
    {.name = "width", .help = "channels at half the side; they double as the side halves", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1024},
    {0},
};

const struct tl_model dcgan = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_GENERATE,
    .name = "dcgan",
    .summary = "generative adversarial network of convolutions, for pictures",
    .options = options,
    .data = "mnist",
    .input_shape = input_shape,
    .build = build,
    .update = gan_update,
    .metric = GAN_METRIC,
    .generate = gan_generate,
    .training = &gan_training,
};
