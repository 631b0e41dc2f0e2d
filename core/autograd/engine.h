/* SPDX-License-Identifier: Apache-2.0
 *
 * One backward pass: what its files tell each other.
 */
#ifndef TELAR_CORE_ENGINE_H
#define TELAR_CORE_ENGINE_H

#include "core/internal.h"

/* One node on the way: how many of its users are still to come, and what has arrived at its outputs. */
struct task {
    tl_node *node;
    tl_tensor **arrived; /* n_out references */
    int waiting;
    bool wanted; /* on the way to something that is asked for */
    bool needed; /* and not only asked for itself: its gradient function has to run */
};

struct capture {
    tl_node *node;
    int nr;
    tl_tensor *gradient; /* a reference */
};

/* A gradient that waits for the end, and how it will be joined with what the leaf has. */
struct staged {
    tl_tensor *leaf, *gradient; /* references */
    enum { REPLACE, ADD, COPY } how;
};

struct engine {
    struct task *tasks;
    size_t n_tasks, capacity;
    uint32_t *table; /* open hash: node address → task + 1 */
    size_t table_size;
    uint32_t *heap;
    size_t n_heap;
    struct capture *captures;
    int n_captures;
    struct staged *staged;
    size_t n_staged, staged_capacity;
    bool to_leaves, retain, create;
};

struct tl_grad_ctx {
    struct engine *engine;
    tl_node *node;
    tl_tensor **arrived; /* n_out, borrowed */
    tl_tensor **set;     /* n_in, scope-owned */
};

/* ---- The pass (engine.c) ------------------------------------------------------------------------------------------ */

/** The task of a node on the way; NULL if it is not. */
struct task *task_find(const struct engine *e, const tl_node *n);
/** Index of a node's task, making it if need be; SIZE_MAX and an error. */
size_t task_add(struct engine *e, tl_node *n, bool *fresh);
/** Add g (borrowed) to a slot that holds a reference. */
tl_status add_gradient(tl_tensor **slot, tl_tensor *g);
/** From the tasks that were added, with what arrived there, through all that they reach. */
tl_status engine_sweep(struct engine *e);
void engine_finish(struct engine *e);

/* ---- The end (commit.c) ------------------------------------------------------------------------------------------- */

/** Keep a leaf's gradient for the end. */
tl_status engine_stage(struct engine *e, tl_tensor *leaf, tl_tensor *g);
/** Add all that were kept to their leaves'. A failure changes none. */
tl_status engine_commit(struct engine *e);

#endif
