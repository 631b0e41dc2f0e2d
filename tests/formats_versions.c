/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of torch.save() as PyTorch has written them over the years (golden/torch, by make_torch_versions.py, under each version that
 * could be run: none before 1.0): every tensor has the bits that the formula gives, views share memory as they did, checkpoints show
 * their optimizer, whole modules are refused by name.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <telar/state.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

#define GOLDEN TEST_SRCDIR "/tests/golden/torch/"

/* ---- The formula ---- */

static double formula(int64_t i, int salt)
{
    return (double)((37 * i + 13 * salt + 11) % 101 - 50) / 4;
}

static int64_t rounded_down(double v)
{
    int64_t i = (int64_t)v;
    return i - ((double)i > v);
}

/* The bits of a f16 of such a number, which has a few of them only. */
static uint16_t half_bits(double v)
{
    uint16_t sign = v < 0 ? 0x8000 : 0, exponent = 15;
    double m = v < 0 ? -v : v;
    if (m == 0)
        return 0;
    for (; m >= 2; m /= 2)
        exponent++;
    for (; m < 1; m *= 2)
        exponent--;
    return (uint16_t)(sign | exponent << 10 | (uint16_t)((m - 1) * 1024));
}

/* Element i of memory `salt` as it lies there; returns its size. */
static size_t bits_of(tl_dtype dtype, int64_t i, int salt, unsigned char *to)
{
    double v = formula(i, salt);
    float f = (float)v;
    int64_t whole = rounded_down(v);
    int32_t whole32 = (int32_t)whole;
    uint16_t half = half_bits(v);
    uint32_t single;
    memcpy(&single, &f, sizeof single);
    uint16_t upper = (uint16_t)(single >> 16);
    unsigned char byte = dtype == TL_BOOL ? v >= 0 : (unsigned char)whole;
    const void *from = dtype == TL_F32   ? (const void *)&f
                       : dtype == TL_F64 ? (const void *)&v
                       : dtype == TL_F16 ? (const void *)&half
                       : dtype == TL_BF16 ? (const void *)&upper
                       : dtype == TL_I32 ? (const void *)&whole32
                       : dtype == TL_I64 ? (const void *)&whole
                                         : (const void *)&byte;
    memcpy(to, from, tl_dtype_size(dtype));
    return tl_dtype_size(dtype);
}

/* ---- Tensors ---- */

struct expected {
    const char *name;
    tl_dtype dtype;
    int salt, ndim;
    int64_t shape[3], offset, stride[3]; /* of its memory */
    int since; /* the first version that saves it: 103 is 1.3 */
};

/* Does t have this type, this shape, and these bits? */
static bool is_expected(tl_tensor *t, const struct expected *e)
{
    unsigned char got[1000], want[16];
    if (!t || tl_dtype_of(t) != e->dtype || tl_ndim(t) != e->ndim || memcmp(tl_shape(t), e->shape, (size_t)e->ndim * sizeof *e->shape) != 0)
        return false;
    size_t size = tl_dtype_size(e->dtype), n = (size_t)tl_numel(t);
    if (n * size > sizeof got || tl_copy_out(t, e->dtype, got, n * size) != TL_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        int64_t at = e->offset, rest = (int64_t)i;
        for (int d = e->ndim - 1; d >= 0; d--) {
            at += rest % e->shape[d] * e->stride[d];
            rest /= e->shape[d];
        }
        if (memcmp(got + i * size, want, bits_of(e->dtype, at, e->salt, want)) != 0)
            return false;
    }
    return true;
}

static void check_tensor(const tl_state *s, const struct expected *e)
{
    if (!ok(is_expected(tl_state_get(s, e->name), e), "  %s", e->name))
        diag("%s", tl_state_get(s, e->name) ? "its type, shape or bits are others" : "is missing");
}

static const struct expected weights[] = {
    {"f32", TL_F32, 0, 2, {2, 3}, 0, {3, 1}, 0},
    {"f64", TL_F64, 1, 2, {2, 3}, 0, {3, 1}, 0},
    {"f16", TL_F16, 2, 2, {2, 3}, 0, {3, 1}, 0},
    {"bf16", TL_BF16, 3, 2, {2, 3}, 0, {3, 1}, 103},
    {"i8", TL_I8, 4, 2, {2, 3}, 0, {3, 1}, 0},
    {"u8", TL_U8, 5, 2, {2, 3}, 0, {3, 1}, 0},
    {"i32", TL_I32, 6, 2, {2, 3}, 0, {3, 1}, 0},
    {"i64", TL_I64, 7, 2, {2, 3}, 0, {3, 1}, 0},
    {"bool", TL_BOOL, 8, 2, {2, 3}, 0, {3, 1}, 101},
    {"parameter", TL_F32, 20, 1, {5}, 0, {1}, 0},
    {"shared.whole", TL_F32, 21, 2, {3, 4}, 0, {4, 1}, 0},
    {"shared.transposed", TL_F32, 21, 2, {4, 3}, 0, {1, 4}, 0},
    {"shared.row", TL_F32, 21, 1, {4}, 4, {1}, 0},
    {"shared.every", TL_F32, 21, 2, {2, 2}, 4, {4, 2}, 0},
    {"permuted", TL_F64, 22, 3, {4, 2, 3}, 0, {1, 12, 4}, 0},
    {"expanded", TL_F32, 23, 1, {4}, 0, {0}, 0},
    {"part", TL_I64, 24, 1, {3}, 2, {2}, 0},
    {"number", TL_F32, 25, 0, {0}, 0, {0}, 0},
    {"count", TL_I64, 26, 0, {0}, 0, {0}, 0},
    {"nothing", TL_F32, 0, 2, {0, 4}, 0, {4, 1}, 0},
};
enum { N_WEIGHTS = sizeof weights / sizeof *weights };

static void check_special(const tl_state *s)
{
    static const uint16_t f16[] = {0x7e01, 0xfc00, 0x8000, 0x0001};
    static const uint32_t f32[] = {0x7fc00001, 0xff800000, 0x80000000, 1};
    static const uint64_t f64[] = {0x7ff8000000000001, 0xfff0000000000000, 0x8000000000000000, 1};
    const struct {
        const char *name;
        tl_dtype dtype;
        const void *bits;
    } all[] = {{"special.f16", TL_F16, f16}, {"special.f32", TL_F32, f32}, {"special.f64", TL_F64, f64}};
    for (int i = 0; i < 3; i++) {
        unsigned char got[32];
        size_t n = 4 * tl_dtype_size(all[i].dtype);
        tl_tensor *t = tl_state_get(s, all[i].name);
        ok(t && tl_dtype_of(t) == all[i].dtype && tl_numel(t) == 4 && tl_copy_out(t, all[i].dtype, got, n) == TL_OK && memcmp(got, all[i].bits, n) == 0,
           "  %s: not a number, infinity, -0, the smallest", all[i].name);
    }
}

/* ---- Files ---- */

/* "1.6.0-python3.8-", one of those in the folder, and its version as a number: 106. */
struct version {
    char prefix[60];
    int number;
};

static const char *path_of(const struct version *v, const char *what)
{
    static char path[1000];
    snprintf(path, sizeof path, "%s%.59s%.20s.pth", GOLDEN, v->prefix, what);
    return path;
}

static tl_state *load(const struct version *v, const char *what)
{
    tl_state *s = tl_state_load(path_of(v, what));
    if (!ok(s != NULL, "%s%s", v->prefix, what))
        diag("%s", tl_error_message());
    tl_error_clear();
    return s;
}

static void check_weights(const struct version *v, const char *what)
{
    tl_state *s = load(v, what);
    size_t n = 3;
    for (size_t i = 0; i < N_WEIGHTS; i++)
        if (v->number >= weights[i].since) {
            check_tensor(s, &weights[i]);
            n++;
        }
    check_special(s);
    is_int((long long)tl_state_count(s), (long long)n, "  and no others");
    tl_tensor *whole = tl_state_get(s, "shared.whole"), *across = tl_state_get(s, "shared.transposed"), *wide = tl_state_get(s, "expanded");
    ok(whole && across && tl_shares_storage(whole, across) && tl_shares_storage(whole, tl_state_get(s, "shared.row")) && tl_strides(across)[0] == 1 &&
           wide && tl_strides(wide)[0] == 0,
       "  memory is shared and strided as it was");
    tl_state_free(s);
}

static void check_plain(const struct version *v)
{
    static const struct expected tensor = {"tensor", TL_F32, 27, 1, {4}, 0, {1}, 0}, first = {"0", TL_F32, 27, 1, {4}, 0, {1}, 0},
                                 second = {"1.0", TL_I32, 28, 1, {2}, 0, {1}, 0};
    tl_state *s = load(v, "tensor");
    check_tensor(s, &tensor);
    tl_state_free(s);
    s = load(v, "list");
    check_tensor(s, &first);
    check_tensor(s, &second);
    is_string(tl_state_note(s, "1.1"), "3", "  1.1");
    tl_state_free(s);
}

/* An optimizer's tensors, by the names of the parameters that it lists: places in memory, before 1.6 or so. */
static void check_optimizer(const tl_state *s, const char *const *moments, int n_moments, const char *counter)
{
    static const struct expected shapes[] = {{"", TL_F32, 0, 2, {3, 2}, 0, {2, 1}, 0}, {"", TL_F32, 0, 1, {3}, 0, {1}, 0}};
    const char *ids = tl_state_note(s, "telar.rest.optimizer.param_groups.0.params");
    int salt = 40;
    if (!ok(ids != NULL && ids[0] == '[', "  parameters of the optimizer"))
        return;
    for (int p = 0; p < 4; p++) {
        char *end, name[200];
        unsigned long long id = strtoull(ids + 1, &end, 10);
        for (int m = 0; m < n_moments; m++) {
            struct expected e = shapes[p > 0];
            snprintf(name, sizeof name, "telar.rest.optimizer.state.%llu.%s", id, moments[m]);
            e.name = name;
            e.salt = salt++;
            check_tensor(s, &e);
        }
        if (counter) {
            float step = 0;
            snprintf(name, sizeof name, "telar.rest.optimizer.state.%llu.%s", id, counter);
            tl_tensor *t = tl_state_get(s, name); /* a plain number until 1.11 */
            ok(t ? tl_dtype_of(t) == TL_F32 && tl_copy_out(t, TL_F32, &step, sizeof step) == TL_OK && step == 1
                 : tl_state_note(s, name) && strcmp(tl_state_note(s, name), "1") == 0, "  %s", name);
        }
        ids = end + 1; /* ", " or "]" */
    }
}

static void check_checkpoint(const struct version *v, const char *what)
{
    static const struct expected model[] = {
        {"module.fc.weight", TL_F32, 30, 2, {3, 2}, 0, {2, 1}, 0},  {"module.fc.bias", TL_F32, 31, 1, {3}, 0, {1}, 0},
        {"module.bn.weight", TL_F32, 32, 1, {3}, 0, {1}, 0},        {"module.bn.bias", TL_F32, 33, 1, {3}, 0, {1}, 0},
        {"module.bn.running_mean", TL_F32, 34, 1, {3}, 0, {1}, 0},  {"module.bn.running_var", TL_F32, 35, 1, {3}, 0, {1}, 0},
        {"module.bn.num_batches_tracked", TL_I64, 36, 0, {0}, 0, {0}, 0},
    };
    static const char *const adam[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}, *const sgd[] = {"momentum_buffer"};
    tl_state *s = load(v, what);
    for (size_t i = 0; i < sizeof model / sizeof *model; i++)
        check_tensor(s, &model[i]);
    is_string(tl_state_name(s, 0), "module.fc.weight", "  the model's tensors come first");
    is_string(tl_state_note(s, "telar.rest.epoch"), "7", "  a number");
    is_string(tl_state_note(s, "telar.rest.best_acc1"), "71.25", "  a fraction");
    is_string(tl_state_note(s, "telar.rest.arch"), "tiny", "  a word");
    is_string(tl_state_note(s, "telar.rest.classes"), "[cat, dog]", "  a list");
    is_string(tl_state_note(s, "telar.rest.size"), "[2, 3]", "  sizes");
    if (strcmp(what, "adam") == 0) {
        check_optimizer(s, adam, 3, "step");
        is_string(tl_state_note(s, "telar.rest.optimizer.param_groups.0.lr"), "0.25", "  the learning rate");
        is_string(tl_state_note(s, "telar.rest.optimizer.param_groups.0.betas"), "[0.9, 0.999]", "  its other settings");
        is_string(tl_state_note(s, "telar.rest.optimizer.param_groups.0.amsgrad"), "True", "  and switches");
    } else {
        check_optimizer(s, sgd, 1, NULL);
        is_string(tl_state_note(s, "telar.rest.optimizer.param_groups.0.momentum"), "0.75", "  its momentum");
    }
    tl_state_free(s);
}

struct seen {
    char text[2000];
    int unknown;
};

static void see(const char *name, bool known, void *ctx)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%s%s ", known ? "" : "!", name);
    s->unknown += !known;
}

static void check_module(const struct version *v)
{
    struct seen seen = {.unknown = 0};
    tl_state *s = tl_state_load(path_of(v, "module"));
    ok(!s, "%smodule is refused", v->prefix);
    tl_state_free(s);
    is_string(tl_status_name(tl_error_code()), "UNSAFE", "  since it would call something");
    contains(tl_error_message(), "__main__.Whole", "  that is named");
    tl_error_clear();
    is_int(tl_state_globals(path_of(v, "module"), see, &seen), TL_OK, "  all that it would call can be seen");
    ok(strstr(seen.text, "!__main__.Whole ") && strstr(seen.text, "torch.FloatStorage ") && !strstr(seen.text, "!torch.FloatStorage"),
       "  to the end: %s", seen.text);
}

static int by_version(const void *a, const void *b)
{
    const struct version *x = a, *y = b;
    return x->number != y->number ? x->number - y->number : strcmp(x->prefix, y->prefix);
}

/* Versions in the folder: each has a file "weights". */
static size_t find_versions(struct version *list, size_t room)
{
    static const char last[] = "weights.pth";
    DIR *folder = opendir(GOLDEN);
    size_t n = 0;
    for (struct dirent *d; folder && (d = readdir(folder)) && n < room;) {
        size_t length = strlen(d->d_name), tail = sizeof last - 1;
        int major, minor;
        if (length < tail || length - tail >= sizeof list->prefix || strcmp(d->d_name + length - tail, last) != 0 ||
            sscanf(d->d_name, "%d.%d", &major, &minor) != 2)
            continue;
        snprintf(list[n].prefix, sizeof list[n].prefix, "%.*s", (int)(length - tail), d->d_name);
        list[n++].number = 100 * major + minor;
    }
    if (folder)
        closedir(folder);
    qsort(list, n, sizeof *list, by_version);
    return n;
}

int main(void)
{
    struct version versions[50];
    if (tl_state_can_save("x.pth") != TL_OK)
        return skip_all("Telar was built without zlib: .pth is NOT tested");
    size_t n = find_versions(versions, 50), old = 0;
    for (size_t i = 0; i < n; i++) {
        const struct version *v = &versions[i];
        check_weights(v, "weights");
        if (access(path_of(v, "zip"), R_OK) == 0)
            check_weights(v, "zip");
        if (access(path_of(v, "unzip"), R_OK) == 0)
            check_weights(v, "unzip");
        check_plain(v);
        check_checkpoint(v, "adam");
        check_checkpoint(v, "sgd");
        check_module(v);
        old += v->number < 106;
    }
    ok(n >= 5 && old > 0 && old < n, "%zu versions were read, %zu of them from before archives", n, old);
    return done_testing();
}
