/* SPDX-License-Identifier: Apache-2.0
 *
 * What programs refuse, and what is left after a failure: every error that <telar/program.h> promises, by its code and the words that name the
 * place.
 */
#include <pthread.h>
#include <telar/nn.h>

#include "tests/program.h"

typedef void (*function)(tl_tensor *const *in, tl_tensor **out);
static tl_tensor *outside, *kept;
static tl_program *inner;
static const struct tl_backward_options once = {0};

static tl_status call(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    function *f = ctx;
    (void)n_in, (void)n_out;
    (*f)(in, out);
    return tl_error_code();
}

static tl_tensor *ramp(void)
{
    return tl_add(tl_mul_s(tl_reshape(tl_arange(0, 12, 1, (struct tl_options){.dtype = TL_F32}), 2, (int64_t[]){3, 4}), 0.25), tl_scalar(-1));
}

/* The run fails with this code and these words, gives nothing, and leaves no recording. */
static void fails(const char *what, function f, tl_status code, const char *words)
{
    tl_program *p = tl_compile(call, &f, 2);
    tl_tensor *in[] = {ramp(), ramp()}, *out[2] = {in[0], in[1]};
    is_int(tl_program_run(p, in, 2, out), code, "%s", what);
    contains(tl_error_message(), words, "%s: words", what);
    ok(!out[0] && !out[1] && tl_program_info(p).recordings == 0, "%s: nothing is given or kept", what);
    ok(!tl_recording(), "%s: nothing is being recorded any more", what);
    tl_error_clear();
    tl_program_free(p);
}

/* ---- Reading values ----------------------------------------------------------------------------------------------------------- */

static void reads_item(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_sum(in[0]);
    tl_item(out[0]);
}

static void reads_integer(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_argmax(in[0]);
    tl_item_i64(out[0]);
}

static void reads_bytes(tl_tensor *const *in, tl_tensor **out)
{
    float v[12];
    out[0] = tl_tanh(in[0]);
    tl_copy_out(out[0], TL_F32, v, sizeof v);
}

static void reads_pointer(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
    tl_data(out[0]);
}

static void prints(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_mul(in[0], in[1]);
    free(tl_to_string(out[0]));
}

static void compares(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    tl_equal(in[0], in[1]);
}

static void counts(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_nonzero(in[0]);
}

static void reads_input(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
    tl_item(tl_select(tl_select(in[1], 0, 0), 0, 0));
}

static void reads_written(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(in[0], outside);
    tl_mul_(outside, in[1]);
    tl_item(tl_select(tl_select(outside, 0, 0), 0, 0));
}

static void reads_draw(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    tl_item(tl_rand(TL_SHAPE(1), (struct tl_options){0}));
}

static void test_reading(void)
{
    fails("tl_item()", reads_item, TL_ERR_STATE, "result of sum");
    fails("tl_item_i64()", reads_integer, TL_ERR_STATE, "result of argmax");
    fails("tl_copy_out()", reads_bytes, TL_ERR_STATE, "result of tanh");
    fails("tl_data()", reads_pointer, TL_ERR_STATE, "result of exp");
    fails("printing", prints, TL_ERR_STATE, "result of mul");
    fails("tl_equal()", compares, TL_ERR_STATE, "result of");
    fails("a size that depends on values", counts, TL_ERR_STATE, "result of ne");
    fails("an input's value", reads_input, TL_ERR_STATE, "an input of the program");
    fails("a tensor from outside that was written", reads_written, TL_ERR_STATE, "result of mul");
    fails("a draw", reads_draw, TL_ERR_STATE, "a call of the host");
}

/* ---- Writing by the host --------------------------------------------------------------------------------------------------------- */

static void host_writes_outside(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    tl_data_mut(outside);
}

static void host_copies_outside(tl_tensor *const *in, tl_tensor **out)
{
    float v[12] = {0};
    out[0] = in[0];
    tl_copy_in(outside, TL_F32, v, sizeof v);
}

static void host_writes_result(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
    tl_data_mut(out[0]);
}

static void host_writes_constant(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *c = tl_tensor_f32(TL_SHAPE(4), 1, 2, 3, 4);
    out[0] = tl_add(in[0], c);
    tl_data_mut(c);
}

static void writes_constant(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *c = tl_tensor_f32(TL_SHAPE(4), 1, 2, 3, 4);
    tl_add_(c, tl_select(in[0], 0, 0));
    out[0] = c;
}

static void resizes(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    tl_resize_(tl_clone(in[0]), TL_SHAPE(2));
}

static void replaces(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    tl_set_data(outside, tl_exp(in[0]));
}

static void test_host_writes(void)
{
    fails("tl_data_mut() of a tensor from outside", host_writes_outside, TL_ERR_STATE, "data_mut: while recording");
    fails("tl_copy_in() of one", host_copies_outside, TL_ERR_STATE, "copy_in: while recording");
    fails("tl_data_mut() of a result", host_writes_result, TL_ERR_STATE, "result of exp");
    fails("tl_data_mut() of what ops have read", host_writes_constant, TL_ERR_STATE, "that ops have read");
    fails("data written in place", writes_constant, TL_ERR_STATE, "add");
    fails("tl_resize_()", resizes, TL_ERR_STATE, "resize_: cannot be recorded");
    fails("tl_set_data() of a tensor from outside", replaces, TL_ERR_STATE, "set_data: while recording");
    float v[12];
    ok(tl_copy_out(outside, TL_F32, v, sizeof v) == TL_OK && v[0] == -1 && v[11] == 1.75f, "the tensor from outside is as it was");
}

/* ---- Functions that misbehave ------------------------------------------------------------------------------------------------------ */

static void leaves_null(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
}

static void leaves_none(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = in[0];
    out[1] = TL_NONE;
}

static void wrong_shapes(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_matmul(in[0], in[1]);
}

static void stops_recording(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = out[1] = in[0];
    tl_set_recording(false);
}

static void keeps_history(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *w = tl_set_requires_grad(tl_clone(in[0]), true);
    out[0] = in[1];
    out[1] = tl_mul(w, w);
}

static void keeps_its_input(tl_tensor *const *in, tl_tensor **out)
{
    kept = tl_keep(tl_select(in[1], 0, 1));
    out[0] = out[1] = in[0];
}

static void keeps_a_result(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
    out[1] = tl_add(in[1], kept);
    tl_release(kept);
    kept = tl_keep(tl_tanh(out[1]));
}

static void keeps_an_output(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = out[1] = kept = tl_keep(tl_exp(in[0]));
}

/* A tensor from outside becomes part of a history, which would go on from run to run. */
static void keeps_a_history(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *w = tl_set_requires_grad(tl_clone(in[0]), true);
    tl_mul_(kept, tl_exp(w));
    out[0] = out[1] = in[1];
}

static void uses_kept(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = out[1] = tl_add(tl_select(in[0], 0, 0), kept);
}

static void runs_another(tl_tensor *const *in, tl_tensor **out)
{
    tl_program_run(inner, in, 2, out);
}

static void runs_another_once(tl_tensor *const *in, tl_tensor **out)
{
    TL_ONCE tl_program_run(inner, in, 2, out);
}

static tl_status says_nothing(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    (void)ctx, (void)in, (void)n_in, (void)out, (void)n_out;
    return TL_ERR_IO;
}

static void test_functions(void)
{
    function f = leaves_null;
    fails("an output left NULL", leaves_null, TL_ERR_ARGUMENT, "output 1 NULL");
    fails("an output left TL_NONE", leaves_none, TL_ERR_ARGUMENT, "output 1 TL_NONE");
    fails("an error of an op", wrong_shapes, TL_ERR_SHAPE, "mm: cannot multiply");
    fails("recording stopped", stops_recording, TL_ERR_STATE, "stopped the recording");
    fails("an output with a history", keeps_history, TL_ERR_STATE, "output 1 needs a gradient");
    fails("an input that is kept", keeps_its_input, TL_ERR_STATE, "kept input 1");
    is_float(tl_item(tl_select(kept, 0, 0)), 0, 0, "such a tensor has no values");
    contains(tl_error_message(), "made by the function of a program", "and says why");
    tl_error_clear();
    fails("and another function cannot use it", uses_kept, TL_ERR_STATE, "of a recording that was given up");
    inner = tl_compile(call, &f, 2);
    fails("a program in a program", runs_another, TL_ERR_STATE, "cannot run another one");
    fails("also in what is done once", runs_another_once, TL_ERR_STATE, "cannot run another one");
    tl_program_free(inner);
    inner = NULL;
    tl_release(kept);
    kept = tl_keep(ramp());
    fails("a result that is kept for the next call", keeps_a_result, TL_ERR_STATE, "kept a result of tanh (48 bytes)");
    tl_release(kept);
    fails("an output that is kept", keeps_an_output, TL_ERR_STATE, "kept a result of exp");
    tl_release(kept);
    kept = tl_keep(ramp());
    fails("a history that is kept", keeps_a_history, TL_ERR_STATE, "or a history that needs it");
    tl_release(kept);

    tl_tensor *out[1];
    tl_program *p = tl_compile(says_nothing, NULL, 1);
    is_int(tl_program_run(p, NULL, 0, out), TL_ERR_IO, "a function's own status comes through");
    contains(tl_error_message(), "failed without saying why", "with words");
    tl_error_clear();
    tl_program_free(p);
}

/* ---- Arguments ---------------------------------------------------------------------------------------------------------------------- */

static void doubles(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(in[0], in[1]);
    out[1] = tl_mul(in[0], in[1]);
}

static void refused(const char *what, tl_status s, tl_status code, const char *words)
{
    is_int(s, code, "%s", what);
    contains(tl_error_message(), words, "%s: words", what);
    tl_error_clear();
}

static void test_arguments(void)
{
    function f = doubles;
    tl_tensor *x = ramp(), *in[] = {x, x}, *out[2];
    ok(!tl_compile(NULL, NULL, 1), "no function");
    refused("it says so", tl_error_code(), TL_ERR_ARGUMENT, "function is NULL");
    ok(!tl_compile(call, &f, 65) && !tl_compile(call, &f, -1), "65 outputs, or fewer than none");
    refused("it says so, too", tl_error_code(), TL_ERR_ARGUMENT, "0 to 64");
    tl_program *p = tl_compile(call, &f, 2);
    refused("no program", tl_program_run(NULL, in, 2, out), TL_ERR_ARGUMENT, "program is NULL");
    refused("too many inputs", tl_program_run(p, in, 65, out), TL_ERR_ARGUMENT, "0 to 64 inputs");
    refused("no inputs where there are some", tl_program_run(p, NULL, 2, out), TL_ERR_ARGUMENT, "is NULL");
    refused("nowhere to put outputs", tl_program_run(p, in, 2, NULL), TL_ERR_ARGUMENT, "is NULL");
    refused("an input that is NULL", tl_program_run(p, (tl_tensor *[]){x, NULL}, 2, out), TL_ERR_ARGUMENT, "input 1 is NULL");
    refused("an input that is TL_NONE", tl_program_run(p, (tl_tensor *[]){TL_NONE, x}, 2, out), TL_ERR_ARGUMENT, "input 0 is NULL or TL_NONE");
    tl_tensor *leaf = tl_set_requires_grad(ramp(), true);
    refused("an input that needs a gradient", tl_program_run(p, (tl_tensor *[]){x, leaf}, 2, out), TL_ERR_STATE, "input 1 needs a gradient");
    tl_tensor *shape = tl_ones(TL_SHAPE(3, 4), (struct tl_options){.device = "meta"});
    refused("inputs without values", tl_program_run(p, (tl_tensor *[]){shape, shape}, 2, out), TL_ERR_STATE, "on meta");
    TL_NO_GRAD is_int(tl_program_run(p, (tl_tensor *[]){x, leaf}, 2, out), TL_OK, "but not under TL_NO_GRAD");
    tl_program_forget(p);
    is_int(tl_program_info(p).recordings, 0, "forgotten");
    is_int(tl_program_info(NULL).recordings, 0, "no program has no recordings");
    refused("printed before it ran", tl_program_print(p, stdout, TL_PROGRAM_TEXT), TL_ERR_STATE, "has not run");
    refused("printed nowhere", tl_program_print(p, NULL, TL_PROGRAM_TEXT), TL_ERR_ARGUMENT, "file is NULL");
    refused("no program printed", tl_program_print(NULL, stdout, TL_PROGRAM_TEXT), TL_ERR_ARGUMENT, "program is NULL");
    refused("printed as nobody knows", tl_program_print(p, stdout, 3), TL_ERR_ARGUMENT, "no format 3");
    is_int(tl_program_run(p, in, 2, out), TL_OK, "it runs");
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        refused("printed where nothing fits", tl_program_print(p, full, TL_PROGRAM_TEXT), TL_ERR_IO, "cannot be written");
        fclose(full);
    }
    tl_program_free(p);
    tl_program_free(NULL);
    tl_program_forget(NULL);
    tl_program_set_variant(NULL, 1);
    ok(!tl_recording() && !tl_set_recording(true) && !tl_recording(), "recording cannot be switched on from nowhere");
}

/* ---- Tensors that are no longer what they were ------------------------------------------------------------------------------------------ */

static void uses_outside(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_add(in[0], outside);
    out[1] = tl_matmul(in[0], tl_t(outside));
}

static void writes_first(tl_tensor *const *in, tl_tensor **out)
{
    tl_add_(in[0], in[1]);
    out[0] = out[1] = tl_exp(in[1]);
}

static void writes_outside(tl_tensor *const *in, tl_tensor **out)
{
    tl_add_(outside, tl_scalar(1));
    out[0] = out[1] = tl_add(in[0], outside);
}

static void test_changed(void)
{
    function f = uses_outside;
    tl_tensor *in[] = {ramp(), ramp()}, *out[2], *before = outside;
    tl_program *p = tl_compile(call, &f, 2);
    outside = tl_keep(ramp());
    is_int(tl_program_run(p, in, 2, out), TL_OK, "a tensor from outside");
    tl_set_data(outside, tl_mul_s(ramp(), 2));
    refused("given other data", tl_program_run(p, in, 2, out), TL_ERR_STATE, "(f32 [3 x 4]) was given other data");
    ok(!out[0] && !out[1], "nothing is given");
    tl_program_forget(p);
    is_int(tl_program_run(p, in, 2, out), TL_OK, "recorded anew");
    ok(same_bits(out[0], tl_add(in[0], outside), "anew"), "with the other data");
    tl_resize_(outside, TL_SHAPE(2, 4));
    refused("of another shape", tl_program_run(p, in, 2, out), TL_ERR_STATE, "(f32 [3 x 4]) was given another shape");
    tl_release(outside);
    tl_program_forget(p);
    TL_SCOPE outside = tl_keep(ramp());
    is_int(tl_program_run(p, in, 2, out), TL_OK, "and once more");
    is_int(tl_program_run(p, (tl_tensor *[]){tl_t(tl_contiguous(tl_t(ramp()))), ramp()}, 2, out), TL_OK, "with two recordings");
    tl_release(outside);
    refused("freed", tl_program_run(p, in, 2, out), TL_ERR_STATE, "(f32 [3 x 4]) was freed");
    tl_program_free(p);

    outside = before;
    f = writes_first;
    p = tl_compile(call, &f, 2);
    is_int(tl_program_run(p, in, 2, out), TL_OK, "an input that is written");
    refused("and is read under another name", tl_program_run(p, (tl_tensor *[]){in[0], tl_t(tl_t(in[0]))}, 2, out), TL_ERR_STATE, "inputs 0 and 1 share memory");
    tl_tensor *six = tl_cat(2, (tl_tensor *[]){ramp(), ramp()}, 0);
    is_int(tl_program_run(p, (tl_tensor *[]){tl_slice(six, 0, 0, 3, 1), tl_slice(six, 0, 3, 6, 1)}, 2, out), TL_OK, "two parts of one tensor may be inputs");
    tl_program_free(p);
    f = writes_outside;
    p = tl_compile(call, &f, 2);
    refused("an input that the function has already", tl_program_run(p, (tl_tensor *[]){tl_detach(outside), in[1]}, 2, out), TL_ERR_STATE,
            "input 0 shares memory");
    tl_program_free(p);
}

/* ---- Failures half-way ---------------------------------------------------------------------------------------------------------------------- */

struct training {
    tl_module *net;
    tl_optimizer *optimizer;
    bool broken;
};

static tl_status step(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct training *t = ctx;
    (void)n_in, (void)n_out;
    tl_optimizer_zero_grad(t->optimizer);
    out[0] = tl_cross_entropy(tl_forward(t->net, in[0]), in[1]);
    tl_backward(out[0], TL_NONE, once);
    tl_optimizer_step(t->optimizer);
    if (t->broken)
        tl_matmul(in[0], in[0]);
    return tl_error_code();
}

static void copy_all(struct training *t, tl_tensor **to)
{
    tl_tensor *p[2];
    tl_module_parameter_list(t->net, p, 2);
    for (int i = 0; i < 2; i++) {
        to[i] = tl_detach(tl_clone(p[i]));
        to[2 + i] = tl_is_none(tl_grad_of(p[i])) ? TL_NONE : tl_clone(tl_grad_of(p[i]));
    }
}

static bool as_before(struct training *t, tl_tensor **before, int n)
{
    tl_tensor *now[4];
    bool same = true;
    copy_all(t, now);
    for (int i = 0; i < n; i++)
        same &= same_bits(before[i], now[i], "after the failure");
    return same;
}

static void test_half_way(const char *backend)
{
    tl_manual_seed(4);
    struct training t = {.net = tl_nn_linear(4, 3), .broken = true}, u = {.net = tl_nn_linear(4, 3)};
    t.optimizer = tl_sgd(t.net, 0.1, .momentum = 0.9, .dampening = 0.5);
    u.optimizer = tl_sgd(u.net, 0.1, .momentum = 0.9, .dampening = 0.5);
    tl_state *s = tl_module_state(t.net);
    tl_module_load_state(u.net, s, true);
    tl_state_free(s);
    tl_tensor *in[] = {ramp(), tl_tensor_i64(TL_SHAPE(3), 0, 2, 1)}, *out[1], *before[4], *wanted;
    in[1] = tl_to_device(in[1], tl_default_device());
    tl_program *p = tl_compile(step, &t, 1);

    copy_all(&t, before);
    refused("an op at the end fails", tl_program_run(p, in, 2, out), TL_ERR_SHAPE, "mm: cannot multiply");
    ok(as_before(&t, before, 4), "%s: parameters and gradients are as they were: none", backend);
    t.broken = false;
    for (int i = 0; i < 2; i++) {
        is_int(tl_program_run(p, in, 2, out), TL_OK, "it goes on");
        step(&u, in, 2, &wanted, 1);
        ok(same_bits(tl_detach(wanted), out[0], "loss"), "%s: loss %d is that of one that never failed", backend, i);
        copy_all(&u, before);
        ok(as_before(&t, before, 4), "%s: and so is what step %d leaves, the momentum's first step included", backend, i);
    }
    /* With gradients there. */
    tl_program_forget(p);
    t.broken = true;
    refused("it fails again", tl_program_run(p, in, 2, out), TL_ERR_SHAPE, "mm: cannot multiply");
    ok(as_before(&t, before, 4), "%s: parameters and gradients are as they were", backend);
    t.broken = false;

    /* At a run, by a value. Labels are looked at before anything is written; on a device with a queue the error comes late. */
    tl_tensor *bad[] = {in[0], tl_to_device(tl_tensor_i64(TL_SHAPE(3), 0, 3, 1), tl_default_device())};
    bool late = strcmp(backend, "opaque") == 0;
    tl_status status = tl_program_run(p, bad, 2, out);
    if (late && status == TL_OK)
        status = tl_synchronize(NULL);
    refused("a label out of range", status, TL_ERR_INDEX, "3");
    if (!late)
        ok(as_before(&t, before, 4), "%s: parameters and gradients are as they were before the label", backend);
    tl_program_free(p);
    tl_optimizer_free(t.optimizer);
    tl_optimizer_free(u.optimizer);
    tl_module_free(t.net);
    tl_module_free(u.net);
}

/* ---- Calls of the host ------------------------------------------------------------------------------------------------------------------------- */

static int released;
static tl_status host_status;
static bool host_silent;

static tl_status host_call(void *ctx, tl_tensor *const *in, int n_in, tl_tensor *const *out, int n_out)
{
    (void)ctx, (void)in, (void)n_in, (void)out, (void)n_out;
    return host_silent ? host_status : host_status == TL_OK ? TL_OK : tl_fail(host_status, "the host has had enough");
}

static void host_release(void *ctx)
{
    (void)ctx;
    released++;
}

static void calls_the_host(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = tl_exp(in[0]);
    out[1] = in[1];
    tl_record_call("tired", host_call, NULL, host_release, &out[0], 1, &out[0], 1);
}

static void calls_badly(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = out[1] = in[0];
    tl_record_call("badly", host_call, NULL, host_release, (tl_tensor *[]){in[0], TL_NONE}, 2, NULL, 0);
}

static void calls_nothing(tl_tensor *const *in, tl_tensor **out)
{
    out[0] = out[1] = in[0];
    tl_record_call("nothing", NULL, NULL, host_release, NULL, 0, NULL, 0);
}

static void test_calls(void)
{
    function f = calls_the_host;
    tl_tensor *in[] = {ramp(), ramp()}, *out[2];
    refused("nothing is recorded", tl_record_call("x", host_call, NULL, host_release, NULL, 0, NULL, 0), TL_ERR_STATE, "nothing is being recorded");
    is_int(released, 1, "its context is released");
    fails("a call on TL_NONE", calls_badly, TL_ERR_ARGUMENT, "tensor 1 of badly");
    fails("a call of nothing", calls_nothing, TL_ERR_ARGUMENT, "no function");
    is_int(released, 3, "contexts are released on failure");
    tl_program *p = tl_compile(call, &f, 2);
    is_int(tl_program_run(p, in, 2, out), TL_OK, "a call of the host");
    host_status = TL_ERR_IO;
    refused("fails", tl_program_run(p, in, 2, out), TL_ERR_IO, "had enough");
    host_silent = true;
    refused("fails without a word", tl_program_run(p, in, 2, out), TL_ERR_IO, "tired");
    host_status = TL_OK;
    host_silent = false;
    is_int(tl_program_run(p, in, 2, out), TL_OK, "and goes on");
    is_int(released, 3, "its context is there as long as the program");
    tl_program_free(p);
    is_int(released, 4, "and no longer");
}

/* ---- Too large ----------------------------------------------------------------------------------------------------------------------------------- */

static void grows(tl_tensor *const *in, tl_tensor **out)
{
    tl_tensor *wide = tl_expand(tl_reshape(in[0], 3, (int64_t[]){3, 4, 1}), 3, (int64_t[]){3, 4, 1 << 24});
    tl_tensor *large = tl_exp(wide); /* 768 MiB */
    out[0] = tl_sum(tl_mul(large, tl_exp(large)));
    out[1] = in[1];
}

static void test_too_large(const char *backend)
{
    if (strcmp(backend, "opaque") != 0)
        return; /* the one whose memory is small */
    size_t before = tl_memory_stats(NULL).allocated;
    TL_SCOPE fails("what does not fit into the device's memory", grows, TL_ERR_NOMEM, "out of memory on opaque:0");
    is_int(tl_memory_stats(NULL).allocated, before, "all memory came back");
}

static void test_errors(const char *backend)
{
    outside = ramp();
    test_half_way(backend);
    test_calls();
    released = 0;
    test_too_large(backend);
    if (strcmp(backend, "opaque") == 0)
        return; /* what follows is the host's reading and writing of its own memory */
    test_reading();
    test_host_writes();
    test_functions();
    test_arguments();
    test_changed();
}

int main(void)
{
    on_each_backend(test_errors);
    tl_shutdown();
    return done_testing();
}
