/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation: BatchNorm1d, BatchNorm2d (over the batch, per channel, with running statistics) and LayerNorm (over the
 * last dimensions of each sample). The running statistics are the only thing that a forward pass may change in a module, and
 * only in training.
 */
#include <string.h>

#include "nn/layers/module.h"

/* ---- Batch norm --------------------------------------------------------------------------------------------------- */

struct batch_fields {
    int64_t features;
    double eps, momentum;
    int spatial;
    bool affine, bias, tracked;
};

enum { RUNNING_MEAN, RUNNING_VAR, BATCHES };

static tl_status count_batch(tl_module *m)
{
    tl_tensor *counted = NULL;
    TL_NO_GRAD TL_SCOPE counted = tl_add_(buffer_at(m, BATCHES), tl_scalar_i64(1));
    return counted ? TL_OK : tl_error_code();
}

static tl_tensor *batch_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct batch_fields *f = tl_module_fields(m);
    if (f->spatial == 1 ? !layer_takes(m, x[0], 2, 3, "[n, c] or [n, c, l]") : !layer_takes(m, x[0], 4, 4, "[n, c, h, w]"))
        return NULL;
    if (tl_size(x[0], 1) != f->features) {
        tl_fail(TL_ERR_SHAPE, "%s: was made for %lld channels and got %lld", m->name, (long long)f->features,
                (long long)tl_size(x[0], 1));
        return NULL;
    }
    bool update = m->training && f->tracked;
    tl_tensor *y = tl_batch_norm(x[0], f->tracked ? buffer_at(m, RUNNING_MEAN) : TL_NONE,
                                 f->tracked ? buffer_at(m, RUNNING_VAR) : TL_NONE, parameter_at(m, 0), parameter_at(m, 1),
                                 .training = m->training || !f->tracked, .momentum = f->momentum, .eps = f->eps);
    return y && update && count_batch(m) != TL_OK ? NULL : y;
}

static void batch_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct batch_fields *f = tl_module_fields(m);
    char eps[NUMBER_SIZE], momentum[NUMBER_SIZE];
    layer_text(buffer, size, "%lld, eps=%s, momentum=%s, affine=%s, bias=%s, track_running_stats=%s", (long long)f->features,
               layer_number(eps, f->eps + 0.0), layer_number(momentum, f->momentum + 0.0), f->affine ? "True" : "False",
               f->bias ? "True" : "False", f->tracked ? "True" : "False");
}

/* Weights of one and biases of zero, or none. */
static tl_status make_affine(tl_module *m, bool weight, bool bias, int ndim, const int64_t *shape)
{
    TL_SCOPE
    {
        tl_module_parameter(m, "weight", weight ? tl_ones(ndim, shape, (struct tl_options){0}) : TL_NONE);
        tl_module_parameter(m, "bias", bias ? tl_zeros(ndim, shape, (struct tl_options){0}) : TL_NONE);
    }
    return m->broken ? tl_error_code() : TL_OK;
}

tl_module *tl_nn_batch_norm_with(int spatial, int64_t features, const struct tl_layer_options *options)
{
    static const struct tl_module_class flat = {sizeof flat, "BatchNorm1d", batch_forward, batch_extra, NULL, 1};
    static const struct tl_module_class image = {sizeof image, "BatchNorm2d", batch_forward, batch_extra, NULL, 1};
    struct tl_layer_options o;
    if (spatial != 1 && spatial != 2) {
        tl_fail(TL_ERR_ARGUMENT, "batch norm: spatial is %d; it must be 1 or 2", spatial);
        return NULL;
    }
    const struct tl_module_class *class = spatial == 1 ? &flat : &image;
    unsigned has = HAS_EPS | HAS_MOMENTUM | HAS_NOT_AFFINE | HAS_NO_BIAS | HAS_NOT_TRACKED;
    bool good = layer_options(&o, options, class->name, has) && layer_size(class->name, "num_features", features, 1);
    tl_module *m = good ? tl_module_new(class, sizeof(struct batch_fields)) : NULL;
    if (!m)
        return NULL;
    *(struct batch_fields *)tl_module_fields(m) = (struct batch_fields){
        .features = features,
        .eps = tl_attr_or(o.eps, 1e-5),
        .momentum = tl_attr_or(o.momentum, 0.1),
        .spatial = spatial,
        .affine = !o.not_affine,
        .bias = !o.not_affine && !o.no_bias,
        .tracked = !o.not_tracked,
    };
    make_affine(m, !o.not_affine, !o.not_affine && !o.no_bias, 1, &features);
    if (!o.not_tracked)
        TL_SCOPE
        {
            tl_module_buffer(m, "running_mean", tl_zeros(1, &features, (struct tl_options){0}));
            tl_module_buffer(m, "running_var", tl_ones(1, &features, (struct tl_options){0}));
            tl_module_buffer(m, "num_batches_tracked", tl_zeros(TL_SHAPE0, (struct tl_options){.dtype = TL_I64}));
        }
    return layer_finish(m, TL_OK);
}

/* ---- Layer norm --------------------------------------------------------------------------------------------------- */

struct layer_fields {
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    double eps;
    bool affine, bias;
};

static void put_shape(char *buffer, size_t size, const struct layer_fields *f)
{
    layer_text(buffer, size, "(");
    for (int i = 0; i < f->ndim; i++)
        layer_text(buffer, size, i ? ", %lld" : "%lld", (long long)f->shape[i]);
    layer_text(buffer, size, f->ndim == 1 ? ",)" : ")");
}

static tl_tensor *layer_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct layer_fields *f = tl_module_fields(m);
    int extra = tl_ndim(x[0]) - f->ndim;
    if (extra >= 0 && memcmp(tl_shape(x[0]) + extra, f->shape, (size_t)f->ndim * sizeof(int64_t)) == 0)
        return tl_layer_norm(x[0], f->ndim, parameter_at(m, 0), parameter_at(m, 1), f->eps);
    char layout[160] = "[…] that ends in ";
    put_shape(layout, sizeof layout, f);
    layer_takes(m, x[0], TL_MAX_DIMS + 1, 0, layout);
    return NULL;
}

static void layer_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct layer_fields *f = tl_module_fields(m);
    char eps[NUMBER_SIZE];
    put_shape(buffer, size, f);
    layer_text(buffer, size, ", eps=%s, elementwise_affine=%s, bias=%s", layer_number(eps, f->eps + 0.0), f->affine ? "True" : "False",
               f->bias ? "True" : "False");
}

tl_module *tl_nn_layer_norm_with(int ndim, const int64_t *shape, const struct tl_layer_options *options)
{
    static const struct tl_module_class class = {sizeof class, "LayerNorm", layer_forward, layer_extra, NULL, 1};
    struct tl_layer_options o;
    if (!layer_options(&o, options, "LayerNorm", HAS_EPS | HAS_NOT_AFFINE | HAS_NO_BIAS))
        return NULL;
    if (ndim < 1 || ndim > TL_MAX_DIMS || !shape) {
        tl_fail(TL_ERR_ARGUMENT, "LayerNorm: needs the sizes of 1 to %d dimensions, not %d", TL_MAX_DIMS, ndim);
        return NULL;
    }
    for (int i = 0; i < ndim; i++)
        if (!layer_size("LayerNorm", "a size of normalized_shape", shape[i], 1))
            return NULL;
    tl_module *m = tl_module_new(&class, sizeof(struct layer_fields));
    if (!m)
        return NULL;
    struct layer_fields *f = tl_module_fields(m);
    *f = (struct layer_fields){.ndim = ndim, .eps = tl_attr_or(o.eps, 1e-5), .affine = !o.not_affine};
    f->bias = !o.not_affine && !o.no_bias;
    memcpy(f->shape, shape, (size_t)ndim * sizeof *shape);
    return layer_finish(m, make_affine(m, f->affine, f->bias, ndim, shape));
}
