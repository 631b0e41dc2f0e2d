/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as text, without tensors: row-major host values of any dtype become what PyTorch prints for them.
 */
#ifndef TELAR_CORE_TENSOR_TEXT_H
#define TELAR_CORE_TENSOR_TEXT_H

#include <telar/tensor.h>

struct text_source {
    tl_dtype dtype;
    int ndim;
    const int64_t *shape;
    int64_t numel;
    const void *data;    /**< row-major */
    const char *device;  /**< named in the text; NULL: not */
    const char *grad_fn; /**< the node's name; NULL: none */
    bool requires_grad;
    bool plain_dtype; /**< do not name the dtype */
    bool valueless;   /**< there is no data: "..." and the size stand for it */
};

/** PyTorch's defaults for what is 0 (or negative), and bounds that keep the text finite. */
struct tl_print_options text_options(struct tl_print_options o);

/** A malloc()ed string; NULL and an error if out of memory. `o` comes from text_options(). */
char *text_of(const struct text_source *source, const struct tl_print_options *o);

#endif
