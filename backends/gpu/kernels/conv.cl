/* SPDX-License-Identifier: Apache-2.0
 *
 * conv2d and conv2d_grad_input, which are one computation: each result is a sum over channels of the other side and taps of the kernel,
 *
 *     out[n, m, i, j] = bias[m] + sum over c, r, s of in[n, c, row(i, r), column(j, s)] w[m, c, r, s]
 *
 * conv2d:            row(i, r) = i SR + r DR - PR
 * conv2d_grad_input: row(i, r) = (i + PR - r DR) / SR, for those r that leave no remainder. These are the same for all i of one phase, i mod SR:
 *                    every STEP_R-th, from a first one on. So each phase is a convolution with stride 1 and fewer taps.
 *
 * Where there are channels enough it is a product of matrices, of TM x TN results a group: M are channels of out, N its pixels, K channels of in
 * and taps. Otherwise an item sums up one result. gpu/ops/conv2d.c defines in front of this
 *
 *   T                        type of the elements
 *   BACKWARD                 conv2d_grad_input
 *   KR, SR, PR, DR           rows of the kernel, stride, padding, dilation; KS, SS, PS, DS columns
 *   TAPS_R, TAPS_S           most taps of a phase; forward all
 *   STEP_R, STEP_S           from one tap of a phase to the next; forward 1
 *   ROW_STEP, COLUMN_STEP    what such a step makes in `in`
 *   PHASES_R, PHASES_S       phases; forward 1
 *   TM, TN, TK, RM, RN       sizes of tiles, and how many rows and columns of results an item has
 *   BIAS                     where there is one
 */
struct conv {
    INDEX pixels;                 /* tiled: of out, in a phase; direct: results */
    struct divisor rows, columns; /* tiled: of out, in a phase; direct: all */
    struct divisor channels;      /* of out, all; direct only */
    INDEX out_rows, out_columns, in_rows, in_columns;
    INDEX m, c;                   /* channels of out and of in, in a group */
    INDEX out_image, in_image;    /* elements of a picture */
    INDEX w_group, w_m, w_c;      /* steps in w */
};

#define TAPS (TAPS_R * TAPS_S)

#ifdef TM

/* The first tap of a phase; `size` if it has none. */
FUNCTION INDEX first_tap(INDEX phase, INDEX padding, INDEX dilation, INDEX stride, INDEX step, INDEX size)
{
    for (INDEX r = 0; r < step && r < size; r++)
        if ((phase + padding - r * dilation) % stride == 0)
            return r;
    return size;
}

#define ITEMS_ACROSS (TN / RN)
#define LOADS_W (TM * TK / 256)
#define LOADS_IN (TN * TK / 256)
/* Sums of sums of so many products: the error does not grow with the number of channels. */
#define PART 256

KERNEL(256, 1) conv_tiled(BUFFER(const STORAGE(T), in), BUFFER(const STORAGE(T), w), BUFFER(const STORAGE(T), bias), BUFFER(STORAGE(T), out),
                          struct conv p)
{
    OPEN(const STORAGE(T), in)
    OPEN(const STORAGE(T), w)
    OPEN(const STORAGE(T), bias)
    OPEN(STORAGE(T), out)
    LOCAL REAL tile_w[TK][TM + 1], tile_in[TK][TN];
    const int item = (int)ITEM_X;
    const INDEX group = (INDEX)(GROUP_Z / (PHASES_R * PHASES_S)), m0 = (INDEX)GROUP_Y * TM;

#ifdef BACKWARD
    const INDEX phase = (INDEX)(GROUP_Z % (PHASES_R * PHASES_S)), phase_r = phase / PHASES_S, phase_s = phase % PHASES_S;
    const INDEX r0 = first_tap(phase_r, PR, DR, SR, STEP_R, KR), s0 = first_tap(phase_s, PS, DS, SS, STEP_S, KS);
#define OUT_ROW(i) ((i) * SR + phase_r)
#define OUT_COLUMN(j) ((j) * SS + phase_s)
#define IN_ROW(i) ((OUT_ROW(i) + PR - r0 * DR) / SR)
#define IN_COLUMN(j) ((OUT_COLUMN(j) + PS - s0 * DS) / SS)
#define IS_TAP(r, s) ((r) < KR && (s) < KS)
    const INDEX depth = r0 < KR && s0 < KS ? p.c * TAPS : 0;
#else
    const INDEX r0 = 0, s0 = 0;
#define OUT_ROW(i) (i)
#define OUT_COLUMN(j) (j)
#define IN_ROW(i) ((i) * SR - PR)
#define IN_COLUMN(j) ((j) * SS - PS)
#define IS_TAP(r, s) true
    const INDEX depth = p.c * TAPS;
#endif

    /* The pixel that this item loads for. */
    const INDEX pixel = (INDEX)GROUP_X * TN + item % TN;
    const INDEX above = quotient(pixel, p.columns), n = quotient(above, p.rows);
    const INDEX i = above - n * p.rows.by, j = pixel - above * p.columns.by;
    const bool there = pixel < p.pixels && OUT_ROW(i) < p.out_rows && OUT_COLUMN(j) < p.out_columns;
    const INDEX row0 = IN_ROW(i), column0 = IN_COLUMN(j), plane = p.in_rows * p.in_columns;
    const INDEX from = n * p.in_image + group * p.c * plane, w_from = group * p.w_group + (m0 + item / TK) * p.w_m;

    REAL next_w[LOADS_W], next_in[LOADS_IN], sum[RM][RN];
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

#define LOAD_TILES(k0)                                                                                                                  \
    {                                                                                                                                   \
        const INDEX kw = (k0) + item % TK, cw = kw / TAPS, tw = kw - cw * TAPS;                                                         \
        const INDEX rw = r0 + tw / TAPS_S * STEP_R, sw = s0 + tw % TAPS_S * STEP_S;                                                     \
        const bool is_tap = kw < depth && IS_TAP(rw, sw);                                                                               \
        UNROLL                                                                                                                          \
        for (int l = 0; l < LOADS_W; l++)                                                                                               \
            next_w[l] = is_tap && m0 + item / TK + l * (256 / TK) < p.m                                                                 \
                            ? LOAD(T, w, w_from + l * (256 / TK) * p.w_m + cw * p.w_c + rw * KS + sw)                                   \
                            : 0;                                                                                                        \
        UNROLL                                                                                                                          \
        for (int l = 0; l < LOADS_IN; l++) {                                                                                            \
            const INDEX k = (k0) + item / TN + l * (256 / TN), c = k / TAPS, t = k - c * TAPS;                                          \
            const INDEX row = row0 + t / TAPS_S * ROW_STEP, column = column0 + t % TAPS_S * COLUMN_STEP;                                \
            const bool inside = row >= 0 && row < p.in_rows && column >= 0 && column < p.in_columns;                                    \
            next_in[l] = there && k < depth && inside && IS_TAP(r0 + t / TAPS_S * STEP_R, s0 + t % TAPS_S * STEP_S)                     \
                             ? LOAD(T, in, from + c * plane + row * p.in_columns + column)                                              \
                             : 0;                                                                                                       \
        }                                                                                                                               \
    }

    const int y0 = item / ITEMS_ACROSS * RM, x0 = item % ITEMS_ACROSS;
    LOAD_TILES(0)
    for (INDEX k0 = 0; k0 < depth; k0 += TK) {
        UNROLL
        for (int l = 0; l < LOADS_W; l++)
            tile_w[item % TK][item / TK + l * (256 / TK)] = next_w[l];
        UNROLL
        for (int l = 0; l < LOADS_IN; l++)
            tile_in[item / TN + l * (256 / TN)][item % TN] = next_in[l];
        BARRIER();
        LOAD_TILES(k0 + TK)
        UNROLL
        for (int k = 0; k < TK; k++) {
            REAL a[RM], b[RN];
            UNROLL
            for (int u = 0; u < RM; u++)
                a[u] = tile_w[k][y0 + u];
            UNROLL
            for (int v = 0; v < RN; v++)
                b[v] = tile_in[k][x0 + v * ITEMS_ACROSS];
            UNROLL
            for (int u = 0; u < RM; u++)
                UNROLL
                for (int v = 0; v < RN; v++)
                    sum[u][v] += a[u] * b[v];
        }
#ifdef REAL_float
        if ((k0 + TK) % PART == 0) {
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
    for (int v = 0; v < RN; v++) {
        const INDEX to_pixel = (INDEX)GROUP_X * TN + x0 + v * ITEMS_ACROSS;
        const INDEX to_above = quotient(to_pixel, p.columns), to_n = quotient(to_above, p.rows);
        const INDEX to_row = OUT_ROW(to_above - to_n * p.rows.by), to_column = OUT_COLUMN(to_pixel - to_above * p.columns.by);
        if (to_pixel >= p.pixels || to_row >= p.out_rows || to_column >= p.out_columns)
            continue;
        UNROLL
        for (int u = 0; u < RM; u++) {
            if (m0 + y0 + u >= p.m)
                continue;
            const INDEX channel = group * p.m + m0 + y0 + u;
            REAL result = sum[u][v];
#ifdef REAL_float
            result += total[u][v];
#endif
#ifdef BIAS
            result += LOAD(T, bias, channel);
#endif
            STORE(T, out, to_n * p.out_image + (channel * p.out_rows + to_row) * p.out_columns + to_column, result);
        }
    }
}

#else

KERNEL(256, 1) conv_direct(BUFFER(const STORAGE(T), in), BUFFER(const STORAGE(T), w), BUFFER(const STORAGE(T), bias), BUFFER(STORAGE(T), out),
                           struct conv p)
{
    OPEN(const STORAGE(T), in)
    OPEN(const STORAGE(T), w)
    OPEN(const STORAGE(T), bias)
    OPEN(STORAGE(T), out)
    for (INDEX e = GLOBAL_X; e < p.pixels; e += GLOBAL_SIZE) {
        const INDEX above = quotient(e, p.columns), over = quotient(above, p.rows), n = quotient(over, p.channels);
        const INDEX j = e - above * p.columns.by, i = above - over * p.rows.by, channel = over - n * p.channels.by;
        const INDEX group = channel / p.m, plane = p.in_rows * p.in_columns;
        const INDEX from = n * p.in_image + group * p.c * plane, w_from = group * p.w_group + (channel - group * p.m) * p.w_m;
        /* Sums of sums of few products: the error does not grow with the number of channels. */
        REAL sum = 0, of_channels = 0;
        for (INDEX c = 0; c < p.c; c++) {
            REAL of_channel = 0;
            for (INDEX r = 0; r < KR; r++) {
#ifdef BACKWARD
                const INDEX top = i + PR - r * DR, row = top / SR;
                if (top < 0 || top % SR != 0 || row >= p.in_rows)
                    continue;
#else
                const INDEX row = i * SR + r * DR - PR;
                if (row < 0 || row >= p.in_rows)
                    continue;
#endif
                REAL of_row = 0;
                for (INDEX s = 0; s < KS; s++) {
#ifdef BACKWARD
                    const INDEX left = j + PS - s * DS, column = left / SS;
                    if (left < 0 || left % SS != 0 || column >= p.in_columns)
                        continue;
#else
                    const INDEX column = j * SS + s * DS - PS;
                    if (column < 0 || column >= p.in_columns)
                        continue;
#endif
                    of_row += LOAD(T, in, from + c * plane + row * p.in_columns + column) * LOAD(T, w, w_from + c * p.w_c + r * KS + s);
                }
                of_channel += of_row;
            }
            of_channels += of_channel;
            if (c % 16 == 15 || c == p.c - 1) {
                sum += of_channels;
                of_channels = 0;
            }
        }
#ifdef BIAS
        sum += LOAD(T, bias, channel);
#endif
        STORE(T, out, e, sum);
    }
}
#endif
