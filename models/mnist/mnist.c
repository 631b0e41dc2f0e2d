/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "mnist": convolutional networks for handwritten digits.
 */
#include "models/mnist/mnist.h"

const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};

tl_tensor *as_pictures(tl_tensor *batch, int64_t side)
{
    if (!batch)
        return NULL;
    int64_t n = tl_ndim(batch) > 0 ? tl_size(batch, 0) : 1, all = tl_numel(batch);
    if (n > 0 && all != n * side * side) {
        tl_fail(TL_ERR_SHAPE, "input: samples of %lld values cannot be pictures of %lld x %lld", (long long)(all / n),
                (long long)side, (long long)side);
        return NULL;
    }
    return tl_cast(tl_reshape(batch, TL_SHAPE(n, 1, side, side)), TL_F32);
}

static const struct tl_model *const models[] = {&digits_cnn, &lenet, &mnist_cnn, NULL};

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
    .name = "mnist",
    .version = "0.1.0",
    .summary = "convolutional networks for handwritten digits: digits-cnn, lenet, mnist-cnn",
    .open = open_plugin,
};
