/* SPDX-License-Identifier: Apache-2.0
 *
 * Stable sorting of lines [outer, n, inner] along n: blocks in local memory, then runs that are merged, several at a time. Of each line only the
 * first `keep` are wanted. gpu/sorting.c defines
 *
 *   T, NUMBER     the elements' type and what they are compared as; FLOATING: there may be NaNs, which are the largest
 *   DESCENDING    the largest first
 *   BLOCK, LINES  sort_blocks: elements of a line, a power of two, and lines, that a group sorts; ALONG: neighbours along n are neighbours in memory
 *   WAYS          merge_runs: runs that become one
 *   FINAL         the kernel writes the results, [outer, keep, inner]; else lines in the workspace, one after the other
 *   PLACE         the type of places that the kernel writes. Places that are read are INDEX.
 */

struct sorting {
    INDEX lines, n, keep, inner, width, runs; /* width, runs: of runs before a merge; of blocks in a line */
};

/* Is a's place in front of b's, whatever came first? */
FUNCTION bool in_front(NUMBER a, NUMBER b)
{
#if defined(FLOATING) && defined(DESCENDING)
    return a > b || (a != a && b == b);
#elif defined(FLOATING)
    return a < b || (b != b && a == a);
#elif defined(DESCENDING)
    return a > b;
#else
    return a < b;
#endif
}

/* Where rank i of a line is written. */
FUNCTION INDEX result_at(struct sorting p, INDEX line, INDEX i)
{
#ifdef FINAL
    const INDEX outer = line / p.inner;
    return (outer * p.keep + i) * p.inner + (line - outer * p.inner);
#else
    return line * p.n + i;
#endif
}

#ifdef BLOCK
enum { ALL = BLOCK * LINES };
#ifdef ALONG
#define LINE_OF(e) ((e) / BLOCK)
#define PLACE_OF(e) ((e) % BLOCK)
#else
#define LINE_OF(e) ((e) % LINES)
#define PLACE_OF(e) ((e) / LINES)
#endif

/* Bitonic. Equal elements are told apart by their places, so that the order is that of a stable sort; BLOCK is the place of what lies beyond the
 * end. */
KERNEL(256, 1) sort_blocks(BUFFER(const STORAGE(T), x), BUFFER(STORAGE(T), values), BUFFER(PLACE, places), struct sorting p)
{
    OPEN(const STORAGE(T), x)
    OPEN(STORAGE(T), values)
    OPEN(PLACE, places)
    LOCAL STORAGE(T) value[ALL];
    LOCAL int place[ALL];
    for (int e = (int)ITEM_X; e < ALL; e += 256) {
        const INDEX block = (INDEX)GROUP_X * LINES + LINE_OF(e), line = block / p.runs, i = (block - line * p.runs) * BLOCK + PLACE_OF(e);
        const INDEX outer = line / p.inner, at = (outer * p.n + i) * p.inner + (line - outer * p.inner);
        const bool inside = line < p.lines && i < p.n;
        value[LINE_OF(e) * BLOCK + PLACE_OF(e)] = inside ? x[at] : 0;
        place[LINE_OF(e) * BLOCK + PLACE_OF(e)] = inside ? PLACE_OF(e) : BLOCK;
    }
    for (int size = 2; size <= BLOCK; size *= 2) {
        for (int step = size / 2; step > 0; step /= 2) {
            BARRIER();
            for (int t = (int)ITEM_X; t < ALL / 2; t += 256) {
                const int i = 2 * t - (t & (step - 1)), j = i + step, place_i = place[i], place_j = place[j];
                const STORAGE(T) value_i = value[i], value_j = value[j];
                const NUMBER number_i = (NUMBER)DECODE(T, value_i), number_j = (NUMBER)DECODE(T, value_j);
                bool turned = place_i > place_j;
                if (place_i != BLOCK && place_j != BLOCK)
                    turned = in_front(number_j, number_i) || (turned && !in_front(number_i, number_j));
                const bool ascending = (i & (BLOCK - 1) & size) == 0;
                if (turned == ascending) {
                    value[i] = value_j;
                    value[j] = value_i;
                    place[i] = place_j;
                    place[j] = place_i;
                }
            }
        }
    }
    BARRIER();
    for (int e = (int)ITEM_X; e < ALL; e += 256) {
        const INDEX block = (INDEX)GROUP_X * LINES + LINE_OF(e), line = block / p.runs, first = (block - line * p.runs) * BLOCK;
        const int slot = LINE_OF(e) * BLOCK + PLACE_OF(e);
        if (line < p.lines && place[slot] != BLOCK && PLACE_OF(e) < p.keep) {
            const INDEX at = result_at(p, line, first + PLACE_OF(e));
            values[at] = value[slot];
            places[at] = (PLACE)(first + place[slot]);
        }
    }
}
#endif

#ifdef WAYS
/* How many of a run's n elements come before v; those that equal it, too, if the run is to the left of v's. */
FUNCTION INDEX count_before(GLOBAL const STORAGE(T) *run, INDEX n, NUMBER v, bool left)
{
    INDEX low = 0, high = n;
    while (low < high) {
        const INDEX middle = low + (high - low) / 2;
        const NUMBER other = (NUMBER)DECODE(T, run[middle]);
        if (left ? !in_front(v, other) : in_front(other, v))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The rank of an element in the merged run is its own plus what comes before it in each of the others. */
KERNEL(256, 1) merge_runs(BUFFER(const STORAGE(T), x), BUFFER(const INDEX, from), BUFFER(STORAGE(T), values), BUFFER(PLACE, places), struct sorting p)
{
    OPEN(const STORAGE(T), x)
    OPEN(const INDEX, from)
    OPEN(STORAGE(T), values)
    OPEN(PLACE, places)
    const INDEX kept = p.width < p.keep ? p.width : p.keep, in_line = p.runs * kept;
    for (INDEX e = GLOBAL_X; e < p.lines * in_line; e += GLOBAL_SIZE) {
        const INDEX line = e / in_line, run = (e - line * in_line) / kept, i = e - line * in_line - run * kept, begin = line * p.n + run * p.width;
        if (run * p.width + i >= p.n)
            continue;
        const STORAGE(T) value = x[begin + i];
        const NUMBER v = (NUMBER)DECODE(T, value);
        const INDEX first = run / WAYS * WAYS;
        INDEX rank = i;
        for (INDEX other = first; other < first + WAYS && other < p.runs; other++) {
            const INDEX left = p.n - other * p.width;
            if (other != run)
                rank += count_before(x + line * p.n + other * p.width, left < kept ? left : kept, v, other < run);
        }
        if (rank < p.keep) {
            const INDEX at = result_at(p, line, first * p.width + rank);
            values[at] = value;
            places[at] = (PLACE)from[begin + i];
        }
    }
}
#endif
