/* SPDX-License-Identifier: Apache-2.0
 *
 * The family of MobileNets: one table a model.
 */
#ifndef TELAR_MODELS_MOBILENET_H
#define TELAR_MODELS_MOBILENET_H

#include "models/common/convnet.h"

extern const struct tl_model mobilenet_v1, mobilenet_v2;

/* Append a convolution without bias, padded so that a stride of 1 keeps the sides, and batch norm. */
void append_conv(tl_module *sequential, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups);

/* Entries that both tables have. */
#define MOBILENET_OPTIONS                                                                                                                   \
    CONVNET_OPTIONS("1000", "224"),                                                                                                         \
    {.name = "width", .help = "channels are as many times those of the paper", .kind = TL_OPTION_FLOAT, .fallback = "1", .low = 0.01,       \
     .high = 32}

#endif
