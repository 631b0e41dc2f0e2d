/* SPDX-License-Identifier: Apache-2.0
 *
 * Users' differentiable functions. Shapes of results are known only after forward ran, but an op must say them before. So
 * forward runs first, and then an op is called whose inputs are the function's inputs and what it saved, and whose attributes
 * point to the results: it hands them on, and so gives them a place in the graph with the user's backward as its gradient.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <telar/function.h>
#include <telar/nn.h>

enum { DATA_WORDS = 16, MAX_TENSORS = 16, MAX_OUTPUTS = 8 };

/* Attributes of the op: the function, and the user's data word by word. */
struct function_attrs {
    size_t struct_size;
    int64_t function;
    int64_t has_data;
    int64_t results; /* tl_tensor **, of forward; for the length of the call only */
    int64_t word[DATA_WORDS];
};

#define FIELD(f)                                                                                                                 \
    {                                                                                                                            \
#f, TL_ATTR_I64, (uint32_t)offsetof(struct function_attrs, f)                                                            \
    }
#define WORD(i)                                                                                                                  \
    {                                                                                                                            \
        "word", TL_ATTR_I64, (uint32_t)(offsetof(struct function_attrs, word) + (i) * sizeof(int64_t))                           \
    }
static const struct tl_attr_field fields[] = {
    FIELD(function), FIELD(has_data), WORD(0),  WORD(1),  WORD(2),  WORD(3),  WORD(4),  WORD(5),  WORD(6),      WORD(7),
    WORD(8),         WORD(9),         WORD(10), WORD(11), WORD(12), WORD(13), WORD(14), WORD(15), {NULL, 0, 0},
};

static const struct tl_function *function_of(const void *attrs)
{
    return (const struct tl_function *)(uintptr_t)((const struct function_attrs *)attrs)->function;
}

static const void *data_of(const void *attrs)
{
    const struct function_attrs *a = attrs;
    return a->has_data ? a->word : NULL;
}

/* ---- The op --------------------------------------------------------------------------------------------------------- */

static tl_tensor *const *results_of(const void *attrs)
{
    return (tl_tensor *const *)(uintptr_t)((const struct function_attrs *)attrs)->results;
}

static tl_status infer(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)in;
    (void)n_in;
    for (int i = 0; i < function_of(attrs)->n_out; i++) {
        const tl_tensor *y = results_of(attrs)[i];
        out[i] = (struct tl_meta){.dtype = tl_dtype_of(y), .ndim = tl_ndim(y)};
        memcpy(out[i].shape, tl_shape(y), (size_t)tl_ndim(y) * sizeof out[i].shape[0]);
    }
    return TL_OK;
}

static tl_status decompose(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)in;
    (void)n_in;
    for (int i = 0; i < function_of(attrs)->n_out; i++) {
        /* A handle of its own: the result may be one of the inputs. */
        out[i] = tl_detach(results_of(attrs)[i]);
        if (!out[i])
            return tl_error_code();
    }
    return TL_OK;
}

static tl_status grad(struct tl_grad_ctx *g)
{
    const void *attrs = tl_grad_attrs(g);
    const struct tl_function *f = function_of(attrs);
    if (!f->backward)
        return tl_fail(TL_ERR_UNSUPPORTED, "%s has no backward, so there is no gradient through it", f->name);
    tl_status status = f->backward(g, data_of(attrs));
    if (status != TL_OK)
        tl_fail(status, "%s: its backward failed", f->name);
    return status;
}

tl_tensor *tl_function_saved(struct tl_grad_ctx *g, int i)
{
    const struct tl_function *f = function_of(tl_grad_attrs(g));
    if (i >= 0 && i < f->n_saved)
        return tl_grad_input(g, f->n_in + i);
    tl_fail(TL_ERR_INDEX, "%s: saved tensor %d is asked for; it has %d", f->name, i, f->n_saved);
    return NULL;
}

/* ---- One op for each function ----------------------------------------------------------------------------------------- */

struct registered {
    const struct tl_function *function;
    tl_op op;
    char name[96], grad_name[96];
    struct registered *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct registered *all; /* for the life of the process, as all ops */

static tl_status check(const struct tl_function *f)
{
    if (!f || !f->name || !f->forward)
        return tl_fail(TL_ERR_ARGUMENT, "apply: a function needs a name and a forward");
    if (f->struct_size < offsetof(struct tl_function, nondifferentiable_out))
        return tl_fail(TL_ERR_ARGUMENT, "%s: struct_size is %zu; set it to sizeof(struct tl_function), %zu", f->name,
                       f->struct_size, sizeof *f);
    if (f->n_in < 1 || f->n_out < 1 || f->n_out > MAX_OUTPUTS || f->n_saved < 0 || f->n_in > MAX_TENSORS ||
        f->n_saved > MAX_TENSORS || f->n_in + f->n_saved > MAX_TENSORS)
        return tl_fail(TL_ERR_ARGUMENT, "%s: %d inputs, %d saved and %d outputs; there may be %d of them together, %d outputs",
                       f->name, f->n_in, f->n_saved, f->n_out, MAX_TENSORS, MAX_OUTPUTS);
    return TL_OK;
}

/* With the lock held. */
static struct registered *find_or_make(const struct tl_function *f)
{
    int same_name = 0;
    for (struct registered *r = all; r; r = r->next) {
        if (r->function == f)
            return r;
        same_name += strcmp(r->function->name, f->name) == 0;
    }
    struct registered *r = check(f) == TL_OK ? calloc(1, sizeof *r) : NULL;
    if (!r) {
        tl_fail(TL_ERR_NOMEM, "%s: out of memory", f->name);
        return NULL;
    }
    snprintf(r->name, sizeof r->name, same_name ? "function.%.70s.%d" : "function.%.70s", f->name, same_name + 1);
    snprintf(r->grad_name, sizeof r->grad_name, "%.80sBackward", f->name);
    uint32_t inputs = (1u << f->n_in) - 1, saved = (1u << (f->n_in + f->n_saved)) - 1 - inputs;
    r->function = f;
    r->op = (tl_op){
        .struct_size = sizeof r->op,
        .name = r->name,
        .formula = "a function of the program",
        .flags = TL_OP_COMPOSITE | TL_OP_INTERNAL,
        .n_in = f->n_in + f->n_saved,
        .n_out = f->n_out,
        .optional_in = inputs | saved,
        .attrs = fields,
        .attrs_size = sizeof(struct function_attrs),
        .grad_name = r->grad_name,
        .infer = infer,
        .grad = grad,
        .saves_inputs = (f->saves_inputs & inputs) | saved,
        .saves_outputs = f->saves_outputs,
        .nondifferentiable_out = f->struct_size >= sizeof *f ? f->nondifferentiable_out : 0,
        .decompose = decompose,
    };
    if (tl_op_register(&r->op) != TL_OK) {
        free(r);
        return NULL;
    }
    r->next = all;
    all = r;
    return r;
}

/* ---- Applying --------------------------------------------------------------------------------------------------------- */

static tl_status run_forward(const struct tl_function *f, tl_tensor *const *in, tl_tensor **saved, tl_tensor **out,
                             const void *data)
{
    tl_status status = TL_OK;
    TL_NO_GRAD status = f->forward(in, out, saved, data);
    if (status != TL_OK)
        return tl_fail(status, "%s: its forward failed", f->name);
    for (int i = 0; i < f->n_out; i++)
        if (!out[i] || tl_is_none(out[i]))
            return tl_fail(TL_ERR_ARGUMENT, "%s: its forward gave no output %d", f->name, i);
    for (int i = 0; i < f->n_saved; i++)
        if (!saved[i])
            return tl_fail(TL_ERR_ARGUMENT, "%s: its forward left nothing in saved[%d]; TL_NONE says that there is nothing",
                           f->name, i);
    return TL_OK;
}

static tl_status apply(const struct registered *r, struct function_attrs *attrs, tl_tensor *const *in, tl_tensor **out)
{
    const struct tl_function *f = r->function;
    tl_tensor *all_in[MAX_TENSORS] = {0}, *results[MAX_OUTPUTS] = {0};
    memcpy(all_in, in, (size_t)f->n_in * sizeof *in);
    attrs->results = (int64_t)(uintptr_t)results;
    tl_scope scope = tl_scope_begin();
    tl_status status = run_forward(f, in, all_in + f->n_in, results, data_of(attrs));
    if (status == TL_OK)
        status = tl_op_call(&r->op, attrs, all_in, r->op.n_in, out);
    for (int i = 0; i < f->n_out; i++)
        out[i] = status == TL_OK ? tl_scope_return(out[i]) : NULL;
    tl_scope_end(&scope);
    return status;
}

tl_status tl_apply_n(const struct tl_function *f, const void *data, size_t size, int n, tl_tensor *const *in, tl_tensor **out)
{
    if (check(f) != TL_OK)
        return tl_error_code();
    for (int i = 0; i < f->n_out; i++)
        out[i] = NULL;
    if (n != f->n_in)
        return tl_fail(TL_ERR_ARGUMENT, "%s: takes %d tensors, not %d", f->name, f->n_in, n);
    for (int i = 0; i < n; i++)
        if (!in[i])
            return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is NULL, and no earlier call failed", f->name, i);
    struct function_attrs attrs = {.struct_size = sizeof attrs, .function = (int64_t)(uintptr_t)f, .has_data = data != NULL};
    if (size > sizeof attrs.word)
        return tl_fail(TL_ERR_LIMIT, "%s: %zu bytes of data; there may be %zu", f->name, size, sizeof attrs.word);
    if (data)
        memcpy(attrs.word, data, size);
    pthread_mutex_lock(&lock);
    const struct registered *r = find_or_make(f);
    pthread_mutex_unlock(&lock);
    return r ? apply(r, &attrs, in, out) : tl_error_code();
}

tl_tensor *tl_apply_1(const struct tl_function *f, const void *data, size_t size, int n, tl_tensor *const *in)
{
    tl_tensor *out[MAX_OUTPUTS];
    return tl_apply_n(f, data, size, n, in, out) == TL_OK ? out[0] : NULL;
}
