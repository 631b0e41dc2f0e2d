/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn and its gradient: their operands, and the two in simpler ops.
 */
#ifndef TELAR_CORE_OPS_RNN_H
#define TELAR_CORE_OPS_RNN_H

#include "core/ops/shape_util.h"

/** Operands of rnn; those of rnn_grad follow behind them. */
enum {
    RNN_X,
    RNN_H,
    RNN_C,
    RNN_W_IH,
    RNN_W_HH,
    RNN_B_IH,
    RNN_B_HH,
    RNN_LENGTHS,
    RNN_INPUTS,
    RNN_Y = RNN_INPUTS,
    RNN_DY,
    RNN_DH,
    RNN_DC,
    RNN_GRAD_INPUTS
};

/** Results of rnn_grad: the gradients of the operands of rnn before the lengths, in their order. */
enum { RNN_GRADIENTS = RNN_LENGTHS };

/** Rows of weights, in units of the hidden size. */
static inline int64_t rnn_gates(int64_t mode)
{
    return mode == TL_RNN_LSTM ? 4 : mode == TL_RNN_GRU ? 3 : 1;
}

tl_status rnn_decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out);
tl_status rnn_decompose_grad(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out);

#endif
