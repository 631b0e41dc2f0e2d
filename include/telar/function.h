/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/function.h>: differentiable functions of one's own (libtelar-nn), as torch.autograd.Function: a forward that
 * computes with tensor ops or with plain C over tl_data(), and a backward that says what the gradients are.
 *
 *     static tl_status forward(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data)
 *     {
 *         out[0] = tl_mul(in[0], tl_mul(in[0], in[0]));
 *         return out[0] ? TL_OK : tl_error_code();
 *     }
 *     static tl_status backward(struct tl_grad_ctx *g, const void *data)
 *     {
 *         tl_tensor *x = tl_grad_input(g, 0), *dy = tl_grad_arriving(g, 0);
 *         return tl_grad_set(g, 0, tl_mul(dy, tl_mul_s(tl_mul(x, x), 3)));
 *     }
 *     static const struct tl_function cube = {.struct_size = sizeof cube, .name = "Cube", .n_in = 1, .n_out = 1,
 *                                             .saves_inputs = 1, .forward = forward, .backward = backward};
 *     …
 *     tl_tensor *y = tl_apply(&cube, x);
 *
 * A backward that is written in tensor ops can itself be differentiated (create_graph). tl_gradcheck() tells whether forward
 * and backward agree. What should also run as a kernel of a backend is better registered as an op: <telar/op.h>.
 */
#ifndef TELAR_FUNCTION_H
#define TELAR_FUNCTION_H

#include <telar/op.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Constant, for the life of the process. n_in + n_saved is at most 16, n_out at most 8. */
struct tl_function {
    size_t struct_size;
    const char *name;       /**< "Cube": grad_fn prints CubeBackward */
    int n_in, n_out;
    int n_saved;            /**< intermediate results that forward keeps for backward */
    uint32_t saves_inputs;  /**< bit i: backward asks for tl_grad_input(g, i) */
    uint32_t saves_outputs; /**< bit i: backward asks for tl_grad_output(g, i) */
    /** Compute out[0 … n_out - 1] and saved[0 … n_saved - 1] (TL_NONE is allowed there); all start as NULL. Nothing is recorded
     *  inside. Inputs may be TL_NONE. `data` is what was given to tl_apply_data(), or NULL. */
    tl_status (*forward)(tl_tensor *const *in, tl_tensor **out, tl_tensor **saved, const void *data);
    /** For each input that tl_grad_wants(): tl_grad_set(g, i, its gradient). Accessors: <telar/op.h>; and tl_function_saved().
     *  NULL: backward through it is an error that names it. */
    tl_status (*backward)(struct tl_grad_ctx *g, const void *data);
    uint32_t nondifferentiable_out; /**< bit i: output i has no gradient, though it is floating. Integers and bools never have */
};

/** Apply it to n_in tensors: tl_apply(&f, a, b). The first output; NULL on failure. */
#define tl_apply(f, ...) \
    tl_apply_1(f, NULL, 0, (int)(sizeof((tl_tensor *[]){__VA_ARGS__}) / sizeof(tl_tensor *)), (tl_tensor *[]){__VA_ARGS__})
/** The same with numbers beside the tensors: *data, a struct of at most 128 bytes, is copied. */
#define tl_apply_data(f, data, ...)                                                                                        \
    tl_apply_1(f, data, sizeof *(data), (int)(sizeof((tl_tensor *[]){__VA_ARGS__}) / sizeof(tl_tensor *)), \
               (tl_tensor *[]){__VA_ARGS__})
TL_PUBLIC tl_tensor *tl_apply_1(const struct tl_function *f, const void *data, size_t size, int n, tl_tensor *const *in);
/** All outputs. */
TL_PUBLIC tl_status tl_apply_n(const struct tl_function *f, const void *data, size_t size, int n, tl_tensor *const *in, tl_tensor **out);
/** In backward: what forward left in saved[i]. */
TL_PUBLIC tl_tensor *tl_function_saved(struct tl_grad_ctx *g, int i);

#ifdef __cplusplus
}
#endif
#endif
