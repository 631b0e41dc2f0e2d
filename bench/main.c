/* SPDX-License-Identifier: Apache-2.0
 *
 * telar-bench: times ops and whole pieces of work on the default device.
 *
 * A sample is as many calls of a case as fill a few milliseconds. Samples are taken in rounds, one of each case a round,
 * so that what else the machine does meanwhile falls on all cases alike. With --serve the order is somebody else's: a
 * line with a case's name on standard input asks for one sample of it, so that a driver can alternate between programs.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"

enum { MAX_CASES = 96, WARM_UP = 2, MAX_TIMES = 1 << 20 };

/* A case with its state and its samples. */
struct measured {
    const struct bench_case *c;
    struct bench_state state;
    bool ready;
    int64_t times;   /* calls a sample */
    double *samples; /* milliseconds a call */
    int n;
    double flops;
    size_t own, peak; /* bytes: kept between calls, and at most */
};

struct settings {
    int rounds, threads;
    double sample_ms;
    bool json, list, serve;
    char **wanted; /* parts of names; none: all */
    int n_wanted;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bool is_wanted(const struct settings *o, const char *name)
{
    for (int i = 0; i < o->n_wanted; i++)
        if (strstr(name, o->wanted[i]))
            return true;
    return o->n_wanted == 0;
}

static int collect(struct measured *list, const struct settings *o)
{
    const struct bench_case *const parts[] = {machine_cases, op_cases, work_cases};
    int n = 0;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (const struct bench_case *c = parts[p]; c->name && n < MAX_CASES; c++)
            if (is_wanted(o, c->name) && (!c->large || o->n_wanted > 0 || o->serve))
                list[n++] = (struct measured){.c = c, .flops = c->flops * (p == 0 ? tl_get_num_threads() : 1)};
    return n;
}

/* One sample. The peak is what the call adds to what the case keeps. */
static tl_status sample(struct measured *m, double *ms)
{
    size_t before = tl_memory_stats(NULL).allocated;
    tl_memory_reset_peak(NULL);
    double begun = now();
    tl_status s = m->c->run(&m->state, m->c->variant, m->times);
    *ms = (now() - begun) / (double)m->times;
    size_t most = tl_memory_stats(NULL).peak;
    m->peak = m->own + (most > before ? most - before : 0);
    return s;
}

/* Make the case's state, warm it up, and find how many calls make a sample. */
static tl_status make_ready(struct measured *m, const struct settings *o)
{
    double ms = 0;
    size_t before = tl_memory_stats(NULL).allocated;
    tl_status s = m->c->prepare ? m->c->prepare(&m->state, m->c->variant) : TL_OK;
    size_t after = tl_memory_stats(NULL).allocated;
    m->own = after > before ? after - before : 0;
    m->times = 1;
    for (int i = 0; s == TL_OK && i < WARM_UP; i++)
        s = sample(m, &ms);
    while (s == TL_OK && ms * (double)m->times < o->sample_ms && m->times < MAX_TIMES) {
        m->times *= 2;
        s = sample(m, &ms);
    }
    m->samples = s == TL_OK ? malloc((size_t)o->rounds * sizeof *m->samples) : NULL;
    m->ready = m->samples != NULL;
    if (s == TL_OK && !m->ready)
        s = tl_fail(TL_ERR_NOMEM, "bench: out of memory");
    if (s != TL_OK)
        tl_error_prefix("%s: ", m->c->name);
    return s;
}

static void forget(struct measured *m)
{
    for (int i = 0; i < CASE_KEPT; i++)
        tl_release(m->state.kept[i]);
    tl_program_free(m->state.program);
    tl_optimizer_free(m->state.optimizer);
    tl_module_free(m->state.net);
    free(m->state.memory[0]);
    free(m->state.memory[1]);
    free(m->samples);
}

/* ---- Reporting ------------------------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which the share q of the sorted samples lies. */
static double quantile(const struct measured *m, double q)
{
    double at = q * (m->n - 1);
    int low = (int)at, high = low + 1 < m->n ? low + 1 : low;
    return m->samples[low] + (at - low) * (m->samples[high] - m->samples[low]);
}

static void print_json(const struct measured *m)
{
    double median = quantile(m, 0.5);
    printf("{\"name\":\"%s\",\"backend\":\"%s\",\"threads\":%d,\"median_ms\":%.6g,\"min_ms\":%.6g,\"spread\":%.3g,\"runs\":%d,"
           "\"gflops\":%.5g,\"gbytes_per_s\":%.5g,\"peak_bytes\":%zu}\n",
           m->c->name, tl_backend_name(), tl_get_num_threads(), median, m->samples[0],
           (quantile(m, 0.75) - quantile(m, 0.25)) / median, m->n, m->flops / median * 1e-6, m->c->bytes / median * 1e-6, m->peak);
}

static void print_time(double ms)
{
    const char *unit = ms < 1e-3 ? "ns" : ms < 1 ? "us" : "ms";
    printf(" %9.4g %s", ms < 1e-3 ? ms * 1e6 : ms < 1 ? ms * 1e3 : ms, unit);
}

static void print_row(const struct measured *m)
{
    double median = quantile(m, 0.5), rate = m->flops > 0 ? m->flops : m->c->bytes;
    printf("%-24s", m->c->name);
    print_time(median);
    print_time(m->samples[0]);
    printf(" %6.0f%% %5d", 100 * (quantile(m, 0.75) - quantile(m, 0.25)) / median, m->n);
    if (rate > 0)
        printf(" %8.4g %-7s", rate / median * 1e-6, m->flops > 0 ? "GFLOP/s" : "GB/s");
    else
        printf(" %16s", "");
    printf(" %8.4g MiB\n", (double)m->peak / 1048576);
}

static void report(struct measured *list, int n, const struct settings *o)
{
    if (!o->json) {
        printf("Telar %s, backend %s, %d threads, %d rounds\n", tl_version_string(), tl_backend_name(), tl_get_num_threads(), o->rounds);
        printf("%-24s %12s %12s %7s %5s %16s %12s\n", "", "median", "shortest", "spread", "runs", "rate", "memory");
    }
    for (int i = 0; i < n; i++) {
        qsort(list[i].samples, (size_t)list[i].n, sizeof(double), by_size);
        if (o->json)
            print_json(&list[i]);
        else
            print_row(&list[i]);
    }
}

/* ---- Order of samples ------------------------------------------------------------------------------------------------------- */

static tl_status run_rounds(struct measured *list, int n, const struct settings *o)
{
    tl_status s = TL_OK;
    for (int i = 0; s == TL_OK && i < n; i++)
        s = make_ready(&list[i], o);
    for (int round = 0; s == TL_OK && round < o->rounds; round++) {
        for (int i = 0; s == TL_OK && i < n; i++) {
            s = sample(&list[i], &list[i].samples[round]);
            list[i].n = round + 1;
        }
    }
    return s;
}

/* Answer each name with the milliseconds of a call, or with "error" and why. */
static tl_status serve(struct measured *list, int n, const struct settings *o)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        struct measured *m = NULL;
        double ms = 0;
        for (int i = 0; i < n && !m; i++)
            m = strcmp(list[i].c->name, line) == 0 ? &list[i] : NULL;
        tl_status s = m ? TL_OK : tl_fail(TL_ERR_NOT_FOUND, "no case \"%s\"", line);
        if (m && !m->ready)
            s = make_ready(m, o);
        if (s == TL_OK)
            s = sample(m, &ms);
        if (s == TL_OK)
            printf("%.9g\n", ms);
        else
            printf("error %s\n", tl_error_message());
        tl_error_clear();
        if (fflush(stdout) != 0)
            return tl_fail(TL_ERR_IO, "cannot write: %s", strerror(errno));
    }
    return TL_OK;
}

/* ---- The command line --------------------------------------------------------------------------------------------------------- */

static const char usage[] =
    "Usage: telar-bench [OPTION]... [PART]...\n"
    "Time ops and work on the default device (TELAR_BACKEND): all cases, or those whose names have one of the parts.\n"
    "Networks on large pictures (resnet18, vgg16) are run only where they are named.\n"
    "\n"
    "  --rounds N      samples of each case (default 15)\n"
    "  --sample-ms T   least duration of a sample (default 5)\n"
    "  --threads N     default: TELAR_NUM_THREADS, else the processors\n"
    "  --program       run networks and regressions as programs\n"
    "  --json          one object a line\n"
    "  --list          only name the cases\n"
    "  --serve         read names, answer each with the milliseconds of one sample\n"
    "  --help\n";

/* A whole number from 1 to `most`; 0 if it is none. */
static int count_of(const char *text, int most)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno || end == text || *end || n < 1 || n > most ? 0 : (int)n;
}

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct settings *o)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'}, {"sample-ms", required_argument, NULL, 'm'},
        {"threads", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'},
        {"list", no_argument, NULL, 'l'}, {"serve", no_argument, NULL, 's'}, {"program", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'}, {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int n = c == 'r' || c == 't' || c == 'm' ? count_of(optarg, c == 't' ? 1024 : 100000) : 1;
        if (c == '?' || !n) {
            fprintf(stderr, n ? "Try telar-bench --help\n" : "telar-bench: expected a whole number from 1 on, not \"%s\"\n", optarg);
            return 2;
        }
        if (c == 'h')
            return fputs(usage, stdout) < 0;
        if (c == 'm')
            o->sample_ms = n;
        *(c == 'r' ? &o->rounds : c == 't' ? &o->threads : &n) = n;
        bench_programs = bench_programs || c == 'p';
        o->json = o->json || c == 'j';
        o->list = o->list || c == 'l';
        o->serve = o->serve || c == 's';
    }
    o->wanted = argv + optind;
    o->n_wanted = argc - optind;
    return -1;
}

int main(int argc, char **argv)
{
    struct settings o = {.rounds = 15, .sample_ms = 5};
    static struct measured list[MAX_CASES];
    int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (o.threads)
        tl_set_num_threads(o.threads);
    tl_manual_seed(0);
    int n = collect(list, &o);
    tl_status s = n ? TL_OK : tl_fail(TL_ERR_NOT_FOUND, "no case has such a name; --list names them");
    if (s == TL_OK && o.list) {
        for (int i = 0; i < n; i++)
            puts(list[i].c->name);
    } else if (s == TL_OK && o.serve) {
        s = serve(list, n, &o);
    } else if (s == TL_OK) {
        s = run_rounds(list, n, &o);
        if (s == TL_OK)
            report(list, n, &o);
    }
    if (s != TL_OK)
        fprintf(stderr, "telar-bench: %s\n", tl_error_message());
    for (int i = 0; i < n; i++)
        forget(&list[i]);
    return s == TL_OK && fflush(stdout) == 0 ? 0 : 1;
}
