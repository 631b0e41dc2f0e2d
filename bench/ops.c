/* SPDX-License-Identifier: Apache-2.0
 *
 * Single ops on random f32: the smallest call there is, what memory bounds, what arithmetic bounds, and the layers of
 * mnist-cnn at batch 64, forward and backward.
 */
#include "bench/bench.h"

#define M16 (16 << 20)

static tl_status keep_normal(tl_tensor **slot, int ndim, const int64_t *shape)
{
    TL_SCOPE *slot = tl_keep(tl_randn(ndim, shape, (struct tl_options){0}));
    return *slot ? TL_OK : tl_error_code();
}

/* Call an expression `times` times, each in a scope, and wait. */
#define REPEAT(expression)                                   \
    do {                                                     \
        for (int64_t i_ = 0; i_ < times; i_++)               \
            TL_SCOPE if (!(expression)) return tl_error_code(); \
        return tl_synchronize(NULL);                         \
    } while (0)

/* ---- Pointwise: all of one size share their input ---------------------------------------------------------------- */

enum { ADD, RELU, EXP };

static tl_status prepare_add_one(struct bench_state *s, int variant)
{
    (void)variant;
    tl_status r = keep_normal(&s->kept[0], TL_SHAPE(1));
    return r == TL_OK ? keep_normal(&s->kept[1], TL_SHAPE(1)) : r;
}

/* Thousands of calls a scope would show the scope's growth, one a scope its opening: programs do some. */
static tl_status run_add_one(struct bench_state *s, int variant, int64_t times)
{
    (void)variant;
    for (int64_t done = 0; done < times; done += 16)
        TL_SCOPE for (int64_t i = done; i < done + 16 && i < times; i++) if (!tl_add(s->kept[0], s->kept[1])) return tl_error_code();
    return tl_synchronize(NULL);
}

static tl_status prepare_pointwise(struct bench_state *s, int variant)
{
    static tl_tensor *shared[2];
    for (int i = 0; i < (variant == ADD ? 2 : 1); i++) {
        tl_status r = shared[i] ? TL_OK : keep_normal(&shared[i], TL_SHAPE(M16));
        if (r != TL_OK)
            return r;
        s->kept[i] = tl_keep(shared[i]);
    }
    return TL_OK;
}

static tl_status run_pointwise(struct bench_state *s, int variant, int64_t times)
{
    tl_tensor *a = s->kept[0];
    if (variant == ADD)
        REPEAT(tl_add(a, s->kept[1]));
    if (variant == RELU)
        REPEAT(tl_relu(a));
    REPEAT(tl_exp(a));
}

/* ---- Softmax and sum ----------------------------------------------------------------------------------------------- */

enum { SOFTMAX, SUM_MIDDLE };

static tl_status prepare_rows(struct bench_state *s, int variant)
{
    (void)variant;
    return keep_normal(&s->kept[0], TL_SHAPE(64, 1024, 256));
}

static tl_status run_rows(struct bench_state *s, int variant, int64_t times)
{
    if (variant == SOFTMAX)
        REPEAT(tl_softmax(s->kept[0], -1));
    REPEAT(tl_sum(s->kept[0], .dims = TL_DIMS(1)));
}

/* ---- Matrix product of side `variant` -------------------------------------------------------------------------------- */

static tl_status prepare_matmul(struct bench_state *s, int side)
{
    tl_status r = keep_normal(&s->kept[0], TL_SHAPE(side, side));
    return r == TL_OK ? keep_normal(&s->kept[1], TL_SHAPE(side, side)) : r;
}

static tl_status run_matmul(struct bench_state *s, int side, int64_t times)
{
    (void)side;
    REPEAT(tl_mm(s->kept[0], s->kept[1]));
}

/* ---- Layers of mnist-cnn at batch 64 --------------------------------------------------------------------------------- */

enum { CONV1, CONV2, CONV3, BATCH_NORM, MAX_POOL, BACKWARD = 16 };

enum { X, WEIGHT, BIAS, MEAN, VARIANCE, Y, DY }; /* places in `kept` */

static const int64_t input[][4] = {{64, 1, 28, 28}, {64, 32, 26, 26}, {64, 32, 12, 12}, {64, 32, 26, 26}, {64, 32, 24, 24}};
static const int64_t weight[][4] = {{32, 1, 3, 3}, {32, 32, 3, 3}, {2, 32, 3, 3}};

static tl_tensor *layer(struct bench_state *s, int kind)
{
    if (kind == MAX_POOL)
        return tl_max_pool2d(s->kept[X], .kernel = {2});
    if (kind == BATCH_NORM)
        return tl_batch_norm(s->kept[X], s->kept[MEAN], s->kept[VARIANCE], s->kept[WEIGHT], s->kept[BIAS], .training = true);
    return tl_conv2d(s->kept[X], s->kept[WEIGHT], s->kept[BIAS]);
}

static tl_status prepare_parameters(struct bench_state *s, int kind)
{
    tl_status r = TL_OK;
    if (kind <= CONV3) {
        r = keep_normal(&s->kept[WEIGHT], 4, weight[kind]);
        return r == TL_OK ? keep_normal(&s->kept[BIAS], 1, weight[kind]) : r;
    }
    for (int i = WEIGHT; kind == BATCH_NORM && r == TL_OK && i <= VARIANCE; i++)
        TL_SCOPE {
            s->kept[i] = tl_keep(i == WEIGHT || i == VARIANCE ? tl_ones(TL_SHAPE(32), (struct tl_options){0})
                                                              : tl_zeros(TL_SHAPE(32), (struct tl_options){0}));
            r = s->kept[i] ? TL_OK : tl_error_code();
        }
    return r;
}

static tl_status prepare_layer(struct bench_state *s, int variant)
{
    int kind = variant % BACKWARD;
    tl_status r = keep_normal(&s->kept[X], 4, input[kind]);
    if (r == TL_OK)
        r = prepare_parameters(s, kind);
    if (r != TL_OK || variant < BACKWARD)
        return r;
    if (kind != CONV1) /* pictures need no gradient */
        tl_set_requires_grad(s->kept[X], true);
    for (int i = WEIGHT; i <= BIAS; i++)
        if (s->kept[i])
            tl_set_requires_grad(s->kept[i], true);
    TL_SCOPE {
        s->kept[Y] = tl_keep(layer(s, kind));
        s->kept[DY] = s->kept[Y] ? tl_keep(tl_randn_like(s->kept[Y])) : NULL;
    }
    return s->kept[DY] ? TL_OK : tl_error_code();
}

static tl_status run_forward(struct bench_state *s, int variant, int64_t times)
{
    REPEAT(layer(s, variant));
}

static tl_status run_backward(struct bench_state *s, int variant, int64_t times)
{
    tl_tensor *in[3], *out[3];
    int n = 0;
    for (int i = X; i <= BIAS; i++)
        if (s->kept[i] && !(i == X && variant == BACKWARD + CONV1))
            in[n++] = s->kept[i];
    REPEAT(tl_grad(&s->kept[Y], 1, &s->kept[DY], in, n, out, (struct tl_backward_options){.retain_graph = true}) == TL_OK);
}

#define CONV_FLOPS(k, c, side) (2.0 * 64 * (k) * (c) * 9 * (side) * (side))
#define FLOATS(n) (4.0 * (n))

const struct bench_case op_cases[] = {
    {"add-1", ADD, prepare_add_one, run_add_one, 0, 0, false},
    {"add-16M", ADD, prepare_pointwise, run_pointwise, 0, FLOATS(3.0 * M16), false},
    {"relu-16M", RELU, prepare_pointwise, run_pointwise, 0, FLOATS(2.0 * M16), false},
    {"exp-16M", EXP, prepare_pointwise, run_pointwise, 0, FLOATS(2.0 * M16), false},
    {"softmax-64x1024x256", SOFTMAX, prepare_rows, run_rows, 0, FLOATS(2.0 * M16), false},
    {"sum-middle-64x1024x256", SUM_MIDDLE, prepare_rows, run_rows, 0, FLOATS(1.0 * M16), false},
    {"matmul-128", 128, prepare_matmul, run_matmul, 2.0 * 128 * 128 * 128, 0, false},
    {"matmul-512", 512, prepare_matmul, run_matmul, 2.0 * 512 * 512 * 512, 0, false},
    {"matmul-1024", 1024, prepare_matmul, run_matmul, 2.0 * 1024 * 1024 * 1024, 0, false},
    {"conv1-forward", CONV1, prepare_layer, run_forward, CONV_FLOPS(32, 1, 26), 0, false},
    {"conv1-backward", BACKWARD + CONV1, prepare_layer, run_backward, CONV_FLOPS(32, 1, 26), 0, false},
    {"conv2-forward", CONV2, prepare_layer, run_forward, CONV_FLOPS(32, 32, 24), 0, false},
    {"conv2-backward", BACKWARD + CONV2, prepare_layer, run_backward, 2 * CONV_FLOPS(32, 32, 24), 0, false},
    {"conv3-forward", CONV3, prepare_layer, run_forward, CONV_FLOPS(2, 32, 10), 0, false},
    {"conv3-backward", BACKWARD + CONV3, prepare_layer, run_backward, 2 * CONV_FLOPS(2, 32, 10), 0, false},
    {"batch-norm-forward", BATCH_NORM, prepare_layer, run_forward, 0, FLOATS(2.0 * 64 * 32 * 26 * 26), false},
    {"batch-norm-backward", BACKWARD + BATCH_NORM, prepare_layer, run_backward, 0, FLOATS(3.0 * 64 * 32 * 26 * 26), false},
    {"max-pool-forward", MAX_POOL, prepare_layer, run_forward, 0, FLOATS(1.25 * 64 * 32 * 24 * 24), false},
    {"max-pool-backward", BACKWARD + MAX_POOL, prepare_layer, run_backward, 0, FLOATS(1.25 * 64 * 32 * 24 * 24), false},
    {0},
};
