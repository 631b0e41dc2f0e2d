/* SPDX-License-Identifier: Apache-2.0
 *
 * pad: x with a border of one value. T: the type; NDIM: dimensions, in the order of y's memory, which is dense.
 */
struct side {
    struct divisor y;      /* elements of y along this dimension */
    INDEX before, x, step; /* elements of the border before x, elements of x and the step between them */
};
struct pad {
    INDEX n;
    struct side sides[NDIM];
};

KERNEL(256, 1) pad(BUFFER(const STORAGE(T), x), BUFFER(STORAGE(T), y), struct pad p, STORAGE(T) value)
{
    OPEN(const STORAGE(T), x)
    OPEN(STORAGE(T), y)
    for (INDEX i = GLOBAL_X; i < p.n; i += GLOBAL_SIZE) {
        INDEX rest = i, from = 0;
        bool inside = true;
        UNROLL
        for (int d = NDIM - 1; d >= 0; d--) {
            const INDEX above = d > 0 ? quotient(rest, p.sides[d].y) : 0, at = rest - above * p.sides[d].y.by - p.sides[d].before;
            rest = above;
            inside = inside && at >= 0 && at < p.sides[d].x;
            from += at * p.sides[d].step;
        }
        y[i] = inside ? x[from] : value;
    }
}
