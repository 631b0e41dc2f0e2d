/* SPDX-License-Identifier: Apache-2.0
 *
 * What the plugins of convolutional networks for pictures share: the options that come from the data, torchvision's
 * initialisation, and the table entries of its weights.
 */
#ifndef TELAR_MODELS_CONVNET_H
#define TELAR_MODELS_CONVNET_H

#include <telar/model.h>

/* Entries of a table of options: what the data set decides, unless the user does. `side` is of the square pictures that the network
 * was made for, as text. */
#define CONVNET_OPTIONS(classes_, side)                                                                                            \
    {.name = "classes", .help = "classes to tell apart", .kind = TL_OPTION_INT, .fallback = classes_, .low = 1, .high = 1000000,   \
     .role = TL_ROLE_CLASSES},                                                                                                     \
    {.name = "channels", .help = "channels of the pictures", .kind = TL_OPTION_INT, .fallback = "3", .low = 1, .high = 1024,       \
     .role = TL_ROLE_CHANNELS},                                                                                                    \
    {.name = "input-height", .help = "rows of the pictures", .kind = TL_OPTION_INT, .fallback = side, .low = 1, .high = 65536,     \
     .role = TL_ROLE_HEIGHT},                                                                                                      \
    {.name = "input-width", .help = "columns of the pictures", .kind = TL_OPTION_INT, .fallback = side, .low = 1, .high = 65536,   \
     .role = TL_ROLE_WIDTH}
/* The slot input_shape that goes with them. */
int convnet_input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS]);

/* Draw the weights of convolutions anew by He's rule (normal, fan_out) and set their biases to 0, in the order of the modules; those
 * of dense layers from a normal distribution of that deviation, with biases of 0, unless it is 0. Returns m; NULL and an error
 * (m is freed) on failure. NULL passes through. */
tl_module *convnet_init(tl_module *m, double linear_deviation);

/* A file of torchvision's weights: its name ends with the first digits of its SHA-256. Last comes the note; further members may follow it. */
#define TORCHVISION_WEIGHTS(name_, file, digest, ...) \
    {.name = name_, .url = "https://download.pytorch.org/models/" file "-" digest ".pth", .sha256 = digest, .note = __VA_ARGS__}

/* ImageNet's 1000 classes, as torchvision names them; made from imagenet.txt. */
extern const char *const imagenet_labels[];

/* How torchvision's transform for these networks treats pictures; and for weights by its newer recipe. */
extern const struct tl_picture_form imagenet_224, imagenet_232;

#endif
