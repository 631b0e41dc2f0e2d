/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory, copies and failures of the CUDA backend, on a stand-in for the driver that copies late and forgives nothing. Each scenario is a process of
 * its own, with its own faults.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <telar/state.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[200];
static char log_path[300];

/* ---- What the stand-in has written ---------------------------------------------------------------------------------------------------------- */

/* How many lines of the log begin so. */
static int logged(const char *start)
{
    char line[600];
    int n = 0;
    FILE *f = fopen(log_path, "r");
    while (f && fgets(line, sizeof line, f))
        n += strncmp(line, start, strlen(start)) == 0;
    if (f)
        fclose(f);
    return n;
}

static void forget_log(void)
{
    if (truncate(log_path, 0) != 0)
        diag("the log stays");
}

static void no_flaws(void)
{
    char line[600];
    FILE *f = fopen(log_path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "flaw", 4) == 0)
            diag("%s", line);
    if (f)
        fclose(f);
    is_int(logged("flaw"), 0, "the stand-in found no flaw");
}

/* ---- Copies -------------------------------------------------------------------------------------------------------------------------------- */

enum { STAGE = 4 << 20 };

/* Bytes that tell of their place, and of which tensor they are. */
static uint8_t byte_at(int64_t i, int which)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16) * 5 + which * 101);
}

static tl_tensor *bytes_on_host(int64_t n, int which)
{
    tl_tensor *t = tl_empty(TL_SHAPE(n), (struct tl_options){.dtype = TL_U8, .device = "cpu"});
    uint8_t *p = t ? tl_data_mut(t) : NULL;
    for (int64_t i = 0; p && i < n; i++)
        p[i] = byte_at(i, which);
    return t;
}

static bool is_intact(tl_tensor *device, int64_t n, int which)
{
    tl_tensor *host = tl_to_device(device, "cpu");
    const uint8_t *p = host ? tl_data(host) : NULL;
    for (int64_t i = 0; p && i < n; i++)
        if (p[i] != byte_at(i, which)) {
            diag("byte %lld of %lld: %d, expected %d", (long long)i, (long long)n, p[i], byte_at(i, which));
            return false;
        }
    return p != NULL;
}

static void copies(void)
{
    static const int64_t sizes[] = {1, 17, 65536, STAGE - 1, STAGE, STAGE + 1, 2 * STAGE, 3 * STAGE + STAGE / 2, 5 * STAGE + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        TL_SCOPE
        {
            int64_t n = sizes[i], pieces = (n + STAGE - 1) / STAGE;
            forget_log();
            tl_tensor *there = tl_to_device(bytes_on_host(n, 0), "cuda");
            ok(is_intact(there, n, 0), "%lld bytes there and back (%s)", (long long)n, tl_error_message());
            is_int(logged("copy-in"), pieces, "in pieces on their way there");
            is_int(logged("copy-out"), pieces, "and back");
        }
    no_flaws();
}

/* None of them is waited for before all are enqueued. */
static void many_copies(void)
{
    enum { MANY = 7 };
    TL_SCOPE
    {
        tl_tensor *there[MANY];
        const int64_t n = 3 * STAGE + STAGE / 2;
        for (int i = 0; i < MANY; i++)
            there[i] = tl_to_device(bytes_on_host(n + i, i), "cuda");
        for (int i = MANY - 1; i >= 0; i--)
            ok(is_intact(there[i], n + i, i), "number %d of many", i);
    }
    no_flaws();
}

static void *copy_on_thread(void *p)
{
    int which = (int)(intptr_t)p;
    for (int round = 0; round < 4; round++)
        TL_SCOPE
        {
            const int64_t n = 2 * STAGE + 1000 * which + round;
            if (!is_intact(tl_to_device(bytes_on_host(n, which), "cuda"), n, which))
                return p;
        }
    return NULL;
}

static void copies_of_threads(void)
{
    pthread_t threads[4];
    int wrong = 0;
    for (intptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, copy_on_thread, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(threads[i], &r);
        wrong += r != NULL;
    }
    is_int(wrong, 0, "four threads copy at a time");
    no_flaws();
}

static void sums_in_place(void)
{
    TL_SCOPE
    {
        tl_tensor *x = tl_to_device(bytes_on_host(3000, 1), "cuda");
        tl_tensor *part = tl_to_device(tl_slice(x, 0, 1000, 2000, 1), "cpu");
        const uint8_t *p = part ? tl_data(part) : NULL;
        ok(p && p[0] == byte_at(1000, 1) && p[999] == byte_at(1999, 1), "a part of a tensor is copied from its place");
        tl_tensor *none = tl_to_device(tl_empty(TL_SHAPE(0), (struct tl_options){.dtype = TL_U8, .device = "cpu"}), "cuda");
        ok(none && tl_numel(tl_to_device(none, "cpu")) == 0, "and a tensor without elements");
    }
    no_flaws();
}

/* ---- Memory -------------------------------------------------------------------------------------------------------------------------------- */

static tl_tensor *block(int64_t mebibytes)
{
    return tl_empty(TL_SHAPE(mebibytes << 20), (struct tl_options){.dtype = TL_U8, .device = "cuda"});
}

static void pool(void)
{
    TL_SCOPE { ok(block(8) != NULL, "a block"); }
    forget_log();
    for (int i = 0; i < 5; i++)
        TL_SCOPE { block(8); }
    is_int(logged("alloc"), 0, "memory that was given back is used again");
    is_int(tl_memory_stats("cuda").allocated, 0, "none is in use");
    tl_memory_trim("cuda");
    ok(logged("free") >= 1 && tl_memory_stats("cuda").reserved == 0, "and all goes back when asked for");
    no_flaws();
}

/* FAULT: memory for 64 MiB. */
static void pool_is_emptied(void)
{
    TL_SCOPE { ok(block(40) != NULL, "40 of 64 MiB"); }
    TL_SCOPE { ok(block(48) != NULL, "then 48: what the pool holds goes back first (%s)", tl_error_message()); }
    TL_SCOPE
    {
        tl_tensor *held = block(40);
        ok(held && block(40) == NULL && tl_error_code() == TL_ERR_NOMEM, "40 and 40 are too much");
        contains(tl_error_message(), "out of memory on cuda:0: 41943040 bytes asked for, 41943040 in use by tensors", "how much is in use");
        contains(tl_error_message(), "of 64 MiB are free", "and what the device says");
        tl_error_clear();
        ok(block(16) != NULL, "less than that is there, as before");
    }
    no_flaws();
}

/* FAULT: the second allocation fails. */
static void once_out_of_memory(void)
{
    TL_SCOPE
    {
        ok(block(1) != NULL && block(2) != NULL && block(3) != NULL, "an allocation that fails once is tried again (%s)", tl_error_message());
        is_int(logged("alloc 2097152: no"), 1, "it did fail");
    }
    no_flaws();
}

/* ---- Failures ------------------------------------------------------------------------------------------------------------------------------ */

static tl_tensor *floats(int64_t n, const char *device)
{
    tl_tensor *t = tl_empty(TL_SHAPE(n), (struct tl_options){.dtype = TL_F32, .device = "cpu"});
    float *p = t ? tl_data_mut(t) : NULL;
    for (int64_t i = 0; p && i < n; i++)
        p[i] = (float)i;
    return strcmp(device, "cpu") == 0 ? t : tl_to_device(t, device);
}

static tl_status save(const char *name, tl_tensor *t)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s.safetensors", root, name);
    tl_state *s = tl_state_new();
    tl_status status = tl_state_add(s, "x", t);
    if (status == TL_OK)
        status = tl_state_save(s, path);
    tl_state_free(s);
    return status;
}

static bool is_saved(const char *name, int64_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s.safetensors", root, name);
    tl_state *s = tl_state_load(path);
    bool good = s && tl_numel(tl_state_get(s, "x")) == n;
    tl_state_free(s);
    tl_error_clear();
    return good;
}

/* FAULT: launch 3 makes an illegal access. */
static void lost(void)
{
    TL_SCOPE
    {
        tl_tensor *here = floats(10, "cpu"), *x = floats(100, "cuda");
        is_int(save("there", here), TL_OK, "a file is there from before");
        tl_tensor *y = tl_neg(tl_exp(tl_relu(tl_sin(x))));
        ok(y != NULL, "the call that ruins the device returns");
        is_int(tl_synchronize("cuda"), TL_ERR_DEVICE, "whoever waits gets the error");
        contains(tl_error_message(), "CUDA_ERROR_ILLEGAL_ADDRESS", "by its name");
        contains(tl_error_message(), "last enqueued, newest first: neg, exp, relu, sin", "with what was enqueued last");
        contains(tl_error_message(), "the device is lost to this process", "and what it means");
        tl_error_clear();
        float values[100];
        is_int(tl_copy_out(x, TL_F32, values, sizeof values), TL_ERR_DEVICE, "no value is read from then on");
        tl_error_clear();
        tl_tensor *more = tl_neg(x);
        ok(more == NULL && tl_error_code() == TL_ERR_DEVICE, "and nothing computed");
        tl_error_clear();
        is_int(save("here", here), TL_OK, "what is on the host is saved");
        ok(is_saved("here", 10), "and can be read");
        ok(save("there", x) != TL_OK, "what is on the device is not");
        tl_error_clear();
        ok(is_saved("there", 10), "and the file from before is as it was");
        is_float(tl_item(tl_sum(here)), 45, 0, "the host goes on computing");
    }
    no_flaws();
}

static void ops_before_the_end(void)
{
    TL_SCOPE
    {
        tl_tensor *x = floats(1000, "cuda");
        for (int i = 0; i < 20; i++)
            x = tl_add(tl_mul(x, x), x);
        ok(x != NULL, "work that nobody waits for (%s)", tl_error_message());
    }
    no_flaws();
}

/* DEVICES: 2. */
static void two_devices(void)
{
    TL_SCOPE
    {
        tl_tensor *a = floats(8, "cuda:0"), *b = floats(8, "cuda:1");
        is_string(tl_device_of(a), "cuda:0", "one tensor on the first device");
        is_string(tl_device_of(b), "cuda:1", "one on the second");
        ok(tl_add(a, b) == NULL && tl_error_code() == TL_ERR_DEVICE, "they do not meet in one op");
        contains(tl_error_message(), "cuda:0", "the error names the one");
        contains(tl_error_message(), "cuda:1", "and the other");
        tl_error_clear();
        tl_tensor *moved = tl_to_device(b, "cuda:0");
        ok(moved && tl_add(a, moved) != NULL, "unless one is brought to the other (%s)", tl_error_message());
        tl_tensor *back = tl_to_device(tl_to_device(moved, "cuda:1"), "cpu");
        ok(back && ((float *)tl_data(back))[7] == 7.0f, "whose values are the same");
        bool turns = true;
        for (int i = 0; i < 6; i++)
            TL_SCOPE { turns = turns && tl_neg(a) && tl_neg(b); }
        ok(turns && tl_synchronize(NULL) == TL_OK, "and they compute in turns (%s)", tl_error_message());
        ok(tl_to_device(a, "cuda:2") == NULL, "a third there is not");
        contains(tl_error_message(), "has 2 devices, numbered from 0: there is no number 2", "as the error says");
        tl_error_clear();
    }
    no_flaws();
}

/* ---- Running the scenarios ------------------------------------------------------------------------------------------------------------------- */

static struct counts {
    int count, failed;
} *shared;

/* In a process of its own; what it has leaked shows at its end, under a sanitizer and in the stand-in's log. */
static void scenario(const char *fault, const char *devices, void (*body)(void))
{
    forget_log();
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        bail_out("fork");
    if (child == 0) {
        setenv("FAKE_CUDA_FAULT", fault, 1);
        setenv("FAKE_CUDA_DEVICES", devices, 1);
        bool opens = false;
        TL_SCOPE { opens = floats(1, "cuda") != NULL; }
        if (ok(opens, "the device opens (%s)", tl_error_message()))
            body();
        tl_shutdown();
        is_int(logged("flaw"), 0, "and nothing is left at the end");
        *shared = (struct counts){tap_count, tap_failed};
        exit(0);
    }
    int status;
    *shared = (struct counts){tap_count, tap_failed};
    waitpid(child, &status, 0);
    tap_count = shared->count;
    tap_failed = shared->failed;
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ends well (status %#x)", status);
}

/* Kernels are compiled with the real NVRTC, without which the backend opens no device. */
static bool lacks_nvrtc(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(!floats(1, "cuda") && strstr(tl_error_message(), "NVRTC, CUDA's run-time compiler is missing"));
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void stand_in(const char *library, const char *name)
{
    char from[400], to[300];
    snprintf(from, sizeof from, "%s/tests/fake-cuda/.libs/%s.so", TEST_BUILDDIR, library);
    snprintf(to, sizeof to, "%s/%s", root, name);
    if (symlink(from, to) != 0)
        bail_out("cannot link %s", library);
}

/* The linker reads LD_LIBRARY_PATH when a program starts. */
static void start_again(char **argv)
{
    const char *was = getenv("LD_LIBRARY_PATH");
    char path[4096];
    strcpy(root, "/tmp/telar-cuda-XXXXXX");
    if (!mkdtemp(root))
        bail_out("no temporary folder");
    stand_in("libcuda", "libcuda.so.1");
    stand_in("libcudnn", "libcudnn.so.9");
    stand_in("libcublasLt", "libcublasLt.so.12");
    stand_in("libcublasLt", "libcublasLt.so.13");
    snprintf(path, sizeof path, "%s%s%s", root, was ? ":" : "", was ? was : "");
    setenv("LD_LIBRARY_PATH", path, 1);
    setenv("TELAR_TEST_ROOT", root, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    execv("/proc/self/exe", argv);
    bail_out("cannot start again");
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *again = getenv("TELAR_TEST_ROOT");
    if (access(TEST_BUILDDIR "/plugins-tree/backends/cuda.so", F_OK) != 0)
        return skip_all("the cuda backend was not built");
    if (!again)
        start_again(argv);
    snprintf(root, sizeof root, "%s", again);
    snprintf(log_path, sizeof log_path, "%s/log", root);
    fclose(fopen(log_path, "w"));
    setenv("FAKE_CUDA_LOG", log_path, 1);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bail_out("no shared memory");
    if (lacks_nvrtc())
        return skip_all("NVRTC of the CUDA toolkit is not found");
    scenario("", "1", copies);
    scenario("", "1", many_copies);
    scenario("", "1", copies_of_threads);
    scenario("", "1", sums_in_place);
    scenario("", "1", pool);
    scenario("memory=67108864", "1", pool_is_emptied);
    scenario("oom@3", "1", once_out_of_memory);
    scenario("fail@3=700", "1", lost);
    scenario("", "1", ops_before_the_end);
    scenario("", "2", two_devices);
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command) != 0)
        diag("the temporary folder stays");
    return done_testing();
}
