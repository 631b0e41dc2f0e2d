/* SPDX-License-Identifier: Apache-2.0
 *
 * cumsum along lines of n elements that are `inner` apart. A long line is cut into parts: first the sum of each, then, from the sums of the parts
 * before it, each part's elements. Neighbouring lines (inner > 1) are gone through side by side, one by each item; else a group goes through
 * one, 1024 elements at a time. ops/cumsum.c defines TX and TY in front of this.
 */

struct lines {
    INDEX count, n, inner;
    INDEX span, parts; /* elements of a part, and parts of a line */
};

#ifdef REAL_long
typedef REAL acc;
FUNCTION acc none_(void) { return 0; }
FUNCTION acc add_(acc a, REAL v) { return pw_add(a, v); }
FUNCTION acc merge_(acc a, acc b) { return pw_add(a, b); }
#define VALUE(a) (a)
#else
typedef struct total acc;
FUNCTION acc none_(void) { return total_none(); }
FUNCTION acc add_(acc a, REAL v) { return total_add(a, v); }
FUNCTION acc merge_(acc a, acc b) { return total_merge(a, b); }
#define VALUE(a) total_value(a)
#endif
TEAM(team_merge, acc, merge_)

/* ---- Neighbouring lines ------------------------------------------------------------------------------------------------------------------ */

/* The part GROUP_Y of line `line`. */
#define LINE_OF_ITEM                                                                          \
    const INDEX outer = line / l.inner, from = outer * l.n * l.inner + (line - outer * l.inner); \
    const INDEX first = (INDEX)GROUP_Y * l.span, end = first + l.span < l.n ? first + l.span : l.n;

KERNEL(256, 1) cumsum_parts_across(BUFFER(const STORAGE(TX), x), BUFFER(REAL, parts), struct lines l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(REAL, parts)
    for (INDEX line = GLOBAL_X; line < l.count; line += GLOBAL_SIZE) {
        LINE_OF_ITEM
        acc a = none_();
        UNROLL_4
        for (INDEX j = first; j < end; j++)
            a = add_(a, LOAD(TX, x, from + j * l.inner));
        ((GLOBAL acc *)parts)[(INDEX)GROUP_Y * l.count + line] = a;
    }
}

KERNEL(256, 1) cumsum_across(BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TY), y), BUFFER(REAL, parts), struct lines l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(STORAGE(TY), y)
    OPEN(REAL, parts)
    for (INDEX line = GLOBAL_X; line < l.count; line += GLOBAL_SIZE) {
        LINE_OF_ITEM
        acc a = none_();
        for (INDEX i = 0; i < (INDEX)GROUP_Y; i++)
            a = merge_(a, ((GLOBAL acc *)parts)[i * l.count + line]);
        for (INDEX j = first; j < end; j++) {
            a = add_(a, LOAD(TX, x, from + j * l.inner));
            STORE(TY, y, from + j * l.inner, VALUE(a));
        }
    }
}

/* ---- One line after the other --------------------------------------------------------------------------------------------------------------- */

KERNEL(256, 1) cumsum_parts_along(BUFFER(const STORAGE(TX), x), BUFFER(REAL, parts), struct lines l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(REAL, parts)
    LOCAL acc box[256];
    const INDEX first = (INDEX)GROUP_Y * l.span, end = first + l.span < l.n ? first + l.span : l.n;
    for (INDEX line = (INDEX)GROUP_X; line < l.count; line += (INDEX)GROUPS_X) {
        acc a = none_();
        UNROLL_4
        for (INDEX j = first + (INDEX)ITEM_X; j < end; j += 256)
            a = add_(a, LOAD(TX, x, line * l.n + j));
        a = team_merge(a, box, 1, 256);
        if (ITEM_X == 0)
            ((GLOBAL acc *)parts)[(INDEX)GROUP_Y * l.count + line] = a;
    }
}

enum { EACH = 4 };

KERNEL(256, 1) cumsum_along(BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TY), y), BUFFER(REAL, parts), struct lines l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(STORAGE(TY), y)
    OPEN(REAL, parts)
    LOCAL acc box[256];
    LOCAL acc sums[256];
    const INDEX first = (INDEX)GROUP_Y * l.span, end = first + l.span < l.n ? first + l.span : l.n;
    const int item = (int)ITEM_X;
    for (INDEX line = (INDEX)GROUP_X; line < l.count; line += (INDEX)GROUPS_X) {
        acc before = none_();
        for (INDEX i = (INDEX)item; i < (INDEX)GROUP_Y; i += 256)
            before = merge_(before, ((GLOBAL acc *)parts)[i * l.count + line]);
        before = team_merge(before, box, 1, 256);
        for (INDEX block = first; block < end; block += 256 * EACH) {
            const INDEX mine = block + (INDEX)item * EACH;
            REAL v[EACH];
            acc own = none_();
            UNROLL
            for (int k = 0; k < EACH; k++) {
                v[k] = mine + k < end ? LOAD(TX, x, line * l.n + mine + k) : (REAL)0;
                own = add_(own, v[k]);
            }
            /* Every item's sum and those of all before it. */
            BARRIER();
            sums[item] = own;
            for (int reach = 1; reach < 256; reach *= 2) {
                BARRIER();
                const acc left = item >= reach ? sums[item - reach] : none_();
                BARRIER();
                sums[item] = merge_(left, sums[item]);
            }
            BARRIER();
            acc a = item > 0 ? merge_(before, sums[item - 1]) : before;
            UNROLL
            for (int k = 0; k < EACH; k++) {
                a = add_(a, v[k]);
                if (mine + k < end)
                    STORE(TY, y, line * l.n + mine + k, VALUE(a));
            }
            before = merge_(before, sums[255]);
        }
    }
}
