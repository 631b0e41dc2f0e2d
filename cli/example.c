/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch made of nothing, for commands that look at a model and not at data: random input in the form that the network takes, and labels
 * for it.
 */
#include "cli/cli.h"

/* Towards the labels that were made for it. */
static tl_tensor *random_loss(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx)
{
    (void)n, (void)ctx;
    return tl_dtype_of(batch[1]) == TL_I64 ? tl_cross_entropy(output, batch[1]) : tl_mse_loss(output, batch[1]);
}

tl_status job_example(const struct job *j, const struct invocation *v, struct tl_fit_options *how, tl_tensor **batch, int *fields, int *code)
{
    int64_t shape[TL_MAX_DIMS];
    int ndim = job_input(j, v, shape);
    how->prepare = NULL;
    how->forward = NULL;
    how->loss = j->work.task == TL_LANGUAGE ? how->loss : random_loss;
    if (ndim < 0) {
        *code = EXIT_USAGE;
        return TL_OK;
    }
    TL_SCOPE batch[(*fields)++] = tl_keep(tl_model_example(j->model, j->config, ndim, shape));
    return tl_error_code();
}

/* Logits [n, classes], and [n, t, classes] of a language, get random labels; anything else is trained towards zero. */
tl_status job_example_labels(const struct job *j, tl_tensor **batch, int *fields)
{
    tl_status s = TL_OK;
    TL_NO_GRAD TL_SCOPE {
        tl_tensor *y = tl_forward(j->net, batch[0]);
        if (!y)
            return tl_error_code();
        int positions = j->work.task == TL_LANGUAGE ? 2 : 1;
        tl_tensor *labels = tl_ndim(y) == positions + 1 && tl_size(y, -1) > 1
                                ? tl_randint(0, tl_size(y, -1), positions, tl_shape(y), (struct tl_options){.dtype = TL_I64})
                                : tl_zeros_like(y);
        batch[(*fields)++] = tl_keep(labels);
        s = labels ? TL_OK : tl_error_code();
    }
    return s;
}
