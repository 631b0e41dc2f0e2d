/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm and its gradient, over rows of n elements. A team makes a row; short rows are held in registers, and read once. ops/layer_norm.c defines
 * in front of this TX and, where an item can hold all that is its own of a row, HELD, how much that is. With x' = (x - mean) scale,
 * scale = 1 / sqrt(variance + eps), d = weight dy:
 *
 *   y = weight x' + bias,    dx = scale (d - mean(d) - x' mean(d x')),    dweight = sum of dy x' over rows,    dbias = sum of dy
 */

struct rows {
    INDEX step, lanes; /* a team, as for TEAM() */
    INDEX count, n;
    INDEX span, parts; /* of the sums over rows: rows of a part, and parts */
};

enum { HAS_WEIGHT = 1, HAS_BIAS = 2, KEEPS_TABLE = 4 };

/* Two sums at once. */
typedef struct {
    struct total first, second;
} pair;
FUNCTION pair pair_none(void)
{
    pair p;
    p.first = p.second = total_none();
    return p;
}
FUNCTION pair pair_add(pair p, REAL a, REAL b)
{
    p.first = total_add(p.first, a);
    p.second = total_add(p.second, b);
    return p;
}
FUNCTION pair pair_merge(pair a, pair b)
{
    a.first = total_merge(a.first, b.first);
    a.second = total_merge(a.second, b.second);
    return a;
}
TEAM(team_total, struct total, total_merge)
TEAM(team_pair, pair, pair_merge)

/* Element k of this item's is element j of the row, at `from` + j. */
#ifdef HELD
#define MINE                                                                                  \
    UNROLL                                                                                    \
    for (int k = 0; k < HELD; k++)
#define PLACE const INDEX j = lane + k * (INDEX)lanes;
#define OURS (there && j < r.n)
#define HOLD(name, x)                                                                         \
    REAL name[HELD];                                                                          \
    MINE                                                                                      \
    {                                                                                         \
        PLACE                                                                                 \
        name[k] = OURS ? LOAD(TX, x, from + j) : (REAL)0;                                     \
    }
#define VALUE(name, x) name[k]
#else
#define MINE for (INDEX j = there ? lane : r.n; j < r.n; j += lanes)
#define PLACE
#define OURS true
#define HOLD(name, x)
#define VALUE(name, x) LOAD(TX, x, from + j)
#endif

#define PLACES                                                                                \
    const int step = (int)r.step, lanes = (int)r.lanes, item = (int)ITEM_X;                   \
    const int lane = step == 1 ? item & (lanes - 1) : item / step;                            \
    const int place = step == 1 ? item / lanes : item % step;                                 \
    const INDEX teams = 256 / lanes;

/* Mean and scale of the row, in two passes over what is held. */
#define STATISTICS                                                                            \
    struct total sum = total_none(), squares = total_none();                                  \
    HOLD(vx, x)                                                                               \
    MINE                                                                                      \
    {                                                                                         \
        PLACE                                                                                 \
        sum = total_add(sum, OURS ? VALUE(vx, x) : (REAL)0);                                  \
    }                                                                                         \
    const REAL mean = total_value(team_total(sum, box, step, lanes)) / r.n;                   \
    MINE                                                                                      \
    {                                                                                         \
        PLACE                                                                                 \
        const REAL apart = OURS ? VALUE(vx, x) - mean : (REAL)0;                              \
        squares = total_add(squares, apart * apart);                                          \
    }                                                                                         \
    const REAL scale = 1 / sqrt(total_value(team_total(squares, box, step, lanes)) / r.n + eps);

KERNEL(256, 1) layer_norm(BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), weight), BUFFER(const STORAGE(TX), bias), BUFFER(STORAGE(TX), y),
                          REAL eps, int has, struct rows r)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), weight)
    OPEN(const STORAGE(TX), bias)
    OPEN(STORAGE(TX), y)
    LOCAL struct total box[256];
    PLACES
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.count; block += (INDEX)GROUPS_X) {
        const INDEX row = block * teams + place, from = row * r.n;
        const bool there = row < r.count;
        STATISTICS
        MINE
        {
            PLACE
            if (OURS) {
                const REAL normal = (VALUE(vx, x) - mean) * scale;
                STORE(TX, y, from + j, normal * (has & HAS_WEIGHT ? LOAD(TX, weight, j) : (REAL)1) + (has & HAS_BIAS ? LOAD(TX, bias, j) : (REAL)0));
            }
        }
    }
}

/* dx; and mean and scale of each row into the table, for the sums over rows. */
KERNEL(256, 1) layer_norm_rows(BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), dy), BUFFER(const STORAGE(TX), weight),
                               BUFFER(STORAGE(TX), dx), BUFFER(REAL, table), REAL eps, int has, struct rows r)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), dy)
    OPEN(const STORAGE(TX), weight)
    OPEN(STORAGE(TX), dx)
    OPEN(REAL, table)
    LOCAL struct total box[256];
    LOCAL pair pairs[256];
    PLACES
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.count; block += (INDEX)GROUPS_X) {
        const INDEX row = block * teams + place, from = row * r.n;
        const bool there = row < r.count;
        STATISTICS
        pair sums = pair_none();
        HOLD(vdy, dy)
        MINE
        {
            PLACE
            const REAL d = OURS ? VALUE(vdy, dy) * (has & HAS_WEIGHT ? LOAD(TX, weight, j) : (REAL)1) : (REAL)0;
            sums = pair_add(sums, d, OURS ? d * ((VALUE(vx, x) - mean) * scale) : (REAL)0);
        }
        sums = team_pair(sums, pairs, step, lanes);
        const REAL mean_d = total_value(sums.first) / r.n, slope = total_value(sums.second) / r.n;
        MINE
        {
            PLACE
            if (OURS) {
                const REAL d = VALUE(vdy, dy) * (has & HAS_WEIGHT ? LOAD(TX, weight, j) : (REAL)1);
                STORE(TX, dx, from + j, scale * (d - mean_d - (VALUE(vx, x) - mean) * scale * slope));
            }
        }
        if ((has & KEEPS_TABLE) && lane == 0 && there) {
            table[2 * row] = mean;
            table[2 * row + 1] = scale;
        }
    }
}

/* dweight and dbias: a team makes one column, or, where there is more than one part, the part GROUP_Y of it. */
KERNEL(256, 1) layer_norm_columns(BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), dy), BUFFER(REAL, table), BUFFER(STORAGE(TX), dweight),
                                  BUFFER(STORAGE(TX), dbias), BUFFER(REAL, parts), struct rows r)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), dy)
    OPEN(REAL, table)
    OPEN(STORAGE(TX), dweight)
    OPEN(STORAGE(TX), dbias)
    OPEN(REAL, parts)
    LOCAL pair pairs[256];
    PLACES
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.n; block += (INDEX)GROUPS_X) {
        const INDEX column = block * teams + place, beyond = ((INDEX)GROUP_Y + 1) * r.span;
        const INDEX end = column < r.n ? (beyond < r.count ? beyond : r.count) : 0;
        pair sums = pair_none();
        UNROLL_4
        for (INDEX i = (INDEX)GROUP_Y * r.span + lane; i < end; i += lanes) {
            const REAL g = LOAD(TX, dy, i * r.n + column);
            sums = pair_add(sums, g * ((LOAD(TX, x, i * r.n + column) - table[2 * i]) * table[2 * i + 1]), g);
        }
        sums = team_pair(sums, pairs, step, lanes);
        const bool writes = lane == 0 && column < r.n;
        if (writes && r.parts > 1)
            ((GLOBAL pair *)parts)[(INDEX)GROUP_Y * r.n + column] = sums;
        if (writes && r.parts <= 1) {
            STORE(TX, dweight, column, total_value(sums.first));
            STORE(TX, dbias, column, total_value(sums.second));
        }
    }
}

/* Puts the parts of each column together. */
KERNEL(256, 1) layer_norm_join(BUFFER(REAL, parts), BUFFER(STORAGE(TX), dweight), BUFFER(STORAGE(TX), dbias), struct rows r)
{
    OPEN(REAL, parts)
    OPEN(STORAGE(TX), dweight)
    OPEN(STORAGE(TX), dbias)
    LOCAL pair pairs[256];
    PLACES
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.n; block += (INDEX)GROUPS_X) {
        const INDEX column = block * teams + place;
        pair sums = pair_none();
        UNROLL_4
        for (INDEX i = column < r.n ? lane : r.parts; i < r.parts; i += lanes)
            sums = pair_merge(sums, ((GLOBAL pair *)parts)[i * r.n + column]);
        sums = team_pair(sums, pairs, step, lanes);
        if (lane == 0 && column < r.n) {
            STORE(TX, dweight, column, total_value(sums.first));
            STORE(TX, dbias, column, total_value(sums.second));
        }
    }
}
