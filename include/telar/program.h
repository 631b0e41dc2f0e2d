/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/program.h>: programs. tl_compile() takes a C function of tensors: a forward pass, or a whole training step with its backward pass
 * and the optimizer's update. The first run calls the function once on tensors that have shapes and no values, and records what it does;
 * that record is run from then on: kernels and layouts are chosen, memory is laid out, and nothing is dispatched or allocated any more.
 *
 *     static tl_status step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
 *     {
 *         struct training *t = ctx;
 *         tl_optimizer_zero_grad(t->optimizer);
 *         out[0] = tl_cross_entropy(tl_forward(t->net, in[0]), in[1]);
 *         tl_status s = tl_backward(out[0]);
 *         return s == TL_OK ? tl_optimizer_step(t->optimizer) : s;
 *     }
 *     …
 *     tl_program *p = tl_compile(step, &training, 1);
 *     for (each batch)
 *         tl_program_run(p, (tl_tensor *[]){images, labels}, 2, &loss);
 *
 * What a program repeats are the ops. C code between them runs while recording only: what it prints, counts or decides by an `if` is not
 * repeated. A value cannot be read while recording (tl_item(), tl_data(), printing): that is TL_ERR_STATE, and names the op whose result it
 * is. Random numbers are drawn afresh at each run, in the order of the calls, so that a program draws what eager code would. Parameters,
 * running statistics, gradients and the optimizer's state are changed where they are.
 */
#ifndef TELAR_PROGRAM_H
#define TELAR_PROGRAM_H

#include <stdio.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_program tl_program;

/** What a program repeats: computes out[0..n_out-1] from in[0..n_in-1], and changes what it likes of other tensors. Outputs are owned by the
 *  scope that it is called in. Returns TL_OK, or what failed. */
typedef tl_status (*tl_program_fn)(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out);

/** A program of fn with n_out outputs (0 to 64). fn is not called yet. NULL and an error. Free it with tl_program_free(). ctx, and every
 *  tensor that fn uses, must live as long. */
TL_PUBLIC tl_program *tl_compile(tl_program_fn fn, void *ctx, int n_out);

/** Run p on in[0..n_in-1] (0 to 64) and fill out[0..n_out-1], tensors without a history owned by the current scope; all NULL on failure. An
 *  output that nobody holds any more gives its memory to the next run's.
 *
 *  Shapes, strides, element types and devices of the inputs, whether gradients are recorded, the mathematics (tl_set_math()), the number of threads
 *  and the variant make a key; a new one records anew, and the last 16 are kept. The run that records has the effects of one run.
 *
 *  Fails with TL_ERR_STATE if fn read a value; if it returned an output that still has a history (call tl_backward() inside, or run under
 *  TL_NO_GRAD), or kept a result or an input beyond its end (gradients aside); if an input wants a gradient, or shares memory with something that
 *  is written; if a tensor that fn used was freed, or given other data (tl_set_data()), since the recording: tl_program_forget() then
 *  records anew; while something is recorded. An error of a kernel, such as a label out of range, leaves what was written before it
 *  written. p is used by one thread at a time: a second one waits. */
TL_PUBLIC tl_status tl_program_run(tl_program *p, tl_tensor *const *in, int n_in, tl_tensor **out);

/** The variant of the next runs, a number of the caller's choice; 0 to begin with. For what fn decides by other things than the key: training
 *  or evaluation. */
TL_PUBLIC void tl_program_set_variant(tl_program *p, uint64_t variant);

/** Drop all recordings. */
TL_PUBLIC void tl_program_forget(tl_program *p);
TL_PUBLIC void tl_program_free(tl_program *p); /**< NULL is fine */

/** What became of the last run's recording. Bytes are of device memory. */
struct tl_program_info {
    size_t recordings; /**< kept now */
    size_t nodes;      /**< calls of ops, and of the host, that were recorded and are needed */
    size_t steps;      /**< kernels, reorders and calls of the host at each run */
    size_t constant_steps; /**< of what does not change from run to run: done once, and again when a tensor that they read was written */
    size_t arena;      /**< bytes of intermediate results: the planned peak */
    size_t values;     /**< the sum of their sizes, without the plan */
    size_t constants;  /**< bytes of what the constant steps made */
};
/** Zeros before the first run. */
TL_PUBLIC struct tl_program_info tl_program_info(tl_program *p);

enum tl_program_format {
    TL_PROGRAM_TEXT = 0,
    TL_PROGRAM_DOT = 1,
    TL_PROGRAM_JSON = 2,
    /* What is written, or'ed with one of these: */
    TL_PROGRAM_RECORDED = 16, /**< the nodes as they were recorded */
    TL_PROGRAM_NODES = 32,    /**< the nodes after the passes */
    TL_PROGRAM_STEPS = 64     /**< the steps, and the memory that they use */
};
/** Write the last run's recording: the nodes in their order with shapes and types, and the steps that they became, with each result's layout,
 *  bytes, place in the arena and lifetime. format is one of the first three, for people, for graphviz and for programs, or'ed with the parts that
 *  are wanted; without any it is all of them, or of DOT the nodes after the passes. Fails with TL_ERR_STATE before the first run, TL_ERR_IO if
 *  it cannot be written. */
TL_PUBLIC tl_status tl_program_print(tl_program *p, FILE *to, unsigned format);

/* ---- Inside a function that may be recorded ----------------------------------------------------------------------------------- */

/** Is this thread recording? */
TL_PUBLIC bool tl_recording(void);

/** Stop recording in this thread, or go on; returns whether it was recording. What is done meanwhile is done once and at once, as eager code
 *  does: state that is made at the first step. Going on is only possible inside a function that is being recorded. */
TL_PUBLIC bool tl_set_recording(bool on);
/** TL_ONCE { … }: the same for a block; leave it by its end only. */
#define TL_ONCE for (int tl_once_ = 1, tl_was_ = tl_set_recording(false); tl_once_; tl_once_ = (tl_set_recording(tl_was_), 0))

/** A call of the host in the middle of a program: it runs at each run, after everything before it, and may read the values of in[] and write
 *  those of out[], which stand for the tensors that were given to tl_record_call(). */
typedef tl_status (*tl_program_call)(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out);

/** Record a call of `call`. name: for messages; a literal. The tensors in[] are read, out[] are written. ctx goes to release(ctx) (NULL:
 *  nothing) with the program; on failure it is released at once. TL_ERR_STATE if nothing is being recorded. */
TL_PUBLIC tl_status tl_record_call(const char *name, tl_program_call call, void *ctx, void (*release)(void *ctx), tl_tensor *const *in, int n_in,
                                   tl_tensor *const *out, int n_out);

#ifdef __cplusplus
}
#endif
#endif
