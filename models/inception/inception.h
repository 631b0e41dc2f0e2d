/* SPDX-License-Identifier: Apache-2.0
 *
 * The family of Inception networks: one table a model, and what their modules are made of.
 */
#ifndef TELAR_MODELS_INCEPTION_H
#define TELAR_MODELS_INCEPTION_H

#include "models/common/convnet.h"

extern const struct tl_model googlenet, inception_v3;

/* A convolution without bias, batch norm, ReLU. The kernel has h rows and w columns; the padding keeps the sides where the stride is 1,
 * and there is none where it is not, or where the unit is bare. */
struct unit {
    const char *name;
    int64_t in, out; /* channels; in 0: those of the block that it is in */
    int64_t h, w, stride;
    bool bare;
};
tl_module *build_unit(int64_t in, int64_t out, int64_t h, int64_t w, int64_t stride, int64_t pad_h, int64_t pad_w);
/* Add all of them to m, whose input has `in` channels. The list ends with a name of NULL. */
void add_units(tl_module *m, int64_t in, const struct unit *units);

/* x through children of m, one after the other: CHAIN(m, x, "conv0", "conv1"). */
#define CHAIN(m, x, ...) chain(m, x, (const char *const[]){__VA_ARGS__, NULL})
tl_tensor *chain(tl_module *m, tl_tensor *x, const char *const *names);

/* Weights of convolutions and dense layers from a normal distribution cut to [-2, 2]; those of the dense layer `special` (a dotted name,
 * or NULL) with a deviation of its own. Returns m; NULL and an error (m is freed) on failure. */
tl_module *init_truncated(tl_module *m, double deviation, const char *special, double special_deviation);

/* Weights in use were trained on inputs of mean and deviation 0.5: x, scaled by ImageNet's, as those. */
tl_tensor *transform_input(tl_tensor *x);

/* Entries that both tables have. */
#define INCEPTION_OPTIONS(side)                                                                                                               \
    CONVNET_OPTIONS("1000", side),                                                                                                            \
    {.name = "aux", .help = "auxiliary heads, for training", .kind = TL_OPTION_BOOL, .fallback = "yes"},                                      \
    {.name = "transform-input", .help = "bring inputs from ImageNet's mean and deviation to 0.5 and 0.5", .kind = TL_OPTION_BOOL, .fallback = "no"}

#endif
