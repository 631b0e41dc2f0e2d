/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording as one JSON object.
 */
#include <inttypes.h>
#include <math.h>

#include "core/program/print.h"

/* ---- A writer -------------------------------------------------------------------------------------------------------------------- */

struct json {
    FILE *to;
    bool some; /* a comma comes before what is next */
};

static void key(struct json *j, const char *name)
{
    fprintf(j->to, "%s\"%s\":", j->some ? "," : "", name);
    j->some = false;
}

static void open(struct json *j, char bracket)
{
    if (j->some)
        fputc(',', j->to);
    fputc(bracket, j->to);
    j->some = false;
}

static void close(struct json *j, char bracket)
{
    fputc(bracket, j->to);
    j->some = true;
}

/* Names come from plugins and callers too. */
static void text(struct json *j, const char *value)
{
    fputs(j->some ? ",\"" : "\"", j->to);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (*c == '"' || *c == '\\')
            fprintf(j->to, "\\%c", *c);
        else if (*c < 32 || *c > 126)
            fprintf(j->to, "\\u%04x", *c);
        else
            fputc(*c, j->to);
    fputc('"', j->to);
    j->some = true;
}

static void integer(struct json *j, int64_t value)
{
    fprintf(j->to, "%s%" PRId64, j->some ? "," : "", value);
    j->some = true;
}

static void number(struct json *j, double value)
{
    if (j->some)
        fputc(',', j->to);
    if (isfinite(value))
        fprintf(j->to, "%.17g", value);
    else
        fputs(isnan(value) ? "null" : value > 0 ? "1e999" : "-1e999", j->to);
    j->some = true;
}

static void boolean(struct json *j, const char *name, bool value)
{
    key(j, name);
    fputs(value ? "true" : "false", j->to);
    j->some = true;
}

static void text_of(struct json *j, const char *name, const char *value)
{
    key(j, name);
    text(j, value);
}

static void integer_of(struct json *j, const char *name, int64_t value)
{
    key(j, name);
    integer(j, value);
}

static void integers_of(struct json *j, const char *name, int n, const int64_t *v)
{
    key(j, name);
    open(j, '[');
    for (int i = 0; i < n; i++)
        integer(j, v[i]);
    close(j, ']');
}

/* ---- Nodes -------------------------------------------------------------------------------------------------------------------------- */

static void write_operands(struct json *j, const char *name, const struct operand *o, int n)
{
    key(j, name);
    open(j, '[');
    for (int i = 0; i < n; i++) {
        open(j, '{');
        if (o[i].value >= 0) {
            integer_of(j, "value", o[i].value);
            text_of(j, "dtype", tl_dtype_name(o[i].dtype));
            integers_of(j, "shape", o[i].ndim, o[i].shape);
            if (print_strided(&o[i])) {
                integers_of(j, "strides", o[i].ndim, o[i].strides);
                integer_of(j, "offset", o[i].offset);
            }
        }
        close(j, '}');
    }
    close(j, ']');
}

static void write_attributes(struct json *j, const struct node *n)
{
    key(j, "attributes");
    open(j, '{');
    for (const struct tl_attr_field *f = n->entry && n->attrs ? n->entry->op->attrs : NULL; f && f->name; f++) {
        struct attribute a;
        attribute_read(f, n->attrs, &a);
        if (a.kind == TL_ATTR_F64) {
            key(j, f->name);
            number(j, a.number);
        } else if (a.kind == TL_ATTR_DTYPE) {
            text_of(j, f->name, a.dtype == TL_DEFAULT ? "default" : tl_dtype_name(a.dtype));
        } else if (a.kind == TL_ATTR_BOOL) {
            boolean(j, f->name, a.v[0] != 0);
        } else if (a.kind == TL_ATTR_I64) {
            integer_of(j, f->name, a.v[0]);
        } else {
            integers_of(j, f->name, a.n, a.v);
        }
    }
    close(j, '}');
}

static void write_node(struct json *j, const struct node *n)
{
    open(j, '{');
    text_of(j, "op", node_name(n));
    boolean(j, "host", !n->entry);
    write_attributes(j, n);
    write_operands(j, "inputs", n->in, n->n_in);
    write_operands(j, "outputs", n->out, n->n_out);
    if (n->residual_in >= 0)
        integer_of(j, "reads_residual", n->residual_in);
    if (n->residual_out >= 0)
        integer_of(j, "leaves_residual", n->residual_out);
    close(j, '}');
}

/* Nodes that may be done at once are a list of their own. */
static void write_nodes(struct json *j, const char *name, const struct node_list *list)
{
    key(j, name);
    open(j, '[');
    for (size_t i = 0; i < list->n; i++) {
        const struct node *n = list->v[i];
        if (n->n_parts == 0) {
            write_node(j, n);
            continue;
        }
        open(j, '{');
        key(j, "group");
        open(j, '[');
        for (int k = 0; k < n->n_parts; k++)
            write_node(j, n->parts[k]);
        close(j, ']');
        close(j, '}');
    }
    close(j, ']');
}

static void write_values(struct json *j, const struct graph *g)
{
    key(j, "values");
    open(j, '[');
    for (size_t i = 0; i < g->n_values; i++) {
        const struct value *v = &g->values[i];
        char name[32];
        print_value(g, (int)i, name, sizeof name);
        open(j, '{');
        integer_of(j, "value", (int64_t)i);
        text_of(j, "name", name);
        text_of(j, "kind", print_kind(g, (int)i));
        text_of(j, "device", v->storage->device->name);
        integer_of(j, "bytes", v->kind == VALUE_RESIDUAL ? 0 : (int64_t)v->storage->bytes);
        integer_of(j, "writes", v->writes);
        close(j, '}');
    }
    close(j, ']');
}

/* ---- Steps ---------------------------------------------------------------------------------------------------------------------------- */

static int buffer_number(const struct sites *s, struct site at)
{
    const struct buffer *b = site_buffer(s, at);
    return b ? (int)(b - s->program->buffers) : -1;
}

static void write_site(struct json *j, const struct sites *s, struct site at, const struct tl_view *v)
{
    open(j, '{');
    int value = at.buffer >= 0 ? s->value_of[at.buffer] : at.value, buffer = buffer_number(s, at);
    if (value >= 0)
        integer_of(j, "value", value);
    if (buffer >= 0)
        integer_of(j, "buffer", buffer);
    if (v && v->ndim >= 0 && (value >= 0 || buffer >= 0)) {
        char layout[32];
        print_layout(v->layout, layout, sizeof layout);
        text_of(j, "dtype", tl_dtype_name(v->dtype));
        integers_of(j, "shape", v->ndim, v->shape);
        text_of(j, "layout", layout);
        integer_of(j, "offset", (int64_t)at.offset);
    }
    close(j, '}');
}

static void write_sites(struct json *j, const struct sites *s, const struct step *step, const char *name, int from, int n)
{
    bool views = step->kind == STEP_KERNEL || step->kind == STEP_REORDER;
    key(j, name);
    open(j, '[');
    for (int i = from; i < from + n; i++)
        write_site(j, s, step_site(s, step, i), views ? &step->views[i] : NULL);
    close(j, ']');
}

static void write_step(struct json *j, const struct sites *s, const struct step *step)
{
    static const char *const kinds[] = {"kernel", "reorder", "transfer", "call"};
    char what[160];
    print_step(step, what, sizeof what);
    open(j, '{');
    text_of(j, "kind", kinds[step->kind]);
    text_of(j, "op", what);
    if (step->kind == STEP_KERNEL)
        text_of(j, "kernel", step->kernel.kernel->maker);
    if (step->kind == STEP_KERNEL || step->kind == STEP_REORDER) {
        text_of(j, "backend", step->kernel.backend);
        text_of(j, "device", step->device->name);
    }
    boolean(j, "constant", step->constant);
    write_sites(j, s, step, "inputs", 0, step_inputs(step));
    write_sites(j, s, step, "outputs", step_inputs(step), step_outputs(step));
    struct site workspace = site_of(s, &step->workspace), residual = site_of(s, &step->residual.mem);
    if (step->kind == STEP_KERNEL && workspace.buffer >= 0)
        integer_of(j, "workspace", workspace.buffer);
    if (residual.buffer >= 0)
        integer_of(j, "residual", residual.buffer);
    close(j, '}');
}

static void write_buffers(struct json *j, const struct sites *s)
{
    const struct program *p = s->program;
    key(j, "buffers");
    open(j, '[');
    for (size_t i = 0; i < p->n_buffers; i++) {
        const struct buffer *b = &p->buffers[i], *root = buffer_root(p, b);
        char layout[32];
        print_layout(b->layout, layout, sizeof layout);
        open(j, '{');
        integer_of(j, "buffer", (int64_t)i);
        if (s->value_of[i] >= 0)
            integer_of(j, "value", s->value_of[i]);
        text_of(j, "device", b->device->name);
        text_of(j, "layout", layout);
        integer_of(j, "bytes", (int64_t)b->bytes);
        boolean(j, "lasting", b->lasting);
        if (b->first >= 0) {
            integer_of(j, "first", b->first);
            integer_of(j, "last", b->last);
            if (!root->lasting)
                integer_of(j, "offset", (int64_t)root->offset);
            if (b->same_as >= 0)
                integer_of(j, "takes_over", b->same_as);
        }
        close(j, '}');
    }
    close(j, ']');
}

static tl_status write_steps(struct json *j, const struct program *p)
{
    struct sites s;
    tl_status status = sites_open(&s, p);
    if (status != TL_OK)
        return status;
    key(j, "steps");
    open(j, '[');
    for (size_t i = 0; i < p->n_steps; i++)
        write_step(j, &s, p->steps[i]);
    close(j, ']');
    write_buffers(j, &s);
    integer_of(j, "arena", (int64_t)p->arena_bytes);
    integer_of(j, "results", (int64_t)p->value_bytes);
    sites_close(&s);
    return TL_OK;
}

tl_status print_json(const struct program *p, FILE *to, unsigned parts)
{
    struct json j = {.to = to};
    const struct graph *g = p->graph;
    tl_status s = TL_OK;
    open(&j, '{');
    write_operands(&j, "inputs", g->in, g->n_in);
    write_operands(&j, "outputs", g->out, g->n_out);
    write_values(&j, g);
    if (parts & TL_PROGRAM_RECORDED)
        write_nodes(&j, "recorded", &g->recorded);
    if (parts & TL_PROGRAM_NODES)
        write_nodes(&j, "nodes", &g->nodes);
    if (parts & TL_PROGRAM_STEPS)
        s = write_steps(&j, p);
    close(&j, '}');
    fputc('\n', to);
    return s;
}
