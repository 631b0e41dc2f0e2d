/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks any number of operands of any strides with a loop that knows dense ones only. Rows whose operands are dense are given
 * to it directly; an operand that is broadcast along the row, or strided, is first gathered into a block that stays
 * in the first-level cache. So every op has one loop, and every shape is fast enough.
 */
#include "walk.h"

#include <string.h>

enum {
    BLOCK = 512,     /* elements gathered at a time */
    SHORT_ROW = 64   /* rows shorter than this are gathered many at a time */
};

/* Results larger than this bypass the caches, unless they overwrite an operand. */
#define STREAM_BYTES ((int64_t)16 << 20)

/* One operand (or the result) while walking. Dimension 0 is the innermost. */
struct walked {
    char *data;
    int64_t stride[TL_MAX_DIMS]; /* in bytes */
    size_t size;                 /* of an element */
    bool dense;                  /* element i of the whole lies at data + i * size */
    bool repeats;                /* the same in every row */
};

struct walk {
    cpu_pointwise_loop *loop;
    const double *pq;
    int n_in;
    const signed char *role;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    int64_t total;
    int64_t block; /* elements at a time: whole rows, if they are short */
    bool streamed;
    struct walked out, in[CPU_WALK_OPERANDS];
};

/* ---- preparing a walk ---- */

/* Order dimensions by the result's strides, drop those of size 1, and merge those that are one for all. */
static void set_dims(struct walk *w, const struct tl_view *in, const struct tl_view *y)
{
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
        for (int k = 0; merge && k < w->n_in; k++)
            merge = in[k].stride[d] * (int64_t)w->in[k].size == w->in[k].stride[into] * w->shape[into];
        if (merge) {
            w->shape[into] *= y->shape[d];
            continue;
        }
        w->shape[w->ndim] = y->shape[d];
        w->out.stride[w->ndim] = y->stride[d] * (int64_t)w->out.size;
        for (int k = 0; k < w->n_in; k++)
            w->in[k].stride[w->ndim] = in[k].stride[d] * (int64_t)w->in[k].size;
        w->ndim++;
    }
    if (w->ndim == 0) {
        w->ndim = 1;
        w->shape[0] = 1;
        w->out.stride[0] = (int64_t)w->out.size;
        for (int k = 0; k < w->n_in; k++)
            w->in[k].stride[0] = (int64_t)w->in[k].size;
    }
}

static void set_dense(const struct walk *w, struct walked *v)
{
    int64_t expected = (int64_t)v->size;
    v->dense = v->repeats = true;
    for (int d = 0; d < w->ndim; d++) {
        v->dense &= v->stride[d] == expected;
        v->repeats &= d == 0 || v->stride[d] == 0;
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
    case 2:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 2 * i, from + i * stride, 2);
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
    case 2:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * stride, from + 2 * i, 2);
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
    _Alignas(64) char buffer[CPU_WALK_OPERANDS + 1][BLOCK * 8];
    char *const result = buffer[CPU_WALK_OPERANDS];
    const void *roles[TL_PW_OPERANDS] = {0};
    for (int64_t i = begin; i < end; i += w->block) {
        int64_t n = end - i < w->block ? end - i : w->block;
        for (int k = 0; k < w->n_in; k++) {
            const struct walked *v = &w->in[k];
            if (v->dense) {
                roles[w->role[k]] = v->data + i * (int64_t)v->size;
            } else {
                if (i == begin || !v->repeats) /* blocks are whole rows, so what repeats is there already */
                    gather(w, v, buffer[k], i, n, false);
                roles[w->role[k]] = buffer[k];
            }
        }
        char *out = w->out.data + i * (int64_t)w->out.size;
        w->loop(roles, w->out.dense && !w->streamed ? out : result, n, w->pq);
        if (w->streamed)
            cpu_vector->stream(out, result, (size_t)n * w->out.size);
        else if (!w->out.dense)
            gather(w, &w->out, result, i, n, true);
    }
    if (w->streamed)
        cpu_vector->stream_end();
}

/* Part of one row: dense operands directly, others in blocks. `p` are the addresses of its first elements. */
static void run_row(const struct walk *w, char *const *p, char *out, int64_t n)
{
    _Alignas(64) char buffer[CPU_WALK_OPERANDS + 1][BLOCK * 8];
    char *const result = buffer[CPU_WALK_OPERANDS];
    const void *roles[TL_PW_OPERANDS] = {0};
    bool out_direct = w->out.stride[0] == (int64_t)w->out.size;
    int64_t step = out_direct ? n : BLOCK;
    for (int k = 0; k < w->n_in; k++) {
        if (w->in[k].stride[0] == (int64_t)w->in[k].size)
            continue;
        step = BLOCK;
        if (w->in[k].stride[0] == 0)
            gather_row(buffer[k], p[k], 0, w->in[k].size, n < BLOCK ? n : BLOCK);
    }
    for (int64_t i = 0; i < n; i += step) {
        int64_t m = n - i < step ? n - i : step;
        for (int k = 0; k < w->n_in; k++) {
            const struct walked *v = &w->in[k];
            bool direct = v->stride[0] == (int64_t)v->size;
            if (!direct && v->stride[0] != 0)
                gather_row(buffer[k], p[k] + i * v->stride[0], v->stride[0], v->size, m);
            roles[w->role[k]] = direct ? p[k] + i * v->stride[0] : buffer[k];
        }
        w->loop(roles, out_direct ? out + i * w->out.stride[0] : result, m, w->pq);
        if (!out_direct)
            scatter_row(out + i * w->out.stride[0], w->out.stride[0], result, w->out.size, m);
    }
}

static void run_rows(const struct walk *w, int64_t begin, int64_t end)
{
    int64_t at[CPU_WALK_OPERANDS + 1][TL_MAX_DIMS], *const out_at = at[CPU_WALK_OPERANDS];
    char *p[CPU_WALK_OPERANDS], *out = locate(w, &w->out, begin, out_at);
    for (int k = 0; k < w->n_in; k++)
        p[k] = locate(w, &w->in[k], begin, at[k]);
    while (begin < end) {
        int64_t skipped = out_at[0], n = w->shape[0] - skipped;
        n = n < end - begin ? n : end - begin;
        run_row(w, p, out, n);
        begin += n;
        out = next_row(w, &w->out, out - skipped * w->out.stride[0], out_at);
        out_at[0] = 0;
        for (int k = 0; k < w->n_in; k++)
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
    int threads = cpu_threads(w->total, CPU_WALK_GRAIN);
    if (threads == 1) {
        run_part(w, 0, w->total);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t begin, end;
        cpu_share(w->total, w->block, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        if (begin < end)
            run_part(w, begin, end);
    }
}

static void set_walk(struct walk *w, const struct tl_view *in, const struct tl_view *y)
{
    w->out = (struct walked){.data = cpu_data(y), .size = tl_dtype_size(y->dtype)};
    for (int k = 0; k < w->n_in; k++)
        w->in[k] = (struct walked){.data = cpu_data(&in[k]), .size = tl_dtype_size(in[k].dtype)};
    set_dims(w, in, y);
    set_dense(w, &w->out);
    w->block = w->shape[0] <= BLOCK ? BLOCK / w->shape[0] * w->shape[0] : BLOCK;
    w->streamed = w->out.dense && w->total * (int64_t)w->out.size >= STREAM_BYTES;
    for (int k = 0; k < w->n_in; k++) {
        set_dense(w, &w->in[k]);
        w->in[k].repeats &= w->block % w->shape[0] == 0;
        w->streamed &= w->in[k].data != w->out.data;
    }
}

void cpu_walk(cpu_pointwise_loop *loop, const double *pq, int n_in, const signed char *role, const struct tl_view *in,
              const struct tl_view *out)
{
    struct walk w = {.loop = loop, .pq = pq, .n_in = n_in, .role = role, .total = tl_view_numel(out)};
    if (w.total == 0)
        return;
    set_walk(&w, in, out);
    run_walk(&w);
}
