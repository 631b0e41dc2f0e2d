/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm and its gradient. x is seen as channels of elements, packs of W at a time: of one channel, whose planes are rows in memory, or
 * (ACROSS) of W neighbouring channels, which is how channels-last lies. A team makes one channel, or W. First the statistics, then y or dx:
 *
 *   norm_once     both, where a channel is small
 *   norm_parts    statistics of a part of each channel,
 *   norm_finish   which are put together here, or, where that is little, by each group of
 *   norm_apply    which makes y or dx
 *
 * ops/batch_norm.c defines in front of this TX, W, perhaps ACROSS, and GRADIENT. With x' = (x - mean) scale, scale = 1 / sqrt(variance + eps):
 *
 *   y = weight x' + bias,    dbias = sum dy,    dweight = sum dy x',    dx = weight scale (dy - mean(dy) - x' mean(dy x'))
 *
 * where the last two terms are there in training only.
 */

enum { BATCH = W > 4 ? 2 : 4 };
#ifdef ACROSS
enum { OUTS = W, VALUES = BATCH, EACH = 1 };
#else
enum { OUTS = 1, VALUES = BATCH * W, EACH = W };
#endif

typedef struct ALIGNED(W * sizeof(STORAGE(TX))) {
    STORAGE(TX) v[W];
} pack;

/* Memory that is not aligned to packs is read and written element by element. */
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
FUNCTION void write_pack(GLOBAL STORAGE(TX) *y, INDEX i, pack p, int aligned)
{
    if (W > 1 && aligned) {
        ((GLOBAL pack *)y)[i] = p;
        return;
    }
    UNROLL
    for (int k = 0; k < W; k++)
        y[i * W + k] = p.v[k];
}

/* ---- Where things are ---------------------------------------------------------------------------------------------------------------- */

/* Sizes are in packs, but for channels. Element j of result `out` is pack (j / plane) * far + (j % plane) + out * plane of x; ACROSS, pack
 * j * far + out. */
struct norm {
    INDEX step, lanes;       /* a team, as for TEAM() */
    INDEX outputs, channels; /* outputs: channels, or packs of W of them */
    INDEX n, span, parts;    /* of each output: elements, those of a part, and parts */
    INDEX plane, far;
};

FUNCTION INDEX place_of(const struct norm *r, INDEX out, INDEX j)
{
#ifdef ACROSS
    return j * r->far + out;
#else
    const INDEX plane = j / r->plane;
    return plane * r->far + (j - plane * r->plane) + out * r->plane;
#endif
}

enum { HAS_WEIGHT = 1, HAS_BIAS = 2, HAS_RUNNING = 4, UPDATES = 8, KEEPS_TABLE = 16, TRAINS = 32, HAS_GRADIENTS = 64 };
/* What y or dx is made from: parts, what norm_finish left, or the running statistics. */
enum { FROM_PARTS = 0, FROM_FINISHED = 1, FROM_RUNNING = 2 };

#ifdef GRADIENT
/* table: mean and scale of each channel, read; sums: mean(dy) and mean(dy x') scale, for norm_apply. */
#define PARAMETERS                                                                                                           \
    BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), dy), BUFFER(STORAGE(TX), to), BUFFER(const STORAGE(TX), weight), \
        BUFFER(const STORAGE(TX), running_mean), BUFFER(const STORAGE(TX), running_variance), BUFFER(STORAGE(TX), dweight),  \
        BUFFER(STORAGE(TX), dbias), BUFFER(REAL, table), BUFFER(REAL, sums), BUFFER(REAL, parts), REAL eps, int has,          \
        int source, int aligned, struct norm r
#define OPENS                                                                                               \
    OPEN(const STORAGE(TX), x) OPEN(const STORAGE(TX), dy) OPEN(STORAGE(TX), to) OPEN(const STORAGE(TX), weight) \
    OPEN(const STORAGE(TX), running_mean) OPEN(const STORAGE(TX), running_variance) OPEN(STORAGE(TX), dweight)    \
    OPEN(STORAGE(TX), dbias) OPEN(REAL, table) OPEN(REAL, sums) OPEN(REAL, parts)
#else
#define PARAMETERS                                                                                                         \
    BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TX), to), BUFFER(const STORAGE(TX), weight), BUFFER(const STORAGE(TX), bias), \
        BUFFER(const STORAGE(TX), running_mean), BUFFER(const STORAGE(TX), running_variance), BUFFER(STORAGE(TX), new_mean), \
        BUFFER(STORAGE(TX), new_variance), BUFFER(REAL, table), BUFFER(REAL, parts), REAL eps, REAL momentum, REAL keep,    \
        int has, int source, int aligned, struct norm r
#define OPENS                                                                                                     \
    OPEN(const STORAGE(TX), x) OPEN(STORAGE(TX), to) OPEN(const STORAGE(TX), weight) OPEN(const STORAGE(TX), bias) \
    OPEN(const STORAGE(TX), running_mean) OPEN(const STORAGE(TX), running_variance) OPEN(STORAGE(TX), new_mean)     \
    OPEN(STORAGE(TX), new_variance) OPEN(REAL, table) OPEN(REAL, parts)
#endif

#define PLACES                                                                                \
    LOCAL acc box[256];                                                                       \
    const int step = (int)r.step, lanes = (int)r.lanes, item = (int)ITEM_X;                   \
    const int lane = step == 1 ? item & (lanes - 1) : item / step;                            \
    const int place = step == 1 ? item / lanes : item % step;                                 \
    const INDEX teams = 256 / lanes;                                                          \
    for (INDEX block = (INDEX)GROUP_X; block * teams < r.outputs; block += (INDEX)GROUPS_X)

/* The part of the elements that the group is about. */
#define PART                                                                                  \
    const INDEX first = (INDEX)GROUP_Y * r.span + lane, beyond = ((INDEX)GROUP_Y + 1) * r.span, \
                end = out < r.outputs ? (beyond < r.n ? beyond : r.n) : 0;

/* ---- Statistics ------------------------------------------------------------------------------------------------------------------------ */

#ifdef GRADIENT
/* Of dy, and of dy (x - mean). */
typedef struct {
    struct total sum, product;
} acc;
FUNCTION acc none_(void)
{
    acc a;
    a.sum = a.product = total_none();
    return a;
}
FUNCTION acc merge_(acc a, acc b)
{
    a.sum = total_merge(a.sum, b.sum);
    a.product = total_merge(a.product, b.product);
    return a;
}
#else
typedef struct moments acc;
FUNCTION acc none_(void) { return moments_none(); }
FUNCTION acc merge_(acc a, acc b) { return moments_merge(a, b); }
#endif
TEAM(team_merge, acc, merge_)

/* The sum of VALUES numbers, which are lost. */
FUNCTION REAL sum_of(REAL *v)
{
    UNROLL
    for (int gap = VALUES / 2; gap > 0; gap /= 2) {
        UNROLL
        for (int i = 0; i < VALUES / 2; i++)
            if (i < gap)
                v[i] += v[i + gap];
    }
    return v[0];
}

#ifdef GRADIENT
/* What each channel was normalised by. */
#define KNOWN(name, of_running, of_table)                                                     \
    REAL name[OUTS];                                                                          \
    UNROLL                                                                                    \
    for (int k = 0; k < OUTS; k++) {                                                          \
        const INDEX c = out < r.outputs ? out * OUTS + k : 0;                                 \
        name[k] = has & HAS_RUNNING ? of_running : of_table;                                  \
    }
#define MEANS KNOWN(mean, LOAD(TX, running_mean, c), table[2 * c])
#define SCALES KNOWN(scale, 1 / sqrt(LOAD(TX, running_variance, c) + eps), table[2 * c + 1])
#define READ(b)                                                                               \
    {                                                                                         \
        const INDEX at = place_of(&r, out, j + (b) * lanes);                                  \
        const pack px = read_pack(x, at, aligned), pdy = read_pack(dy, at, aligned);          \
        UNROLL                                                                                \
        for (int k = 0; k < W; k++) {                                                         \
            const REAL g = LOAD(TX, pdy.v, k);                                                \
            v[k % OUTS][(b) * EACH + k / OUTS] = g;                                           \
            u[k % OUTS][(b) * EACH + k / OUTS] = g * (LOAD(TX, px.v, k) - mean[k % OUTS]);    \
        }                                                                                     \
    }
#define GATHER                                                                                \
    REAL v[OUTS][VALUES], u[OUTS][VALUES];                                                    \
    INDEX j = first;                                                                          \
    for (; j + (BATCH - 1) * lanes < end; j += BATCH * lanes) {                               \
        UNROLL                                                                                \
        for (int b = 0; b < BATCH; b++)                                                       \
            READ(b)                                                                           \
        UNROLL                                                                                \
        for (int k = 0; k < OUTS; k++) {                                                      \
            a[k].sum = total_add(a[k].sum, sum_of(v[k]));                                     \
            a[k].product = total_add(a[k].product, sum_of(u[k]));                             \
        }                                                                                     \
    }                                                                                         \
    for (; j < end; j += lanes) {                                                             \
        READ(0)                                                                               \
        UNROLL                                                                                \
        for (int k = 0; k < W; k++) {                                                         \
            a[k % OUTS].sum = total_add(a[k % OUTS].sum, v[k % OUTS][k / OUTS]);              \
            a[k % OUTS].product = total_add(a[k % OUTS].product, u[k % OUTS][k / OUTS]);      \
        }                                                                                     \
    }
#else
#define MEANS
#define SCALES
#define READ(b)                                                                               \
    {                                                                                         \
        const pack px = read_pack(x, place_of(&r, out, j + (b) * lanes), aligned);            \
        UNROLL                                                                                \
        for (int k = 0; k < W; k++)                                                           \
            v[k % OUTS][(b) * EACH + k / OUTS] = LOAD(TX, px.v, k);                           \
    }
/* All channels of an item have seen as many elements: one division does for all. */
#define GATHER                                                                                \
    REAL v[OUTS][VALUES], u[VALUES], seen = 0;                                                \
    INDEX j = first;                                                                          \
    for (; j + (BATCH - 1) * lanes < end; j += BATCH * lanes) {                               \
        UNROLL                                                                                \
        for (int b = 0; b < BATCH; b++)                                                       \
            READ(b)                                                                           \
        const REAL share = VALUES / (seen + VALUES);                                          \
        UNROLL                                                                                \
        for (int k = 0; k < OUTS; k++) {                                                      \
            UNROLL                                                                            \
            for (int i = 0; i < VALUES; i++)                                                  \
                u[i] = v[k][i];                                                               \
            const REAL mean = sum_of(u) / VALUES, apart = mean - a[k].mean;                   \
            UNROLL                                                                            \
            for (int i = 0; i < VALUES; i++)                                                  \
                u[i] = (v[k][i] - mean) * (v[k][i] - mean);                                   \
            a[k].mean += apart * share;                                                       \
            a[k].squares += sum_of(u) + apart * (seen * share) * apart;                       \
        }                                                                                     \
        seen += VALUES;                                                                       \
    }                                                                                         \
    for (; j < end; j += lanes) {                                                             \
        READ(0)                                                                               \
        UNROLL                                                                                \
        for (int i = 0; i < EACH; i++) {                                                      \
            const REAL share = 1 / (seen + 1);                                                \
            UNROLL                                                                            \
            for (int k = 0; k < OUTS; k++) {                                                  \
                const REAL apart = v[k][i] - a[k].mean;                                       \
                a[k].mean += apart * share;                                                   \
                a[k].squares += apart * (seen * share) * apart;                               \
            }                                                                                 \
            seen += 1;                                                                        \
        }                                                                                     \
    }                                                                                         \
    UNROLL                                                                                    \
    for (int k = 0; k < OUTS; k++)                                                            \
        a[k].n = seen;
#endif

#define NONE                                                                                  \
    acc a[OUTS];                                                                              \
    UNROLL                                                                                    \
    for (int k = 0; k < OUTS; k++)                                                            \
        a[k] = none_();

/* The parts of channel c that are an item's, put together. */
FUNCTION acc join_parts(GLOBAL const REAL *parts, const struct norm *r, INDEX c, int lane, int lanes)
{
    acc a = none_();
    UNROLL_4
    for (INDEX i = lane; i < r->parts; i += lanes)
        a = merge_(a, ((GLOBAL const acc *)parts)[i * r->channels + c]);
    return a;
}

/* ---- What follows from them, for channel c. `first`: is this the item that keeps it for others? ------------------------------------------- */

#ifdef GRADIENT
/* count: of elements of a channel. Gives mean(dy), and mean(dy x') scale. */
#define SETTLE(a, c, k, keeper)                                                               \
    const REAL product = total_value((a).product) * scale[k];                                 \
    const REAL count = (REAL)r.n * EACH, mean_dy = has & TRAINS ? total_value((a).sum) / count : 0, \
               slope = has & TRAINS ? product / count * scale[k] : 0;                         \
    if ((keeper) && (has & HAS_GRADIENTS)) {                                                  \
        STORE(TX, dweight, c, product);                                                       \
        STORE(TX, dbias, c, total_value((a).sum));                                            \
    }
#else
/* Gives mean and scale. */
#define SETTLE(a, c, k, keeper)                                                               \
    const REAL n = (a).n, variance = n > 0 ? (a).squares / n : 0, mean = (a).mean, scale = 1 / sqrt(variance + eps); \
    if ((keeper) && (has & KEEPS_TABLE)) {                                                    \
        table[2 * (c)] = mean;                                                                \
        table[2 * (c) + 1] = scale;                                                           \
    }                                                                                         \
    if ((keeper) && (has & UPDATES)) { /* a batch of none moves nothing */                    \
        const REAL old_mean = LOAD(TX, running_mean, c), old_variance = LOAD(TX, running_variance, c); \
        STORE(TX, new_mean, c, n > 0 ? keep * old_mean + momentum * mean : old_mean);         \
        STORE(TX, new_variance, c, n > 0 ? keep * old_variance + momentum * (variance * n / (n - 1)) : old_variance); \
    }
#endif

/* ---- y or dx ------------------------------------------------------------------------------------------------------------------------------- */

/* y = (x - mean) factor + shift; dx = (dy - mean_dy - (x - mean) slope) factor. */
#ifdef GRADIENT
#define COEFFICIENTS REAL factor[OUTS], means[OUTS], slopes[OUTS];
#define PACKS pack p[BATCH], q[BATCH];
#define COEFFICIENT(k, c)                                                                     \
    factor[k] = scale[k] * (has & HAS_WEIGHT ? LOAD(TX, weight, c) : (REAL)1);                \
    means[k] = mean_dy;                                                                       \
    slopes[k] = slope;
#define FETCH(b)                                                                              \
    at[b] = place_of(&r, out, j + (b) * lanes);                                               \
    p[b] = read_pack(x, at[b], aligned);                                                      \
    q[b] = read_pack(dy, at[b], aligned);
#define MADE(b, k)                                                                            \
    (factor[k % OUTS] *                                                                       \
     (LOAD(TX, q[b].v, k) - means[k % OUTS] - (LOAD(TX, p[b].v, k) - mean[k % OUTS]) * slopes[k % OUTS]))
#else
#define COEFFICIENTS REAL factor[OUTS], means[OUTS], shifts[OUTS];
#define PACKS pack p[BATCH];
#define COEFFICIENT(k, c)                                                                     \
    factor[k] = scale * (has & HAS_WEIGHT ? LOAD(TX, weight, c) : (REAL)1);                   \
    means[k] = mean;                                                                          \
    shifts[k] = has & HAS_BIAS ? LOAD(TX, bias, c) : (REAL)0;
#define FETCH(b)                                                                              \
    at[b] = place_of(&r, out, j + (b) * lanes);                                               \
    p[b] = read_pack(x, at[b], aligned);
#define MADE(b, k) ((LOAD(TX, p[b].v, k) - means[k % OUTS]) * factor[k % OUTS] + shifts[k % OUTS])
#endif

#define PUT(b)                                                                                \
    UNROLL                                                                                    \
    for (int k = 0; k < W; k++)                                                               \
        p[b].v[k] = ENCODE(TX, MADE(b, k));                                                   \
    write_pack(to, at[b], p[b], aligned);

#define APPLY                                                                                 \
    {                                                                                         \
        PACKS                                                                                 \
        INDEX at[BATCH], j = first;                                                           \
        for (; j + (BATCH - 1) * lanes < end; j += BATCH * lanes) {                           \
            UNROLL                                                                            \
            for (int b = 0; b < BATCH; b++) {                                                 \
                FETCH(b)                                                                      \
            }                                                                                 \
            UNROLL                                                                            \
            for (int b = 0; b < BATCH; b++) {                                                 \
                PUT(b)                                                                        \
            }                                                                                 \
        }                                                                                     \
        for (; j < end; j += lanes) {                                                         \
            FETCH(0)                                                                          \
            PUT(0)                                                                            \
        }                                                                                     \
    }

/* ---- Kernels --------------------------------------------------------------------------------------------------------------------------------- */

KERNEL(256, 1) norm_once(PARAMETERS)
{
    OPENS
    PLACES
    {
        const INDEX out = block * teams + place;
        PART
        MEANS
        SCALES
        COEFFICIENTS
        NONE
        GATHER
        UNROLL
        for (int k = 0; k < OUTS; k++) {
            const INDEX c = out < r.outputs ? out * OUTS + k : 0;
            const acc all = team_merge(a[k], box, step, lanes);
            SETTLE(all, c, k, lane == 0 && out < r.outputs)
            COEFFICIENT(k, c)
        }
        APPLY
    }
}

KERNEL(256, 1) norm_parts(PARAMETERS)
{
    OPENS
    PLACES
    {
        const INDEX out = block * teams + place;
        PART
        MEANS
        NONE
        GATHER
        UNROLL
        for (int k = 0; k < OUTS; k++) {
            const acc all = team_merge(a[k], box, step, lanes);
            if (lane == 0 && out < r.outputs)
                ((GLOBAL acc *)parts)[(INDEX)GROUP_Y * r.channels + out * OUTS + k] = all;
        }
    }
}

KERNEL(256, 1) norm_apply(PARAMETERS)
{
    OPENS
    PLACES
    {
        const INDEX out = block * teams + place;
        PART
        MEANS
        SCALES
        COEFFICIENTS
        UNROLL
        for (int k = 0; k < OUTS; k++) {
            const INDEX c = out < r.outputs ? out * OUTS + k : 0;
            if (source == FROM_PARTS) {
                const acc all = team_merge(join_parts(parts, &r, c, lane, lanes), box, step, lanes);
                SETTLE(all, c, k, lane == 0 && GROUP_Y == 0 && out < r.outputs)
                COEFFICIENT(k, c)
            } else {
#ifdef GRADIENT
                const REAL mean_dy = sums[2 * c], slope = sums[2 * c + 1];
#else
                const REAL mean = source == FROM_RUNNING ? LOAD(TX, running_mean, c) : table[2 * c],
                           scale = source == FROM_RUNNING ? 1 / sqrt(LOAD(TX, running_variance, c) + eps) : table[2 * c + 1];
#endif
                COEFFICIENT(k, c)
            }
        }
        APPLY
    }
}

/* An item makes one channel here, whatever W is: r says so. */
KERNEL(256, 1) norm_finish(PARAMETERS)
{
    OPENS
    PLACES
    {
        const INDEX c = block * teams + place;
        const acc all = team_merge(c < r.channels ? join_parts(parts, &r, c, lane, lanes) : none_(), box, step, lanes);
        if (lane == 0 && c < r.channels) {
#ifdef GRADIENT
            REAL scale[1];
            scale[0] = r.parts == 0 ? 0 : has & HAS_RUNNING ? 1 / sqrt(LOAD(TX, running_variance, c) + eps) : table[2 * c + 1];
            SETTLE(all, c, 0, true)
            sums[2 * c] = mean_dy;
            sums[2 * c + 1] = slope;
#else
            SETTLE(all, c, 0, true)
#endif
        }
    }
}
