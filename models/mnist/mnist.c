/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "mnist": convolutional networks for handwritten digits.
 */
#include "models/mnist/mnist.h"

const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};

TL_MODEL_PLUGIN("mnist", "0.1.0", "convolutional networks for handwritten digits: digits-cnn, lenet, lenet5, mnist-cnn", &digits_cnn, &lenet,
                &lenet5, &mnist_cnn);
