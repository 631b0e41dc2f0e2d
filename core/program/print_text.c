/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording as text: tables whose columns are as wide as what they hold.
 */
#include <stdlib.h>

#include "core/program/print.h"

/* ---- Tables ------------------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 9, CELL = 160, LISTED = 6 };

struct table {
    int columns;
    const char *right; /* which are set to the right: 'r' at their places */
    char (*cells)[COLUMNS][CELL];
    size_t n, capacity;
    bool failed;
    char none[COLUMNS][CELL]; /* where a row goes that there is no memory for */
};

static char (*row_add(struct table *t))[CELL]
{
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        void *cells = realloc(t->cells, capacity * sizeof *t->cells);
        if (!cells) {
            t->failed = true;
            return t->none;
        }
        t->cells = cells;
        t->capacity = capacity;
    }
    memset(t->cells[t->n], 0, sizeof t->cells[t->n]);
    return t->cells[t->n++];
}

static tl_status table_print(struct table *t, FILE *to)
{
    int width[COLUMNS] = {0};
    for (size_t i = 0; i < t->n; i++)
        for (int c = 0; c < t->columns; c++)
            if ((int)strlen(t->cells[i][c]) > width[c])
                width[c] = (int)strlen(t->cells[i][c]);
    for (size_t i = 0; i < t->n; i++) {
        int last = t->columns - 1;
        while (last > 0 && !t->cells[i][last][0])
            last--;
        for (int c = 0; c <= last; c++)
            if (width[c]) /* a column that nobody uses takes no room */
                fprintf(to, "%s%*s", c ? "  " : "", t->right[c] == 'r' ? width[c] : c == last ? 0 : -width[c], t->cells[i][c]);
        fputc('\n', to);
    }
    free(t->cells);
    return t->failed ? tl_fail(TL_ERR_NOMEM, "program_print: out of memory") : TL_OK;
}

/* Add words to a cell; what does not fit ends in dots. */
static void say(char *cell, const char *format, ...) TL_PRINTF(2, 3);
static void say(char *cell, const char *format, ...)
{
    size_t used = strlen(cell);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(cell + used, CELL - used, format, args);
    va_end(args);
    if (n >= (int)(CELL - used))
        memcpy(cell + CELL - 4, "...", 4);
}

/* ---- Nodes --------------------------------------------------------------------------------------------------------------------- */

/* Is it what is taken where nothing is said? 0 mostly, and 1 of some. */
static bool is_default(const char *name, const struct attribute *a)
{
    static const char *const ones[] = {"stride", "dilation", "groups", "alpha", "beta"};
    int64_t expected = 0;
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        expected |= strcmp(name, ones[i]) == 0;
    if (a->kind == TL_ATTR_F64)
        return a->number == (double)expected;
    if (a->kind == TL_ATTR_DTYPE)
        return a->dtype == TL_DEFAULT;
    for (int i = 0; i < a->n; i++)
        if (a->v[i] != expected)
            return false;
    return true;
}

static void say_attributes(char *cell, const struct node *n)
{
    for (const struct tl_attr_field *f = n->entry && n->attrs ? n->entry->op->attrs : NULL; f && f->name; f++) {
        struct attribute a;
        char shape[120];
        attribute_read(f, n->attrs, &a);
        if (is_default(f->name, &a))
            continue;
        if (a.kind == TL_ATTR_F64)
            say(cell, " %s=%g", f->name, a.number);
        else if (a.kind == TL_ATTR_DTYPE)
            say(cell, " %s=%s", f->name, tl_dtype_name(a.dtype));
        else if (a.kind == TL_ATTR_BOOL)
            say(cell, " %s", f->name);
        else if (a.kind == TL_ATTR_I64 && a.v[0] == TL_END)
            say(cell, " %s=end", f->name);
        else {
            print_shape(a.n, a.v, shape, sizeof shape);
            say(cell, " %s=%s", f->name, shape);
        }
    }
}

/* Where a part of a value lies, or rows in another order: strides, and the first element. */
static void say_strides(char *cell, const struct operand *o)
{
    char strides[120];
    print_shape(o->ndim, o->strides, strides, sizeof strides);
    say(cell, " by %s", strides);
    if (o->offset)
        say(cell, " from %lld", (long long)o->offset);
}

/* With its shape where it is nobody's result, or seen otherwise than as it was made. */
static void say_operand(char *cell, const struct graph *g, const struct operand *o)
{
    char name[32], shape[120];
    print_value(g, o->value, name, sizeof name);
    say(cell, "%s%s", *cell ? ", " : "", name);
    if (o->value < 0)
        return;
    bool strided = print_strided(o), foreign = g->values[o->value].kind == VALUE_INPUT || g->values[o->value].kind == VALUE_CAPTURED;
    print_shape(o->ndim, o->shape, shape, sizeof shape);
    if (foreign)
        say(cell, " %s %s", tl_dtype_name(o->dtype), shape);
    else if (strided)
        say(cell, " as %s", shape);
    if (strided)
        say_strides(cell, o);
}

static void say_node(struct table *t, const struct graph *g, size_t i, const struct node *n, const char *op)
{
    char(*row)[CELL] = row_add(t), shape[120], name[32];
    say(row[0], "%zu", i);
    say(row[1], "%s", op);
    say_attributes(row[1], n->n_parts ? n->parts[0] : n);
    for (int k = 0; k < n->n_out && k < LISTED; k++) {
        const struct operand *o = &n->out[k];
        if (o->value < 0)
            continue;
        print_value(g, o->value, name, sizeof name);
        print_shape(o->ndim, o->shape, shape, sizeof shape);
        say(row[2], "%s%s", *row[2] ? ", " : "", name);
        if (print_strided(o))
            say_strides(row[2], o);
        if (k == 0 || (n->fresh >> k & 1)) /* what is written in place is read, too, and has its shape there */
            say(row[3], "%s%s %s", *row[3] ? ", " : "", tl_dtype_name(o->dtype), shape);
    }
    if (n->n_out > LISTED)
        say(row[2], ", and %d more", n->n_out - LISTED);
    for (int k = 0; k < n->n_in && k < LISTED; k++)
        say_operand(row[4], g, &n->in[k]);
    if (n->n_in > LISTED)
        say(row[4], ", and %d more", n->n_in - LISTED);
    if (n->residual_in >= 0)
        say(row[4], ", r%d", n->residual_in);
    if (n->residual_out >= 0)
        say(row[2], ", r%d", n->residual_out);
}

static tl_status print_nodes(const struct graph *g, const struct node_list *list, FILE *to)
{
    struct table t = {.columns = 5, .right = "r    "};
    char(*head)[CELL] = row_add(&t), op[CELL];
    static const char *const titles[] = {"node", "op", "result", "shape", "of"};
    for (int c = 0; c < t.columns; c++)
        say(head[c], "%s", titles[c]);
    for (size_t i = 0; i < list->n; i++) {
        const struct node *n = list->v[i];
        struct node *whole = n->n_parts ? group_call(n, n->n_parts) : NULL;
        if (n->n_parts && !whole) {
            free(t.cells);
            return tl_error_code();
        }
        print_op(n, op, sizeof op);
        say_node(&t, g, i, whole ? whole : n, op);
        node_free(whole);
    }
    return table_print(&t, to);
}

/* ---- Steps ---------------------------------------------------------------------------------------------------------------------- */

static void say_place(char *cell, const struct sites *s, struct site at, const struct buffer *b)
{
    const struct buffer *root = b ? buffer_root(s->program, b) : NULL;
    if (!root)
        say(cell, "%s", at.value >= 0 ? print_kind(s->program->graph, at.value) : "");
    else if (root->lasting)
        say(cell, "own");
    else
        say(cell, "%zu", root->offset);
}

static void say_step(struct table *t, const struct sites *s, size_t i)
{
    const struct step *step = s->program->steps[i];
    char(*row)[CELL] = row_add(t), text[CELL];
    int n_in = step_inputs(step), n_out = step_outputs(step);
    say(row[0], "%zu%s", i, step->constant ? "*" : " ");
    print_step(step, text, sizeof text);
    say(row[1], "%s", text);
    if (step->kind == STEP_KERNEL)
        say(row[2], "%s", step->kernel.kernel->maker);
    else if (step->kind == STEP_REORDER)
        say(row[2], "%s", step->kernel.backend);
    else
        say(row[2], "host");
    for (int k = 0; k < n_out && k < LISTED; k++) {
        struct site at = step_site(s, step, n_in + k);
        if (at.value < 0 && at.buffer < 0)
            continue;
        const struct buffer *b = site_buffer(s, at);
        site_name(s, at, text, sizeof text);
        say(row[3], "%s%s", *row[3] ? ", " : "", text);
        if (k > 0)
            continue; /* the first one's place, which mostly is the only one's */
        print_layout(b ? b->layout : TL_LAYOUT_CONTIGUOUS, text, sizeof text);
        say(row[4], "%s", text);
        int value = at.value;
        print_bytes(b ? b->bytes : value >= 0 ? s->program->graph->values[value].storage->bytes : 0, text, sizeof text);
        say(row[5], "%s", text);
        say_place(row[6], s, at, b);
        if (b)
            say(row[7], "%d-%d", b->first, b->last);
    }
    if (n_out > LISTED)
        say(row[3], ", and %d more", n_out - LISTED);
    for (int k = 0; k < n_in && k < LISTED; k++) {
        struct site at = step_site(s, step, k);
        if (at.value < 0 && at.buffer < 0)
            continue;
        site_name(s, at, text, sizeof text);
        say(row[8], "%s%s", *row[8] ? ", " : "", text);
    }
    if (n_in > LISTED)
        say(row[8], ", and %d more", n_in - LISTED);
}

static tl_status print_steps(const struct sites *s, FILE *to)
{
    struct table t = {.columns = 9, .right = "r    rr  "};
    char(*head)[CELL] = row_add(&t);
    static const char *const titles[] = {"step ", "op", "kernel", "result", "layout", "bytes", "place", "lives", "of"};
    for (int c = 0; c < t.columns; c++)
        say(head[c], "%s", titles[c]);
    for (size_t i = 0; i < s->program->n_steps; i++)
        say_step(&t, s, i);
    return table_print(&t, to);
}

/* ----------------------------------------------------------------------------------------------------------------------------------- */

static size_t constant_bytes(const struct program *p)
{
    size_t bytes = 0;
    for (size_t i = 0; i < p->n_buffers; i++)
        bytes += p->buffers[i].lasting && p->buffers[i].first >= 0 ? p->buffers[i].bytes : 0;
    return bytes;
}

tl_status print_text(const struct program *p, FILE *to, unsigned parts)
{
    char arena[32], results[32], constants[32];
    const struct graph *g = p->graph;
    tl_status s = TL_OK;
    print_bytes(p->arena_bytes, arena, sizeof arena);
    print_bytes(p->value_bytes, results, sizeof results);
    print_bytes(constant_bytes(p), constants, sizeof constants);
    fprintf(to, "inputs: %d, outputs: %d, nodes: %zu as recorded and %zu after the passes, steps: %zu at each run and %zu done once\n", g->n_in, g->n_out,
            g->recorded.n, g->nodes.n, p->n_steps - p->n_constant, p->n_constant);
    fprintf(to, "Results of %s share %s; what is done once takes %s.\n", results, arena, constants);
    fputs("in: input, out: output, t: tensor from outside, c: constant made inside, k: result that is kept, r: left for the gradient\n", to);
    if (parts & TL_PROGRAM_RECORDED) {
        fputs("\nAs recorded:\n", to);
        s = print_nodes(g, &g->recorded, to);
    }
    if (s == TL_OK && (parts & TL_PROGRAM_NODES)) {
        fputs("\nAfter the passes:\n", to);
        s = print_nodes(g, &g->nodes, to);
    }
    if (s == TL_OK && (parts & TL_PROGRAM_STEPS)) {
        struct sites sites;
        fputs("\nSteps (* is done once; place is the first byte in the shared memory; lives from step to step):\n", to);
        s = sites_open(&sites, p);
        if (s == TL_OK) {
            s = print_steps(&sites, to);
            sites_close(&sites);
        }
    }
    return s;
}
