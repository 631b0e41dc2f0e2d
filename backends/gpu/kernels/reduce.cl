/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over any dimensions of an operand with any strides. A team of items makes one output, or W neighbouring ones: items read
 * neighbouring addresses, be they of one output (then the team is side by side) or of many (then its items are `step` apart). Where there are few
 * outputs, each is made in parts (reduce_parts), which are put together in a second launch (reduce_join). ops/reduce.c defines in front of this
 *
 *   OP_sum (also mean), OP_prod, OP_amax, OP_amin, OP_var, OP_argmax, OP_argmin
 *   TX, TY       types of operand and result
 *   W            elements that an item reads at once; ACROSS: they are of W outputs
 *   DIMS         reduced dimensions, in units of W where they are read at once
 *   SQUARES      where x - target is squared first
 */

enum { BATCH = W > 4 ? 2 : 4 };
#ifdef ACROSS
enum { OUTS = W, VALUES = BATCH, EACH = 1 };
#else
enum { OUTS = 1, VALUES = BATCH * W, EACH = W };
#endif

/* ---- What is kept of some elements, and how it is merged ------------------------------------------------------------------------------ */

#if defined OP_sum && !defined REAL_long
typedef struct total acc;
FUNCTION acc none_(void) { return total_none(); }
FUNCTION acc merge_(acc a, acc b) { return total_merge(a, b); }
FUNCTION acc one_(acc a, REAL v, INDEX i) { return total_add(a, v); }
#define FOLD(a, b) ((a) + (b))
#define FINISH(a) (total_value(a) / divisor)

#elif defined OP_sum
typedef REAL acc;
FUNCTION acc none_(void) { return 0; }
FUNCTION acc merge_(acc a, acc b) { return pw_add(a, b); }
FUNCTION acc one_(acc a, REAL v, INDEX i) { return pw_add(a, v); }
#define FOLD(a, b) pw_add(a, b)
#define FINISH(a) (a)

#elif defined OP_prod
typedef REAL acc;
FUNCTION acc none_(void) { return 1; }
FUNCTION acc merge_(acc a, acc b) { return pw_mul(a, b); }
FUNCTION acc one_(acc a, REAL v, INDEX i) { return pw_mul(a, v); }
#define FOLD(a, b) pw_mul(a, b)
#define FINISH(a) (a)

#elif defined OP_amax || defined OP_amin
typedef REAL acc;
#ifdef REAL_long
#define FARTHEST 0x7fffffffffffffffL
#else
#define FARTHEST INFINITY
#endif
#ifdef OP_amax
#define FOLD(a, b) pw_max(a, b)
FUNCTION acc none_(void) { return -FARTHEST - 1; }
#else
#define FOLD(a, b) pw_min(a, b)
FUNCTION acc none_(void) { return FARTHEST; }
#endif
FUNCTION acc merge_(acc a, acc b) { return FOLD(a, b); }
FUNCTION acc one_(acc a, REAL v, INDEX i) { return FOLD(a, v); }
#define FINISH(a) (a)

#elif defined OP_var
typedef struct moments acc;
FUNCTION acc none_(void) { return moments_none(); }
FUNCTION acc merge_(acc a, acc b) { return moments_merge(a, b); }
FUNCTION acc one_(acc a, REAL v, INDEX i)
{
    acc b;
    b.n = 1;
    b.mean = v;
    b.squares = 0;
    return moments_merge(a, b);
}
#define FINISH(a) (divisor > 0 ? (a).squares / divisor : (REAL)NAN_)

#else /* where the extreme is: the first of equals; a NaN is beyond everything */
typedef struct {
    REAL value;
    INDEX at; /* -1: of nothing */
} acc;
#ifdef OP_argmax
#define BEYOND(a, b) ((a) > (b))
#else
#define BEYOND(a, b) ((a) < (b))
#endif
FUNCTION acc none_(void)
{
    acc a;
    a.value = 0;
    a.at = -1;
    return a;
}
FUNCTION acc merge_(acc a, acc b)
{
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a.value == b.value || (a_nan && b_nan), beyond = !a_nan && (b_nan || BEYOND(b.value, a.value));
    return a.at < 0 || (b.at >= 0 && (beyond || (equal && b.at < a.at))) ? b : a;
}
FUNCTION acc one_(acc a, REAL v, INDEX i)
{
    acc b;
    b.value = v;
    b.at = i;
    return merge_(a, b);
}
#define FINISH(a) ((a).at)
#endif

TEAM(team_merge, acc, merge_)

/* ---- A batch of values ------------------------------------------------------------------------------------------------------------------ */

/* v: those of one output; first: the index of v[0]; EACH of them are neighbours, then come the next `apart`. */
FUNCTION acc absorb(acc a, REAL *v, INDEX first, INDEX apart)
{
#ifdef FOLD /* pairwise, in registers; then one step of the longer sum */
    UNROLL
    for (int gap = VALUES / 2; gap > 0; gap /= 2) {
        UNROLL
        for (int i = 0; i < VALUES / 2; i++)
            if (i < gap)
                v[i] = FOLD(v[i], v[i + gap]);
    }
    return one_(a, v[0], first);
#elif defined OP_var
    acc b;
    REAL sum = 0;
    UNROLL
    for (int i = 0; i < VALUES; i++)
        sum += v[i];
    b.n = VALUES;
    b.mean = sum / VALUES;
    b.squares = 0;
    UNROLL
    for (int i = 0; i < VALUES; i++)
        b.squares += (v[i] - b.mean) * (v[i] - b.mean);
    return moments_merge(a, b);
#else
    UNROLL
    for (int i = 0; i < VALUES; i++)
        a = one_(a, v[i], first + i / EACH * apart + i % EACH);
    return a;
#endif
}

typedef struct ALIGNED(W * sizeof(STORAGE(TX))) {
    STORAGE(TX) v[W];
} pack;

/* Pack i. Memory that is not aligned to packs is read element by element. */
FUNCTION pack read_pack(GLOBAL const STORAGE(TX) *x, INDEX i, int aligned)
{
    if (W > 1 && aligned)
        return ((GLOBAL const pack *)x)[i];
    pack p;
    UNROLL
    for (int k = 0; k < W; k++)
        p.v[k] = x[i * W + k];
    return p;
}

/* ---- Where things are --------------------------------------------------------------------------------------------------------------------- */

/* With packs, sizes and strides are counted in packs, but for y's. */
struct reduction {
    INDEX step, lanes;         /* a team, as for TEAM() */
    INDEX outputs;             /* W each where an item makes W of them */
    INDEX n, span;             /* elements of each, and of each part of it */
    INDEX jump;                /* from an element to the next of the same item */
    INDEX y_step;              /* between the W outputs */
    INDEX kept;                /* dimensions that stay */
    INDEX kept_shape[8], kept_x[8], kept_y[8];
    INDEX shape[8], stride[8]; /* the reduced dimensions */
    INDEX digit[8];            /* an item's step along each of them */
    INDEX carry[8];            /* what it moves by beside, where a dimension ends */
};

FUNCTION INDEX kept_offset(const struct reduction *r, INDEX out, bool of_x)
{
    INDEX offset = 0;
    for (int d = (int)r->kept - 1; d >= 0; d--) {
        const INDEX quotient = d > 0 ? out / r->kept_shape[d] : 0, c = out - quotient * r->kept_shape[d];
        offset += c * (of_x ? r->kept_x[d] : r->kept_y[d]);
        out = quotient;
    }
    return offset;
}

/* An item's way through the elements of its output: a number of as many digits as there are dimensions. */
struct way {
    INDEX at[DIMS], offset;
};

FUNCTION struct way way_from(const struct reduction *r, INDEX i, INDEX offset)
{
    struct way w;
    w.offset = offset;
    UNROLL
    for (int d = DIMS - 1; d >= 0; d--) {
        const INDEX quotient = d > 0 ? i / r->shape[d] : 0;
        w.at[d] = i - quotient * r->shape[d];
        w.offset += w.at[d] * r->stride[d];
        i = quotient;
    }
    return w;
}

FUNCTION struct way way_on(const struct reduction *r, struct way w)
{
    INDEX over = 0;
    w.offset += r->jump;
    UNROLL
    for (int d = DIMS - 1; d > 0; d--) {
        w.at[d] += r->digit[d] + over;
        over = w.at[d] >= r->shape[d];
        w.at[d] -= over ? r->shape[d] : 0;
        w.offset += over ? r->carry[d] : 0;
    }
    return w;
}

/* ---- Kernels ------------------------------------------------------------------------------------------------------------------------------ */

#ifdef SQUARES
#define SECOND BUFFER(const STORAGE(TX), t),
#define OPEN_SECOND OPEN(const STORAGE(TX), t)
#else
#define SECOND
#define OPEN_SECOND
#endif

/* The elements of a pack as numbers; those of one output stand together. */
#ifdef SQUARES
#define READ(b)                                                                           \
    {                                                                                     \
        const pack p = read_pack(x, w.offset, aligned), q = read_pack(t, w.offset, aligned); \
        UNROLL                                                                            \
        for (int k = 0; k < W; k++) {                                                     \
            const REAL apart = LOAD(TX, p.v, k) - LOAD(TX, q.v, k);                       \
            v[0][(b) * W + k] = apart * apart;                                            \
        }                                                                                 \
    }
#else
#define READ(b)                                                                           \
    {                                                                                     \
        const pack p = read_pack(x, w.offset, aligned);                                 \
        UNROLL                                                                            \
        for (int k = 0; k < W; k++)                                                       \
            v[k % OUTS][(b) * EACH + k / OUTS] = LOAD(TX, p.v, k);                        \
    }
#endif

/* The acc of one output or of W, of the part GROUP_Y of their elements, for every item of the team. */
#define GATHER                                                                            \
    acc a[OUTS];                                                                          \
    UNROLL                                                                                \
    for (int k = 0; k < OUTS; k++)                                                        \
        a[k] = none_();                                                                   \
    if (out < r.outputs) {                                                                \
        const INDEX end = ((INDEX)GROUP_Y + 1) * r.span < r.n ? ((INDEX)GROUP_Y + 1) * r.span : r.n; \
        INDEX i = (INDEX)GROUP_Y * r.span + lane;                                         \
        REAL v[OUTS][VALUES];                                                             \
        struct way w = way_from(&r, i, kept_offset(&r, out, true));                       \
        for (; i + (BATCH - 1) * lanes < end; i += BATCH * lanes) {                   \
            UNROLL                                                                        \
            for (int b = 0; b < BATCH; b++) {                                             \
                READ(b)                                                                   \
                w = way_on(&r, w);                                                        \
            }                                                                             \
            UNROLL                                                                        \
            for (int k = 0; k < OUTS; k++)                                                \
                a[k] = absorb(a[k], v[k], i * EACH, lanes * EACH);                      \
        }                                                                                 \
        for (; i < end; i += lanes) {                                                   \
            READ(0)                                                                       \
            w = way_on(&r, w);                                                            \
            UNROLL                                                                        \
            for (int k = 0; k < W; k++)                                                   \
                a[k % OUTS] = one_(a[k % OUTS], v[k % OUTS][k / OUTS], i * EACH + k / OUTS); \
        }                                                                                 \
    }

#define PLACES                                                                            \
    LOCAL acc box[256];                                                                   \
    const int step = (int)r.step, lanes = (int)r.lanes, item = (int)ITEM_X;               \
    const int lane = step == 1 ? item & (lanes - 1) : item / step;                        \
    const int place = step == 1 ? item / lanes : item % step;                             \
    const INDEX teams = 256 / lanes;                                                      \
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.outputs; block += (INDEX)GROUPS_X)

#define WRITE(k, value)                                                                   \
    STORE(TY, y, kept_offset(&r, out, false) + (k) * r.y_step, value)

/* All of each output. */
KERNEL(256, 1) reduce_whole(BUFFER(const STORAGE(TX), x), SECOND BUFFER(STORAGE(TY), y), REAL divisor, int aligned, struct reduction r)
{
    OPEN(const STORAGE(TX), x)
    OPEN_SECOND
    OPEN(STORAGE(TY), y)
    PLACES
    {
        const INDEX out = block * teams + place;
        GATHER
        UNROLL
        for (int k = 0; k < OUTS; k++) {
            a[k] = team_merge(a[k], box, step, lanes);
            if (lane == 0 && out < r.outputs)
                WRITE(k, FINISH(a[k]));
        }
    }
}

/* A part of each, as an acc in `parts`, which has room for those of all outputs, part after part. */
KERNEL(256, 1) reduce_parts(BUFFER(const STORAGE(TX), x), SECOND BUFFER(REAL, parts), int aligned, struct reduction r)
{
    OPEN(const STORAGE(TX), x)
    OPEN_SECOND
    OPEN(REAL, parts)
    PLACES
    {
        const INDEX out = block * teams + place;
        GATHER
        UNROLL
        for (int k = 0; k < OUTS; k++) {
            a[k] = team_merge(a[k], box, step, lanes);
            if (lane == 0 && out < r.outputs)
                ((GLOBAL acc *)parts)[((INDEX)GROUP_Y * r.outputs + out) * OUTS + k] = a[k];
        }
    }
}

/* Puts n parts of each output together. */
KERNEL(256, 1) reduce_join(BUFFER(REAL, parts), BUFFER(STORAGE(TY), y), REAL divisor, struct reduction r)
{
    OPEN(REAL, parts)
    OPEN(STORAGE(TY), y)
    PLACES
    {
        const INDEX out = block * teams + place;
        acc a = none_();
        UNROLL_4
        for (INDEX i = out < r.outputs ? lane : r.n; i < r.n; i += lanes)
            a = merge_(a, ((GLOBAL acc *)parts)[i * r.outputs + out]);
        a = team_merge(a, box, step, lanes);
        if (lane == 0 && out < r.outputs)
            STORE(TY, y, kept_offset(&r, out, false), FINISH(a));
    }
}
