/* SPDX-License-Identifier: Apache-2.0
 *
 * gather, index_select, embedding: elements are moved, not looked at. gpu/ops/gather.c defines
 *
 *   BYTES   size of what is moved at once: an element, or several where rows and addresses allow
 *   NDIM    gather: dimensions of the walk
 */

#if BYTES == 16
typedef struct ALIGNED(16) {
    ulong v[2];
} moved;
#elif BYTES == 8
typedef ulong moved;
#elif BYTES == 4
typedef uint moved;
#elif BYTES == 2
typedef ushort moved;
#else
typedef uchar moved;
#endif

/* x is [outer, choices, inner], y [outer, n, inner]: y's row i is x's row index[i]. */
KERNEL(256, 1) index_rows(BUFFER(const moved, x), BUFFER(const long, index), BUFFER(moved, y), INDEX total, INDEX n, INDEX inner, INDEX choices,
                          BUFFER(int, report), int site)
{
    OPEN(const moved, x)
    OPEN(const long, index)
    OPEN(moved, y)
    OPEN(int, report)
    for (INDEX i = GLOBAL_X; i < total; i += GLOBAL_SIZE) {
        const INDEX row = i / inner, column = i - row * inner, outer = row / n, position = row - outer * n;
        const long chosen = index[position];
        if (chosen < 0 || chosen >= (long)choices)
            report_bad(report, site, BAD_INDEX, chosen, (long)position, (long)choices);
        else
            y[i] = x[(outer * choices + (INDEX)chosen) * inner + column];
    }
}

struct walk {
    INDEX shape[8], out[8], in[5][8];
};

/* An index for each element of y. The walk goes through y and steps in x through all dimensions but that of the index, which has `step`. */
KERNEL(256, 1) index_elements(BUFFER(const moved, x), BUFFER(const long, index), BUFFER(moved, y), INDEX n, INDEX step, INDEX choices,
                              struct walk w, BUFFER(int, report), int site)
{
    OPEN(const moved, x)
    OPEN(const long, index)
    OPEN(moved, y)
    OPEN(int, report)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        INDEX rest = i, from = 0;
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX quotient = rest / w.shape[d];
            from += (rest - quotient * w.shape[d]) * w.in[0][d];
            rest = quotient;
        }
        from += rest * w.in[0][0];
        const long chosen = index[i];
        if (chosen < 0 || chosen >= (long)choices)
            report_bad(report, site, BAD_INDEX, chosen, (long)i, (long)choices);
        else
            y[i] = x[from + (INDEX)chosen * step];
    }
}

/* Where there is nothing to move, indices are still looked at. */
KERNEL(256, 1) index_check(BUFFER(const long, index), INDEX n, INDEX choices, BUFFER(int, report), int site)
{
    OPEN(const long, index)
    OPEN(int, report)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE)
        if (index[i] < 0 || index[i] >= (long)choices)
            report_bad(report, site, BAD_INDEX, index[i], (long)i, (long)choices);
}
