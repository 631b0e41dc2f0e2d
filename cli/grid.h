/* SPDX-License-Identifier: Apache-2.0
 *
 * A grid of small pictures that becomes one picture file.
 */
#ifndef TELAR_CLI_GRID_H
#define TELAR_CLI_GRID_H

#include <stdint.h>
#include <telar/telar.h>

/* Pictures of equal size, row by row, with a border of two black pixels around each. */
struct grid {
    int64_t channels, height, width; /* of one picture; 1 or 3 channels */
    int64_t count, capacity, columns;
    float *pixels; /* count pictures [channels, height, width] */
};

enum { GRID_BORDER = 2 };

/* Can a file of this name be written there? An error that lists the endings, or says what is in the way, if not. */
tl_status grid_can_write(const char *path);
/* Zeroed g gets room for `capacity` pictures of this shape: [c, h, w] or [h, w]; [n], if n or a third of it is a square number, is that
 * square. */
tl_status grid_begin(struct grid *g, int ndim, const int64_t *shape, int64_t capacity, int64_t columns);
/* Append what t holds: one or more pictures, of values from 0 to 1; what is beyond becomes black or white. */
tl_status grid_add(struct grid *g, tl_tensor *t);
/* Write it, atomically: .png, or .pgm and .ppm of one and three channels. */
tl_status grid_write(const struct grid *g, const char *path);
void grid_free(struct grid *g);

#endif
