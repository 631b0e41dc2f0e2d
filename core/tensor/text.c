/* SPDX-License-Identifier: Apache-2.0
 *
 * How PyTorch writes a tensor. All elements get one format, chosen from those that are shown, are finite and are not zero:
 *
 *     whole numbers    "73." if all of them are integers, unless scientific
 *     scientific       if the largest is over 1000 times the smallest, or over 1e8, or the smallest is under 1e-4
 *     fixed point      otherwise
 *
 * and one width, that of the longest of them. Tensors of more than `threshold` elements show `edgeitems` at both ends of
 * each dimension. A row is broken where it would pass `linewidth`; behind each closed row of dimension d (from the inside)
 * come d line feeds. Type, device and gradient follow as suffixes, on a new line if they do not fit.
 */
#include "core/tensor/text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 7 /* "tensor(" */, NUMBER_SIZE = 1536, MAX_PRECISION = 1100 };

/* ---- A growing string ----------------------------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t length, capacity;
    bool failed;
};

static void add_bytes(struct text *t, const char *bytes, size_t n)
{
    if (t->failed)
        return;
    if (n >= t->capacity - t->length) {
        size_t capacity = t->capacity > SIZE_MAX / 4 || n > SIZE_MAX / 4 ? 0 : 2 * t->capacity + n + 64;
        char *grown = capacity ? realloc(t->bytes, capacity) : NULL;
        if (!grown) {
            t->failed = true;
            return;
        }
        t->bytes = grown;
        t->capacity = capacity;
    }
    memcpy(t->bytes + t->length, bytes, n);
    t->length += n;
    t->bytes[t->length] = '\0';
}

static void add(struct text *t, const char *words)
{
    add_bytes(t, words, strlen(words));
}

static void add_repeated(struct text *t, char c, int n)
{
    for (int i = 0; i < n; i++)
        add_bytes(t, &c, 1);
}

/* ---- One element ------------------------------------------------------------------------------------------------------ */

struct printer {
    const struct text_source *source;
    const struct tl_print_options *options;
    struct text text;
    bool summarise;

    /* what was learned of the elements that are shown */
    bool any, whole, scientific;
    double smallest, largest; /* magnitudes */
    int width;
};

static double half_value(uint16_t bits, bool bfloat)
{
    int exponent_bits = bfloat ? 8 : 5, mantissa_bits = 15 - exponent_bits;
    int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    int mantissa = bits & ((1 << mantissa_bits) - 1);
    double value;
    if (exponent == (1 << exponent_bits) - 1)
        value = mantissa ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(mantissa, 1 - bias - mantissa_bits);
    else
        value = ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
    return bits & 0x8000 ? -value : value;
}

static double real_at(const struct text_source *s, int64_t i)
{
    switch (s->dtype) {
    case TL_F32: return (double)((const float *)s->data)[i];
    case TL_F64: return ((const double *)s->data)[i];
    default: return half_value(((const uint16_t *)s->data)[i], s->dtype == TL_BF16);
    }
}

static long long integer_at(const struct text_source *s, int64_t i)
{
    switch (s->dtype) {
    case TL_I8: return ((const int8_t *)s->data)[i];
    case TL_I32: return ((const int32_t *)s->data)[i];
    case TL_I64: return ((const int64_t *)s->data)[i];
    default: return ((const uint8_t *)s->data)[i];
    }
}

/* Write element i, unpadded, and return its length. */
static int write_element(const struct printer *p, int64_t i, char number[NUMBER_SIZE])
{
    const struct text_source *s = p->source;
    int n;
    if (s->dtype == TL_BOOL) {
        n = snprintf(number, NUMBER_SIZE, "%s", integer_at(s, i) ? "True" : "False");
    } else if (!tl_dtype_is_float(s->dtype)) {
        n = snprintf(number, NUMBER_SIZE, "%lld", integer_at(s, i));
    } else {
        double value = real_at(s, i);
        if (isnan(value)) /* printf may give it a sign */
            n = snprintf(number, NUMBER_SIZE, "nan");
        else if (p->scientific)
            n = snprintf(number, NUMBER_SIZE, "%.*e", p->options->precision, value);
        else if (p->whole)
            n = snprintf(number, NUMBER_SIZE, isinf(value) ? "%.0f" : "%.0f.", value);
        else
            n = snprintf(number, NUMBER_SIZE, "%.*f", p->options->precision, value);
    }
    return n < 0 ? 0 : n < NUMBER_SIZE ? n : NUMBER_SIZE - 1;
}

static void add_element(struct printer *p, int64_t i)
{
    char number[NUMBER_SIZE];
    int n = write_element(p, i, number);
    add_repeated(&p->text, ' ', p->width - n);
    add_bytes(&p->text, number, (size_t)n);
}

/* ---- Choosing the format ------------------------------------------------------------------------------------------------ */

static bool elided(const struct printer *p, int64_t size)
{
    return p->summarise && size > 2 * (int64_t)p->options->edgeitems;
}

/* Call `see` for every element that is shown. */
static void for_each_shown(struct printer *p, int dim, int64_t at, void (*see)(struct printer *p, int64_t i))
{
    if (dim == p->source->ndim) {
        see(p, at);
        return;
    }
    int64_t size = p->source->shape[dim], edge = p->options->edgeitems;
    for (int64_t i = 0; i < size; i++) {
        if (i == edge && elided(p, size))
            i = size - edge;
        for_each_shown(p, dim + 1, at * size + i, see);
    }
}

static void see_range(struct printer *p, int64_t i)
{
    double value = real_at(p->source, i), magnitude = fabs(value);
    if (!isfinite(value) || value == 0)
        return;
    p->smallest = p->any && p->smallest < magnitude ? p->smallest : magnitude;
    p->largest = p->any && p->largest > magnitude ? p->largest : magnitude;
    p->whole = p->whole && value == ceil(value);
    p->any = true;
}

static void see_width(struct printer *p, int64_t i)
{
    char number[NUMBER_SIZE];
    if (tl_dtype_is_float(p->source->dtype)) {
        double value = real_at(p->source, i);
        if (!isfinite(value) || value == 0)
            return;
    }
    int n = write_element(p, i, number);
    if (n > p->width)
        p->width = n;
}

static void choose_format(struct printer *p)
{
    p->width = 1;
    p->whole = true;
    if (tl_dtype_is_float(p->source->dtype)) {
        for_each_shown(p, 0, 0, see_range);
        if (!p->any)
            return;
        int mode = p->options->sci_mode;
        p->scientific = mode > 0 || (mode == 0 && (p->largest / p->smallest > 1000 || p->largest > 1e8 || p->smallest < 1e-4));
    }
    for_each_shown(p, 0, 0, see_width);
}

/* ---- Layout ---------------------------------------------------------------------------------------------------------------- */

/* The last dimension: as many elements in a line as fit, the ellipsis counting as one. */
static void add_row(struct printer *p, int64_t first, int indent)
{
    int64_t size = p->source->shape[p->source->ndim - 1], edge = p->options->edgeitems;
    bool dots = elided(p, size);
    int64_t in_line = (p->options->linewidth - indent) / (p->width + 2), count = dots ? 2 * edge + 1 : size;
    if (in_line < 1)
        in_line = 1;
    for (int64_t k = 0; k < count; k++) {
        if (k > 0) {
            add(&p->text, k % in_line ? ", " : ",\n");
            if (k % in_line == 0)
                add_repeated(&p->text, ' ', indent + 1);
        }
        if (dots && k == edge)
            add(&p->text, " ...");
        else
            add_element(p, first + (dots && k > edge ? size - count + k : k));
    }
}

static void add_values(struct printer *p, int dim, int64_t at, int indent)
{
    int inner = p->source->ndim - dim;
    if (inner == 0) {
        add_element(p, at);
        return;
    }
    int64_t size = p->source->shape[dim], edge = p->options->edgeitems;
    add(&p->text, "[");
    if (inner == 1) {
        add_row(p, at * size, indent);
    } else {
        for (int64_t i = 0; i < size; i++) {
            if (i > 0) {
                add(&p->text, ",");
                add_repeated(&p->text, '\n', inner - 1);
                add_repeated(&p->text, ' ', indent + 1);
            }
            if (i == edge && elided(p, size)) {
                add(&p->text, "...");
                i = size - edge - 1;
            } else {
                add_values(p, dim + 1, at * size + i, indent + 1);
            }
        }
    }
    add(&p->text, "]");
}

/* ---- Suffixes ---------------------------------------------------------------------------------------------------------------- */

/* `column`: the length of the last line so far, as PyTorch counts it. */
static void add_suffix(struct printer *p, const char *suffix, size_t *column)
{
    size_t n = strlen(suffix);
    if (*column + n + 2 > (size_t)p->options->linewidth) {
        add(&p->text, ",\n");
        add_repeated(&p->text, ' ', INDENT);
        *column = INDENT + n;
    } else {
        add(&p->text, ", ");
        *column += n + 2;
    }
    add(&p->text, suffix);
}

/* Python's tuple: "(0, 3)", "(0,)". */
static void write_size(const struct text_source *s, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "size=(");
    for (int d = 0; d < s->ndim; d++)
        n += (size_t)snprintf(to + n, size - n, d ? ", %lld" : "%lld", (long long)s->shape[d]);
    snprintf(to + n, size - n, s->ndim == 1 ? ",)" : ")");
}

static void add_suffixes(struct printer *p)
{
    static const char *const name[TL_DTYPE_COUNT] = {
        [TL_F32] = "float32", [TL_F64] = "float64", [TL_F16] = "float16", [TL_BF16] = "bfloat16", [TL_I8] = "int8",
        [TL_U8] = "uint8",    [TL_I32] = "int32",   [TL_I64] = "int64",   [TL_BOOL] = "bool"};
    const struct text_source *s = p->source;
    char suffix[256];
    if (p->text.failed)
        return;
    /* The last line from its line feed on, and one more: PyTorch's own count. */
    const char *line = strrchr(p->text.bytes, '\n');
    size_t column = line ? strlen(line) + 1 : p->text.length + 2;

    if (s->device) {
        snprintf(suffix, sizeof suffix, "device='%s'", s->device);
        add_suffix(p, suffix, &column);
    }
    if (s->valueless || (s->numel == 0 && s->ndim != 1)) {
        write_size(s, suffix, sizeof suffix);
        add_suffix(p, suffix, &column);
    }
    bool usual = s->dtype == TL_F32 || (s->numel > 0 && !s->valueless && (s->dtype == TL_I64 || s->dtype == TL_BOOL));
    if (!usual && !s->plain_dtype) {
        snprintf(suffix, sizeof suffix, "dtype=torch.%s", name[s->dtype]);
        add_suffix(p, suffix, &column);
    }
    if (s->grad_fn) {
        snprintf(suffix, sizeof suffix, "grad_fn=<%s>", s->grad_fn);
        add_suffix(p, suffix, &column);
    } else if (s->requires_grad) {
        add_suffix(p, "requires_grad=True", &column);
    }
}

/* ---- All together ------------------------------------------------------------------------------------------------------------ */

struct tl_print_options text_options(struct tl_print_options o)
{
    o.precision = o.precision <= 0 ? 4 : o.precision < MAX_PRECISION ? o.precision : MAX_PRECISION;
    o.threshold = o.threshold <= 0 ? 1000 : o.threshold;
    o.edgeitems = o.edgeitems <= 0 ? 3 : o.edgeitems;
    o.linewidth = o.linewidth <= 0 ? 80 : o.linewidth;
    return o;
}

static void write_all(struct printer *p)
{
    const struct text_source *s = p->source;
    p->summarise = s->numel > p->options->threshold;
    add(&p->text, "tensor(");
    if (s->valueless) {
        add(&p->text, "...");
    } else if (s->numel == 0) {
        add(&p->text, "[]");
    } else {
        choose_format(p);
        add_values(p, 0, 0, INDENT);
    }
    add_suffixes(p);
    add(&p->text, ")");
}

char *text_of(const struct text_source *source, const struct tl_print_options *o)
{
    struct printer p = {.source = source, .options = o};
    /* Numbers have points here, whatever the user's language. */
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), user = plain ? uselocale(plain) : (locale_t)0;
    write_all(&p);
    if (plain) {
        uselocale(user);
        freelocale(plain);
    }
    if (!p.text.failed)
        return p.text.bytes;
    free(p.text.bytes);
    tl_fail(TL_ERR_NOMEM, "print: no memory for the text of %lld elements", (long long)source->numel);
    return NULL;
}
