/* SPDX-License-Identifier: Apache-2.0
 *
 * Every pointwise op and every gradient of one, from the lines of <telar/pointwise.def>.
 *
 * Operands are read in blocks into arrays of the computing type (float for f32, f16 and bf16; double; int64_t for
 * integers and bool), the expression runs over the block, and the result is written back: so any strides and
 * types will do, and the result may lie over an operand. A line of the table becomes a function over a block for each computing type; the
 * rest makes a kernel of each.
 */
#include "../elements.h"
#include "../reference.h"
#include "../walk.h"
#include <telar/pointwise_c.h>

enum { BLOCK = 256 };

/** What a row of the table sees: up to BLOCK elements of each operand, in arrays of the computing type. */
struct block {
    const void *in[TL_PW_OPERANDS];
    void *out;
    int64_t n;
    double p, q;
};

/** A line of the table, or one of its gradients. */
struct entry {
    const char *name, *text;
    int arity; /**< of a forward op; 0 for gradients, whose text says which operands they use */
    bool test; /**< gives bool, whatever it compares */
    void (*on_float)(const struct block *);
    void (*on_double)(const struct block *);
    void (*on_int64_t)(const struct block *);
};

#define BLOCK_FUNCTION(function, T, number, expression)                                                           \
    static void function(const struct block *block)                                                               \
    {                                                                                                             \
        const T *const G = block->in[TL_PW_G], *const A = block->in[TL_PW_A], *const B = block->in[TL_PW_B];     \
        const T *const C = block->in[TL_PW_C], *const Y = block->in[TL_PW_Y];                                     \
        const T p = number(block->p), q = number(block->q);                                                       \
        for (int64_t i = 0; i < block->n; i++) {                                                                  \
            const T g = G[i], a = A[i], b = B[i], c = C[i], y = Y[i];                                             \
            (void)p, (void)q, (void)g, (void)a, (void)b, (void)c, (void)y;                                        \
            ((T *)block->out)[i] = expression;                                                                    \
        }                                                                                                         \
    }

#define TL_PW_FUNCTION(name, expression) BLOCK_FUNCTION(op_##name##_float, float, tl_pw_number_float, expression)
#define TL_PW_TYPE float
#include <telar/pointwise_c.h>
#define TL_PW_FUNCTION(name, expression) BLOCK_FUNCTION(op_##name##_double, double, tl_pw_number_double, expression)
#define TL_PW_TYPE double
#include <telar/pointwise_c.h>
#define TL_PW_FUNCTION(name, expression) BLOCK_FUNCTION(op_##name##_int64_t, int64_t, tl_pw_number_int64_t, expression)
#define TL_PW_TYPE int64_t
#include <telar/pointwise_c.h>

/** The two numbers of an op; for integers within the range of their type, so that they survive the store. */
static void read_parameters(const struct tl_call *call, struct block *block)
{
    const struct tl_pointwise_attrs *attrs = call->attrs;
    block->p = attrs ? attrs->p : 0;
    block->q = attrs ? attrs->q : 0;
    if (!tl_dtype_is_float(call->out[0].dtype)) {
        int64_t least, most;
        integer_range(call->out[0].dtype, &least, &most);
        block->p = (double)saturate(block->p, least, most);
        block->q = (double)saturate(block->q, least, most);
    }
}

static tl_dtype computing_type(const struct tl_call *call, const struct entry *entry)
{
    tl_dtype type = entry->test ? call->in[0].dtype : call->out[0].dtype;
    return type == TL_F64 ? TL_F64 : tl_dtype_is_float(type) ? TL_F32 : TL_I64;
}

static const char *refuses(const struct tl_call *call, const struct entry *entry)
{
    tl_dtype type = computing_type(call, entry);
    return type == TL_I64 && !entry->on_int64_t ? unknown_type : NULL;
}

/** Read a block of an operand, have the function run, or write a block, in the computing type. */
static void read_block(tl_dtype type, void *to, const struct tl_view *x, int64_t at, int64_t step, int64_t n)
{
    const char *from = (const char *)tl_mem_ptr(x->mem) + at * (int64_t)tl_dtype_size(x->dtype);
    if (type == TL_F32)
        read_float(to, x->dtype, from, step, n);
    else if (type == TL_F64)
        read_double(to, x->dtype, from, step, n);
    else
        read_int64_t(to, x->dtype, from, step, n);
}

static void compute_block(tl_dtype type, const struct entry *entry, const struct block *block)
{
    if (type == TL_F32)
        entry->on_float(block);
    else if (type == TL_F64)
        entry->on_double(block);
    else
        entry->on_int64_t(block);
}

static void write_block(tl_dtype type, const struct tl_view *y, int64_t at, int64_t step, const void *from, int64_t n)
{
    char *to = (char *)tl_mem_ptr(y->mem) + at * (int64_t)tl_dtype_size(y->dtype);
    if (type == TL_F32)
        write_float(y->dtype, to, step, from, n);
    else if (type == TL_F64)
        write_double(y->dtype, to, step, from, n);
    else
        write_int64_t(y->dtype, to, step, from, n);
}

/** Integers have no remainder for zero: look for one before anything is written. */
static tl_status check_divisor(const struct tl_call *call)
{
    const struct tl_view *b = &call->in[1];
    struct walk w;
    walk_start(&w, b->ndim, b->shape);
    walk_operand(&w, b->stride, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t i = 0; i < w.n; i++) {
            int64_t divisor;
            read_block(TL_I64, &divisor, b, w.at[0] + i * w.step[0], 0, 1);
            if (divisor == 0)
                return reference_host->fail(TL_ERR_ARGUMENT, "%s: cannot divide an integer by zero: expected divisors "
                                            "other than 0, or floating operands (which give NaN)", call->op);
        }
    }
    return TL_OK;
}

static tl_status run(const struct tl_call *call, const struct entry *entry)
{
    static const int64_t nothing[BLOCK]; /* what operands that are not there point at: zeros, never used */
    int64_t memory[TL_PW_OPERANDS + 1][BLOCK];
    const tl_dtype type = computing_type(call, entry);
    const struct tl_view *y = &call->out[0];
    const unsigned uses = entry->arity ? ((1u << entry->arity) - 1) << TL_PW_A : tl_pointwise_uses(entry->text);
    struct block block = {.out = memory[TL_PW_OPERANDS]};
    struct walk w;

    if (type == TL_I64 && !strcmp(entry->name, "fmod")) {
        tl_status status = check_divisor(call);
        if (status != TL_OK)
            return status;
    }
    read_parameters(call, &block);
    walk_start(&w, y->ndim, y->shape);
    for (int i = 0; i < call->n_in; i++)
        walk_operand(&w, call->in[i].stride, 0);
    walk_operand(&w, y->stride, 0);
    for (int k = 0; k < TL_PW_OPERANDS; k++)
        block.in[k] = uses & 1u << k ? memory[k] : nothing;

    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        for (int64_t first = 0; first < w.n; first += BLOCK) {
            block.n = w.n - first < BLOCK ? w.n - first : BLOCK;
            for (int k = 0, i = 0; k < TL_PW_OPERANDS && i < call->n_in; k++) {
                if (uses & 1u << k) {
                    read_block(type, memory[k], &call->in[i], w.at[i] + first * w.step[i], w.step[i], block.n);
                    i++;
                }
            }
            compute_block(type, entry, &block);
            write_block(type, y, w.at[call->n_in] + first * w.step[call->n_in], w.step[call->n_in], block.out, block.n);
        }
    }
    return TL_OK;
}

/* Each line becomes a kernel. call->kernel could say which entry to run; a thunk for each says it without a search. */
#define ENTRY(op_name, name_text, expression, n, is_test, integer_function)                                       \
    static const struct entry op_name##_entry = {name_text,       expression,       n, is_test,                  \
                                                 op_name##_float, op_name##_double, integer_function};            \
    static const char *op_name##_refuses(const struct tl_device *device, const struct tl_call *call)              \
    {                                                                                                             \
        (void)device;                                                                                             \
        return refuses(call, &op_name##_entry);                                                                   \
    }                                                                                                             \
    static tl_status op_name##_run(struct tl_stream *stream, const void *plan, const struct tl_call *call,        \
                                   struct tl_mem workspace)                                                       \
    {                                                                                                             \
        (void)stream, (void)plan, (void)workspace;                                                                \
        return run(call, &op_name##_entry);                                                                       \
    }                                                                                                             \
    static const struct tl_kernel op_name##_kernel = {.struct_size = sizeof(struct tl_kernel),                    \
                                                      .flags = TL_KERNEL_STRIDED,                                 \
                                                      .op = name_text,                                            \
                                                      .maker = "reference",                                       \
                                                      .refuses = op_name##_refuses,                               \
                                                      .run = op_name##_run};
#define ENTRY_SAME(op_name, name_text, expression, n) ENTRY(op_name, name_text, expression, n, false, op_name##_int64_t)
#define ENTRY_ARITH ENTRY_SAME
#define ENTRY_COND ENTRY_SAME
#define ENTRY_FLOAT(op_name, name_text, expression, n) ENTRY(op_name, name_text, expression, n, false, NULL)
#define ENTRY_GRADIENT ENTRY_FLOAT
#define ENTRY_TEST(op_name, name_text, expression, n) ENTRY(op_name, name_text, expression, n, true, op_name##_int64_t)
#define TL_PW_LIST(name, text, inputs, rule) ENTRY_##rule(op_##name, #name, text, inputs)
#include <telar/pointwise_c.h>

/* The same lines again, as a list of kernels with their texts. */
struct listed {
    const struct tl_kernel *kernel;
    const char *text;
};
#define TL_PW_LIST(name, text, inputs, rule) {&op_##name##_kernel, text},
static const struct listed all[] = {
#include <telar/pointwise_c.h>
};

size_t reference_pointwise(const struct tl_kernel **list, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!strcmp(all[i].text, "g") || tl_pointwise_uses(all[i].text) == 0)
            continue; /* a gradient that needs no computing: what arrives, a constant, none */
        if (n < room)
            list[n] = all[i].kernel;
        n++;
    }
    return n;
}
