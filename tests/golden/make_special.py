#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers at the odd points: bounds, knees, ties, NaN, infinities, zeros, nothing. Values and gradients (of all ones).

Writes special.txt beside itself. Run with PyTorch. The cases' names are those of tests/ops_special.c. One case, once in f32 and once in f64:

    NAME DTYPE NUMBER-OF-OPERANDS
        DTYPE RANK SIZES… VALUES…          each operand
        DTYPE RANK SIZES… VALUES…          the result
        DTYPE RANK SIZES… VALUES…          the gradient of each floating operand, unless the result is not floating
"""
import os

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
INF, NAN = float("inf"), float("nan")
NAMES = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32", torch.int8: "i8", torch.uint8: "u8",
         torch.bool: "bool"}


def real(*v):
    return torch.tensor(v[0] if len(v) == 1 else v, dtype=torch.float64)


def pairs(v):
    """Every element with every other."""
    return [t.reshape(-1).contiguous() for t in torch.broadcast_tensors(v[:, None], v)]


SPECIAL = real(0.0, -0.0, 1, -1, 0.5, 2, -2, 100, -100, INF, -INF, NAN)
KNEES = real(0.0, -0.0, 1, -1, 3, -3, 6, -6, 0.5, -0.5, 20, -20, 40, -40, INF, -INF)
ROWS = real([[1.0, NAN, 2, NAN], [3, 3, -1, 3], [0, 5, INF, 5], [-INF, -INF, -INF, -INF]])
ZEROS = real([[2.0, 0, 3], [0, 0, 4], [1, 2, 3]])
PLANE = real([[[[1.0, NAN, 2, 3, 0], [4, 5, NAN, NAN, 1], [0, 0, -INF, INF, 1], [7, 7, 3, 4, -1]]]])
LOGITS = real([[0.5, -1, 2], [1, 0, -2], [3, 3, 3], [-1, 0.25, 1]])
COUNTS = torch.tensor([-3, 0, 2, 7])
PICTURE = (torch.arange(2 * 5 * 6, dtype=torch.float64).reshape(2, 5, 6) * 7 % 11 - 5) / 4
KERNEL = (torch.arange(4 * 2 * 3 * 2, dtype=torch.float64).reshape(4, 2, 3, 2) * 5 % 7 - 3) / 2
LINE, LINE_KERNEL = PICTURE[:, 0], KERNEL[:3, :, :, 0].contiguous()
MATRIX, OTHER = PICTURE[0, :2, :3].contiguous(), PICTURE[1, :3, :4].contiguous()
NOTHING = torch.zeros(0, dtype=torch.float64)


def batch_norm_still(x):
    mean, var = torch.tensor([1.0, 2], dtype=x.dtype), torch.tensor([3.0, 4], dtype=x.dtype)
    F.batch_norm(x.detach(), mean, var, training=True, momentum=0)
    return torch.cat([mean, var]) + 0 * x.sum()


CASES = {
    # Knees and bounds
    "clamp": ([SPECIAL], lambda x: x.clamp(-1, 1)),
    "clamp_low": ([SPECIAL], lambda x: x.clamp(min=-1)),
    "clamp_high": ([SPECIAL], lambda x: x.clamp(max=0)),
    "clamp_crossed": ([SPECIAL], lambda x: x.clamp(1, -1)),
    "clamp_nan": ([SPECIAL], lambda x: x.clamp(NAN, 1)),
    "relu": ([SPECIAL], F.relu),
    "relu6": ([KNEES], F.relu6),
    "leaky_relu_zero": ([KNEES], lambda x: F.leaky_relu(x, 0)),
    "elu": ([KNEES], lambda x: F.elu(x, 0.5)),
    "hard_sigmoid": ([KNEES], lambda x: F.relu6(x + 3) / 6),
    "softplus": ([KNEES], F.softplus),
    "abs": ([SPECIAL], torch.abs),
    "sign": ([SPECIAL], torch.sign),
    "sqrt": ([SPECIAL], torch.sqrt),
    "rsqrt": ([SPECIAL], torch.rsqrt),
    "pow": (pairs(SPECIAL), torch.pow),
    "maximum": (pairs(SPECIAL), torch.maximum),
    "minimum": (pairs(SPECIAL), torch.minimum),
    "where_nan": ([SPECIAL], lambda x: torch.where(x > 0, x.sqrt(), x)),
    # Integers and bool
    "sign_bool": ([torch.tensor([True, False])], torch.sign),
    "clamp_whole": ([COUNTS], lambda x: x.clamp(0, 5)),
    "clamp_half": ([COUNTS], lambda x: x.clamp(0.5, 5)),
    "number_whole": ([COUNTS], lambda x: x * 2),
    "number_real": ([COUNTS], lambda x: x * 2.0),
    "pow_whole": ([COUNTS], lambda x: x**3),
    "fill_wraps": ([torch.tensor([1, 2], dtype=torch.uint8)], lambda x: x.masked_fill(x > 1, -1)),
    # Reductions
    "amax": ([ROWS], lambda x: x.amax(1)),
    "amin": ([ROWS], lambda x: x.amin(1)),
    "max_nan": ([ROWS], torch.max),
    "min_ties": ([ROWS[1]], torch.min),
    "max_dim": ([ROWS], lambda x: x.max(1)[0]),
    "argmax": ([ROWS], lambda x: x.argmax(1)),
    "prod": ([ZEROS], lambda x: x.prod(1)),
    "softmax": ([ROWS], lambda x: x.softmax(1)),
    "log_softmax": ([ROWS], lambda x: x.log_softmax(1)),
    "var_of_one": ([real([[3.0]])], lambda x: x.var(1)),
    "std_flat": ([torch.ones(3, dtype=torch.float64)], torch.std),
    "sort": ([ROWS], lambda x: x.sort(dim=1, stable=True)[0]),
    "sort_places": ([ROWS], lambda x: x.sort(dim=1, descending=True, stable=True)[1]),
    "norm_0": ([ZEROS], lambda x: x.norm(0)),
    "norm_half": ([ZEROS[2]], lambda x: x.norm(0.5)),
    "norm_minus_1": ([ZEROS[2]], lambda x: x.norm(-1)),
    "norm_minus_inf": ([ZEROS[2]], lambda x: x.norm(-INF)),
    "norm_inf_nan": ([ROWS], lambda x: x.norm(INF)),
    "norm_3_nan": ([real(NAN, 0, 2)], lambda x: x.norm(3)),
    # Explicit zeros
    "addmm_no_beta": ([real(NAN, 1, 2, 3), MATRIX, OTHER], lambda c, a, b: torch.addmm(c, a, b, beta=0)),
    "addmm_no_alpha": ([real(0.5, 1, 2, 3), MATRIX * NAN, OTHER], lambda c, a, b: torch.addmm(c, a, b, alpha=0)),
    "smooth_l1_no_beta": (pairs(SPECIAL), lambda x, t: F.smooth_l1_loss(x, t, beta=0, reduction="none")),
    "layer_norm_no_eps": ([PICTURE[0]], lambda x: F.layer_norm(x, (6,), eps=0)),
    "batch_norm_no_eps": ([PICTURE], lambda x: F.batch_norm(x, torch.zeros(5, dtype=x.dtype), torch.ones(5, dtype=x.dtype), eps=0)),
    "batch_norm_no_momentum": ([PICTURE[:, :2].contiguous()], batch_norm_still),
    "dropout_none": ([SPECIAL], lambda x: F.dropout(x, 0.0)),
    # Losses
    "smooth_l1": (pairs(SPECIAL), lambda x, t: F.smooth_l1_loss(x, t, reduction="none")),
    "bce_logits": (pairs(SPECIAL), lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none")),
    "kl_div": (pairs(SPECIAL), lambda x, t: F.kl_div(x, t, reduction="none")),
    "kl_div_broadcast": ([real(0.5, 1, 2), real([[0.25], [0.5]])], lambda x, t: F.kl_div(x, t, reduction="batchmean")),
    "nll_all_ignored": ([LOGITS], lambda x: F.nll_loss(x, torch.full((4,), -100))),
    "cross_entropy_probabilities_f64": ([LOGITS], lambda x: F.cross_entropy(x, torch.full((4, 3), 1 / 3, dtype=torch.float64))),
    # Samples without a batch; rectangles; windows larger than their input
    "conv2d_sample": ([PICTURE, KERNEL, real(1, 2, 3, 4)], lambda x, w, b: F.conv2d(x, w, b, padding=(1, 0))),
    "conv1d_sample": ([LINE, LINE_KERNEL], lambda x, w: F.conv1d(x, w, stride=2)),
    "conv_transpose2d_sample": ([PICTURE, KERNEL[:2]], lambda x, w: F.conv_transpose2d(x, w, stride=2)),
    "max_pool2d_sample": ([PICTURE], lambda x: F.max_pool2d(x, (3, 2), padding=(1, 1))),
    "avg_pool2d_sample": ([PICTURE], lambda x: F.avg_pool2d(x, (1, 3), stride=(2, 1))),
    "adaptive_avg_pool2d_sample": ([PICTURE], lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
    "max_pool2d_nan": ([PLANE], lambda x: F.max_pool2d(x, 2, stride=1)),
    "max_pool2d_beyond": ([PICTURE], lambda x: F.max_pool2d(x, (7, 4), stride=3, ceil_mode=True)),
    "avg_pool2d_beyond": ([PICTURE], lambda x: F.avg_pool2d(x, (7, 4), stride=3, padding=1, ceil_mode=True)),
    # Single numbers and nothing
    "gather_number": ([real(2.5)], lambda x: x.gather(0, torch.tensor([0, 0]))),
    "gather_by_number": ([real(2.5, 3)], lambda x: x.gather(0, torch.tensor(1))),
    "cat_nothing": ([NOTHING, NOTHING], lambda a, b: torch.cat([a, b], 1)),
    "cat_with_nothing": ([NOTHING, MATRIX], lambda a, b: torch.cat([a, b], 1)),
    "promote_number": ([real(1.5), real([2.0, 3])], lambda a, b: a.double() * b),
}


def tensor(t):
    """Dtype, rank, sizes, values."""
    t = t.detach()
    values = (f"{v:.17g}" if t.dtype.is_floating_point else str(int(v)) for v in t.reshape(-1).tolist())
    return " ".join([NAMES[t.dtype], str(t.dim()), *map(str, t.shape), *values])


def main():
    with open(os.path.join(HERE, "special.txt"), "w") as f:
        for name, (operands, function) in CASES.items():
            for dtype in (torch.float32, torch.float64):
                x = [(t.to(dtype) if t.is_floating_point() else t).clone() for t in operands]
                leaves = [t.requires_grad_() for t in x if t.is_floating_point()]
                y = function(*x)
                f.write(f"{name} {NAMES[dtype]} {len(x)}\n")
                for t in [*x, y]:
                    f.write(f"    {tensor(t)}\n")
                if y.is_floating_point() and leaves:
                    gradients = torch.autograd.grad(y, leaves, torch.ones_like(y), allow_unused=True)
                    for t, g in zip(leaves, gradients):
                        f.write(f"    {tensor(torch.zeros_like(t) if g is None else g)}\n")


main()
