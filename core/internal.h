/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's own structs, seen by core/ only. A tensor is a shape over a storage; a storage is device memory with a
 * version; a node is one recorded op. All three are reference-counted with atomics and live in small-object
 * pools, because an eager one-element op has about a hundred nanoseconds for everything.
 */
#ifndef TELAR_CORE_INTERNAL_H
#define TELAR_CORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <telar/backend.h>
#include <telar/telar.h>

/* Thread-locals on the hot path are found without a call. They are few and small, so that they also fit what the dynamic linker keeps in
 * reserve for a libtelar that is itself loaded late. */
#define HOT_TLS __attribute__((tls_model("initial-exec"))) _Thread_local

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- Small objects (base/pool.c) -------------------------------------------------------------------------------- */

/** Memory for small, short-lived structs from a per-thread free list; NULL and an error if there is none. Not zeroed. */
void *pool_alloc(size_t size);
/** `size` as given to pool_alloc(). Any thread may free. */
void pool_free(void *p, size_t size);
void pool_shutdown(void);
void error_shutdown(void);

/* ---- Temporary files (base/stale.c) ------------------------------------------------------------------------------ */

/** Keep the temporary file open at fd from being taken for a dead writer's; false if it just was, and another must be made. */
bool temporary_lock(int fd);
/** Remove the temporary files for `path` that dead writers left. */
void temporaries_clear(const char *path);

/* ---- Devices (plugin/device.c) ---------------------------------------------------------------------------------- */

/** A kernel with the device and stream that it runs on: host devices merge the tables of several backends. */
struct bound_kernel {
    const struct tl_kernel *kernel;
    const struct tl_device *device;
    struct tl_stream *stream;
    const char *backend;
    const struct tl_backend *table;
};

#define MAX_OPS 1024
#define MAX_BACKENDS 8

/** One backend's part in a device. */
struct member {
    const char *name;
    const struct tl_backend *backend;
    struct tl_device *device;
    struct tl_stream *stream;
};

typedef struct device {
    char name[48]; /**< "cpu", "cuda:0" */
    bool host;
    bool alone; /**< one host backend by itself: its table is never merged */
    bool valueless; /**< the device "meta": no memory and no backend; its tensors have no values */
    struct member members[MAX_BACKENDS];
    int n_members;
    _Atomic(struct bound_kernel *) kernels[MAX_OPS]; /**< by op id; ends with kernel NULL; built on first use */
    struct bound_kernel **retired; /**< lists replaced since, which another thread may still read */
    size_t n_retired;
    struct memory *memory; /**< pool and statistics */
    pthread_mutex_t queue; /**< see device_lock() */
    struct tl_error late;  /**< the first error of its queue that nobody was told of; guarded by queue */
    unsigned retired_plans; /**< guarded by the plan cache */
} device;

/** The default device, opened on first use; NULL and an error. */
device *device_default(void);
/** The host: always there, though it may have no kernels. */
device *device_host(void);
/** The device "meta"; NULL and an error. */
device *device_meta(void);
/** By name; NULL name is the default. NULL and an error. */
device *device_find(const char *name);
/** A host backend as a device of its own, outside the host's merged tables; NULL and an error. */
device *device_open_alone(const char *backend);
/** Kernels of an op on a device, best first; ends with kernel == NULL. NULL and an error if no backend opens. */
const struct bound_kernel *device_kernels(device *d, int op_id, const char *name);
/** Wait for the device; late errors. */
tl_status device_sync(device *d);
/** Wait for the device on the core's own account: an error that shows is kept for the next device_sync(). */
void device_drain(device *d);
void device_drain_all(void);
void device_shutdown(void);

/** Tensors without values: bytes come (and go, negative), multiply-adds are done, as far as the calling thread's account says. */
void walk_count_bytes(int64_t bytes);
void walk_count_multiply_adds(int64_t n);

tl_status memory_alloc(device *d, size_t bytes, struct tl_mem *mem, size_t *capacity);
void memory_free(device *d, struct tl_mem mem, size_t capacity);
struct memory *memory_new(device *d);
void memory_delete(struct memory *m, device *d);

/** Serialise enqueueing on devices with a queue; nothing on the host. Recursive: an allocation inside a locked call locks again. */
void device_lock(device *d);
void device_unlock(device *d);

/* ---- Storage (tensor/storage.c) ---------------------------------------------------------------------------------- */

#define INLINE_BYTES 64

/** A second form of the same values, made by or for a kernel: channels-last, packed weights. Whoever reads it holds it, since another
 *  thread, or another operand of the same call, may want another form and replace it meanwhile. */
struct native {
    atomic_int refs;
    device *device;
    const struct tl_device *owner; /**< whose private layout it is: ids mean something to that backend only; NULL: one of the core's */
    bool in_map;         /**< the canonical bytes in a mapped file, not aligned: nobody computes with it, and its memory is the file's */
    struct tl_view view; /**< layout, geometry and memory */
    size_t capacity;
    uint64_t version;    /**< of the storage, when it was made */
    int64_t offset, strides[TL_MAX_DIMS]; /**< of the logical view that it stands for */
};

typedef struct storage {
    atomic_int refs;
    atomic_int lock; /**< guards native and canonical_stale */
    device *device;
    size_t bytes;    /**< of the canonical form */
    size_t capacity; /**< of its block; 0 for inline and foreign memory */
    struct tl_mem mem;
    _Atomic uint64_t version;
    _Atomic(struct native *) native; /**< changed with the lock held; NULL is read without */
    bool canonical_stale; /**< the values are in `native` only */
    bool canonical_made;  /**< mem is allocated */
    uint8_t recorded;     /**< RECORDED_… */
    uint32_t made_in;     /**< the recording that it was made in; 0: none */
    bool valueless;       /**< it has a size and a version, but no memory and no values, and never will: see storage_new_valueless() */
    void (*release)(void *ctx);
    void *release_ctx;
    _Alignas(64) unsigned char inline_bytes[INLINE_BYTES];
} storage;

/** Memory for `bytes` on d; one reference. `lazy`: allocate the canonical bytes only when somebody asks for them. */
storage *storage_new(device *d, size_t bytes, bool lazy);
storage *storage_foreign(void *data, size_t bytes, void (*release)(void *ctx), void *ctx);
/** What recording a program says of a storage. */
enum {
    RECORDED_VALUELESS = 1, /**< has no values and no memory: they are only made when the program runs */
    RECORDED_FILLED = 2,    /**< the host wrote values into it while recording */
    RECORDED_CONSTANT = 4   /**< these were read by what is recorded */
};
/** Take its values and its memory away; give it memory, without values; let it stand for memory of somebody else's. */
void storage_forget_values(storage *s);
tl_status storage_give_memory(storage *s);
void storage_place(storage *s, struct tl_mem mem);
/** Bytes of a mapped file that are not aligned to their elements, more than INLINE_BYTES: copied by map_copy() when somebody asks for them. The
 *  caller sets release and its context, the map. */
storage *storage_unaligned(const void *data, size_t bytes);
/** Copy bytes of a map, giving its pages back step by step (base/file.c). */
void map_copy(void *mapping, void *to, const void *from, size_t bytes);
/** One that only says how many bytes there would be, on any device: all on "meta" are so, and so is every result of an op that has such an
 *  operand. Writing it raises its version; reading it is an error. It counts in what tl_walk_cost() tells the thread. */
storage *storage_new_valueless(device *d, size_t bytes);
void storage_keep(storage *s);
void storage_release(storage *s);
void storage_lock(storage *s);
void storage_unlock(storage *s);
/** Without a native form there is none to wait for: canonical bytes do not move while a storage is read. */
static inline struct native *storage_native(const storage *s)
{
    return atomic_load_explicit(&((storage *)(uintptr_t)s)->native, memory_order_acquire);
}
void native_release(struct native *n);
static inline uint64_t storage_version(const storage *s)
{
    return atomic_load_explicit(&((storage *)(uintptr_t)s)->version, memory_order_relaxed);
}

/* ---- Tensors (tensor/tensor.c) ----------------------------------------------------------------------------------- */

enum {
    T_WRAPPED = 1,       /**< a plain number: weak in promotion */
    T_REQUIRES_GRAD = 2, /**< a leaf that wants a gradient */
    T_CONTIGUOUS = 4,
    T_QUIET_VIEW = 8,    /**< a view made while nothing was recorded: it takes no part in its base's history */
    T_NONE = 16,
    T_RETAIN_GRAD = 32
};

struct tl_tensor {
    atomic_int refs;
    uint8_t dtype, ndim;
    uint16_t flags;
    int64_t numel;
    storage *storage;
    int64_t offset; /**< elements */
    tl_node *grad_fn;
    int32_t output_nr;
    atomic_int holds;      /**< one for all of refs, one for each node that saved it: see tensor_hold() */
    tl_tensor *grad;
    tl_node *accumulator;  /**< weak: the AccumulateGrad node of a leaf, while it lives */
    struct hook *hooks;    /**< of a leaf */
    tl_tensor *base;       /**< of a view: the tensor that it was first taken from, which is no view; a reference */
    atomic_uint epoch;     /**< how often the history was replaced; of a view: its base's epoch that grad_fn stands for */
    int64_t shape[TL_MAX_DIMS];
    int64_t strides[TL_MAX_DIMS];
};

/** A tensor over s (whose reference it takes over, also on failure), owned by the current scope. */
tl_tensor *tensor_over(storage *s, tl_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset);
/** Fresh, contiguous, uninitialised. `lazy` as storage_new(). */
tl_tensor *tensor_new(device *d, tl_dtype dtype, int ndim, const int64_t *shape, bool lazy);
/** The same without memory and values, whatever d is. */
tl_tensor *tensor_new_valueless(device *d, tl_dtype dtype, int ndim, const int64_t *shape);
/** For whoever reads values: true, and an error that names op, if t has none. */
bool fail_valueless(const char *op, const tl_tensor *t);
static inline bool values_missing(const char *op, const tl_tensor *t)
{
    return UNLIKELY(t->storage->valueless) && fail_valueless(op, t);
}
/** Another handle on the same values, without history. One reference, owned by the caller, not by a scope. */
tl_tensor *tensor_alias(tl_tensor *t);
/** Checked product of a shape; false if it, or it times 8, overflows, or a size is negative. */
bool shape_numel(int ndim, const int64_t *shape, int64_t *numel);
void contiguous_strides(int ndim, const int64_t *shape, int64_t *strides);
/** "[2 x 3]" into a buffer; returns it. */
const char *shape_text(char *buffer, size_t size, int ndim, const int64_t *shape);
static inline bool is_none(const tl_tensor *t)
{
    return (t->flags & T_NONE) != 0;
}
/** Was the base written, and its history replaced, since this view's grad_fn was made? */
static inline bool history_stale(const tl_tensor *t)
{
    return UNLIKELY(t->base != NULL) && atomic_load_explicit(&((tl_tensor *)(uintptr_t)t)->epoch, memory_order_acquire) !=
                                            atomic_load_explicit(&t->base->epoch, memory_order_relaxed);
}
static inline bool needs_grad(const tl_tensor *t)
{
    return (UNLIKELY(history_stale(t)) ? t->base : t)->grad_fn != NULL || (t->flags & T_REQUIRES_GRAD);
}
static inline void tensor_keep(tl_tensor *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}
/** The last handle is gone: what hangs on handles (history, gradient, hooks, base) goes at once, the values when no node holds them. */
void tensor_destroy(tl_tensor *t);
/** Keep the values, not the history: what nodes do with the tensors that they save, whose history they have as edges. So a node that
 *  becomes part of the history of what it saved, by a write in place, forms no cycle. */
static inline void tensor_hold(tl_tensor *t)
{
    atomic_fetch_add_explicit(&t->holds, 1, memory_order_relaxed);
}
void tensor_unhold(tl_tensor *t);
/** A reference to a held tensor; false if its last handle is gone. */
bool tensor_revive(tl_tensor *t);
static inline void tensor_release(tl_tensor *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        tensor_destroy(t);
}
/** A tensor over t's storage (strides and offset are the storage's), checked against its size; not recorded, no view of t. What
 *  the view functions of ops build with. */
tl_tensor *strided_over(tl_tensor *t, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset);
/** Hand one reference to the current scope. false (and the reference dropped) if out of memory. */
bool scope_own(tl_tensor *t);

tl_status tensor_canonical_slowly(tl_tensor *t);
/** Canonical bytes ready (allocated, up to date)? Does the reorder if need be. */
static inline tl_status tensor_canonical(tl_tensor *t)
{
    return LIKELY(!storage_native(t->storage) && t->storage->canonical_made) ? TL_OK : tensor_canonical_slowly(t);
}
/** The bytes are about to be written: canonical form is brought up, native form dropped, version bumped. */
tl_status tensor_written(tl_tensor *t);
/** The same by the host, at once: not possible for what is only recorded. */
tl_status tensor_written_by_host(const char *who, tl_tensor *t);
/** The valid native form of exactly this view of the storage: a hold, for native_release(); NULL if there is none. */
struct native *tensor_native(tl_tensor *t);
/** Bring t into `layout` (of `bytes` bytes) of `owner`, keep that form with the storage, and hold it. NULL and an error. */
struct native *tensor_make_native(tl_tensor *t, uint32_t layout, const struct tl_device *owner, size_t bytes);
/** t is about to be produced in the layout of `v`: allocate it as the only valid form. */
tl_status tensor_adopt_native(tl_tensor *t, const struct tl_view *v, const struct tl_device *owner, size_t bytes, struct tl_view *made);
/** Copy between layouts of one shape and dtype; by the owner of the private one, if there is one. */
tl_status reorder_views(device *d, const struct tl_device *owner, const struct tl_view *from, const struct tl_view *to);
/** Whose the layout is, where a kernel of `d` named it: NULL for those that everybody knows. */
static inline const struct tl_device *layout_owner(uint32_t layout, const struct tl_device *d)
{
    return layout >= TL_LAYOUT_PRIVATE ? d : NULL;
}
void channels_last_strides(int ndim, const int64_t *shape, int64_t *strides);
/** Describe t in its canonical form. Its bytes need not be there yet. */
void tensor_view(const tl_tensor *t, struct tl_view *v);
/** The same without memory: for questions that are asked before it is there. */
void tensor_describe(const tl_tensor *t, struct tl_view *v);
static inline struct tl_mem tensor_mem(const tl_tensor *t)
{
    struct tl_mem m = t->storage->mem;
    m.offset += (uint64_t)t->offset * tl_dtype_size((tl_dtype)t->dtype);
    return m;
}

/* ---- Op registry and dispatch (ops/) ------------------------------------------------------------------------------ */

/** What a pointwise op is made of. */
struct pointwise {
    const char *expression;
    const char *gradient[3]; /**< texts; "none" or NULL: no gradient */
    unsigned uses[3];        /**< operands of each */
    tl_tensor *(*differentiable[3])(tl_tensor *g, tl_tensor *a, tl_tensor *b, tl_tensor *c, tl_tensor *y, tl_tensor *p,
                                    tl_tensor *q);
    int rule; /**< RULE_… */
    struct op_entry *kernel[3]; /**< the fused gradient ops */
};
enum { RULE_SAME, RULE_ARITH, RULE_FLOAT, RULE_COND, RULE_TEST, RULE_GRADIENT };

struct op_entry {
    const tl_op *op;
    int id;
    int kernel_id; /**< id of the op whose kernels run it */
    const char *kernel_name;
    const char *grad_name;
    struct pointwise *pointwise;
    int batched_rank; /**< as in tl_op; 0 and NULL where that is too old to have them */
    int64_t (*multiply_adds)(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out);
};

struct op_entry *op_entry_of(const tl_op *op);
struct op_entry *op_entry_named(const char *name);
struct op_entry *op_entry_at(int id);
void registry_init(void); /**< registers the core's ops; idempotent, thread-safe */
tl_status op_register_entry(const tl_op *op, struct pointwise *pw, struct op_entry **entry);
tl_status pointwise_register_all(void);
void registry_shutdown(void);
void plan_cache_shutdown(void);
void launch_shutdown(void);

/** A residual on its way from a forward to its gradient. */
struct residual {
    const char *maker;
    size_t size;
    storage *storage;
};

/** Run a checked call on tensors of one device: kernels, widening, decomposition, fallback. `out[i]` is given (the place to
 *  write) or NULL (made here). Nothing is recorded. */
tl_status compute(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, tl_tensor **out,
                  struct residual *residual, bool want_residual);
/** The same where an operand, or the device d, has no values: what there is to do is to make outputs without values. */
tl_status compute_valueless(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, device *d,
                            tl_tensor **out);
static inline bool any_valueless(tl_tensor *const *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (UNLIKELY(in[i]->storage->valueless))
            return true;
    return false;
}
tl_status pointwise_compute(struct op_entry *e, const struct tl_pointwise_attrs *attrs, tl_tensor *const *in, int n_in, tl_dtype out_dtype,
                            tl_tensor **out);
/** The shape that n operands have together; an error that names `name` if they do not go together. */
tl_status pointwise_broadcast(const char *name, tl_tensor *const *in, int n, int *ndim, int64_t *shape);
tl_status dispatch(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **out,
                   struct residual *residual);
tl_tensor *pointwise_call(struct op_entry *e, tl_tensor *const *in, int n_in, double p, double q, tl_tensor *into);
/** May t be written in place now? Reports why not: a leaf that needs a gradient, a view of one, a view made while nothing was recorded,
 *  an expanded tensor. */
bool inplace_allowed(const char *op, tl_tensor *t, bool recording);
/** One attribute of an op's struct: n whole numbers, or a number, or a dtype (ops/attributes.c). */
struct attribute {
    tl_attr_kind kind;
    int n;
    int64_t v[TL_MAX_DIMS];
    double number;
    tl_dtype dtype;
};
void attribute_read(const struct tl_attr_field *field, const void *attrs, struct attribute *a);

/** TELAR_CHECK=reference: repeat a call on the reference backend and compare (ops/check.c). */
enum { CHECK_REFERENCE = 1, CHECK_MEMORY = 2 };
extern atomic_int check_modes; /**< what TELAR_CHECK asks for; -1 until it was read */
int check_modes_read(void);
static inline bool check_wanted(int mode)
{
    int modes = atomic_load_explicit(&check_modes, memory_order_relaxed);
    return ((LIKELY(modes >= 0) ? modes : check_modes_read()) & mode) != 0;
}
static inline bool check_reference_on(void)
{
    return check_wanted(CHECK_REFERENCE);
}
tl_status check_against_reference(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor *const *out);
struct op_entry *grad_entry(struct tl_grad_ctx *g);
/** Copy between any two tensors of one shape, converting; also between devices. Nothing recorded. */
tl_status copy_values(tl_tensor *from, tl_tensor *to);
/** The dtype that PyTorch gives to an expression of these (ops/promote.c). */
tl_dtype result_dtype(tl_tensor *const *in, int n);
/** Of one dtype, on one device, no plain numbers among them (and floating)? Then there is nothing to promote. */
static inline bool operands_agree(tl_tensor *const *in, int n, bool floating)
{
    for (int i = 0; i < n; i++)
        if (in[i]->dtype != in[0]->dtype || (in[i]->flags & T_WRAPPED) || in[i]->storage->device != in[0]->storage->device)
            return false;
    return !floating || n == 0 || tl_dtype_is_float((tl_dtype)in[0]->dtype);
}
/** Bring operands to their common dtype and device; integers to f32 if `floating`. */
tl_status promote_operands(const char *op, tl_tensor *const *in, int n, bool floating, tl_tensor **to);
/** The same to a given dtype; those before `first` to bool. */
tl_status operands_as(const char *op, tl_tensor *const *in, int n, tl_dtype dtype, int first, tl_tensor **to);
/** 0 bool, 1 integers, 2 floating: what is written in place must not be of a higher one than the tensor. */
int dtype_category(tl_dtype t);
/** For the ledger: what became of a call that no kernel took, and the last one's reason. */
void fallback_note(const char *op, const char *where, const char *how, const char *why, uint64_t bytes);
/** The thread's error set aside, and put back, around what is not the caller's business. */
/** Errors that this thread has set so far: has one come in between? */
extern HOT_TLS unsigned error_count;
void error_take(struct tl_error *to);
void error_put(const struct tl_error *from);

/* ---- Recording (program/record.c) ------------------------------------------------------------------------------------ */

/** What this thread records into; NULL: nothing, which is what eager code has. */
struct recorder;
extern HOT_TLS struct recorder *program_recorder;
/** In place of running it: a call of e on d, whose outputs are given or made, as for compute(). */
tl_status record_op(struct op_entry *e, device *d, const void *attrs, tl_tensor *const *in, int n_in, const struct tl_meta *meta, int n_out,
                    tl_tensor **out, struct residual *residual, bool want_residual);
tl_status record_copy(tl_tensor *from, tl_tensor *to);
/** Another tensor is made over t's storage: a tensor from outside is known by the handle that the function has, not by this one. */
tl_status record_handle(tl_tensor *t);
tl_status record_fill(tl_tensor *t, const struct tl_fill_attrs *attrs);
/** The host is about to read t: an error that names the op, if the program will have written it by then. */
tl_status record_read(const tl_tensor *t);
/** leaf->grad is about to be set or taken away, or (`read`) looked at or added to. */
tl_status record_gradient(tl_tensor *leaf, bool read);
/** The op whose result s is, or what else it is, for messages; NULL: it belongs to no recording of this thread. */
const char *recording_made_by(const storage *s);
uint32_t recording_id(void);
/** Is a recording on in this thread, if only interrupted? */
bool recording_anywhere(void);

/* ---- Autograd (autograd/) ------------------------------------------------------------------------------------------ */

struct hook {
    struct hook *next;
    tl_grad_hook fn;
    void *ctx;
    int output_nr;
};

struct saved {
    tl_tensor *tensor; /**< an input: held; an output: a reference to a face of its own. NULL: not saved */
    uint64_t version;
};

/** Of a node that wrote through a view: its output is the whole base, its op's result only a region of it. */
struct region {
    int self; /**< the edge that leads to the base's history before the write */
    bool plain; /**< the base is contiguous, and the region lies in it */
    struct tl_meta base;
    struct tl_strided_attrs from, to; /**< the base's elements and the region's, counted from the lower of the two first ones */
    int64_t extent; /**< elements from there to the last one of both */
};

struct edge {
    tl_node *node; /**< a reference; NULL: no gradient wanted */
    int nr;
};

struct tl_node {
    atomic_int refs;
    int n_in, n_out;
    bool released;
    size_t size; /**< of this block */
    uint64_t sequence;
    struct op_entry *entry; /**< NULL: AccumulateGrad */
    device *device;         /**< of its outputs */
    tl_tensor *variable;    /**< AccumulateGrad: the leaf, a reference */
    void *attrs;
    struct edge *next;      /**< n_in */
    struct saved *in, *out; /**< n_in, n_out */
    struct tl_meta *in_meta, *out_meta;
    struct residual residual;
    struct hook *hooks;
    struct region *region;  /**< NULL: an ordinary node */
    tl_tensor **retain; /**< n_out weak references, or NULL */
};

/** Record a call whose outputs are made: sets their grad_fn. `into`: what was written in place, or NULL; `values`: what to save as the
 *  inputs' values where a write has replaced them, or NULL. */
tl_status record(struct op_entry *e, const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out, const struct tl_meta *out_meta,
                 struct residual *residual, tl_tensor *const *into, tl_tensor *const *values);
/** Before a call that writes `into` and will be recorded: values[i] is in[i], or a copy if its gradient needs it and it is about to be
 *  overwritten. */
tl_status keep_overwritten(const struct op_entry *e, tl_tensor *const *in, int n_in, tl_tensor *const *into, tl_tensor **values);
void node_release(tl_node *n);
void node_keep(tl_node *n);
/** A node of e, with outputs on d, with room for its edges, metas and attributes, all empty. One reference; NULL and an error. */
tl_node *node_new(struct op_entry *e, device *d, int n_in, int n_out, bool metas);
/** Lead edge i of n to what t was made by. */
tl_status node_connect(tl_node *n, int i, tl_tensor *t);
/** All edges are there: give n its place in the order of recording, after everything that they lead to. */
void node_number(tl_node *n);
/** The AccumulateGrad node of a leaf; a new reference. */
tl_node *accumulator_of(tl_tensor *leaf);
void hooks_free(struct hook *h);

/* Histories (autograd/history.c). */

/** What made t, bringing a view up to date with its base: borrowed; NULL: nothing, or an error. */
tl_node *history_update(tl_tensor *t);
static inline tl_node *history_of(tl_tensor *t)
{
    return UNLIKELY(history_stale(t)) ? history_update(t) : t->grad_fn;
}
/** t is output nr of n from now on (n NULL: a leaf). Takes a reference of its own. */
tl_status history_set(tl_tensor *t, tl_node *n, int nr);
/** The same for a tensor that was written in place: through a view, it is the base that n made. */
tl_status history_rewrite(tl_tensor *t, tl_node *n, int nr);
/** A node that says how v was taken from its base (a: as attributes of as_strided), not yet connected; NULL and an error. */
tl_node *view_node(const struct tl_strided_attrs *a, const struct tl_meta *base, const tl_tensor *v);
/** v is a view of t: remember whose, and whether that was recorded. */
void history_view(tl_tensor *v, tl_tensor *t);
/** v is a tensor of its own after all. */
void history_forget_base(tl_tensor *v);

/* Writing through views (autograd/region.c). */

/** Make n, a node that writes v, one that writes v's base: edge `self` leads to the base's history. */
tl_status region_attach(tl_node *n, tl_tensor *v, int self);
/** The node of v, the view that n wrote, as one of the base at the end of an edge; NULL and an error. */
tl_node *region_view(const tl_node *n, const tl_tensor *v, struct edge base);
/** Two sets of places in one storage, described in a buffer that has both. */
void region_describe(struct region *r, tl_dtype dtype, const struct tl_strided_attrs *from, const struct tl_strided_attrs *to);
/** Where t's elements lie; and, as attributes of as_strided, where y's lie that is to be seen as made from x. */
struct tl_strided_attrs strided_places(const tl_tensor *t);
struct tl_strided_attrs strided_between(const tl_tensor *x, const tl_tensor *y);
/** The part of the base's gradient that arrives at the op's own output. */
tl_tensor *region_slice(const struct region *r, tl_tensor *whole);
/** The gradient of the base before the write: the arriving one, with the region's part replaced (NULL: by zeros). */
tl_tensor *region_replace(const struct region *r, tl_tensor *whole, tl_tensor *part);
bool any_needs_grad(tl_tensor *const *t, int n);
extern HOT_TLS bool grad_mode_off;

/* ---- Process-wide --------------------------------------------------------------------------------------------------- */

extern atomic_int process_forked;  /**< set in the child of a fork */
extern atomic_int process_math;
/** Is this the child of a fork? Then `who` reports that nothing can be done here. */
bool fail_forked(const char *who);
static inline bool forked(const char *who)
{
    return UNLIKELY(atomic_load_explicit(&process_forked, memory_order_relaxed)) && fail_forked(who);
}
/** Environment variable, or NULL; ignored in set-user-id programs if `path`. */
const char *env_get(const char *name, bool path);
/* Warn of what TELAR_LOG says and nobody understands. */
void log_check_setting(void);
void process_init(void);

#endif
