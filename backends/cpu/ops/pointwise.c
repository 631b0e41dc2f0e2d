/* SPDX-License-Identifier: Apache-2.0
 *
 * All pointwise ops: chooses the vector loop for the element type. Short dense calls go straight to it; walk.c takes
 * care of every other shape.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <telar/pointwise.h>

#include "../walk.h"

struct pointwise_op {
    const char *name;
    int loop;             /* enum cpu_pointwise */
    int n_in;
    int typed;            /* which input has the computing type */
    int condition;        /* which must be bool; -1: none */
    signed char role[4];  /* TL_PW_… of each input */
};

/* Filled at open from the texts of the table. */
static struct pointwise_op ops[CPU_PW_COUNT];

static int loop_type(tl_dtype t)
{
    switch (t) {
    case TL_F32: return CPU_F32;
    case TL_F64: return CPU_F64;
    case TL_I32: return CPU_I32;
    case TL_I64: return CPU_I64;
    default: return -1;
    }
}

/* ---- calls ---- */

/* Does the view have elements at data + i, i < n, in that order, seen as it is? */
static inline bool flat(const struct tl_view *v)
{
    return v->ndim == 0 || (v->ndim == 1 && (v->stride[0] == 1 || v->shape[0] == 1));
}

static tl_status run_chain(const struct tl_call *call, const struct pointwise_op *op);

static tl_status run_op(const struct tl_call *call, const struct pointwise_op *op)
{
    if (call->n_epilogue)
        return run_chain(call, op);
    static const double none[2];
    const struct tl_pointwise_attrs *attrs = call->attrs;
    const double *pq = attrs ? &attrs->p : none;
    cpu_pointwise_loop *loop = cpu_vector->pointwise[loop_type(call->in[op->typed].dtype)][op->loop];
    const struct tl_view *y = &call->out[0];
    if (flat(y)) {
        int64_t total = y->ndim == 0 ? 1 : y->shape[0];
        const void *roles[TL_PW_OPERANDS];
        bool all = total <= CPU_WALK_GRAIN;
        for (int k = 0; k < op->n_in; k++) {
            roles[op->role[k]] = cpu_data(&call->in[k]);
            all &= total == 1 || flat(&call->in[k]);
        }
        if (all) {
            if (total > 0)
                loop(roles, cpu_data(y), total, pq);
            return TL_OK;
        }
    }
    cpu_walk(loop, pq, op->n_in, op->role, call->in, y);
    return TL_OK;
}

/* ---- chains ---- */

enum { MOST_LINKS = 6, BLOCK = 1024 /* elements that stay in the first-level cache from link to link */ };

/* A link's op is looked up by its name once, and then known by the name's address, which is the core's and stays. */
enum { KNOWN = 512 };
static atomic_uintptr_t known[KNOWN];
static short known_op[KNOWN];
static pthread_mutex_t learning = PTHREAD_MUTEX_INITIALIZER;

static const struct pointwise_op *learn(const char *name, size_t at)
{
    const struct pointwise_op *op = NULL;
    pthread_mutex_lock(&learning);
    for (int i = 0; i < CPU_PW_COUNT && !op; i++)
        if (ops[i].name && strcmp(ops[i].name, name) == 0)
            op = &ops[i];
    if (op && atomic_load(&known[at]) == 0) {
        known_op[at] = (short)(op - ops);
        atomic_store_explicit(&known[at], (uintptr_t)name, memory_order_release);
    }
    pthread_mutex_unlock(&learning);
    return op;
}

static const struct pointwise_op *op_of(const char *name)
{
    size_t at = ((uintptr_t)name >> 2) % KNOWN;
    for (int i = 0; i < 4; i++) {
        uintptr_t there = atomic_load_explicit(&known[(at + (size_t)i) % KNOWN], memory_order_acquire);
        if (there == (uintptr_t)name)
            return &ops[known_op[(at + (size_t)i) % KNOWN]];
        if (there == 0)
            return learn(name, (at + (size_t)i) % KNOWN);
    }
    return learn(name, at);
}

static const char *refuses_chain(const struct tl_call *call)
{
    if (call->n_epilogue > MOST_LINKS)
        return "a long chain";
    for (int i = 0; i < call->n_in; i++)
        if (!flat(&call->in[i]) && !(call->in[i].ndim == 1 && call->in[i].stride[0] == 0))
            return "a chain with strides";
    if (!flat(&call->out[0]))
        return "a chain with strides";
    for (int i = 0; i < call->n_epilogue; i++) {
        const struct tl_epilogue *link = &call->epilogue[i];
        const struct pointwise_op *op = op_of(link->op);
        int type = loop_type(call->out[0].dtype), operands = 1 + (link->other >= 0);
        if (!op || op->condition >= 0 || op->n_in != operands || type < 0 || !cpu_vector->pointwise[type][op->loop])
            return "a chain with an op that is left to the reference kernels";
    }
    return NULL;
}

/* One operand in a thread's block: where it lies, or a block filled with the number that it is. */
struct operand {
    const char *data;
    bool number;
    _Alignas(64) char filled[BLOCK * 8];
};

static const void *part_of(const struct operand *o, int64_t from, size_t size)
{
    return o->number ? o->filled : o->data + (size_t)from * size;
}

static void fill(struct operand *o, const struct tl_view *v, int64_t n, size_t size)
{
    o->data = cpu_data(v);
    o->number = n > 1 && (v->ndim == 0 || v->stride[0] == 0 || v->shape[0] == 1);
    if (!o->number)
        return;
    for (int64_t i = 0; i < BLOCK && i < n; i++)
        memcpy(o->filled + (size_t)i * size, o->data, size);
}

static void run_links(const struct tl_call *call, const struct pointwise_op *op, struct operand *operands, int64_t begin, int64_t end)
{
    static const double none[2];
    const struct tl_pointwise_attrs *attrs = call->attrs;
    int type = loop_type(call->in[op->typed].dtype);
    size_t size = type == CPU_F32 || type == CPU_I32 ? 4 : 8;
    for (int64_t from = begin; from < end; from += BLOCK) {
        int64_t n = end - from < BLOCK ? end - from : BLOCK;
        char *y = (char *)cpu_data(&call->out[0]) + (size_t)from * size;
        const void *roles[TL_PW_OPERANDS];
        for (int k = 0; k < op->n_in; k++)
            roles[op->role[k]] = part_of(&operands[k], from, size);
        cpu_vector->pointwise[type][op->loop](roles, y, n, attrs ? &attrs->p : none);
        for (int i = 0; i < call->n_epilogue; i++) {
            const struct tl_epilogue *link = &call->epilogue[i];
            const struct pointwise_op *next = op_of(link->op);
            roles[next->role[link->value]] = y;
            if (link->other >= 0)
                roles[next->role[1 - link->value]] = part_of(&operands[link->other], from, size);
            cpu_vector->pointwise[type][next->loop](roles, y, n, &link->attrs->p);
        }
    }
}

static tl_status run_chain(const struct tl_call *call, const struct pointwise_op *op)
{
    const struct tl_view *y = &call->out[0];
    int64_t n = y->ndim == 0 ? 1 : y->shape[0];
    int threads = cpu_threads(n * (1 + call->n_epilogue), CPU_WALK_GRAIN);
    size_t size = loop_type(y->dtype) == CPU_F32 || loop_type(y->dtype) == CPU_I32 ? 4 : 8;
    struct operand operands[2 + MOST_LINKS];
    for (int i = 0; i < call->n_in; i++)
        fill(&operands[i], &call->in[i], n, size);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        cpu_share(n, BLOCK, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        run_links(call, op, operands, begin, end);
    }
    return TL_OK;
}

static const char *refuses_op(const struct tl_call *call, const struct pointwise_op *op)
{
    int type = loop_type(call->in[op->typed].dtype);
    if (op->condition >= 0 && call->in[op->condition].dtype != TL_BOOL)
        return "a condition that is not bool";
    if (type < 0)
        return "element type left to the reference kernels";
    const char *chain = call->n_epilogue ? op->condition >= 0 ? "a chain that begins with a choice" : refuses_chain(call) : NULL;
    if (chain)
        return chain;
    return cpu_vector->pointwise[type][op->loop] ? NULL : "integers left to the reference kernels";
}

/* ---- the kernels: one per op, so that no name is looked up at run time ---- */

#define KERNEL(name)                                                                                                  \
    static tl_status run_##name(struct tl_stream *stream, const void *plan, const struct tl_call *call,               \
                                struct tl_mem workspace)                                                              \
    {                                                                                                                 \
        (void)stream, (void)plan, (void)workspace;                                                                    \
        return run_op(call, &ops[CPU_PW_##name]);                                                                     \
    }                                                                                                                 \
    static const char *refuses_##name(const struct tl_device *device, const struct tl_call *call)                     \
    {                                                                                                                 \
        (void)device;                                                                                                 \
        return refuses_op(call, &ops[CPU_PW_##name]);                                                                 \
    }                                                                                                                 \
    static const struct tl_kernel kernel_##name = {                                                                   \
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED | TL_KERNEL_EPILOGUE, .op = #name,        \
        .maker = "cpu:vector", .refuses = refuses_##name, .run = run_##name,                                          \
    };

#define TL_UNARY(name, rule, f, da, formula) KERNEL(name) KERNEL(name##_da)
#define TL_BINARY(name, rule, f, da, db, formula) KERNEL(name) KERNEL(name##_da) KERNEL(name##_db)
#define TL_TERNARY(name, rule, f, da, db, dc, formula) KERNEL(name) KERNEL(name##_da) KERNEL(name##_db) KERNEL(name##_dc)
#define TL_TEST1(name, f, formula) KERNEL(name)
#define TL_TEST2(name, f, formula) KERNEL(name)
#include <telar/pointwise.def>

/* The op `name` whose expression is `text`; gradients that are plain `g` or `none` do not exist. */
static bool add_op(struct cpu_table *table, const struct tl_kernel *kernel, int loop, const char *text)
{
    if (strcmp(text, "g") == 0 || strcmp(text, "none") == 0)
        return true;
    struct pointwise_op *op = &ops[loop];
    *op = (struct pointwise_op){.name = kernel->op, .loop = loop};
    unsigned used = tl_pointwise_uses(text);
    for (int role = 0; role < TL_PW_OPERANDS; role++)
        if (used & 1u << role)
            op->role[op->n_in++] = (signed char)role;
    if (op->n_in == 0) /* a constant gradient: nothing to compute */
        return true;
    /* Of `where`, a is the condition: look at another operand for the type. */
    op->condition = -1;
    if (strncmp(kernel->op, "where", 5) == 0)
        for (int i = 0; i < op->n_in; i++)
            if (op->role[i] == TL_PW_A)
                op->condition = i;
    op->typed = op->condition == 0 ? op->n_in - 1 : 0;
    return cpu_table_add(table, kernel);
}

#define ADD(name, text) ok = ok && add_op(table, &kernel_##name, CPU_PW_##name, text);

bool cpu_add_pointwise(struct cpu_table *table)
{
    bool ok = true;
#define TL_UNARY(name, rule, f, da, formula) ADD(name, #f) ADD(name##_da, #da)
#define TL_BINARY(name, rule, f, da, db, formula) ADD(name, #f) ADD(name##_da, #da) ADD(name##_db, #db)
#define TL_TERNARY(name, rule, f, da, db, dc, formula) ADD(name, #f) ADD(name##_da, #da) ADD(name##_db, #db) ADD(name##_dc, #dc)
#define TL_TEST1(name, f, formula) ADD(name, #f)
#define TL_TEST2(name, f, formula) ADD(name, #f)
#include <telar/pointwise.def>
    return ok;
}
