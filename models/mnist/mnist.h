/* SPDX-License-Identifier: Apache-2.0
 *
 * The family of convolutional networks for handwritten digits: one table a model.
 */
#ifndef TELAR_MODELS_MNIST_H
#define TELAR_MODELS_MNIST_H

#include <telar/model.h>

extern const struct tl_model digits_cnn, lenet, mnist_cnn;

/* "0" … "9". */
extern const char *const digit_names[];

/* Apply the child `name` of m. */
static inline tl_tensor *apply(tl_module *m, const char *name, tl_tensor *x)
{
    tl_module *child = tl_module_child(m, name);
    return child ? tl_forward(child, x) : NULL;
}

/* A batch of any form as [n, 1, side, side] in f32. */
tl_tensor *as_pictures(tl_tensor *batch, int64_t side);

#endif
