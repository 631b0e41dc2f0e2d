/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that turn nodes into steps tell each other.
 */
#ifndef TELAR_CORE_LOWERING_H
#define TELAR_CORE_LOWERING_H

#include "core/program/program.h"

/* In which forms the values are at this point of the program. */
struct form {
    bool canonical; /* the row-major form is valid */
    int canonical_buffer; /* -1: none yet, or not the program's memory */
    int native;     /* the buffer of the other form; -1: none that is valid */
    struct tl_view view; /* of that one, without memory */
    const struct tl_device *owner;
    int64_t offset, strides[TL_MAX_DIMS]; /* of the region that it stands for */
    bool constant;
    const char *maker; /* of a residual */
    size_t size;
    int residual; /* its buffer; -1 */
};

struct lowering {
    struct program *p;
    struct form *forms;
    size_t n_forms;
    const struct node *node;
    bool constant; /* is what it makes the same at each run? */
    bool hoist;    /* are there constant steps at all? */
    size_t first_reference; /* of the step that is being made */
    struct recorder recorder;
};

/* A node on its way to a step. */
struct call {
    const struct node *node;
    struct frame f;
    struct tl_call call;
    struct tl_residual residual;
    struct plan *plan;
    struct operand *in; /* as they are brought: dense copies in place of strided ones */
    struct tl_view *views;
    tl_tensor **tensors;
    bool taken; /* by a kernel */
};

tl_status lowering_no_memory(void);

/* ---- Forms of values, buffers, and the steps that bring one into the other (forms.c) -------------------------------------------- */

/** The forms of a value; values are added while nodes are lowered. NULL: out of memory, not reported. */
struct form *form_of(struct lowering *l, int value);
/** The number of a new buffer; -1 and an error. */
int buffer_add(struct lowering *l, device *d, size_t bytes, int value, uint32_t layout);
/** Is the value's memory in the arena? That of the others is somebody else's. */
bool in_arena(const struct lowering *l, int value);
/** `to` will have the address of the value's row-major form, offset bytes into it; or of a buffer. The step being made uses it. */
bool refer_canonical(struct lowering *l, struct tl_mem *to, int value, uint64_t offset);
bool refer_buffer(struct lowering *l, struct tl_mem *to, int buffer);
uint64_t byte_offset(const struct operand *o);
/** The next step, which becomes one with step_done(): until then its number is p->n_steps. NULL and an error. */
struct step *step_begin(struct lowering *l, enum step_kind kind, device *d, int n_in, int n_out);
void step_done(struct lowering *l, bool constant);
/** Does the value stay what it is from run to run? Is what the node makes the same at each run? Then note so. */
bool is_constant(struct lowering *l, int value);
bool node_is_constant(struct lowering *l, const struct node *n);
void mark_constant(struct lowering *l, const struct node *n);
void describe_operand(const struct operand *o, struct tl_view *v);
/** Is the other form of o's value one of exactly this region? And channels-last? */
bool native_fits(const struct form *f, const struct operand *o);
bool channels_last(struct lowering *l, const struct operand *o);
/** The row-major bytes of a value are needed, and its valid form is another one; a dense copy of a region, as an operand of a new value; the
 *  region in another layout, made now and kept with the value. */
tl_status make_canonical(struct lowering *l, int value);
tl_status make_dense(struct lowering *l, const struct operand *o, struct operand *dense);
tl_status make_native(struct lowering *l, const struct operand *o, const struct bound_kernel *b, uint32_t want);
tl_status layout_bytes(const struct bound_kernel *b, uint32_t layout, const struct tl_view *view, size_t *bytes);

/* ---- Calls of kernels (lower_call.c, lower_pointwise.c) --------------------------------------------------------------------------- */

/** The node as a kernel's call, or as what an eager call does without one. One with an epilogue that no kernel takes is left alone: see
 *  c->taken. */
tl_status lower_call(struct lowering *l, const struct node *n, struct call *c);
tl_status lower_pointwise(struct lowering *l, const struct node *n, struct call *c);
/** No kernel takes it: what an eager call does then, recorded as nodes, in its place. */
tl_status lower_otherwise(struct lowering *l, struct call *c, const char *why);
/** A value was written: what other form there was is none of it any more. */
void written(struct lowering *l, int value);
/** The step made o, a whole value, in another form than row-major: in a buffer, as the view says. */
void made_native(struct lowering *l, const struct operand *o, int buffer, const struct tl_view *view, const struct tl_device *owner);
/** A value beside, for output i; and a copy of it, once it is computed, to where the output belongs. */
tl_status make_beside(struct lowering *l, const struct node *n, int i, struct operand *beside);
tl_status put_aside(struct lowering *l, const struct operand *from, const struct operand *to);
/** Whose kernel would take the call alone (NULL: nobody's, or it has no epilogue); may b be offered it as it is? */
const struct tl_backend *backend_alone(const struct bound_kernel *b, const struct tl_call *call);
bool takes_epilogue(const struct bound_kernel *b, const struct tl_backend *alone, const struct tl_call *call);

/* ---- All nodes (lower.c) ------------------------------------------------------------------------------------------------------------ */

tl_status lower_node(struct lowering *l, const struct node *n);
void step_free(struct step *s);

#endif
