/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors: making them, promotion, scopes, and every kind of argument that must be refused.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static void refused(void *result, tl_status code, const char *part, const char *what)
{
    ok(result == NULL && tl_error_code() == code, "%s is refused", what);
    contains(tl_error_message(), part, "%s: the message says why", what);
    tl_error_clear();
}

static void bad_arguments(void)
{
    tl_tensor *a = tl_ones(TL_SHAPE(2, 3), (struct tl_options){0}), *b = tl_ones(TL_SHAPE(4), (struct tl_options){0});
    refused(tl_add(a, b), TL_ERR_SHAPE, "[2 x 3] and [4]", "adding shapes that do not broadcast");
    refused(tl_empty(TL_SHAPE(-1), (struct tl_options){0}), TL_ERR_LIMIT, "negative", "a negative size");
    refused(tl_empty(TL_SHAPE(INT64_MAX, 8), (struct tl_options){0}), TL_ERR_LIMIT, "too large", "a size that overflows");
    refused(tl_empty(TL_SHAPE(1ll << 50), (struct tl_options){0}), TL_ERR_NOMEM, "out of memory", "more memory than there is");
    refused(tl_empty(TL_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), (struct tl_options){0}), TL_ERR_SHAPE, "at most 8", "nine dimensions");
    refused(tl_empty(TL_SHAPE(1), (struct tl_options){.dtype = (tl_dtype)77}), TL_ERR_DTYPE, "77", "an unknown dtype");
    refused(tl_empty(TL_SHAPE(1), (struct tl_options){.device = "nosuch"}), TL_ERR_NOT_FOUND, "nosuch", "an unknown device");
    refused(tl_tensor_f32(TL_SHAPE(2, 2), 1, 2, 3), TL_ERR_SHAPE, "3 values", "a literal that does not fill its shape");
    refused(tl_add(a, TL_NONE), TL_ERR_ARGUMENT, "TL_NONE", "an absent operand");
    refused(tl_neg(tl_cast(a, TL_BOOL)), TL_ERR_DTYPE, "bool", "minus a truth value");
    refused(tl_arange(0, 1, 0, (struct tl_options){0}), TL_ERR_ARGUMENT, "steps of 0", "a range of step zero");
    refused(tl_as_strided(a, 1, (int64_t[]){7}, (int64_t[]){1}, 0), TL_ERR_SHAPE, "beyond", "a view beyond the storage");
    refused(tl_as_strided(a, 1, (int64_t[]){3}, (int64_t[]){INT64_MAX / 2}, 0), TL_ERR_SHAPE, "beyond", "a stride that reaches far away");
    refused((void *)(uintptr_t)tl_data(tl_transpose(a, 0, 1)), TL_ERR_STATE, "contiguous", "the address of a tensor that is not contiguous");
    float few[2];
    is_int(tl_copy_out(a, TL_F32, few, sizeof few), TL_ERR_SHAPE, "a buffer of the wrong size is refused");
    tl_error_clear();
    tl_item(a);
    is_int(tl_error_code(), TL_ERR_SHAPE, "the number of a tensor that holds six is refused");
    tl_error_clear();
    refused(tl_add_(tl_expand(b, 2, (int64_t[]){3, 4}), tl_scalar(1)), TL_ERR_STATE, "tl_clone", "writing an expanded tensor in place");
    refused(tl_add_(tl_ones(TL_SHAPE(1), (struct tl_options){0}), a), TL_ERR_SHAPE, "in place", "a result larger than the tensor written");
    refused(tl_add_(tl_ones(TL_SHAPE(1), (struct tl_options){.dtype = TL_I64}), tl_scalar(0.5)), TL_ERR_DTYPE, "does not fit", "a fraction into integers");
    is_int(tl_set_backend("nosuch"), TL_ERR_DEVICE, "an unknown backend is refused");
    contains(tl_error_message(), "there are:", "with a list of those that there are");
    tl_error_clear();
}

static int freed;

static void free_it(void *ctx)
{
    (void)ctx;
    freed++;
}

static void foreign_memory(void)
{
    static _Alignas(16) char bytes[64];
    refused(tl_from_memory(TL_SHAPE(4), bytes + 1, (struct tl_options){0}, free_it, NULL), TL_ERR_ARGUMENT, "no multiple of 4", "memory that f32 cannot lie in");
    TL_SCOPE
    {
        refused(tl_from_memory(TL_SHAPE(4), bytes, (struct tl_options){.dtype = TL_I32, .requires_grad = true}, free_it, NULL), TL_ERR_DTYPE,
                "floating", "a gradient of integers in foreign memory");
    }
    is_int(freed, 0, "after a failure the memory is the caller's");
    TL_SCOPE
    {
        ok(tl_from_memory(TL_SHAPE(4), bytes, (struct tl_options){0}, free_it, NULL) != NULL, "else it is the tensor's");
    }
    is_int(freed, 1, "which gives it back once");
}

/* The results of a call that fails are NULL, whatever they were before. */
static void failed_calls_leave_nothing(void)
{
    tl_tensor *x = tl_ones(TL_SHAPE(2), (struct tl_options){0}), *y = tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = TL_F64}), *out[2] = {x, x};
    is_int(tl_op_call(tl_op_find("add"), NULL, &x, 1, out), TL_ERR_ARGUMENT, "one operand of two");
    ok(out[0] == NULL, "leaves no result");
    tl_error_clear();
    out[0] = x;
    is_int(tl_op_call(tl_op_find("mul_da"), NULL, (tl_tensor *[]){x, y}, 2, out), TL_ERR_DTYPE, "a fused gradient of two types is refused");
    ok(out[0] == NULL, "and leaves no result");
    tl_error_clear();
    out[0] = x;
    struct tl_shape_attrs a = {.struct_size = sizeof a, .dim = 7};
    is_int(tl_op_call(tl_op_find("select"), &a, &x, 1, out), TL_ERR_SHAPE, "a view that does not exist");
    ok(out[0] == NULL, "nor does it");
    tl_error_clear();
    static const tl_op pointwise = {.struct_size = sizeof(tl_op), .name = "mine", .flags = TL_OP_POINTWISE, .n_in = 1, .n_out = 1};
    is_int(tl_op_register(&pointwise), TL_ERR_ARGUMENT, "an op of one's own cannot be pointwise");
    contains(tl_error_message(), "infer", "and is told what to do instead");
    tl_error_clear();
}

static void long_names_in_the_log(void)
{
    char name[3000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    tl_log_message(TL_LOG_WARN, name, "a component with a long name");
    pass("a long component does not overflow a log line");
}

static void errors_travel(void)
{
    tl_tensor *a = tl_ones(TL_SHAPE(2), (struct tl_options){0}), *b = tl_ones(TL_SHAPE(3), (struct tl_options){0});
    tl_tensor *y = tl_relu(tl_mul(tl_add(a, b), a));
    ok(y == NULL, "NULL passes through");
    contains(tl_error_message(), "add: shapes", "and keeps the first error");
    tl_error_clear();
    is_string(tl_error_message(), "", "until it is cleared");
}

/* The table of torch.result_type, in the order f32 f64 f16 i64 u8 bool: a tensor of one dimension with another. */
static void promotion(void)
{
    static const tl_dtype types[] = {TL_F32, TL_F64, TL_F16, TL_I64, TL_U8, TL_BOOL};
    static const tl_dtype expected[6][6] = {
        {TL_F32, TL_F64, TL_F32, TL_F32, TL_F32, TL_F32}, {TL_F64, TL_F64, TL_F64, TL_F64, TL_F64, TL_F64},
        {TL_F32, TL_F64, TL_F16, TL_F16, TL_F16, TL_F16}, {TL_F32, TL_F64, TL_F16, TL_I64, TL_I64, TL_I64},
        {TL_F32, TL_F64, TL_F16, TL_I64, TL_U8, TL_U8},   {TL_F32, TL_F64, TL_F16, TL_I64, TL_U8, TL_BOOL}};
    bool good = true;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            tl_tensor *a = tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = types[i]}), *b = tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = types[j]});
            tl_dtype got = tl_dtype_of(tl_add(a, b));
            if (got != expected[i][j])
                diag("%s + %s gives %s, expected %s", tl_dtype_name(types[i]), tl_dtype_name(types[j]), tl_dtype_name(got), tl_dtype_name(expected[i][j]));
            good &= got == expected[i][j];
        }
    ok(good, "two tensors promote as in PyTorch");
    tl_tensor *i = tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = TL_I64}), *h = tl_ones(TL_SHAPE(2), (struct tl_options){.dtype = TL_F16});
    tl_tensor *zero_dim = tl_full(TL_SHAPE0, 1, (struct tl_options){.dtype = TL_F64});
    is_int(tl_dtype_of(tl_add(i, tl_scalar(0.5))), TL_F32, "integers and a fraction: f32");
    is_int(tl_dtype_of(tl_add(i, tl_scalar_i64(2))), TL_I64, "integers and a whole number: i64");
    is_int(tl_dtype_of(tl_mul(h, tl_scalar(2))), TL_F16, "f16 and a number: f16");
    is_int(tl_dtype_of(tl_mul(h, zero_dim)), TL_F16, "a tensor of no dimension is as weak");
    is_int(tl_dtype_of(tl_mul(i, zero_dim)), TL_F64, "unless it is of a higher kind");
    is_int(tl_dtype_of(tl_div(i, i)), TL_F32, "integers divide to f32");
    is_int(tl_dtype_of(tl_lt(i, h)), TL_BOOL, "comparisons give bool");
    is_float(tl_item(tl_sum(tl_add(tl_full(TL_SHAPE(1), 250, (struct tl_options){.dtype = TL_U8}), tl_scalar_i64(10)))), 4, 0, "u8 wraps around");
}

static tl_tensor *left_early(void)
{
    TL_SCOPE
    {
        tl_tensor *t = tl_ones(TL_SHAPE(2), (struct tl_options){0});
        return tl_scope_return(tl_add(t, t));
    }
    return NULL;
}

static void scopes(void)
{
    tl_tensor *outer = NULL, *kept = NULL;
    struct tl_memory_stats before = tl_memory_stats(NULL);
    TL_SCOPE
    {
        for (int i = 0; i < 100; i++)
            TL_SCOPE
            {
                tl_tensor *t = tl_ones(TL_SHAPE(1000), (struct tl_options){0});
                if (i == 7)
                    outer = tl_scope_return(tl_add(t, t));
                if (i == 8)
                    kept = tl_keep(t);
            }
        is_float(tl_item(tl_sum(outer)), 2000, 0, "a returned tensor lives in the scope around");
        tl_tensor *early = left_early();
        is_float(tl_item(tl_sum(early)), 4, 0, "a scope left by return keeps what it returns");
    }
    is_float(tl_item(tl_sum(kept)), 1000, 0, "a kept tensor outlives all scopes");
    tl_release(kept);
    struct tl_memory_stats after = tl_memory_stats(NULL);
    is_int((long long)after.allocated, (long long)before.allocated, "everything else is gone");
}

/* Blocks of the pool are an eighth larger than what is asked for at most, and come back. */
static void blocks(void)
{
    size_t before = tl_memory_stats("cpu").allocated, worst = 0, odd = 0;
    for (int64_t n = 65; n < 40 << 20; n += 1 + n / 17)
        TL_SCOPE
        {
            tl_tensor *t = tl_empty(TL_SHAPE(n), (struct tl_options){.dtype = TL_U8, .device = "cpu"});
            size_t taken = tl_memory_stats("cpu").allocated - before;
            odd += !t || taken < (size_t)n;
            worst = taken * 1000 / (size_t)n > worst ? taken * 1000 / (size_t)n : worst;
        }
    is_int((long long)odd, 0, "no block is too small");
    ok(worst <= 1125, "none is over an eighth too large: %zu for 1000 bytes", worst);
    for (int64_t n = 9 << 8; n <= 9 << 20; n *= 2)
        TL_SCOPE odd += !tl_empty(TL_SHAPE(n), (struct tl_options){.dtype = TL_U8, .device = "cpu"}) || tl_memory_stats("cpu").allocated - before != (size_t)n;
    is_int((long long)odd, 0, "weights of 3 x 3 convolutions take what they need");
    tl_memory_trim("cpu");
    struct tl_memory_stats after = tl_memory_stats("cpu");
    is_int((long long)after.allocated, (long long)before, "all blocks come back");
    is_int((long long)after.reserved, (long long)before, "and go back");
}

static void values(void)
{
    tl_tensor *t = tl_arange(0, 6, 1, (struct tl_options){.dtype = TL_F32});
    tl_tensor *m = tl_view(t, TL_SHAPE(2, 3));
    ok(tl_shares_storage(t, m), "a view shares storage");
    uint64_t version = tl_version(t);
    tl_mul_(m, tl_scalar(2));
    is_int((long long)(tl_version(t) - version), 1, "writing a view is a new version of its base");
    is_float(((const float *)tl_data(t))[5], 10, 0, "which sees the new values");
    tl_tensor *column = tl_select(m, 1, 1);
    tl_fill_(column, 7);
    is_float(((const float *)tl_data(t))[4], 7, 0, "a column can be written");
    is_float(((const float *)tl_data(t))[3], 6, 0, "without its neighbours");
    tl_add_(tl_narrow(t, 0, 0, 3), tl_narrow(t, 0, 1, 3));
    is_float(((const float *)tl_data(t))[1], 7 + 4, 0, "overlapping operands are read before they are written");
    is_float(tl_item(tl_linspace(0, 1, 5, (struct tl_options){0}) ? tl_sum(tl_linspace(0, 1, 5, (struct tl_options){0})) : NULL), 2.5, 1e-6, "linspace");
    is_float(tl_item(tl_sum(tl_eye(4, (struct tl_options){0}))), 4, 0, "the identity");
    tl_resize_(t, 2, (int64_t[]){2, 2});
    is_int(tl_numel(t), 4, "resize_ shrinks");
    tl_resize_(t, 1, (int64_t[]){100});
    is_float(((const float *)tl_data(t))[1], 7 + 4, 0, "and grows, keeping the first elements");
}

static bool told_of_fork(const void *result)
{
    bool told = !result && tl_error_code() == TL_ERR_STATE && strstr(tl_error_message(), "fork");
    tl_error_clear();
    return told;
}

static void after_fork(void)
{
    tl_tensor *there = tl_ones(TL_SHAPE(2), (struct tl_options){0});
    pid_t child = fork();
    if (child == 0) {
        tl_tensor *t = tl_scalar(1);
        bool clear = told_of_fork(tl_add(t, t)) && told_of_fork(tl_ones(TL_SHAPE(2), (struct tl_options){0})) &&
                     told_of_fork(tl_fill_(there, 3)) && told_of_fork(tl_copy_(tl_narrow(there, 0, 0, 1), t)) && told_of_fork(tl_cast(t, TL_F32));
        _exit(clear ? 42 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 42, "a forked child is told so");
}

int main(void)
{
    bad_arguments();
    foreign_memory();
    failed_calls_leave_nothing();
    long_names_in_the_log();
    errors_travel();
    promotion();
    scopes();
    blocks();
    values();
    after_fork();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
