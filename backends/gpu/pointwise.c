/* SPDX-License-Identifier: Apache-2.0
 *
 * Every op of <telar/pointwise.def>, and every gradient of one: the words that specialise kernels/pointwise.cl for an op, its types and the way its
 * operands lie.
 */
#include "ops/ops.h"

#include <stdio.h>
#include <telar/pointwise_c.h>

struct entry {
    const char *name, *text;
    int arity; /**< of a forward op; 0 for gradients, whose text says which operands they use */
    bool test; /**< gives bool, whatever it compares */
    bool integers;
};

/* How an operand lies beside a dense result. */
enum way { DENSE, SINGLE, STRIDED };

#define LIST_SAME(name, text, n) {name, text, n, false, true},
#define LIST_ARITH LIST_SAME
#define LIST_COND LIST_SAME
#define LIST_FLOAT(name, text, n) {name, text, n, false, false},
#define LIST_GRADIENT LIST_FLOAT
#define LIST_TEST(name, text, n) {name, text, n, true, true},
#define TL_PW_LIST(name, text, inputs, rule) LIST_##rule(#name, text, inputs)
static const struct entry entries[] = {
#include <telar/pointwise_c.h>
};
enum { ENTRIES = sizeof entries / sizeof *entries };
static struct tl_kernel kernels[ENTRIES];

static const struct entry *entry_of(const struct tl_call *call)
{
    return &entries[call->kernel - kernels];
}

static tl_dtype computed(const struct entry *e, const struct tl_call *call)
{
    return e->test ? call->in[0].dtype : call->out[0].dtype;
}

static bool checks_divisor(const struct entry *e, tl_dtype type)
{
    return !tl_dtype_is_float(type) && strcmp(e->name, "fmod") == 0;
}

/* ---- The text ---------------------------------------------------------------------------------------------------------------------------- */

struct form {
    int n;
    enum way way[TL_PW_OPERANDS];
    int width; /**< elements of a pack */
    int ndim;
    bool small;
};

static void define_form(struct gpu_defines *d, const struct entry *e, const struct tl_call *call, const struct form *f)
{
    static const char names[] = "gabcy";
    const unsigned uses = e->arity ? ((1u << e->arity) - 1) << TL_PW_A : tl_pointwise_uses(e->text);
    char buffers[600] = "", opens[400] = "", singles[400] = "", packs[600] = "", pick[400] = "", reads[400] = "", offsets[200] = "",
         step[400] = "", reads_at[400] = "";
    int role = -1;
#define ADD(text, ...) snprintf((text) + strlen(text), sizeof(text) - strlen(text), __VA_ARGS__)
    for (int i = 0; i < f->n; i++) {
        const char *type = tl_dtype_name(call->in[i].dtype);
        do
            role++;
        while (!(uses & 1u << role));
        ADD(buffers, "BUFFER(const STORAGE(%s), x%d), ", type, i);
        ADD(opens, "OPEN(const STORAGE(%s), x%d) ", type, i);
        if (f->way[i] == SINGLE) {
            ADD(singles, "const REAL %c = LOAD(%s, x%d, 0); ", names[role], type, i);
        } else if (f->way[i] == DENSE) {
            ADD(packs, "const pack%d v%d = ((GLOBAL const pack%d *)x%d)[i]; ", i, i, i, i);
            ADD(pick, "const REAL %c = LOAD(%s, v%d.v, k); ", names[role], type, i);
            ADD(reads, "const REAL %c = LOAD(%s, x%d, i); ", names[role], type, i);
        }
        ADD(offsets, "INDEX o%d = 0; ", i);
        ADD(step, "o%d += (c) * w.in[%d][d]; ", i, i);
        ADD(reads_at, "const REAL %c = LOAD(%s, x%d, o%d); ", names[role], type, i, i);
    }
#undef ADD
    if (f->way[0] == STRIDED)
        gpu_define(d, "STRIDED");
    gpu_define_index(d, f->small);
    gpu_define_real(d, computed(e, call));
    gpu_define(d, "TY %s", tl_dtype_name(call->out[0].dtype));
    gpu_define(d, "W %d", f->width);
    gpu_define(d, "NDIM %d", f->ndim);
    gpu_define(d, "PARAMETERS %s", buffers);
    gpu_define(d, "OPENS %s", opens);
    gpu_define(d, "SINGLES %s", singles);
    gpu_define(d, "PACKS(i) %s", packs);
    gpu_define(d, "PICK(k) %s", pick);
    gpu_define(d, "READS(i) %s", reads);
    gpu_define(d, "OFFSETS %s", offsets);
    gpu_define(d, "STEP(d, c) %s", step);
    gpu_define(d, "READS_AT %s", reads_at);
    gpu_define(d, "EXPRESSION (%s)", e->text);
    for (int i = 0; i < f->n; i++)
        gpu_define(d, "PACK%d %s", i, tl_dtype_name(call->in[i].dtype));
    bool check = checks_divisor(e, computed(e, call));
    gpu_define(d, "CHECK_PARAMETERS%s", check ? " , BUFFER(int, report), int site" : "");
    gpu_define(d, "CHECK_OPEN%s", check ? " OPEN(int, report)" : "");
    gpu_define(d, "CHECK(at)%s", check ? " if (b == 0) report_bad(report, site, BAD_DIVISOR, 0, (long)(at), 0);" : "");
}

/* ---- Running ----------------------------------------------------------------------------------------------------------------------------- */

static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    const struct entry *e = entry_of(call);
    tl_dtype type = computed(e, call);
    if (!e->integers && !tl_dtype_is_float(type))
        return "integers are not computed in this op";
    return gpu_refuses_type(device, type);
}

static bool is_dense(const struct tl_view *v, const struct tl_view *out)
{
    int64_t step = 1;
    for (int d = out->ndim - 1; d >= 0; d--) {
        if (out->shape[d] != 1 && v->stride[d] != step)
            return false;
        step *= out->shape[d];
    }
    return true;
}

static bool is_single(const struct tl_view *v)
{
    for (int d = 0; d < v->ndim; d++)
        if (v->shape[d] != 1 && v->stride[d] != 0)
            return false;
    return true;
}

static bool aligned(const struct tl_view *v, int width)
{
    return v->mem.offset % ((size_t)width * tl_dtype_size(v->dtype)) == 0;
}

static struct form form_of(const struct tl_call *call)
{
    const struct tl_view *out = &call->out[0];
    struct form f = {.n = call->n_in, .small = gpu_small(out, 1) && gpu_small(call->in, call->n_in), .ndim = out->ndim < 1 ? 1 : out->ndim};
    bool dense = is_dense(out, out);
    size_t largest = tl_dtype_size(out->dtype);
    for (int i = 0; i < f.n && dense; i++) {
        f.way[i] = is_single(&call->in[i]) ? SINGLE : DENSE;
        dense = f.way[i] == SINGLE || is_dense(&call->in[i], out);
        size_t size = tl_dtype_size(call->in[i].dtype);
        largest = size > largest ? size : largest;
    }
    if (!dense) {
        for (int i = 0; i < f.n; i++)
            f.way[i] = STRIDED;
        f.width = 1;
        return f;
    }
    f.ndim = 1;
    f.width = largest >= 2 ? (int)(16 / largest) : 8;
    bool fits = aligned(out, f.width);
    for (int i = 0; i < f.n; i++)
        fits &= f.way[i] == SINGLE || aligned(&call->in[i], f.width);
    if (!fits)
        f.width = 1;
    return f;
}

static uint64_t key_of(const struct tl_call *call, const struct form *f)
{
    uint64_t key = (uint64_t)(call->kernel - kernels) + 1;
    for (int i = 0; i < f->n; i++)
        key = key << 6 | (uint64_t)call->in[i].dtype << 2 | f->way[i];
    key = key << 4 | call->out[0].dtype;
    key = key << 4 | (uint64_t)f->width;
    key = key << 4 | (uint64_t)f->ndim;
    return key << 1 | f->small;
}

/* p or q as the kernel's REAL. Integers lose their fraction, and stay within the range of what is stored, so that they survive the store. */
union number {
    float f;
    double d;
    int64_t i;
};
static union number number_of(double x, tl_dtype type)
{
    static const double least[TL_DTYPE_COUNT] = {[TL_I8] = -128, [TL_I32] = -0x1p31, [TL_I64] = -0x1p63};
    static const double most[TL_DTYPE_COUNT] = {[TL_I8] = 127, [TL_U8] = 255, [TL_I32] = 0x1p31 - 1, [TL_I64] = 0x1p63, [TL_BOOL] = 1};
    union number n = {.i = 0};
    if (type == TL_F64)
        n.d = x;
    else if (tl_dtype_is_float(type))
        n.f = (float)x;
    else
        n.i = x != x ? 0 : x <= least[type] ? (int64_t)least[type] : x >= most[type] ? (type == TL_I64 ? INT64_MAX : (int64_t)most[type]) : (int64_t)x;
    return n;
}

static tl_status find_kernel(struct gpu *gpu, const struct entry *e, const struct tl_call *call, const struct form *f,
                             const struct gpu_kernel **kernel)
{
    uint64_t key = key_of(call, f);
    if ((*kernel = gpu_quick_get(gpu, key)))
        return TL_OK;
    struct gpu_defines d = {0};
    define_form(&d, e, call, f);
    tl_status s = gpu_kernel(gpu, "pointwise", f->way[0] == STRIDED ? "pointwise_strided" : "pointwise_dense", d.text, kernel);
    if (s == TL_OK)
        gpu_quick_put(gpu, key, *kernel);
    return s;
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)plan, (void)workspace;
    struct gpu *gpu = stream->gpu;
    const struct entry *e = entry_of(call);
    const struct tl_pointwise_attrs *attrs = call->attrs;
    const struct tl_view *out = &call->out[0];
    const int64_t n = tl_view_numel(out);
    if (n == 0)
        return TL_OK;
    struct form f = form_of(call);
    const struct gpu_kernel *kernel;
    tl_status s = find_kernel(gpu, e, call, &f, &kernel);
    if (s != TL_OK)
        return s;
    const tl_dtype type = computed(e, call);
    const union number p = number_of(attrs ? attrs->p : 0, type), q = number_of(attrs ? attrs->q : 0, type);
    const size_t number_size = type == TL_F64 || !tl_dtype_is_float(type) ? 8 : 4;
    const int32_t n32 = (int32_t)n, site = checks_divisor(e, type) ? gpu_report_site(call->op) : 0;
    union gpu_walk walk;
    struct gpu_arg args[TL_PW_OPERANDS + 7];
    int k = 0;
    for (int i = 0; i < f.n; i++)
        args[k++] = GPU_VIEW(&call->in[i]);
    args[k++] = GPU_VIEW(out);
    args[k++] = f.small ? GPU_VALUE(n32) : GPU_VALUE(n);
    args[k++] = (struct gpu_arg){.value = &p, .size = number_size};
    args[k++] = (struct gpu_arg){.value = &q, .size = number_size};
    if (f.way[0] == STRIDED)
        args[k++] = (struct gpu_arg){.value = &walk, .size = gpu_walk_fill(&walk, f.small, out, call->in, f.n)};
    if (checks_divisor(e, type)) {
        args[k++] = GPU_REPORT_ARG(gpu);
        args[k++] = GPU_VALUE(site);
    }
    return gpu_launch(stream, kernel, call->op, gpu_grid_for(gpu, n, f.width, 256), k, args);
}

size_t gpu_walk_fill(union gpu_walk *w, bool small, const struct tl_view *out, const struct tl_view *in, int n_in)
{
    int ndim = out->ndim;
    for (int d = 0; d < 8; d++) {
        int64_t shape = d < ndim ? out->shape[d] : 1, to = d < ndim ? out->stride[d] : 0;
        if (small)
            w->small.shape[d] = (int32_t)shape, w->small.out[d] = (int32_t)to;
        else
            w->large.shape[d] = shape, w->large.out[d] = to;
        for (int i = 0; i < 5; i++) {
            int64_t from = d < ndim && i < n_in ? in[i].stride[d] : 0;
            if (small)
                w->small.in[i][d] = (int32_t)from;
            else
                w->large.in[i][d] = from;
        }
    }
    return small ? sizeof w->small : sizeof w->large;
}

size_t gpu_pointwise(const struct tl_kernel **list, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strcmp(entries[i].text, "g") == 0 || tl_pointwise_uses(entries[i].text) == 0)
            continue; /* a gradient that needs no computing: what arrives, a constant, none */
        if (n < room) {
            kernels[i] = (struct tl_kernel){.struct_size = sizeof(struct tl_kernel),
                                            .flags = TL_KERNEL_STRIDED,
                                            .op = entries[i].name,
                                            .maker = "gpu:pointwise",
                                            .refuses = refuses,
                                            .run = run};
            list[n] = &kernels[i];
        }
        n++;
    }
    return n;
}
