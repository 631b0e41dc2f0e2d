/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of comma-separated values after RFC 4180, and what is met in the wild: other delimiters, CRLF and CR, a byte
 * order mark, blank lines, no header. Cells are cut in place: quotes are taken out and ends become NUL, so that the table
 * costs one pointer a cell.
 */
#include "table.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cutter {
    struct table *t;
    char *at, *end;
    int64_t line;           /* where `at` is */
    size_t n_cells, room;
    size_t n_rows, rows_room;
};

/* ---- Numbers ---- */

bool table_number(const char *cell, double *value)
{
    static const char allowed[] = "0123456789+-.eE";
    char *end;

    cell += strspn(cell, " \t");
    size_t n = strspn(cell, allowed); /* keeps out hexadecimal, nan, inf */
    if (n == 0 || n > 64 || cell[n + strspn(cell + n, " \t")] != '\0' || !strpbrk(cell, "0123456789"))
        return false;
    /* strtod() follows the locale: hand it the locale's decimal sign. */
    char copy[64 + MB_LEN_MAX + 1], *to = copy;
    const char *point = localeconv()->decimal_point, *dot = memchr(cell, '.', n);
    for (size_t i = 0; i < n; i++) {
        if (cell[i] != '.')
            *to++ = cell[i];
        else if (cell + i == dot && strlen(point) <= MB_LEN_MAX)
            to = stpcpy(to, point);
        else
            return false;
    }
    *to = '\0';
    double v = strtod(copy, &end);
    if (*end != '\0' || !isfinite(v))
        return false;
    *value = v;
    return true;
}

/* ---- Cutting ---- */

static bool grow(void **array, size_t *room, size_t used, size_t element)
{
    if (used < *room)
        return true;
    size_t more = *room ? *room * 2 : 256, bytes;
    void *grown = __builtin_mul_overflow(more, element, &bytes) ? NULL : realloc(*array, bytes);
    if (!grown)
        return false;
    *array = grown;
    *room = more;
    return true;
}

static bool add_cell(struct cutter *c, char *cell)
{
    void *cells = c->t->cells;
    bool good = grow(&cells, &c->room, c->n_cells, sizeof *c->t->cells);

    c->t->cells = cells;
    if (good)
        c->t->cells[c->n_cells++] = cell;
    else
        tl_fail(TL_ERR_NOMEM, "%s: no memory for its cells", c->t->path);
    return good;
}

static bool add_row(struct cutter *c, int64_t line)
{
    void *lines = c->t->lines;
    bool good = grow(&lines, &c->rows_room, c->n_rows, sizeof *c->t->lines);

    c->t->lines = lines;
    if (good)
        c->t->lines[c->n_rows++] = line;
    else
        tl_fail(TL_ERR_NOMEM, "%s: no memory for its rows", c->t->path);
    return good;
}

/* A quoted cell: moves its text to the front of itself, "" becoming ", and stops after the closing quote. */
static bool unquote(struct cutter *c, char **cell)
{
    char *to = c->at, *from = c->at + 1;
    int64_t first = c->line;

    *cell = to;
    for (;; from++) {
        if (from >= c->end) {
            tl_fail(TL_ERR_FORMAT, "%s:%" PRId64 ": a quote is opened and never closed", c->t->path, first);
            return false;
        }
        if (*from == '"') {
            if (from[1] != '"')
                break;
            from++;
        } else if (*from == '\n')
            c->line++;
        *to++ = *from;
    }
    c->at = from + 1;
    if (c->at < c->end && *c->at != c->t->delimiter && *c->at != '\n' && *c->at != '\r') {
        tl_fail(TL_ERR_FORMAT, "%s:%" PRId64 ": text follows a closing quote; write \"\" for a quote inside a quoted cell", c->t->path,
                c->line);
        return false;
    }
    /* The terminator may fall on the closing quote only, which has been read. */
    *to = '\0';
    return true;
}

/* One cell; *last says whether the row ends with it. */
static bool cut_cell(struct cutter *c, bool *last)
{
    char *cell;

    if (c->at < c->end && *c->at == '"') {
        if (!unquote(c, &cell))
            return false;
    } else {
        cell = c->at;
        while (c->at < c->end && *c->at != c->t->delimiter && *c->at != '\n' && *c->at != '\r')
            c->at++;
    }
    char ended = c->at < c->end ? *c->at : '\n';
    *c->at = '\0'; /* on the delimiter, the line's end or the text's own terminator */
    if (c->at < c->end)
        c->at++;
    if (ended == '\r' && c->at < c->end && *c->at == '\n')
        c->at++;
    *last = ended != c->t->delimiter;
    c->line += *last;
    return add_cell(c, cell);
}

static bool cut_row(struct cutter *c)
{
    int64_t line = c->line;
    size_t first = c->n_cells;
    bool last = false;

    while (!last)
        if (!cut_cell(c, &last))
            return false;
    int64_t got = (int64_t)(c->n_cells - first);
    if (c->n_rows == 0)
        c->t->columns = got;
    else if (got != c->t->columns) {
        tl_fail(TL_ERR_FORMAT, "%s:%" PRId64 ": this row has %" PRId64 " cells, the first row has %" PRId64, c->t->path, line, got,
                c->t->columns);
        return false;
    }
    return add_row(c, line);
}

/* Comma, semicolon or tab: whichever is most frequent in the first line, outside quotes. */
static char guess_delimiter(const char *at, const char *end)
{
    static const char candidates[] = ",;\t";
    size_t count[3] = {0}, best = 0;
    bool quoted = false;

    for (; at < end && (quoted || (*at != '\n' && *at != '\r')); at++) {
        const char *found = *at ? strchr(candidates, *at) : NULL;
        if (*at == '"')
            quoted = !quoted;
        else if (found && !quoted)
            count[found - candidates]++;
    }
    for (size_t i = 1; i < 3; i++)
        if (count[i] > count[best])
            best = i;
    return candidates[best];
}

static bool skip_blank_line(struct cutter *c)
{
    char *p = c->at;

    while (p < c->end && (*p == ' ' || (*p == '\t' && c->t->delimiter != '\t')))
        p++;
    if (p < c->end && *p != '\n' && *p != '\r')
        return false;
    if (p + 1 < c->end && p[0] == '\r' && p[1] == '\n')
        p++;
    c->at = p < c->end ? p + 1 : p;
    c->line++;
    return true;
}

/* The first row is a header if none of its cells is a number. */
static tl_status take_header(struct table *t, bool no_header)
{
    double ignored;

    if (no_header)
        return TL_OK;
    for (int64_t c = 0; c < t->columns; c++)
        if (table_number(t->cells[c], &ignored))
            return TL_OK;
    t->names = calloc((size_t)t->columns, sizeof *t->names);
    if (!t->names)
        return tl_fail(TL_ERR_NOMEM, "%s: no memory for its header", t->path);
    memcpy(t->names, t->cells, (size_t)t->columns * sizeof *t->names);
    t->rows--;
    memmove(t->cells, t->cells + t->columns, (size_t)(t->rows * t->columns) * sizeof *t->cells);
    memmove(t->lines, t->lines + 1, (size_t)t->rows * sizeof *t->lines);
    return TL_OK;
}

static tl_status check_text(const char *path, const char *text, size_t size)
{
    const unsigned char *u = (const unsigned char *)text;

    if (size >= 2 && ((u[0] == 0xff && u[1] == 0xfe) || (u[0] == 0xfe && u[1] == 0xff)))
        return tl_fail(TL_ERR_UNSUPPORTED, "%s: the text is in UTF-16; save it as UTF-8", path);
    const char *zero = memchr(text, '\0', size);
    if (zero)
        return tl_fail(TL_ERR_FORMAT, "%s: byte %zu is 0: this is not a text file", path, (size_t)(zero - text));
    return TL_OK;
}

tl_status table_parse(const char *path, char *text, size_t size, char delimiter, bool no_header, struct table *t)
{
    struct cutter c = {.t = t, .at = text, .end = text + size, .line = 1};
    tl_status s = check_text(path, text, size);

    *t = (struct table){.path = path};
    if (s != TL_OK)
        return s;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        c.at += 3;
    bool good = true;
    t->delimiter = delimiter ? delimiter : ',';
    while (good && c.at < c.end) {
        if (skip_blank_line(&c))
            continue;
        if (!delimiter && c.n_rows == 0)
            t->delimiter = guess_delimiter(c.at, c.end);
        good = cut_row(&c);
    }
    t->rows = (int64_t)c.n_rows;
    if (!good)
        s = tl_error_code();
    else if (t->rows == 0)
        s = tl_fail(TL_ERR_FORMAT, "%s: the file is empty", path);
    else if ((s = take_header(t, no_header)) == TL_OK && t->rows == 0)
        s = tl_fail(TL_ERR_FORMAT, "%s: there is a header and no row of data", path);
    if (s != TL_OK)
        table_clear(t);
    return s;
}

void table_clear(struct table *t)
{
    free(t->cells);
    free(t->lines);
    free(t->names);
    *t = (struct table){0};
}

void table_where(const struct table *t, int64_t row, int64_t column, char *buffer, size_t size)
{
    if (t->names)
        snprintf(buffer, size, "%s:%" PRId64 ": column %" PRId64 " (\"%.60s\")", t->path, t->lines[row], column + 1, t->names[column]);
    else
        snprintf(buffer, size, "%s:%" PRId64 ": column %" PRId64, t->path, t->lines[row], column + 1);
}
