/* SPDX-License-Identifier: Apache-2.0
 *
 * What the plugins of convolutional networks for pictures share.
 */
#include "models/common/convnet.h"

#include <string.h>

const struct tl_picture_form imagenet_224 = {256, 224, TL_IMAGENET_SCALE}, imagenet_232 = {232, 224, TL_IMAGENET_SCALE};

int convnet_input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "channels");
    shape[1] = tl_config_int(c, "input-height");
    shape[2] = tl_config_int(c, "input-width");
    return 3;
}

static tl_status init_one(const char *name, tl_module *m, void *ctx)
{
    (void)name;
    double linear_deviation = *(const double *)ctx;
    bool convolution = strcmp(tl_module_name(m), "Conv2d") == 0;
    if (!convolution && (strcmp(tl_module_name(m), "Linear") != 0 || linear_deviation == 0))
        return TL_OK;
    tl_tensor *weight = tl_module_get(m, "weight"), *bias = tl_module_get(m, "bias");
    tl_status s = convolution ? tl_init_kaiming_normal(weight, 0, true) : tl_init_normal(weight, 0, linear_deviation);
    return s == TL_OK && !tl_is_none(bias) ? tl_init_constant(bias, 0) : s;
}

tl_module *convnet_init(tl_module *m, double linear_deviation)
{
    if (m && tl_modules(m, init_one, &linear_deviation) == TL_OK)
        return m;
    tl_module_free(m);
    return NULL;
}
