#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for the kernels of the reference backend: writes reference.txt beside itself. Run with PyTorch.

One case is one call of one kernel, straight through the plugin interface:

    case OP VARIANT
    attrs FAMILY [FIELD COUNT NUMBER…]… end          numbers of a field of <telar/attrs.h>
    in TYPE NDIM SHAPE… NUMBER… | in absent          operands in order
    out TYPE NDIM SHAPE… NUMBER… | out absent        what PyTorch has computed in f64
    residual keep | use                              emit the residual and remember it, or hand over the last one
    done

TYPE `real` means: once in f64 and once in f32 (the inputs are exact in f32).
"""
import itertools
import math
import os
import re
import zlib

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
DEF = os.path.join(HERE, "..", "..", "include", "telar", "pointwise.def")
out = open(os.path.join(HERE, "reference.txt"), "w")
NAMES = {torch.float64: "real", torch.int64: "i64", torch.int32: "i32", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool"}


def seed(name):
    """Each op and each part draws from a stream of its own: a new one leaves the numbers of the others alone."""
    torch.manual_seed(zlib.crc32(name.encode()))


def rand(*shape):
    """Normal numbers with few digits, exact in f32."""
    return (torch.randn(shape, dtype=torch.float64) * 256).round() / 256


def tensor_text(t, text):
    if t is None:
        return "absent"
    t = t.detach()
    numbers = (text(v) if t.dtype == torch.float64 else str(int(v)) for v in t.reshape(-1).tolist())
    return " ".join([NAMES[t.dtype], str(t.dim()), *map(str, t.shape), *numbers])


def case(op, variant, ins, outs, family=None, residual=None, **attrs):
    print(f"case {op} {variant}", file=out)
    if family:
        fields = ((k, v if isinstance(v, (tuple, list)) else [v]) for k, v in attrs.items())
        print("attrs", family, *(f"{k} {len(v)} " + " ".join(f"{float(x):.17g}" for x in v) for k, v in fields), "end", file=out)
    for t in ins:
        print("in", tensor_text(t, repr), file=out)
    for t in outs:
        print("out", tensor_text(t, "{:.13g}".format), file=out)
    if residual:
        print("residual", residual, file=out)
    print("done", file=out)


# ---- Pointwise ------------------------------------------------------------------------------------------------------

UNARY = {
    "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "square": torch.square, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal, "exp": torch.exp, "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p,
    "log2": torch.log2, "sin": torch.sin, "cos": torch.cos, "erf": torch.erf, "floor": torch.floor, "ceil": torch.ceil,
    "trunc": torch.trunc, "round": torch.round, "relu": F.relu, "leaky_relu": lambda a: F.leaky_relu(a, 0.25), "relu6": F.relu6,
    "elu": lambda a: F.elu(a, 0.25), "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda a: torch.clamp(a + 3, 0, 6) / 6, "tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu,
    "softplus": lambda a: F.softplus(a, 0.25, 0.75), "log_sigmoid": F.logsigmoid, "clamp": lambda a: torch.clamp(a, 0.25, 0.75),
    "hardswish": F.hardswish, "selu": F.selu, "mish": F.mish,
}
BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "fmod": torch.fmod, "pow": torch.pow,
    "minimum": torch.minimum, "maximum": torch.maximum, "squared_error": lambda a, b: (a - b) ** 2,
    "absolute_error": lambda a, b: (a - b).abs(),
    "smooth_l1_error": lambda a, b: F.smooth_l1_loss(a, b, beta=0.25, reduction="none"),
    "bce_error": lambda a, b: F.binary_cross_entropy(a, b, reduction="none"),
    "bce_logits_error": lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
    "kl_error": lambda a, b: F.kl_div(a, b, reduction="none"),
}
TESTS = {
    "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge,
    "logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_not": torch.logical_not,
    "isnan": torch.isnan, "isfinite": torch.isfinite,
}
POSITIVE = {"sqrt", "rsqrt", "log", "log2", "log1p", "bce_error", "kl_error", "pow"}  # operands between 0 and 1
SPECIAL = torch.tensor([0.0, 1, -1, 2.5, -2.5, 0.5, 1.5, 7, math.inf, -math.inf, math.nan], dtype=torch.float64)


def gradients_of_table():
    """Name of each op in pointwise.def → the texts of its gradients."""
    text = re.sub(r"\s+", " ", open(DEF).read())
    for m in re.finditer(r"TL_(UN|BIN|TERN)ARY\w*\((\w+), (?:SAME|ARITH|FLOAT|COND), ", text):
        pieces, depth, start, i = [], 0, m.end(), m.end()
        while len(pieces) < {"UN": 2, "BIN": 3, "TERN": 4}[m[1]]:
            depth += (text[i] == "(") - (text[i] == ")")
            if text[i] == "," and depth == 0:
                pieces.append(text[start:i].strip())
                start = i + 1
            i += 1
        yield m[2], pieces[1:]


def uses(expression):
    return [v for v in "gabcy" if re.search(rf"(?<![\w.]){v}(?![\w.(])", expression)]


def pointwise():
    gradients = dict(gradients_of_table())
    for name, f in {**UNARY, **BINARY}.items():
        seed(name)
        numbers = dict(family="pointwise", p=0.25, q=0.75)
        ins = [torch.rand(7, dtype=torch.float64) * 0.75 + 0.125 if name in POSITIVE else rand(7) * 2 for _ in range(1 + (name in BINARY))]
        ins = [(i * 512).round() / 512 + 1 / 2048 for i in ins]
        leaves = [i.clone().requires_grad_() for i in ins]
        y, g = f(*leaves), rand(7)
        case(name, "random", ins, [y], **numbers)
        for k, (text, d) in enumerate(zip(gradients[name], torch.autograd.grad(y, leaves, g))):
            if text != "g" and uses(text):
                values = {"g": g, "a": ins[0], "b": ins[-1], "y": y}
                case(f"{name}_d{'ab'[k]}", "random", [values[v] for v in uses(text)], [d], **numbers)
        if name in UNARY:
            case(name, "special", [SPECIAL], [f(SPECIAL)], **numbers)
    for name in ("minimum", "maximum"):
        a, b = (t.reshape(-1).contiguous() for t in torch.broadcast_tensors(SPECIAL[:, None], SPECIAL))
        case(name, "special", [a, b], [BINARY[name](a, b)])
    for name, f in TESTS.items():
        a, b = (t.reshape(-1).contiguous() for t in torch.broadcast_tensors(SPECIAL[:, None], SPECIAL))
        ins = [a, b] if name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or") else [SPECIAL]
        case(name, "special", ins, [f(*ins)])
    seed("where")
    choice = torch.tensor([True, False, True])
    a, b, g = rand(3), rand(3), rand(3)
    case("where", "random", [choice, a, b], [torch.where(choice, a, b)])
    case("where_db", "random", [g, choice], [torch.where(choice, g, 0 * g)])
    case("where_dc", "random", [g, choice], [torch.where(choice, 0 * g, g)])


def integers():
    for dtype in (torch.int8, torch.uint8, torch.int32, torch.int64):
        info = torch.iinfo(dtype)
        a = torch.tensor([info.min, info.max, 3, 100, 7, info.min + 1, 2], dtype=dtype)
        b = torch.tensor([info.max, info.max, 5, 3, -2 if info.min else 2, 1, 7], dtype=dtype)
        for name in ("add", "sub", "mul", "fmod", "minimum", "maximum"):
            case(name, "wrap", [a, b], [BINARY[name](a, b)])
        case("pow", "wrap", [a, b.abs() % 9], [torch.pow(a, b.abs() % 9)])
        for name in ("neg", "abs", "sign", "square", "relu", "floor"):
            case(name, "wrap", [a], [UNARY[name](a)])
        case("clamp", "infinite", [a], [a], family="pointwise", p=-math.inf, q=math.inf)
        for name in ("eq", "lt", "ge", "logical_and"):
            case(name, "integer", [a, b], [TESTS[name](a, b)])
    a, b = torch.tensor([False, False, True, True]), torch.tensor([False, True, False, True])
    for name, f in (("add", torch.logical_or), ("mul", torch.logical_and), ("minimum", torch.logical_and), ("maximum", torch.logical_or)):
        case(name, "bool", [a, b], [f(a, b)])


# ---- Copies, reductions ---------------------------------------------------------------------------------------------

def copies():
    x = torch.tensor([0.5, -0.5, 2.75, -2.75, 300, -300, 1e10, -1e10, 1e19, -1e19, math.inf, -math.inf, math.nan], dtype=torch.float64)
    for dtype in (torch.int8, torch.uint8, torch.int32, torch.int64):
        info = torch.iinfo(dtype)
        whole = [0 if v != v else info.min if v <= info.min else info.max if v >= info.max else int(v) for v in x.tolist()]
        case("copy", "saturate", [x], [torch.tensor(whole, dtype=dtype)])
    case("copy", "bool", [x], [x != 0])
    i = torch.tensor([0, 1, -1, 127, 128, 255, 256, -129, 2**31, -2**31 - 1, 2**40 + 5])
    for dtype in (torch.int8, torch.uint8, torch.int32, torch.bool, torch.float64):
        case("copy", "wrap", [i], [i.to(dtype)])
    case("fill", "real", [], [torch.full((2, 3), 0.25, dtype=torch.float64)], family="fill", value=0.25)
    case("fill", "saturate", [], [torch.full((2, 3), 255, dtype=torch.uint8)], family="fill", value=1e9)


def reductions():
    x = rand(2, 3, 4)
    ties = torch.tensor([[1.0, 3, 3, 2], [math.nan, 5, math.nan, 7], [-1, -1, -2, -2]], dtype=torch.float64)
    for dims in ([0], [1], [2], [0, 2], [1, 2], [0, 1, 2], []):
        d = dims or [0, 1, 2]
        reduce = dict(family="reduce", dims=dims, keepdim=1)
        variant = "over" + "".join(map(str, dims))
        case("sum", variant, [x], [x.sum(d, True)], **reduce)
        case("mean", variant, [x], [x.mean(d, True)], **reduce)
        case("var", variant, [x], [x.var(d, correction=1, keepdim=True)], **reduce)
        case("var", variant + "biased", [x], [x.var(d, correction=0, keepdim=True)], biased=1, **reduce)
        case("amax", variant, [x], [x.amax(d, True)], **reduce)
        case("amin", variant, [x], [x.amin(d, True)], **reduce)
        p = x
        for k in d:
            p = p.prod(k, True)
        case("prod", variant, [x], [p], **reduce)
    for dims in ([0], [1]):
        for name in ("argmax", "argmin"):
            case(name, "ties", [ties], [getattr(torch, name)(ties, dims[0], True)], family="reduce", dims=dims, keepdim=1)
        case("amax", "nan", [ties], [ties.amax(dims, True)], family="reduce", dims=dims, keepdim=1)
        case("amin", "nan", [ties], [ties.amin(dims, True)], family="reduce", dims=dims, keepdim=1)
    case("argmax", "all", [x], [x.argmax().reshape(1, 1, 1)], family="reduce", dims=[], keepdim=1)
    i = torch.tensor([[100, 100, 100], [27, -128, 3]], dtype=torch.int8)
    case("sum", "integer", [i], [i.sum(1, True)], family="reduce", dims=[1], keepdim=1)
    case("prod", "integer", [i], [i.prod(1, True)], family="reduce", dims=[1], keepdim=1)
    case("sum", "bool", [i > 0], [(i > 0).sum(0, True)], family="reduce", dims=[0], keepdim=1)
    nothing = torch.zeros(2, 0, dtype=torch.float64)
    case("sum", "nothing", [nothing], [nothing.sum(1, True)], family="reduce", dims=[1], keepdim=1)
    case("mean", "nothing", [nothing], [nothing.mean(1, True)], family="reduce", dims=[1], keepdim=1)
    case("prod", "nothing", [nothing], [nothing.prod(1, True)], family="reduce", dims=[1], keepdim=1)
    for dim in range(3):
        case("cumsum", f"dim{dim}", [x], [x.cumsum(dim)], family="along", dim=dim)
        for name in ("softmax", "log_softmax"):
            leaf = x.clone().requires_grad_()
            y, g = getattr(torch, name)(leaf, dim), rand(2, 3, 4)
            case(name, f"dim{dim}", [x], [y], family="along", dim=dim)
            y32 = y.detach().float().double().requires_grad_()  # what the f32 kernel is given
            s = y32 if name == "softmax" else y32.exp()
            dx = s * (g - (g * s).sum(dim, True)) if name == "softmax" else g - s * g.sum(dim, True)
            case(name + "_grad", f"dim{dim}", [g, y32], [dx], family="along", dim=dim)
    far = torch.tensor([[1e4, 0, -1e4], [-math.inf, 0, 1], [math.nan, 1, 2]], dtype=torch.float64)
    case("softmax", "far", [far], [far.softmax(1)], family="along", dim=1)
    case("log_softmax", "far", [far], [far.log_softmax(1)], family="along", dim=1)


# ---- Products, indices, order -----------------------------------------------------------------------------------------

def products():
    for m, k, n in ((3, 4, 5), (1, 7, 1), (2, 0, 3), (0, 2, 2), (1, 2, 300)):
        a, b = rand(m, k), rand(k, n)
        case("matmul", f"{m}x{k}x{n}", [a, b], [a @ b])
    a, b = rand(2, 3, 4), rand(2, 4, 2)
    case("matmul", "batch", [a, b], [a @ b])
    a, b = torch.randint(-99, 99, (3, 4)), torch.randint(-99, 99, (4, 2))
    case("matmul", "integer", [a, b], [a @ b])
    a, b = rand(3, 4), rand(4, 5)
    for c in (rand(5), rand(3, 5), rand(1, 5), rand(3, 1)):
        case("addmm", "c" + "x".join(map(str, c.shape)), [c, a, b], [torch.addmm(c, a, b, alpha=0.5, beta=2)], family="addmm", alpha=0.5, beta=2)
    case("addmm", "beta0", [torch.full((5,), math.nan, dtype=torch.float64), a, b], [a @ b], family="addmm", alpha=1, beta=0)


def indices():
    x = rand(3, 4, 2)
    for dim in range(3):
        along = dict(family="along", dim=dim)
        index = torch.randint(0, x.shape[dim], [2 if d != dim else 5 for d in range(3)])
        source = rand(*index.shape)
        case("gather", f"dim{dim}", [x, index], [x.gather(dim, index)], **along)
        case("scatter_add", f"dim{dim}", [x, index, source], [x.scatter_add(dim, index, source)], **along)
        rows = torch.randint(0, x.shape[dim], (5,))
        taken = x.index_select(dim, rows)
        case("index_select", f"dim{dim}", [x, rows], [taken], **along)
        case("index_add", f"dim{dim}", [x, rows, taken], [x.index_add(dim, rows, taken)], **along)
        case("cat", f"dim{dim}", [x, taken, x], [torch.cat([x, taken, x], dim)], **along)
    for dims in ([], [0], [1, 2], [0, 1, 2]):
        case("flip", "dims" + "".join(map(str, dims)), [x], [x.flip(dims)], family="shape", dims=dims)
    for amounts in ([1, 2], [0, 1, 2, 0], [1, 0, 0, 2, 1, 1]):
        case("pad", "by" + "".join(map(str, amounts)), [x], [F.pad(x, amounts, value=-0.5)], family="pad", pad=amounts, value=-0.5)
    ties = torch.tensor([[2.0, 1, math.nan, 2, 1, -3, math.nan], [0, 0, 5, 5, -5, math.inf, -math.inf]], dtype=torch.float64)
    for descending in (False, True):
        order = dict(family="order", descending=descending)
        variant = "down" if descending else "up"
        for dim in (0, 1):
            case("sort", f"{variant}{dim}", [ties], torch.sort(ties, dim=dim, descending=descending, stable=True), dim=dim, **order)
        values, places = torch.sort(ties, dim=1, descending=descending, stable=True)
        case("topk", variant, [ties], [values[:, :3], places[:, :3]], dim=1, k=3, **order)
        i = torch.tensor([3, 1, 2, 1, 3], dtype=torch.uint8)
        case("sort", f"{variant}integer", [i], torch.sort(i, descending=descending, stable=True), dim=0, **order)
    table, index = rand(5, 3), torch.tensor([[0, 4, 2], [2, 2, 1]])
    case("embedding", "plain", [table, index], [F.embedding(index, table)], family="embedding")
    for padding in (None, 2):
        leaf, g = table.clone().requires_grad_(), rand(2, 3, 3)
        F.embedding(index, leaf, padding_idx=padding).backward(g)
        case("embedding_grad", f"padding{padding}", [g, index], [leaf.grad], family="embedding", rows=5, padding=padding is not None, padding_idx=padding or 0)


# ---- Convolution, pooling, normalisation, losses ------------------------------------------------------------------------

def gradient(y, leaves, g):
    return torch.autograd.grad(y, [v for v in leaves if v is not None], g)


def leaf(t):
    return None if t is None else t.clone().requires_grad_()


def convolutions():
    sizes = (
        # n  c  h  w  k  r  s  stride  padding dilation groups bias
        (2, 3, 5, 6, 4, 3, 3, (1, 1), (1, 1), (1, 1), 1, True),
        (1, 4, 7, 5, 6, 3, 2, (2, 1), (0, 2), (2, 1), 2, False),
        (2, 3, 4, 4, 3, 1, 1, (3, 2), (0, 0), (1, 1), 3, True),
        (1, 2, 3, 3, 2, 2, 3, (1, 2), (3, 3), (1, 3), 1, True),
        (0, 2, 4, 4, 3, 3, 3, (1, 1), (1, 1), (1, 1), 1, True),
    )
    for number, (n, c, h, w, k, r, s, stride, padding, dilation, groups, bias) in enumerate(sizes):
        attrs = dict(family="conv2d", stride=stride, padding=padding, dilation=dilation, groups=groups)
        x, weight, b = rand(n, c, h, w), rand(k, c // groups, r, s), rand(k) if bias else None
        leaves = [leaf(x), leaf(weight), leaf(b)]
        y = F.conv2d(*leaves, stride, padding, dilation, groups)
        g = rand(*y.shape)
        d = gradient(y, leaves, g)
        case("conv2d", f"number{number}", [x, weight, b], [y], **attrs)
        case("conv2d_grad_input", f"number{number}", [g, weight], [d[0]], size=(h, w), **attrs)
        case("conv2d_grad_weight", f"number{number}", [x, g], [d[1], d[2] if bias else None], size=(r, s), with_bias=bias, **attrs)


def pools():
    for kernel, stride, padding, dilation, ceil_mode in itertools.product([(2, 3)], [(1, 2), (2, 3)], [(0, 0), (1, 1)], [(1, 1), (2, 1)], [False, True]):
        attrs = dict(family="pool2d", kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
        x = (rand(1, 2, 4, 5) * 2).round()  # with ties
        l = leaf(x)
        y = F.max_pool2d(l, kernel, stride, padding, dilation, ceil_mode)
        g = rand(*y.shape)
        variant = "x".join(map(str, stride + padding + dilation + (int(ceil_mode),)))
        case("max_pool2d", variant, [x], [y], residual="keep", **attrs)
        case("max_pool2d_grad", variant, [x, y, g], gradient(y, [l], g), size=(4, 5), residual="use", **attrs)
        case("max_pool2d_grad", variant + "again", [x, y, g], gradient(F.max_pool2d(l, kernel, stride, padding, dilation, ceil_mode), [l], g), size=(4, 5), **attrs)
        v, places = torch.arange(40, dtype=torch.float64).reshape(x.shape) / 8, F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode, True)[1]
        picked = v.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)
        case("max_pool2d_pick", variant, [x, y, v], [picked], size=(4, 5), **attrs)
        if dilation != (1, 1):
            continue
        for include, divisor in ((True, None), (False, None), (True, 5)):
            x = rand(1, 2, 4, 5)
            l = leaf(x)
            y = F.avg_pool2d(l, kernel, stride, padding, ceil_mode, include, divisor)
            g = rand(*y.shape)
            case("avg_pool2d", f"{variant}{include}{divisor}", [x], [y], exclude_pad=not include, divisor=divisor or 0, **attrs)
            case("avg_pool2d_grad", f"{variant}{include}{divisor}", [g], gradient(y, [l], g), exclude_pad=not include, divisor=divisor or 0, size=(4, 5), **attrs)
    for size in ((1, 1), (2, 3), (4, 5), (5, 7)):
        x = rand(1, 2, 4, 5)
        l = leaf(x)
        y = F.adaptive_avg_pool2d(l, size)
        g = rand(*y.shape)
        case("adaptive_avg_pool2d", "x".join(map(str, size)), [x], [y], family="adaptive_pool2d", size=size)
        case("adaptive_avg_pool2d_grad", "x".join(map(str, size)), [g], gradient(y, [l], g), family="adaptive_pool2d", size=(4, 5))


def unfolds():
    sizes = (((3, 3), (1, 1), (0, 0), (1, 1)), ((3, 2), (2, 1), (1, 0), (1, 3)), ((2, 2), (3, 3), (4, 4), (1, 1)), ((1, 2), (1, 3), (0, 2), (2, 1)))
    for number, (kernel, stride, padding, dilation) in enumerate(sizes):
        attrs = dict(family="unfold", kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        x = rand(2, 3, 5, 6)
        y = F.unfold(x, kernel, dilation, padding, stride)
        case("unfold", f"number{number}", [x], [y], **attrs)
        x = rand(*y.shape)
        case("fold", f"number{number}", [x], [F.fold(x, (5, 6), kernel, dilation, padding, stride)], size=(5, 6), **attrs)


def norms():
    for shape, training, affine, running in itertools.product([(5, 3), (2, 3, 2, 2)], [True, False], [True, False], [True, False]):
        if not training and not running:
            continue
        x, weight, bias = rand(*shape) * 3 + 5, rand(3) if affine else None, rand(3) if affine else None
        mean, var = (rand(3), (rand(3) * 2).abs() + 0.5) if running else (None, None)
        leaves, new_mean, new_var = [leaf(x), leaf(weight), leaf(bias)], None if mean is None else mean.clone(), None if var is None else var.clone()
        y = F.batch_norm(leaves[0], new_mean, new_var, leaves[1], leaves[2], training, 0.25, 0.001)
        g = rand(*shape)
        d = gradient(y, leaves, g)
        update = training and running
        attrs = dict(family="batch_norm", training=training, momentum=0.25, eps=0.001)
        variant = f"rank{len(shape)}{'training' if training else ''}{'affine' if affine else ''}{'running' if running else ''}"
        case("batch_norm", variant, [x, mean, var, weight, bias], [y] + ([new_mean, new_var] if update else [None, None]), residual="keep", update=update, **attrs)
        for residual in ("use", None):
            case("batch_norm_grad", variant + (residual or ""), [x, g, weight, mean, var], [*d] if affine else [*d, None, None], residual=residual, **attrs)
    empty, mean, var = rand(0, 3, 2, 2), rand(3), rand(3).abs()
    case("batch_norm", "empty", [empty, mean, var, None, None], [empty, mean, var], family="batch_norm", training=True, momentum=0.25, eps=0.001, update=True)
    for shape, ndim, affine in (((4, 5), 1, True), ((2, 3, 4), 2, True), ((2, 3, 4), 3, False)):
        x, weight, bias = rand(*shape) * 3 + 5, rand(*shape[-ndim:]) if affine else None, rand(*shape[-ndim:]) if affine else None
        leaves = [leaf(x), leaf(weight), leaf(bias)]
        y = F.layer_norm(leaves[0], shape[-ndim:], leaves[1], leaves[2], 0.001)
        g = rand(*shape)
        d = gradient(y, leaves, g)
        case("layer_norm", f"last{ndim}", [x, weight, bias], [y], family="layer_norm", ndim=ndim, eps=0.001)
        case("layer_norm_grad", f"last{ndim}", [x, g, weight], [*d] if affine else [*d, None, None], family="layer_norm", ndim=ndim, eps=0.001)


def losses():
    for shape, weighted, (number, reduction), ignored in itertools.product([(4, 3), (2, 3, 2)], [True, False], enumerate(("mean", "sum", "none")), [-100, 1]):
        x, weight = rand(*shape), (rand(3)).abs() + 0.5 if weighted else None
        label = torch.tensor([0, ignored, 2, 1]).reshape(shape[0], *shape[2:])
        l = leaf(x)
        y = F.nll_loss(l, label, weight, ignore_index=ignored, reduction=reduction)
        g = rand(*y.shape)
        counted = label[label != ignored]
        total = (weight[counted].sum() if weighted else torch.tensor(float(len(counted)), dtype=torch.float64)).reshape(())
        total = total.float().double()
        attrs = dict(family="nll", reduction=number, ignore=ignored != -100, ignore_index=ignored)
        variant = f"rank{len(shape)}{reduction}{'weighted' if weighted else ''}{ignored}"
        case("nll_loss", variant, [x, label, weight], [y, total], **attrs)
        case("nll_loss_grad", variant, [g, label, weight, total], gradient(y, [l], g), classes=3, **attrs)
    for number, reduction in enumerate(("mean", "sum", "none")):
        x, target = rand(3, 4), rand(3, 4)
        l = leaf(x)
        y = F.mse_loss(l, target, reduction=reduction)
        g = rand(*y.shape)
        case("mse_loss", reduction, [x, target], [y], family="loss", reduction=number)
        case("mse_loss_grad", reduction, [g, x, target], gradient(y, [l], g), family="loss", reduction=number)


def recurrences():
    gates = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
    for (number, (mode, g)), reverse, packed, bias in itertools.product(enumerate(gates.items()), [False, True], [False, True], [True, False]):
        if bias == packed and mode != "LSTM":
            continue
        steps, samples, features, hidden = 3, 2, 3, 2
        x, h0, c0 = rand(steps, samples, features), rand(samples, hidden), rand(samples, hidden) if mode == "LSTM" else None
        w_ih, w_hh = rand(g * hidden, features) / 2, rand(g * hidden, hidden) / 2
        b_ih, b_hh = (rand(g * hidden) / 2, rand(g * hidden) / 2) if bias else (None, None)
        lengths = torch.tensor([2, 3]) if packed else None
        leaves = [leaf(t) for t in (x, h0, c0, w_ih, w_hh, b_ih, b_hh)]
        # PyTorch has the reverse direction as the second one of a layer that has two.
        layer = torch.nn.RNNBase(mode, features, hidden, bias=bias, bidirectional=True, dtype=torch.float64)
        layer.__class__ = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}.get(mode, torch.nn.RNN)
        for p in layer.parameters():
            p.data.zero_()
        weights = [l for l in leaves[3:] if l is not None]
        own = [n for n, _ in layer.named_parameters() if n.endswith("_reverse") == reverse]
        there = lambda s: torch.stack([torch.zeros_like(s), s] if reverse else [s, torch.zeros_like(s)])
        state = (there(leaves[1]), there(leaves[2])) if mode == "LSTM" else there(leaves[1])
        given = leaves[0] if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(leaves[0], lengths, enforce_sorted=False)
        y, last = torch.func.functional_call(layer, dict(zip(own, weights)), (given, state))
        if packed:
            y = torch.nn.utils.rnn.pad_packed_sequence(y)[0]
        y, last = y[..., hidden:] if reverse else y[..., :hidden], [s[int(reverse)] for s in (last if mode == "LSTM" else [last])]
        arriving = [rand(steps, samples, hidden), *(rand(samples, hidden) for _ in last)]
        wanted = [l for l in leaves if l is not None]
        d = iter(torch.autograd.grad([y, *last], wanted, arriving))
        ins = [x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths]
        attrs = dict(family="rnn", mode=number, reverse=reverse)
        variant = f"{mode}{'reverse' if reverse else ''}{'packed' if packed else ''}{'bias' if bias else ''}"
        none = [None] * (2 - len(last))
        case("rnn", variant, ins, [y, *last, *none], **attrs)
        case("rnn_grad", variant, [*ins, y, *arriving, *none], [next(d) if l is not None else None for l in leaves], **attrs)


for part in (pointwise, integers, copies, reductions, products, indices, convolutions, pools, unfolds, norms, losses, recurrences):
    seed(part.__name__)
    part()
out.close()
