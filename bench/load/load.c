/* SPDX-License-Identifier: Apache-2.0
 *
 * telar-bench-load: how long a weight file takes to get into a network that is built, and how much memory there is at most meanwhile.
 *
 * Each reading is a process of its own, since what a process once had stays in its peak. It builds a small module, so that backends
 * are open, then the network; forgets its peak so far, and loads. What it had before the network is not counted. Files are in the system's
 * cache, from where they were just written.
 */
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <telar/model.h>
#include <telar/nn.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MOST_RUNS = 100 };

struct reading {
    double ms;          /* of tl_module_load() */
    double built, peak; /* bytes over those before the network: once it was built, and at most while it was loaded */
};

/* ---- One reading: the child ------------------------------------------------------------------------------------------------ */

/* A line of /proc/self/status in bytes; 0 where there is none. */
static double memory_of(const char *what)
{
    char line[200];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtod(line + strlen(what), NULL);
    if (f)
        fclose(f);
    return kib * 1024;
}

/* Make the peak what there is now; where that is not allowed, the peak of building counts as well. */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static tl_status read_once(const char *model, const char *path, bool assign)
{
    tl_module_free(tl_nn_linear(1, 1));
    double before = memory_of("VmRSS:");
    tl_module *net = tl_model_build(model, "");
    if (!net)
        return tl_error_code();
    tl_memory_trim("cpu");
    double built = memory_of("VmRSS:");
    forget_peak();
    double begun = now();
    tl_status s = tl_module_load(net, path, .assign = assign);
    double ms = now() - begun;
    printf("%.6g %.10g %.10g\n", ms, built - before, memory_of("VmHWM:") - before);
    tl_module_free(net);
    return s;
}

/* ---- Readings ---------------------------------------------------------------------------------------------------------------- */

static bool run_child(const char *model, const char *path, bool assign, struct reading *r)
{
    char *const arguments[] = {"telar-bench-load", "--child", assign ? "assign" : "copy", (char *)(uintptr_t)model, (char *)(uintptr_t)path, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status = 1;
    pid_t child;
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0)
        return false;
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    int error = posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    bool good = error == 0 && f && fscanf(f, "%lf %lf %lf", &r->ms, &r->built, &r->peak) == 3;
    if (f)
        fclose(f);
    if (error == 0)
        good = waitpid(child, &status, 0) == child && status == 0 && good;
    if (!good)
        fprintf(stderr, "telar-bench-load: %s: no reading%s%s\n", path, error ? ": " : "", error ? strerror(error) : "");
    return good;
}

static int by_time(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;
    return (x->ms > y->ms) - (x->ms < y->ms);
}

static bool measure(const char *model, const char *path, const char *format, bool assign, int runs, double weights, bool json)
{
    struct reading r[MOST_RUNS] = {0};
    double built = 0, peak = 0;
    for (int i = 0; i < runs; i++) {
        if (!run_child(model, path, assign, &r[i]))
            return false;
        built = r[i].built > built ? r[i].built : built;
        peak = r[i].peak > peak ? r[i].peak : peak;
    }
    qsort(r, (size_t)runs, sizeof *r, by_time);
    if (json)
        printf("{\"name\":\"load-%s-%s-%s\",\"median_ms\":%.5g,\"min_ms\":%.5g,\"runs\":%d,\"weights_bytes\":%.0f,\"built_bytes\":%.0f,\"peak_bytes\":%.0f}\n",
               model, format, assign ? "assign" : "copy", r[runs / 2].ms, r[0].ms, runs, weights, built, peak);
    else
        printf("%-12s %-7s %9.2f ms %9.2f ms %5d %10.2f %10.2f\n", format, assign ? "assign" : "copy", r[runs / 2].ms, r[0].ms, runs, built / weights,
               peak / weights);
    return fflush(stdout) == 0;
}

/* The network's own weights, in every format that can be written. */
static bool measure_all(const char *model, const char *folder, int runs, bool json)
{
    static const char *const formats[] = {"safetensors", "pth", "npz"};
    tl_manual_seed(0);
    tl_module *net = tl_model_build(model, "");
    tl_state *s = net ? tl_module_state(net) : NULL;
    double weights = 0;
    bool good = s != NULL;
    for (size_t i = 0; i < tl_state_count(s); i++)
        weights += (double)tl_numel(tl_state_at(s, i)) * (double)tl_dtype_size(tl_dtype_of(tl_state_at(s, i)));
    if (good && !json) {
        printf("Telar %s, %s: %.1f MiB of weights, read from the system's cache; memory in times of that\n", tl_version_string(), model, weights / 1048576);
        printf("%-12s %-7s %12s %12s %5s %10s %10s\n", "", "", "median", "shortest", "runs", "built", "peak");
    }
    for (int i = 0; good && i < 3; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/weights.%s", folder, formats[i]);
        if (tl_state_can_save(path) != TL_OK) {
            fprintf(stderr, "telar-bench-load: %s is left out: %s\n", formats[i], tl_error_message());
            tl_error_clear();
            continue;
        }
        good = tl_state_save(s, path) == TL_OK && measure(model, path, formats[i], false, runs, weights, json) &&
               measure(model, path, formats[i], true, runs, weights, json);
        unlink(path);
    }
    tl_state_free(s);
    tl_module_free(net);
    return good;
}

/* ---- The command line --------------------------------------------------------------------------------------------------------- */

static const char usage[] =
    "Usage: telar-bench-load [OPTION]... [MODEL]\n"
    "Time how weight files get into a model (resnet18), and how much memory there is at most meanwhile, each reading in a process of its own.\n"
    "\n"
    "  --runs N   readings of each kind (default 9, at most 100)\n"
    "  --json     one object a line\n"
    "  --help\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {{"runs", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *base = getenv("TMPDIR");
    char folder[500];
    int runs = 9;
    bool json = false;

    if (argc == 5 && strcmp(argv[1], "--child") == 0) {
        if (read_once(argv[3], argv[4], strcmp(argv[2], "assign") == 0) == TL_OK)
            return fflush(stdout) != 0;
        fprintf(stderr, "telar-bench-load: %s\n", tl_error_message());
        return 1;
    }
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        runs = c == 'r' ? atoi(optarg) : runs;
        json = json || c == 'j';
        if (c == 'h')
            return fputs(usage, stdout) < 0;
        if (c == '?' || runs < 1 || runs > MOST_RUNS || argc - optind > 1) {
            fprintf(stderr, "telar-bench-load: expected [--runs 1 to %d] [--json] [MODEL]\n", MOST_RUNS);
            return 2;
        }
    }
    snprintf(folder, sizeof folder, "%.400s/telar-bench-load.XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(folder)) {
        fprintf(stderr, "telar-bench-load: %s: %s\n", folder, strerror(errno));
        return 1;
    }
    bool good = measure_all(optind < argc ? argv[optind] : "resnet18", folder, runs, json);
    if (!good && tl_error_code() != TL_OK)
        fprintf(stderr, "telar-bench-load: %s\n", tl_error_message());
    rmdir(folder);
    return !good;
}
