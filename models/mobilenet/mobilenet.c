/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "mobilenet": networks of depthwise separable convolutions. Where a usual convolution sums over all channels, a depthwise one
 * takes each channel for itself (groups = channels), and a 1x1 convolution mixes them: for 3x3 kernels about a ninth of the work.
 */
#include "models/mobilenet/mobilenet.h"

void append_conv(tl_module *m, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups)
{
    tl_sequential_append(m, tl_nn_conv2d(in, out, kernel, .stride = {stride}, .padding = {kernel / 2}, .groups = groups, .no_bias = true));
    tl_sequential_append(m, tl_nn_batch_norm2d(out));
}

TL_MODEL_PLUGIN("mobilenet", "0.1.0", "MobileNets: mobilenet_v1, mobilenet_v2", &mobilenet_v1, &mobilenet_v2);
