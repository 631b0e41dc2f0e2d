/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/telar.h>: everything of libtelar. Programs that build networks include <telar/nn.h> as well.
 */
#ifndef TELAR_TELAR_H
#define TELAR_TELAR_H

#include <telar/attrs.h>
#include <telar/autograd.h>
#include <telar/op.h>
#include <telar/ops.h>
#include <telar/program.h>
#include <telar/random.h>
#include <telar/registry.h>
#include <telar/tensor.h>
#include <telar/types.h>

#endif
