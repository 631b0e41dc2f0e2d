/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that only change the shape: Flatten, Unflatten, Identity.
 */
#include <string.h>

#include "nn/layers/module.h"

struct flatten_fields {
    int start, end;
};

static tl_tensor *flatten_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct flatten_fields *f = tl_module_fields(m);
    return tl_flatten(x[0], f->start, f->end);
}

static void flatten_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct flatten_fields *f = tl_module_fields(m);
    layer_text(buffer, size, "start_dim=%d, end_dim=%d", f->start, f->end);
}

tl_module *tl_nn_flatten_with(int start_dim, int end_dim)
{
    static const struct tl_module_class class = {sizeof class, "Flatten", flatten_forward, flatten_extra, NULL, 1};
    tl_module *m = tl_module_new(&class, sizeof(struct flatten_fields));
    if (m)
        *(struct flatten_fields *)tl_module_fields(m) = (struct flatten_fields){start_dim, end_dim};
    return m;
}

tl_module *tl_nn_flatten(void)
{
    return tl_nn_flatten_with(1, -1);
}

struct unflatten_fields {
    int dim, n;
    int64_t sizes[TL_MAX_DIMS];
};

static tl_tensor *unflatten_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    const struct unflatten_fields *f = tl_module_fields(m);
    int rank = tl_ndim(x[0]), dim = f->dim < 0 ? f->dim + rank : f->dim;
    if (dim < 0 || dim >= rank || rank - 1 + f->n > TL_MAX_DIMS) {
        tl_fail(TL_ERR_SHAPE, "Unflatten: cannot replace dimension %d of a tensor of %d dimensions by %d", f->dim, rank, f->n);
        return NULL;
    }
    int64_t shape[TL_MAX_DIMS], product = 1, open = -1;
    memcpy(shape, tl_shape(x[0]), (size_t)dim * sizeof *shape);
    for (int i = 0; i < f->n; i++) {
        shape[dim + i] = f->sizes[i];
        if (f->sizes[i] < 0)
            open = dim + i;
        else if (__builtin_mul_overflow(product, f->sizes[i], &product))
            product = -1;
    }
    int64_t size = tl_shape(x[0])[dim];
    if (open >= 0 && product > 0 && size % product == 0) {
        shape[open] = size / product;
        product = size;
    }
    if (product != size) {
        tl_fail(TL_ERR_SHAPE, "Unflatten: dimension %d has %lld elements, which the sizes do not give", f->dim, (long long)size);
        return NULL;
    }
    memcpy(shape + dim + f->n, tl_shape(x[0]) + dim + 1, (size_t)(rank - dim - 1) * sizeof *shape);
    return tl_reshape(x[0], rank - 1 + f->n, shape);
}

static void unflatten_extra(const tl_module *m, char *buffer, size_t size)
{
    const struct unflatten_fields *f = tl_module_fields(m);
    layer_text(buffer, size, "dim=%d, unflattened_size=(", f->dim);
    for (int i = 0; i < f->n; i++)
        layer_text(buffer, size, i ? ", %lld" : "%lld", (long long)f->sizes[i]);
    layer_text(buffer, size, f->n == 1 ? ",)" : ")");
}

tl_module *tl_nn_unflatten(int dim, int n, const int64_t *sizes)
{
    static const struct tl_module_class class = {sizeof class, "Unflatten", unflatten_forward, unflatten_extra, NULL, 1};
    int open = 0;
    if (n < 1 || n > TL_MAX_DIMS || !sizes) {
        tl_fail(TL_ERR_ARGUMENT, "Unflatten: needs 1 to %d sizes, not %d", TL_MAX_DIMS, n);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        open += sizes[i] == -1;
        if (sizes[i] < -1 || open > 1) {
            tl_fail(TL_ERR_ARGUMENT, "Unflatten: size %d is %lld; sizes are not negative, and one may be -1", i,
                    (long long)sizes[i]);
            return NULL;
        }
    }
    tl_module *m = tl_module_new(&class, sizeof(struct unflatten_fields));
    if (!m)
        return NULL;
    struct unflatten_fields *f = tl_module_fields(m);
    f->dim = dim;
    f->n = n;
    memcpy(f->sizes, sizes, (size_t)n * sizeof *sizes);
    return m;
}

static tl_tensor *identity_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)m;
    (void)n;
    return x[0];
}

tl_module *tl_nn_identity(void)
{
    static const struct tl_module_class class = {sizeof class, "Identity", identity_forward, NULL, NULL, 1};
    return tl_module_new(&class, 0);
}
