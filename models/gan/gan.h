/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the plugin "gan": its models, one file each, and the game that both play (gan.c).
 */
#ifndef TELAR_MODELS_GAN_H
#define TELAR_MODELS_GAN_H

#include <telar/model.h>

extern const struct tl_model gan, dcgan;

/* The module, without its children "generator" and "discriminator": the generator takes [n, latent] and gives samples with values from -1 to
 * 1, the discriminator takes these and gives one logit each, in any shape. */
tl_module *gan_new(int64_t latent);
/* One of them: a module around "main". A generator of pictures gets its noise as [n, latent, 1, 1]. */
tl_module *gan_player(const char *name, tl_module *main, bool noise_as_picture);
/* Slots of both models. */
tl_tensor *gan_update(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u);
tl_tensor *gan_generate(const struct tl_config *c, tl_module *m, int64_t n);

extern const struct tl_model_training gan_training;

#define GAN_METRIC "generator loss"
#define LATENT_OPTION \
    {.name = "latent", .help = "numbers that a sample is made of", .kind = TL_OPTION_INT, .fallback = "100", .low = 1, .high = 1 << 16}

#endif
