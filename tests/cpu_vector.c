/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend's vector code: elementary functions against the C library in double, over all exponents, signs, zeros,
 * infinities and NaN; long sums; shapes that end in the middle of a vector; strides and broadcasts at every length.
 */
#include <sys/mman.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

enum { SAMPLES = 1 << 16 };

static double reciprocal_root(double x)
{
    return 1 / sqrt(x);
}

static const struct function {
    const char *op;
    double (*exact)(double);
    double bound; /* in units of the last place */
} functions[] = {
    {"exp", exp, 1.5},   {"expm1", expm1, 2},  {"log", log, 1.5},   {"log1p", log1p, 2}, {"log2", log2, 2},
    {"tanh", tanh, 2},   {"erf", erf, 3},      {"sin", sin, 1},     {"cos", cos, 1},     {"sqrt", sqrt, 0.5},
    {"rsqrt", reciprocal_root, 2},
};

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Distance in units of the last place of the float nearest to `exact`; huge where one is NaN or infinite alone. */
static double distance(float got, double exact)
{
    float nearest = (float)exact;
    if (isnan(got) || isnan(nearest))
        return isnan(got) && isnan(nearest) ? 0 : 1e30;
    if (isinf(got) || isinf(nearest))
        return got == nearest ? 0 : 1e30;
    double unit = (double)nextafterf(fabsf(nearest), INFINITY) - fabs((double)nearest);
    return fabs((double)got - exact) / unit;
}

static tl_tensor *call(const char *op, tl_tensor *a, tl_tensor *b)
{
    tl_tensor *in[2] = {a, b};
    return tl_op_call1(tl_op_find(op), NULL, in, b ? 2 : 1);
}

static void check_function(const struct function *f, tl_tensor *x)
{
    const float *in = tl_data(x), *out = tl_data(call(f->op, x, NULL));
    double worst = 0;
    int at = 0;
    if (!ok(out != NULL, "%s runs", f->op))
        return;
    for (int i = 0; i < SAMPLES; i++) {
        double d = distance(out[i], f->exact((double)in[i]));
        if (!(d <= worst)) {
            worst = d;
            at = i;
        }
    }
    if (!ok(worst <= f->bound, "%s is exact to %g units of the last place at all exponents", f->op, f->bound))
        diag("%s(%.9g) = %.9g, %g units from %.17g", f->op, (double)in[at], (double)out[at], worst, f->exact((double)in[at]));
}

static void elementary(void)
{
    static float x[SAMPLES];
    for (uint32_t i = 0; i < SAMPLES; i++)
        x[i] = from_bits(i << 16 | (i * 40503u & 0xffffu)); /* each upper half once: every sign and exponent */
    x[0] = 0.0f, x[1] = -0.0f, x[2] = INFINITY, x[3] = -INFINITY, x[4] = NAN, x[5] = 1.0f, x[6] = -1.0f;
    tl_tensor *t = tl_from_data(TL_SHAPE(SAMPLES), x, (struct tl_options){0});
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        check_function(&functions[i], t);
}

static void powers(void)
{
    static const float special[] = {0.0f, -0.0f, 1, -1, 2, -2, 0.5f, -0.5f, 3, -3, INFINITY, -INFINITY, NAN, 1e-40f, 1e30f,
                                    4194304.5f, 8388609, -8388609, 16777218, 0.3f};
    enum { N = sizeof special / sizeof *special };
    static float x[N * N], y[N * N];
    double worst = 0;
    for (int i = 0; i < N * N; i++) {
        x[i] = special[i / N];
        y[i] = special[i % N];
    }
    const float *out = tl_data(call("pow", tl_from_data(TL_SHAPE(N * N), x, (struct tl_options){0}),
                                    tl_from_data(TL_SHAPE(N * N), y, (struct tl_options){0})));
    for (int i = 0; out && i < N * N; i++) {
        double d = distance(out[i], pow((double)x[i], (double)y[i]));
        if (d > 1)
            diag("pow(%g, %g) = %g", (double)x[i], (double)y[i], (double)out[i]);
        worst = d > worst ? d : worst;
    }
    ok(out && worst <= 1, "pow has the C library's special cases");
}

/* Sums of numbers that are not exact in binary: naive float sums would be off by 1e-3. */
static void sums(void)
{
    enum { ROWS = 1000, COLUMNS = 1003 };
    tl_tensor *x = tl_full(TL_SHAPE(ROWS, COLUMNS), 0.1, (struct tl_options){0});
    double each = (double)0.1f;
    double all = tl_item(tl_sum(x)), exact = each * ROWS * COLUMNS;
    ok(fabs(all - exact) < 1e-6 * exact, "a million numbers are added without losing digits");
    const float *down = tl_data(tl_sum(x, .dims = TL_DIMS(0))), *along = tl_data(tl_sum(x, .dims = TL_DIMS(1)));
    double worst = 0;
    for (int i = 0; down && along && i < ROWS; i++) {
        worst = fmax(worst, fabs((double)down[i] - each * ROWS) / (each * ROWS));
        worst = fmax(worst, fabs((double)along[i] - each * COLUMNS) / (each * COLUMNS));
    }
    ok(down && along && worst < 1e-6, "columns and rows, too");
}

/* Every length around the width of a vector, dense, strided and broadcast. */
static void lengths(void)
{
    bool good = true;
    for (int64_t n = 1; n <= 70 && good; n++) {
        TL_SCOPE {
            tl_tensor *wide = tl_view(tl_arange(0, (double)(6 * n), 1, (struct tl_options){.dtype = TL_F32}), TL_SHAPE(n, 6));
            tl_tensor *strided = tl_select(wide, 1, 2), *dense = tl_contiguous(strided);
            tl_tensor *single = tl_full(TL_SHAPE(1), 0.5, (struct tl_options){0});
            const float *a = tl_data(tl_add(strided, single)), *b = tl_data(tl_add(dense, dense));
            const float *c = tl_data(tl_contiguous(tl_transpose(tl_add(wide, tl_unsqueeze(dense, 1)), 0, 1)));
            good = a && b && c;
            for (int64_t i = 0; good && i < n; i++) {
                float v = (float)(6 * i + 2);
                good = a[i] == v + 0.5f && b[i] == v + v;
                for (int64_t j = 0; good && j < 6; j++)
                    good = c[j * n + i] == (float)(6 * i + j) + v;
            }
            double sum = tl_item(tl_sum(strided)), most = tl_item(tl_amax(dense));
            good = good && sum == (double)(3 * n * (n - 1) + 2 * n) && most == (double)(6 * (n - 1) + 2);
        }
        if (!good)
            diag("length %lld", (long long)n);
    }
    ok(good, "sums, broadcasts and strides are right at every length up to 70");
}

/* Numbers that neither rise nor fall. */
static float wave(int64_t i)
{
    return (float)(i * 7919 % 31) - 15;
}

/* Windows of 1 x 2 over rows of every length, which end where readable memory ends. */
static bool pool_row(char *end, int64_t width, int64_t step)
{
    float *x = (float *)(void *)end - width;
    for (int64_t i = 0; i < width; i++)
        x[i] = wave(i);
    bool good = true;
    TL_SCOPE {
        tl_tensor *t = tl_set_requires_grad(tl_from_memory(TL_SHAPE(1, 1, 1, width), x, (struct tl_options){0}, NULL, NULL), true);
        tl_tensor *y = tl_max_pool2d(t, .kernel = {1, 2}, .stride = {1, step});
        good = y && tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}) == TL_OK;
        const float *out = tl_data(tl_detach(y)), *dx = tl_data(tl_grad_of(t));
        for (int64_t i = 0, outputs = (width - 2) / step + 1; good && i < outputs; i++)
            good = out[i] == fmaxf(wave(i * step), wave(i * step + 1));
        double sent = 0;
        for (int64_t i = 0; good && i < width; i++)
            sent += (double)dx[i];
        good = good && sent == (double)((width - 2) / step + 1);
    }
    return good;
}

/* A pixel of every number of channels, as a convolution leaves it: channels-last. */
static bool pool_pixel(int64_t channels)
{
    bool good = true;
    TL_SCOPE {
        tl_tensor *x = tl_view(tl_arange(0, (double)(4 * channels), 1, (struct tl_options){.dtype = TL_F32}), TL_SHAPE(1, channels, 2, 2));
        tl_tensor *same = tl_view(tl_eye(channels, (struct tl_options){0}), TL_SHAPE(channels, channels, 1, 1));
        const float *y = tl_data(tl_max_pool2d(tl_conv2d(x, same, TL_NONE), .kernel = {2}));
        for (int64_t c = 0; y && good && c < channels; c++)
            good = y[c] == (float)(4 * c + 3);
        good = good && y;
    }
    return good;
}

static void pooling(void)
{
    long page = sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, (size_t)page, PROT_NONE) != 0) {
        ok(false, "two pages of memory");
        return;
    }
    for (int64_t step = 1; step <= 3; step++) {
        int64_t width = 2;
        while (width <= 100 && pool_row(memory + page, width, step))
            width++;
        if (!ok(width > 100, "rows of 2 to 100 are pooled in steps of %d, and nothing beyond them is read", (int)step))
            diag("%d wide", (int)width);
    }
    int64_t channels = 1;
    while (channels <= 70 && pool_pixel(channels))
        channels++;
    if (!ok(channels > 70, "pixels of 1 to 70 channels are pooled"))
        diag("%d channels", (int)channels);
    munmap(memory, 2 * (size_t)page);
}

int main(void)
{
    if (tl_set_backend("cpu") != TL_OK)
        return skip_all("no CPU backend: %s", tl_error_message());
    TL_SCOPE {
        elementary();
        powers();
        sums();
        lengths();
        pooling();
    }
    return done_testing();
}
