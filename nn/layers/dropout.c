/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropout (every element by itself) and Dropout2d (whole channels): while training, zero with chance p and scale the rest by
 * 1 / (1 - p). As in PyTorch nothing is drawn when p is 0 or 1.
 */
#include "nn/layers/module.h"

struct fields {
    double p;
    bool channels;
};

/* One draw for each channel of each sample, broadcast over the rest. */
static tl_tensor *drop_channels(tl_tensor *x, double p)
{
    int64_t shape[TL_MAX_DIMS];
    for (int i = 0; i < tl_ndim(x); i++)
        shape[i] = i < 2 ? tl_shape(x)[i] : 1;
    tl_tensor *noise = tl_empty(tl_ndim(x), shape, (struct tl_options){.dtype = tl_dtype_of(x), .device = tl_device_of(x)});
    return tl_mul(x, tl_div_(tl_bernoulli_(noise, 1 - p, NULL), tl_scalar(1 - p)));
}

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    if (f->channels && !layer_takes(m, x[0], 3, 5, "[n, c, h, w]"))
        return NULL;
    if (!m->training || f->p == 0)
        return x[0];
    if (f->p == 1)
        return tl_mul_s(x[0], 0);
    return f->channels ? drop_channels(x[0], f->p) : tl_dropout(x[0], f->p);
}

static void extra(const tl_module *m, char *buffer, size_t size)
{
    char p[NUMBER_SIZE];
    layer_text(buffer, size, "p=%s, inplace=False", layer_number(p, ((const struct fields *)tl_module_fields(m))->p));
}

static tl_module *dropout_new(const struct tl_module_class *class, double p, bool channels)
{
    if (!(p >= 0 && p <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: p is a chance between 0 and 1, not %g", class->name, p);
        return NULL;
    }
    tl_module *m = tl_module_new(class, sizeof(struct fields));
    if (m)
        *(struct fields *)tl_module_fields(m) = (struct fields){p, channels};
    return m;
}

tl_module *tl_nn_dropout(double p)
{
    static const struct tl_module_class class = {sizeof class, "Dropout", forward, extra, NULL, 1};
    return dropout_new(&class, p, false);
}

tl_module *tl_nn_dropout2d(double p)
{
    static const struct tl_module_class class = {sizeof class, "Dropout2d", forward, extra, NULL, 1};
    return dropout_new(&class, p, true);
}
