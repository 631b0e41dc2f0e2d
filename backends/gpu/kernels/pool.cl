/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling of planes and its gradients: x [n, c, h, w] on one side, y [n, c, ho, wo] on the other. An item computes a pack of results, V channels
 * that lie side by side (1 where planes are row-major); results are numbered as they lie in memory. Gradients gather: each element of dx
 * adds up what the windows that hold it give. gpu/ops/pool.c defines in front of this
 *
 *   T                        type of the elements
 *   V, CHANNELS_LAST         elements of a pack; whether results lie with their channels side by side
 *   KR, SR, PR, DR           rows of the kernel, of its stride, padding and dilation; KS, SS, PS, DS columns
 *   REACH_R, REACH_S         how far a window goes beyond its first element, or, if that is less, to the end of the padded x
 *   ADAPTIVE                 windows are even shares of x instead
 *   DIVISOR, EXCLUDE_PAD     what averages divide by
 *   LANES                    items that share in the average of one window
 *   PLACE, WHERE, NOWHERE    where a maximum is, r KS + s in its window: the type it is stored in, the one it is computed in, none
 *   VALUES, PICK, PLACES     max_pool's results: maxima, or what stands in v at their places; their places
 */
typedef struct ALIGNED(V * sizeof(STORAGE(T))) {
    STORAGE(T) v[V];
} pack;
#define PACK(x, i) (*(GLOBAL const pack *)((x) + (i)))

struct strides {
    INDEX n, c, h, w; /* c: from one pack to the next */
};
struct pool {
    INDEX n; /* packs of results */
    INDEX h, w, ho, wo;
    struct divisor channels, rows, columns; /* packs of a picture's channels; rows and columns of results */
    struct divisor y_rows, y_columns;
    struct strides a, b; /* of the operands */
};

struct spot {
    INDEX n, c, row, column;
};
FUNCTION struct spot spot_of(INDEX i, struct pool p)
{
    struct spot s;
#ifdef CHANNELS_LAST
    INDEX rest = quotient(i, p.channels), above = quotient(rest, p.columns);
    s.c = i - rest * p.channels.by;
    s.column = rest - above * p.columns.by;
    s.n = quotient(above, p.rows);
    s.row = above - s.n * p.rows.by;
#else
    INDEX rest = quotient(i, p.columns), above = quotient(rest, p.rows);
    s.column = i - rest * p.columns.by;
    s.row = rest - above * p.rows.by;
    s.n = quotient(above, p.channels);
    s.c = above - s.n * p.channels.by;
#endif
    return s;
}
#define CORNER(s, strides) ((s).n * (strides).n + (s).c * (strides).c)

/* The windows that hold an element of x, first to last, along one dimension. */
struct span {
    INDEX first, last;
};
#ifdef ADAPTIVE
/* Window i has the elements floor(i size / count) to ceil((i + 1) size / count) - 1. */
FUNCTION struct span window(INDEX i, INDEX size, struct divisor count)
{
    struct span s;
    s.first = quotient(i * size, count);
    s.last = quotient((i + 1) * size + count.by - 1, count) - 1;
    return s;
}
FUNCTION struct span windows(INDEX at, INDEX count, struct divisor size)
{
    struct span s;
    s.first = quotient(at * count, size);
    s.last = quotient((at + 1) * count + size.by - 1, size) - 1;
    return s;
}
#define WINDOW_ROWS(i) window(i, p.h, p.y_rows)
#define WINDOW_COLUMNS(j) window(j, p.w, p.y_columns)
#define WINDOWS_OF_ROW(row) windows(row, p.ho, p.rows)
#define WINDOWS_OF_COLUMN(column) windows(column, p.wo, p.columns)
#else
FUNCTION struct span window(INDEX i, INDEX size, INDEX kernel_size, INDEX stride, INDEX padding)
{
    struct span s;
    s.first = i * stride - padding;
    s.last = s.first + kernel_size - 1;
    s.first = s.first < 0 ? 0 : s.first;
    s.last = s.last < size ? s.last : size - 1;
    return s;
}
FUNCTION struct span windows(INDEX at, INDEX count, INDEX reach, INDEX stride, INDEX padding)
{
    struct span s;
    s.first = at + padding <= reach ? 0 : (at + padding - reach + stride - 1) / stride;
    s.last = (at + padding) / stride;
    s.last = s.last < count ? s.last : count - 1;
    return s;
}
#define WINDOW_ROWS(i) window(i, p.h, KR, SR, PR)
#define WINDOW_COLUMNS(j) window(j, p.w, KS, SS, PS)
#define WINDOWS_OF_ROW(row) windows(row, p.ho, REACH_R, SR, PR)
#define WINDOWS_OF_COLUMN(column) windows(column, p.wo, REACH_S, SS, PS)
#endif

/* ---- Maxima -------------------------------------------------------------------------------------------------------------------------- */

#ifdef PLACE
typedef struct ALIGNED(V * sizeof(STORAGE(PLACE))) {
    STORAGE(PLACE) v[V];
} place_pack;

/* Small windows are looked at as a whole, so that the compiler can unroll them; of others, what lies within x. */
#if KR <= 16 && KS <= 16
#define FIRST(from, dilation) 0
#define LAST(from, dilation, kernel_size, size) (kernel_size)
#else
#define FIRST(from, dilation) ((from) < 0 ? (-(from) + (dilation) - 1) / (dilation) : 0)
FUNCTION INDEX LAST(INDEX from, INDEX dilation, INDEX kernel_size, INDEX size)
{
    INDEX n = (size - from + dilation - 1) / dilation;
    return n < kernel_size ? n : kernel_size;
}
#endif

/* The first of equals, the last of NaNs. */
KERNEL(256, 1) max_pool(BUFFER(const STORAGE(T), x), BUFFER(const STORAGE(T), v), BUFFER(STORAGE(T), y), BUFFER(STORAGE(PLACE), places), struct pool p)
{
    OPEN(const STORAGE(T), x)
    OPEN(const STORAGE(T), v)
    OPEN(STORAGE(T), y)
    OPEN(STORAGE(PLACE), places)
    for (INDEX i = GLOBAL_X; i < p.n; i += GLOBAL_SIZE) {
        const struct spot at = spot_of(i, p);
        const INDEX top = at.row * SR - PR, left = at.column * SS - PS, corner = CORNER(at, p.a);
        REAL largest[V];
        WHERE where[V];
        UNROLL
        for (int k = 0; k < V; k++) {
            largest[k] = -INFINITY;
            where[k] = NOWHERE;
        }
        for (INDEX r = FIRST(top, DR); r < LAST(top, DR, KR, p.h); r++) {
            const INDEX row = top + r * DR;
            if (row < 0 || row >= p.h)
                continue;
            for (INDEX s = FIRST(left, DS); s < LAST(left, DS, KS, p.w); s++) {
                const INDEX column = left + s * DS;
                if (column < 0 || column >= p.w)
                    continue;
                const pack here = PACK(x, corner + row * p.a.h + column * p.a.w);
                UNROLL
                for (int k = 0; k < V; k++) {
                    const REAL e = LOAD(T, here.v, k);
                    if (where[k] == NOWHERE || e > largest[k] || e != e) {
                        largest[k] = e;
                        where[k] = (WHERE)r * KS + (WHERE)s;
                    }
                }
            }
        }
#ifdef PICK
        UNROLL
        for (int k = 0; k < V; k++) {
            const INDEX r = (INDEX)(where[k] / KS), s = (INDEX)(where[k] % KS);
            const INDEX from = CORNER(at, p.b) + k + (top + r * DR) * p.b.h + (left + s * DS) * p.b.w;
            largest[k] = where[k] == NOWHERE ? 0 : LOAD(T, v, from);
        }
#endif
#ifdef VALUES
        pack result;
        UNROLL
        for (int k = 0; k < V; k++)
            STORE(T, result.v, k, largest[k]);
        ((GLOBAL pack *)y)[i] = result;
#endif
#ifdef PLACES
        place_pack found;
        UNROLL
        for (int k = 0; k < V; k++)
            found.v[k] = (STORAGE(PLACE))where[k];
        ((GLOBAL place_pack *)places)[i] = found;
#endif
    }
}

/* a: dy; b: places. */
KERNEL(256, 1) max_pool_grad(BUFFER(const STORAGE(T), dy), BUFFER(const STORAGE(PLACE), places), BUFFER(STORAGE(T), dx), struct pool p)
{
    OPEN(const STORAGE(T), dy)
    OPEN(const STORAGE(PLACE), places)
    OPEN(STORAGE(T), dx)
    for (INDEX i = GLOBAL_X; i < p.n; i += GLOBAL_SIZE) {
        const struct spot at = spot_of(i, p);
        const struct span rows = WINDOWS_OF_ROW(at.row), columns = WINDOWS_OF_COLUMN(at.column);
        REAL sum[V];
        UNROLL
        for (int k = 0; k < V; k++)
            sum[k] = 0;
        for (INDEX row = rows.first; row <= rows.last; row++) {
            const INDEX r = at.row + PR - row * SR;
            if (r % DR != 0)
                continue;
            REAL of_row[V];
            UNROLL
            for (int k = 0; k < V; k++)
                of_row[k] = 0;
            for (INDEX column = columns.first; column <= columns.last; column++) {
                const INDEX s = at.column + PS - column * SS;
                if (s % DS != 0)
                    continue;
                const WHERE here = (WHERE)(r / DR) * KS + (WHERE)(s / DS);
                const place_pack where = *(GLOBAL const place_pack *)(places + CORNER(at, p.b) + row * p.b.h + column * p.b.w);
                const pack g = PACK(dy, CORNER(at, p.a) + row * p.a.h + column * p.a.w);
                UNROLL
                for (int k = 0; k < V; k++)
                    if ((WHERE)where.v[k] == here)
                        of_row[k] += LOAD(T, g.v, k);
            }
            UNROLL
            for (int k = 0; k < V; k++)
                sum[k] += of_row[k];
        }
        pack result;
        UNROLL
        for (int k = 0; k < V; k++)
            STORE(T, result.v, k, sum[k]);
        ((GLOBAL pack *)dx)[i] = result;
    }
}
#endif

/* ---- Averages ------------------------------------------------------------------------------------------------------------------------- */

#ifdef LANES
/* What the sum over window (i, j) is divided by: the number of its elements, with or without those in the padding. */
FUNCTION REAL divisor_of(INDEX i, INDEX j, struct span rows, struct span columns, struct pool p)
{
#ifdef DIVISOR
    return (REAL)DIVISOR;
#elif defined ADAPTIVE || defined EXCLUDE_PAD
    return (REAL)((rows.last - rows.first + 1) * (columns.last - columns.first + 1));
#else
    const INDEX row = i * SR - PR, column = j * SS - PS, to_row = row + KR, to_column = column + KS;
    return (REAL)((to_row < p.h + PR ? to_row : p.h + PR) - row) * (REAL)((to_column < p.w + PS ? to_column : p.w + PS) - column);
#endif
}

/* A group has 256 / LANES windows at a time. Lanes that are side by side read what is side by side: elements of a window, or, channels-last, windows of
 * neighbouring channels. */
#ifdef CHANNELS_LAST
#define LANE (ITEM_X / (256 / LANES))
#define SLOT (ITEM_X % (256 / LANES))
#define NEXT_LANE (256 / LANES)
#else
#define LANE (ITEM_X % LANES)
#define SLOT (ITEM_X / LANES)
#define NEXT_LANE 1
#endif

KERNEL(256, 1) avg_pool(BUFFER(const STORAGE(T), x), BUFFER(STORAGE(T), y), struct pool p)
{
    OPEN(const STORAGE(T), x)
    OPEN(STORAGE(T), y)
#if LANES > 1
    LOCAL REAL partial[V][256];
#endif
    for (INDEX i0 = (INDEX)GROUP_X * (256 / LANES); i0 < p.n; i0 += (INDEX)GROUPS_X * (256 / LANES)) {
        const INDEX i = i0 + (INDEX)SLOT;
        const struct spot at = spot_of(i < p.n ? i : p.n - 1, p);
        const struct span rows = WINDOW_ROWS(at.row), columns = WINDOW_COLUMNS(at.column);
        const INDEX height = rows.last - rows.first + 1, width = columns.last - columns.first + 1;
        const INDEX corner = CORNER(at, p.a) + rows.first * p.a.h + columns.first * p.a.w;
        REAL sum[V], part[V];
        UNROLL
        for (int k = 0; k < V; k++)
            sum[k] = 0;
        /* Sums of sums of few elements: the error does not grow with the window. */
#if LANES > 1
        const INDEX count = height > 0 && width > 0 ? height * width : 0;
        for (INDEX e0 = (INDEX)LANE; e0 < count; e0 += LANES * 16) {
            UNROLL
            for (int k = 0; k < V; k++)
                part[k] = 0;
            for (INDEX e = e0; e < e0 + LANES * 16 && e < count; e += LANES) {
                const INDEX row = e / width;
                const pack here = PACK(x, corner + row * p.a.h + (e - row * width) * p.a.w);
                UNROLL
                for (int k = 0; k < V; k++)
                    part[k] += LOAD(T, here.v, k);
            }
            UNROLL
            for (int k = 0; k < V; k++)
                sum[k] += part[k];
        }
        UNROLL
        for (int k = 0; k < V; k++)
            partial[k][ITEM_X] = sum[k];
        for (uint apart = LANES / 2; apart > 0; apart /= 2) {
            BARRIER();
            UNROLL
            for (int k = 0; k < V; k++)
                if (LANE < apart)
                    partial[k][ITEM_X] += partial[k][ITEM_X + apart * NEXT_LANE];
        }
        UNROLL
        for (int k = 0; k < V; k++)
            sum[k] = partial[k][ITEM_X];
        BARRIER();
#else
        for (INDEX row = 0; row < height; row++) {
            UNROLL
            for (int k = 0; k < V; k++)
                part[k] = 0;
            for (INDEX column = 0; column < width; column++) {
                const pack here = PACK(x, corner + row * p.a.h + column * p.a.w);
                UNROLL
                for (int k = 0; k < V; k++)
                    part[k] += LOAD(T, here.v, k);
            }
            UNROLL
            for (int k = 0; k < V; k++)
                sum[k] += part[k];
        }
#endif
        if (LANE == 0 && i < p.n) {
            pack result;
            const bool some = height > 0 && width > 0;
            const REAL divisor = some ? divisor_of(at.row, at.column, rows, columns, p) : (REAL)1;
            UNROLL
            for (int k = 0; k < V; k++)
                STORE(T, result.v, k, sum[k] / divisor);
            ((GLOBAL pack *)y)[i] = result;
        }
    }
}

/* a: dy. */
KERNEL(256, 1) avg_pool_grad(BUFFER(const STORAGE(T), dy), BUFFER(STORAGE(T), dx), struct pool p)
{
    OPEN(const STORAGE(T), dy)
    OPEN(STORAGE(T), dx)
    for (INDEX i = GLOBAL_X; i < p.n; i += GLOBAL_SIZE) {
        const struct spot at = spot_of(i, p);
        const struct span rows = WINDOWS_OF_ROW(at.row), columns = WINDOWS_OF_COLUMN(at.column);
        REAL sum[V];
        UNROLL
        for (int k = 0; k < V; k++)
            sum[k] = 0;
        for (INDEX row = rows.first; row <= rows.last; row++) {
            REAL of_row[V];
            UNROLL
            for (int k = 0; k < V; k++)
                of_row[k] = 0;
            for (INDEX column = columns.first; column <= columns.last; column++) {
                const REAL divisor = divisor_of(row, column, WINDOW_ROWS(row), WINDOW_COLUMNS(column), p);
                const pack g = PACK(dy, CORNER(at, p.a) + row * p.a.h + column * p.a.w);
                UNROLL
                for (int k = 0; k < V; k++)
                    of_row[k] += LOAD(T, g.v, k) / divisor;
            }
            UNROLL
            for (int k = 0; k < V; k++)
                sum[k] += of_row[k];
        }
        pack result;
        UNROLL
        for (int k = 0; k < V; k++)
            STORE(T, result.v, k, sum[k]);
        ((GLOBAL pack *)dx)[i] = result;
    }
}
#endif
