/* SPDX-License-Identifier: Apache-2.0
 *
 * The cases, one line each: op, what is special about it, attributes, operands. Pointwise ops need none: theirs are made from
 * <telar/pointwise.def>. An op without a case here fails the registry test.
 */
#include "conformance.h"

#include <math.h>
#include <stdio.h>

#define A(op, ...) &(const struct tl_##op##_attrs){.struct_size = sizeof(struct tl_##op##_attrs), __VA_ARGS__}
#define N(...) {.fill = NORMAL, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define U(...) {.fill = UNIT, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define D(...) {.fill = DISTINCT, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define T(...) {.fill = TIES, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define I(below, ...) {.fill = INDEX, .limit = below, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define C(...) {.fill = UNIT, .constant = true, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define SMALL(...) {.fill = TENTH, .ndim = sizeof((int64_t[]){__VA_ARGS__}) / 8, .shape = {__VA_ARGS__}}
#define S {.fill = NORMAL, .ndim = 0}
#define NONE {.fill = ABSENT}

const struct test_case cases[] = {
    /* Moving values */
    {"copy", "3-d", NULL, {N(3, 4, 5)}, 1, EXACT | INTEGERS, 0},
    {"copy", "a number", NULL, {S}, 1, EXACT, 0},
    {"copy", "nothing", NULL, {N(0, 3)}, 1, EXACT | NO_GRADIENT, 0},
    {"copy", "8 dimensions", NULL, {N(2, 1, 3, 2, 1, 2, 2, 3)}, 1, EXACT, 0},
    {"copy", "4-d large", NULL, {N(4, 17, 9, 33)}, 1, EXACT, 0},
    {"cast", "to f64", A(cast, .dtype = TL_F64), {N(3, 5)}, 1, INTEGERS, 0},
    {"cast", "to i64", A(cast, .dtype = TL_I64), {N(3, 5)}, 1, NO_GRADIENT, 0},
    {"cast", "to bool", A(cast, .dtype = TL_BOOL), {T(3, 5)}, 1, NO_GRADIENT | INTEGERS, 0},
    {"cast", "to f16", A(cast, .dtype = TL_F16), {N(3, 5)}, 1, NO_GRADIENT, 0},
    {"cast", "to bf16", A(cast, .dtype = TL_BF16), {N(3, 5)}, 1, NO_GRADIENT, 0},
    {"zero", "2-d", NULL, {N(3, 5)}, 1, EXACT, 0},
    {"copy_into", "2-d", NULL, {N(3, 5), N(3, 5)}, 2, EXACT, 0},
    {"copy_into", "broadcast", NULL, {N(3, 5), N(5)}, 2, EXACT, 0},
    {"as_strided_scatter", "a column", A(strided, .shape = TL_DIMS(3), .strides = TL_DIMS(5), .offset = 2), {N(3, 5), N(3)}, 2, EXACT, 0},
    {"as_strided_scatter", "a block", A(strided, .shape = TL_DIMS(2, 3), .strides = TL_DIMS(1, 5), .offset = 3), {N(3, 5), N(2, 3)}, 2, EXACT, 0},
    {"fill", "7", A(fill, .value = 7), {N(3, 5)}, 1, EXACT | NO_GRADIENT, 0},

    /* Reductions */
    {"sum", "all", NULL, {N(3, 4, 5)}, 1, INTEGERS, 0},
    {"sum", "last", A(reduce, .dims = TL_DIMS(2)), {N(3, 4, 5)}, 1, INTEGERS, 0},
    {"sum", "first", A(reduce, .dims = TL_DIMS(0)), {N(3, 4, 5)}, 1, 0, 0},
    {"sum", "middle, kept", A(reduce, .dims = TL_DIMS(1), .keepdim = true), {N(3, 4, 5)}, 1, 0, 0},
    {"sum", "outer two of four", A(reduce, .dims = TL_DIMS(0, 2, 3)), {N(4, 6, 5, 7)}, 1, 0, 0},
    {"sum", "negative dims", A(reduce, .dims = TL_DIMS(-1, -3)), {N(3, 4, 5)}, 1, 0, 0},
    {"sum", "long rows", A(reduce, .dims = TL_DIMS(1)), {N(3, 5000)}, 1, NO_HALF, 0},
    {"sum", "long columns", A(reduce, .dims = TL_DIMS(0)), {N(5000, 19)}, 1, NO_HALF, 0},
    {"sum", "over nothing", A(reduce, .dims = TL_DIMS(0)), {N(0, 3)}, 1, NO_GRADIENT, 0},
    {"sum", "over several dimensions of nothing", A(reduce, .dims = TL_DIMS(0, 2)), {N(2, 3, 0)}, 1, NO_GRADIENT, 0},
    {"sum", "all of nothing", NULL, {N(3, 0, 4)}, 1, NO_GRADIENT, 0},
    {"sum", "a number", NULL, {S}, 1, 0, 0},
    {"mean", "all", NULL, {N(3, 4, 5)}, 1, 0, 0},
    {"mean", "last two", A(reduce, .dims = TL_DIMS(1, 2)), {N(3, 4, 5)}, 1, 0, 0},
    {"mean", "over nothing", A(reduce, .dims = TL_DIMS(0)), {N(0, 3)}, 1, NO_GRADIENT, 0},
    {"prod", "all", NULL, {U(3, 4)}, 1, INTEGERS, 0},
    {"prod", "first, kept", A(reduce, .dims = TL_DIMS(0), .keepdim = true), {U(3, 4, 5)}, 1, 0, 0},
    {"var", "all", NULL, {N(3, 4, 5)}, 1, 0, 0},
    {"var", "biased, columns", A(reduce, .dims = TL_DIMS(0), .biased = true), {N(6, 5)}, 1, 0, 0},
    {"amax", "all", NULL, {D(3, 4, 5)}, 1, EXACT | INTEGERS, 0},
    {"amax", "middle", A(reduce, .dims = TL_DIMS(1)), {D(3, 4, 5)}, 1, EXACT, 0},
    {"amax", "ties", A(reduce, .dims = TL_DIMS(1)), {T(3, 9)}, 1, EXACT | NO_GRADIENT, 0},
    {"amin", "first", A(reduce, .dims = TL_DIMS(0)), {D(3, 4, 5)}, 1, EXACT | INTEGERS, 0},
    {"argmax", "all", NULL, {D(3, 4, 5)}, 1, EXACT | NO_GRADIENT | INTEGERS, 0},
    {"argmax", "last", A(reduce, .dims = TL_DIMS(2)), {D(3, 4, 5)}, 1, EXACT | NO_GRADIENT, 0},
    {"argmax", "ties", A(reduce, .dims = TL_DIMS(0), .keepdim = true), {T(9, 4)}, 1, EXACT | NO_GRADIENT, 0},
    {"argmin", "first", A(reduce, .dims = TL_DIMS(0)), {D(3, 4, 5)}, 1, EXACT | NO_GRADIENT, 0},
    {"sum_dim", "rows", A(reduce, .dims = TL_DIMS(1)), {N(3, 4, 5)}, 1, 0, 0},
    {"mean_dim", "rows", A(reduce, .dims = TL_DIMS(1)), {N(3, 4, 5)}, 1, 0, 0},
    {"prod_dim", "rows", A(reduce, .dims = TL_DIMS(1)), {U(3, 4)}, 1, 0, 0},
    {"max", "all", NULL, {D(3, 4, 5)}, 1, EXACT, 0},
    {"min", "all", NULL, {D(3, 4, 5)}, 1, EXACT, 0},
    {"max_dim", "rows", A(reduce, .dims = TL_DIMS(1)), {D(3, 4, 5)}, 1, EXACT, 0},
    {"min_dim", "last, kept", A(reduce, .dims = TL_DIMS(2), .keepdim = true), {D(3, 4, 5)}, 1, EXACT, 0},
    {"std", "all", NULL, {N(3, 4, 5)}, 1, 0, 0},
    {"norm", "2", NULL, {N(3, 4)}, 1, 0, 0},
    {"norm", "3", A(pointwise, .p = 3), {N(3, 4)}, 1, 0, 0},
    {"norm", "-1", A(pointwise, .p = -1), {U(3, 4)}, 1, 0, 0},
    {"norm", "smallest", A(pointwise, .p = -INFINITY), {U(3, 4)}, 1, 0, 0},
    {"cumsum", "rows", A(along, .dim = 1), {N(3, 7)}, 1, INTEGERS, 0},
    {"cumsum", "first of three", A(along, .dim = 0), {N(3, 4, 5)}, 1, 0, 0},

    /* Products */
    {"matmul", "2-d", NULL, {N(5, 7), N(7, 3)}, 2, INTEGERS, 0},
    {"matmul", "odd sizes", NULL, {N(33, 65), N(65, 17)}, 2, 0, 0},
    {"matmul", "larger", NULL, {N(130, 70), N(70, 90)}, 2, NO_HALF, 0},
    {"matmul", "dense layer without bias", NULL, {N(70, 90), N(90, 200)}, 2, NO_HALF, 0},
    {"matmul", "batches", NULL, {N(4, 5, 7), N(4, 7, 3)}, 2, 0, 0},
    {"matmul", "nothing inside", NULL, {N(3, 0), N(0, 4)}, 2, NO_GRADIENT, 0},
    {"matmul", "no rows", NULL, {N(0, 3), N(3, 4)}, 2, NO_GRADIENT, 0},
    {"matmul", "long inside", NULL, {N(9, 3000), N(3000, 11)}, 2, INTEGERS, 0},
    {"matmul", "many tiles", NULL, {N(2177, 3), N(3, 1025)}, 2, NO_HALF | NO_GRADIENT | NO_STRIDES, 0},
    {"matmul", "few columns", NULL, {N(270, 40), N(40, 5)}, 2, INTEGERS, 0},
    {"matmul", "few rows", NULL, {N(5, 40), N(40, 270)}, 2, 0, 0},
    {"mm", "row by matrix", NULL, {N(1, 300), N(300, 70)}, 2, INTEGERS, 0},
    {"mm", "matrix by column", NULL, {N(70, 300), N(300, 1)}, 2, INTEGERS, 0},
    {"mm", "long row by long column", NULL, {U(1, 20000), U(20000, 1)}, 2, NO_HALF, 0},
    {"bmm", "rows by matrices", NULL, {N(3, 1, 50), N(3, 50, 40)}, 2, 0, 0},
    {"bmm", "matrices by columns, nothing inside", NULL, {N(3, 2, 0), N(3, 0, 1)}, 2, NO_GRADIENT, 0},
    {"mm", "1 x k by k x 1", NULL, {N(1, 9), N(9, 1)}, 2, 0, 0},
    {"bmm", "one batch", NULL, {N(1, 5, 7), N(1, 7, 3)}, 2, 0, 0},
    {"mv", "matrix by vector", NULL, {N(5, 7), N(7)}, 2, 0, 0},
    {"dot", "vectors", NULL, {N(7), N(7)}, 2, 0, 0},
    {"dot", "long", NULL, {U(20000), U(20000)}, 2, NO_HALF, 0}, /* of one sign: a sum that cancels is known to fewer digits in f32 */
    {"addmm", "bias row", NULL, {N(3), N(5, 7), N(7, 3)}, 3, 0, 0},
    {"addmm", "bias matrix, alpha, beta", A(addmm, .alpha = 0.5, .beta = 2), {N(5, 3), N(5, 7), N(7, 3)}, 3, 0, 0},
    {"addmm", "only the product", A(addmm, .beta = TL_ZERO), {N(3), N(5, 7), N(7, 3)}, 3, 0, 0},
    {"addmm", "only the addend", A(addmm, .alpha = TL_ZERO, .beta = 0.5), {N(5, 3), N(5, 7), N(7, 3)}, 3, 0, 0},
    {"addmm", "bias column, long inside", A(addmm, .alpha = 0.5, .beta = 2), {N(20, 1), N(20, 1000), N(1000, 24)}, 3, 0, 0},
    {"addmm", "to a column", A(addmm, .beta = 2), {N(40, 1), N(40, 30), N(30, 1)}, 3, 0, 0},
    {"addmm", "to a row, only the product", A(addmm, .alpha = 2, .beta = TL_ZERO), {N(40), N(1, 30), N(30, 40)}, 3, 0, 0},
    {"addmm", "dense layer", NULL, {N(200), N(70, 90), N(90, 200)}, 3, NO_HALF, 0},
    {"addmm", "larger", NULL, {N(90), N(130, 70), N(70, 90)}, 3, NO_HALF, 0},

    /* Along a dimension */
    {"softmax", "rows", A(along, .dim = 1), {N(4, 9)}, 1, 0, 0},
    {"softmax", "middle", A(along, .dim = 1), {N(3, 4, 5)}, 1, 0, 0},
    {"softmax", "first", A(along, .dim = 0), {N(6, 5)}, 1, 0, 0},
    {"softmax_grad", "rows", A(along, .dim = 1), {N(4, 9), U(4, 9)}, 2, 0, 0},
    {"log_softmax", "rows", A(along, .dim = 1), {N(4, 9)}, 1, 0, 0},
    {"log_softmax", "images", A(along, .dim = 1), {N(2, 3, 4, 5)}, 1, 0, 0},
    {"log_softmax_grad", "middle", A(along, .dim = 1), {N(3, 4, 5), N(3, 4, 5)}, 2, 0, 0},
    {"gather", "columns", A(along, .dim = 1), {N(4, 6), I(6, 4, 3)}, 2, EXACT | INTEGERS, 0},
    {"gather", "first of three", A(along, .dim = 0), {N(4, 3, 5), I(4, 2, 3, 5)}, 2, EXACT, 0},
    {"gather", "smaller in two", A(along, .dim = 1), {N(4, 6, 5), I(6, 3, 8, 4)}, 2, EXACT, 0},
    {"gather", "no indices", A(along, .dim = 1), {N(4, 6), I(6, 4, 0)}, 2, EXACT | NO_GRADIENT, 0},
    {"scatter_add", "columns", A(along, .dim = 1), {N(4, 6), I(6, 4, 8), N(4, 8)}, 3, 0, 0},
    {"index_select", "rows", A(along, .dim = 0), {N(6, 5), I(6, 9)}, 2, EXACT | INTEGERS, 0},
    {"index_select", "last", A(along, .dim = 2), {N(3, 4, 5), I(5, 7)}, 2, EXACT, 0},
    {"index_select", "middle, wide", A(along, .dim = 1), {N(2, 5, 32), I(5, 7)}, 2, EXACT, 0},
    {"index_select", "rows of nothing", A(along, .dim = 0), {N(6, 0), I(6, 9)}, 2, EXACT | NO_GRADIENT, 0},
    {"index_add", "rows, repeated", A(along, .dim = 0), {N(6, 5), I(6, 9), N(9, 5)}, 3, 0, 0},
    {"scatter_add", "few places, first of three", A(along, .dim = 0), {N(2, 3, 5), I(2, 300, 2, 5), N(300, 2, 5)}, 3, INTEGERS, 0},
    {"scatter_add", "no indices", A(along, .dim = 1), {N(4, 6), I(6, 4, 0), N(4, 0)}, 3, INTEGERS, 0},
    {"index_add", "middle, many rows to few", A(along, .dim = 1), {N(2, 3, 40), I(3, 400), N(2, 400, 40)}, 3, INTEGERS | NO_HALF, 0},
    {"index_add", "last, long", A(along, .dim = 1), {N(3, 50), I(50, 3000), N(3, 3000)}, 3, NO_HALF, 0},
    {"index_add", "nothing", A(along, .dim = 0), {N(6, 5), I(6, 0), N(0, 5)}, 3, 0, 0},
    {"sort", "rows", A(order, .dim = 1), {D(4, 9)}, 1, EXACT | INTEGERS, 0},
    {"sort", "descending columns, ties", A(order, .dim = 0, .descending = true), {T(9, 4)}, 1, EXACT | NO_GRADIENT, 0},
    {"sort", "many short lines, ties", A(order, .dim = 1), {T(70, 3, 5)}, 1, EXACT | NO_GRADIENT | INTEGERS, 0},
    {"sort", "long, ties", A(order, .dim = 1), {T(2, 9001)}, 1, EXACT | NO_GRADIENT, 0},
    {"sort", "long columns, descending", A(order, .dim = 0, .descending = true), {N(4097, 3)}, 1, EXACT, 0},
    {"sort", "a line of one", A(order, .dim = 1), {N(3, 1)}, 1, EXACT, 0},
    {"sort", "nothing", A(order, .dim = 1), {N(3, 0)}, 1, EXACT | NO_GRADIENT, 0},
    {"topk", "few of long lines", A(order, .dim = 1, .k = 5, .descending = true), {N(3, 20000)}, 1, EXACT | NO_HALF, 0},
    {"topk", "many of long columns, ties", A(order, .dim = 0, .k = 3000), {T(9000, 2)}, 1, EXACT | NO_GRADIENT, 0},
    {"topk", "none", A(order, .dim = 1, .k = 0), {N(3, 4)}, 1, EXACT | NO_GRADIENT, 0},
    {"topk", "3 largest", A(order, .dim = 1, .k = 3, .descending = true), {D(4, 9)}, 1, EXACT, 0},
    {"topk", "2 smallest of columns", A(order, .dim = 0, .k = 2), {D(9, 4)}, 1, EXACT, 0},
    {"cat", "rows", A(along, .dim = 0), {N(2, 5), N(3, 5), N(1, 5)}, 3, EXACT | INTEGERS, 0},
    {"cat", "last", A(along, .dim = 2), {N(2, 3, 4), N(2, 3, 1)}, 2, EXACT, 0},
    {"cat", "with nothing", A(along, .dim = 0), {N(2, 5), N(0, 5)}, 2, EXACT, 0},
    {"stack", "middle", A(along, .dim = 1), {N(2, 5), N(2, 5), N(2, 5)}, 3, EXACT | INTEGERS, 0},
    {"masked_fill", "every other", A(fill, .value = 0.5), {N(4, 5), {.fill = BOOLEAN, .ndim = 2, .shape = {4, 5}}}, 2, EXACT, 0},
    {"flip", "two", A(shape, .dims = TL_DIMS(0, 2)), {N(3, 4, 5)}, 1, EXACT | INTEGERS, 0},
    {"pad", "uneven", A(pad, .pad = TL_DIMS(1, 2, 0, 3), .value = 0.5), {N(2, 3, 4)}, 1, EXACT, 0},
    {"pad", "nothing inside", A(pad, .pad = TL_DIMS(0, 0, 1, 0), .value = 0.5), {N(0, 3)}, 1, EXACT | INTEGERS | NO_GRADIENT, 0},
    {"pad", "rows only", A(pad, .pad = TL_DIMS(0, 0, 2, 1), .value = -1), {N(3, 4, 5)}, 1, EXACT, 0},
    {"embedding", "3 x 4 indices", NULL, {N(7, 5), I(7, 3, 4)}, 2, EXACT, 0},
    {"embedding", "wide", NULL, {N(70, 64), I(70, 90)}, 2, EXACT, 0},
    {"embedding_grad", "wide, few rows", A(embedding, .rows = 3), {N(500, 70), I(3, 500)}, 2, NO_HALF, 0},
    {"embedding_grad", "many rows", A(embedding, .rows = 5000), {N(9, 3), I(5000, 9)}, 2, 0, 0},
    {"embedding_grad", "padding row", A(embedding, .rows = 7, .padding = true, .padding_idx = 2), {N(3, 4, 5), I(7, 3, 4)}, 2, 0, 0},

    /* Convolution */
    {"conv2d", "3 x 3", NULL, {N(2, 3, 8, 9), N(4, 3, 3, 3), N(4)}, 3, 0, 0},
    {"conv2d", "no bias, stride, padding", A(conv2d, .stride = {2, 1}, .padding = {1, 2}), {N(2, 3, 8, 9), N(5, 3, 3, 2), NONE}, 3, 0, 0},
    {"conv2d", "dilation", A(conv2d, .dilation = {2}), {N(1, 2, 9, 9), N(3, 2, 3, 3), N(3)}, 3, 0, 0},
    {"conv2d", "groups", A(conv2d, .groups = 2, .padding = {1}), {N(2, 4, 6, 6), N(6, 2, 3, 3), N(6)}, 3, 0, 0},
    {"conv2d", "depthwise", A(conv2d, .groups = 8, .padding = {1}), {N(2, 8, 6, 6), N(8, 1, 3, 3), N(8)}, 3, 0, 0},
    {"conv2d", "1 x 1", NULL, {N(3, 16, 5, 5), N(8, 16, 1, 1), N(8)}, 3, 0, 0},
    {"conv2d", "32 channels", A(conv2d, .padding = {1}), {N(2, 32, 10, 10), N(32, 32, 3, 3), N(32)}, 3, NO_HALF, 2e-5},
    {"conv2d", "one channel", NULL, {N(4, 1, 12, 12), N(16, 1, 5, 5), N(16)}, 3, NO_HALF, 0},
    {"conv2d", "no pictures", NULL, {N(0, 3, 8, 8), N(4, 3, 3, 3), N(4)}, 3, NO_GRADIENT, 0},
    {"conv2d", "one sample", A(conv2d, .padding = {1}), {N(3, 8, 9), N(4, 3, 3, 3), N(4)}, 3, 0, 0},
    {"conv2d", "130 filters", A(conv2d, .padding = {1}), {N(2, 3, 15, 15), N(130, 3, 3, 3), N(130)}, 3, NO_HALF, 0},
    {"conv2d", "70 channels, many pixels", A(conv2d, .stride = {1, 2}), {N(3, 70, 30, 31), N(20, 70, 3, 2), N(20)}, 3, NO_HALF, 2e-5},
    {"conv2d", "stride 4, 3, dilation 2, 3", A(conv2d, .stride = {4, 3}, .dilation = {2, 3}, .padding = {3, 2}), {N(2, 5, 13, 14), N(20, 5, 3, 4), N(20)}, 3, 0, 0},
    {"conv2d", "1 x 1, stride", A(conv2d, .stride = {2}), {N(2, 20, 7, 7), N(18, 20, 1, 1), N(18)}, 3, 0, 0},
    {"conv2d", "patches", A(conv2d, .stride = {4}), {N(2, 3, 12, 13), N(20, 3, 4, 4), NONE}, 3, 0, 0},
    {"conv2d", "groups of 17 channels", A(conv2d, .groups = 2, .stride = {2}), {N(2, 34, 7, 6), N(40, 17, 3, 3), N(40)}, 3, NO_HALF, 0},
    {"conv2d", "depthwise, two filters each, stride", A(conv2d, .groups = 6, .stride = {2}, .padding = {2}), {N(2, 6, 9, 8), N(12, 1, 5, 5), N(12)}, 3, 0, 0},
    {"conv2d", "depthwise, many pixels", A(conv2d, .groups = 3, .padding = {1}), {N(5, 3, 60, 62), N(3, 1, 3, 3), N(3)}, 3, NO_HALF, 0},
    {"conv2d", "3 x 3, 35 channels to 50, padding 2", A(conv2d, .padding = {2}), {N(3, 35, 22, 19), N(50, 35, 3, 3), N(50)}, 3, NO_HALF, 2e-5},
    {"conv2d", "3 x 3, 64 channels, small pictures", NULL, {N(9, 64, 7, 9), N(33, 64, 3, 3), NONE}, 3, NO_HALF, 2e-5},
    {"conv2d_grad_input", "3 x 3, 50 channels to 35", A(conv2d, .padding = {1}, .size = {22, 19}), {N(3, 50, 22, 19), N(50, 35, 3, 3)}, 2, NO_HALF, 2e-5},
    {"conv2d_grad_input", "stride", A(conv2d, .stride = {2}, .padding = {1}, .size = {8, 9}), {N(2, 4, 4, 5), N(4, 3, 3, 3)}, 2, 0, 0},
    {"conv2d_grad_weight", "3 x 3, 35 channels and 50", A(conv2d, .padding = {1}, .size = {3, 3}, .with_bias = true), {N(3, 35, 22, 19), N(3, 50, 22, 19)}, 2, NO_HALF, 2e-5},
    {"conv2d_grad_weight", "3 x 3, 64 channels, padding 2", A(conv2d, .padding = {2}, .size = {3, 3}), {N(9, 64, 7, 9), N(9, 33, 9, 11)}, 2, NO_HALF, 2e-5},
    {"conv2d_grad_weight", "with bias", A(conv2d, .padding = {1}, .size = {3, 3}, .with_bias = true), {N(2, 3, 6, 7), N(2, 4, 6, 7)}, 2, 0, 0},
    {"conv_transpose2d", "stride, output padding", A(conv2d, .stride = {2}, .padding = {1}, .output_padding = {1}),
     {N(2, 3, 4, 5), N(3, 4, 3, 3), N(4)}, 3, 0, 0},
    {"conv_transpose2d", "one sample", A(conv2d, .stride = {2}), {N(3, 4, 5), N(3, 4, 3, 3), N(4)}, 3, 0, 0},
    {"conv_transpose2d", "groups", A(conv2d, .groups = 2), {N(2, 4, 4, 5), N(4, 3, 2, 2), NONE}, 3, 0, 0},

    /* Pooling and normalisation */
    {"max_pool2d", "2 x 2", A(pool2d, .kernel = {2}), {D(2, 3, 6, 7)}, 1, EXACT, 0},
    {"max_pool2d", "overlapping, padded, ceil", A(pool2d, .kernel = {3}, .stride = {2}, .padding = {1}, .ceil_mode = true), {D(2, 3, 8, 7)}, 1, 0, 0},
    {"max_pool2d", "dilated", A(pool2d, .kernel = {2}, .dilation = {2}), {D(1, 2, 7, 7)}, 1, 0, 0},
    {"max_pool2d", "ties", A(pool2d, .kernel = {2}), {T(2, 3, 6, 6)}, 1, EXACT | NO_DIFFERENCES, 0},
    {"max_pool2d_grad", "foreign residual", A(pool2d, .kernel = {2}), {D(2, 3, 6, 6), D(2, 3, 3, 3), N(2, 3, 3, 3)}, 3, NO_GRADIENT | NO_STRIDES, 0},
    {"max_pool2d", "one sample", A(pool2d, .kernel = {3, 2}), {D(3, 6, 7)}, 1, EXACT, 0},
    {"max_pool2d", "window beyond the input", A(pool2d, .kernel = {7, 4}, .stride = {3}, .ceil_mode = true), {D(2, 3, 5, 6)}, 1, EXACT, 0},
    {"max_pool2d_grad", "for dy", A(pool2d, .kernel = {2}), {{.fill = DISTINCT, .ndim = 4, .shape = {2, 3, 6, 6}, .constant = true}, {.fill = DISTINCT, .ndim = 4, .shape = {2, 3, 3, 3}, .constant = true}, N(2, 3, 3, 3)}, 3, NO_STRIDES, 0},
    {"max_pool2d_pick", "overlapping", A(pool2d, .kernel = {3}, .stride = {2}, .padding = {1}), {{.fill = DISTINCT, .ndim = 4, .shape = {2, 3, 8, 7}, .constant = true}, {.fill = DISTINCT, .ndim = 4, .shape = {2, 3, 4, 4}, .constant = true}, N(2, 3, 8, 7)}, 3, NO_STRIDES, 0},
    {"avg_pool2d", "one sample", A(pool2d, .kernel = {1, 3}, .stride = {2, 1}), {N(3, 6, 7)}, 1, 0, 0},
    {"avg_pool2d", "window beyond the input", A(pool2d, .kernel = {7, 4}, .stride = {3}, .padding = {1}, .ceil_mode = true), {N(2, 3, 5, 6)}, 1, 0, 0},
    {"avg_pool2d", "2 x 2", A(pool2d, .kernel = {2}), {N(2, 3, 6, 7)}, 1, 0, 0},
    {"avg_pool2d", "padded, counted", A(pool2d, .kernel = {3}, .stride = {2}, .padding = {1}), {N(2, 3, 8, 7)}, 1, 0, 0},
    {"avg_pool2d", "padding excluded, ceil", A(pool2d, .kernel = {3}, .stride = {2}, .padding = {1}, .exclude_pad = true, .ceil_mode = true), {N(2, 3, 8, 7)}, 1, 0, 0},
    {"avg_pool2d", "divisor", A(pool2d, .kernel = {2}, .divisor = 3), {N(2, 3, 6, 6)}, 1, 0, 0},
    {"avg_pool2d_grad", "padded", A(pool2d, .kernel = {3}, .stride = {2}, .padding = {1}, .size = {8, 7}), {N(2, 3, 4, 4)}, 1, 0, 0},
    {"adaptive_avg_pool2d", "to 3 x 2", A(adaptive_pool2d, .size = {3, 2}), {N(2, 3, 7, 5)}, 1, 0, 0},
    {"adaptive_avg_pool2d", "one sample", A(adaptive_pool2d, .size = {3, 2}), {N(3, 7, 5)}, 1, 0, 0},
    {"adaptive_avg_pool2d", "to one", A(adaptive_pool2d, .size = {1, 1}), {N(2, 3, 7, 5)}, 1, 0, 0},
    {"adaptive_avg_pool2d_grad", "from 3 x 2", A(adaptive_pool2d, .size = {7, 5}), {N(2, 3, 3, 2)}, 1, 0, 0},
    {"unfold", "3 x 3", A(unfold, .kernel = {3}), {N(2, 3, 6, 7)}, 1, EXACT, 0},
    {"unfold", "uneven", A(unfold, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, TL_NONE_SIZE}, .dilation = {1, 3}), {N(2, 3, 6, 7)}, 1, EXACT, 0},
    {"unfold", "windows of padding", A(unfold, .kernel = {2}, .stride = {3}, .padding = {4}), {N(1, 2, 3, 3)}, 1, EXACT, 0},
    {"unfold", "one sample", A(unfold, .kernel = {3}), {N(3, 6, 7)}, 1, EXACT, 0},
    {"unfold", "no pictures", A(unfold, .kernel = {2}), {N(0, 2, 3, 3)}, 1, NO_GRADIENT, 0},
    {"unfold", "large", A(unfold, .kernel = {3}, .padding = {1}), {N(4, 16, 30, 31)}, 1, EXACT, 0},
    {"fold", "3 x 3", A(unfold, .kernel = {3}, .size = {6, 7}), {N(2, 27, 20)}, 1, 0, 0},
    {"fold", "uneven", A(unfold, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, TL_NONE_SIZE}, .dilation = {1, 3}, .size = {6, 7}), {N(2, 18, 12)}, 1, 0, 0},
    {"fold", "one sample", A(unfold, .kernel = {3}, .size = {6, 7}), {N(27, 20)}, 1, 0, 0},
    {"fold", "windows of padding", A(unfold, .kernel = {2}, .stride = {3}, .padding = {4}, .size = {3, 3}), {N(1, 8, 16)}, 1, 0, 0},
    {"fold", "large", A(unfold, .kernel = {3}, .padding = {1}, .size = {30, 31}), {N(4, 144, 930)}, 1, 0, 0},
    {"optimizer_step", "sgd", A(optimizer, .decay = true), {N(3, 5), N(3, 5), U(9), NONE, NONE, NONE}, 6, NO_GRADIENT, 0},
    {"optimizer_step", "sgd, first momentum", A(optimizer, .momentum = true, .first = true), {N(3, 5), N(3, 5), U(9), C(3, 5), NONE, NONE}, 6, NO_GRADIENT, 0},
    {"optimizer_step", "sgd, nesterov", A(optimizer, .momentum = true, .nesterov = true, .maximize = true), {N(3, 5), N(3, 5), U(9), N(3, 5), NONE, NONE}, 6, NO_GRADIENT, 0},
    {"optimizer_step", "adam", A(optimizer, .algorithm = TL_STEP_ADAM, .decay = true), {N(4100), N(4100), U(9), N(4100), U(4100), NONE}, 6, NO_GRADIENT, 2e-6},
    {"optimizer_step", "adamw, amsgrad", A(optimizer, .algorithm = TL_STEP_ADAM, .decay = true, .decoupled = true, .amsgrad = true), {N(3, 5), N(3, 5), U(9), N(3, 5), U(3, 5), U(3, 5)}, 6, NO_GRADIENT, 2e-6},
    {"optimizer_step", "adadelta", A(optimizer, .algorithm = TL_STEP_ADADELTA), {N(3, 5), N(3, 5), U(9), U(3, 5), U(3, 5), NONE}, 6, NO_GRADIENT, 2e-6},
    {"optimizer_step", "rmsprop", A(optimizer, .algorithm = TL_STEP_RMSPROP), {N(3, 5), N(3, 5), U(9), U(3, 5), NONE, NONE}, 6, NO_GRADIENT, 2e-6},
    {"optimizer_step", "rmsprop, momentum, centered", A(optimizer, .algorithm = TL_STEP_RMSPROP, .momentum = true, .centered = true), {N(3, 5), N(3, 5), U(9), U(3, 5), N(3, 5), N(3, 5)}, 6, NO_GRADIENT, 1e-4},
    {"batch_norm", "training", A(batch_norm, .training = true), {N(4, 3, 5, 5), NONE, NONE, N(3), N(3)}, 5, 0, 2e-5},
    {"batch_norm", "training, plain, 2-d", A(batch_norm, .training = true), {N(8, 5), NONE, NONE, NONE, NONE}, 5, 0, 2e-5},
    {"batch_norm", "training, 16 channels", A(batch_norm, .training = true), {N(4, 16, 6, 6), NONE, NONE, N(16), N(16)}, 5, 0, 2e-5},
    {"batch_norm", "running statistics out", A(batch_norm, .training = true, .update = true), {N(4, 3, 5, 5), N(3), U(3), N(3), N(3)}, 5, NO_GRADIENT, 2e-5},
    {"batch_norm", "evaluation", A(batch_norm, .training = false), {N(4, 3, 5), C(3), C(3), N(3), N(3)}, 5, 0, 2e-5},
    {"batch_norm_grad", "training", A(batch_norm, .training = true), {N(4, 3, 5, 5), N(4, 3, 5, 5), N(3), NONE, NONE}, 5, NO_GRADIENT, 2e-5},
    {"batch_norm_grad", "evaluation", A(batch_norm, .training = false), {N(4, 3, 5, 5), N(4, 3, 5, 5), N(3), N(3), U(3)}, 5, NO_GRADIENT, 2e-5},
    {"layer_norm", "last", A(layer_norm, .ndim = 1), {N(4, 9), N(9), N(9)}, 3, 0, 2e-5},
    {"layer_norm", "last two, plain", A(layer_norm, .ndim = 2), {N(3, 4, 5), NONE, NONE}, 3, 0, 2e-5},
    {"layer_norm_grad", "last", A(layer_norm, .ndim = 1), {N(4, 9), N(4, 9), N(9)}, 3, NO_GRADIENT, 2e-5},

    /* Recurrence: x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths */
    {"rnn", "tanh", NULL, {U(5, 3, 4), U(3, 6), NONE, U(6, 4), U(6, 6), U(6), U(6), NONE}, 8, 0, 0},
    {"rnn", "relu, reverse", A(rnn, .mode = TL_RNN_RELU, .reverse = true), {N(4, 3, 4), N(3, 6), NONE, U(6, 4), U(6, 6), NONE, NONE, NONE}, 8, 0, 0},
    {"rnn", "tanh, lengths, reverse", A(rnn, .reverse = true), {U(5, 4, 3), U(4, 7), NONE, U(7, 3), U(7, 7), U(7), U(7), I(6, 4)}, 8, 0, 0},
    {"rnn", "lstm", A(rnn, .mode = TL_RNN_LSTM), {N(5, 3, 4), U(3, 6), U(3, 6), U(24, 4), U(24, 6), N(24), N(24), NONE}, 8, 0, 0},
    {"rnn", "lstm, lengths", A(rnn, .mode = TL_RNN_LSTM), {N(6, 5, 3), U(5, 4), U(5, 4), N(16, 3), U(16, 4), N(16), N(16), I(7, 5)}, 8, 0, 0},
    {"rnn", "lstm, lengths, reverse", A(rnn, .mode = TL_RNN_LSTM, .reverse = true), {N(6, 5, 3), U(5, 4), U(5, 4), N(16, 3), U(16, 4), NONE, N(16), I(7, 5)}, 8, 0, 0},
    {"rnn", "lstm, one step", A(rnn, .mode = TL_RNN_LSTM), {N(1, 2, 3), U(2, 5), U(2, 5), N(20, 3), U(20, 5), N(20), NONE, NONE}, 8, 0, 0},
    {"rnn", "lstm, wide", A(rnn, .mode = TL_RNN_LSTM), {N(7, 9, 33), U(9, 67), U(9, 67), SMALL(268, 33), SMALL(268, 67), SMALL(268), SMALL(268), NONE}, 8, NO_HALF | NO_DIFFERENCES, 2e-5},
    {"rnn", "gru", A(rnn, .mode = TL_RNN_GRU), {N(5, 3, 4), U(3, 6), NONE, U(18, 4), N(18, 6), N(18), N(18), NONE}, 8, 0, 0},
    {"rnn", "gru, lengths, reverse", A(rnn, .mode = TL_RNN_GRU, .reverse = true), {N(6, 5, 3), U(5, 4), NONE, N(12, 3), N(12, 4), N(12), N(12), I(7, 5)}, 8, 0, 0},
    {"rnn", "gru, wide, lengths", A(rnn, .mode = TL_RNN_GRU), {N(7, 9, 33), U(9, 67), NONE, SMALL(201, 33), SMALL(201, 67), SMALL(201), NONE, I(8, 9)}, 8, NO_HALF | NO_DIFFERENCES, 2e-5},
    {"rnn", "no samples", A(rnn, .mode = TL_RNN_LSTM), {N(3, 0, 4), N(0, 5), N(0, 5), N(20, 4), N(20, 5), N(20), N(20), NONE}, 8, NO_GRADIENT, 0},
    {"rnn_grad", "lstm, foreign residual", A(rnn, .mode = TL_RNN_LSTM), {N(4, 3, 5), U(3, 4), U(3, 4), U(16, 5), U(16, 4), U(16), U(16), I(5, 3), N(4, 3, 4), N(4, 3, 4), N(3, 4), N(3, 4)}, 12, NO_GRADIENT, 0},
    {"rnn_grad", "gru, reverse", A(rnn, .mode = TL_RNN_GRU, .reverse = true), {N(4, 3, 5), U(3, 4), NONE, U(12, 5), U(12, 4), U(12), U(12), NONE, N(4, 3, 4), N(4, 3, 4), N(3, 4), NONE}, 12, NO_GRADIENT, 0},

    /* Losses */
    {"mse_loss", "mean", NULL, {N(4, 5), N(4, 5)}, 2, 0, 0},
    {"mse_loss", "sum", A(loss, .reduction = TL_SUM), {N(4, 5), N(4, 5)}, 2, 0, 0},
    {"mse_loss_grad", "mean", NULL, {S, N(4, 5), N(4, 5)}, 3, NO_GRADIENT, 0},
    {"smooth_l1_loss", "beta", A(loss, .beta = 0.7), {N(4, 5), N(4, 5)}, 2, 0, 0},
    {"bce_loss", "mean", NULL, {U(4, 5), U(4, 5)}, 2, 0, 0},
    {"bce_with_logits_loss", "not reduced", A(loss, .reduction = TL_NO_REDUCTION), {N(4, 5), U(4, 5)}, 2, 0, 0},
    {"nll_loss2d", "images", NULL, {N(2, 4, 9), I(4, 2, 9), NONE}, 3, 0, 0},
    {"nll_loss", "mean", NULL, {N(6, 4), I(4, 6), NONE}, 3, 0, 0},
    {"nll_loss", "weighted sum", A(nll, .reduction = TL_SUM), {N(6, 4), I(4, 6), C(4)}, 3, 0, 0},
    {"nll_loss", "images, ignored class", A(nll, .ignore = true, .ignore_index = 1), {N(2, 4, 9), I(4, 2, 9), NONE}, 3, 0, 0},
    {"nll_loss", "no reduction", A(nll, .reduction = TL_NO_REDUCTION), {N(6, 4), I(4, 6), C(4)}, 3, 0, 0},
    {"nll_loss_grad", "mean", A(nll, .classes = 4), {S, I(4, 6), NONE, {.fill = UNIT}}, 4, NO_GRADIENT, 0},
};
const size_t n_cases = sizeof cases / sizeof *cases;

void pointwise_cases(const tl_op *op, struct test_case c[POINTWISE_CASES])
{
    static const struct tl_pointwise_attrs bounds = {.struct_size = sizeof bounds, .p = 0.3, .q = 0.7};
    static const int64_t shapes[3][3] = {{3, 4, 5}, {1, 4, 1}, {3, 1, 5}};
    c[0] = (struct test_case){.op = op->name, .variant = "broadcast", .attrs = &bounds, .n_in = op->n_in, .tolerance = 1e-5};
    if (!op->grad)
        c[0].flags |= NO_GRADIENT;
    if (!(op->flags & TL_OP_INTERNAL))
        c[0].flags |= INTEGERS;
    c[1] = c[0];
    c[1].variant = "both signs";
    c[1].flags |= PARTIAL;
    for (int i = 0; i < op->n_in; i++) {
        const int64_t *shape = shapes[(op->flags & TL_OP_INTERNAL) ? 0 : i % 3];
        for (int k = 0; k < POINTWISE_CASES; k++)
            c[k].in[i] = (struct operand){.fill = k ? WIDE : UNIT, .ndim = 3, .shape = {shape[0], shape[1], shape[2]}};
    }
}
