/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "gan": generative adversarial networks (Goodfellow et al., 2014). A generator G makes samples of noise z ~ N(0, 1), a
 * discriminator D tells them from those of the data. Each batch x is one round, in the order of PyTorch's example for DCGAN:
 *
 *     D descends on  -ln s(D(x)) - ln(1 - s(D(G(z))))     s: the sigmoid; G is not touched
 *     G descends on  -ln s(D(G(z)))                       with the D that has just learnt, which is not touched
 *
 * each a mean over the batch, with the same z. The second is not -1 times the first: where D is sure, ln(1 - s(D)) is flat, and G would learn
 * nothing. The first loss is reported as the loss, the second as the metric; near 1.39 and 0.69 D cannot tell them apart.
 *
 * Samples are those of the data, from 0 to 1; between the two networks they go from -1 to 1.
 */
#include "models/gan/gan.h"

struct game {
    int64_t latent;
};

/* ---- The networks ------------------------------------------------------------------------------------------------------- */

static tl_tensor *forward_main(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "main", x);
}

/* Noise is a picture of one position with many channels. */
static tl_tensor *forward_as_picture(tl_module *m, tl_tensor *z, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "main", tl_reshape(z, TL_SHAPE(tl_size(z, 0), tl_size(z, 1), 1, 1)));
}

tl_module *gan_player(const char *name, tl_module *main, bool noise_as_picture)
{
    tl_module *m = tl_module_from(name, noise_as_picture ? forward_as_picture : forward_main, NULL);
    tl_module_add(m, "main", main);
    return m;
}

static tl_tensor *make(tl_module *m, int64_t n)
{
    const struct game *g = tl_module_fields(m);
    tl_tensor *like = NULL;
    tl_module_parameter_list(m, &like, 1);
    struct tl_options here = {.dtype = tl_dtype_of(like), .device = tl_device_of(like)};
    return tl_forward_child(m, "generator", tl_randn(TL_SHAPE(n, g->latent), here));
}

/* [n] logits. */
static tl_tensor *judge(tl_module *m, tl_tensor *samples)
{
    return tl_reshape(tl_forward_child(m, "discriminator", samples), TL_SHAPE(-1));
}

static tl_tensor *to_own_range(tl_tensor *x)
{
    return tl_sub_s(tl_mul_s(x, 2), 1);
}

/* The verdicts on x and on as many samples that are made: [n, 2]. One pass through each network, so that a summary shows both. */
static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    tl_tensor *both[] = {to_own_range(x[0]), make(m, tl_ndim(x[0]) > 0 ? tl_size(x[0], 0) : 1)};
    return tl_transpose(tl_reshape(judge(m, tl_cat(2, both, 0)), TL_SHAPE(2, -1)), 0, 1);
}

tl_module *gan_new(int64_t latent)
{
    static const struct tl_module_class class = {sizeof class, "GAN", forward, NULL, NULL, 1};
    tl_module *m = tl_module_new(&class, sizeof(struct game));
    if (m)
        ((struct game *)tl_module_fields(m))->latent = latent;
    return m;
}

/* ---- The game ----------------------------------------------------------------------------------------------------------- */

/* Mean of -ln of the sigmoid of the logits, or of 1 minus it. */
static tl_tensor *taken_for(bool real, tl_tensor *logits)
{
    return tl_bce_with_logits_loss(logits, real ? tl_ones_like(logits) : tl_zeros_like(logits));
}

tl_tensor *gan_update(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u)
{
    (void)c, (void)n;
    tl_tensor *on_real = taken_for(true, judge(m, to_own_range(batch[0])));
    tl_tensor *fake = make(m, tl_ndim(batch[0]) > 0 ? tl_size(batch[0], 0) : 1);
    tl_tensor *loss = tl_add(on_real, taken_for(false, judge(m, tl_detach(fake))));
    if (tl_update_descend(u, loss, "discriminator") != TL_OK)
        return NULL;
    tl_tensor *generator_loss = taken_for(true, judge(m, fake));
    tl_update_metric(u, generator_loss);
    return tl_update_descend(u, generator_loss, "generator") == TL_OK ? loss : NULL;
}

tl_tensor *gan_generate(const struct tl_config *c, tl_module *m, int64_t n)
{
    (void)c;
    return tl_div_s(tl_add_s(make(m, n), 1), 2);
}

const struct tl_model_training gan_training = {.optimizer = "adam", .lr = 2e-4, .momentum = 0.5, .batch = 128};

TL_MODEL_PLUGIN("gan", "0.1.0", "generative adversarial networks: gan, dcgan", &gan, &dcgan);
