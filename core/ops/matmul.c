/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products. mm, bmm and mv are one kernel, matmul, under PyTorch's names. With Y = A B and dY the gradient that arrives,
 *     dA = dY B^T        dB = A^T dY
 * tl_matmul() brings vectors and batches into these forms as torch.matmul does.
 */
#include "core/ops/shape_util.h"

/* ---- Matrices and batches of them --------------------------------------------------------------------------------------------- */

static tl_status infer(const char *op, const struct tl_meta *in, int least, int most, struct tl_meta *out)
{
    const struct tl_meta *a = &in[0], *b = &in[1];
    if (a->ndim != b->ndim || a->ndim < least || a->ndim > most)
        return tl_fail(TL_ERR_SHAPE, "%s: cannot multiply %s by %s: %s expected (tl_matmul() takes other ranks, too)", op, META_TEXT(a),
                       META_TEXT(b), most == 2 ? "two matrices are" : least == 3 ? "two batches of matrices, of rank 3, are"
                                                                                : "two matrices or two batches of them are");
    tl_status s = demand_same_dtype(op, "the first operand", a, "the second", b);
    if (s != TL_OK)
        return s;
    if (a->dtype == TL_BOOL)
        return tl_fail(TL_ERR_DTYPE, "%s: bool tensors cannot be multiplied; convert with tl_cast()", op);
    int row = a->ndim - 2, column = a->ndim - 1;
    if (row == 1 && a->shape[0] != b->shape[0])
        return tl_fail(TL_ERR_SHAPE, "%s: %s and %s are batches of %lld and %lld matrices", op, META_TEXT(a), META_TEXT(b),
                       (long long)a->shape[0], (long long)b->shape[0]);
    if (a->shape[column] != b->shape[row]) {
        bool turned = a->shape[column] == b->shape[column];
        return tl_fail(TL_ERR_SHAPE, "%s: cannot multiply %s by %s: inner sizes %lld and %lld differ%s", op, META_TEXT(a), META_TEXT(b),
                       (long long)a->shape[column], (long long)b->shape[row],
                       !turned ? "" : row == 0 ? "; did you mean tl_mm(a, tl_t(b))?" : "; did you mean tl_bmm(a, tl_transpose(b, 1, 2))?");
    }
    out[0] = *a;
    out[0].shape[column] = b->shape[column];
    return TL_OK;
}

static tl_status infer_matmul(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return infer("matmul", in, 2, 3, out);
}

static tl_status infer_mm(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return infer("mm", in, 2, 2, out);
}

static tl_status infer_bmm(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return infer("bmm", in, 3, 3, out);
}

static int64_t multiply_adds(const struct tl_meta *in, int n_in, const void *attrs, const struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return sums_of(&out[0], in[0].shape[in[0].ndim - 1]);
}

static tl_tensor *turned(tl_tensor *t)
{
    return !t ? NULL : t->ndim == 2 ? tl_t(t) : tl_transpose(t, 1, 2);
}

static tl_tensor *multiply(tl_tensor *a, tl_tensor *b)
{
    return !a || !b ? NULL : a->ndim == 2 ? tl_mm(a, b) : tl_bmm(a, b);
}

static tl_status grad(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    if (tl_grad_wants(g, 0) && tl_grad_set(g, 0, multiply(dy, turned(tl_grad_input(g, 1)))) != TL_OK)
        return tl_error_code();
    return tl_grad_wants(g, 1) ? tl_grad_set(g, 1, multiply(turned(tl_grad_input(g, 0)), dy)) : TL_OK;
}

const tl_op tl_op_matmul = {
    .struct_size = sizeof(tl_op),
    .name = "matmul",
    .formula = "y[s,i,j] = sum over k of a[s,i,k] * b[s,k,j]",
    .n_in = 2,
    .n_out = 1,
    .infer = infer_matmul,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .multiply_adds = multiply_adds,
};

const tl_op tl_op_mm = {
    .struct_size = sizeof(tl_op),
    .name = "mm",
    .formula = "y[i,j] = sum over k of a[i,k] * b[k,j]",
    .n_in = 2,
    .n_out = 1,
    .kernel = "matmul",
    .infer = infer_mm,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .multiply_adds = multiply_adds,
};

const tl_op tl_op_bmm = {
    .struct_size = sizeof(tl_op),
    .name = "bmm",
    .formula = "y[s,i,j] = sum over k of a[s,i,k] * b[s,k,j]",
    .n_in = 2,
    .n_out = 1,
    .kernel = "matmul",
    .infer = infer_bmm,
    .grad = grad,
    .saves_inputs = 1u << 0 | 1u << 1,
    .multiply_adds = multiply_adds,
};

/* ---- Matrix times vector, vector times vector --------------------------------------------------------------------------------- */

static tl_status infer_vector(const char *op, int ndim, const struct tl_meta *in, struct tl_meta *out)
{
    const struct tl_meta *a = &in[0], *b = &in[1];
    if (a->ndim != ndim || b->ndim != 1)
        return tl_fail(TL_ERR_SHAPE, "%s: cannot multiply %s by %s: a %s and a vector are expected", op, META_TEXT(a), META_TEXT(b),
                       ndim == 2 ? "matrix" : "vector");
    tl_status s = demand_same_dtype(op, "the first operand", a, "the second", b);
    if (s == TL_OK && a->shape[ndim - 1] != b->shape[0])
        s = tl_fail(TL_ERR_SHAPE, "%s: cannot multiply %s by %s: sizes %lld and %lld differ", op, META_TEXT(a), META_TEXT(b),
                    (long long)a->shape[ndim - 1], (long long)b->shape[0]);
    out[0] = (struct tl_meta){.dtype = a->dtype, .ndim = ndim - 1, .shape = {a->shape[0]}};
    return s;
}

static tl_status infer_mv(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return infer_vector("mv", 2, in, out);
}

static tl_status infer_dot(const struct tl_meta *in, int n_in, void *attrs, struct tl_meta *out)
{
    (void)n_in, (void)attrs;
    return infer_vector("dot", 1, in, out);
}

static tl_status decompose_mv(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    tl_tensor *y = tl_mm(in[0], tl_unsqueeze(in[1], 1));
    out[0] = y ? tl_squeeze_dim(y, 1) : NULL;
    return made(out[0]);
}

static tl_status decompose_dot(const void *attrs, tl_tensor *const *in, int n_in, tl_tensor **out)
{
    (void)attrs, (void)n_in;
    tl_tensor *y = tl_mm(tl_unsqueeze(in[0], 0), tl_unsqueeze(in[1], 1));
    out[0] = y ? tl_reshape(y, TL_SHAPE0) : NULL;
    return made(out[0]);
}

static tl_tensor *mv(tl_tensor *a, tl_tensor *v);

static tl_status grad_mv(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    if (tl_grad_wants(g, 0)) {
        tl_tensor *v = tl_grad_input(g, 1);
        if (tl_grad_set(g, 0, dy && v ? tl_mul(tl_unsqueeze(dy, 1), tl_unsqueeze(v, 0)) : NULL) != TL_OK)
            return tl_error_code();
    }
    return tl_grad_wants(g, 1) ? tl_grad_set(g, 1, mv(turned(tl_grad_input(g, 0)), dy)) : TL_OK;
}

static tl_status grad_dot(struct tl_grad_ctx *g)
{
    tl_tensor *dy = tl_grad_arriving(g, 0);
    for (int i = 0; i < 2; i++)
        if (tl_grad_wants(g, i)) {
            tl_tensor *other = tl_grad_input(g, 1 - i);
            if (tl_grad_set(g, i, other && dy ? tl_mul(dy, other) : NULL) != TL_OK)
                return tl_error_code();
        }
    return TL_OK;
}

const tl_op tl_op_mv = {
    .struct_size = sizeof(tl_op),
    .name = "mv",
    .formula = "y[i] = sum over k of a[i,k] * b[k]",
    .flags = TL_OP_COMPOSITE,
    .n_in = 2,
    .n_out = 1,
    .infer = infer_mv,
    .grad = grad_mv,
    .saves_inputs = 1u << 0 | 1u << 1,
    .decompose = decompose_mv,
    .multiply_adds = multiply_adds,
};

const tl_op tl_op_dot = {
    .struct_size = sizeof(tl_op),
    .name = "dot",
    .formula = "y = sum over k of a[k] * b[k]",
    .flags = TL_OP_COMPOSITE,
    .n_in = 2,
    .n_out = 1,
    .infer = infer_dot,
    .grad = grad_dot,
    .saves_inputs = 1u << 0 | 1u << 1,
    .decompose = decompose_dot,
    .multiply_adds = multiply_adds,
};

static tl_tensor *mv(tl_tensor *a, tl_tensor *v)
{
    return tl_op_call1(&tl_op_mv, NULL, (tl_tensor *[]){a, v}, 2);
}

/* ---- Public functions -------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_mm(tl_tensor *a, tl_tensor *b)
{
    return tl_op_call1(&tl_op_mm, NULL, (tl_tensor *[]){a, b}, 2);
}

tl_tensor *tl_bmm(tl_tensor *a, tl_tensor *b)
{
    return tl_op_call1(&tl_op_bmm, NULL, (tl_tensor *[]){a, b}, 2);
}

tl_tensor *tl_dot(tl_tensor *a, tl_tensor *b)
{
    return tl_op_call1(&tl_op_dot, NULL, (tl_tensor *[]){a, b}, 2);
}

/* [..., k] times a matrix or a vector: one product with all leading dimensions as rows. */
static tl_tensor *fold(tl_tensor *a, tl_tensor *b)
{
    int64_t shape[TL_MAX_DIMS], rows = 1;
    int n = a->ndim - 1;
    for (int i = 0; i < n; i++)
        rows *= a->shape[i];
    tl_tensor *flat = tl_reshape(a, TL_SHAPE(rows, a->shape[n]));
    tl_tensor *y = !flat ? NULL : b->ndim == 1 ? mv(flat, b) : tl_mm(flat, b);
    if (!y)
        return NULL;
    memcpy(shape, a->shape, (size_t)n * sizeof *shape);
    if (b->ndim == 2)
        shape[n++] = b->shape[1];
    return tl_view(y, n, shape);
}

static tl_tensor *batch_of(tl_tensor *t, int n, const int64_t *batch)
{
    int64_t shape[TL_MAX_DIMS], total = 1;
    for (int i = 0; i < n; i++)
        total *= shape[i] = batch[i];
    shape[n] = t->shape[t->ndim - 2];
    shape[n + 1] = t->shape[t->ndim - 1];
    t = tl_expand(t, n + 2, shape);
    return t ? tl_reshape(t, TL_SHAPE(total, shape[n], shape[n + 1])) : NULL;
}

static tl_tensor *batched(tl_tensor *a, tl_tensor *b)
{
    bool row = a->ndim == 1, column = b->ndim == 1;
    tl_tensor *a2 = row ? tl_unsqueeze(a, 0) : a, *b2 = column ? tl_unsqueeze(b, 1) : b;
    if (!a2 || !b2)
        return NULL;
    int n = a2->ndim - 2;
    int64_t batch[TL_MAX_DIMS];
    memcpy(batch, a2->shape, sizeof batch);
    if (!broadcast_shapes(&n, batch, b2->ndim - 2, b2->shape)) {
        tl_fail(TL_ERR_SHAPE, "matmul: cannot multiply %s by %s: their batches do not broadcast", TENSOR_TEXT(a), TENSOR_TEXT(b));
        return NULL;
    }
    tl_tensor *left = batch_of(a2, n, batch), *right = batch_of(b2, n, batch), *y = left && right ? tl_bmm(left, right) : NULL;
    if (!y)
        return NULL;
    if (!row)
        batch[n++] = y->shape[1];
    if (!column)
        batch[n++] = y->shape[2];
    return tl_reshape(y, n, batch);
}

tl_tensor *tl_matmul(tl_tensor *a, tl_tensor *b)
{
    if (operand_missing("matmul", a) || operand_missing("matmul", b))
        return NULL;
    if (a->ndim == 0 || b->ndim == 0) {
        tl_fail(TL_ERR_SHAPE, "matmul: cannot multiply %s by %s: a single number is no matrix; use tl_mul()", TENSOR_TEXT(a),
                TENSOR_TEXT(b));
        return NULL;
    }
    if (a->ndim == 1 && b->ndim == 1)
        return tl_dot(a, b);
    if (a->ndim == 2 && b->ndim == 2)
        return tl_mm(a, b);
    int64_t inner[2] = {a->shape[a->ndim - 1], b->shape[b->ndim == 1 ? 0 : b->ndim - 2]};
    if (inner[0] != inner[1]) {
        tl_fail(TL_ERR_SHAPE, "matmul: cannot multiply %s by %s: inner sizes %lld and %lld differ", TENSOR_TEXT(a), TENSOR_TEXT(b),
                (long long)inner[0], (long long)inner[1]);
        return NULL;
    }
    if (a->ndim == 2 && b->ndim == 1)
        return mv(a, b);
    if (a->ndim == 1 && b->ndim == 2) {
        tl_tensor *y = tl_mm(tl_unsqueeze(a, 0), b);
        return y ? tl_squeeze_dim(y, 0) : NULL;
    }
    return b->ndim <= 2 ? fold(a, b) : batched(a, b);
}
