/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn: y[t] = h = the state of a recurrent cell after step t, sample by sample; the cells are in rnn.h. Beyond a sample's end y is 0.
 */
#ifndef T
#include "rnn.h"

typedef tl_status rnn_body(const struct tl_call *call, double *memory);

#define TEMPLATE "ops/rnn.c"
#include "../each_float.h"

static rnn_body *const table[TL_DTYPE_COUNT] = {FLOATING(rnn)};

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return table[call->in[X].dtype] ? NULL : unknown_type;
}

static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    const struct rnn r = rnn_sizes(call);
    prep->workspace = (size_t)((r.steps + 1) * rnn_step_size(&r) + r.rows) * sizeof(double);
    return TL_OK;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    return table[call->in[X].dtype](call, tl_mem_ptr(workspace));
}

SIMPLE_KERNEL(rnn, 0, refuses, prepare, run);

#else
#include "rnn.h"

static tl_status NAME(rnn)(const struct tl_call *call, double *memory)
{
    const struct rnn r = rnn_sizes(call);
    T *y = output(call, 0), *h_n = output(call, 1), *c_n = output(call, 2);
    tl_status s = rnn_check_lengths(call, &r);
    for (int64_t sample = 0; sample < r.samples && s == TL_OK; sample++) {
        const int64_t length = rnn_length(&r, sample);
        NAME(run_sample)(call, &r, sample, memory + r.rows, memory);
        for (int64_t k = 0; k < r.steps; k++) {
            /* Times that the sample does not reach keep their place. */
            const int64_t t = k < length ? rnn_time(&r, sample, k) : k;
            const struct rnn_step step = rnn_step_at(&r, memory + r.rows, k < length ? k + 1 : 0);
            for (int64_t j = 0; j < r.hidden; j++)
                y[(t * r.samples + sample) * r.hidden + j] = k < length ? (T)step.h[j] : 0;
        }
        const struct rnn_step last = rnn_step_at(&r, memory + r.rows, length);
        for (int64_t j = 0; j < r.hidden; j++) {
            h_n[sample * r.hidden + j] = (T)last.h[j];
            if (c_n)
                c_n[sample * r.hidden + j] = (T)last.c[j];
        }
    }
    return s;
}
#endif
