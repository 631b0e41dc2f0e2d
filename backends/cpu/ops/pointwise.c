/* SPDX-License-Identifier: Apache-2.0
 *
 * All pointwise ops: chooses the vector loop and walks the operands. The loops know dense operands only. Rows whose operands
 * are dense are given to them directly; an operand that is broadcast along the row, or strided, is first gathered
 * into a block that stays in the first-level cache. So every op has one loop, and every shape is fast enough.
 */
#include <string.h>
#include <telar/pointwise.h>

#include "../cpu.h"

enum {
    BLOCK = 512,       /* elements gathered at a time */
    SHORT_ROW = 64,    /* rows shorter than this are gathered many at a time */
    GRAIN = 16384,     /* elements that keep a thread busy for longer than it takes to wake it */
    MAX_ROLES = TL_PW_OPERANDS
};

/* Results larger than this bypass the caches, unless they overwrite an operand. */
#define STREAM_BYTES ((int64_t)16 << 20)

struct pointwise_op {
    const char *name;
    int loop;             /* enum cpu_pointwise */
    int n_in;
    int typed;            /* which input has the computing type */
    signed char role[4];  /* TL_PW_… of each input */
};

/* Filled at open from the texts of the table. */
static struct pointwise_op ops[CPU_PW_COUNT];

/* One operand (or the result) while walking. Dimension 0 is the innermost. */
struct walked {
    char *data;
    int64_t stride[TL_MAX_DIMS]; /* in bytes */
    size_t size;                 /* of an element */
    bool dense;                  /* element i of the whole lies at data + i * size */
};

struct walk {
    cpu_pointwise_loop *loop;
    const double *pq;
    const struct pointwise_op *op;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    int64_t total;
    bool streamed;
    struct walked out, in[4];
};

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

/* ---- preparing a walk ---- */

/* Order dimensions by the result's strides, drop those of size 1, and merge those that are one for all. */
static void set_dims(struct walk *w, const struct tl_call *call)
{
    const struct tl_view *y = &call->out[0];
    int order[TL_MAX_DIMS], n = 0;
    for (int d = y->ndim - 1; d >= 0; d--) {
        if (y->shape[d] == 1)
            continue;
        int at = n++;
        for (; at > 0 && y->stride[order[at - 1]] > y->stride[d]; at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
    w->ndim = 0;
    for (int i = 0; i < n; i++) {
        int d = order[i], into = w->ndim - 1;
        bool merge = into >= 0 && y->stride[d] * (int64_t)w->out.size == w->out.stride[into] * w->shape[into];
        for (int k = 0; merge && k < call->n_in; k++)
            merge = call->in[k].stride[d] * (int64_t)w->in[k].size == w->in[k].stride[into] * w->shape[into];
        if (merge) {
            w->shape[into] *= y->shape[d];
            continue;
        }
        w->shape[w->ndim] = y->shape[d];
        w->out.stride[w->ndim] = y->stride[d] * (int64_t)w->out.size;
        for (int k = 0; k < call->n_in; k++)
            w->in[k].stride[w->ndim] = call->in[k].stride[d] * (int64_t)w->in[k].size;
        w->ndim++;
    }
    if (w->ndim == 0) {
        w->ndim = 1;
        w->shape[0] = 1;
        w->out.stride[0] = (int64_t)w->out.size;
        for (int k = 0; k < call->n_in; k++)
            w->in[k].stride[0] = (int64_t)w->in[k].size;
    }
}

static void set_dense(const struct walk *w, struct walked *v)
{
    int64_t expected = (int64_t)v->size;
    v->dense = true;
    for (int d = 0; d < w->ndim; d++) {
        v->dense &= v->stride[d] == expected;
        expected *= w->shape[d];
    }
}

/* ---- moving elements between operands and blocks ---- */

static void gather_row(char *to, const char *from, int64_t stride, size_t size, int64_t n)
{
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * stride];
        break;
    case 4:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 4 * i, from + i * stride, 4);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 8 * i, from + i * stride, 8);
    }
}

static void scatter_row(char *to, int64_t stride, const char *from, size_t size, int64_t n)
{
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; i++)
            to[i * stride] = from[i];
        break;
    case 4:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * stride, from + 4 * i, 4);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * stride, from + 8 * i, 8);
    }
}

/* Where element `index` of the whole lies in v, and its coordinates. */
static char *locate(const struct walk *w, const struct walked *v, int64_t index, int64_t *at)
{
    char *p = v->data;
    for (int d = 0; d < w->ndim; d++) {
        at[d] = index % w->shape[d];
        index /= w->shape[d];
        p += at[d] * v->stride[d];
    }
    return p;
}

/* From the end of a row to the start of the next. p is at the row's start. */
static char *next_row(const struct walk *w, const struct walked *v, char *p, int64_t *at)
{
    for (int d = 1; d < w->ndim; d++) {
        p += v->stride[d];
        if (++at[d] < w->shape[d])
            break;
        p -= at[d] * v->stride[d];
        at[d] = 0;
    }
    return p;
}

/* n elements from `index` on, of any strides, into a block; or back. */
static void gather(const struct walk *w, const struct walked *v, char *block, int64_t index, int64_t n, bool back)
{
    int64_t at[TL_MAX_DIMS];
    char *p = locate(w, v, index, at);
    while (n > 0) {
        int64_t run = w->shape[0] - at[0];
        run = run < n ? run : n;
        if (back)
            scatter_row(p, v->stride[0], block, v->size, run);
        else
            gather_row(block, p, v->stride[0], v->size, run);
        block += run * (int64_t)v->size;
        n -= run;
        p = next_row(w, v, p - at[0] * v->stride[0], at);
        at[0] = 0;
    }
}

/* ---- the two ways of walking ---- */

/* Blocks of the whole, for short rows and large dense results: what is not dense is gathered. */
static void run_blocks(const struct walk *w, int64_t begin, int64_t end)
{
    _Alignas(64) char buffer[5][BLOCK * 8];
    const void *roles[MAX_ROLES] = {0};
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = end - i < BLOCK ? end - i : BLOCK;
        for (int k = 0; k < w->op->n_in; k++) {
            const struct walked *v = &w->in[k];
            if (v->dense) {
                roles[w->op->role[k]] = v->data + i * (int64_t)v->size;
            } else {
                gather(w, v, buffer[k], i, n, false);
                roles[w->op->role[k]] = buffer[k];
            }
        }
        char *out = w->out.data + i * (int64_t)w->out.size;
        w->loop(roles, w->out.dense && !w->streamed ? out : buffer[4], n, w->pq);
        if (w->streamed)
            cpu_vector->stream(out, buffer[4], (size_t)n * w->out.size);
        else if (!w->out.dense)
            gather(w, &w->out, buffer[4], i, n, true);
    }
    if (w->streamed)
        cpu_vector->stream_end();
}

/* Part of one row: dense operands directly, others in blocks. `p` are the addresses of its first elements. */
static void run_row(const struct walk *w, char *const *p, char *out, int64_t n)
{
    _Alignas(64) char buffer[5][BLOCK * 8];
    const void *roles[MAX_ROLES] = {0};
    bool out_direct = w->out.stride[0] == (int64_t)w->out.size;
    int64_t step = out_direct ? n : BLOCK;
    for (int k = 0; k < w->op->n_in; k++) {
        if (w->in[k].stride[0] == (int64_t)w->in[k].size)
            continue;
        step = BLOCK;
        if (w->in[k].stride[0] == 0)
            gather_row(buffer[k], p[k], 0, w->in[k].size, n < BLOCK ? n : BLOCK);
    }
    for (int64_t i = 0; i < n; i += step) {
        int64_t m = n - i < step ? n - i : step;
        for (int k = 0; k < w->op->n_in; k++) {
            const struct walked *v = &w->in[k];
            bool direct = v->stride[0] == (int64_t)v->size;
            if (!direct && v->stride[0] != 0)
                gather_row(buffer[k], p[k] + i * v->stride[0], v->stride[0], v->size, m);
            roles[w->op->role[k]] = direct ? p[k] + i * v->stride[0] : buffer[k];
        }
        w->loop(roles, out_direct ? out + i * w->out.stride[0] : buffer[4], m, w->pq);
        if (!out_direct)
            scatter_row(out + i * w->out.stride[0], w->out.stride[0], buffer[4], w->out.size, m);
    }
}

static void run_rows(const struct walk *w, int64_t begin, int64_t end)
{
    int64_t at[5][TL_MAX_DIMS];
    char *p[4], *out = locate(w, &w->out, begin, at[4]);
    for (int k = 0; k < w->op->n_in; k++)
        p[k] = locate(w, &w->in[k], begin, at[k]);
    while (begin < end) {
        int64_t skipped = at[4][0], n = w->shape[0] - skipped;
        n = n < end - begin ? n : end - begin;
        run_row(w, p, out, n);
        begin += n;
        out = next_row(w, &w->out, out - skipped * w->out.stride[0], at[4]);
        at[4][0] = 0;
        for (int k = 0; k < w->op->n_in; k++)
            p[k] = next_row(w, &w->in[k], p[k] - skipped * w->in[k].stride[0], at[k]);
    }
}

static void run_part(const struct walk *w, int64_t begin, int64_t end)
{
    if (w->streamed || (w->shape[0] < SHORT_ROW && w->ndim > 1))
        run_blocks(w, begin, end);
    else
        run_rows(w, begin, end);
}

static void run_walk(const struct walk *w)
{
    int threads = cpu_threads(w->total, GRAIN);
    if (threads == 1) {
        run_part(w, 0, w->total);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t begin, end;
        cpu_share(w->total, BLOCK, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (begin < end)
            run_part(w, begin, end);
    }
}

/* ---- calls ---- */

static void set_walk(struct walk *w, const struct tl_call *call)
{
    const struct tl_view *y = &call->out[0];
    w->out = (struct walked){.data = cpu_data(y), .size = tl_dtype_size(y->dtype)};
    for (int k = 0; k < call->n_in; k++)
        w->in[k] = (struct walked){.data = cpu_data(&call->in[k]), .size = tl_dtype_size(call->in[k].dtype)};
    set_dims(w, call);
    set_dense(w, &w->out);
    w->streamed = w->out.dense && w->total * (int64_t)w->out.size >= STREAM_BYTES;
    for (int k = 0; k < call->n_in; k++) {
        set_dense(w, &w->in[k]);
        w->streamed &= w->in[k].data != w->out.data;
    }
}

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
        const void *roles[MAX_ROLES];
        bool all = total <= GRAIN;
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
    struct walk w = {.loop = loop, .pq = pq, .op = op, .total = tl_view_numel(y)};
    if (w.total == 0)
        return TL_OK;
    set_walk(&w, call);
    run_walk(&w);
    return TL_OK;
}

static const char *refuses_op(const struct tl_call *call, const struct pointwise_op *op)
{
    int type = loop_type(call->in[op->typed].dtype);
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
    /* Of `where`, the condition is bool: look at another operand for the type. */
    bool condition_first = strncmp(kernel->op, "where", 5) == 0 && op->n_in > 0 && op->role[0] == TL_PW_A;
    op->typed = condition_first ? op->n_in - 1 : 0;
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
