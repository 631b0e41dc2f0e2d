/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/autograd.h>: reverse-mode automatic differentiation, define-by-run.
 */
#ifndef TELAR_AUTOGRAD_H
#define TELAR_AUTOGRAD_H

#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Is t part of what is differentiated: a leaf that asks for a gradient, or computed from one while recording was on? */
TL_PUBLIC bool tl_requires_grad(const tl_tensor *t);
/** Ask for gradients of a leaf (floating types only), or stop asking. Returns t. */
TL_PUBLIC tl_tensor *tl_set_requires_grad(tl_tensor *t, bool on);
/** Was it made by the user, not by a recorded op? */
TL_PUBLIC bool tl_is_leaf(const tl_tensor *t);
/** The accumulated gradient of a leaf (or of a tensor that retains its own); TL_NONE if there is none yet. */
TL_PUBLIC tl_tensor *tl_grad_of(tl_tensor *t);
/** Replace it; TL_NONE clears it. */
TL_PUBLIC tl_status tl_set_grad(tl_tensor *t, tl_tensor *grad);
/** Make a tensor that is not a leaf keep its gradient at the next backward. */
TL_PUBLIC tl_tensor *tl_retain_grad(tl_tensor *t);
/** The same values, out of the graph; shares storage. */
TL_PUBLIC tl_tensor *tl_detach(tl_tensor *t);
/** Take t itself out of the graph: it becomes a leaf that needs no gradient. Not for views of what stays in it. Returns t. */
TL_PUBLIC tl_tensor *tl_detach_(tl_tensor *t);

/** Options of tl_backward() and tl_grad(): PyTorch's. */
struct tl_backward_options {
    bool retain_graph; /**< keep what the graph saved, for a second backward */
    bool create_graph; /**< make the gradients differentiable (implies retain_graph) */
    bool allow_unused; /**< tl_grad: an input that no output depends on gives TL_NONE instead of an error */
    bool materialize_grads; /**< tl_grad: it gives zeros */
};

/** Add d(t)/d(leaf) to every leaf's gradient. `gradient` is the vector of the vector-Jacobian product; TL_NONE for a
 *  one-element t. Gradients are staged and committed at the end: a failure changes none. Iterative, on this thread. */
TL_PUBLIC tl_status tl_backward(tl_tensor *t, tl_tensor *gradient, struct tl_backward_options o);
/** Gradients of outputs with respect to inputs, leaves or not, without touching any .grad (but of tensors that retain theirs).
 *  grad_outputs may be NULL (all ones, for one-element outputs) or hold TL_NONE. An input that no output depends on is an
 *  error, unless o.allow_unused or o.materialize_grads. On failure every out[i] is NULL. */
TL_PUBLIC tl_status tl_grad(tl_tensor *const *outputs, int n_outputs, tl_tensor *const *grad_outputs, tl_tensor *const *inputs,
                            int n_inputs, tl_tensor **out, struct tl_backward_options o);

/** Is recording on? */
TL_PUBLIC bool tl_grad_enabled(void);
/** Switch recording on this thread; returns what it was. */
TL_PUBLIC bool tl_set_grad_enabled(bool on);
/** TL_NO_GRAD { … }: nothing is recorded inside. Leave it early with `break` or `return`. (tl_grad_mode_restore_() is its end.) */
TL_PUBLIC void tl_grad_mode_restore_(const int *was);
#define TL_NO_GRAD TL_NO_GRAD_NAMED_(TL_JOIN_(tl_was_, __COUNTER__))
#define TL_NO_GRAD_NAMED_(name)                                                                                          \
    for (__attribute__((cleanup(tl_grad_mode_restore_))) int name = tl_set_grad_enabled(false) ? 3 : 2; name & 2; name &= 1)

/* ---- The graph, for those who want to walk it ---------------------------------------------------------------- */

/** The node that made t; NULL for a leaf. Edges to a leaf that requires a gradient lead to its AccumulateGrad node. */
TL_PUBLIC tl_node *tl_grad_fn(tl_tensor *t);
/** "AddBackward0", "AccumulateGrad", "CopySlices" (a write through a view), … */
TL_PUBLIC const char *tl_node_name(const tl_node *n);
/** Node that input i's gradient goes to, borrowed; NULL if it needs none. tl_node_n_next() says how many inputs there are. */
TL_PUBLIC tl_node *tl_node_next(const tl_node *n, int i);
TL_PUBLIC int tl_node_n_next(const tl_node *n);

/** Called during backward (also tl_grad) with the sum of the gradients that arrive at t, in a scope of its own. May return a replacement of
 *  the same shape (cast to the gradient's dtype), or NULL to keep it; must not write it, for others may hold it. An error that it
 *  sets with tl_fail() ends the pass, which then changes no gradient. */
typedef tl_tensor *(*tl_grad_hook)(tl_tensor *gradient, void *ctx);
/** Hooks of one tensor run in the order of registration, each with what the one before gave; .grad, of a leaf or a tensor that
 *  retains it, comes after the last. A hook belongs to the value that t has now: after a write in place it still sees the old
 *  value's gradient. `ctx` must live as long as t's graph. */
TL_PUBLIC tl_status tl_register_hook(tl_tensor *t, tl_grad_hook hook, void *ctx);
/** Remove the first hook of t's present value that was registered with these; TL_ERR_NOT_FOUND if there is none. A hook
 *  may remove itself, but no other while a pass runs. */
TL_PUBLIC tl_status tl_remove_hook(tl_tensor *t, tl_grad_hook hook, void *ctx);

/* ---- Are gradients right? ------------------------------------------------------------------------------------ */

/** Zeros in options: eps 1e-6, atol 1e-5, rtol 1e-3. */
struct tl_gradcheck_options {
    double eps, atol, rtol;
};
/** Compare a function's gradients with central differences. `fn` maps n inputs (1 … 15; those that require gradients are f64) to
 *  one f64 tensor of any shape; it is called many times, with copies of the inputs, and must not draw random numbers. A gradient is right
 *  if |it - difference| <= atol + rtol * |difference|. On a mismatch: TL_ERR_CHECK with the input, how many elements differ, the
 *  worst one and both numbers. Nothing is printed, no .grad is touched. */
TL_PUBLIC tl_status tl_gradcheck(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in, int n,
                                 struct tl_gradcheck_options o);
/** The same for second derivatives: the gradients of fn's gradients, with respect to the inputs and to the gradient that arrives at
 *  fn's result, which counts as input n. */
TL_PUBLIC tl_status tl_gradgradcheck(tl_tensor *(*fn)(tl_tensor *const *in, void *ctx), void *ctx, tl_tensor *const *in, int n,
                                     struct tl_gradcheck_options o);

#ifdef __cplusplus
}
#endif
#endif
