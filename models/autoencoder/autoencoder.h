/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the plugin "autoencoder": its models, one file each, and what both are told of their input.
 */
#ifndef TELAR_MODELS_AUTOENCODER_H
#define TELAR_MODELS_AUTOENCODER_H

#include <telar/model.h>

extern const struct tl_model autoencoder, vae;

/* [in], whatever shape the samples of the data have. */
int autoencoder_input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS]);

#define SIZE_OPTION(name_, help_, fallback_) {.name = name_, .help = help_, .kind = TL_OPTION_INT, .fallback = fallback_, .low = 1, .high = 1 << 20}
#define INPUT_OPTION                                                                                                               \
    {.name = "in", .help = "number of values of a sample", .kind = TL_OPTION_INT, .fallback = "784", .low = 1, .high = 1 << 24, \
     .role = TL_ROLE_FEATURES}

#endif
