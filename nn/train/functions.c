/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses and metrics in the form that tl_fit() takes, and what is needed to call them.
 */
#include <string.h>

#include "nn/train/train.h"

static tl_tensor *second(tl_tensor *const *batch, int n, const char *what)
{
    if (n > 1 && batch)
        return batch[1];
    tl_fail(TL_ERR_ARGUMENT, "%s: batches have no second tensor to compare with", what);
    return NULL;
}

tl_tensor *forward_batch(tl_module *m, tl_tensor *const *batch, int n, const struct tl_fit_options *o)
{
    return o->forward ? result_of("forward", o->forward(m, batch, n, o->function_ctx)) : tl_forward(m, batch[0]);
}

tl_tensor *tl_loss_cross_entropy(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_cross_entropy(output, second(batch, n, "cross entropy"));
}

tl_tensor *tl_loss_mse(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_mse_loss(output, match_target(output, second(batch, n, "mean squared error")));
}

tl_tensor *tl_metric_absolute_error(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)ctx;
    return tl_l1_loss(output, match_target(output, second(batch, n, "mean absolute error")));
}

void shape_text(char *text, size_t size, const tl_tensor *t)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < tl_ndim(t) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? " x " : "", (long long)tl_shape(t)[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

tl_tensor *match_target(tl_tensor *output, tl_tensor *target)
{
    char a[200], b[200];
    if (!output || !target)
        return NULL;
    int least = tl_ndim(output) < tl_ndim(target) ? tl_ndim(output) : tl_ndim(target);
    bool same = tl_numel(output) == tl_numel(target);
    for (int i = 0; i < least; i++)
        same = same && tl_shape(output)[i] == tl_shape(target)[i];
    if (same) /* equal numbers of elements and equal sizes so far: what is left are ones */
        return tl_ndim(output) == tl_ndim(target) ? target : tl_reshape(target, tl_ndim(output), tl_shape(output));
    shape_text(a, sizeof a, output);
    shape_text(b, sizeof b, target);
    tl_fail(TL_ERR_SHAPE, "outputs are %s and targets %s; the model must give as many numbers a sample as there are to predict", a, b);
    return NULL;
}

tl_tensor *tl_accuracy(tl_tensor *output, tl_tensor *labels)
{
    if (!output || !labels || tl_is_none(output) || tl_is_none(labels)) {
        tl_fail(TL_ERR_ARGUMENT, "accuracy: outputs and labels are needed");
        return NULL;
    }
    if (tl_ndim(output) < 2) {
        tl_fail(TL_ERR_SHAPE, "accuracy: expected outputs [samples, classes, …], got %d dimensions", tl_ndim(output));
        return NULL;
    }
    tl_tensor *chosen = tl_argmax(output, .dims = TL_DIMS(1));
    if (!chosen)
        return NULL;
    /* Labels of another shape would broadcast, [n, 1] to all pairs of samples, and give a number that means nothing. */
    if (tl_ndim(labels) != tl_ndim(chosen) || memcmp(tl_shape(labels), tl_shape(chosen), (size_t)tl_ndim(chosen) * sizeof(int64_t)) != 0) {
        tl_fail(TL_ERR_SHAPE, "accuracy: expected one label for each of the %lld outputs, in %d dimensions, got %lld in %d",
                (long long)tl_numel(chosen), tl_ndim(chosen), (long long)tl_numel(labels), tl_ndim(labels));
        return NULL;
    }
    tl_tensor *hits = tl_eq(chosen, labels);
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
