/* SPDX-License-Identifier: Apache-2.0
 *
 * unfold and fold: pictures [n, c, h, w] on one side, columns [n, (c, r, s), (i, j)] on the other, where picture element (i SR + r DR - PR,
 * j SS + s DS - PS) stands at place (r, s) of window (i, j). T: type of the elements; KR, SR, PR, DR: rows of the kernel, its stride, padding and
 * dilation; KS, SS, PS, DS: columns.
 */
struct unfolding {
    INDEX n; /* results */
    INDEX h, w, ho, wo;
    struct divisor rows, columns; /* of results: windows in a plane, or elements of one */
};

KERNEL(256, 1) unfold(BUFFER(const STORAGE(T), x), BUFFER(STORAGE(T), y), struct unfolding p)
{
    OPEN(const STORAGE(T), x)
    OPEN(STORAGE(T), y)
    for (INDEX e = GLOBAL_X; e < p.n; e += GLOBAL_SIZE) {
        const INDEX above = quotient(e, p.columns), place = quotient(above, p.rows), plane = place / (KR * KS), at = place - plane * (KR * KS);
        const INDEX row = (above - place * p.rows.by) * SR + at / KS * DR - PR, column = (e - above * p.columns.by) * SS + at % KS * DS - PS;
        const bool inside = row >= 0 && row < p.h && column >= 0 && column < p.w;
        y[e] = inside ? x[(plane * p.h + row) * p.w + column] : 0;
    }
}

KERNEL(256, 1) fold(BUFFER(const STORAGE(T), x), BUFFER(STORAGE(T), y), struct unfolding p)
{
    OPEN(const STORAGE(T), x)
    OPEN(STORAGE(T), y)
    for (INDEX e = GLOBAL_X; e < p.n; e += GLOBAL_SIZE) {
        const INDEX above = quotient(e, p.columns), plane = quotient(above, p.rows);
        const INDEX row = above - plane * p.rows.by + PR, column = e - above * p.columns.by + PS;
        REAL sum = 0;
        for (INDEX r = 0; r < KR; r++) {
            const INDEX top = row - r * DR, i = top / SR;
            if (top < 0 || top % SR != 0 || i >= p.ho)
                continue;
            REAL of_row = 0;
            for (INDEX s = 0; s < KS; s++) {
                const INDEX left = column - s * DS, j = left / SS;
                if (left >= 0 && left % SS == 0 && j < p.wo)
                    of_row += LOAD(T, x, ((plane * (KR * KS) + r * KS + s) * p.ho + i) * p.wo + j);
            }
            sum += of_row;
        }
        STORE(T, y, e, sum);
    }
}
