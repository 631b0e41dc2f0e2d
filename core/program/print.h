/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three forms of a printed program share: names of values, and nodes as they were at some time.
 */
#ifndef TELAR_CORE_PROGRAM_PRINT_H
#define TELAR_CORE_PROGRAM_PRINT_H

#include <stdio.h>

#include "core/program/program.h"

/** The name of a node's op, those of a group or of an epilogue joined: "conv2d + add + relu". */
void print_op(const struct node *n, char *text, size_t size);
/** "in0", "out0", "t4" (from outside), "c4" (a constant made inside), "g4" (kept), "r4" (residual), "%4". */
void print_value(const struct graph *g, int value, char *text, size_t size);
const char *print_kind(const struct graph *g, int value);
/** "2x3"; of a single number "1". */
void print_shape(int ndim, const int64_t *shape, char *text, size_t size);
/** "row-major", "channels-last", "strided", "private 17". */
void print_layout(uint32_t layout, char *text, size_t size);
/** "588.0 KiB". */
void print_bytes(size_t bytes, char *text, size_t size);
/** Does o reach over its value otherwise than as its rows come? */
bool print_strided(const struct operand *o);

/** Where a step's memory is: a value in its row-major form, a buffer of another form, or nothing (both -1). */
struct site {
    int value, buffer;
    uint64_t offset;
};
/** Which memory the steps use, found by the place of its address. */
struct sites {
    const struct program *program;
    const struct reference **sorted;
    int *value_of; /**< of a buffer that holds a native form: of which value */
    int *canonical; /**< of a value: its buffer; -1 */
};
tl_status sites_open(struct sites *s, const struct program *p);
void sites_close(struct sites *s);
struct site site_of(const struct sites *s, const struct tl_mem *place);
/** The buffer of a site, followed to the one whose memory it has; NULL: not the program's memory. */
const struct buffer *site_buffer(const struct sites *s, struct site at);
const struct buffer *buffer_root(const struct program *p, const struct buffer *b);
/** Name of the value at a site. */
void site_name(const struct sites *s, struct site at, char *text, size_t size);
/** "what" of a step: "conv2d + relu", "reorder". */
void print_step(const struct step *s, char *text, size_t size);
static inline int step_inputs(const struct step *s)
{
    return s->kind == STEP_CALL || s->kind == STEP_TRANSFER ? s->node->n_in : s->call.n_in;
}
static inline int step_outputs(const struct step *s)
{
    return s->kind == STEP_CALL || s->kind == STEP_TRANSFER ? s->node->n_out : s->call.n_out;
}
/** Operand i of a step, inputs before outputs. */
struct site step_site(const struct sites *s, const struct step *step, int i);

tl_status print_text(const struct program *p, FILE *to, unsigned parts);
tl_status print_dot(const struct program *p, FILE *to, unsigned parts);
tl_status print_json(const struct program *p, FILE *to, unsigned parts);

#endif
