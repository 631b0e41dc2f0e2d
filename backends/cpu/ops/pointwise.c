/* SPDX-License-Identifier: Apache-2.0
 *
 * All pointwise ops: chooses the vector loop for the element type. Short dense calls go straight to it; walk.c takes
 * care of every other shape.
 */
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

static tl_status run_op(const struct tl_call *call, const struct pointwise_op *op)
{
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

static const char *refuses_op(const struct tl_call *call, const struct pointwise_op *op)
{
    int type = loop_type(call->in[op->typed].dtype);
    if (op->condition >= 0 && call->in[op->condition].dtype != TL_BOOL)
        return "a condition that is not bool";
    if (type < 0)
        return "element type left to the reference kernels";
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
        .struct_size = sizeof(struct tl_kernel), .flags = TL_KERNEL_STRIDED, .op = #name, .maker = "cpu:vector",      \
        .refuses = refuses_##name, .run = run_##name,                                                                 \
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
