/* SPDX-License-Identifier: Apache-2.0
 *
 * A call on its way: what the files of this folder tell each other.
 */
#ifndef TELAR_CORE_RUN_H
#define TELAR_CORE_RUN_H

#include "core/run/plan.h"

enum { MAX_OPERANDS = 24 };

struct frame {
    struct op_entry *entry;
    device *device;
    const void *attrs;
    tl_tensor *const *in;
    int n_in, n_out;
    const struct tl_meta *meta;
    tl_tensor **out;          /**< NULL entries are made */
    struct residual *residual;
    bool want_residual;
    bool some_private; /**< an input has a form in a private layout of some backend */
    struct tl_view *in_views, out_view[8];
    struct native **in_natives; /**< held for the call; NULL where an input's canonical bytes are read */
    struct tl_view few_views[MAX_OPERANDS];
    struct native *few_natives[MAX_OPERANDS];
};

/** The call as kernels are asked about it; its views are the frame's. */
void describe_call(const struct frame *f, struct tl_call *c, struct tl_residual *r);

/** What becomes of a call that no kernel takes. */
tl_status compute_otherwise(struct frame *f, const char *why);
tl_status pointwise_otherwise(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n, tl_dtype out_dtype,
                              tl_tensor *out);
/** Stretch n operands to the result's shape and merge dimensions, as kernels of pointwise ops are given them. */
void pointwise_arrange(struct tl_view *in, int n, struct tl_view *out);

/* ---- Operands (operands.c) ---------------------------------------------------------------------------------------- */

/** Describe the inputs as they lie now, and the outputs as they would be made. Memory is not named yet. */
void offer_inputs(struct frame *f);
void describe_outputs(struct frame *f);
/** Offer the inputs anew to a kernel of another backend, which cannot read the private layouts of the last. */
void offer_inputs_to(struct frame *f, const struct bound_kernel *b);
/** Input i in the layout that the kernel wants. */
tl_status bring_input(struct frame *f, const struct bound_kernel *b, int i, uint32_t want);
/** The tensor for output i: the given one, or a new one in the layout that the kernel gives. */
tl_status make_output(struct frame *f, const struct bound_kernel *b, int i, uint32_t layout);
/** May the kernel write the given output i directly? */
bool writes_directly(const struct frame *f, const struct plan *plan, bool strided, int i, const tl_tensor *to);
void release_inputs(struct frame *f);

/* ---- What to do when no kernel takes a call (ways.c) ---------------------------------------------------------------- */

bool any_half(const struct frame *f);
tl_status compute_widened(struct frame *f, const char *why);
/** why: NULL for a composite, of which nobody expects a kernel. */
tl_status compute_decomposed(struct frame *f, const char *why);
tl_status compute_on_host(struct frame *f, const char *why);

#endif
