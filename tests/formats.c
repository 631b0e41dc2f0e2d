/* SPDX-License-Identifier: Apache-2.0
 *
 * The formats .pth, .npz and .npy: files that PyTorch and NumPy wrote (golden/weights, by make_weights.py) hold, bit for bit, what
 * weights.safetensors holds; what is written comes back; what is refused is refused by name.
 */
#include "files.h"

#include <telar/nn.h>
#include <telar/state.h>
#include <telar/telar.h>

#define GOLDEN TEST_SRCDIR "/tests/golden/weights/"
#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

/* Same names, shapes, types and bits; of `a` those that `b` has not are named. */
static bool same_tensor(tl_tensor *a, tl_tensor *b)
{
    size_t bytes = (size_t)tl_numel(a) * tl_dtype_size(tl_dtype_of(a));

    if (!a || !b || tl_dtype_of(a) != tl_dtype_of(b) || tl_ndim(a) != tl_ndim(b) ||
        memcmp(tl_shape(a), tl_shape(b), (size_t)tl_ndim(a) * sizeof(int64_t)) != 0)
        return false;
    unsigned char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    bool same = tl_copy_out(a, tl_dtype_of(a), x, bytes) == TL_OK && tl_copy_out(b, tl_dtype_of(b), y, bytes) == TL_OK && memcmp(x, y, bytes) == 0;
    free(x);
    free(y);
    return same;
}

static bool same_state(const tl_state *want, const tl_state *got, bool bf16)
{
    size_t compared = 0;

    for (size_t i = 0; i < tl_state_count(want); i++) {
        tl_tensor *t = tl_state_at(want, i);
        if (!bf16 && tl_dtype_of(t) == TL_BF16)
            continue;
        compared++;
        if (!same_tensor(t, tl_state_get(got, tl_state_name(want, i)))) {
            diag("%s differs", tl_state_name(want, i));
            return false;
        }
    }
    return compared > 0 && tl_state_count(got) == compared;
}

static tl_state *load(const char *path)
{
    tl_state *s = tl_state_load(path);

    if (!s)
        diag("%s", tl_error_message());
    tl_error_clear();
    return s;
}

/* ---- Files of others ---- */

static void check_golden(const tl_state *want)
{
    static const char *const files[] = {"weights.pth", "weights_legacy.pth", "weights_protocol4.pth", "weights_protocol5.pth", "weights_deflated.pth",
                                        "weights_zip64.pth", "weights.npz", "weights_deflated.npz"};
    char path[400];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        tl_state *s = load(path);
        ok(same_state(want, s, strstr(files[i], ".pth") != NULL), "%s holds what PyTorch wrote", files[i]);
        if (strcmp(files[i], "weights.pth") == 0) {
            ok(tl_shares_storage(tl_state_get(s, "shared.whole"), tl_state_get(s, "shared.transposed")), "tensors that shared memory share it again");
            is_int(tl_strides(tl_state_get(s, "shared.transposed"))[0], 1, "strides are kept");
            is_int(tl_strides(tl_state_get(s, "expanded"))[0], 0, "also of 0");
        }
        tl_state_free(s);
    }
}

static double item(const tl_state *s, const char *name, int64_t i)
{
    double v[64] = {0};
    tl_tensor *t = tl_state_get(s, name);

    return t && tl_numel(t) <= 64 && i < tl_numel(t) && tl_copy_out(t, TL_F64, v, (size_t)tl_numel(t) * sizeof *v) == TL_OK ? v[i] : NAN;
}

static void check_checkpoint(const char *file)
{
    char path[400];
    snprintf(path, sizeof path, GOLDEN "%s", file);
    tl_state *s = load(path);

    is_string(tl_state_name(s, 0), "module.fc.weight", "%s: the model's tensors stand first, under their own names", file);
    ok(tl_state_get(s, "module.bn.num_batches_tracked") && item(s, "module.bn.num_batches_tracked", 0) == 1, "buffers too");
    is_float(item(s, "telar.rest.best_tensor", 0), 3.5, 0, "a tensor beside them");
    ok(tl_state_get(s, "telar.rest.optimizer.state.0.momentum_buffer") != NULL, "the optimizer's state");
    is_string(tl_state_note(s, "telar.rest.epoch"), "7", "a number");
    is_string(tl_state_note(s, "telar.rest.best"), "0.25", "one of NumPy");
    is_string(tl_state_note(s, "telar.rest.lr"), "0.1", "a fraction, with as few digits as it needs");
    is_string(tl_state_note(s, "telar.rest.arch"), "tiny", "a text");
    is_string(tl_state_note(s, "telar.rest.none"), "None", "none");
    is_string(tl_state_note(s, "telar.rest.shape"), "[1, 2]", "sizes");
    is_string(tl_state_note(s, "telar.rest.optimizer.param_groups.0.params"), "[0, 1, 2, 3]", "a list of numbers");
    is_string(tl_state_note(s, "telar.rest.schedule.milestones.2"), "1", "a counter");
    tl_state_free(s);
}

static void check_others(void)
{
    tl_state *s = load(GOLDEN "tensor.pth");
    ok(s && tl_state_count(s) == 1 && item(s, "tensor", 3) == 3, "a single tensor");
    tl_state_free(s);
    s = load(GOLDEN "list.pth");
    ok(s && tl_state_count(s) == 2 && item(s, "0", 3) == 3 && item(s, "1.0", 1) == 1 && strcmp(tl_state_note(s, "1.1"), "3") == 0, "a list");
    tl_state_free(s);
    s = load(GOLDEN "fortran.npy");
    ok(s && item(s, "fortran", 23) == 23 && item(s, "fortran", 4) == 4 && tl_shape(tl_state_at(s, 0))[2] == 4, "an array in Fortran's order");
    tl_state_free(s);
    s = load(GOLDEN "swapped.npy");
    ok(s && item(s, "swapped", 5) == 5, "a big-endian one");
    tl_state_free(s);
    s = load(GOLDEN "version2.npy");
    ok(s && item(s, "version2", 2) == 2, "one with the longer header");
    tl_state_free(s);
}

/* ---- What is refused ---- */

struct seen {
    char text[2000];
    int unknown;
};

static void see(const char *name, bool known, void *ctx)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof s->text - n, "%s ", name);
    s->unknown += !known;
}

static void check_refused(void)
{
    static const struct {
        const char *file;
        tl_status code;
        const char *words;
        int unknown;
    } files[] = {
        {"bad_call.pth", TL_ERR_UNSAFE, "posix.system", 1},      {"bad_call_legacy.pth", TL_ERR_UNSAFE, "posix.system", 1},
        {"bad_module.pth", TL_ERR_UNSAFE, "state_dict()", 3},    {"bad_pickle0.pth", TL_ERR_UNSAFE, "posix.system", 1},
        {"bad_pickle2.pth", TL_ERR_UNSAFE, "posix.system", 1},   {"bad_pickle4.pth", TL_ERR_UNSAFE, "posix.system", 1},
        {"bad_type.pth", TL_ERR_UNSUPPORTED, "ShortStorage", 0}, {"bad_sparse.pth", TL_ERR_UNSUPPORTED, "_rebuild_sparse_tensor", 1},
        {"bad_object.npy", TL_ERR_UNSAFE, "never made", 0},      {"bad_complex.npy", TL_ERR_UNSUPPORTED, "<c8", 0},
    };
    char path[400];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct seen seen = {.unknown = 0};
        snprintf(path, sizeof path, GOLDEN "%s", files[i].file);
        tl_state *s = tl_state_load(path);
        ok(!s, "%s is refused", files[i].file);
        is_string(tl_status_name(tl_error_code()), tl_status_name(files[i].code), "with the right code");
        contains(tl_error_message(), files[i].words, "and by name");
        tl_error_clear();
        tl_state_free(s);
        ok(tl_state_globals(path, see, &seen) == TL_OK && seen.unknown == files[i].unknown, "its names of code can be looked at (%d)", seen.unknown);
        if (strstr(files[i].file, "call"))
            contains(seen.text, "torch._utils._rebuild_tensor_v2 ", "also those that are understood");
        tl_error_clear();
    }
}

/* ---- Writing ---- */

static void check_round_trip(const tl_state *want)
{
    static const char *const endings[] = {"pth", "npz", "pth.tar"};
    char name[40], path[400];

    for (int i = 0; i < 3; i++) {
        bool bf16 = strncmp(endings[i], "pth", 3) == 0;
        tl_state *from = tl_state_new();
        for (size_t k = 0; k < tl_state_count(want); k++)
            if (bf16 || tl_dtype_of(tl_state_at(want, k)) != TL_BF16)
                tl_state_add(from, tl_state_name(want, k), tl_state_at(want, k));
        TL_SCOPE
        {
            int64_t axes[2] = {1, 0};
            tl_state_add(from, "a \"quoted\"\nñ/../你", tl_permute(tl_reshape(tl_arange(0, 6, 1, HOST(TL_F32)), TL_SHAPE(2, 3)), 2, axes));
        }
        tl_state_set_note(from, "key", "two\nlines, ñ");
        tl_state_set_note(from, "empty", "");
        snprintf(name, sizeof name, "written.%s", endings[i]);
        snprintf(path, sizeof path, "%s", files_name(name));
        if (!ok(tl_state_save(from, path) == TL_OK, ".%s is written", endings[i]))
            diag("%s", tl_error_message());
        tl_state *back = load(path);
        ok(same_state(from, back, true), "and comes back");
        ok(back && tl_state_note_count(back) == 2 && strcmp(tl_state_note(back, "key"), "two\nlines, ñ") == 0 && !*tl_state_note(back, "empty"),
           "with its notes");
        ok(back && tl_is_contiguous(tl_state_get(back, "f32")) && ((uintptr_t)tl_data(tl_state_get(back, "f64")) & 63) == 0, "aligned, so that it is used where it lies");
        tl_state_free(back);
        tl_state_free(from);
    }
}

static void check_one_array(const tl_state *want)
{
    tl_state *one = tl_state_new(), *two = tl_state_new();
    char path[400];

    tl_state_add(one, "fc.weight", tl_state_get(want, "f64"));
    snprintf(path, sizeof path, "%s", files_name("fc.weight.npy"));
    ok(tl_state_save(one, path) == TL_OK, ".npy is written");
    tl_state *back = load(path);
    ok(same_state(one, back, true), "and comes back, named by its file");
    tl_state_free(back);
    tl_state_add(two, "a", tl_state_get(want, "f64"));
    tl_state_add(two, "b", tl_state_get(want, "f64"));
    is_int(tl_state_save(two, path), TL_ERR_ARGUMENT, "two tensors are too many for it");
    tl_error_clear();
    back = load(path);
    ok(same_state(one, back, true), "and leave the old file");
    tl_state_free(back);
    tl_state_free(two);
    two = tl_state_new();
    tl_state_add(two, "half", tl_state_get(want, "bf16"));
    is_int(tl_state_save(two, files_name("half.npz")), TL_ERR_UNSUPPORTED, "NumPy has no bf16");
    contains(tl_error_message(), "\"half\"", "which is told by name");
    tl_error_clear();
    tl_state_free(two);
    two = tl_state_new();
    tl_state_add(two, "bad \xff", tl_state_get(want, "f32"));
    is_int(tl_state_save(two, files_name("name.pth")), TL_ERR_ARGUMENT, "a name that is not UTF-8");
    tl_error_clear();
    tl_state_free(two);
    tl_state_free(one);
}

/* Every type in every shape through every format: not a bit is lost, also of those that are no numbers. */
static tl_tensor *of_bits(tl_dtype dtype, int ndim, const int64_t *shape, uint32_t *random)
{
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(dtype == TL_BOOL ? files_random(random) & 1 : files_random(random));
    return tl_from_data(ndim, shape, bytes, HOST(dtype));
}

static void check_every_type(const char *ending)
{
    static const tl_dtype types[] = {TL_F32, TL_F64, TL_F16, TL_BF16, TL_I8, TL_U8, TL_I32, TL_I64, TL_BOOL};
    static const struct {
        int ndim;
        int64_t shape[4];
    } shapes[] = {{0, {0}}, {1, {1}}, {1, {0}}, {2, {3, 2}}, {3, {2, 0, 4}}, {4, {2, 1, 3, 2}}};
    bool single = strcmp(ending, "npy") == 0, numpy = ending[0] == 'n';
    uint32_t random = 88172645u;
    int made = 0, good = 0;
    tl_state *all = tl_state_new();
    char name[40], path[400];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            if (numpy && types[i] == TL_BF16)
                continue;
            snprintf(name, sizeof name, single ? "every" : "%s.%zu", tl_dtype_name(types[i]), k);
            TL_SCOPE tl_state_add(all, name, of_bits(types[i], shapes[k].ndim, shapes[k].shape, &random));
            if (!single && (i + 1 < sizeof types / sizeof *types || k + 1 < sizeof shapes / sizeof *shapes))
                continue;
            snprintf(name, sizeof name, "every.%s", ending);
            snprintf(path, sizeof path, "%s", files_name(name));
            tl_state *back = tl_state_save(all, path) == TL_OK ? load(path) : NULL;
            made += (int)tl_state_count(all);
            good += back && same_state(all, back, true) ? (int)tl_state_count(all) : 0;
            tl_state_free(back);
            if (single) {
                tl_state_free(all);
                all = tl_state_new();
            }
        }
    tl_state_free(all);
    is_int(good, made, "%s: %d tensors of all types and shapes come back bit by bit", ending, made);
    is_int(made, (numpy ? 8 : 9) * 6, "all of them");
}

/* More records than 16 bits count. */
static void check_many(void)
{
    enum { MANY = 66000 };
    tl_state *s = tl_state_new();
    char name[40], path[400];
    bool good = true;

    for (int i = 0; i < MANY; i++)
        TL_SCOPE
        {
            snprintf(name, sizeof name, "t%d", i);
            good = good && tl_state_add(s, name, tl_full(TL_SHAPE(1), i, HOST(TL_I32))) == TL_OK;
        }
    snprintf(path, sizeof path, "%s", files_name("many.pth"));
    ok(good && tl_state_save(s, path) == TL_OK, "%d tensors are written", MANY);
    tl_state *back = load(path);
    ok(back && tl_state_count(back) == MANY && item(back, "t65999", 0) == 65999, "and read");
    tl_state_free(back);
    tl_state_free(s);
}

/* ---- Into a module ---- */

static void check_module(void)
{
    tl_module *net = tl_sequential_new();
    tl_module_add(net, "fc", tl_nn_linear(2, 3));
    tl_module_add(net, "bn", tl_nn_batch_norm1d(3));
    tl_tensor *weight = tl_module_get(net, "fc.weight");

    ok(tl_module_load(net, GOLDEN "checkpoint.pth") == TL_OK, "a checkpoint of DataParallel goes into the module that it is of: %s", tl_error_message());
    tl_error_clear();
    tl_state *s = load(GOLDEN "checkpoint.pth");
    ok(same_tensor(weight, tl_state_get(s, "module.fc.weight")), "with its values");
    TL_NO_GRAD tl_fill_(weight, 9);
    is_int(tl_module_load(net, GOLDEN "checkpoint.pth", .prefix = ""), TL_ERR_NOT_FOUND, "unless no prefix is to be taken off");
    contains(tl_error_message(), "7 missing: \"fc.weight\"", "then all names are missing");
    contains(tl_error_message(), "7 unexpected: \"module.fc.weight\"", "and unexpected");
    tl_error_clear();
    is_float(((const float *)tl_data(weight))[0], 9, 0, "and nothing is changed");
    is_int(tl_module_load_state_with(net, s, &(struct tl_load_options){.prefix = "module.bn."}), TL_ERR_NOT_FOUND, "a prefix that leads elsewhere");
    tl_error_clear();
    ok(tl_module_load(net, GOLDEN "checkpoint.pth", .lenient = true) == TL_OK, "leniently it is the same");
    ok(same_tensor(weight, tl_state_get(s, "module.fc.weight")), "values");
    ok(tl_module_load(net, GOLDEN "checkpoint.pth", .prefix = "other.", .lenient = true) == TL_OK, "leniently, nothing may fit");

    /* Before there were counters. */
    tl_state *old = tl_state_new();
    for (size_t i = 0; i < tl_state_count(s); i++)
        if (!strstr(tl_state_name(s, i), "tracked") && strncmp(tl_state_name(s, i), "module.", 7) == 0)
            tl_state_add(old, tl_state_name(s, i) + 7, tl_state_at(s, i));
    ok(tl_module_load_state(net, old, true) == TL_OK, "a state from before num_batches_tracked fits");
    tl_state_free(old);
    tl_state_free(s);
    tl_module_free(net);
}

/* ---- Real files ---- */

static void check_real(void)
{
    static const struct {
        const char *file;
        size_t tensors;
        const char *first;
    } files[] = {
        {"weights/lenet5_mnist_acc0.991.pth", 10, "convnet.c1.weight"},
        {"weights/mobilenetV1X0.25_imagenet.tar", 248, "module.stage1.0.0.weight"},
        {"weights/resnet20_cifar10-12fca82f.th", 97, "module.conv1.weight"},
        {"weights/vae_mnist_epoch25.pth", 10, "fc1.weight"},
    };
    const char *data = getenv("TELAR_DATA");
    char path[600];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%.400s/%s", data ? data : "", files[i].file);
        if (!data || access(path, R_OK) != 0) {
            skip(2, "no %s in TELAR_DATA", files[i].file);
            continue;
        }
        tl_state *s = load(path);
        ok(s && tl_state_count(s) == files[i].tensors && strcmp(tl_state_name(s, 0), files[i].first) == 0, "%s", files[i].file);
        snprintf(path, sizeof path, "%s", files_name("real.pth"));
        tl_state *back = s && tl_state_save(s, path) == TL_OK ? load(path) : NULL;
        ok(s && back && same_state(s, back, true), "and through .pth again");
        tl_state_free(back);
        tl_state_free(s);
    }
}

int main(void)
{
    files_begin("formats");
    if (tl_state_can_save("x.pth") != TL_OK)
        return skip_all("Telar was built without zlib: .pth and .npz are NOT tested");
    tl_state *want = tl_state_load(GOLDEN "weights.safetensors");
    if (!want)
        bail_out("%s", tl_error_message());
    check_golden(want);
    check_checkpoint("checkpoint.pth");
    check_checkpoint("checkpoint_legacy.pth");
    check_others();
    check_refused();
    check_round_trip(want);
    check_one_array(want);
    check_every_type("safetensors");
    check_every_type("pth");
    check_every_type("npz");
    check_every_type("npy");
    check_many();
    check_module();
    check_real();
    tl_state_free(want);
    files_end();
    return done_testing();
}
