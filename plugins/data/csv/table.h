/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of text cells, parsed from a file's bytes.
 */
#ifndef TELAR_PLUGINS_DATA_TABLE_H
#define TELAR_PLUGINS_DATA_TABLE_H

#include <telar/tensor.h>

struct table {
    const char *path;     /**< for messages; borrowed */
    char **cells;         /**< rows x columns, unquoted, in the file's (changed) bytes */
    int64_t *lines;       /**< line of the file, from 1, where each row begins */
    int64_t rows, columns;
    char **names;         /**< columns of them, or NULL without a header */
    char delimiter;
};

/** Cut `text` (NUL-terminated after `size` bytes; it is changed and must outlive the table) into cells. delimiter 0: guess.
 *  The first row is a header unless no_header is set or one of its cells is a number. Fill *t; table_clear() it. */
tl_status table_parse(const char *path, char *text, size_t size, char delimiter, bool no_header, struct table *t);
void table_clear(struct table *t);

/** The whole cell as a finite number, blanks around it allowed; false if it is none. The decimal sign is a point whatever the
 *  locale. */
bool table_number(const char *cell, double *value);

/** 'file:line: column 3 ("ash")': where a cell is, for messages. */
void table_where(const struct table *t, int64_t row, int64_t column, char *buffer, size_t size);

#endif
