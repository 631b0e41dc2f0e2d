/* SPDX-License-Identifier: Apache-2.0
 *
 * telar bench: the time of a model's forward pass or training step.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

enum { MAX_RUNS = 100000, WARMUP = 3 };

struct bench {
    struct job job;
    tl_tensor *input, *labels; /* kept */
    tl_optimizer *optimizer;   /* training only */
    int64_t multiply_adds;
    double *times; /* in milliseconds */
    int runs;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Logits [n, classes] get random labels; anything else is trained towards zero. */
static tl_status make_labels(struct bench *b)
{
    tl_status s = TL_OK;
    TL_NO_GRAD TL_SCOPE {
        tl_tensor *y = tl_forward(b->job.net, b->input);
        if (!y)
            return tl_error_code();
        tl_tensor *labels = tl_ndim(y) == 2 && tl_size(y, 1) > 1
                                ? tl_randint(0, tl_size(y, 1), TL_SHAPE(tl_size(y, 0)), (struct tl_options){.dtype = TL_I64})
                                : tl_zeros_like(y);
        b->labels = tl_keep(labels);
        s = labels ? TL_OK : tl_error_code();
    }
    return s;
}

static tl_status train_step(struct bench *b)
{
    tl_optimizer_zero_grad(b->optimizer);
    tl_tensor *y = tl_forward(b->job.net, b->input);
    if (!y)
        return tl_error_code();
    tl_tensor *loss = tl_dtype_of(b->labels) == TL_I64 ? tl_cross_entropy(y, b->labels) : tl_mse_loss(y, b->labels);
    if (!loss)
        return tl_error_code();
    tl_status s = tl_backward(loss, TL_NONE, (struct tl_backward_options){0});
    return s == TL_OK ? tl_optimizer_step(b->optimizer) : s;
}

static tl_status run_once(struct bench *b, double *milliseconds)
{
    tl_status s = TL_OK;
    double begun = now();
    TL_SCOPE {
        if (b->optimizer) {
            s = train_step(b);
        } else {
            TL_NO_GRAD s = tl_forward(b->job.net, b->input) ? TL_OK : tl_error_code();
        }
        if (s == TL_OK)
            s = tl_synchronize(NULL);
        *milliseconds = now() - begun;
    }
    return s;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tl_status measure(struct bench *b, const struct invocation *v)
{
    tl_status s = TL_OK;
    double one = 0, total = 0;
    for (int i = 0; s == TL_OK && i < WARMUP; i++)
        s = run_once(b, &one);
    if (s != TL_OK)
        return s;
    tl_memory_reset_peak(NULL);
    b->times = malloc(MAX_RUNS * sizeof *b->times);
    if (!b->times)
        return tl_fail(TL_ERR_NOMEM, "bench: out of memory");
    while (s == TL_OK && b->runs < MAX_RUNS && (b->runs < v->set.runs || total < v->set.seconds * 1e3)) {
        s = run_once(b, &one);
        b->times[b->runs++] = one;
        total += one;
    }
    qsort(b->times, (size_t)b->runs, sizeof *b->times, by_time);
    return s;
}

static tl_status prepare_bench(struct bench *b, const struct invocation *v, int *code)
{
    int64_t shape[TL_MAX_DIMS];
    bool train = strcmp(v->set.mode, "train") == 0;
    int ndim = job_input(&b->job, v, shape);
    if (ndim < 0) {
        *code = EXIT_USAGE;
        return TL_OK;
    }
    tl_summary *summary = tl_summarize(b->job.net, ndim, shape);
    if (!summary)
        return tl_error_code();
    b->multiply_adds = tl_summary_totals(summary).multiply_adds;
    tl_summary_free(summary);
    TL_SCOPE b->input = tl_keep(tl_randn(ndim, shape, (struct tl_options){0}));
    if (!b->input)
        return tl_error_code();
    tl_eval(b->job.net);
    if (!train)
        return TL_OK;
    tl_status s = make_labels(b);
    tl_train(b->job.net);
    b->optimizer = s == TL_OK ? tl_sgd(b->job.net, 1e-4) : NULL;
    return b->optimizer ? TL_OK : tl_error_code();
}

static void report(const struct bench *b, const struct invocation *v)
{
    bool train = strcmp(v->set.mode, "train") == 0;
    int n = b->runs;
    double median = n % 2 ? b->times[n / 2] : (b->times[n / 2 - 1] + b->times[n / 2]) / 2;
    double flops = 2.0 * (double)b->multiply_adds * (train ? 3 : 1);
    double rate = median > 0 ? flops / median * 1e-6 : 0;
    size_t peak = tl_memory_stats(NULL).peak;
    if (!v->set.json) {
        printf("%s, %s, batch %lld on %s, %d threads: median %.3f ms, shortest %.3f ms of %d runs, %.1f GFLOP/s, at most %.1f MiB\n",
               b->job.model->name, train ? "training step" : "forward pass", (long long)v->set.batch, tl_backend_name(),
               tl_get_num_threads(), median, b->times[0], n, rate, (double)peak / 1048576);
        return;
    }
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "name", b->job.model->name);
    json_text_of(&j, "backend", tl_backend_name());
    json_text_of(&j, "mode", v->set.mode);
    json_integer_of(&j, "batch", v->set.batch);
    json_integer_of(&j, "threads", tl_get_num_threads());
    json_number_of(&j, "median_ms", median);
    json_number_of(&j, "min_ms", b->times[0]);
    json_integer_of(&j, "runs", n);
    json_number_of(&j, "gflops", rate);
    json_integer_of(&j, "peak_bytes", (int64_t)peak);
    json_close(&j, '}');
    json_end(&j);
}

int run_bench(const struct invocation *v)
{
    struct bench b = {0};
    int code = EXIT_OK;
    if (v->set.program)
        tl_fail(TL_ERR_UNSUPPORTED, "bench: this version does not record programs; leave --program out");
    tl_status s = tl_error_code();
    if (s == TL_OK)
        s = set_device(v);
    if (s == TL_OK)
        s = job_model(&b.job, v);
    if (s == TL_OK)
        s = job_net(&b.job, v);
    if (s == TL_OK)
        s = prepare_bench(&b, v, &code);
    if (s == TL_OK && code == EXIT_OK)
        s = measure(&b, v);
    if (s == TL_OK && code == EXIT_OK)
        report(&b, v);
    free(b.times);
    tl_release(b.input);
    tl_release(b.labels);
    tl_optimizer_free(b.optimizer);
    job_free(&b.job);
    return s == TL_OK ? code : failed();
}
