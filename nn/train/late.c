/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of batches that are read late; see train.h.
 */
#include "nn/train/train.h"

#define SECONDS_BETWEEN_READS 0.1

tl_status late_numbers_add(struct late_numbers *l, tl_tensor *loss, tl_tensor *metric, int64_t samples, int64_t batch)
{
    tl_tensor *bare_loss = tl_detach(loss), *bare_metric = metric ? tl_detach(metric) : NULL;
    if (!bare_loss || (metric && !bare_metric))
        return tl_error_code();
    if (l->n == LATE_NUMBERS)
        return tl_fail(TL_ERR_STATE, "fit: the losses of %d batches wait to be read", (int)LATE_NUMBERS);
    if (l->n == 0)
        l->since = clock_seconds();
    l->list[l->n++] = (struct late_number){tl_keep(bare_loss), tl_keep(bare_metric), samples, batch};
    return TL_OK;
}

bool late_numbers_due(const struct late_numbers *l)
{
    return l->n == LATE_NUMBERS || (l->n > 0 && clock_seconds() - l->since >= SECONDS_BETWEEN_READS);
}

void late_numbers_clear(struct late_numbers *l)
{
    for (int i = 0; i < l->n; i++) {
        tl_release(l->list[i].loss);
        tl_release(l->list[i].metric);
    }
    l->n = 0;
}
