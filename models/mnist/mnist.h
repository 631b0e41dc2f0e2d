/* SPDX-License-Identifier: Apache-2.0
 *
 * The family of convolutional networks for handwritten digits: one table a model.
 */
#ifndef TELAR_MODELS_MNIST_H
#define TELAR_MODELS_MNIST_H

#include <telar/model.h>

extern const struct tl_model digits_cnn, lenet, lenet5, mnist_cnn;

/* "0" … "9". */
extern const char *const digit_names[];

#endif
