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
    struct tl_fit_options how; /* the model's loss, step and preprocessing */
    tl_tensor *batch[TL_MAX_FIELDS]; /* kept; without --data the input and labels made for it */
    int fields;
    bool of_data;            /* the batch is one of the data set, which preprocessing and loss are made for */
    tl_optimizer *optimizer; /* training only */
    tl_program *program;     /* of the pass or step; NULL: eager */
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

/* What the network gets. Random numbers are in its form already. */
static tl_tensor *input_of(struct bench *b)
{
    return b->how.prepare ? b->how.prepare(b->batch[0], b->how.function_ctx) : b->batch[0];
}

/* The first samples of the data, once more from the beginning if they are too few, on the default device. */
static tl_status take_batch(struct bench *b, int64_t n)
{
    int64_t size = tl_dataset_size(b->job.train), *index = calloc((size_t)n, sizeof *index);
    const char *device = tl_default_device();
    tl_status s = !index ? tl_fail(TL_ERR_NOMEM, "bench: out of memory") : !device ? tl_error_code() : TL_OK;
    for (int64_t i = 0; s == TL_OK && size > 0 && i < n; i++)
        index[i] = i % size;
    TL_SCOPE {
        tl_tensor *fields[TL_MAX_FIELDS] = {NULL};
        if (s == TL_OK)
            s = tl_dataset_batch(b->job.train, index, n, fields);
        for (int i = 0; s == TL_OK && i < tl_dataset_info(b->job.train)->n_fields; i++) {
            b->batch[b->fields++] = tl_keep(tl_to_device(fields[i], device));
            s = tl_error_code();
        }
    }
    free(index);
    return s;
}

static tl_status train_step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct bench *b = ctx;
    (void)n_out;
    out[0] = tl_fit_step(b->job.net, b->optimizer, in, n_in, &b->how);
    out[0] = out[0] ? tl_detach(out[0]) : NULL;
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status forward_pass(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct bench *b = ctx;
    tl_tensor *x = b->how.prepare ? b->how.prepare(in[0], b->how.function_ctx) : in[0];
    (void)n_in, (void)n_out;
    out[0] = x ? tl_forward(b->job.net, x) : NULL;
    return out[0] ? TL_OK : tl_error_code();
}

static tl_status run_once(struct bench *b, double *milliseconds)
{
    tl_status s = TL_OK;
    double begun = now();
    TL_SCOPE {
        tl_tensor *out = NULL;
        bool recording = tl_set_grad_enabled(b->optimizer != NULL);
        if (b->program)
            s = tl_program_run(b->program, b->batch, b->optimizer ? b->fields : 1, &out);
        else
            s = b->optimizer ? train_step(b, b->batch, b->fields, &out, 1) : forward_pass(b, b->batch, 1, &out, 1);
        tl_set_grad_enabled(recording);
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
    if (v->set.compile && !(b->program = tl_compile(b->optimizer ? train_step : forward_pass, b, 1)))
        return tl_error_code();
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

static tl_status count_multiply_adds(struct bench *b)
{
    tl_summary *summary = NULL;
    TL_NO_GRAD TL_SCOPE {
        tl_tensor *x = input_of(b);
        summary = x ? tl_summarize_inputs(b->job.net, &x, 1) : NULL;
    }
    if (!summary)
        return tl_error_code();
    b->multiply_adds = tl_summary_totals(summary).multiply_adds;
    tl_summary_free(summary);
    return TL_OK;
}

static tl_status prepare_bench(struct bench *b, const struct invocation *v, int *code)
{
    bool train = strcmp(v->set.mode, "train") == 0;
    job_functions(&b->job, &b->how);
    tl_status s = b->of_data ? take_batch(b, v->set.batch) : job_example(&b->job, v, &b->how, b->batch, &b->fields, code);
    if (s == TL_OK && *code == EXIT_OK)
        s = count_multiply_adds(b);
    if (s != TL_OK || *code != EXIT_OK)
        return s;
    tl_eval(b->job.net);
    if (!train)
        return TL_OK;
    if (!b->of_data)
        s = job_example_labels(&b->job, b->batch, &b->fields);
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
        printf("%s, %s%s, batch %lld on %s, %d threads: median %.3f ms, shortest %.3f ms of %d runs, %.1f GFLOP/s, at most %.1f MiB\n",
               b->job.model->name, train ? "training step" : "forward pass", b->program ? " as a program" : "", (long long)v->set.batch, tl_backend_name(),
               tl_get_num_threads(), median, b->times[0], n, rate, (double)peak / 1048576);
        return;
    }
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "name", b->job.model->name);
    json_text_of(&j, "backend", tl_backend_name());
    json_text_of(&j, "mode", v->set.mode);
    json_key(&j, "compiled");
    json_bool(&j, b->program != NULL);
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
    struct bench b = {.how.struct_size = sizeof b.how};
    int code = EXIT_OK;
    if (v->set.data && v->set.input)
        return misused(v, "--input and --data exclude each other: data have a shape");
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&b.job, v);
    b.of_data = v->set.data != NULL;
    if (s == TL_OK && b.of_data)
        s = job_data(&b.job, v, true, false);
    if (s == TL_OK)
        s = job_net(&b.job, v);
    if (s == TL_OK)
        s = prepare_bench(&b, v, &code);
    if (s == TL_OK && code == EXIT_OK)
        s = measure(&b, v);
    if (s == TL_OK && code == EXIT_OK)
        report(&b, v);
    free(b.times);
    for (int i = 0; i < b.fields; i++)
        tl_release(b.batch[i]);
    tl_program_free(b.program);
    tl_optimizer_free(b.optimizer);
    job_free(&b.job);
    return s == TL_OK ? code : failed();
}
