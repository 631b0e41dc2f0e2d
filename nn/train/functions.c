/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses and metrics in the form that tl_fit() takes, and what is needed to call them.
 */
#include "nn/train/train.h"

static tl_tensor *second(tl_tensor *const *batch, int n, const char *what)
{
    if (n > 1)
        return batch[1];
    tl_fail(TL_ERR_ARGUMENT, "%s: batches have no second tensor to compare with", what);
    return NULL;
}

tl_tensor *tl_loss_cross_entropy(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_cross_entropy(output, second(batch, n, "cross entropy"));
}

tl_tensor *tl_loss_mse(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_mse_loss(output, second(batch, n, "mean squared error"));
}

tl_tensor *tl_accuracy(tl_tensor *output, tl_tensor *labels)
{
    if (!output || !labels)
        return NULL;
    if (tl_ndim(output) < 2) {
        tl_fail(TL_ERR_SHAPE, "accuracy: expected outputs [samples, classes, …], got %d dimensions", tl_ndim(output));
        return NULL;
    }
    tl_tensor *hits = tl_eq(tl_argmax(output, .dims = TL_DIMS(1)), labels);
    return tl_mean(tl_cast(hits, TL_F32));
}

tl_tensor *tl_metric_accuracy(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_accuracy(output, second(batch, n, "accuracy"));
}

tl_status batch_to_device(tl_tensor **batch, int n, const char *device)
{
    for (int i = 0; i < n; i++)
        if (!(batch[i] = tl_to_device(batch[i], device)))
            return tl_error_code();
    return TL_OK;
}

tl_tensor *result_of(const char *function, tl_tensor *t)
{
    if (!t && tl_error_code() == TL_OK)
        tl_fail(TL_ERR_STATE, "the function \"%s\" gave NULL without an error", function);
    return t;
}
