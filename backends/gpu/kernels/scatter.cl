/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add, index_add, embedding_grad: what goes to one place is brought together by a stable sort of the destinations, and added up in that
 * order. gpu/ops/scatter_add.c defines
 *
 *   T, SUM          the elements' type and the type of sums: float, double, and uint or ulong for integers, which wrap around
 *   NDIM            scatter_keys: dimensions of the walk; 0: destinations are rows, and the index is a list of them
 *   COLUMNS         scatter_rows: items beside each other; groups handle 256 / COLUMNS destinations at a time
 *   ADDED           there is an x to add to
 */

#ifdef NDIM
struct walk {
    INDEX shape[8], out[8], in[5][8];
};

/* Where each index sends its element or row; -1: nowhere, it is out of range or the padding. */
KERNEL(256, 1) scatter_keys(BUFFER(const long, index), BUFFER(INDEX, keys), INDEX n, INDEX step, INDEX choices, long padding, struct walk w,
                            BUFFER(int, report), int site)
{
    OPEN(const long, index)
    OPEN(INDEX, keys)
    OPEN(int, report)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        const long chosen = index[i];
        const bool good = chosen >= 0 && chosen < (long)choices;
        INDEX to = (INDEX)chosen * step;
        if (!good)
            report_bad(report, site, BAD_INDEX, chosen, (long)i, (long)choices);
#if NDIM > 0
        INDEX rest = i;
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX quotient = rest / w.shape[d];
            to += (rest - quotient * w.shape[d]) * w.in[0][d];
            rest = quotient;
        }
        to += rest * w.in[0][0];
#endif
        keys[i] = good && chosen != padding ? to : -1;
    }
}
#endif

#ifdef COLUMNS
enum { UNITS = 256 / COLUMNS, FEW = 32 };

#define FETCH(x, i) ((SUM)DECODE(T, (x)[i]))

/* The first of keys[low ... high) that is not less than key. */
FUNCTION INDEX find_key(GLOBAL const INDEX *keys, INDEX low, INDEX high, INDEX key)
{
    while (low < high) {
        const INDEX middle = low + (high - low) / 2;
        if (keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* sum, and the elements that places[begin ... end) name. Every FEW are added up by themselves, so that errors do not grow. */
FUNCTION SUM add_up(SUM sum, GLOBAL const STORAGE(T) *source, GLOBAL const INDEX *places, INDEX begin, INDEX end, INDEX inner)
{
    while (end - begin > FEW) {
        const INDEX stop = begin + FEW;
        SUM part = 0;
        for (; begin < stop; begin++)
            part += FETCH(source, places[begin] * inner);
        sum += part;
    }
    for (; begin < end; begin++)
        sum += FETCH(source, places[begin] * inner);
    return sum;
}

/* y and x are [outer, destinations, inner], source [outer, n, inner]. A group has `block` destinations and `width` columns. */
struct rows {
    INDEX n, destinations, inner, block, blocks, width, widths;
};

#ifdef ADDED
#define ADDED_PARAMETER BUFFER(const STORAGE(T), x),
#define BEFORE_(at) FETCH(x, at)
#else
#define ADDED_PARAMETER
#define BEFORE_(at) 0
#endif

/* One destination is a unit's work, whose items are beside each other. Where more than FEW elements go, all units of the group share it, one
 * destination after the other. */
KERNEL(256, 1) scatter_rows(ADDED_PARAMETER BUFFER(const INDEX, keys), BUFFER(const INDEX, places), BUFFER(const STORAGE(T), source),
                            BUFFER(STORAGE(T), y), struct rows p)
{
#ifdef ADDED
    OPEN(const STORAGE(T), x)
#endif
    OPEN(const INDEX, keys)
    OPEN(const INDEX, places)
    OPEN(const STORAGE(T), source)
    OPEN(STORAGE(T), y)
    LOCAL INDEX range[2], begins[UNITS], ends[UNITS];
    LOCAL SUM sums[256];
    LOCAL int shared;
    const int unit = (int)ITEM_X / COLUMNS, item = (int)ITEM_X % COLUMNS;
    INDEX group = (INDEX)GROUP_X;
    const INDEX left = group % p.widths * p.width, right = left + p.width < p.inner ? left + p.width : p.inner;
    group /= p.widths;
    const INDEX outer = group / p.blocks, first = (group - outer * p.blocks) * p.block;
    source += outer * p.n * p.inner;
    if (ITEM_X < 2)
        range[ITEM_X] = find_key(keys, 0, p.n, first + (INDEX)ITEM_X * p.block);
    BARRIER();
    const INDEX low = range[0], high = range[1];
    for (INDEX next = first; next < first + p.block && next < p.destinations; next += UNITS) {
        const INDEX destination = next + unit, row = (outer * p.destinations + destination) * p.inner;
        INDEX begin = low, end = low;
        if (low < high) {
            begin = find_key(keys, low, high, destination);
            end = find_key(keys, begin, high, destination + 1);
        }
        begins[unit] = begin;
        ends[unit] = end;
        if (ITEM_X == 0)
            shared = 0;
        BARRIER();
        if (end - begin > FEW)
            shared = 1;
        else if (destination < p.destinations)
            for (INDEX c = left + item; c < right; c += COLUMNS)
                STORE(T, y, row + c, add_up(BEFORE_(row + c), source + c, places, begin, end, p.inner));
        BARRIER();
        for (int u = 0; shared && u < UNITS; u++) {
            const INDEX from = begins[u], count = ends[u] - from, share = (count + UNITS - 1) / UNITS;
            const INDEX mine = unit * share < count ? from + unit * share : from + count;
            const INDEX last = mine + share < from + count ? mine + share : from + count;
            const INDEX its_row = (outer * p.destinations + next + u) * p.inner;
            for (INDEX c = left; c < right && count > FEW; c += COLUMNS) {
                const bool inside = c + item < right;
                sums[unit * COLUMNS + item] = inside ? add_up(0, source + c + item, places, mine, last, p.inner) : 0;
                for (int step = UNITS / 2; step > 0; step /= 2) {
                    BARRIER();
                    if (unit < step)
                        sums[unit * COLUMNS + item] += sums[(unit + step) * COLUMNS + item];
                }
                if (unit == 0 && inside)
                    STORE(T, y, its_row + c + item, BEFORE_(its_row + c + item) + sums[item]);
                BARRIER();
            }
        }
        BARRIER();
    }
}
#endif
