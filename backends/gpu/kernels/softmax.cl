/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax, log_softmax and their gradients, along lines of n elements that are `inner` apart. A team makes a line; short lines are held in
 * registers, and read once. ops/softmax.c defines in front of this
 *
 *   OP_softmax, OP_log_softmax, OP_softmax_grad, OP_log_softmax_grad
 *   TX     the type
 *   HELD   elements that an item holds, where it can hold all of its own
 */

#if defined OP_softmax_grad || defined OP_log_softmax_grad
#define GRADIENT
#endif

FUNCTION REAL larger(REAL a, REAL b) { return a > b ? a : b; }
TEAM(team_largest, REAL, larger)
TEAM(team_total, struct total, total_merge)

struct lines {
    INDEX step, lanes;    /* a team, as for TEAM() */
    INDEX count, n, inner;
};

/* Element k of this item's is element j of the line, AT its place in memory. */
#define AT (from + j * l.inner)
#ifdef HELD
#define MINE                                                                                   \
    UNROLL                                                                                     \
    for (int k = 0; k < HELD; k++)
#define PLACE const INDEX j = lane + k * (INDEX)lanes;
#define OURS (there && j < l.n)
#define HOLD(T, name, x)                                                                       \
    REAL name[HELD];                                                                           \
    MINE                                                                                       \
    {                                                                                          \
        PLACE                                                                                  \
        name[k] = OURS ? LOAD(T, x, AT) : (REAL)0;                                             \
    }
#define VALUE(name, x) name[k]
#else
#define MINE for (INDEX j = there ? lane : l.n; j < l.n; j += lanes)
#define PLACE
#define OURS true
#define HOLD(T, name, x)
#define VALUE(name, x) LOAD(TX, x, AT)
#endif

KERNEL(256, 1) softmax(BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), y), BUFFER(STORAGE(TX), out), struct lines l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), y)
    OPEN(STORAGE(TX), out)
#ifndef GRADIENT
    LOCAL REAL largest_box[256];
#endif
    LOCAL struct total box[256];
    const int step = (int)l.step, lanes = (int)l.lanes, item = (int)ITEM_X;
    const int lane = step == 1 ? item & (lanes - 1) : item / step;
    const int place = step == 1 ? item / lanes : item % step;
    const INDEX teams = 256 / lanes;
    for (INDEX block = (INDEX)GROUP_X; block * teams < l.count; block += (INDEX)GROUPS_X) {
        const INDEX line = block * teams + place, outer = line / l.inner, from = outer * l.n * l.inner + (line - outer * l.inner);
        const bool there = line < l.count;
        struct total sum = total_none();
#ifdef GRADIENT
        /* x is dy */
        HOLD(TX, dy, x)
        HOLD(TX, py, y)
        MINE
        {
            PLACE
#ifdef OP_softmax_grad
            sum = total_add(sum, OURS ? VALUE(dy, x) * VALUE(py, y) : (REAL)0);
#else
            sum = total_add(sum, OURS ? VALUE(dy, x) : (REAL)0);
#endif
        }
        const REAL all = total_value(team_total(sum, box, step, lanes));
        MINE
        {
            PLACE
#ifdef OP_softmax_grad
            if (OURS)
                STORE(TX, out, AT, VALUE(py, y) * (VALUE(dy, x) - all));
#else
            if (OURS)
                STORE(TX, out, AT, VALUE(dy, x) - exp(VALUE(py, y)) * all);
#endif
        }
#else
        /* The largest comes off first: nothing overflows. */
        REAL largest = -INFINITY;
        HOLD(TX, v, x)
        MINE
        {
            PLACE
            largest = OURS ? larger(VALUE(v, x), largest) : largest;
        }
        largest = team_largest(largest, largest_box, step, lanes);
        MINE
        {
            PLACE
            const REAL power = OURS ? exp(VALUE(v, x) - largest) : (REAL)0;
            sum = total_add(sum, power);
#if defined HELD && defined OP_softmax
            v[k] = power;
#endif
        }
        const REAL all = total_value(team_total(sum, box, step, lanes));
#ifdef OP_log_softmax
        const REAL logarithm = log(all);
#endif
        MINE
        {
            PLACE
#ifdef OP_log_softmax
            if (OURS)
                STORE(TX, out, AT, VALUE(v, x) - largest - logarithm);
#elif defined HELD
            if (OURS)
                STORE(TX, out, AT, v[k] / all);
#else
            if (OURS)
                STORE(TX, out, AT, exp(VALUE(v, x) - largest) / all);
#endif
        }
#endif
    }
}
