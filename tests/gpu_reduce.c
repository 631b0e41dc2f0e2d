/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, softmax, normalisations and losses of the backends for GPUs where they take other ways than on the small operands of the
 * conformance suite: results in parts, packs that are not aligned, channels-last, strides, long lines, residuals. TELAR_TEST_BACKEND names the
 * backend: opencl, if it is not set. f32 and integers, which compile in less than a minute on a processor; with TELAR_TEST_KERNELS=all every type.
 */
#include "kernel_call.h"

/* ---- Values ------------------------------------------------------------------------------------------------------------------------ */

static double noise(int64_t i)
{
    uint64_t h = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (double)((h ^ h >> 32) >> 11 & 0xfffff) / 0x100000;
}
static double plain(int64_t i) { return 6 * noise(i) - 3; }
static double other(int64_t i) { return 4 * noise(i + 12345) - 1; }
static double small(int64_t i) { return plain(i + 999) / 64; }
static double above(int64_t i) { return 0.5 + noise(i + 777); }
static double far_off(int64_t i) { return 100 + noise(i); }
static double near_one(int64_t i) { return 1 + (noise(i) - 0.5) / 64; }
static double few(int64_t i) { return floor(5 * noise(i)); }
static double one_nan(int64_t i) { return i == 70003 ? NAN : plain(i); }
static double one_infinite(int64_t i) { return i == 1234 ? INFINITY : plain(i); }
static double bits(int64_t i) { return noise(i) < 0.5; }
static double least(int64_t i) { (void)i; return -0x1p63; }

/* Are kernels of this type asked for? */
static bool wanted(tl_dtype type)
{
    const char *which = getenv("TELAR_TEST_KERNELS");
    return (which && strcmp(which, "all") == 0) || type == TL_F32 || !tl_dtype_is_float(type);
}

static void judge_all(const struct kernel_place *gpu, const struct kernel_place *reference, const struct kernel_case *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (wanted(list[i].in[0].dtype))
            judge_kernel(gpu, reference, &list[i], NULL, NULL);
}

/* ---- Cases --------------------------------------------------------------------------------------------------------------------------- */

#define V(type, l, f, ...) {.dtype = type, .lie = l, .value = f, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define NUMBER(type, f) {.dtype = type, .value = f, .ndim = 0}
#define ABSENT {.ndim = -1}
#define A(kind, ...) .attrs = &(const struct tl_##kind##_attrs){.struct_size = sizeof(struct tl_##kind##_attrs), __VA_ARGS__}, .attrs_size = sizeof(struct tl_##kind##_attrs)
#define REDUCE(name, text, operand, result, limit, ...) \
    {.op = name, .what = text, A(reduce, .keepdim = true, __VA_ARGS__), .n_in = 1, .n_out = 1, .in = {operand}, .out = {result}, .bound = limit}
#define P(...) __VA_ARGS__

static const struct kernel_case reductions[] = {
    REDUCE("sum", "all in parts", P(V(TL_F32, ROWS, plain, 300001)), P(V(TL_F32, ROWS, NULL, 1)), 1e-6, .dims = TL_DIMS(0)),
    REDUCE("sum", "all in packs, in parts", P(V(TL_F32, ROWS, far_off, 512, 1024)), P(V(TL_F32, ROWS, NULL, 1, 1)), 2e-7, .dims = TL_DIMS(0, 1)),
    REDUCE("sum", "all, shifted", P(V(TL_F32, SHIFTED, far_off, 512, 1024)), P(V(TL_F32, SHIFTED, NULL, 1, 1)), 2e-7, .dims = TL_DIMS(0, 1)),
    REDUCE("sum", "all, f16", P(V(TL_F16, ROWS, plain, 64, 4096)), P(V(TL_F16, ROWS, NULL, 1, 1)), 1e-3, .dims = TL_DIMS(0, 1)),
    REDUCE("sum", "all, f64", P(V(TL_F64, ROWS, plain, 300000)), P(V(TL_F64, ROWS, NULL, 1)), 1e-14, .dims = TL_DIMS(0)),
    REDUCE("sum", "bool to i64", P(V(TL_BOOL, ROWS, bits, 300000)), P(V(TL_I64, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("sum", "infinite", P(V(TL_F32, ROWS, one_infinite, 300000)), P(V(TL_F32, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("sum", "columns in parts", P(V(TL_F32, ROWS, plain, 9000, 20)), P(V(TL_F32, ROWS, NULL, 1, 20)), 1e-6, .dims = TL_DIMS(0)),
    REDUCE("sum", "columns in parts, bf16, shifted", P(V(TL_BF16, SHIFTED, plain, 9000, 24)), P(V(TL_BF16, SHIFTED, NULL, 1, 24)), 5e-3, .dims = TL_DIMS(0)),
    REDUCE("sum", "many columns", P(V(TL_F32, ROWS, plain, 9, 3001)), P(V(TL_F32, ROWS, NULL, 1, 3001)), 1e-6, .dims = TL_DIMS(0)),
    REDUCE("sum", "images to channels", P(V(TL_F32, ROWS, plain, 16, 3, 40, 44)), P(V(TL_F32, ROWS, NULL, 1, 3, 1, 1)), 1e-6, .dims = TL_DIMS(0, 2, 3)),
    REDUCE("sum", "images to channels, channels last", P(V(TL_F32, LAST, plain, 16, 12, 20, 21)), P(V(TL_F32, ROWS, NULL, 1, 12, 1, 1)), 1e-6, .dims = TL_DIMS(0, 2, 3)),
    REDUCE("sum", "strided, odd dims", P(V(TL_F32, REVERSED, plain, 9, 11, 13, 7)), P(V(TL_F32, ROWS, NULL, 1, 11, 1, 7)), 1e-6, .dims = TL_DIMS(0, 2)),
    REDUCE("sum", "five dims, every other", P(V(TL_F32, ROWS, plain, 5, 4, 6, 7, 8)), P(V(TL_F32, ROWS, NULL, 1, 4, 1, 7, 1)), 1e-6, .dims = TL_DIMS(0, 2, 4)),
    REDUCE("mean", "rows", P(V(TL_F32, ROWS, far_off, 70, 1023)), P(V(TL_F32, ROWS, NULL, 70, 1)), 2e-7, .dims = TL_DIMS(1)),
    REDUCE("prod", "in parts", P(V(TL_F32, ROWS, near_one, 70000)), P(V(TL_F32, ROWS, NULL, 1)), 1e-4, .dims = TL_DIMS(0)),
    REDUCE("var", "in parts, far from 0", P(V(TL_F32, ROWS, far_off, 300000)), P(V(TL_F32, ROWS, NULL, 1)), 1e-5, .dims = TL_DIMS(0)),
    REDUCE("var", "columns, far from 0", P(V(TL_F32, ROWS, far_off, 9000, 20)), P(V(TL_F32, ROWS, NULL, 1, 20)), 1e-5, .dims = TL_DIMS(0), .biased = true),
    REDUCE("var", "of one", P(V(TL_F32, ROWS, plain, 5, 1)), P(V(TL_F32, ROWS, NULL, 5, 1)), 0, .dims = TL_DIMS(1)),
    REDUCE("amax", "a NaN among many", P(V(TL_F32, ROWS, one_nan, 300000)), P(V(TL_F32, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("amin", "columns", P(V(TL_F16, ROWS, plain, 900, 8)), P(V(TL_F16, ROWS, NULL, 1, 8)), 0, .dims = TL_DIMS(0)),
    REDUCE("amax", "the least i64", P(V(TL_I64, ROWS, least, 9)), P(V(TL_I64, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("argmax", "the first of equals, in parts", P(V(TL_F32, ROWS, few, 300000)), P(V(TL_I64, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("argmax", "a NaN", P(V(TL_F32, ROWS, one_nan, 300000)), P(V(TL_I64, ROWS, NULL, 1)), 0, .dims = TL_DIMS(0)),
    REDUCE("argmax", "rows in packs", P(V(TL_F32, ROWS, few, 50, 1000)), P(V(TL_I64, ROWS, NULL, 50, 1)), 0, .dims = TL_DIMS(1)),
    REDUCE("argmin", "columns in packs", P(V(TL_F32, ROWS, few, 1000, 52)), P(V(TL_I64, ROWS, NULL, 1, 52)), 0, .dims = TL_DIMS(0)),
    REDUCE("argmax", "all, strided", P(V(TL_U8, REVERSED, few, 30, 40)), P(V(TL_I64, ROWS, NULL, 1, 1)), 0, .dims = TL_DIMS(0, 1)),
};

#define ALONG(name, text, type, l, where, limit, ...) \
    {.op = name, .what = text, A(along, .dim = where), .n_in = 1, .n_out = 1, .in = {V(type, l, plain, __VA_ARGS__)}, .out = {V(type, l, NULL, __VA_ARGS__)}, .bound = limit}
#define ALONG2(name, text, type, where, limit, ...)                                                                                     \
    {.op = name, .what = text, A(along, .dim = where), .n_in = 2, .n_out = 1, .in = {V(type, ROWS, plain, __VA_ARGS__), V(type, ROWS, other, __VA_ARGS__)}, \
     .out = {V(type, ROWS, NULL, __VA_ARGS__)}, .bound = limit}

static const struct kernel_case lines[] = {
    ALONG("softmax", "held by a warp", TL_F32, ROWS, 1, 1e-6, 40, 100),
    ALONG("softmax", "held by a group", TL_F32, SHIFTED, 1, 1e-6, 3, 1000),
    ALONG("softmax", "longer than is held", TL_F32, ROWS, 1, 1e-6, 2, 5001),
    ALONG("log_softmax", "longer than is held, f16", TL_F16, ROWS, 1, 2e-3, 2, 5001),
    ALONG("log_softmax", "images", TL_F32, ROWS, 1, 1e-6, 3, 21, 70),
    ALONG("softmax", "a long first dimension", TL_BF16, ROWS, 0, 1e-2, 900, 5),
    ALONG("softmax", "many short lines", TL_F64, ROWS, 1, 1e-14, 3000, 3),
    ALONG2("softmax_grad", "held", TL_F32, 1, 2e-6, 9, 700),
    ALONG2("softmax_grad", "longer", TL_F32, 1, 2e-6, 2, 9000),
    ALONG2("log_softmax_grad", "columns", TL_F32, 1, 2e-6, 3, 90, 17),
    ALONG2("log_softmax_grad", "longer", TL_F32, 1, 2e-6, 2, 9000),
};

#define CUMSUM(text, from, to, l, f, where, limit, ...) \
    {.op = "cumsum", .what = text, A(along, .dim = where), .n_in = 1, .n_out = 1, .in = {V(from, l, f, __VA_ARGS__)}, .out = {V(to, l, NULL, __VA_ARGS__)}, .bound = limit}

static const struct kernel_case sums[] = {
    CUMSUM("one long line", TL_F32, TL_F32, ROWS, far_off, 0, 2e-7, 70001),
    CUMSUM("one long line, shifted", TL_F32, TL_F32, SHIFTED, plain, 0, 1e-6, 20001),
    CUMSUM("rows of parts", TL_F64, TL_F64, ROWS, plain, 1, 1e-14, 3, 9000),
    CUMSUM("bool, in parts", TL_BOOL, TL_I64, ROWS, bits, 0, 0, 20000),
    CUMSUM("columns in parts", TL_F32, TL_F32, ROWS, far_off, 0, 2e-7, 5000, 7),
    CUMSUM("between others, f16", TL_F16, TL_F16, ROWS, plain, 1, 1e-3, 3, 300, 40),
    CUMSUM("nothing", TL_F32, TL_F32, ROWS, plain, 0, 0, 0, 3),
};

/* ---- layer_norm ------------------------------------------------------------------------------------------------------------------------------- */

#define LAYERS(text, type, l, limit, rows, n)                                                                                                       \
    {.op = "layer_norm", .what = text, A(layer_norm, .ndim = 1, .eps = 1e-5), .n_in = 3, .n_out = 1,                                                \
     .in = {V(type, l, far_off, rows, n), V(type, ROWS, above, n), V(type, ROWS, plain, n)}, .out = {V(type, l, NULL, rows, n)}, .bound = 4 * (limit)}, \
        {.op = "layer_norm", .what = text ", plain", A(layer_norm, .ndim = 1, .eps = 1e-5), .n_in = 3, .n_out = 1,                                  \
         .in = {V(type, l, plain, rows, n), ABSENT, ABSENT}, .out = {V(type, l, NULL, rows, n)}, .bound = limit},                                   \
        {.op = "layer_norm_grad", .what = text, A(layer_norm, .ndim = 1, .eps = 1e-5), .n_in = 3, .n_out = 3,                                       \
         .in = {V(type, l, plain, rows, n), V(type, l, other, rows, n), V(type, ROWS, above, n)},                                                   \
         .out = {V(type, l, NULL, rows, n), V(type, ROWS, NULL, n), V(type, ROWS, NULL, n)}, .bound = limit},                                       \
        {.op = "layer_norm_grad", .what = text ", plain", A(layer_norm, .ndim = 1, .eps = 1e-5), .n_in = 3, .n_out = 3,                             \
         .in = {V(type, l, plain, rows, n), V(type, l, other, rows, n), ABSENT}, .out = {V(type, l, NULL, rows, n), ABSENT, ABSENT}, .bound = limit}

static const struct kernel_case layers[] = {
    LAYERS("held by a warp", TL_F32, ROWS, 5e-6, 50, 100),
    LAYERS("held by a group, shifted", TL_F32, SHIFTED, 5e-6, 5, 1030),
    LAYERS("longer than is held", TL_F32, ROWS, 5e-6, 2, 5001),
    LAYERS("columns in parts", TL_F32, ROWS, 5e-6, 3000, 24),
    LAYERS("columns in parts, f16", TL_F16, ROWS, 3e-3, 3000, 24),
    LAYERS("f64", TL_F64, ROWS, 1e-13, 50, 100),
    LAYERS("no rows", TL_F32, ROWS, 0, 0, 9),
};

/* ---- Losses -------------------------------------------------------------------------------------------------------------------------------------- */

static double class_of_7(int64_t i) { return floor(7 * noise(i)); }
static double bad_class(int64_t i) { return i == 5 ? 7 : class_of_7(i); }
static double below(int64_t i) { return i == 5 ? -1 : class_of_7(i); }

#define NLL(text, type, how, labels, weight, limit, n, d)                                                                                          \
    {.op = "nll_loss", .what = text, A(nll, .reduction = how, .ignore = true, .ignore_index = 2), .n_in = 3, .n_out = 2,                            \
     .in = {V(type, ROWS, plain, n, 7, d), V(TL_I64, ROWS, labels, n, d), weight}, .bound = limit,                                                 \
     .out = {how == TL_NO_REDUCTION ? (struct kernel_operand)V(type, ROWS, NULL, n, d) : (struct kernel_operand)NUMBER(type, NULL), NUMBER(type, NULL)}}, \
        {.op = "nll_loss_grad", .what = text, A(nll, .reduction = how, .ignore = true, .ignore_index = 2, .classes = 7), .n_in = 4, .n_out = 1,     \
         .in = {how == TL_NO_REDUCTION ? (struct kernel_operand)V(type, ROWS, other, n, d) : (struct kernel_operand)NUMBER(type, other),            \
                V(TL_I64, ROWS, labels, n, d), weight, NUMBER(type, above)}, .out = {V(type, ROWS, NULL, n, 7, d)}, .bound = limit}
#define WEIGHT V(TL_F32, ROWS, above, 7)

#define MSE(text, type, l, how, limit, ...)                                                                                                          \
    {.op = "mse_loss", .what = text, A(loss, .reduction = how), .n_in = 2, .n_out = 1, .in = {V(type, l, plain, __VA_ARGS__), V(type, l, other, __VA_ARGS__)}, .bound = limit, \
     .out = {how == TL_NO_REDUCTION ? (struct kernel_operand)V(type, l, NULL, __VA_ARGS__) : (struct kernel_operand)NUMBER(type, NULL)}},          \
        {.op = "mse_loss_grad", .what = text, A(loss, .reduction = how), .n_in = 3, .n_out = 1,                                                      \
         .in = {how == TL_NO_REDUCTION ? (struct kernel_operand)V(type, l, above, __VA_ARGS__) : (struct kernel_operand)NUMBER(type, above),         \
                V(type, l, plain, __VA_ARGS__), V(type, l, other, __VA_ARGS__)}, .out = {V(type, l, NULL, __VA_ARGS__)}, .bound = limit}

static void check_losses(const struct kernel_place *gpu, const struct kernel_place *reference)
{
    const struct kernel_case losses[] = {
        NLL("mean", TL_F32, TL_MEAN, class_of_7, ABSENT, 1e-6, 30, 1),
        NLL("mean of parts, weighted", TL_F32, TL_MEAN, class_of_7, WEIGHT, 1e-6, 90, 100),
        NLL("sum of parts", TL_F32, TL_SUM, class_of_7, WEIGHT, 1e-6, 90, 100),
        NLL("each, in parts", TL_F32, TL_NO_REDUCTION, class_of_7, WEIGHT, 1e-6, 90, 100),
        NLL("mean, bf16", TL_BF16, TL_MEAN, class_of_7, ABSENT, 1e-2, 30, 3),
        NLL("mean of none", TL_F32, TL_MEAN, class_of_7, ABSENT, 0, 0, 1),
        NLL("a label above", TL_F32, TL_MEAN, bad_class, WEIGHT, 0, 30, 2),
        NLL("a label below", TL_F32, TL_NO_REDUCTION, below, WEIGHT, 0, 30, 2),
        MSE("mean", TL_F32, ROWS, TL_MEAN, 1e-6, 30, 7),
        MSE("mean of parts", TL_F32, ROWS, TL_MEAN, 1e-6, 300, 701),
        MSE("mean, offered in strides", TL_F32, REVERSED, TL_MEAN, 1e-6, 30, 7),
        MSE("sum of parts, shifted", TL_F32, SHIFTED, TL_SUM, 1e-6, 300, 700),
        MSE("each, f16", TL_F16, ROWS, TL_NO_REDUCTION, 1e-3, 30, 7),
        MSE("mean of none", TL_F32, ROWS, TL_MEAN, 0, 0, 7),
    };
    judge_all(gpu, reference, losses, sizeof losses / sizeof *losses);
}

/* ---- batch_norm: the residual goes from the forward to the gradient --------------------------------------------------------------------- */

struct norm_case {
    const char *what;
    tl_dtype type;
    enum lie lie;
    int64_t n, c, h, w;
    double bound;
};
static const struct norm_case norms[] = {
    {"planes in one launch", TL_F32, ROWS, 4, 6, 12, 12, 5e-6},
    {"planes, not in packs", TL_F32, ROWS, 5, 6, 7, 7, 5e-6},
    {"planes in parts", TL_F32, ROWS, 24, 3, 48, 48, 5e-6},
    {"planes in parts, shifted", TL_F32, SHIFTED, 24, 3, 48, 48, 5e-6},
    {"planes in parts, f16", TL_F16, ROWS, 24, 3, 48, 48, 3e-3},
    {"channels last in one launch", TL_F32, LAST, 4, 12, 6, 6, 5e-6},
    {"channels last, not in packs", TL_F32, LAST, 8, 5, 20, 20, 5e-6},
    {"channels last in parts", TL_F32, LAST, 8, 16, 28, 28, 5e-6},
    {"channels last, put together in a launch", TL_F32, LAST, 16, 64, 40, 40, 5e-6},
    {"channels last in parts, bf16", TL_BF16, LAST, 8, 16, 28, 28, 2e-2},
    {"channels last, f64", TL_F64, LAST, 8, 16, 28, 28, 1e-13},
    {"rows", TL_F32, ROWS, 300, 40, 1, 1, 5e-6},
    {"a batch of none", TL_F32, ROWS, 0, 4, 3, 3, 0},
};

static void check_norm(const struct kernel_place *gpu, const struct kernel_place *reference, const struct norm_case *n, bool training)
{
    char text[120], grad_text[140];
    const tl_dtype t = n->type;
    snprintf(text, sizeof text, "%s%s", n->what, training ? ", training" : ", evaluation");
    const int ndim = n->h * n->w == 1 ? 2 : 4;
#define IMAGE(f) {.dtype = t, .lie = n->lie, .value = f, .ndim = ndim, .shape = {n->n, n->c, n->h, n->w}}
#define CHANNEL(f) {.dtype = t, .lie = ROWS, .value = f, .ndim = 1, .shape = {n->c}}
    struct kernel_case forward = {.op = "batch_norm", .what = text, A(batch_norm, .training = training, .update = training, .momentum = 0.1, .eps = 1e-5),
                                  .n_in = 5, .n_out = 3, .in = {IMAGE(far_off), CHANNEL(plain), CHANNEL(above), CHANNEL(plain), CHANNEL(other)},
                                  .out = {IMAGE(NULL), CHANNEL(NULL), CHANNEL(NULL)}, .bound = n->bound * 4,
                                  .first = training ? 6 : 0};
    struct kernel_case gradient = {.op = "batch_norm_grad", .what = grad_text, A(batch_norm, .training = training, .momentum = 0.1, .eps = 1e-5),
                                   .n_in = 5, .n_out = 3, .in = {IMAGE(plain), IMAGE(small), CHANNEL(above), CHANNEL(plain), CHANNEL(above)},
                                   .out = {IMAGE(NULL), CHANNEL(NULL), CHANNEL(NULL)}, .bound = n->bound};
    if (!training)
        forward.out[1].ndim = forward.out[2].ndim = -1;
    else
        gradient.in[3].ndim = gradient.in[4].ndim = -1;
    struct kernel_results kept;
    struct tl_residual none = {0};
    judge_kernel(gpu, reference, &forward, NULL, NULL);
    forward.in[0].value = plain; /* the gradient's x */
    judge_kernel(gpu, reference, &forward, NULL, &kept);
    ok(n->n == 0 || (kept.left.size > 0) == training, "a residual, %s", text);
    ok(n->lie != LAST || kept.layout[0] == TL_LAYOUT_CHANNELS_LAST, "stays channels-last, %s", text);
    snprintf(grad_text, sizeof grad_text, "%s, with the residual", text);
    judge_kernel(gpu, reference, &gradient, training ? &kept.left : &none, NULL);
    if (!training)
        return;
    kernel_residual_free(gpu, &kept);
    snprintf(grad_text, sizeof grad_text, "%s, without a residual", text);
    judge_kernel(gpu, reference, &gradient, &none, NULL);
#undef IMAGE
#undef CHANNEL
}

int main(void)
{
    struct kernel_place gpu, reference;
    const char *name = getenv("TELAR_TEST_BACKEND");
    if (getenv("TELAR_SANITIZE"))
        return skip_all("a compiler of OpenCL in the process makes sanitizers slow and noisy");
    const char *kernels = getenv("TELAR_TEST_KERNELS");
    if (!name && !(kernels && strcmp(kernels, "all") == 0))
        return skip_all("large operands take minutes on a processor: make check-opencl, or TELAR_TEST_BACKEND=cuda");
    name = name ? name : "opencl";
    if (!kernel_place_open(&gpu, name))
        return skip_all("no device of backend %s", name);
    if (!kernel_place_open(&reference, "reference"))
        bail_out("the reference backend does not open");
#define ALL(list) judge_all(&gpu, &reference, list, sizeof(list) / sizeof *(list))
    ALL(reductions);
    ALL(lines);
    ALL(sums);
    ALL(layers);
#undef ALL
    check_losses(&gpu, &reference);
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        for (int training = 0; training < 2 && wanted(norms[i].type); training++)
            check_norm(&gpu, &reference, &norms[i], training);
    kernel_place_close(&gpu);
    tl_shutdown();
    return done_testing();
}
