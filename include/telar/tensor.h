/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/tensor.h>: tensors, scopes, errors and devices.
 *
 * Ownership. Every function that returns a tl_tensor* gives a reference owned by the calling thread's current
 * scope: it lives until that scope ends. Nothing needs to be freed by hand; wrap loops in TL_SCOPE { … }. To hold a
 * tensor longer, tl_keep() it and tl_release() it later, or hand it to the parent scope with tl_scope_return().
 *
 * Errors. A failing call returns NULL (or a tl_status) and sets the calling thread's error. Passing NULL on is
 * allowed everywhere and keeps the first error, so that y = tl_relu(tl_add(tl_mm(x, w), b)) needs one check. An absent
 * optional tensor is TL_NONE, never NULL.
 *
 * Threads. Tensors may be shared between threads; writing one while another thread uses it is the caller's race.
 *
 * Signals. No signal handler may run on the stack of a thread that computes: matrix products of oneDNN up to 3.11.1 use the stack
 * pointer for other things, and what a handler leaves below it destroys the heap. Block the signals that have handlers before the first
 * call, in all threads by that, and sigwait() for them on a thread of your own; or give every thread a sigaltstack() and handlers SA_ONSTACK.
 */
#ifndef TELAR_TENSOR_H
#define TELAR_TENSOR_H

#include <stdio.h>
#include <telar/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_tensor tl_tensor;
typedef struct tl_node tl_node;
typedef struct tl_generator tl_generator;
typedef struct tl_module tl_module;

/** The absent optional tensor. */
TL_PUBLIC extern tl_tensor tl_none_tensor_;
#define TL_NONE (&tl_none_tensor_)

/* ---- Errors ------------------------------------------------------------------------------------------------ */

/** Set the thread's error, unless one is already set, and return `code`. `format` may be NULL. */
TL_PUBLIC tl_status tl_fail(tl_status code, const char *format, ...) TL_PRINTF(2, 3);
/** Add words in front of the message of the error that is set: "while loading f.csv: ". */
TL_PUBLIC void tl_error_prefix(const char *format, ...) TL_PRINTF(1, 2);
/** Code of the thread's error; TL_OK if none. */
TL_PUBLIC tl_status tl_error_code(void);
/** Its message; "" if none. Valid until the thread's next failing call. */
TL_PUBLIC const char *tl_error_message(void);
/** Forget the error. */
TL_PUBLIC void tl_error_clear(void);
/** Name of a status: "SHAPE", "IO", … */
TL_PUBLIC const char *tl_status_name(tl_status s);

/** One log line, "telar: [component] message", if TELAR_LOG lets `level` through for it. */
TL_PUBLIC void tl_log_message(tl_log_level level, const char *component, const char *format, ...) TL_PRINTF(3, 4);
/** Would it be printed? Ask before building an expensive line. */
TL_PUBLIC bool tl_log_enabled(tl_log_level level, const char *component);

/* ---- Scopes ------------------------------------------------------------------------------------------------ */

/** An open scope, on the stack of the function that opened it. */
typedef struct tl_scope {
    size_t mark;   /**< private */
    int depth, on; /**< private */
} tl_scope;

/** Open a scope on the calling thread. */
TL_PUBLIC tl_scope tl_scope_begin(void);
/** End it: releases every tensor made since, except those returned or kept. Scopes end in reverse order. */
TL_PUBLIC void tl_scope_end(tl_scope *scope);
/** Move t to the scope around the current one, and return it. NULL passes through. */
TL_PUBLIC tl_tensor *tl_scope_return(tl_tensor *t);
/** TL_SCOPE { … }: a block with a scope of its own, which also ends on break, return and goto. Leave it early with
 *  `break` (the block is a loop that runs once) or `return`. */
#define TL_SCOPE TL_SCOPE_AT_(__COUNTER__)
#define TL_SCOPE_AT_(number) TL_SCOPE_NAMED_(TL_JOIN_(tl_scope_, number))
#define TL_SCOPE_NAMED_(name) \
    for (__attribute__((cleanup(tl_scope_end))) tl_scope name = tl_scope_begin(); name.on; name.on = 0)
#define TL_JOIN_(a, b) TL_JOIN_AGAIN_(a, b)
#define TL_JOIN_AGAIN_(a, b) a##b

/** Take a reference of one's own; release it with tl_release(). NULL and TL_NONE pass through. */
TL_PUBLIC tl_tensor *tl_keep(tl_tensor *t);
/** Drop a reference taken by tl_keep(). NULL and TL_NONE are allowed. */
TL_PUBLIC void tl_release(tl_tensor *t);
/** Give one's own reference to the current scope: the opposite of tl_keep(). Returns t. */
TL_PUBLIC tl_tensor *tl_scope_adopt(tl_tensor *t);

/* ---- Making tensors ---------------------------------------------------------------------------------------- */

/** Options of the making functions. Zero: f32, default device, no gradient. */
struct tl_options {
    tl_dtype dtype;
    bool requires_grad;
    const char *device; /**< "cpu", "cuda:1", …; NULL: the default device */
};

/** Shapes are written TL_SHAPE(2, 3); TL_SHAPE0 is the shape of a single number. */
#define TL_SHAPE(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
#define TL_SHAPE0 0, (const int64_t *)0

/** A tensor of the given shape whose values are undefined: for writing into. A negative size, or more elements than memory can
 *  address, is TL_ERR_LIMIT; more than TL_MAX_DIMS dimensions TL_ERR_SHAPE. */
TL_PUBLIC tl_tensor *tl_empty(int ndim, const int64_t *shape, struct tl_options o);
/** The same, filled with 0, with 1, with `value` (converted to the dtype). */
TL_PUBLIC tl_tensor *tl_zeros(int ndim, const int64_t *shape, struct tl_options o);
TL_PUBLIC tl_tensor *tl_ones(int ndim, const int64_t *shape, struct tl_options o);
TL_PUBLIC tl_tensor *tl_full(int ndim, const int64_t *shape, double value, struct tl_options o);
/** The same with t's shape, dtype and device; row-major, and without a gradient whatever t has. */
TL_PUBLIC tl_tensor *tl_empty_like(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_zeros_like(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_ones_like(tl_tensor *t);
TL_PUBLIC tl_tensor *tl_full_like(tl_tensor *t, double value);
/** start, start + step, … before end. Default dtype i64 if all three are whole, else f32. */
TL_PUBLIC tl_tensor *tl_arange(double start, double end, double step, struct tl_options o);
/** n points from start to end, both included. */
TL_PUBLIC tl_tensor *tl_linspace(double start, double end, int64_t n, struct tl_options o);
/** The n x n identity. */
TL_PUBLIC tl_tensor *tl_eye(int64_t n, struct tl_options o);
/** Copy host values of the tensor's dtype, row-major. `data` holds the shape's number of elements. */
TL_PUBLIC tl_tensor *tl_from_data(int ndim, const int64_t *shape, const void *data, struct tl_options o);
/** Use the caller's memory without a copy (host only, aligned as the dtype needs it); `release(ctx)` is called when it is no longer
 *  used, but not after a failure: then it stays the caller's. */
TL_PUBLIC tl_tensor *tl_from_memory(int ndim, const int64_t *shape, void *data, struct tl_options o, void (*release)(void *ctx),
                                    void *ctx);
/** Literals: tl_tensor_f32(TL_SHAPE(2, 2), 1, 2, 3, 4). */
#define tl_tensor_f32(shape, ...) tl_literal_f32_(shape, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (const float[]){__VA_ARGS__})
#define tl_tensor_i64(shape, ...) \
    tl_literal_i64_(shape, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
/** What the two literals above call. The shape's number of elements must be n. */
TL_PUBLIC tl_tensor *tl_literal_f32_(int ndim, const int64_t *shape, size_t n, const float *data);
TL_PUBLIC tl_tensor *tl_literal_i64_(int ndim, const int64_t *shape, size_t n, const int64_t *data);
/** A number as PyTorch treats a Python one: 0-d, and in an op with a tensor of the same kind it takes the tensor's
 *  dtype. tl_scalar(2.5) is of the default float kind, tl_scalar_i64(2) of the integer kind. */
TL_PUBLIC tl_tensor *tl_scalar(double value);
TL_PUBLIC tl_tensor *tl_scalar_i64(int64_t value);
/** tl_scalar() of floating C types, tl_scalar_i64() of the others. */
#ifdef __cplusplus
extern "C++" template <class N> inline tl_tensor *tl_number(N value)
{
    return N(1) / N(2) == N(0) ? tl_scalar_i64((int64_t)value) : tl_scalar((double)value);
}
#else
#define tl_number(value) \
    _Generic((value), float: tl_scalar, double: tl_scalar, long double: tl_scalar, default: tl_scalar_i64)(value)
#endif

/* ---- Looking at tensors ------------------------------------------------------------------------------------ */

/** Number of dimensions, 0 to TL_MAX_DIMS. Questions about NULL are answered too: 0, false or "", without an error. */
TL_PUBLIC int tl_ndim(const tl_tensor *t);
/** Size of dimension d; negative d counts from the end. -1 and an error if there is no such dimension. */
TL_PUBLIC int64_t tl_size(const tl_tensor *t, int d);
/** All tl_ndim() sizes, and strides in elements. Borrowed: valid while t lives. */
TL_PUBLIC const int64_t *tl_shape(const tl_tensor *t);
TL_PUBLIC const int64_t *tl_strides(const tl_tensor *t);
/** Number of elements: the product of the sizes, 1 for a number, 0 if a size is 0. */
TL_PUBLIC int64_t tl_numel(const tl_tensor *t);
/** Element type; TL_DEFAULT for NULL. */
TL_PUBLIC tl_dtype tl_dtype_of(const tl_tensor *t);
/** "cpu", "cuda:0", … */
TL_PUBLIC const char *tl_device_of(const tl_tensor *t);
/** Do the elements lie densely in row-major order? */
TL_PUBLIC bool tl_is_contiguous(const tl_tensor *t);
/** Is it TL_NONE? (NULL, a failure, is not.) */
TL_PUBLIC bool tl_is_none(const tl_tensor *t);
/** How often the storage was written: grows with every in-place operation on it or on a view of it. */
TL_PUBLIC uint64_t tl_version(const tl_tensor *t);
/** Do two tensors share storage? */
TL_PUBLIC bool tl_shares_storage(const tl_tensor *a, const tl_tensor *b);
/** Make the leaf t stand for source's values, with source's shape, dtype and device, sharing its storage; whoever holds t sees
 *  it (PyTorch's t.data = source). Its gradient is dropped unless it still fits. */
TL_PUBLIC tl_status tl_set_data(tl_tensor *t, tl_tensor *source);

/** The value of a one-element tensor, waiting for the device. 0 and an error otherwise. tl_item() converts to double, tl_item_i64()
 *  to i64. */
TL_PUBLIC double tl_item(tl_tensor *t);
TL_PUBLIC int64_t tl_item_i64(tl_tensor *t);
/** Copy all elements, row-major, converted to `dtype`, into the host buffer `to` of `bytes` bytes (must be exact). */
TL_PUBLIC tl_status tl_copy_out(tl_tensor *t, tl_dtype dtype, void *to, size_t bytes);
/** Overwrite t with host values of `dtype`, row-major. */
TL_PUBLIC tl_status tl_copy_in(tl_tensor *t, tl_dtype dtype, const void *from, size_t bytes);
/** The canonical host bytes of a contiguous host tensor, read-only, after waiting for pending work; valid while t lives
 *  and until it is next written. NULL and an error for device or non-contiguous tensors. */
TL_PUBLIC const void *tl_data(tl_tensor *t);
/** The same for writing: bumps the version. */
TL_PUBLIC void *tl_data_mut(tl_tensor *t);

/** Print t as PyTorch prints it, with a newline, on standard output or on a stream. Options as torch.set_printoptions(): see
 *  tl_print_options. */
TL_PUBLIC tl_status tl_print(tl_tensor *t);
TL_PUBLIC tl_status tl_fprint(FILE *to, tl_tensor *t);
/** The same text as a malloc()ed string, without the newline. */
TL_PUBLIC char *tl_to_string(tl_tensor *t);

/** 0 in a field keeps PyTorch's default: precision 4, threshold 1000, edgeitems 3, linewidth 80. */
struct tl_print_options {
    int precision, threshold, edgeitems, linewidth;
    int sci_mode; /**< 0 automatic, 1 always, -1 never */
};
/** Set them for the whole process. */
TL_PUBLIC void tl_set_print_options(struct tl_print_options o);

/* ---- Without values ---------------------------------------------------------------------------------------- */

/** Has t values? Tensors on the device "meta" have a shape, strides, a dtype, a version and a history, but no memory and no values. An op on
 *  them checks its operands, infers its results and is recorded as any; nothing is computed, nothing drawn, no backend opened. What an op
 *  makes of a tensor without values has none either. So a network of any size is built, and its forward pass, backward pass and
 *  optimizer's step are walked, in microseconds:
 *
 *      TL_DEVICE("meta") {
 *          tl_module *net = tl_model_build("vgg16", NULL);
 *          tl_tensor *y = tl_forward(net, tl_empty(TL_SHAPE(32, 3, 224, 224), (struct tl_options){0}));  // [32 x 1000]
 *      }
 *
 *  Values that are written there (tl_copy_(), tl_fill_(), tl_to_device(t, "meta")) are gone. What asks for values is TL_ERR_STATE: tl_item(),
 *  tl_data(), tl_copy_out(), a copy to another device, tl_equal(), tl_allclose(), tl_nonzero(), tl_masked_select(), tl_one_hot() without
 *  a number of classes, saving. A network comes by values when a file's tensors are taken over, tl_module_load(net, file, .assign = true).
 *  They print as "tensor(..., device='meta', size=(2, 3))". Plain numbers and 0-d tensors of the host may be
 *  operands beside them, as beside those of any device. */
TL_PUBLIC bool tl_has_values(const tl_tensor *t);

/** What the calling thread's tensors without values would take if they had any, and what ops on them would have had to compute. */
struct tl_walk_cost {
    int64_t bytes;         /**< of storages that are alive now: elements times their size, not rounded as an allocator rounds. One that another
                            *   thread releases is counted there */
    int64_t peak;          /**< most of that since the thread's start or the last tl_walk_reset_peak() */
    uint64_t multiply_adds; /**< of convolutions, matrix products and recurrent layers, and of their gradients. Only the difference of two readings
                             *   means something */
};
/** Not counted is what kernels take beside their results: scratch memory, operands in layouts of their own, and what a forward kernel leaves for
 *  its gradient's (residuals); nor intermediate results of ops that a backend would decompose. */
TL_PUBLIC struct tl_walk_cost tl_walk_cost(void);
/** Make the present bytes the peak. */
TL_PUBLIC void tl_walk_reset_peak(void);

/* ---- Devices, memory, process ------------------------------------------------------------------------------ */

/** Move to a device ("cpu", "cuda", "cuda:1"); the same tensor if it is there already. Differentiable. */
TL_PUBLIC tl_tensor *tl_to_device(tl_tensor *t, const char *device);
/** Set the device that new tensors are made on. Beats TELAR_BACKEND. Also takes a list: "cuda,cpu". Not while other
 *  threads compute. */
TL_PUBLIC tl_status tl_set_backend(const char *list);
/** TL_DEVICE("meta") { … }: what the calling thread makes in the block without naming a device is made on this one (with
 *  torch.device(…):). Blocks may lie in each other. Leave it early with `break` or `return`. If there is no such device, an
 *  error is set and the block is not run. */
#define TL_DEVICE(name) TL_DEVICE_NAMED_(TL_JOIN_(tl_device_, __COUNTER__), name)
#define TL_DEVICE_NAMED_(scope, name) \
    for (__attribute__((cleanup(tl_device_end))) struct tl_device_scope scope = tl_device_begin(name); scope.on; scope.on = 0)
/** Such a block, on the stack of the function that opened it. */
struct tl_device_scope {
    void *before; /**< private */
    int on;       /**< 0: there is no such device */
    bool begun;   /**< private */
};
/** Its beginning, for those who cannot use the macro. */
TL_PUBLIC struct tl_device_scope tl_device_begin(const char *name);
/** Its end; blocks end in reverse order. */
TL_PUBLIC void tl_device_end(struct tl_device_scope *scope);
/** Name of the default device of the calling thread, opening it if need be; NULL and an error if no backend works. */
TL_PUBLIC const char *tl_default_device(void);
/** Name of the backend that answers first for the default device: "cpu", "reference", "cuda"; "meta" on that device, which has none. */
TL_PUBLIC const char *tl_backend_name(void);
/** Wait for all work on a device (NULL: all devices); returns the first late error. */
TL_PUBLIC tl_status tl_synchronize(const char *device);

/** Threads that kernels use, in the whole process; beats TELAR_NUM_THREADS. At least 1, at most 4096. */
TL_PUBLIC void tl_set_num_threads(int n);
/** How many they use on the calling thread, with its limit taken into account. */
TL_PUBLIC int tl_get_num_threads(void);
/** Limit the calling thread's kernels to n threads (0: no limit of its own). Loader workers use 1. Returns what it was. */
TL_PUBLIC int tl_set_thread_limit(int n);
/** How exact arithmetic must be, in the whole process; beats TELAR_MATH. */
TL_PUBLIC void tl_set_math(tl_math m);
TL_PUBLIC tl_math tl_get_math(void);

/** Memory of one device. */
struct tl_memory_stats {
    size_t allocated; /**< bytes in tensors now */
    size_t peak;      /**< most of that since the start or the last reset */
    size_t reserved;  /**< bytes held from the system, in use or pooled */
    uint64_t allocations, system_allocations; /**< how often memory was taken from the pool, and from the system */
};
/** Of a device by name, or of the default device (NULL). Zeros and an error if there is no such device; zeros of "meta", where
 *  no memory is taken. */
TL_PUBLIC struct tl_memory_stats tl_memory_stats(const char *device);
/** Make the present use the peak. */
TL_PUBLIC void tl_memory_reset_peak(const char *device);
/** Give pooled, unused memory back to the system. */
TL_PUBLIC void tl_memory_trim(const char *device);

/** Ops that no kernel of their device took, and what became of them. Returns the number of entries. */
struct tl_fallback {
    const char *op, *device, *how; /**< how: "decomposed", "widened to f32", "host" */
    uint64_t calls, bytes;         /**< bytes moved between device and host */
};
TL_PUBLIC size_t tl_fallbacks(struct tl_fallback *list, size_t capacity);

/** Which kernels took calls, while that is watched (from the start: not): for judging a backend. Strings live until tl_shutdown(). Returns the
 *  number of entries. */
struct tl_kernel_use {
    const char *op, *backend, *maker; /**< op: as kernels name it, "matmul" also for mm and bmm */
    uint64_t calls;
};
TL_PUBLIC void tl_watch_kernels(bool on);
TL_PUBLIC size_t tl_kernel_uses(struct tl_kernel_use *list, size_t capacity);

/** "0.1.0". */
TL_PUBLIC const char *tl_version_string(void);
/** Release everything, for leak checkers: scopes of this thread, caches, devices, plugins. Nothing may be called after. */
TL_PUBLIC void tl_shutdown(void);

#ifdef __cplusplus
}
#endif
#endif
