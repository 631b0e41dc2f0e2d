/* SPDX-License-Identifier: Apache-2.0
 *
 * A summary as a table.
 */
#include <string.h>

#include "nn/train/summary.h"

/* "1,234,567"; "-" for nothing. */
static const char *with_commas(int64_t n, char *buffer, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i && (length - i) % 3 == 0)
            buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = 0;
    return n ? buffer : "-";
}

/* "conv1: Conv2d", indented by depth; only the last part of a dotted name, as the indentation says the rest. Idle modules come
 * last, away from their parents, and have their whole names. */
static void put_label(const struct tl_summary_row *r, char *buffer, size_t size)
{
    const char *dot = r->idle ? NULL : strrchr(r->name, '.'), *name = dot ? dot + 1 : r->name;
    snprintf(buffer, size, "%*s%s%s%s", r->idle ? 2 : 2 * r->depth, "", name, *name ? ": " : "", r->kind);
}

static void put_shape(const struct tl_summary_row *r, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, r->failed ? "(failed)" : r->idle ? "(not run)" : "[");
    if (r->idle || r->failed)
        return;
    for (int i = 0; i < r->ndim && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", i ? ", " : "", (long long)r->shape[i]);
    if (used < size)
        snprintf(buffer + used, size - used, "]");
}

static void put_line(FILE *to, int width)
{
    for (int i = 0; i < width; i++)
        fputc('-', to);
    fputc('\n', to);
}

static void put_table(FILE *to, const tl_summary *s)
{
    char label[160], shape[200], a[40], b[40];
    int label_width = 12, shape_width = 12;
    for (size_t i = 0; i < s->count; i++) {
        put_label(&s->rows[i].public, label, sizeof label);
        put_shape(&s->rows[i].public, shape, sizeof shape);
        label_width = text_columns(label) > label_width ? text_columns(label) : label_width;
        shape_width = text_columns(shape) > shape_width ? text_columns(shape) : shape_width;
    }
    int width = label_width + shape_width + 36;
    fprintf(to, "%-*s  %-*s  %15s  %15s\n", label_width, "layer: kind", shape_width, "output shape", "parameters", "multiply-adds");
    put_line(to, width);
    for (size_t i = 0; i < s->count; i++) {
        const struct tl_summary_row *r = &s->rows[i].public;
        put_label(r, label, sizeof label);
        put_shape(r, shape, sizeof shape);
        fprintf(to, "%s%*s  %-*s  %15s  %15s\n", label, label_width - text_columns(label), "", shape_width, shape,
                with_commas(r->parameters, a, sizeof a), with_commas(r->multiply_adds, b, sizeof b));
    }
    put_line(to, width);
}

/* "527.8 MiB": four digits. */
static const char *with_unit(int64_t bytes, char *buffer, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double n = (double)bytes;
    int unit = 0;
    for (; n >= 999.95 && unit < 5; unit++)
        n /= 1024;
    snprintf(buffer, size, "%.*f %s", unit == 0 || n >= 999.95 ? 0 : n < 9.9995 ? 3 : n < 99.995 ? 2 : 1, n, units[unit]);
    return buffer;
}

static void put_memory(FILE *to, const tl_summary *s)
{
    const struct tl_summary_memory *m = &s->memory;
    int64_t input = s->totals.input_bytes;
    char text[5][32];
    fprintf(to, "memory to run:   %s: parameters %s, buffers %s, input %s, activations %s\n", with_unit(m->inference, text[0], sizeof *text),
            with_unit(m->parameters, text[1], sizeof *text), with_unit(m->buffers, text[2], sizeof *text), with_unit(input, text[3], sizeof *text),
            with_unit(m->inference - m->parameters - m->buffers - input, text[4], sizeof *text));
    if (s->untrained)
        fprintf(to, "memory to train: not known, since a step of %s cannot be walked: %s\n", s->optimizer, s->untrained);
    else if (s->optimizer)
        fprintf(to, "memory to train: %s with %s: besides parameters, buffers and input its state %s, saved activations %s, gradients %s\n",
                with_unit(m->training, text[0], sizeof *text), s->optimizer, with_unit(m->state, text[1], sizeof *text),
                with_unit(m->saved, text[2], sizeof *text), with_unit(m->gradients, text[3], sizeof *text));
}

char *tl_summary_to_string(const tl_summary *s)
{
    struct text text;
    char a[40], b[40];
    if (!s)
        tl_fail(TL_ERR_ARGUMENT, "summary: none given");
    if (!s || !text_open(&text))
        return NULL;
    put_table(text.to, s);
    if (s->broken)
        return text_close(&text);
    const struct tl_summary_totals *t = &s->totals;
    with_commas(t->parameters, a, sizeof a);
    fprintf(text.to, "parameters:      %s (trained: %s)\n", t->parameters ? a : "0",
            t->trainable ? with_commas(t->trainable, b, sizeof b) : "0");
    with_commas(t->multiply_adds, a, sizeof a);
    fprintf(text.to, "multiply-adds:   %s\n", t->multiply_adds ? a : "0");
    put_memory(text.to, s);
    return text_close(&text);
}
