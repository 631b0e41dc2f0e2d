/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of the reference backend against PyTorch's numbers (tests/golden/reference.txt): it is the oracle of the
 * conformance suite, so somebody has to test it. The plugin is loaded and called as the core does it, without the core.
 */
#include <dlfcn.h>
#include <telar/attrs.h>
#include <telar/backend.h>
#include <telar/pointwise.h>

#include "tap.h"

enum { MAX_OPERANDS = 12, MAX_KERNELS = 512 };

static const struct tl_backend *backend;
static struct tl_device *device;
static char message[1024]; /* of the last failure */
static bool called[MAX_KERNELS];

__attribute__((format(printf, 2, 3))) static tl_status set_failure(tl_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return code;
}

static const struct tl_host host = {.struct_size = sizeof host, .fail = set_failure};

/* ---- A case, as read from the file -------------------------------------------------------------------------------------- */

/* A tensor; dtype TL_DEFAULT stands for "real": f64 and f32. Integers are kept in `whole`, reals in `real`. */
struct tensor {
    bool absent;
    tl_dtype dtype;
    int ndim;
    int64_t shape[TL_MAX_DIMS], n;
    double *real;
    int64_t *whole;
};

/* An attribute struct of any family, and how to find its fields. */
struct family {
    const char *name;
    const struct tl_attr_field *fields;
};
#define FAMILY(name) static const struct tl_attr_field name##_fields[] = {TL_ATTR_TABLE(name)};
#define FAMILIES(X) \
    X(pointwise) X(fill) X(reduce) X(along) X(addmm) X(conv2d) X(pool2d) X(adaptive_pool2d) X(unfold) X(batch_norm) X(layer_norm) X(rnn) X(loss) \
    X(nll) X(shape) X(pad) X(order) X(embedding)
FAMILIES(FAMILY)
#define ENTRY(name) {#name, name##_fields},
static const struct family families[] = {FAMILIES(ENTRY)};

struct one_case {
    char op[64], variant[64];
    int n_in, n_out;
    struct tensor in[MAX_OPERANDS], out[MAX_OPERANDS];
    _Alignas(16) unsigned char attrs[512];
    char residual[64]; /* "", "keep" or "use" */
};

static struct {
    void *memory;
    size_t size;
    const char *maker;
} kept; /* the residual of the last case that said "keep" */

static void word(FILE *f, char text[64])
{
    if (fscanf(f, "%63s", text) != 1)
        bail_out("the golden file ends too early");
}

static double number(FILE *f)
{
    char text[64];
    word(f, text);
    return strtod(text, NULL);
}

static tl_dtype dtype_named(const char *name)
{
    for (int t = TL_F32; t < TL_DTYPE_COUNT; t++)
        if (!strcmp(tl_dtype_name((tl_dtype)t), name))
            return (tl_dtype)t;
    return TL_DEFAULT;
}

static void read_tensor(FILE *f, struct tensor *t)
{
    char text[64];
    word(f, text);
    *t = (struct tensor){.absent = !strcmp(text, "absent"), .dtype = dtype_named(text)};
    if (t->absent)
        return;
    t->n = 1;
    t->ndim = (int)number(f);
    for (int d = 0; d < t->ndim; d++)
        t->n *= t->shape[d] = (int64_t)number(f);
    t->real = calloc((size_t)t->n + 1, sizeof *t->real);
    t->whole = calloc((size_t)t->n + 1, sizeof *t->whole);
    for (int64_t i = 0; i < t->n; i++) {
        word(f, text);
        t->real[i] = strtod(text, NULL);
        t->whole[i] = strtoll(text, NULL, 10);
    }
}

static void set_field(unsigned char *attrs, const struct tl_attr_field *field, int count, const double *v)
{
    void *at = attrs + field->offset;
    switch (field->kind) {
    case TL_ATTR_I64: *(int64_t *)at = (int64_t)v[0]; break;
    case TL_ATTR_F64: *(double *)at = v[0]; break;
    case TL_ATTR_BOOL: *(bool *)at = v[0] != 0; break;
    case TL_ATTR_PAIR: ((int64_t *)at)[0] = (int64_t)v[0], ((int64_t *)at)[1] = (int64_t)v[1]; break;
    case TL_ATTR_DIMS:
        ((struct tl_dims *)at)->n = count;
        for (int i = 0; i < count; i++)
            ((struct tl_dims *)at)->v[i] = (int64_t)v[i];
        break;
    default: bail_out("an attribute of a kind that the test does not know");
    }
}

static void read_attrs(FILE *f, unsigned char *attrs)
{
    char text[64];
    const struct tl_attr_field *fields = NULL;
    word(f, text);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcmp(families[i].name, text))
            fields = families[i].fields;
    if (!fields)
        bail_out("no attributes \"%s\"", text);
    for (word(f, text); strcmp(text, "end") != 0; word(f, text)) {
        const struct tl_attr_field *field = fields;
        double v[TL_MAX_DIMS] = {0};
        while (field->name && strcmp(field->name, text) != 0)
            field++;
        if (!field->name)
            bail_out("no attribute \"%s\"", text);
        int count = (int)number(f);
        for (int i = 0; i < count && i < TL_MAX_DIMS; i++)
            v[i] = number(f);
        set_field(attrs, field, count, v);
    }
}

/* The next case; false at the end of the file. */
static bool read_case(FILE *f, struct one_case *c)
{
    char text[64];
    memset(c, 0, sizeof *c);
    if (fscanf(f, "%63s", text) != 1)
        return false;
    word(f, c->op);
    word(f, c->variant);
    for (word(f, text); strcmp(text, "done") != 0; word(f, text)) {
        if (!strcmp(text, "attrs"))
            read_attrs(f, c->attrs);
        else if (!strcmp(text, "in") && c->n_in < MAX_OPERANDS)
            read_tensor(f, &c->in[c->n_in++]);
        else if (!strcmp(text, "out") && c->n_out < MAX_OPERANDS)
            read_tensor(f, &c->out[c->n_out++]);
        else if (!strcmp(text, "residual"))
            word(f, c->residual);
        else
            bail_out("\"%s\" in the golden file", text);
    }
    return true;
}

static void free_case(struct one_case *c)
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(c->in[i].real), free(c->in[i].whole);
        free(c->out[i].real), free(c->out[i].whole);
    }
}

/* ---- Memory ------------------------------------------------------------------------------------------------------------- */

static void put(tl_dtype dtype, void *memory, int64_t at, double real, int64_t whole)
{
    switch (dtype) {
    case TL_F32: ((float *)memory)[at] = (float)real; break;
    case TL_F64: ((double *)memory)[at] = real; break;
    case TL_I8: ((int8_t *)memory)[at] = (int8_t)whole; break;
    case TL_U8: case TL_BOOL: ((uint8_t *)memory)[at] = (uint8_t)whole; break;
    case TL_I32: ((int32_t *)memory)[at] = (int32_t)whole; break;
    default: ((int64_t *)memory)[at] = whole; break;
    }
}

static double get(tl_dtype dtype, const void *memory, int64_t at, int64_t *whole)
{
    *whole = 0;
    switch (dtype) {
    case TL_F32: return (double)((const float *)memory)[at];
    case TL_F64: return ((const double *)memory)[at];
    case TL_I8: *whole = ((const int8_t *)memory)[at]; break;
    case TL_U8: case TL_BOOL: *whole = ((const uint8_t *)memory)[at]; break;
    case TL_I32: *whole = ((const int32_t *)memory)[at]; break;
    default: *whole = ((const int64_t *)memory)[at]; break;
    }
    return 0;
}

/* A view of fresh memory with the tensor's values; `spread`: the elements are that many places apart. */
static struct tl_view view_of(const struct tensor *t, tl_dtype real, int64_t spread)
{
    struct tl_view v = {.ndim = t->absent ? -1 : t->ndim, .dtype = t->dtype == TL_DEFAULT ? real : t->dtype};
    int64_t stride = spread;
    if (t->absent)
        return v;
    v.layout = spread > 1 ? TL_LAYOUT_STRIDED : TL_LAYOUT_CONTIGUOUS;
    for (int d = t->ndim - 1; d >= 0; d--) {
        v.shape[d] = t->shape[d];
        v.stride[d] = stride;
        stride *= t->shape[d];
    }
    v.mem.handle = calloc((size_t)(t->n * spread) + 1, 8);
    for (int64_t i = 0; i < t->n; i++)
        put(v.dtype, v.mem.handle, i * spread, t->real[i], t->whole[i]);
    return v;
}

/* ---- Running ------------------------------------------------------------------------------------------------------------ */

static const struct tl_kernel *kernel_of(const char *op)
{
    for (int i = 0; backend->kernels[i]; i++)
        if (!strcmp(backend->kernels[i]->op, op)) {
            called[i] = true;
            return backend->kernels[i];
        }
    return NULL;
}

/* Do a call as the core would: ask, prepare, give workspace and residual, run. */
static tl_status run(const struct tl_kernel *kernel, struct tl_call *call, const char *residual)
{
    uint32_t layouts[2][MAX_OPERANDS] = {{0}};
    struct tl_prep prep = {.struct_size = sizeof prep, .in_layout = layouts[0], .out_layout = layouts[1]};
    struct tl_residual r = {0};
    struct tl_mem workspace = {0};
    call->residual = &r;
    call->flags = !strcmp(residual, "keep") ? TL_CALL_WANT_RESIDUAL : 0;
    const char *why = kernel->refuses ? kernel->refuses(device, call) : NULL;
    if (why)
        return set_failure(TL_ERR_UNSUPPORTED, "refused: %s", why);
    if (kernel->prepare && kernel->prepare(device, call, &prep) != TL_OK)
        return TL_ERR_STATE;
    if (call->flags) {
        free(kept.memory);
        kept.memory = calloc(1, prep.residual + 1);
        kept.size = prep.residual;
        kept.maker = kernel->maker;
    }
    if (*residual)
        r = (struct tl_residual){.maker = kept.maker, .size = kept.size, .mem.handle = kept.memory};
    workspace.handle = calloc(1, prep.workspace + 1);
    tl_status status = kernel->run(NULL, prep.plan, call, workspace);
    free(workspace.handle);
    return status;
}

static double largest(const struct tensor *t)
{
    double most = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (isfinite(t->real[i]))
            most = fmax(most, fabs(t->real[i]));
    return most;
}

/* Is the output as expected? Reals: within a part of the largest; integers: equal. */
static bool same(const struct tensor *want, const struct tl_view *got, int64_t spread, const char *what)
{
    const bool real = want->dtype == TL_DEFAULT;
    const double bound = (got->dtype == TL_F32 ? 1e-6 : 2e-12) * largest(want);
    for (int64_t i = 0; !want->absent && i < want->n; i++) {
        int64_t whole;
        double v = get(got->dtype, got->mem.handle, i * spread, &whole), w = want->real[i];
        bool good = !real      ? whole == want->whole[i]
                    : isnan(w) ? isnan(v) != 0
                    : isinf(w) ? isinf(v) && (v > 0) == (w > 0)
                               : fabs(v - w) <= bound;
        if (!good) {
            if (real)
                diag("%s: element %lld is %.17g, %.17g expected, within %g", what, (long long)i, v, w, bound);
            else
                diag("%s: element %lld is %lld, %lld expected", what, (long long)i, (long long)whole, (long long)want->whole[i]);
            return false;
        }
    }
    return true;
}

/* Run a case with its reals in one type, and its operands `spread` places apart. */
static bool run_case(const struct one_case *c, tl_dtype real, int64_t spread)
{
    const struct tl_kernel *kernel = kernel_of(c->op);
    struct tl_view in[MAX_OPERANDS], out[MAX_OPERANDS];
    struct tl_call call = {.struct_size = sizeof call, .op = c->op, .attrs = c->attrs,
                           .n_in = c->n_in, .n_out = c->n_out, .in = in, .out = out};
    char what[200];
    snprintf(what, sizeof what, "%s %s in %s%s", c->op, c->variant, tl_dtype_name(real), spread > 1 ? ", with gaps" : "");
    if (!kernel || (spread > 1 && !(kernel->flags & TL_KERNEL_STRIDED)))
        return kernel != NULL;
    for (int i = 0; i < c->n_in; i++)
        in[i] = view_of(&c->in[i], real, spread);
    for (int i = 0; i < c->n_out; i++) {
        out[i] = view_of(&c->out[i], real, spread);
        if (!c->out[i].absent)
            memset(out[i].mem.handle, 0x55, (size_t)(c->out[i].n * spread) * 8);
    }
    bool good = run(kernel, &call, c->residual) == TL_OK;
    if (!good)
        diag("%s: %s", what, message);
    for (int i = 0; i < c->n_out && good; i++)
        good = same(&c->out[i], &out[i], spread, what);
    for (int i = 0; i < c->n_in; i++)
        free(in[i].mem.handle);
    for (int i = 0; i < c->n_out; i++)
        free(out[i].mem.handle);
    return good;
}

static bool has_reals(const struct one_case *c)
{
    bool reals = false;
    for (int i = 0; i < MAX_OPERANDS; i++)
        reals = reals || (c->in[i].real && c->in[i].dtype == TL_DEFAULT) || (c->out[i].real && c->out[i].dtype == TL_DEFAULT);
    return reals;
}

/* copy and fill from an f64 that f32 cannot hold are tests of f64 only. */
static bool exact_in_f32(const struct one_case *c)
{
    return strcmp(c->op, "copy") != 0;
}

static void test_golden(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/reference.txt", TEST_SRCDIR "/tests");
    FILE *f = fopen(path, "r");
    struct one_case c;
    if (!f)
        bail_out("cannot open %s", path);
    while (read_case(f, &c)) {
        bool good = run_case(&c, TL_F64, 1) && run_case(&c, TL_F64, 3);
        if (has_reals(&c) && exact_in_f32(&c))
            good = run_case(&c, TL_F32, 1) && run_case(&c, TL_F32, 3) && good;
        ok(good, "%s %s", c.op, c.variant);
        free_case(&c);
    }
    fclose(f);
    free(kept.memory);
}

/* ---- The plugin itself -------------------------------------------------------------------------------------------------- */

static void test_table(void)
{
    int unseen = 0, twice = 0, n = 0;
    for (; backend->kernels[n] && n < MAX_KERNELS; n++) {
        for (int k = 0; k < n; k++)
            twice += !strcmp(backend->kernels[k]->op, backend->kernels[n]->op);
        if (!called[n]) {
            unseen++;
            diag("no case calls %s", backend->kernels[n]->op);
        }
    }
    is_int(twice, 0, "no op has two kernels");
    is_int(unseen, 0, "the golden file has cases for all %d kernels", n);

    int missing = 0, too_many = 0;
#define CHECK(name_text, gradient)                                                       \
    if (!strcmp(gradient, "g") || tl_pointwise_uses(gradient) == 0)                      \
        too_many += kernel_of(name_text) != NULL;                                        \
    else                                                                                 \
        missing += kernel_of(name_text) == NULL;
#define TL_UNARY(name, rule, f, da, formula) CHECK(#name, #f) CHECK(#name "_da", #da)
#define TL_BINARY(name, rule, f, da, db, formula) TL_UNARY(name, rule, f, da, formula) CHECK(#name "_db", #db)
#define TL_TERNARY(name, rule, f, da, db, dc, formula) TL_BINARY(name, rule, f, da, db, formula) CHECK(#name "_dc", #dc)
#define TL_TEST1(name, f, formula) CHECK(#name, #f)
#define TL_TEST2(name, f, formula) CHECK(#name, #f)
#include <telar/pointwise.def>
    is_int(missing, 0, "every line of pointwise.def has its kernels");
    is_int(too_many, 0, "gradients that need no computing have none");
}

/* A view of an array of the caller's. */
static struct tl_view array(tl_dtype dtype, void *data, int ndim, int64_t rows, int64_t columns)
{
    return (struct tl_view){.dtype = dtype, .ndim = ndim, .shape = {rows, columns},
                            .stride = {ndim == 2 ? columns : 1, 1}, .mem.handle = data};
}

/* Call an op that must fail; the message is left in `message`. */
static tl_status call_op(const char *op, const void *attrs, int n_in, struct tl_view *in, int n_out, struct tl_view *out)
{
    const struct tl_kernel *kernel = kernel_of(op);
    struct tl_call call = {.struct_size = sizeof call, .op = op, .attrs = attrs,
                           .n_in = n_in, .n_out = n_out, .in = in, .out = out};
    *message = '\0';
    return kernel ? run(kernel, &call, "") : TL_ERR_NOT_FOUND;
}

static void test_bad_values(void)
{
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {0}, total[1];
    int64_t index[2] = {1, 3};
    const struct tl_along_attrs along = {.struct_size = sizeof along};
    const struct tl_embedding_attrs embedding = {.struct_size = sizeof embedding, .rows = 3};
    const struct tl_nll_attrs nll = {.struct_size = sizeof nll, .classes = 3};
    struct tl_view table = array(TL_F32, x, 2, 3, 2), which = array(TL_I64, index, 1, 2, 1), line = array(TL_F32, x, 1, 3, 1);
    struct tl_view to = array(TL_F32, y, 2, 2, 2), to_line = array(TL_F32, y, 1, 2, 1), logits = array(TL_F32, x, 2, 2, 3);
    struct tl_view dx = array(TL_F32, y, 2, 2, 3), one = array(TL_F32, total, 0, 0, 0), absent = {.ndim = -1};
    struct tl_view three = array(TL_F32, y, 1, 3, 1), two = array(TL_F32, x, 1, 2, 1);
    struct tl_view rows = array(TL_F32, x, 2, 2, 2), all = array(TL_F32, y, 2, 3, 2);

    is_int(call_op("gather", &along, 2, (struct tl_view[]){line, which}, 1, &to_line), TL_ERR_INDEX,
           "gather: an index past the end");
    contains(message, "index 3 at position 1 is out of range: expected 0 to 2",
             "the message says which, where, and what is legal");
    is_int(call_op("scatter_add", &along, 3, (struct tl_view[]){line, which, two}, 1, &three), TL_ERR_INDEX, "scatter_add");
    is_int(call_op("index_select", &along, 2, (struct tl_view[]){table, which}, 1, &to), TL_ERR_INDEX, "index_select");
    is_int(call_op("index_add", &along, 3, (struct tl_view[]){table, which, rows}, 1, &all), TL_ERR_INDEX, "index_add");
    is_int(call_op("embedding", &embedding, 2, (struct tl_view[]){table, which}, 1, &to), TL_ERR_INDEX, "embedding");
    is_int(call_op("embedding_grad", &embedding, 2, (struct tl_view[]){rows, which}, 1, &all), TL_ERR_INDEX, "embedding_grad");
    is_int(call_op("nll_loss", &nll, 3, (struct tl_view[]){logits, which, absent}, 2, (struct tl_view[]){one, one}),
           TL_ERR_INDEX, "nll_loss");
    contains(message, "label 3 at position 1", "the message speaks of a label");
    is_int(call_op("nll_loss_grad", &nll, 4, (struct tl_view[]){one, which, absent, one}, 1, &dx), TL_ERR_INDEX, "nll_loss_grad");
    index[1] = -1;
    is_int(call_op("gather", &along, 2, (struct tl_view[]){line, which}, 1, &to_line), TL_ERR_INDEX, "gather: a negative index");

    int32_t a[2] = {7, 8}, b[2] = {2, 0}, r[2] = {5, 5};
    struct tl_view quotients[] = {array(TL_I32, a, 1, 2, 1), array(TL_I32, b, 1, 2, 1)}, rest = array(TL_I32, r, 1, 2, 1);
    is_int(call_op("fmod", NULL, 2, quotients, 1, &rest), TL_ERR_ARGUMENT, "fmod: an integer has no remainder for zero");
    ok(r[0] == 5 && r[1] == 5, "and nothing was written");

    const struct tl_reduce_attrs reduce = {.struct_size = sizeof reduce, .dims = TL_DIMS(0), .keepdim = true};
    struct tl_view nothing = array(TL_F32, x, 1, 0, 1), single = array(TL_F32, y, 1, 1, 1);
    is_int(call_op("amax", &reduce, 1, &nothing, 1, &single), TL_ERR_SHAPE, "amax: nothing has no largest element");
}

/* Every f16 and bf16 survives the way to f32 and back; sums and bounds of rounding are those of IEEE 754. */
static void test_halves(void)
{
    static uint16_t half[65536], back[65536];
    static float wide[65536];
    const struct {
        tl_dtype dtype;
        float value;
        uint16_t bits;
        const char *what;
    } rounded[] = {
        {TL_F16, 65519.0f, 0x7bff, "f16: the largest"},       {TL_F16, 65520.0f, 0x7c00, "f16: infinity"},
        {TL_F16, 0x1p-24f, 0x0001, "f16: the smallest"},      {TL_F16, 0x1p-25f, 0x0000, "f16: half of it, to even"},
        {TL_F16, 0x1.8p-25f, 0x0001, "f16: more than half"},  {TL_F16, 0x1.ffcp-15f, 0x0400, "f16: up to a normal number"},
        {TL_F16, 1.00048828125f, 0x3c00, "f16: 1, to even"},  {TL_F16, 1.00146484375f, 0x3c02, "f16: up, to even"},
        {TL_BF16, 1.00390625f, 0x3f80, "bf16: 1, to even"},   {TL_BF16, 1.01171875f, 0x3f82, "bf16: up, to even"},
        {TL_BF16, 3.4e38f, 0x7f80, "bf16: infinity"},         {TL_BF16, -0.0f, 0x8000, "bf16: minus zero"},
    };
    for (int k = 0; k < 2; k++) {
        const tl_dtype dtype = k ? TL_BF16 : TL_F16;
        struct tl_view narrow = array(dtype, half, 1, 65536, 1), f32 = array(TL_F32, wide, 1, 65536, 1);
        struct tl_view again = array(dtype, back, 1, 65536, 1);
        int wrong = 0;
        for (int i = 0; i < 65536; i++)
            half[i] = (uint16_t)i;
        call_op("copy", NULL, 1, &narrow, 1, &f32);
        call_op("copy", NULL, 1, &f32, 1, &again);
        for (int i = 0; i < 65536; i++)
            wrong += isnan(wide[i]) ? (back[i] & 0x7fff) <= (k ? 0x7f80 : 0x7c00) : back[i] != half[i];
        is_int(wrong, 0, "%s to f32 and back", tl_dtype_name(dtype));
    }
    for (size_t i = 0; i < sizeof rounded / sizeof *rounded; i++) {
        float value = rounded[i].value;
        struct tl_view from = array(TL_F32, &value, 0, 0, 0), to = array(rounded[i].dtype, back, 0, 0, 0);
        call_op("copy", NULL, 1, &from, 1, &to);
        is_int(back[0], rounded[i].bits, "%s", rounded[i].what);
    }
}

/* A result may lie over an operand; a number repeated by stride 0 is an operand like any other. */
static void test_device(void)
{
    float a[600], b = 2;
    bool good = true;
    for (int i = 0; i < 600; i++)
        a[i] = (float)i;
    struct tl_view in[] = {array(TL_F32, a, 1, 600, 1), array(TL_F32, &b, 1, 600, 1)};
    in[1].stride[0] = 0;
    call_op("mul", NULL, 2, in, 1, in);
    for (int i = 0; i < 600; i++)
        good = good && a[i] == 2 * (float)i;
    ok(good, "mul over its first operand, by one repeated number");

    struct tl_device *none = NULL;
    is_int(backend->device_open(1, &none), TL_ERR_DEVICE, "there is one device");
    ok(device->flags & TL_DEVICE_HOST_MEMORY && device->alignment >= 64, "it is the host's memory");
    ok(!backend->alloc && !backend->copy && !backend->stream_open, "which the core looks after, without a stream");
}

int main(void)
{
    void *object = dlopen(TEST_BUILDDIR "/plugins-tree/backends/reference.so", RTLD_NOW | RTLD_LOCAL);
    const struct tl_plugin *plugin = object ? dlsym(object, TL_PLUGIN_SYMBOL) : NULL;
    const void *table = NULL;
    struct tl_error error = {0};
    if (!plugin)
        bail_out("cannot load the plugin: %s", dlerror());
    if (plugin->open(&host, &table, &error) != TL_OK)
        bail_out("open: %s", error.message);
    backend = table;
    if (backend->device_open(0, &device) != TL_OK)
        bail_out("no device: %s", message);
    is_string(plugin->kind, "backend", "a backend");
    is_string(plugin->name, "reference", "named as its file");
    test_golden();
    test_table();
    test_bad_values();
    test_halves();
    test_device();
    backend->device_close(device);
    plugin->close(table);
    return done_testing();
}
