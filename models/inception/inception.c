/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "inception": networks whose modules convolve their input by kernels of several sizes side by side.
 */
#include "models/inception/inception.h"

#include <string.h>

static tl_tensor *forward_unit(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_relu(CHAIN(m, x, "conv", "bn"));
}

tl_module *build_unit(int64_t in, int64_t out, int64_t h, int64_t w, int64_t stride, int64_t pad_h, int64_t pad_w)
{
    tl_module *m = tl_module_from("BasicConv2d", forward_unit, NULL);
    int64_t rows = pad_h ? pad_h : TL_NONE_SIZE, columns = pad_w ? pad_w : TL_NONE_SIZE;
    tl_module_add(m, "conv", tl_nn_conv2d_rect(in, out, h, w, .stride = {stride}, .padding = {rows, columns}, .no_bias = true));
    tl_module_add(m, "bn", tl_nn_batch_norm2d(out, .eps = 0.001));
    return m;
}

void add_units(tl_module *m, int64_t in, const struct unit *units)
{
    for (const struct unit *u = units; u->name; u++) {
        bool pads = u->stride == 1 && !u->bare;
        tl_module_add(m, u->name, build_unit(u->in ? u->in : in, u->out, u->h, u->w, u->stride, pads ? u->h / 2 : 0, pads ? u->w / 2 : 0));
    }
}

tl_tensor *chain(tl_module *m, tl_tensor *x, const char *const *names)
{
    for (; *names; names++)
        x = tl_forward_child(m, *names, x);
    return x;
}

struct deviations {
    double usual, special;
    const char *name;
};

static tl_status init_one(const char *name, tl_module *m, void *ctx)
{
    const struct deviations *d = ctx;
    if (strcmp(tl_module_name(m), "Conv2d") != 0 && strcmp(tl_module_name(m), "Linear") != 0)
        return TL_OK;
    double deviation = d->name && strcmp(name, d->name) == 0 ? d->special : d->usual;
    return tl_init_trunc_normal(tl_module_get(m, "weight"), 0, deviation, -2, 2);
}

tl_module *init_truncated(tl_module *m, double deviation, const char *special, double special_deviation)
{
    struct deviations d = {deviation, special_deviation, special};
    if (m && tl_modules(m, init_one, &d) == TL_OK)
        return m;
    tl_module_free(m);
    return NULL;
}

tl_tensor *transform_input(tl_tensor *x)
{
    static const struct tl_picture_form from = {0, 0, TL_IMAGENET_SCALE};
    float factor[3], offset[3];
    for (int i = 0; i < 3; i++) {
        factor[i] = (float)(from.deviation[i] / 0.5);
        offset[i] = (float)((from.mean[i] - 0.5) / 0.5);
    }
    struct tl_options here = {.device = x ? tl_device_of(x) : NULL};
    if (!x)
        return NULL;
    x = tl_mul(x, tl_from_data(TL_SHAPE(3, 1, 1), factor, here));
    return tl_add(x, tl_from_data(TL_SHAPE(3, 1, 1), offset, here));
}

TL_MODEL_PLUGIN("inception", "0.1.0", "Inception networks: googlenet, inception_v3", &googlenet, &inception_v3);
