/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/backend.h>: the contract between the core and a backend.
 *
 * A backend gives devices, raw memory, an in-order stream, layouts and an ordered table of kernels, best
 * first. The core does the rest: shapes and argument checks (once, for every backend), autograd, memory
 * pooling, workspace, the cache of prepared plans, layout bookkeeping, fallbacks. A kernel therefore sees
 * only valid calls: dtypes and shapes agree with what the op's documentation promises.
 *
 * How one op runs:
 *   1. The core builds a tl_call. It walks the device's kernels for that op, best first, and asks refuses().
 *   2. A kernel with prepare() is asked for each new key (op, attributes, dtypes, shapes, offered layouts, math mode, residual
 *      wanted); its plan is kept, up to a number of plans, the least recently used going first. prepare() says in which layouts
 *      it wants its inputs and will give its outputs, how much workspace it needs, and how large its residual is; or it declines, and the next one is asked.
 *   3. The core brings inputs into the wanted layouts (a reordered input is kept with its storage until the
 *      storage is written, so weights are packed once), allocates outputs and workspace, and calls run().
 *   4. A kernel without prepare() is run at once: cheap enough for calls of a hundred nanoseconds.
 *   5. If every kernel refuses: f16 and bf16 are computed in f32; then the op's decomposition; then, if
 *      TELAR_FALLBACK allows, the host's kernels, with the bytes moved counted. Never silently.
 * TELAR_LOG=+kernel says who took each call and who passed it over, and why.
 *
 * How long things live. Nothing that a tl_call points to outlives the function that was called with it, nor does the call: who
 * works later copies the call, its views, the residual's struct and attrs_size bytes of attributes. Plans, workspace, residuals and
 * the memory of operands stay until the stream has passed the work that uses them: a plan is released, and memory given back
 * by free(), after a sync(); memory may be used again sooner, by work that is enqueued later.
 *
 * Errors. A function that fails calls host->fail() with words for people and returns the same code; returning TL_OK after fail() is an
 * error of its own. What shows after the call has returned is kept by the backend and given to the next sync(). The core asks sync()
 * before it hands out any byte of the device, so no late error is lost, and copy_out() need not look for them.
 *
 * When it ends. device_close(), stream_close() and the plugin's close() are called by tl_shutdown() only: the program telar
 * calls it when its work is done, other programs may never. What must be kept (a cache, a profile) is written when it is made.
 *
 * telar-conformance judges a backend against all of this, docs/kernels.md has each op's operands, and docs/add-a-backend.md leads through
 * a first backend. Backends include only <telar/plugin.h>, <telar/backend.h>, <telar/attrs.h>, <telar/pointwise.h>,
 * <telar/pointwise_c.h> and <telar/pointwise.def>, and link against nothing of Telar. The structs below are frozen: fields are
 * only added at their ends, where a struct_size says whether they are there.
 */
#ifndef TELAR_BACKEND_H
#define TELAR_BACKEND_H

#include <telar/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the tables below. Appending a field does not change it; anything else does. */
#define TL_BACKEND_ABI 1

/** Memory of a device: a handle and a byte offset, so that an OpenCL buffer fits as well as a pointer. For
 *  backends with TL_DEVICE_HOST_MEMORY, handle is the address and offset counts from it. */
struct tl_mem {
    void *handle;
    uint64_t offset;
};

/** Address of host-visible memory. */
static inline void *tl_mem_ptr(struct tl_mem m)
{
    return (char *)m.handle + m.offset;
}

/** How the elements of a tensor lie in memory. Ids from TL_LAYOUT_PRIVATE on belong to the backend that names them: opaque to the
 *  core, sized by layout_size(), made and undone by reorder(). Two backends may use one number for two layouts: a tensor in a
 *  private layout is only ever offered so to kernels of the backend whose layout it is; others are offered its row-major form. Within a
 *  backend equal ids mean equal layouts. */
enum tl_layout {
    TL_LAYOUT_CONTIGUOUS = 0,    /**< row-major, dense: the last dimension varies fastest */
    TL_LAYOUT_CHANNELS_LAST = 1, /**< dense with dimension 1 fastest (4-d: N H W C); strides say so */
    TL_LAYOUT_STRIDED = 2,       /**< any strides, also 0 (broadcast); never negative */
    TL_LAYOUT_PRIVATE = 16
};

/** One operand of a call. An absent optional input or output has ndim -1 (tl_view_present()). A view without elements has no
 *  memory: its handle may be NULL, whatever the offset. */
struct tl_view {
    tl_dtype dtype;
    int32_t ndim;
    uint32_t layout; /**< enum tl_layout, or a private id */
    uint32_t reserved;
    int64_t shape[TL_MAX_DIMS];
    int64_t stride[TL_MAX_DIMS]; /**< in elements; meaningless in private layouts */
    struct tl_mem mem;           /**< the first element, at any multiple of its size; handle NULL in refuses() and prepare() */
};

/** Is the operand there? */
static inline bool tl_view_present(const struct tl_view *v)
{
    return v->ndim >= 0;
}

/** Number of elements. The core has checked that it does not overflow. */
static inline int64_t tl_view_numel(const struct tl_view *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->ndim; i++)
        n *= v->shape[i];
    return n;
}

/** What a forward kernel leaves for its gradient: opaque bytes on the device, tagged with their maker. All three fields are the core's: a
 *  forward kernel that asked for a residual in prepare() finds its own maker, its size and the memory to write to, and zeros where none
 *  is wanted; a gradient kernel finds what the forward left, and recomputes if maker is foreign or size is zero. */
struct tl_residual {
    const char *maker; /**< the forward kernel's `maker` string; compare by content */
    size_t size;
    struct tl_mem mem;
};

enum {
    TL_CALL_WANT_RESIDUAL = 1u << 0 /**< a gradient may follow: emit the residual, if there is one */
};

struct tl_kernel;
struct tl_pointwise_attrs;

/** One link of what the result of a call goes through before it is written: the pointwise op `op` of the value so far and, if it has two
 *  operands, of one more input of the call. */
struct tl_epilogue {
    const char *op; /**< a name of <telar/pointwise.def> */
    const struct tl_pointwise_attrs *attrs;
    int32_t value; /**< which operand of op the value so far is: 0 or 1 */
    int32_t other; /**< the index in call->in of the other one; -1: there is none. It broadcasts to the shape of the result */
};

/** One call of an op. */
struct tl_call {
    uint32_t struct_size;
    uint32_t flags;
    const char *op;    /**< the kernel's op: "matmul" also for mm, bmm, mv and dot (docs/kernels.md) */
    const void *attrs; /**< the op's struct of <telar/attrs.h>, normalised: no default is left to resolve, no TL_NONE_SIZE, no negative
                            dimension. NULL for ops without attributes (matmul; copy, unless it is a cast) */
    int32_t n_in, n_out;
    const struct tl_view *in;
    const struct tl_view *out;
    struct tl_residual *residual; /**< forward: where to write it; gradient: what the forward left. Never NULL. */
    uint32_t math;                /**< enum tl_math */
    uint32_t attrs_size;          /**< bytes of attrs; 0 where attrs is NULL */
    const struct tl_kernel *kernel; /**< the one that is asked: one function may serve many kernels */
    const struct tl_epilogue *epilogue; /**< n_epilogue links that out[0] goes through, one after the other; their operands are the last of
                                         *   in[], and n_in counts them. Only kernels with TL_KERNEL_EPILOGUE see any */
    int32_t n_epilogue, reserved;
};

/** prepare()'s answer. The core zeroes it first; the arrays have n_in and n_out entries, all
 *  TL_LAYOUT_CONTIGUOUS to begin with. */
struct tl_prep {
    uint32_t struct_size;
    uint32_t reserved;
    void *plan;           /**< handed to run() and, once, to release() */
    size_t workspace;     /**< bytes of scratch memory that run() needs, aligned as the device's memory */
    size_t residual;      /**< bytes of residual that run() will write; only if the call wants one */
    uint32_t *in_layout;  /**< wanted layout of each input; TL_LAYOUT_STRIDED takes it as it comes, also channels-last */
    uint32_t *out_layout; /**< layout of each output: row-major, channels-last, or a private one */
    const char *declined; /**< where prepare() declines: why, a string that stays. May be left NULL */
};

enum {
    /** A kernel without prepare() that takes any strides, of inputs and outputs; without the flag they are row-major. Kernels of pointwise
     *  ops, copy and fill must have it: their operands come with any strides, 0 among them where one is broadcast. */
    TL_KERNEL_STRIDED = 1u << 0,
    /** A kernel that may take an epilogue (tl_call): refuses() says for which. Programs offer it, eager calls have none. */
    TL_KERNEL_EPILOGUE = 1u << 1
};

struct tl_device;
struct tl_stream;

/** A kernel. Tables are `const struct tl_kernel *const[]`, so that this struct may grow at its end. */
struct tl_kernel {
    uint32_t struct_size;
    uint32_t flags;
    const char *op;
    const char *maker; /**< names the implementation in messages and tags its residuals: "cpu:onednn", "cpu:simple". Required */

    /** NULL: this call can be done; else a static string with the reason. Must be cheap, may not block, may not look
     *  at memory. Optional (absent: never refuses). */
    const char *(*refuses)(const struct tl_device *device, const struct tl_call *call);

    /** Plan a call. Called for a new key, from any thread, possibly for two calls at once; again for a key whose plan was released
     *  because too many others came after it. May allocate and block. Fails with host->fail(). Returning TL_ERR_UNSUPPORTED without fail()
     *  declines: what refuses() could not know (a library has nothing for these shapes) shows here, no plan is kept, and the next kernel
     *  is asked; the answer is remembered as plans are. Optional; not for pointwise ops, copy and fill, whose kernels run without plans. */
    tl_status (*prepare)(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep);

    /** Do the call, in stream order. On host memory several threads may run one plan at once, and a backend without a stream is done
     *  when it returns. On a device with a queue calls come one at a time, and may return before the work is done; errors that show later
     *  are returned by sync(). Outputs never overlap inputs, except where docs/kernels.md lets an output be an input's memory,
     *  exactly. Required. */
    tl_status (*run)(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace);

    /** Free a plan. Called when no call uses it any more and, on a device with a queue, after a sync() that waited for all that was
     *  enqueued with it. From any thread. Optional. */
    void (*release)(void *plan);
};

enum {
    TL_DEVICE_HOST_MEMORY = 1u << 0 /**< memory is plain host memory; such devices share their kernel tables */
};

/** A device, made by device_open() and owned by the backend. Append only. */
struct tl_device {
    uint32_t struct_size;
    uint32_t flags;
    int32_t index;
    uint32_t alignment;      /**< of every allocation: a power of two, at least 64; 64 for host memory, which the core allocates */
    uint64_t memory;         /**< bytes in all; 0 if unknown */
    uint64_t max_allocation; /**< bytes of the largest single allocation; 0 if unlimited */
    const char *description; /**< for people: model, driver, instruction set */
    const void *state;       /**< the backend's own */
};

/** What the core would refuse a device for; NULL: nothing. */
static inline const char *tl_device_flaw(const struct tl_device *d)
{
    if (d->struct_size < offsetof(struct tl_device, state) + sizeof d->state)
        return "struct_size is too small; set it to sizeof(struct tl_device)";
    if (d->alignment < 64 || (d->alignment & (d->alignment - 1)) != 0)
        return "alignment is not a power of two of at least 64";
    if ((d->flags & TL_DEVICE_HOST_MEMORY) && d->alignment > 64)
        return "alignment is over 64, which is what the core gives host memory";
    return NULL;
}

struct tl_program; /* a recorded program: <telar/program.h> */

/** The table of a backend. All slots are required unless marked optional. A backend whose devices have TL_DEVICE_HOST_MEMORY may
 *  leave out more: the core allocates and copies their memory by itself, and a backend that is done when run() returns needs no
 *  stream. Append only. */
struct tl_backend {
    uint32_t struct_size;
    uint32_t flags; /**< 0 */

    /** How many devices answer. 0 with TL_OK: none here. May be slow; called when the backend is first used. */
    tl_status (*device_count)(int *count);

    /** Open device `index` and say what it is. It may be opened and closed to be listed (telar doctor), then opened again. tl_device_flaw()
     *  says what the core would refuse. */
    tl_status (*device_open)(int index, struct tl_device **device);
    void (*device_close)(struct tl_device *device);

    /** Raw memory. The core pools, so these may be slow. `bytes` > 0. Contents are undefined. Optional for host memory, and never
     *  called for it. alloc fails with TL_ERR_NOMEM; the core then empties its pool and tries once more. A handle is never NULL.
     *  free is called when the stream has passed all work that was enqueued. */
    tl_status (*alloc)(const struct tl_device *device, size_t bytes, struct tl_mem *mem);
    void (*free)(const struct tl_device *device, struct tl_mem mem);

    /** One in-order queue. The core uses one per device and serialises calls that enqueue. Optional for host memory, together
     *  with sync: kernels are then given NULL for a stream, and must be done when run() returns. */
    tl_status (*stream_open)(const struct tl_device *device, struct tl_stream **stream);
    void (*stream_close)(struct tl_stream *stream);

    /** Wait for all that was enqueued; returns (once) the first error that showed since the last sync, with host->fail(). Called before
     *  bytes of the device are read, before plans and memory are given back, and by tl_synchronize(). */
    tl_status (*sync)(struct tl_stream *stream);

    /** Copies, in stream order. copy_in and copy_out return when the host's bytes may be reused or read; copy's two places do
     *  not overlap. Optional for host memory, and never called for it. */
    tl_status (*copy_in)(struct tl_stream *stream, struct tl_mem to, const void *from, size_t bytes);
    tl_status (*copy_out)(struct tl_stream *stream, void *to, struct tl_mem from, size_t bytes);
    tl_status (*copy)(struct tl_stream *stream, struct tl_mem to, struct tl_mem from, size_t bytes);

    /** Private layouts. layout_size: bytes of `view` in layout `layout`, which a kernel of this backend named; 0 means "not for this
     *  view". Not asked of a view without elements. reorder: copy the values of `from` into `to`, of one shape and dtype, in stream
     *  order. One side is in a private layout; the other is row-major or, as a source, has any strides. From a layout that kernels only want
     *  inputs in, never give outputs in, it may return TL_ERR_UNSUPPORTED without fail(): it is not asked for, but by checks. Both are NULL if the backend
     *  has no private layout. The core goes to and from channels-last by itself, with the op "copy". */
    size_t (*layout_size)(const struct tl_device *device, uint32_t layout, const struct tl_view *view);
    tl_status (*reorder)(struct tl_stream *stream, const struct tl_view *from, const struct tl_view *to);

    /** Kernels, NULL-terminated; of two for one op, the better first. */
    const struct tl_kernel *const *kernels;

    /** Reserved: a backend will be able to take a recorded program whole. The core runs all of them step by step and never calls this. NULL. */
    tl_status (*lower)(const struct tl_device *device, struct tl_program *program);
};

static_assert(offsetof(struct tl_backend, kernels) == 8 + 13 * sizeof(void *), "tl_backend: append only");
static_assert(offsetof(struct tl_kernel, run) == 8 + 4 * sizeof(void *), "tl_kernel: append only");
static_assert(offsetof(struct tl_view, mem) == 16 + 2 * TL_MAX_DIMS * 8, "tl_view: append only");

#ifdef __cplusplus
}
#endif
#endif
