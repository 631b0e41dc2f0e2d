/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording as a picture: DOT, for graphviz. Boxes are nodes or steps with their numbers, arrows are what they make and others read. Tensors
 * from outside are named in the box of who reads them, since there may be hundreds; and so are results that were made far above: the arrows from
 * all layers to their gradients would cover everything else, and graphviz needs minutes to lay them.
 */
#include <stdlib.h>

#include "core/program/print.h"

/* One part of the picture. A place is a value, or beyond these a buffer of another form. */
struct picture {
    FILE *to;
    const struct graph *graph;
    char prefix;
    bool *same;   /* of a value: is it the same at each run? */
    int *made_at; /* of a place: which box wrote it last; BY_INPUT - i: input i; NOBODY */
    int alone;    /* nodes that read nothing of others, and that nobody reads: counters. They are not drawn */
    int *seen;    /* of a box, from 1 on: the last box that an arrow from it led to */
};
enum { NOBODY = -1, BY_INPUT = -2, FAR = 24, NAMED = 4, WEIGHTS = 2 };

static const char *colour(const char *op)
{
    static const struct {
        const char *begins, *colour;
    } colours[] = {
        {"conv", "#9ecae1"},  {"addmm", "#9ecae1"}, {"mm", "#9ecae1"},     {"matmul", "#9ecae1"},    {"rnn", "#9ecae1"},   {"batch_norm", "#c7e9c0"},
        {"layer_norm", "#c7e9c0"}, {"max_pool", "#dadaeb"}, {"avg_pool", "#dadaeb"}, {"adaptive", "#dadaeb"}, {"copy", "#eeeeee"}, {"fill", "#eeeeee"},
        {"reorder", "#eeeeee"}, {"cross_entropy", "#fcbba1"}, {"nll_loss", "#fcbba1"}, {"mse_loss", "#fcbba1"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strncmp(op, colours[i].begins, strlen(colours[i].begins)) == 0)
            return colours[i].colour;
    return "#ffffff";
}

/* Names may be anybody's. */
static void put(FILE *to, const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 32) {
            if (*text == '"' || *text == '\\')
                fputc('\\', to);
            fputc(*text, to);
        }
}

static void box_begin(const struct picture *p, size_t i, const char *op, bool host, bool once)
{
    fprintf(p->to, "    %c%zu [fillcolor=\"%s\"%s, label=\"%zu  ", p->prefix, i, host ? "#fdd0a2" : colour(op), once ? ", style=\"rounded,filled,dashed\"" : "", i);
    put(p->to, op);
}

static void box_end(const struct picture *p)
{
    fputs("\"];\n", p->to);
}

/* Was the place made so far above box i that no arrow leads from there? */
static bool is_far(const struct picture *p, int place, size_t i)
{
    int from = p->made_at[place];
    return from != NOBODY && (int)i - (from < 0 ? 0 : from) > FAR;
}

/* Then it is named in the box. */
static void put_far(const struct picture *p, int place, size_t i, int *count)
{
    int from = p->made_at[place];
    if (!is_far(p, place, i) || (*count)++ >= NAMED)
        return;
    fprintf(p->to, "%s%s%d", *count == 1 ? "\\nof " : ", ", from < 0 ? "input " : "", from < 0 ? BY_INPUT - from : from);
}

static void put_more(const struct picture *p, int count, int most)
{
    if (count > most)
        fprintf(p->to, ", and %d more", count - most);
}

/* An arrow from whoever made the place to box i, once for each pair. */
static void arrow(struct picture *p, int place, size_t i, const char *style)
{
    int from = p->made_at[place];
    if (from == NOBODY || from == (int)i || is_far(p, place, i))
        return;
    if (from <= BY_INPUT) {
        fprintf(p->to, "    %cin%d -> %c%zu;\n", p->prefix, BY_INPUT - from, p->prefix, i);
        return;
    }
    if (p->seen[from] == (int)i + 1)
        return;
    p->seen[from] = (int)i + 1;
    fprintf(p->to, "    %c%d -> %c%zu%s;\n", p->prefix, from, p->prefix, i, style);
}

static tl_status picture_open(struct picture *p, size_t places, size_t boxes, const char *title)
{
    p->made_at = malloc((places + 1) * sizeof *p->made_at);
    p->seen = calloc(boxes + 1, sizeof *p->seen);
    p->same = calloc(p->graph->n_values + 1, sizeof *p->same);
    if (!p->made_at || !p->seen || !p->same) {
        free(p->made_at);
        free(p->seen);
        free(p->same);
        return tl_fail(TL_ERR_NOMEM, "program_print: out of memory");
    }
    for (size_t i = 0; i < places; i++)
        p->made_at[i] = NOBODY;
    for (size_t i = 0; i < p->graph->n_values; i++)
        p->same[i] = p->graph->values[i].kind == VALUE_CAPTURED && p->graph->values[i].writes == 0;
    fprintf(p->to, "  subgraph cluster_%c {\n    label=\"%s\"; color=\"#bbbbbb\"; fontname=\"Helvetica\";\n", p->prefix, title);
    for (int i = 0; i < p->graph->n_in; i++) {
        const struct operand *o = &p->graph->in[i];
        char shape[120];
        print_shape(o->ndim, o->shape, shape, sizeof shape);
        fprintf(p->to, "    %cin%d [shape=ellipse, fillcolor=\"#ffffcc\", label=\"input %d\\n%s %s\"];\n", p->prefix, i, i, tl_dtype_name(o->dtype), shape);
        p->made_at[o->value] = BY_INPUT - i;
    }
    return TL_OK;
}

static void picture_close(struct picture *p)
{
    for (int i = 0; i < p->graph->n_out; i++) {
        int from = p->made_at[p->graph->out[i].value];
        fprintf(p->to, "    %cout%d [shape=ellipse, fillcolor=\"#ffffcc\", label=\"output %d\"];\n", p->prefix, i, i);
        if (from <= BY_INPUT)
            fprintf(p->to, "    %cin%d -> %cout%d;\n", p->prefix, BY_INPUT - from, p->prefix, i);
        else if (from != NOBODY)
            fprintf(p->to, "    %c%d -> %cout%d;\n", p->prefix, from, p->prefix, i);
    }
    if (p->alone)
        fprintf(p->to, "    %calone [shape=plaintext, fillcolor=\"#ffffff\", label=\"%d that stand alone\"];\n", p->prefix, p->alone);
    fputs("  }\n", p->to);
    free(p->made_at);
    free(p->seen);
    free(p->same);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------------------------ */

/* Does it give the same at each run? Such nodes are not drawn: they are weights that were brought into another form, mostly. */
static bool gives_same(struct picture *p, const struct node *n)
{
    bool same = n->entry && n->n_out > 0 && n->residual_out < 0;
    for (int k = 0; k < n->n_in && same; k++)
        same = n->in[k].value < 0 || p->same[n->in[k].value];
    for (int k = 0; k < n->n_out && same; k++)
        same = n->out[k].value < 0 || (p->graph->values[n->out[k].value].kind == VALUE_LOCAL && p->graph->values[n->out[k].value].writes == 1);
    for (int k = 0; k < n->n_out && same; k++)
        if (n->out[k].value >= 0)
            p->same[n->out[k].value] = true;
    return same;
}

/* Does it only change a tensor from outside, by others from outside? */
static bool stands_alone(const struct picture *p, const struct node *n)
{
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k].value >= 0 && p->made_at[n->in[k].value] != NOBODY)
            return false;
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k].value >= 0 && p->graph->values[n->out[k].value].kind != VALUE_CAPTURED)
            return false;
    return true;
}

/* Shapes of what it reads from outside: weights. */
static void put_weights(const struct picture *p, const struct node *n)
{
    int count = 0;
    char shape[120];
    for (int k = 0; k < n->n_in; k++) {
        const struct operand *o = &n->in[k];
        if (o->value < 0 || (p->graph->values[o->value].kind != VALUE_CAPTURED && !p->same[o->value]) || o->ndim == 0)
            continue;
        if (count++ >= WEIGHTS)
            continue;
        print_shape(o->ndim, o->shape, shape, sizeof shape);
        fprintf(p->to, "%s%s", count > 1 ? ", " : "\\n", shape);
    }
    put_more(p, count, WEIGHTS);
}

static void draw_node(struct picture *p, size_t i, const struct node *n, const char *op)
{
    char shape[120];
    int far = 0;
    box_begin(p, i, op, !n->entry, false);
    put_weights(p, n);
    if (n->entry && n->n_out && n->out[0].value >= 0) {
        print_shape(n->out[0].ndim, n->out[0].shape, shape, sizeof shape);
        fprintf(p->to, "\\n= %s%s%s", n->out[0].dtype == TL_F32 ? "" : tl_dtype_name(n->out[0].dtype), n->out[0].dtype == TL_F32 ? "" : " ", shape);
    }
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k].value >= 0)
            put_far(p, n->in[k].value, i, &far);
    put_more(p, far, NAMED);
    box_end(p);
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k].value >= 0)
            arrow(p, n->in[k].value, i, "");
    if (n->residual_in >= 0)
        arrow(p, n->residual_in, i, " [style=dashed, color=\"#999999\"]");
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k].value >= 0) {
            if (k >= 32 || !(n->fresh >> k & 1))
                arrow(p, n->out[k].value, i, " [style=dotted]"); /* it comes after who wrote before */
            p->made_at[n->out[k].value] = (int)i;
        }
    if (n->residual_out >= 0)
        p->made_at[n->residual_out] = (int)i;
}

static tl_status draw_nodes(const struct graph *g, const struct node_list *list, FILE *to, char prefix, const char *title)
{
    struct picture p = {.to = to, .graph = g, .prefix = prefix};
    tl_status s = picture_open(&p, g->n_values, list->n, title);
    if (s != TL_OK)
        return s;
    for (size_t i = 0; i < list->n && s == TL_OK; i++) {
        const struct node *n = list->v[i];
        struct node *whole = n->n_parts ? group_call(n, n->n_parts) : NULL;
        char op[200];
        if (n->n_parts && !whole) {
            s = tl_error_code();
            break;
        }
        print_op(n, op, sizeof op);
        bool same = gives_same(&p, whole ? whole : n), alone = !same && n->entry && stands_alone(&p, whole ? whole : n);
        p.alone += alone;
        if (!same && !alone)
            draw_node(&p, i, whole ? whole : n, op);
        node_free(whole);
    }
    picture_close(&p);
    return s;
}

/* ---- Steps ------------------------------------------------------------------------------------------------------------------------- */

static int place_of_site(const struct picture *p, struct site at)
{
    return at.buffer >= 0 ? (int)p->graph->n_values + at.buffer : at.value;
}

static void put_memory(const struct picture *p, const struct sites *s, struct site at)
{
    const struct buffer *b = site_buffer(s, at);
    char layout[32], bytes[32];
    if (!b)
        return;
    const struct buffer *root = buffer_root(s->program, b);
    print_layout(b->layout, layout, sizeof layout);
    print_bytes(b->bytes, bytes, sizeof bytes);
    fprintf(p->to, "\\n%s, %s", layout, bytes);
    if (!root->lasting)
        fprintf(p->to, " at %zu, steps %d-%d", root->offset, b->first, b->last);
}

static void draw_step(struct picture *p, const struct sites *s, size_t i)
{
    const struct step *step = s->program->steps[i];
    int n_in = step_inputs(step), n_out = step_outputs(step), far = 0;
    char op[200];
    print_step(step, op, sizeof op);
    box_begin(p, i, op, step->kind == STEP_CALL, step->constant);
    if (step->kind == STEP_KERNEL) {
        fputs("\\n", p->to);
        put(p->to, step->kernel.kernel->maker);
    }
    if (n_out)
        put_memory(p, s, step_site(s, step, n_in));
    for (int k = 0; k < n_in; k++) {
        int place = place_of_site(p, step_site(s, step, k));
        if (place >= 0)
            put_far(p, place, i, &far);
    }
    put_more(p, far, NAMED);
    box_end(p);
    for (int k = 0; k < n_in; k++) {
        int place = place_of_site(p, step_site(s, step, k));
        if (place >= 0)
            arrow(p, place, i, "");
    }
    for (int k = n_in; k < n_in + n_out; k++) {
        int place = place_of_site(p, step_site(s, step, k));
        if (place >= 0)
            p->made_at[place] = (int)i;
    }
    struct site residual = site_of(s, &step->residual.mem);
    if (residual.buffer >= 0) {
        int place = place_of_site(p, residual);
        if (p->made_at[place] != NOBODY)
            arrow(p, place, i, " [style=dashed, color=\"#999999\"]");
        else
            p->made_at[place] = (int)i;
    }
}

static tl_status draw_steps(const struct program *program, FILE *to)
{
    struct sites s;
    struct picture p = {.to = to, .graph = program->graph, .prefix = 's'};
    tl_status status = sites_open(&s, program);
    if (status != TL_OK)
        return status;
    status = picture_open(&p, program->graph->n_values + program->n_buffers, program->n_steps, "steps");
    if (status == TL_OK) {
        for (size_t i = 0; i < program->n_steps; i++)
            draw_step(&p, &s, i);
        picture_close(&p);
    }
    sites_close(&s);
    return status;
}

tl_status print_dot(const struct program *p, FILE *to, unsigned parts)
{
    const struct graph *g = p->graph;
    tl_status s = TL_OK;
    fputs("digraph program {\n"
          "  graph [nodesep=0.25, ranksep=0.3];\n"
          "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#666666\", fontname=\"Helvetica\", fontsize=10, height=0.3];\n"
          "  edge [color=\"#444444\", arrowsize=0.6];\n",
          to);
    if (parts & TL_PROGRAM_RECORDED)
        s = draw_nodes(g, &g->recorded, to, 'r', "as recorded");
    if (s == TL_OK && (parts & TL_PROGRAM_NODES))
        s = draw_nodes(g, &g->nodes, to, 'n', "after the passes");
    if (s == TL_OK && (parts & TL_PROGRAM_STEPS))
        s = draw_steps(p, to);
    fputs("}\n", to);
    return s;
}
