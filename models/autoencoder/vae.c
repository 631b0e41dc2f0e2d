/* SPDX-License-Identifier: Apache-2.0
 *
 * A variational autoencoder (Kingma and Welling, "Auto-encoding variational Bayes", 2013). The encoder gives a normal distribution for each
 * sample, by its mean and the logarithm of its variance; the decoder gives, for a draw from it, the probability of each value:
 *
 *     h = relu(fc1(x)),  mu = fc21(h),  logvar = fc22(h),  z = mu + exp(logvar / 2) e, e ~ N(0, 1),  y = sigmoid(fc4(relu(fc3(z))))
 *
 * In evaluation z is the mean. The loss is the negative of the evidence's lower bound, in nats, and a mean over samples:
 *
 *     -sum(x ln y + (1 - x) ln(1 - y))  -  sum(1 + logvar - mu^2 - exp(logvar)) / 2
 *      reconstruction                      Kullback-Leibler divergence from N(0, 1)
 *
 * The draw goes through e so that the gradient reaches mu and logvar.
 */
#include "models/autoencoder/autoencoder.h"

/* What the encoder says of x. */
struct code {
    tl_tensor *mu, *logvar;
};

static struct code encode(tl_module *m, tl_tensor *x)
{
    tl_tensor *h = tl_relu(tl_forward_child(m, "fc1", x));
    return (struct code){tl_forward_child(m, "fc21", h), tl_forward_child(m, "fc22", h)};
}

static tl_tensor *draw(tl_module *m, struct code c)
{
    if (!tl_is_training(m))
        return c.mu;
    tl_tensor *deviation = tl_exp(tl_mul_s(c.logvar, 0.5));
    return tl_add(tl_mul(tl_randn_like(deviation), deviation), c.mu);
}

/* Before the sigmoid: the loss takes it in one step with the logarithm, which then cannot overflow. */
static tl_tensor *decode_logits(tl_module *m, tl_tensor *z)
{
    return tl_forward_child(m, "fc4", tl_relu(tl_forward_child(m, "fc3", z)));
}

static tl_tensor *forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_sigmoid(decode_logits(m, draw(m, encode(m, x))));
}

static tl_tensor *divergence(struct code c)
{
    tl_tensor *terms = tl_sub(tl_sub(tl_add_s(c.logvar, 1), tl_square(c.mu)), tl_exp(c.logvar));
    return tl_mul_s(tl_sum(terms), -0.5);
}

static tl_tensor *update(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u)
{
    (void)n;
    tl_tensor *x = batch[0];
    double shares = tl_ndim(x) > 0 ? (double)tl_size(x, 0) : 1;
    if (tl_config_bool(c, "per-value"))
        shares *= (double)tl_config_int(c, "in");
    struct code code = encode(m, x);
    tl_tensor *logits = decode_logits(m, draw(m, code));
    tl_tensor *reconstruction = tl_div_s(tl_bce_with_logits_loss(logits, x, .reduction = TL_SUM), shares);
    tl_tensor *kl = tl_div_s(divergence(code), shares), *loss = tl_add(reconstruction, kl);
    tl_update_metric(u, kl);
    return tl_update_descend(u, loss, NULL) == TL_OK ? loss : NULL;
}

static tl_module *build(const struct tl_config *c)
{
    int64_t in = tl_config_int(c, "in"), hidden = tl_config_int(c, "hidden"), latent = tl_config_int(c, "latent");
    tl_module *m = tl_module_from("VAE", forward, NULL);
    tl_module_add(m, "fc1", tl_nn_linear(in, hidden));
    tl_module_add(m, "fc21", tl_nn_linear(hidden, latent));
    tl_module_add(m, "fc22", tl_nn_linear(hidden, latent));
    tl_module_add(m, "fc3", tl_nn_linear(latent, hidden));
    tl_module_add(m, "fc4", tl_nn_linear(hidden, in));
    return m;
}

static tl_tensor *generate(const struct tl_config *c, tl_module *m, int64_t n)
{
    tl_tensor *like = tl_module_get(m, "fc3.weight");
    struct tl_options here = {.dtype = tl_dtype_of(like), .device = tl_device_of(like)};
    return tl_sigmoid(decode_logits(m, tl_randn(TL_SHAPE(n, tl_config_int(c, "latent")), here)));
}

static const struct tl_plugin_option options[] = {
    INPUT_OPTION,
    SIZE_OPTION("hidden", "width of the layers between", "400"),
    SIZE_OPTION("latent", "dimensions of the normal distribution", "20"),
    {.name = "per-value", .help = "divide the loss by the number of values of a sample, too, as the course does", .kind = TL_OPTION_BOOL, .fallback = "no"},
    {0},
};

static const struct tl_model_weights weights[] = {
    {.name = "MNIST",
     .url = "https://raw.githubusercontent.com/csinva/gan-vae-pretrained-pytorch/de72425be9bcb671b1f6f2aebfb05e8b15f7ca00/mnist_vae/samples/vae_epoch_25.pth",
     .sha256 = "233916a8095759cf732f4dc19c381bc8de03d97040e68f4252a257a5502a9c70",
     .note = "MNIST: on the test set, decoding the mean, 69.17 nats for the reconstruction and 25.75 for the divergence a picture"},
    {0},
};

static const struct tl_model_training training = {.optimizer = "adam", .lr = 1e-3, .batch = 128};

const struct tl_model vae = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_RECONSTRUCT | TL_GENERATE,
    .name = "vae",
    .summary = "variational autoencoder of dense layers, for values from 0 to 1",
    .options = options,
    .weights = weights,
    .data = "mnist",
    .input_shape = autoencoder_input_shape,
    .build = build,
    .update = update,
    .metric = "KL",
    .generate = generate,
    .training = &training,
};
