/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder tell each other. A recording goes through three forms:
 *
 *   nodes     calls of ops as they were recorded, in order, between values. A value is a storage: views of it are operands, so a write
 *             through a view needs nothing special, as long as the order of nodes stays.
 *   steps     calls of kernels, with what lies between them: reorders, copies, calls of the host (lower.c)
 *   memory    one arena for the buffers that steps share (memory_plan.c)
 */
#ifndef TELAR_CORE_PROGRAM_H
#define TELAR_CORE_PROGRAM_H

#include <telar/program.h>

#include "core/run/launch.h"
#include "core/run/run.h"

enum { MAX_ENDS = 64 }; /* inputs, outputs */

/* ---- Values and nodes (record.c) ------------------------------------------------------------------------------------ */

enum value_kind {
    VALUE_INPUT,    /**< of the program; its memory is the caller's, and another one at each run */
    VALUE_CAPTURED, /**< a tensor from outside */
    VALUE_LOCAL,    /**< made by a node; memory of the program's */
    VALUE_OUTPUT,   /**< made by a node, and handed out */
    VALUE_KEPT,     /**< made by a node, and held by somebody outside (a gradient): memory of its own for as long as the program lives */
    VALUE_RESIDUAL  /**< what a kernel leaves for its gradient: of no shape, sized by the kernel */
};

/** A tensor as a node sees it: a region of a value. */
struct operand {
    int value; /**< -1: absent */
    tl_dtype dtype;
    int ndim;
    int64_t shape[TL_MAX_DIMS], strides[TL_MAX_DIMS], offset;
};

struct value {
    storage *storage; /**< a reference */
    enum value_kind kind;
    int end;           /**< of an input or output: which */
    tl_tensor *handle; /**< of a captured one: through which tensor; held, so that its end shows. NULL for constants made while recording */
    struct operand *was; /**< the handle, as it was when it was captured */
    bool wants_grad;     /**< so did it then */
    struct op_entry *made_by; /**< NULL: a call of the host, or nobody */
    int writes;        /**< nodes that write it */
};

struct node {
    struct op_entry *entry; /**< NULL: a call of the host */
    int n_in, n_out;
    struct operand *in, *out;
    uint32_t fresh; /**< bit i: output i is a whole value that this node makes, not one that was there */
    bool want_residual;
    int residual_in, residual_out; /**< values; -1: none */
    void *attrs;
    size_t attrs_size;
    struct tl_meta meta[8]; /**< of the outputs */

    struct tl_epilogue *epilogue; /**< what output 0 goes through; its operands are at the end of in[] */
    int n_epilogue;
    struct node **parts; /**< of a group (fuse.c): nodes, each of the last one's output; owned. The group has no operands of its own */
    int n_parts;

    const char *name; /**< of the rest: a call of the host */
    tl_program_call call;
    void *ctx;
    void (*release)(void *ctx);
};

struct node_list {
    struct node **v;
    size_t n, capacity;
};

/** A leaf whose gradient the function looked at, set, added to or took away. */
struct grad_effect {
    tl_tensor *leaf;            /**< held */
    tl_tensor *before, *after;  /**< references; NULL: no gradient */
    bool read; /**< what was there before counts: with another one, what was recorded is not what would happen */
};

struct graph {
    struct value *values;
    size_t n_values, value_capacity;
    struct node_list nodes;
    struct node_list recorded; /**< copies of them, as they were before the passes: for printing */
    int n_in, n_out;
    struct operand in[MAX_ENDS], out[MAX_ENDS];
    struct grad_effect *grads;
    size_t n_grads;
};

/** What a thread is recording into. */
struct recorder {
    struct graph *graph;
    struct node_list *to;
    uint32_t id; /**< as in storage.made_in; never 0 */
    struct place {
        const storage *storage;
        int value;
    } *table;
    size_t table_size; /**< a power of two */
};

/** Strides of an input as a recording knows it: those of sizes of 1 say nothing, if all lies densely. */
static inline void program_strides(const tl_tensor *t, int64_t *strides)
{
    if (t->flags & T_CONTIGUOUS)
        contiguous_strides(t->ndim, t->shape, strides);
    else
        memcpy(strides, t->strides, (size_t)t->ndim * sizeof *strides);
}

/** Was the last handle of a tensor that is held released? */
static inline bool tensor_ended(const tl_tensor *t)
{
    return atomic_load_explicit(&((tl_tensor *)(uintptr_t)t)->refs, memory_order_relaxed) == 0;
}

/** Bytes from t's first element to the end of its last. */
static inline size_t tensor_extent(const tl_tensor *t)
{
    size_t last = 0;
    for (int d = 0; d < t->ndim; d++)
        last += (size_t)(t->shape[d] - 1) * (size_t)t->strides[d]; /* within its storage: it cannot overflow */
    return t->numel ? (last + 1) * tl_dtype_size((tl_dtype)t->dtype) : 0;
}

/** Call fn on placeholders like in[] and record what it does. NULL and an error. */
struct graph *record_function(tl_program_fn fn, void *ctx, tl_tensor *const *in, int n_in, int n_out);
void graph_free(struct graph *g);
/** While nodes become steps, some become other nodes first: record into `to`, in the graph that there is. */
tl_status recorder_open(struct recorder *r, struct graph *g, struct node_list *to);
void recorder_close(struct recorder *r);
/** A new tensor that is recorded becomes a value of the program; -1 and an error. */
int recorder_value(struct recorder *r, tl_tensor *t);
/** t as an operand of nodes; a tensor that is none of the program's is captured. */
tl_status recorder_operand(struct recorder *r, tl_tensor *t, struct operand *o);
/** An empty node; NULL and an error. Its attributes are copied. */
struct node *node_make(int n_in, int n_out, const void *attrs, size_t attrs_size);
void node_free(struct node *n);
tl_status node_append(struct node_list *list, struct node *n);
/** Are these, of one value, the same elements in the same order? */
bool operand_same_region(const struct operand *a, const struct operand *b);
/** An operand as a tensor of the current scope, over its value's storage. */
tl_tensor *operand_tensor(const struct graph *g, const struct operand *o);
/** The name of what a node calls. */
static inline const char *node_name(const struct node *n)
{
    return n->entry ? n->entry->op->name : n->name;
}

/* ---- Passes (passes.c) ---------------------------------------------------------------------------------------------------- */

/** All passes that TELAR_PASSES leaves on. */
tl_status graph_optimize(struct graph *g);
/** Is this one on? */
bool pass_enabled(const char *name);
/** Take out nodes whose results nobody needs (dead.c). */
tl_status pass_dead(struct graph *g);
/** Fold normalisations into convolutions (fold.c). */
tl_status pass_fold(struct graph *g);
/** Make groups of nodes that one kernel may do (fuse.c). */
tl_status pass_fuse(struct graph *g);
/** The first n_parts of a group as one call, with an epilogue; owned by the caller. NULL and an error. */
struct node *group_call(const struct node *group, int n_parts);

/* ---- Steps (lower.c) ---------------------------------------------------------------------------------------------------- */

/** Memory that steps share. */
struct buffer {
    device *device;
    size_t bytes;
    int value; /**< whose canonical form it is; -1: a native form, a workspace, … */
    int first, last; /**< steps that use it; first -1: none */
    int same_as;   /**< the buffer whose memory this one takes over; -1: none */
    bool outside;  /**< steps that are no constant ones use it */
    bool lasting;  /**< not in the arena: made by a constant step, for such ones */
    uint32_t layout;
    struct tl_mem mem;
    size_t offset, capacity;
};

/** A place that is told an address when it is known. */
struct reference {
    struct tl_mem *to;
    int value, buffer; /**< one of them is -1 */
    uint64_t offset;   /**< bytes */
};

enum step_kind { STEP_KERNEL, STEP_REORDER, STEP_TRANSFER, STEP_CALL };

struct step {
    enum step_kind kind;
    bool constant;
    const struct node *node; /**< that it came from */
    device *device;
    struct bound_kernel kernel; /**< STEP_REORDER: its device and table, if the layout is private */
    struct plan *plan;          /**< held; NULL: none */
    struct tl_call call;
    struct tl_view *views; /**< inputs, then outputs */
    struct tl_residual residual;
    struct tl_mem workspace;
    tl_tensor **operands; /**< STEP_CALL and STEP_TRANSFER: inputs, then outputs; references */
    int over_in, over_out; /**< buffers: the output may be written over that input; -1: no */
};

struct program { /* a recording, ready to run */
    struct graph *graph;
    struct step **steps;
    size_t n_steps, step_capacity;
    struct step *pending; /**< one that is not finished */
    struct buffer *buffers;
    size_t n_buffers, buffer_capacity;
    struct reference *references;
    size_t n_references, reference_capacity;
    struct node_list lowered; /**< nodes made while lowering; owned */
    size_t n_constant;
    struct source { /**< a tensor that constant steps read */
        int value;
        uint64_t version;
    } *sources;
    size_t n_sources;
    bool constants_made;
    struct tl_mem arena;
    size_t arena_bytes, arena_capacity;
    device *device; /**< of the arena */
    size_t value_bytes;
};

/** Steps and memory for a graph, which is the program's from then on, also on failure. NULL and an error. */
struct program *program_lower(struct graph *g);
tl_status program_plan_memory(struct program *p);
void program_free(struct program *p);

/** All places that hold the address of a value's canonical form are told it. */
void program_place_value(struct program *p, int value, struct tl_mem mem);

/** Write it; format as for tl_program_print() (print.c). */
tl_status program_print(const struct program *p, FILE *to, unsigned format);

/** Do the tensors that the function used have the gradients, and want those, that they had and wanted when it was recorded (replay.c)? */
bool program_fits(const struct program *p);

/** Inputs are bound; run all steps (replay.c). */
tl_status program_replay(struct program *p, tl_tensor *const *in, tl_tensor **out);

#endif
