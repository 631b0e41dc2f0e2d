/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d_grad_weight: dw[k, c, r, s] = sum over pixels of dy[n, k, i, j] x[n, c, i SR + r DR - PR, j SS + s DS - PS], and db[k] = sum of dy, which is
 * one more column of dw, with an x of ones. The pixels (n, i, j) are split into parts; where there is more than one, each leaves its sums in
 * `partial`, and weight_sum adds them up. A group computes a tile of TM x TN elements of dw, or, where groups of channels are small, a few taps
 * of one filter and channel. gpu/ops/conv2d_grad_weight.c defines in front of this
 *
 *   T                        type of the elements
 *   KR, SR, PR, DR           rows of the kernel, stride, padding, dilation; KS, SS, PS, DS columns
 *   PARTS                    where there are several
 *   BIAS                     where db is wanted
 *   TM, TN, TK, RM, RN       sizes of tiles, and how many rows and columns of results an item has
 *   TAPS                     direct: taps of a group
 */
struct weight {
    INDEX pixels, part;           /* of all pictures; of a part */
    struct divisor rows, columns; /* of dy */
    INDEX x_rows, x_columns;
    INDEX filters, m, c;          /* all; filters and channels of a group of them */
    INDEX x_image, dy_image;      /* elements of a picture */
};

#define KERNEL_TAPS (KR * KS)
#ifdef BIAS
#define WIDTH(p) ((p).c * KERNEL_TAPS + 1)
#else
#define WIDTH(p) ((p).c * KERNEL_TAPS)
#endif

#ifdef PARTS
#define PUT(filter, column, value) partial[((INDEX)part * p.filters + (filter)) * WIDTH(p) + (column)] = (value)
#else
#define PUT(filter, column, value) put(dw, db, filter, column, value, p)
#endif
/* Element `column` of a filter's row: of dw, or, behind its last, of db. */
FUNCTION void put(GLOBAL STORAGE(T) *dw, GLOBAL STORAGE(T) *db, INDEX filter, INDEX column, REAL value, struct weight p)
{
    if (column < p.c * KERNEL_TAPS)
        STORE(T, dw, filter * p.c * KERNEL_TAPS + column, value);
    else
        STORE(T, db, filter, value);
}

#ifdef TM
#define ITEMS_ACROSS (TN / RN)
#define EACH (256 / TK) /* rows, or columns, that are loaded at a time */
#define LOADS_M (TM / EACH)
#define LOADS_N (TN / EACH)
/* Sums of sums of so many products. */
#define FOLD 256

KERNEL(256, 1) weight_tiled(BUFFER(const STORAGE(T), x), BUFFER(const STORAGE(T), dy), BUFFER(STORAGE(T), dw), BUFFER(STORAGE(T), db),
                            BUFFER(REAL, partial), struct weight p)
{
    OPEN(const STORAGE(T), x)
    OPEN(const STORAGE(T), dy)
    OPEN(STORAGE(T), dw)
    OPEN(STORAGE(T), db)
    OPEN(REAL, partial)
    LOCAL REAL tile_m[TK][TM + 1], tile_n[TK][TN + 1];
    const int item = (int)ITEM_X;
    const INDEX groups = p.filters / p.m, part = (INDEX)GROUP_Z / groups, group = (INDEX)GROUP_Z - part * groups;
    const INDEX m0 = (INDEX)GROUP_Y * TM, n0 = (INDEX)GROUP_X * TN;
    const INDEX first = part * p.part, end = p.pixels - first < p.part ? p.pixels : first + p.part;
    const INDEX x_plane = p.x_rows * p.x_columns, dy_plane = p.rows.by * p.columns.by;

    /* The rows and columns that this item loads for. What lies outside has a row that is outside of x; the column of ones has `one`. */
    INDEX plane[LOADS_N], top[LOADS_N], left[LOADS_N];
    UNROLL
    for (int l = 0; l < LOADS_N; l++) {
        const INDEX column = n0 + item / TK + l * EACH, c = column / KERNEL_TAPS, tap = column - c * KERNEL_TAPS;
        plane[l] = (group * p.c + c) * x_plane;
        top[l] = c < p.c ? tap / KS * DR - PR : -1 - p.rows.by * SR;
        left[l] = tap % KS * DS - PS;
    }

    REAL next_m[LOADS_M], next_n[LOADS_N], sum[RM][RN];
#ifdef REAL_float
    REAL total[RM][RN];
#endif
    UNROLL
    for (int u = 0; u < RM; u++)
        UNROLL
        for (int v = 0; v < RN; v++) {
            sum[u][v] = 0;
#ifdef REAL_float
            total[u][v] = 0;
#endif
        }

#ifdef BIAS
#define IS_ONE(l) (n0 + item / TK + (l) * EACH == p.c * KERNEL_TAPS)
#else
#define IS_ONE(l) false
#endif
#define LOAD_TILES(k0)                                                                                                                  \
    {                                                                                                                                   \
        const INDEX pixel = (k0) + item % TK;                                                                                           \
        const bool there = pixel < end;                                                                                                 \
        const INDEX above = quotient(pixel, p.columns), n = quotient(above, p.rows);                                                    \
        const INDEX i = above - n * p.rows.by, j = pixel - above * p.columns.by;                                                        \
        const INDEX from = n * p.dy_image + (group * p.m + m0 + item / TK) * dy_plane + i * p.columns.by + j;                           \
        UNROLL                                                                                                                          \
        for (int l = 0; l < LOADS_M; l++)                                                                                               \
            next_m[l] = there && m0 + item / TK + l * EACH < p.m ? LOAD(T, dy, from + l * EACH * dy_plane) : 0;                         \
        UNROLL                                                                                                                          \
        for (int l = 0; l < LOADS_N; l++) {                                                                                             \
            const INDEX row = i * SR + top[l], column = j * SS + left[l];                                                               \
            const bool inside = row >= 0 && row < p.x_rows && column >= 0 && column < p.x_columns;                                      \
            next_n[l] = there && inside ? LOAD(T, x, n * p.x_image + plane[l] + row * p.x_columns + column) : IS_ONE(l) ? 1 : 0;        \
        }                                                                                                                               \
    }

    const int y0 = item / ITEMS_ACROSS * RM, x0 = item % ITEMS_ACROSS;
    LOAD_TILES(first)
    for (INDEX k0 = first; k0 < end; k0 += TK) {
        UNROLL
        for (int l = 0; l < LOADS_M; l++)
            tile_m[item % TK][item / TK + l * EACH] = next_m[l];
        UNROLL
        for (int l = 0; l < LOADS_N; l++)
            tile_n[item % TK][item / TK + l * EACH] = next_n[l];
        BARRIER();
        LOAD_TILES(k0 + TK)
        UNROLL
        for (int k = 0; k < TK; k++) {
            REAL a[RM], b[RN];
            UNROLL
            for (int u = 0; u < RM; u++)
                a[u] = tile_m[k][y0 + u];
            UNROLL
            for (int v = 0; v < RN; v++)
                b[v] = tile_n[k][x0 + v * ITEMS_ACROSS];
            UNROLL
            for (int u = 0; u < RM; u++)
                UNROLL
                for (int v = 0; v < RN; v++)
                    sum[u][v] += a[u] * b[v];
        }
#ifdef REAL_float
        if ((k0 + TK) % FOLD == 0) {
            UNROLL
            for (int u = 0; u < RM; u++)
                UNROLL
                for (int v = 0; v < RN; v++) {
                    total[u][v] += sum[u][v];
                    sum[u][v] = 0;
                }
        }
#endif
        BARRIER();
    }

    UNROLL
    for (int u = 0; u < RM; u++)
        UNROLL
        for (int v = 0; v < RN; v++) {
            const INDEX m = m0 + y0 + u, column = n0 + x0 + v * ITEMS_ACROSS;
            REAL result = sum[u][v];
#ifdef REAL_float
            result += total[u][v];
#endif
            if (m < p.m && column < WIDTH(p))
                PUT(group * p.m + m, column, result);
        }
}

#elif defined TAPS
/* A group of items has TAPS taps of one filter and channel, and its items share the pixels of a part. */
KERNEL(256, 1) weight_direct(BUFFER(const STORAGE(T), x), BUFFER(const STORAGE(T), dy), BUFFER(STORAGE(T), dw), BUFFER(STORAGE(T), db),
                             BUFFER(REAL, partial), struct weight p)
{
    OPEN(const STORAGE(T), x)
    OPEN(const STORAGE(T), dy)
    OPEN(STORAGE(T), dw)
    OPEN(STORAGE(T), db)
    OPEN(REAL, partial)
    LOCAL REAL shared[256];
    const uint chunks = (KERNEL_TAPS + TAPS - 1) / TAPS;
    const INDEX chunk = (INDEX)(GROUP_X % chunks), pair = (INDEX)(GROUP_X / chunks), filter = pair / p.c, c = pair - filter * p.c;
    const INDEX part = (INDEX)GROUP_Y, first = part * p.part, end = p.pixels - first < p.part ? p.pixels : first + p.part;
    const INDEX from_x = (filter / p.m * p.c + c) * p.x_rows * p.x_columns, from_dy = filter * p.rows.by * p.columns.by;
    /* The last is db's. */
    REAL sum[TAPS + 1], total[TAPS + 1];
    UNROLL
    for (int t = 0; t <= TAPS; t++)
        sum[t] = total[t] = 0;
    int steps = 0;
    for (INDEX pixel = first + (INDEX)ITEM_X; pixel < end; pixel += 256) {
        const INDEX above = quotient(pixel, p.columns), n = quotient(above, p.rows);
        const INDEX i = above - n * p.rows.by, j = pixel - above * p.columns.by;
        const REAL g = LOAD(T, dy, n * p.dy_image + from_dy + i * p.columns.by + j);
        UNROLL
        for (int t = 0; t < TAPS; t++) {
            const INDEX tap = chunk * TAPS + t, row = i * SR + tap / KS * DR - PR, column = j * SS + tap % KS * DS - PS;
            if (tap < KERNEL_TAPS && row >= 0 && row < p.x_rows && column >= 0 && column < p.x_columns)
                sum[t] += g * LOAD(T, x, n * p.x_image + from_x + row * p.x_columns + column);
        }
        sum[TAPS] += g;
        /* Sums of sums of few products. */
        if (++steps == 32) {
            steps = 0;
            UNROLL
            for (int t = 0; t <= TAPS; t++) {
                total[t] += sum[t];
                sum[t] = 0;
            }
        }
    }
    UNROLL
    for (int t = 0; t <= TAPS; t++) {
        shared[ITEM_X] = total[t] + sum[t];
        for (uint apart = 128; apart > 0; apart /= 2) {
            BARRIER();
            if (ITEM_X < apart)
                shared[ITEM_X] += shared[ITEM_X + apart];
        }
        if (ITEM_X == 0 && t < TAPS && chunk * TAPS + t < KERNEL_TAPS)
            PUT(filter, c * KERNEL_TAPS + chunk * TAPS + t, shared[0]);
#ifdef BIAS
        if (ITEM_X == 0 && t == TAPS && chunk == 0 && c == 0)
            PUT(filter, p.c * KERNEL_TAPS, shared[0]);
#endif
        BARRIER();
    }
}

#else
KERNEL(256, 1) weight_sum(BUFFER(const REAL, partial), BUFFER(STORAGE(T), dw), BUFFER(STORAGE(T), db), struct weight p, INDEX parts)
{
    OPEN(const REAL, partial)
    OPEN(STORAGE(T), dw)
    OPEN(STORAGE(T), db)
    const INDEX n = p.filters * WIDTH(p);
    for (INDEX e = GLOBAL_X; e < n; e += GLOBAL_SIZE) {
        REAL total = 0;
        for (INDEX k0 = 0; k0 < parts; k0 += 16) {
            REAL sum = 0;
            for (INDEX k = k0; k < k0 + 16 && k < parts; k++)
                sum += partial[k * n + e];
            total += sum;
        }
        const INDEX filter = e / WIDTH(p);
        put(dw, db, filter, e - filter * WIDTH(p), total, p);
    }
}
#endif
