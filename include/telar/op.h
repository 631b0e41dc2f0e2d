/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/op.h>: the op registry. An op is one constant descriptor: name, arity, attributes, infer (shapes,
 * dtypes, every argument check), grad (gradients in terms of ops) and decompose (the same in simpler ops). The
 * core's own ops are registered in the same way as a user's: with tl_op_register().
 */
#ifndef TELAR_OP_H
#define TELAR_OP_H

#include <telar/attrs.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What infer says of one output, and learns of one input. */
struct tl_meta {
    tl_dtype dtype;
    int32_t ndim; /**< -1: absent */
    int64_t shape[TL_MAX_DIMS];
};

/** A gradient in the making: given to tl_op.grad. Inputs and outputs are those of the forward call; asking for one that
 *  was overwritten since fails (returns NULL) with a message that names it. */
struct tl_grad_ctx;

/** Input i of the forward call; TL_NONE if it was absent. Needs bit i of saves_inputs. */
TL_PUBLIC tl_tensor *tl_grad_input(struct tl_grad_ctx *g, int i);
/** Output i of the forward call. Needs its bit in saves_outputs. */
TL_PUBLIC tl_tensor *tl_grad_output(struct tl_grad_ctx *g, int i);
/** Gradient of output i that arrives; zeros if nothing depends on that output. */
TL_PUBLIC tl_tensor *tl_grad_arriving(struct tl_grad_ctx *g, int i);
/** Shape, dtype of input i, without needing its values. */
TL_PUBLIC const struct tl_meta *tl_grad_input_meta(struct tl_grad_ctx *g, int i);
/** Is the gradient of input i wanted? Computing an unwanted one is a waste, not an error. */
TL_PUBLIC bool tl_grad_wants(struct tl_grad_ctx *g, int i);
/** Attributes of the forward call, normalised. Who hands them on to another op has them normalised again: an explicit zero in a
 *  PAIR of which the other half is not zero, or whose default is not zero, must be TL_NONE_SIZE once more. */
TL_PUBLIC const void *tl_grad_attrs(struct tl_grad_ctx *g);
/** Number of inputs of the forward call. */
TL_PUBLIC int tl_grad_n_inputs(struct tl_grad_ctx *g);
/** Set the gradient of input i: NULL is an error that was already reported, TL_NONE means zero, and so does never setting it. A
 *  gradient of the broadcast shape is summed to the input's; its dtype is cast to the input's. */
TL_PUBLIC tl_status tl_grad_set(struct tl_grad_ctx *g, int i, tl_tensor *gradient);
/** Call the op `name` as tl_op_call() does, handing it the residual that the forward's kernel left. */
TL_PUBLIC tl_status tl_grad_call(struct tl_grad_ctx *g, const char *name, const void *attrs, tl_tensor *const *in, int n_in,
                                 tl_tensor **out);

/** For saves_inputs and saves_outputs: all of them; for n_in: any number. */
enum {
    TL_OP_SAVE_ALL = -1,
    TL_OP_VARIADIC = -1
};

/** Flags of a descriptor. */
enum {
    TL_OP_VIEW = 1u << 0,       /**< outputs share the first input's storage; never reaches a backend */
    TL_OP_COMPOSITE = 1u << 1,  /**< no kernels: always runs its decomposition (but has a gradient of its own) */
    TL_OP_POINTWISE = 1u << 2,  /**< of <telar/pointwise.def>: inputs broadcast and promote. Not for tl_op_register() */
    TL_OP_INTERNAL = 1u << 3,   /**< a gradient or a helper; left out of listings for users */
    TL_OP_REDUCTION = 1u << 4,  /**< attrs is tl_reduce_attrs: outputs may lack the reduced dimensions, kernels see them as 1 */
    TL_OP_PROMOTE = 1u << 5,    /**< inputs are brought to their common dtype (torch.result_type) before infer sees them */
    TL_OP_FLOATING = 1u << 6    /**< with TL_OP_PROMOTE: integers and bool become f32 first */
};

/** A descriptor. Constant, for the life of the process. Zeroed fields mean "none". */
typedef struct tl_op {
    size_t struct_size;
    const char *name;    /**< "conv2d"; the field's standard name */
    const char *formula; /**< one line for docs and --help: "y[n,k,i,j] = b[k] + sum …" */
    uint32_t flags;
    int n_in, n_out;      /**< n_in may be TL_OP_VARIADIC */
    uint32_t optional_in; /**< bit i: input i may be TL_NONE */
    const struct tl_attr_field *attrs;
    size_t attrs_size;
    const char *kernel;    /**< name of the kernels that run it, if not `name`: mm runs "matmul" */
    const char *grad_name; /**< what grad_fn prints; NULL: made from name, "relu" → ReluBackward0 */

    /** Check everything and say what comes out. `in` has n_in entries, `attrs` is a private copy to normalise in place.
     *  Fill out[0..n_out-1]; an output with ndim -1 is not produced. Report with tl_fail(). Required but for views. */
    tl_status (*infer)(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out);

    /** Gradients, in terms of ops. Called with what infer saw. Absent: backward through the op is an error that names it. */
    tl_status (*grad)(struct tl_grad_ctx *g);
    uint32_t saves_inputs, saves_outputs; /**< bits: what grad asks for; all bits with TL_OP_SAVE_ALL */

    /** The same in simpler ops; NULL for a primitive. Runs without recording gradients. */
    tl_status (*decompose)(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out);

    /** Views only: build the outputs with tl_as_strided() and the like. */
    tl_status (*view)(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out);

    /** Bit i: output i has no gradient, though it is floating (running statistics). Integer and bool outputs never have. */
    uint32_t nondifferentiable_out;

    /** Output i may be written over input reuses[i] - 1 (0: none), in the same memory and layout. */
    unsigned char reuses[8];

    /** Rank of input 0 with its batch, where a single sample may come without: it is given a batch of one, which output 0 loses
     *  again. 0: not so. */
    int batched_rank;

    /** Products that the call sums up, of shapes and attributes as infer left them: what tl_walk_cost() counts. NULL: none to speak of. */
    int64_t (*multiply_adds)(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out);
} tl_op;

/** Add a descriptor to the registry. Fails if the name is taken or the descriptor is inconsistent. */
TL_PUBLIC tl_status tl_op_register(const tl_op *op);
/** Look an op up; NULL without an error if there is none. */
TL_PUBLIC const tl_op *tl_op_find(const char *name);
/** The registry in order of registration; NULL past its end. */
TL_PUBLIC const tl_op *tl_op_at(size_t i);

/** Run an op: promote, check, compute on the inputs' device, record for autograd. `attrs` is the op's struct or NULL for
 *  its zero value. Fills `out` (n_out entries; scope-owned; NULL for outputs that are not produced) or fails and leaves
 *  all of them NULL. */
TL_PUBLIC tl_status tl_op_call(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out);
/** The same, writing output i into the tensor into[i] where that is not NULL (shape and dtype must fit): this is how
 *  every in-place op works. Versions are bumped, gradients recorded. */
TL_PUBLIC tl_status tl_op_call_into(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into,
                                    tl_tensor **out);
/** Shorthand for ops with one output; NULL on failure. */
TL_PUBLIC tl_tensor *tl_op_call1(const tl_op *op, const void *attrs, tl_tensor *const *in, int n_in);

#ifdef __cplusplus
}
#endif
#endif
