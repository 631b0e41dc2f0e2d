/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights on their way from a file into a module: how much memory they take at most, and what becomes of the module's tensors when they
 * are copied and when they are assigned.
 */
#include "files.h"
#include "pickles.h"

#include <pthread.h>

#include <telar/nn.h>
#include <telar/state.h>
#include <telar/telar.h>

#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

static bool can_save(const char *name)
{
    bool good = tl_state_can_save(name) == TL_OK;
    tl_error_clear();
    return good;
}

/* ---- Memory ---- */

enum { LAYERS = 8, SIDE = 1024 };
#define WEIGHTS ((double)LAYERS * SIDE * SIDE * sizeof(float))

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* A line of /proc/self/status in bytes; -1 where there is none. */
static double memory_of(const char *what)
{
    char line[200];
    double kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtod(line + strlen(what) + 1, NULL);
    if (f)
        fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

/* Make the peak what there is now. */
static bool forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    bool good = f && fputs("5", f) >= 0;

    return f && fclose(f) == 0 && good;
}

static tl_module *large(void)
{
    tl_module *net = tl_sequential_new();

    for (int i = 0; i < LAYERS; i++)
        tl_sequential_append(net, tl_nn_linear(SIDE, SIDE, .no_bias = true));
    return net;
}

static void measure(tl_module *net, const char *path, bool assign, double before, const char *what)
{
    if (before < 0 || !forget_peak()) {
        skip(1, "no /proc/self/status or clear_refs");
        return;
    }
    tl_status s = tl_module_load(net, path, .assign = assign);
    double most = memory_of("VmHWM:") - before;
    if (!ok(s == TL_OK && most <= 1.2 * WEIGHTS, "%s, %s: %.2f times the weights at most", what, assign ? "assigned" : "copied", most / WEIGHTS))
        diag("%s", tl_error_message());
}

static void check_peak(const char *ending, bool assign)
{
    char name[40], path[400];
    snprintf(name, sizeof name, "large.%s", ending);
    if (!can_save(name)) {
        skip(1, "Telar was built without zlib: %s is NOT tested", ending);
        return;
    }
    tl_memory_trim("cpu");
    double before = memory_of("VmRSS:");
    tl_module *net = large();
    snprintf(path, sizeof path, "%s", files_name(name));
    if (tl_module_save(net, path) != TL_OK)
        bail_out("%s", tl_error_message());
    measure(net, path, assign, before, ending);
    tl_module_free(net);
}

static void check_old_peak(const char *path)
{
    tl_memory_trim("cpu");
    double before = memory_of("VmRSS:");
    tl_module *net = tl_sequential_new();
    TL_SCOPE tl_module_parameter(net, "w", tl_ones(TL_SHAPE(LAYERS * SIDE, SIDE), HOST(TL_F32)));
    measure(net, path, false, before, "the old form");
    tl_module_free(net);
}
#else
static void check_peak(const char *ending, bool assign)
{
    skip(1, "memory is not measured under a sanitizer: %s%s", ending, assign ? ", assigned" : "");
}

static void check_old_peak(const char *path)
{
    skip(1, "memory is not measured under a sanitizer: %s", path);
}
#endif

/* ---- Tensors that are not aligned in their file ---- */

/* The form of PyTorch before 1.6 puts them anywhere: {"w": rows x SIDE elements that count}, behind a name of so many bytes. */
static const char *old_file(int64_t rows, int odd)
{
    const int64_t sizes[] = {rows, SIDE}, strides[] = {SIDE, 1};
    struct legacy l = {.count = (uint64_t)(rows * SIDE), .n = (size_t)rows * SIDE * sizeof(float)};
    float *values = malloc(l.n);

    for (size_t i = 0; i < l.count; i++)
        values[i] = (float)i;
    l.data = values;
    words(&l.system, "\x80\x02}(U\x0dlittle_endian\x88U");
    bytes_number(&l.system, (uint64_t)odd, 1);
    repeat(&l.system, "x", (size_t)odd);
    words(&l.system, "K\x01u.");
    tensor_pickle(&l.object, "FloatStorage", (int64_t)l.count, 0, sizes, 2, strides, 2);
    struct bytes b = legacy_bytes(&l);
    files_write("old.pth", b.data, b.n);
    free(l.system.data);
    free(l.object.data);
    free(values);
    free(b.data);
    return files_path;
}

static bool counts(tl_tensor *t, int64_t from)
{
    const float *v = tl_data(t);
    bool good = v && ((uintptr_t)v & 3) == 0;

    for (int64_t i = 0; good && i < tl_numel(t); i++)
        good = v[i] == (float)(from + i);
    return good;
}

static void *look(void *ctx)
{
    return counts(ctx, 0) ? ctx : NULL;
}

/* Several threads look at one for the first time. */
static void check_threads(tl_state *s)
{
    pthread_t threads[4];
    int good = 0;

    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, look, tl_state_get(s, "w")) != 0)
            bail_out("no thread");
    for (int i = 0; i < 4; i++) {
        void *seen = NULL;
        good += pthread_join(threads[i], &seen) == 0 && seen;
    }
    is_int(good, 4, "four threads at once see its values");
}

static void check_unaligned(void)
{
    char path[400];
    int copied = 0;

    if (!can_save("x.pth")) {
        skip(1, "Telar was built without zlib: .pth is NOT tested");
        return;
    }
    for (int odd = 1; odd <= 4; odd++) {
        snprintf(path, sizeof path, "%s", old_file(600, odd));
        size_t before = tl_memory_stats("cpu").allocated;
        tl_state *s = tl_state_load(path);
        tl_tensor *t = tl_state_get(s, "w");
        ok(tl_from_map_copy(t, NULL) == TL_OK, "it can be copied");
        copied += tl_memory_stats("cpu").allocated != before;
        float *out = malloc(600 * SIDE * sizeof(float));
        TL_SCOPE
        {
            tl_tensor *part = tl_narrow(t, 0, 100, 300);
            ok(tl_from_map_copy(part, out) == TL_OK && out[0] == 100 * SIDE && out[300 * SIDE - 1] == 400 * SIDE - 1, "%d odd bytes: a part of it is copied", odd);
        }
        copied += tl_memory_stats("cpu").allocated != before;
        ok(counts(t, 0), "the tensor has its values, aligned");
        tl_state *twice = tl_state_load(path);
        check_threads(twice);
        tl_state_free(twice);
        twice = tl_state_load(path);
        TL_SCOPE ok(counts(tl_narrow(tl_state_get(twice, "w"), 0, 599, 1), 599 * SIDE), "a view of another does");
        tl_state_free(twice);
        twice = tl_state_load(path);
        TL_NO_GRAD tl_fill_(tl_state_get(twice, "w"), 7);
        is_float((double)((const float *)tl_data(tl_state_get(twice, "w")))[599 * SIDE], 7, 0, "it can be written");
        tl_state_free(twice);
        ok(tl_from_map_copy(t, out) == TL_OK && memcmp(out, tl_data(t), 600 * SIDE * sizeof(float)) == 0, "what was looked at is copied, too");
        tl_state_free(s);
        is_int((long long)tl_memory_stats("cpu").allocated, (long long)before, "and nothing is left");
        free(out);
    }
    is_int(copied, 0, "none of them takes memory before somebody looks");
    for (int odd = 1; odd <= 4; odd++) {
        snprintf(path, sizeof path, "%s", old_file(LAYERS * SIDE, odd));
        check_old_peak(path);
    }
}

/* ---- Pages that are forgotten ---- */

static void check_forgotten(void)
{
    enum { N = 1 << 18 };
    tl_state *s = tl_state_new();
    char path[400];

    snprintf(path, sizeof path, "%s", files_name("pages.safetensors"));
    TL_SCOPE tl_state_add(s, "a", tl_arange(0, N, 1, HOST(TL_F32)));
    if (tl_state_save(s, path) != TL_OK)
        bail_out("%s", tl_error_message());
    tl_state_free(s);
    s = tl_state_load(path);
    tl_tensor *t = tl_state_get(s, "a");
    const float *v = tl_data(t);
    double sum = 0, again = 0;
    for (int i = 0; v && i < N; i++)
        sum += (double)v[i];
    tl_from_map_forget(t);
    for (int i = 0; v && i < N; i++)
        again += (double)v[i];
    is_float(again, sum, 0, "what was forgotten is read from the file again");
    float *w = tl_data_mut(t);
    w[N / 2] = -5;
    tl_from_map_forget(t);
    is_float((double)w[N / 2], -5, 0, "what was written is not forgotten");
    tl_from_map_forget(NULL);
    tl_from_map_forget(TL_NONE);
    TL_SCOPE tl_from_map_forget(tl_ones(TL_SHAPE(5000), HOST(TL_F32)));
    tl_map_forget(NULL, NULL, 1);
    tl_map_forget(&(struct tl_map){.data = (const unsigned char *)""}, "", 1);
    ok(tl_error_code() == TL_OK, "nothing else can be, which is no error");
    tl_state_free(s);
}

/* ---- Assigning ---- */

static tl_module *small(void)
{
    tl_module *net = tl_sequential_new();

    tl_module_add(net, "fc", tl_nn_linear(40, 30));
    tl_module_add(net, "bn", tl_nn_batch_norm1d(30));
    return net;
}

static bool same_values(tl_tensor *a, tl_tensor *b)
{
    return a && b && tl_equal(a, b);
}

static bool same_modules(tl_module *a, tl_module *b)
{
    tl_state *x = tl_module_state(a), *y = tl_module_state(b);
    bool same = tl_state_count(x) == tl_state_count(y);

    TL_SCOPE for (size_t i = 0; i < tl_state_count(x); i++)
        same = same && same_values(tl_state_at(x, i), tl_state_at(y, i));
    tl_state_free(x);
    tl_state_free(y);
    return same;
}

static void check_assigned(const char *ending)
{
    tl_module *saved = small(), *net = small();
    tl_tensor *weight = tl_module_get(net, "fc.weight");
    const void *place = tl_data(weight);
    char name[40], path[400];

    snprintf(name, sizeof name, "assigned.%s", ending);
    snprintf(path, sizeof path, "%s", files_name(name));
    if (!can_save(name) || tl_module_save(saved, path) != TL_OK)
        bail_out("%s", tl_error_message());
    tl_optimizer *sgd = tl_sgd(net, 0.5);
    size_t before = tl_memory_stats("cpu").allocated;
    is_int(tl_module_load(net, path, .assign = true), TL_OK, "%s: a file is assigned: %s", ending, tl_error_message());
    ok(same_modules(saved, net), "with its values");
    ok(tl_module_get(net, "fc.weight") == weight && tl_data(weight) != place, "the tensor is the same, its memory another");
    ok(tl_requires_grad(weight) && !tl_requires_grad(tl_module_get(net, "bn.running_mean")), "and requires what it did");
    ok(tl_memory_stats("cpu").allocated + 40 * 30 * sizeof(float) <= before, "what it had goes back");
    TL_SCOPE
    {
        tl_tensor *y = tl_forward(net, tl_ones(TL_SHAPE(4, 40), HOST(TL_F32)));
        tl_backward(tl_sum(tl_mul(y, tl_arange(0, 30, 1, HOST(TL_F32)))), TL_NONE, (struct tl_backward_options){0});
        tl_fill_(tl_grad_of(weight), 1);
    }
    is_int(tl_optimizer_step(sgd), TL_OK, "an optimizer that was there before goes on: %s", tl_error_message());
    TL_SCOPE TL_NO_GRAD ok(same_values(weight, tl_sub(tl_module_get(saved, "fc.weight"), tl_scalar(0.5))), "with the weights that came");
    is_int(tl_module_load(net, path), TL_OK, "the file is what it was");
    ok(same_modules(saved, net), "and can be copied from");
    tl_optimizer_free(sgd);
    tl_module_free(saved);
    tl_module_free(net);
}

static void check_conversions(void)
{
    tl_module *net = small();
    tl_state *s = tl_module_state(net), *half = tl_state_new();
    tl_tensor *base = NULL;

    TL_SCOPE TL_NO_GRAD
    {
        base = tl_keep(tl_reshape(tl_arange(0, 40 * 30, 1, HOST(TL_F32)), TL_SHAPE(40, 30)));
        for (size_t i = 0; i < tl_state_count(s); i++) {
            const char *name = tl_state_name(s, i);
            tl_tensor *t = tl_state_at(s, i);
            if (strcmp(name, "fc.weight") == 0)
                tl_state_add(half, name, tl_t(base)); /* with other strides */
            else if (strcmp(name, "fc.bias") == 0 || strcmp(name, "bn.weight") == 0)
                tl_state_add(half, name, tl_select(base, 0, 3)); /* shared */
            else if (strcmp(name, "bn.bias") == 0)
                tl_state_add(half, name, tl_expand(tl_ones(TL_SHAPE(1), HOST(TL_F32)), TL_SHAPE(30)));
            else
                tl_state_add(half, name, tl_dtype_of(t) == TL_F32 ? tl_cast(t, TL_F16) : t);
        }
    }
    is_int(tl_module_load_state_with(net, half, &(struct tl_load_options){.assign = true}), TL_OK, "a state of odd tensors is assigned: %s",
           tl_error_message());
    tl_tensor *weight = tl_module_get(net, "fc.weight"), *bias = tl_module_get(net, "fc.bias"), *scale = tl_module_get(net, "bn.weight");
    ok(tl_is_contiguous(weight) && !tl_shares_storage(weight, base), "other strides are evened out");
    is_float((double)((const float *)tl_data(weight))[1], 30, 0, "with their values");
    ok(!tl_shares_storage(bias, scale) && same_values(bias, scale), "what shared memory does so no more");
    ok(tl_is_contiguous(tl_module_get(net, "bn.bias")), "nor do elements that were one");
    is_int(tl_dtype_of(tl_module_get(net, "bn.running_var")), TL_F32, "types stay those of the module");
    ok(same_values(tl_module_get(net, "bn.running_var"), tl_state_get(s, "bn.running_var")), "at the same values");

    tl_module *other = small();
    tl_state *own = tl_module_state(net);
    is_int(tl_module_load_state_with(other, own, &(struct tl_load_options){.assign = true}), TL_OK, "another module's state is assigned");
    ok(tl_shares_storage(tl_module_get(other, "fc.weight"), weight), "and is shared then");
    is_int(tl_module_load_state_with(other, own, &(struct tl_load_options){.assign = true}), TL_OK, "twice");
    ok(same_modules(other, net), "with the same values");
    tl_state_free(own);
    tl_module_free(other);
    tl_release(base);
    tl_state_free(half);
    tl_state_free(s);
    tl_module_free(net);
}

/* A module that was built without memory gets it from the file. */
static void check_meta(void)
{
    tl_module *saved = small(), *net = NULL;
    char path[400];

    snprintf(path, sizeof path, "%s", files_name("meta.safetensors"));
    if (tl_module_save(saved, path) != TL_OK)
        bail_out("%s", tl_error_message());
    TL_DEVICE("meta") net = small();
    tl_tensor *weight = tl_module_get(net, "fc.weight");
    ok(weight && !tl_has_values(weight), "a module without values");
    is_int(tl_module_load(net, path), TL_ERR_STATE, "cannot be copied to");
    contains(tl_error_message(), ".assign", "but assigned to, which is told");
    tl_error_clear();
    is_int(tl_module_load(net, path, .assign = true), TL_OK, "that is done: %s", tl_error_message());
    ok(same_modules(saved, net) && tl_module_get(net, "fc.weight") == weight && tl_requires_grad(weight), "its tensors have the file's values");
    TL_SCOPE
    {
        tl_tensor *x = tl_ones(TL_SHAPE(3, 40), HOST(TL_F32));
        tl_eval(saved);
        tl_eval(net);
        ok(same_values(tl_forward(saved, x), tl_forward(net, x)), "and give the same");
    }
    tl_module_free(net);

    TL_DEVICE("meta") net = small();
    tl_state *s = tl_module_state(saved), *old = tl_state_new();
    for (size_t i = 0; i < tl_state_count(s); i++)
        if (!strstr(tl_state_name(s, i), "tracked"))
            tl_state_add(old, tl_state_name(s, i), tl_state_at(s, i));
    is_int(tl_module_load_state_with(net, old, &(struct tl_load_options){.assign = true}), TL_OK, "a state from before there were counters: %s",
           tl_error_message());
    is_int(tl_item_i64(tl_module_get(net, "bn.num_batches_tracked")), 0, "begins to count");
    tl_state_free(old);
    tl_state_free(s);
    tl_module_free(net);
    tl_module_free(saved);
}

/* Whatever does not fit, nothing is assigned; leniently what fits is. */
static void check_misfits(void)
{
    tl_module *net = small(), *wide = tl_sequential_new();
    tl_tensor *weight = tl_module_get(net, "fc.weight"), *bias = tl_module_get(net, "fc.bias");
    const void *place = tl_data(weight), *bias_place = tl_data(bias);

    tl_module_add(wide, "fc", tl_nn_linear(40, 31));
    tl_state *s = tl_module_state(wide);
    is_int(tl_module_load_state_with(net, s, &(struct tl_load_options){.assign = true, .lenient = true}), TL_ERR_SHAPE, "another shape");
    tl_error_clear();
    ok(tl_data(weight) == place && tl_data(bias) == bias_place, "is not assigned");
    tl_state_free(s);
    s = tl_state_new();
    TL_SCOPE tl_state_add(s, "fc.bias", tl_full(TL_SHAPE(30), 4, HOST(TL_F32)));
    is_int(tl_module_load_state_with(net, s, &(struct tl_load_options){.assign = true}), TL_ERR_NOT_FOUND, "a state that lacks weights");
    tl_error_clear();
    ok(tl_data(bias) == bias_place, "neither");
    is_int(tl_module_load_state_with(net, s, &(struct tl_load_options){.assign = true, .lenient = true}), TL_OK, "leniently");
    ok(tl_data(weight) == place && tl_data(bias) != bias_place && ((const float *)tl_data(bias))[7] == 4, "what is there is assigned");
    tl_state_free(s);
    tl_module_free(wide);
    tl_module_free(net);
}

int main(void)
{
    static const char *const formats[] = {"safetensors", "pth", "npz"};

    files_begin("formats_load");
    check_assigned("safetensors"); /* backends and plugins are open from now on */
    if (can_save("x.pth"))
        check_assigned("pth");
    for (int i = 0; i < 3; i++) {
        check_peak(formats[i], false);
        check_peak(formats[i], true);
    }
    check_unaligned();
    check_forgotten();
    check_conversions();
    check_meta();
    check_misfits();
    files_end();
    return done_testing();
}
