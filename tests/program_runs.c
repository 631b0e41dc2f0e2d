/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a program: when it records anew, what it holds and gives back, several threads, and who is freed first.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <telar/nn.h>

#include "tests/program.h"

static atomic_int calls; /* of a function: how often it was recorded */
static tl_tensor *weight;

static tl_tensor *rows(int64_t n)
{
    return tl_randn(TL_SHAPE(n, 8), (struct tl_options){0});
}

static tl_status scaled(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    (void)ctx, (void)n_in, (void)n_out;
    calls++;
    out[0] = tl_softmax(tl_matmul(tl_tanh(in[0]), weight), 1);
    return tl_error_code();
}

static tl_status by_mode(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    const bool *twice = ctx;
    (void)n_in, (void)n_out;
    out[0] = *twice ? tl_mul_s(in[0], 2) : tl_clone(in[0]);
    return tl_error_code();
}

/* ---- Keys --------------------------------------------------------------------------------------------------------------------- */

static bool right(tl_program *p, tl_tensor *x)
{
    tl_tensor *out[1], *want[1];
    bool same = tl_program_run(p, &x, 1, out) == TL_OK && scaled(NULL, &x, 1, want, 1) == TL_OK && same_bits(want[0], out[0], "run");
    calls--; /* the one of the comparison */
    return same;
}

static void test_keys(const char *backend)
{
    bool twice = false;
    calls = 0;
    tl_program *p = tl_compile(scaled, NULL, 1);
    ok(right(p, rows(4)) && right(p, rows(4)) && calls == 1, "%s: one shape is recorded once", backend);
    ok(right(p, rows(5)) && calls == 2, "%s: another shape anew", backend);
    ok(right(p, rows(4)) && right(p, rows(5)) && calls == 2, "%s: both are kept", backend);
    ok(right(p, tl_t(tl_contiguous(tl_t(rows(4))))) && calls == 3, "%s: other strides anew", backend);
    for (int64_t n = 10; n < 30; n++)
        right(p, rows(n));
    is_int(calls, 23, "%s: twenty shapes are recorded", backend);
    is_int(tl_program_info(p).recordings, 16, "%s: the last 16 are kept", backend);
    ok(right(p, rows(14)) && calls == 23, "%s: the oldest of them is there", backend);
    ok(right(p, rows(13)) && calls == 24, "%s: the one before is not", backend);
    ok(right(p, rows(14)) && calls == 24, "%s: what was used last is not what goes", backend);
    tl_program_forget(p);
    ok(right(p, rows(14)) && calls == 25 && tl_program_info(p).recordings == 1, "%s: forgotten, and recorded anew", backend);
    TL_NO_GRAD ok(right(p, rows(14)) && calls == 26, "%s: without gradients it is another one", backend);
    tl_set_math(TL_MATH_STRICT);
    ok(right(p, rows(14)) && calls == 27, "%s: so it is with strict arithmetic", backend);
    tl_set_math(TL_MATH_DEFAULT);
    int limit = tl_get_num_threads() == 1 ? 2 : 1, was = tl_get_num_threads();
    tl_set_num_threads(limit);
    ok(right(p, rows(14)) && calls == 28, "%s: and with another number of threads", backend);
    tl_set_num_threads(was);
    ok(right(p, rows(14)) && calls == 28, "%s: all of them are kept", backend);
    tl_program_free(p);

    tl_tensor *x = rows(2), *out[1];
    p = tl_compile(by_mode, &twice, 1);
    ok(tl_program_run(p, &x, 1, out) == TL_OK && same_bits(x, out[0], "x"), "%s: one variant", backend);
    twice = true;
    tl_program_set_variant(p, 1);
    ok(tl_program_run(p, &x, 1, out) == TL_OK && same_bits(tl_mul_s(x, 2), out[0], "2 x"), "%s: another", backend);
    tl_program_set_variant(p, 0);
    ok(tl_program_run(p, &x, 1, out) == TL_OK && same_bits(x, out[0], "x"), "%s: and back, whatever the function would do now", backend);
    is_int(tl_program_info(p).recordings, 2, "%s: two variants are two recordings", backend);
    tl_program_free(p);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------------------- */

struct training {
    tl_module *net;
    tl_optimizer *optimizer;
};

static tl_status step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct training *t = ctx;
    (void)n_in, (void)n_out;
    calls++;
    tl_optimizer_zero_grad(t->optimizer);
    out[0] = tl_mse_loss(tl_forward(t->net, in[0]), in[1]);
    tl_backward(out[0], TL_NONE, (struct tl_backward_options){0});
    return tl_optimizer_step(t->optimizer);
}

static tl_module *small_net(void)
{
    return TL_SEQUENTIAL(tl_nn_linear(8, 32), tl_nn_batch_norm1d(32), tl_nn_relu(), tl_nn_dropout(0.5), tl_nn_linear(32, 8));
}

static void test_memory(const char *backend)
{
    size_t before = tl_memory_stats(NULL).allocated;
    struct training t = {.net = small_net()};
    t.optimizer = tl_adam(t.net, 0.001);
    tl_program *p = tl_compile(step, &t, 1);
    TL_SCOPE
    {
        tl_tensor *in[] = {rows(64), rows(64)}, *out[1];
        for (int i = 0; i < 3; i++)
            TL_SCOPE tl_program_run(p, in, 2, out);
        struct tl_memory_stats warm = tl_memory_stats(NULL);
        struct tl_program_info info = tl_program_info(p);
        tl_memory_reset_peak(NULL);
        tl_status s = TL_OK;
        for (int i = 0; i < 1000 && s == TL_OK; i++)
            TL_SCOPE s = tl_program_run(p, in, 2, out);
        struct tl_memory_stats now = tl_memory_stats(NULL);
        is_int(s, TL_OK, "%s: a thousand steps", backend);
        is_int(now.allocated, warm.allocated, "%s: need no more memory than the first", backend);
        ok(now.peak <= warm.allocated + 4096, "%s: in between neither (%zu, %zu)", backend, now.peak, warm.allocated);
        ok(now.reserved == warm.reserved && now.system_allocations == warm.system_allocations, "%s: nothing is taken from the system", backend);
        ok(info.arena > 0 && info.arena < info.values, "%s: results share %zu bytes of %zu", backend, info.arena, info.values);
        ok(info.nodes > 0 && info.steps > 0 && info.recordings == 1, "%s: %zu nodes, %zu steps", backend, info.nodes, info.steps);
    }
    tl_program_free(p);
    tl_optimizer_free(t.optimizer);
    tl_module_free(t.net);
    is_int(tl_memory_stats(NULL).allocated, before, "%s: all of it comes back", backend);
}

/* An output that is held keeps its values; one that is not gives its memory to the next. */
static void test_outputs(const char *backend)
{
    tl_program *p = tl_compile(scaled, NULL, 1);
    tl_tensor *x = rows(64), *first[1], *second[1], *copy;
    tl_program_run(p, &x, 1, first);
    copy = tl_clone(first[0]);
    tl_mul_(x, tl_scalar(-1));
    tl_program_run(p, &x, 1, second);
    ok(same_bits(copy, first[0], "held"), "%s: an output that is held is not written over", backend);
    ok(!tl_equal(first[0], second[0]), "%s: the next one is another", backend);
    tl_program_free(p);
    ok(same_bits(copy, first[0], "held"), "%s: it outlives the program", backend);
}

/* ---- Who ends first --------------------------------------------------------------------------------------------------------------- */

static void test_ends(const char *backend)
{
    struct training t = {.net = small_net()};
    t.optimizer = tl_sgd(t.net, 0.01);
    tl_program *p = tl_compile(step, &t, 1);
    tl_tensor *in[] = {rows(4), rows(4)}, *out[1], *list[1], *gradient;
    tl_module_parameter_list(t.net, list, 1);
    is_int(tl_program_run(p, in, 2, out), TL_OK, "%s: a step", backend);
    gradient = tl_clone(tl_grad_of(list[0]));
    tl_program_free(p);
    ok(same_bits(gradient, tl_grad_of(list[0]), "gradient"), "%s: gradients outlive the program", backend);
    p = tl_compile(step, &t, 1);
    is_int(tl_program_run(p, in, 2, out), TL_OK, "%s: another program", backend);
    tl_optimizer_free(t.optimizer);
    tl_module_free(t.net);
    is_int(tl_program_run(p, in, 2, out), TL_ERR_STATE, "%s: a net that is freed before its program is noticed", backend);
    tl_error_clear();
    tl_program_free(p);
}

/* ---- Threads ---------------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, TURNS = 20 };
struct turn {
    tl_program *program;
    int64_t n;
    int wrong;
};

static void *run_turns(void *arg)
{
    struct turn *t = arg;
    for (int i = 0; i < TURNS; i++)
        TL_SCOPE
        {
            tl_tensor *x = tl_full(TL_SHAPE(t->n + i % 2, 8), 0.1 * (double)(t->n + i), (struct tl_options){0}), *out[1], *want[1];
            want[0] = tl_softmax(tl_matmul(tl_tanh(x), weight), 1);
            if (tl_program_run(t->program, &x, 1, out) != TL_OK || !same_bits(want[0], out[0], "thread"))
                t->wrong++;
        }
    if (tl_error_code() != TL_OK)
        diag("%s", tl_error_message());
    return NULL;
}

static void test_threads(const char *backend)
{
    pthread_t threads[THREADS];
    struct turn turns[THREADS];
    tl_program *shared = tl_compile(scaled, NULL, 1), *own = tl_compile(scaled, NULL, 1);
    int wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        turns[i] = (struct turn){i < 2 ? shared : i == 2 ? own : tl_compile(scaled, NULL, 1), i + 1, 0};
        pthread_create(&threads[i], NULL, run_turns, &turns[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        wrong += turns[i].wrong;
    }
    is_int(wrong, 0, "%s: four threads, three programs", backend);
    tl_program_free(shared);
    tl_program_free(own);
    tl_program_free(turns[3].program);
}

static void test_runs(const char *backend)
{
    tl_manual_seed(1);
    weight = tl_randn(TL_SHAPE(8, 8), (struct tl_options){0});
    test_keys(backend);
    test_memory(backend);
    test_outputs(backend);
    test_ends(backend);
    test_threads(backend);
}

int main(void)
{
    on_each_backend(test_runs);
    tl_shutdown();
    return done_testing();
}
