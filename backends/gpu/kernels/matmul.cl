/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products y[s, i, j] = sum over k of a[s, i, k] b[s, k, j]; addmm's y = beta c + alpha a b. Strides are free, y is row-major.
 * gpu/ops/matmul.c defines
 *
 *   T, SUM     the elements' type and the type of sums: float, double, and uint or ulong for integers, which wrap around
 *   FOLDED     sums in float: every 256 products are added up by themselves, so that the error does not grow with k
 *   PARTIAL    k is split: the kernel writes the sums of its part, and matmul_finish adds up the parts, always in the same order
 *   ADDEND     addmm: 0 neither reads c nor scales, 1 only scales, 2 also reads c
 *   A_ALONG_K  a's neighbours in memory, and so the items that fetch them, are neighbours along k; B_ALONG_K likewise
 *   BM BN BK   matmul_tiled: sizes of a tile; TM, TN: of an item's share of it
 *   LANES      matmul_vector: how many items share a row; matmul_finish: an element
 */

/* b_column, c_column, tiles_n are matmul_tiled's. Sizes of parts are even for all but the last one. */
struct product {
    INDEX m, n, k, a_row, a_column, a_batch, b_row, b_column, b_batch, c_row, c_column, tiles_m, tiles_n, parts, part;
};

#if defined(ADDEND) && ADDEND == 2
#define ADDEND_PARAMETERS , SUM alpha, SUM beta, BUFFER(const STORAGE(T), c)
#define ADDEND_OPEN OPEN(const STORAGE(T), c)
#define FINISHED(sum, i, j) (alpha * (sum) + beta * FETCH(c, (i) * p.c_row + (j) * p.c_column))
#elif defined(ADDEND) && ADDEND == 1
#define ADDEND_PARAMETERS , SUM alpha
#define ADDEND_OPEN
#define FINISHED(sum, i, j) (alpha * (sum))
#else
#define ADDEND_PARAMETERS
#define ADDEND_OPEN
#define FINISHED(sum, i, j) (sum)
#endif

#define FETCH(x, i) ((SUM)DECODE(T, (x)[i]))

#ifdef PARTIAL
#define RESULT SUM
#define WRITE(i, sum, row, column) y[i] = (sum)
#else
#define RESULT STORAGE(T)
#define WRITE(i, sum, row, column) STORE(T, y, i, FINISHED(sum, row, column))
#endif

enum { ITEMS = 256, FOLD = 256 };

#ifdef BM
enum {
    ACROSS = BN / TN,                            /* items beside each other */
    SHARE_A = (BM * BK + ITEMS - 1) / ITEMS,     /* what an item fetches of a tile */
    SHARE_B = (BN * BK + ITEMS - 1) / ITEMS,
    ROW_A = BM + 4,                              /* rows in local memory, apart from each other's banks */
    ROW_B = BN + 4
};

/* Where an item's element e of a tile of `across` x BK elements lies. */
#if A_ALONG_K
#define A_K(e) ((e) % BK)
#define A_M(e) ((e) / BK)
#else
#define A_K(e) ((e) / BM)
#define A_M(e) ((e) % BM)
#endif
#if B_ALONG_K
#define B_K(e) ((e) % BK)
#define B_N(e) ((e) / BK)
#else
#define B_K(e) ((e) / BN)
#define B_N(e) ((e) % BN)
#endif

KERNEL(256, 1) matmul_tiled(BUFFER(const STORAGE(T), a), BUFFER(const STORAGE(T), b), BUFFER(RESULT, y), struct product p ADDEND_PARAMETERS)
{
    OPEN(const STORAGE(T), a)
    OPEN(const STORAGE(T), b)
    OPEN(RESULT, y)
    ADDEND_OPEN
    LOCAL ALIGNED(16) SUM tile_a[BK * ROW_A];
    LOCAL ALIGNED(16) SUM tile_b[BK * ROW_B];
    INDEX group = (INDEX)GROUP_X;
    const INDEX column = group % p.tiles_n * BN;
    group /= p.tiles_n;
    const INDEX row = group % p.tiles_m * BM;
    group /= p.tiles_m;
    const INDEX part = group % p.parts, batch = group / p.parts, first = part * p.part;
    const INDEX last = first + p.part < p.k ? first + p.part : p.k;
    const int item = (int)ITEM_X, across = item % ACROSS * TN, down = item / ACROSS * TM;
    a += batch * p.a_batch + row * p.a_row;
    b += batch * p.b_batch + column * p.b_column;

    SUM sum[TM][TN], next_a[SHARE_A], next_b[SHARE_B];
#ifdef FOLDED
    SUM total[TM][TN];
#endif
    UNROLL
    for (int i = 0; i < TM; i++) {
        UNROLL
        for (int j = 0; j < TN; j++) {
            sum[i][j] = 0;
#ifdef FOLDED
            total[i][j] = 0;
#endif
        }
    }

/* The shares of the tiles that begin at k; zeros beyond the ends. */
#define FETCH_TILES(k)                                                                                                       \
    UNROLL                                                                                                                   \
    for (int s = 0; s < SHARE_A; s++) {                                                                                      \
        const int e = item + s * ITEMS;                                                                                      \
        const INDEX at_k = (k) + A_K(e), at_m = A_M(e);                                                                      \
        const bool inside = e < BM * BK && at_k < last && row + at_m < p.m;                                                  \
        next_a[s] = inside ? FETCH(a, at_m * p.a_row + at_k * p.a_column) : 0;                                               \
    }                                                                                                                        \
    UNROLL                                                                                                                   \
    for (int s = 0; s < SHARE_B; s++) {                                                                                      \
        const int e = item + s * ITEMS;                                                                                      \
        const INDEX at_k = (k) + B_K(e), at_n = B_N(e);                                                                      \
        const bool inside = e < BN * BK && at_k < last && column + at_n < p.n;                                               \
        next_b[s] = inside ? FETCH(b, at_k * p.b_row + at_n * p.b_column) : 0;                                               \
    }

    FETCH_TILES(first)
    for (INDEX k = first; k < last; k += BK) {
        UNROLL
        for (int s = 0; s < SHARE_A; s++) {
            const int e = item + s * ITEMS;
            if (e < BM * BK)
                tile_a[A_K(e) * ROW_A + A_M(e)] = next_a[s];
        }
        UNROLL
        for (int s = 0; s < SHARE_B; s++) {
            const int e = item + s * ITEMS;
            if (e < BN * BK)
                tile_b[B_K(e) * ROW_B + B_N(e)] = next_b[s];
        }
        BARRIER();
        /* The next tiles are on their way while these are multiplied. */
        if (k + BK < last) {
            FETCH_TILES(k + BK)
        }
        UNROLL
        for (int kk = 0; kk < BK; kk++) {
            SUM left[TM], right[TN];
            UNROLL
            for (int i = 0; i < TM; i++)
                left[i] = tile_a[kk * ROW_A + down + i];
            UNROLL
            for (int j = 0; j < TN; j++)
                right[j] = tile_b[kk * ROW_B + across + j];
            UNROLL
            for (int i = 0; i < TM; i++) {
                UNROLL
                for (int j = 0; j < TN; j++)
                    sum[i][j] += left[i] * right[j];
            }
        }
#ifdef FOLDED
        if ((k + BK - first) % FOLD == 0) {
            UNROLL
            for (int i = 0; i < TM; i++) {
                UNROLL
                for (int j = 0; j < TN; j++) {
                    total[i][j] += sum[i][j];
                    sum[i][j] = 0;
                }
            }
        }
#endif
        BARRIER();
    }

    y += (batch * p.parts + part) * (p.m * p.n);
    UNROLL
    for (int i = 0; i < TM; i++) {
        UNROLL
        for (int j = 0; j < TN; j++) {
            const INDEX at_m = row + down + i, at_n = column + across + j;
#ifdef FOLDED
            sum[i][j] += total[i][j];
#endif
            if (at_m < p.m && at_n < p.n)
                WRITE(at_m * p.n + at_n, sum[i][j], at_m, at_n);
        }
    }
}
#endif

/* Adds up sums[lane * ROWS + row] over the lanes, pairwise; the first lane has the result afterwards. */
#define ADD_LANES(sums, lane, at)                        \
    for (int step = LANES / 2; step > 0; step /= 2) {    \
        BARRIER();                                       \
        if (lane < step)                                 \
            sums[at] += sums[at + step * ROWS];          \
    }

#ifdef LANES
enum { ROWS = ITEMS / LANES };

/* Matrix times vector: y[s, i] = sum over k of a[s, i, k] b[s, k]. */
KERNEL(256, 1) matmul_vector(BUFFER(const STORAGE(T), a), BUFFER(const STORAGE(T), b), BUFFER(RESULT, y), struct product p ADDEND_PARAMETERS)
{
    OPEN(const STORAGE(T), a)
    OPEN(const STORAGE(T), b)
    OPEN(RESULT, y)
    ADDEND_OPEN
    LOCAL SUM sums[ITEMS];
    INDEX group = (INDEX)GROUP_X;
#if A_ALONG_K
    const int lane = (int)ITEM_X % LANES, at = (int)ITEM_X / LANES;
#else
    const int lane = (int)ITEM_X / ROWS, at = (int)ITEM_X % ROWS;
#endif
    const INDEX row = group % p.tiles_m * ROWS + at;
    group /= p.tiles_m;
    const INDEX part = group % p.parts, batch = group / p.parts, first = part * p.part;
    const INDEX last = first + p.part < p.k ? first + p.part : p.k;
    SUM total = 0;
    if (row < p.m) {
        a += batch * p.a_batch + row * p.a_row;
        b += batch * p.b_batch;
        for (INDEX k = first + lane; k < last;) {
            const INDEX stop = k + 32 * LANES < last ? k + 32 * LANES : last;
            SUM sum = 0;
            for (; k < stop; k += LANES)
                sum += FETCH(a, k * p.a_column) * FETCH(b, k * p.b_row);
            total += sum;
        }
    }
    sums[lane * ROWS + at] = total;
    ADD_LANES(sums, lane, lane * ROWS + at)
    if (lane == 0 && row < p.m)
        WRITE((batch * p.parts + part) * p.m + row, sums[at], row, 0);
}

/* The parts' sums, added up: `parts` of m n elements each for every one of a batch. */
KERNEL(256, 1) matmul_finish(BUFFER(const SUM, x), BUFFER(STORAGE(T), y), struct product p, INDEX batches ADDEND_PARAMETERS)
{
    OPEN(const SUM, x)
    OPEN(STORAGE(T), y)
    ADDEND_OPEN
    LOCAL SUM sums[ITEMS];
    const int lane = (int)ITEM_X / ROWS, at = (int)ITEM_X % ROWS;
    const INDEX out = (INDEX)GROUP_X * ROWS + at, size = p.m * p.n, batch = out / size, element = out - batch * size;
    SUM total = 0;
    if (batch < batches) {
        for (INDEX part = lane; part < p.parts; part += LANES)
            total += x[(batch * p.parts + part) * size + element];
    }
    sums[lane * ROWS + at] = total;
    ADD_LANES(sums, lane, lane * ROWS + at)
    if (lane == 0 && batch < batches)
        STORE(T, y, out, FINISHED(sums[at], element / p.n, element % p.n));
}
#endif
