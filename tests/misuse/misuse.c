/* SPDX-License-Identifier: Apache-2.0
 *
 * Every public function called with what it must bear: NULL, TL_NONE, absurd sizes and numbers, wrong types, ranks that lie, text
 * that is no name. The calls come from the headers (calls.awk); this file draws their arguments. A function passes if none of
 * its calls crashes or hangs, a status and the thread's error agree, and NULL comes with an error.
 *
 *     misuse [FUNCTION [CALLS]]
 */
#include <float.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <telar/format.h>
#include <telar/model.h>
#include <telar/op.h>
#include <telar/registry.h>

#include "../tap.h"

enum { CALLS = 30, LIST = 16, SECONDS = 60 };

/* What a child tells its parent, who finds it after a crash, too. */
static struct report {
    int call;
    char words[300];
} *report;

/* ---- Drawing --------------------------------------------------------------------------------------------------------- */

static uint32_t state;

static unsigned draw(void)
{
    state = state * UINT32_C(1664525) + UINT32_C(1013904223);
    return state >> 8;
}

#define ONE_OF(type, ...) (((const type[]){__VA_ARGS__})[draw() % (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))])
#define SELDOM (draw() % 4 == 0)

static int64_t big(void)
{
    return ONE_OF(int64_t, 0, 1, 2, 3, -1, -2, 7, 100, INT64_MIN, INT64_MAX, INT64_MAX - 1, (int64_t)1 << 40, (int64_t)1 << 62);
}

static int64_t few(void)
{
    return ONE_OF(int64_t, 0, 1, 2, 3, 8, -1, INT_MIN);
}

static size_t count(void)
{
    return ONE_OF(size_t, 0, 1, 2, 8);
}

static size_t bytes(void)
{
    return ONE_OF(size_t, 0, 1, 4, 6, 24, 48, SIZE_MAX, (size_t)1 << 62);
}

static int rank(void)
{
    return ONE_OF(int, 0, 1, 2, 3, 4, 8, 9, -1, INT_MAX, INT_MIN);
}

static int integer(void)
{
    return ONE_OF(int, 0, 1, 2, 3, 8, 64, -1, -2, INT_MAX, INT_MIN);
}

static int code(void)
{
    return ONE_OF(int, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, INT_MAX, INT_MIN);
}

static double number(void)
{
    return ONE_OF(double, 0, -0.0, 1, -1, 0.5, 2, NAN, INFINITY, -INFINITY, DBL_MAX, 1e-300, 1e20);
}

static const char *long_text(void)
{
    static char xs[100001];
    memset(xs, 'x', sizeof xs - 1);
    return xs;
}

static const char *text(void)
{
    return ONE_OF(const char *, NULL, "", "cpu", "cpu:1", "reference", "nonsense", "%s%n%s", long_text(), "0", "weight", "0.weight", "mlp",
                  "digits", "a.b.c", "ij,jk->ik", "\xff\xfe");
}

static const char *path(void)
{
    return ONE_OF(const char *, NULL, "", "/nowhere/x.safetensors", "/dev/null", "/", "/nowhere/x.csv", "/nowhere/x.svg", long_text(),
                  "/nowhere/%s%n.safetensors");
}

static const char **names(void)
{
    static const char *list[LIST];
    for (int i = 0; i < LIST; i++)
        list[i] = i % 2 ? "x" : "yes";
    return SELDOM ? NULL : list;
}

static int64_t *sizes(void)
{
    static int64_t list[LIST];
    unsigned kind = draw() % 4;
    for (int i = 0; i < LIST; i++)
        list[i] = kind == 0 ? big() : kind == 1 ? (int64_t)(draw() % 3) : kind == 2 ? i : ONE_OF(int64_t, 1, 2, 3, -1);
    return SELDOM ? NULL : list;
}

static double *numbers(void)
{
    static double list[LIST];
    for (int i = 0; i < LIST; i++)
        list[i] = number();
    return SELDOM ? NULL : list;
}

static float *floats(void)
{
    static float list[LIST];
    return SELDOM ? NULL : list;
}

static bool *flag(void)
{
    static bool b;
    return SELDOM ? NULL : &b;
}

static int *an_int(void)
{
    static int room;
    room = ONE_OF(int, 0, 1, LIST, -1);
    return SELDOM ? NULL : &room;
}

static size_t *a_size(void)
{
    static size_t room;
    return SELDOM ? NULL : &room;
}

/* As large as any tensor that is drawn. */
static void *memory(void)
{
    static _Alignas(16) unsigned char block[1 << 16];
    return SELDOM ? NULL : block;
}

static FILE *file(void)
{
    return SELDOM ? NULL : stdout;
}

static unsigned char *generator_state(void)
{
    static unsigned char block[TL_GENERATOR_STATE_SIZE];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (unsigned char)draw();
    return SELDOM ? NULL : block;
}

static struct tl_options options(void)
{
    return (struct tl_options){(tl_dtype)code(), draw() % 2 == 0,
                               ONE_OF(const char *, NULL, NULL, NULL, "cpu", "nonsense", "", "cpu:99999999999999")};
}

/* Attributes, field by field; calls.h has a line for each kind that a function takes. */
#define DRAW_I64(f) if (SELDOM) a.f = big();
#define DRAW_PAIR(f) if (SELDOM) a.f[0] = big(), a.f[1] = big();
#define DRAW_F64(f) if (SELDOM) a.f = number();
#define DRAW_BOOL(f) a.f = draw() % 2 == 0;
#define DRAW_DTYPE(f) if (SELDOM) a.f = (tl_dtype)code();
#define DRAW_DIMS(f)                                                                                              \
    if (SELDOM) {                                                                                                 \
        a.f.n = ONE_OF(int64_t, 0, 1, 2, 3, 8, 9, -1, INT64_MAX, INT64_MIN);                                      \
        for (int i = 0; i < TL_MAX_DIMS; i++)                                                                     \
            a.f.v[i] = SELDOM ? big() : i - (int64_t)(draw() % 3);                                                \
    }
#define DRAW(op, kind, f) DRAW_##kind(f)
#define ATTRS(op)                                                             \
    static struct tl_##op##_attrs *attrs_##op(void)                           \
    {                                                                         \
        static struct tl_##op##_attrs a;                                      \
        memset(&a, 0, sizeof a);                                              \
        a.struct_size = SELDOM ? ONE_OF(size_t, 0, 3, sizeof a / 2) : sizeof a; \
        TL_ATTRS_##op(DRAW)                                                   \
        return SELDOM ? NULL : &a;                                            \
    }

static struct tl_layer_options *layer_options(void)
{
    static struct tl_layer_options a;
    memset(&a, 0, sizeof a);
    a.struct_size = SELDOM ? 0 : sizeof a;
    DRAW_BOOL(no_bias)
    DRAW_PAIR(stride)
    DRAW_PAIR(padding)
    DRAW_PAIR(dilation)
    DRAW_PAIR(output_padding)
    DRAW_I64(groups)
    DRAW_F64(eps)
    DRAW_F64(momentum)
    DRAW_BOOL(not_affine)
    DRAW_BOOL(not_tracked)
    DRAW_BOOL(ceil_mode)
    DRAW_BOOL(exclude_pad)
    DRAW_BOOL(padding_row)
    DRAW_I64(padding_idx)
    DRAW_BOOL(in_place)
    DRAW_I64(num_layers)
    DRAW_BOOL(batch_first)
    DRAW_BOOL(bidirectional)
    DRAW_F64(dropout)
    DRAW_BOOL(relu)
    return SELDOM ? NULL : &a;
}

/* ---- Tensors and objects (the child that makes them ends soon: nothing is freed) ------------------------------------------- */

static tl_tensor *ones(tl_dtype dtype, int ndim, const int64_t *shape)
{
    return tl_ones(ndim, shape, (struct tl_options){.dtype = dtype});
}

static tl_tensor *leaf(void)
{
    return tl_set_requires_grad(ones(TL_F32, TL_SHAPE(2, 3)), true);
}

static tl_tensor *tensor(void)
{
    switch (draw() % 22) {
    case 0:
    case 1:
    case 2: return NULL;
    case 3:
    case 4: return TL_NONE;
    case 5: return ones(TL_F32, TL_SHAPE(2, 3));
    case 6: return ones(TL_I64, TL_SHAPE(3));
    case 7: return ones(TL_F32, TL_SHAPE(0));
    case 8: return ones(TL_I64, TL_SHAPE(0, 3));
    case 9: return tl_scalar(2.5);
    case 10: return tl_scalar_i64(-7);
    case 11: return tl_t(ones(TL_F64, TL_SHAPE(3, 2)));
    case 12: return ones(TL_F32, TL_SHAPE(1, 2, 1, 2, 1, 2, 1, 2));
    case 13: return ones(TL_BOOL, TL_SHAPE(2, 3));
    case 14: return tl_full(TL_SHAPE(2, 3), NAN, (struct tl_options){0});
    case 15: return tl_full(TL_SHAPE(3), 9e18, (struct tl_options){.dtype = TL_I64});
    case 16: return tl_full(TL_SHAPE(2), -9e18, (struct tl_options){.dtype = TL_I64});
    case 17: return leaf();
    case 18: return tl_relu(leaf());
    case 19: return ones(TL_F32, TL_SHAPE(2, 3, 4, 4));
    case 20: return ones(ONE_OF(tl_dtype, TL_F16, TL_BF16, TL_I8, TL_I32), TL_SHAPE(2, 3));
    default: return ones(TL_U8, TL_SHAPE(5));
    }
}

static tl_tensor *const *tensors(void)
{
    static tl_tensor *list[LIST];
    for (int i = 0; i < LIST; i++)
        list[i] = tensor();
    return SELDOM ? NULL : list;
}

static tl_tensor **places(void)
{
    static tl_tensor *list[LIST];
    return SELDOM ? NULL : list;
}

static tl_module *some_module(void)
{
    return draw() % 2 ? tl_nn_linear(3, 2) : TL_SEQUENTIAL(tl_nn_linear(3, 4), tl_nn_batch_norm1d(4), tl_nn_linear(4, 2));
}

static tl_dataset *some_data(void)
{
    tl_tensor *label = draw() % 2 ? ones(TL_I64, TL_SHAPE(4)) : ones(TL_F32, TL_SHAPE(4, 2));
    return tl_tensor_dataset(2, (tl_tensor *[]){ones(TL_F32, TL_SHAPE(4, 3)), label});
}

static tl_state *some_state(void)
{
    tl_state *s = tl_state_new();
    tl_state_add(s, "weight", ones(TL_F32, TL_SHAPE(2)));
    tl_state_set_note(s, "0", "1");
    return s;
}

static tl_history *some_history(void)
{
    tl_history *h = tl_history_new();
    if (draw() % 2)
        tl_history_add(h, &(struct tl_epoch){1, 1, number(), number(), 1, 1, 1, 1, 1, 1, 1, 1});
    return h;
}

static tl_status doubled(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    (void)ctx;
    for (int i = 0; i < n_out; i++)
        out[i] = n_in ? tl_add(in[0], in[0]) : ones(TL_F32, TL_SHAPE(2));
    return tl_error_code();
}

static tl_program *some_program(void)
{
    tl_program *p = tl_compile(doubled, NULL, 1);
    tl_tensor *x = ones(TL_F32, TL_SHAPE(2)), *y;
    if (draw() % 2)
        tl_program_run(p, &x, 1, &y);
    return p;
}

#define OBJECT(name, expression)                   \
    static tl_##name *a_##name(void)               \
    {                                              \
        return SELDOM ? NULL : (expression);       \
    }
OBJECT(module, some_module())
OBJECT(dataset, some_data())
OBJECT(loader, tl_loader_new(some_data(), .batch_size = 3))
OBJECT(optimizer, tl_sgd(some_module(), 0.1, .momentum = 0.5))
OBJECT(schedule, draw() % 2 ? tl_step_lr(tl_sgd(some_module(), 0.1), 2, 0.1) : tl_plateau_lr(tl_sgd(some_module(), 0.1)))
OBJECT(early_stopping, tl_early_stopping_new(.patience = 1, .module = some_module()))
OBJECT(state, some_state())
OBJECT(generator, tl_generator_new(1))
OBJECT(history, some_history())
OBJECT(confusion, tl_confusion_new(3, NULL))
OBJECT(regression, tl_regression_new(2))
OBJECT(summary, tl_summarize(tl_nn_linear(3, 2), TL_SHAPE(1, 3)))
OBJECT(scaler, tl_scaler_new(2, (const double[]){0, 0}, (const double[]){1, 1}))
OBJECT(node, tl_grad_fn(tl_relu(leaf())))
OBJECT(program, some_program())
OBJECT(progress, tl_progress_new(stdout, "x", 3))

static const tl_op *a_op(void)
{
    return SELDOM ? NULL : tl_op_at(draw() % 200);
}

static tl_dataset **datasets(void)
{
    static tl_dataset *list[LIST];
    return SELDOM ? NULL : list;
}

/* ---- Judging ------------------------------------------------------------------------------------------------------------ */

static int status(tl_status s)
{
    if ((s == TL_OK) != (tl_error_code() == TL_OK) || (s != TL_OK && !tl_error_message()[0]))
        snprintf(report->words, sizeof report->words, "call %d gave %s, the thread's error is %s: %.150s", report->call, tl_status_name(s),
                 tl_status_name(tl_error_code()), tl_error_message());
    return 0;
}

static int pointer(const void *p)
{
    if (!p && tl_error_code() == TL_OK)
        snprintf(report->words, sizeof report->words, "call %d gave NULL without an error", report->call);
    return 0;
}

static int give_back(char *s)
{
    pointer(s);
    free(s);
    return 0;
}

#include "tests/misuse/calls.h"

enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* All calls of one function. */
static void attack(int which, int calls)
{
    if (!freopen("/dev/null", "w", stdout))
        _exit(99);
    for (int i = 0; i < calls; i++) {
        report->call = i;
        state = (uint32_t)(which * 7919 + i * 104729 + 1);
        alarm(SECONDS);
        TL_SCOPE call(which);
        tl_error_clear();
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    int calls = argc > 2 ? atoi(argv[2]) : CALLS;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        return 99;
    for (int i = 0; i < FUNCTIONS; i++) {
        if (only && strcmp(only, functions[i]) != 0)
            continue;
        report->words[0] = '\0';
        fflush(stdout);
        int how = 0;
        pid_t child = fork(); /* before this process has used Telar */
        if (child == 0)
            attack(i, calls);
        bool lived = child > 0 && waitpid(child, &how, 0) == child && WIFEXITED(how) && WEXITSTATUS(how) == 0;
        if (!ok(lived && !report->words[0], "%s", functions[i]))
            diag("%s", lived ? report->words : "");
        if (!lived)
            diag("call %d: %s %d", report->call, WIFSIGNALED(how) ? "signal" : "exit status", WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
    }
    return done_testing();
}
