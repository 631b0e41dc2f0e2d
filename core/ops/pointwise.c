/* SPDX-License-Identifier: Apache-2.0
 *
 * Pointwise ops: everything that is made from the lines of <telar/pointwise.def>. The descriptors, the public functions and their
 * common way (which ends in run/pointwise.c), and the gradients: as fused kernels named <op>_da, _db, _dc in the everyday case, and
 * as differentiable expressions of tensor ops under create_graph. Both come from the same text.
 */
#include <math.h>
#include <stdio.h>
#include <telar/pointwise.h>

#include "core/internal.h"

/* ---- Calling ------------------------------------------------------------------------------------------------------------------ */

static tl_status bad_null(const struct op_entry *e, int i)
{
    return tl_fail(TL_ERR_ARGUMENT, "%s: input %d is NULL or TL_NONE, and no earlier call failed", e->op->name, i);
}

static tl_status check_rule(const struct op_entry *e, tl_dtype t)
{
    if (e->pointwise->rule == RULE_ARITH && t == TL_BOOL)
        return tl_fail(TL_ERR_DTYPE, "%s: not defined for bool; use the logical ops, or tl_cast() first", e->op->name);
    return TL_OK;
}

/* An integer that is not whole is none: bounds such as 0.5 make the operands floating, as they do in PyTorch. */
static bool is_whole(double number)
{
    return isinf(number) || number == trunc(number);
}

/* A tensor of exponents may hold negative ones (then 1 / a^n loses its fraction); the number -1 is a mistake. */
static tl_status check_exponent(const struct op_entry *e, tl_tensor *const *in, tl_dtype t)
{
    if (tl_dtype_is_float(t) || strcmp(e->op->name, "pow") != 0 || !(in[1]->flags & T_WRAPPED) || tl_item(in[1]) >= 0)
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "pow: integers have no power %g; convert them with tl_cast() to a floating type first", tl_item(in[1]));
}

/* Inputs of one dtype, on one device. */
static tl_status promote_inputs(const struct op_entry *e, tl_tensor *const *in, int n, double p, double q, tl_tensor **to)
{
    int first = e->pointwise->rule == RULE_COND ? 1 : 0;
    tl_dtype dtype = result_dtype(in + first, n - first);
    tl_status s = check_rule(e, dtype);
    if (s == TL_OK)
        s = check_exponent(e, in, dtype);
    if (s != TL_OK)
        return s;
    if (!tl_dtype_is_float(dtype) && (e->pointwise->rule == RULE_FLOAT || !is_whole(p) || !is_whole(q)))
        dtype = TL_F32;
    return operands_as(e->op->name, in, n, dtype, first, to);
}

static tl_status check_into(const struct op_entry *e, tl_tensor *into, tl_tensor *const *operands, tl_tensor *const *in, int n,
                            tl_dtype result)
{
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    if (pointwise_broadcast(e->op->name, in, n, &ndim, shape) != TL_OK)
        return tl_error_code();
    if (ndim != into->ndim || memcmp(shape, into->shape, (size_t)ndim * sizeof *shape) != 0) {
        char text[2][160];
        return tl_fail(TL_ERR_SHAPE, "%s in place: the result has shape %s, the tensor written %s", e->op->name,
                       shape_text(text[0], sizeof text[0], ndim, shape), shape_text(text[1], sizeof text[1], into->ndim, into->shape));
    }
    if (operands[0]->storage->device != into->storage->device)
        return tl_fail(TL_ERR_DEVICE, "%s in place: the result is on %s, the tensor written on %s", e->op->name,
                       operands[0]->storage->device->name, into->storage->device->name);
    if (dtype_category(result) > dtype_category((tl_dtype)into->dtype))
        return tl_fail(TL_ERR_DTYPE, "%s in place: a result of %s does not fit a tensor of %s", e->op->name, tl_dtype_name(result),
                       tl_dtype_name((tl_dtype)into->dtype));
    return TL_OK;
}

tl_tensor *pointwise_call(struct op_entry *e, tl_tensor *const *in, int n, double p, double q, tl_tensor *into)
{
    tl_tensor *same[3], *kept[3], *out = NULL;
    tl_tensor *const *operands = in;
    for (int i = 0; i < n; i++)
        if (UNLIKELY(!in[i] || is_none(in[i]))) {
            bad_null(e, i);
            return NULL;
        }
    if (UNLIKELY(forked(e->op->name)))
        return NULL;
    if (UNLIKELY(!operands_agree(in, n, true) || e->pointwise->rule == RULE_COND)) {
        if (promote_inputs(e, in, n, p, q, same) != TL_OK)
            return NULL;
        operands = same;
    }
    tl_dtype dtype = e->pointwise->rule == RULE_TEST ? TL_BOOL : (tl_dtype)operands[n - 1]->dtype;
    bool recording = !grad_mode_off && e->pointwise->rule != RULE_TEST && any_needs_grad(operands, n);
    if (UNLIKELY(into != NULL)) {
        if (check_into(e, into, operands, in, n, dtype) != TL_OK || !inplace_allowed(e->op->name, into, recording))
            return NULL;
        if (recording && keep_overwritten(e, operands, n, &into, kept) != TL_OK)
            return NULL;
        if (into->dtype == (uint8_t)dtype)
            out = into;
    }
    struct tl_pointwise_attrs attrs = {.struct_size = sizeof attrs, .p = p, .q = q};
    if (UNLIKELY(pointwise_compute(e, &attrs, operands, n, dtype, &out) != TL_OK))
        return NULL;
    if (UNLIKELY(into && out != into)) {
        if (tensor_written(into) != TL_OK || copy_values(out, into) != TL_OK)
            return NULL;
        out = into;
    }
    if (UNLIKELY(check_reference_on()) && !program_recorder && check_against_reference(e, &attrs, operands, n, &out) != TL_OK)
        return NULL;
    if (recording) {
        struct tl_meta meta = {.dtype = (tl_dtype)out->dtype, .ndim = out->ndim};
        memcpy(meta.shape, out->shape, sizeof meta.shape);
        if (record(e, &attrs, operands, n, &out, &meta, NULL, into ? &into : NULL, into ? kept : NULL) != TL_OK)
            return NULL;
    }
    return out;
}

/* ---- Gradients ------------------------------------------------------------------------------------------------------------------ */

static tl_status pointwise_grad(struct tl_grad_ctx *g)
{
    struct op_entry *e = grad_entry(g);
    const struct pointwise *pw = e->pointwise;
    const struct tl_pointwise_attrs *attrs = tl_grad_attrs(g);
    tl_tensor *arriving = tl_grad_arriving(g, 0);
    for (int i = 0; i < e->op->n_in; i++) {
        if (!tl_grad_wants(g, i) || !pw->gradient[i] || strcmp(pw->gradient[i], "none") == 0)
            continue;
        tl_tensor *operand[TL_PW_OPERANDS] = {arriving}, *used[TL_PW_OPERANDS], *result = NULL;
        int n = 0;
        for (int k = TL_PW_A; k <= TL_PW_Y; k++)
            if (pw->uses[i] & (1u << k)) {
                operand[k] = k == TL_PW_Y ? tl_grad_output(g, 0) : tl_grad_input(g, k - TL_PW_A);
                if (!operand[k])
                    return tl_error_code();
            }
        for (int k = TL_PW_G; k <= TL_PW_Y; k++)
            if (pw->uses[i] & (1u << k))
                used[n++] = operand[k];
        if (strcmp(pw->gradient[i], "g") == 0)
            result = arriving;
        else if (tl_grad_enabled() || n == 0)
            result = pw->differentiable[i](arriving, operand[TL_PW_A], operand[TL_PW_B], operand[TL_PW_C], operand[TL_PW_Y],
                                           tl_scalar(attrs->p), tl_scalar(attrs->q));
        else
            pointwise_compute(pw->kernel[i], attrs, used, n, (tl_dtype)used[0]->dtype, &result);
        if (tl_grad_set(g, i, result) != TL_OK)
            return tl_error_code();
    }
    return TL_OK;
}

/* The table, read as tensor ops: every verb, whether or not a gradient uses it today. */
#define add(a, b) tl_add(a, b)
#define sub(a, b) tl_sub(a, b)
#define mul(a, b) tl_mul(a, b)
#define div(a, b) tl_div(a, b)
#define neg(a) tl_neg(a)
#define abs_(a) tl_abs(a)
#define sign_(a) tl_sign(a)
#define min_(a, b) tl_minimum(a, b)
#define max_(a, b) tl_maximum(a, b)
#define pow_(a, b) tl_pow(a, b)
#define sqrt_(a) tl_sqrt(a)
#define rsqrt_(a) tl_rsqrt(a)
#define exp_(a) tl_exp(a)
#define expm1_(a) tl_expm1(a)
#define log_(a) tl_log(a)
#define log1p_(a) tl_log1p(a)
#define log2_(a) tl_log2(a)
#define sin_(a) tl_sin(a)
#define cos_(a) tl_cos(a)
#define tanh_(a) tl_tanh(a)
#define erf_(a) tl_erf(a)
#define floor_(a) tl_floor(a)
#define ceil_(a) tl_ceil(a)
#define trunc_(a) tl_trunc(a)
#define round_(a) tl_round(a)
#define fmod_(a, b) tl_fmod(a, b)
#define sigmoid_(a) tl_sigmoid(a)
#define lt(a, b) tl_lt(a, b)
#define le(a, b) tl_le(a, b)
#define gt(a, b) tl_gt(a, b)
#define ge(a, b) tl_ge(a, b)
#define eq(a, b) tl_eq(a, b)
#define ne(a, b) tl_ne(a, b)
#define and_(a, b) tl_logical_and(a, b)
#define or_(a, b) tl_logical_or(a, b)
#define not_(a) tl_logical_not(a)
#define isnan_(a) tl_isnan(a)
#define sel(c, a, b) tl_where(c, a, b)
#define K(x) tl_scalar(x)
#define none NULL
#define EXPRESSION(name, which, text)                                                                                             \
    static tl_tensor *name##_gradient_##which(tl_tensor *g, tl_tensor *a, tl_tensor *b, tl_tensor *c, tl_tensor *y, tl_tensor *p,  \
                                              tl_tensor *q)                                                                       \
    {                                                                                                                             \
        (void)g, (void)a, (void)b, (void)c, (void)y, (void)p, (void)q;                                                            \
        return text;                                                                                                              \
    }
#define TL_UNARY(name, rule, e, da, formula) EXPRESSION(name, 0, da)
#define TL_BINARY(name, rule, e, da, db, formula) EXPRESSION(name, 0, da) EXPRESSION(name, 1, db)
#define TL_TERNARY(name, rule, e, da, db, dc, formula) EXPRESSION(name, 0, da) EXPRESSION(name, 1, db) EXPRESSION(name, 2, dc)
#include <telar/pointwise.def>
#undef none

/* ---- The table, read as descriptors ----------------------------------------------------------------------------------------------- */

enum index {
#define TL_UNARY(name, rule, e, da, formula) PW_##name,
#define TL_BINARY(name, rule, e, da, db, formula) PW_##name,
#define TL_TERNARY(name, rule, e, da, db, dc, formula) PW_##name,
#define TL_TEST1(name, e, formula) PW_##name,
#define TL_TEST2(name, e, formula) PW_##name,
#include <telar/pointwise.def>
    PW_COUNT
};

static const struct line {
    const char *name, *formula, *expression, *gradient[3];
    int n_in, rule;
    tl_tensor *(*differentiable[3])(tl_tensor *g, tl_tensor *a, tl_tensor *b, tl_tensor *c, tl_tensor *y, tl_tensor *p, tl_tensor *q);
} lines[PW_COUNT] = {
#define TL_UNARY(name, rule, e, da, formula) {#name, formula, #e, {#da}, 1, RULE_##rule, {name##_gradient_0}},
#define TL_BINARY(name, rule, e, da, db, formula) \
    {#name, formula, #e, {#da, #db}, 2, RULE_##rule, {name##_gradient_0, name##_gradient_1}},
#define TL_TERNARY(name, rule, e, da, db, dc, formula) \
    {#name, formula, #e, {#da, #db, #dc}, 3, RULE_##rule, {name##_gradient_0, name##_gradient_1, name##_gradient_2}},
#define TL_TEST1(name, e, formula) {#name, formula, #e, {0}, 1, RULE_TEST, {0}},
#define TL_TEST2(name, e, formula) {#name, formula, #e, {0}, 2, RULE_TEST, {0}},
#include <telar/pointwise.def>
};

static const struct tl_attr_field pointwise_fields[] = {TL_ATTR_TABLE(pointwise)};
static tl_op ops[PW_COUNT], gradient_ops[PW_COUNT][3];
static char gradient_names[PW_COUNT][3][40];
static struct pointwise pointwise[PW_COUNT], gradient_pointwise;
static struct op_entry *entries[PW_COUNT];

static void fill_descriptor(tl_op *op, const char *name, const char *formula, int n_in)
{
    *op = (tl_op){.struct_size = sizeof *op, .name = name, .formula = formula, .flags = TL_OP_POINTWISE, .n_in = n_in, .n_out = 1,
                  .attrs = pointwise_fields, .attrs_size = sizeof(struct tl_pointwise_attrs)};
}

static tl_status register_gradient(int i, int k)
{
    struct pointwise *pw = &pointwise[i];
    const char *text = lines[i].gradient[k];
    pw->gradient[k] = text;
    pw->uses[k] = tl_pointwise_uses(text);
    pw->differentiable[k] = lines[i].differentiable[k];
    if (strcmp(text, "g") == 0 || strcmp(text, "none") == 0 || pw->uses[k] == 0)
        return TL_OK; /* nothing to compute: the gradient that arrives, none, or a constant */
    snprintf(gradient_names[i][k], sizeof gradient_names[i][k], "%s_d%c", lines[i].name, 'a' + k);
    fill_descriptor(&gradient_ops[i][k], gradient_names[i][k], text, __builtin_popcount(pw->uses[k]));
    gradient_ops[i][k].flags |= TL_OP_INTERNAL;
    return op_register_entry(&gradient_ops[i][k], &gradient_pointwise, &pw->kernel[k]);
}

static const char *torch_name(const char *name)
{
    static const char *const names[][2] = {{"hard_sigmoid", "HardsigmoidBackward0"}, {"relu6", "HardtanhBackward0"},
                                           {"squared_error", "MseLossBackward0"},    {"smooth_l1_error", "SmoothL1LossBackward0"},
                                           {"bce_error", "BinaryCrossEntropyBackward0"},
                                           {"bce_logits_error", "BinaryCrossEntropyWithLogitsBackward0"},
                                           {"pow", "PowBackward1"},                 {"clamp", "ClampBackward1"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    return NULL;
}

tl_status pointwise_register_all(void)
{
    gradient_pointwise.rule = RULE_GRADIENT;
    for (int i = 0; i < PW_COUNT; i++) {
        const struct line *l = &lines[i];
        fill_descriptor(&ops[i], l->name, l->formula, l->n_in);
        ops[i].grad_name = torch_name(l->name);
        if (l->rule != RULE_TEST)
            ops[i].grad = pointwise_grad;
        pointwise[i] = (struct pointwise){.expression = l->expression, .rule = l->rule};
        tl_status s = op_register_entry(&ops[i], &pointwise[i], &entries[i]);
        for (int k = 0; k < l->n_in && l->rule != RULE_TEST && s == TL_OK; k++)
            s = register_gradient(i, k);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

/* ---- Public functions -------------------------------------------------------------------------------------------------------------- */

static inline struct op_entry *entry(enum index i)
{
    if (UNLIKELY(!entries[i]))
        registry_init();
    return entries[i];
}

#define TL_UNARY(name, rule, e, da, formula)                                           \
    tl_tensor *tl_##name(tl_tensor *x)                                                 \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, 0, 0, NULL);    \
    }
#define TL_UNARY_P(name, rule, e, da, formula)                                         \
    tl_tensor *tl_##name(tl_tensor *x, double p)                                       \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, p, 0, NULL);    \
    }
#define TL_UNARY_PQ(name, rule, e, da, formula)                                        \
    tl_tensor *tl_##name(tl_tensor *x, double p, double q)                             \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, p, q, NULL);    \
    }
#define TL_BINARY(name, rule, e, da, db, formula)                                      \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z)                                   \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, 0, 0, NULL); \
    }
#define TL_BINARY_P(name, rule, e, da, db, formula)                                    \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z, double p)                         \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, p, 0, NULL); \
    }
#define TL_TERNARY(name, rule, e, da, db, dc, formula)                                    \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z, tl_tensor *w)                        \
    {                                                                                     \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z, w}, 3, 0, 0, NULL); \
    }
#define TL_TEST1(name, e, formula)                                                     \
    tl_tensor *tl_##name(tl_tensor *x)                                                 \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x}, 1, 0, 0, NULL);    \
    }
#define TL_TEST2(name, e, formula)                                                     \
    tl_tensor *tl_##name(tl_tensor *x, tl_tensor *z)                                   \
    {                                                                                  \
        return pointwise_call(entry(PW_##name), (tl_tensor *[]){x, z}, 2, 0, 0, NULL); \
    }
#include <telar/pointwise.def>

tl_tensor *tl_add_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_add), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_sub_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_sub), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_mul_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_mul), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_div_(tl_tensor *t, tl_tensor *other)
{
    return pointwise_call(entry(PW_div), (tl_tensor *[]){t, other}, 2, 0, 0, t);
}

tl_tensor *tl_relu_(tl_tensor *t)
{
    return pointwise_call(entry(PW_relu), (tl_tensor *[]){t}, 1, 0, 0, t);
}

tl_tensor *tl_clamp_(tl_tensor *t, double low, double high)
{
    return pointwise_call(entry(PW_clamp), (tl_tensor *[]){t}, 1, low, high, t);
}

tl_tensor *tl_axpy_(tl_tensor *t, double alpha, tl_tensor *other)
{
    return tl_add_(t, alpha == 1 ? other : tl_mul_s(other, alpha));
}
