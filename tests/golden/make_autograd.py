#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for writes in place, through views and otherwise: the graph, values, gradients, gradients of gradients.

Writes autograd.txt beside itself. Run with PyTorch. The cases' names are those of tests/autograd_views.c. Operands are x [3, 4] and
w [4], drawn in f64 with randn after manual_seed(7); the gradient that arrives is the result itself.
"""
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = torch.tensor([True, False, True, False])
COLUMNS = torch.tensor([3, 1])


def rows(x, w):
    y = torch.zeros(3, 4, dtype=x.dtype)
    y[0] = w * 2
    y[2] = x[1]
    return y


def loop(x, w):
    y = torch.zeros(3, 4, dtype=x.dtype)
    y[0] = w
    for i in (1, 2):
        y[i] = y[i - 1].clone() * x[i]
    return y


def add_row(x, w):
    y = x * 2
    y[1].add_(w)
    return y


def mul_columns(x, w):
    y = x * 2
    y.narrow(1, 1, 2).mul_(w[1:3])
    return y


def div_rows(x, w):
    y = x * 2
    y.narrow(0, 0, 2).div_(w)
    return y


def chain(x, w):
    y = x * 2
    y.t()[1:3][1].narrow(0, 0, 2).mul_(w[0])
    return y


def two_views(x, w):
    y = x * 2
    a, b = y[0], y.narrow(1, 0, 2)
    a.mul_(w)
    b.mul_(b.detach().exp())
    a.sub_(x[2])
    return y + a


def stale_view(x, w):
    y = x * 2
    a = y[0]
    y.mul_(w)
    return a * a


def itself(x, w):
    y = x * 2
    y.mul_(w)
    y.sub_(x)
    return y


def clamped(x, w):
    y = x * w
    y[1].clamp_(-0.5, 0.5)
    y.clamp_(-1, 1)
    return y


def zeroed(x, w):
    y = x * w
    y[0].zero_()
    y[1].fill_(3)
    y[2][1] = 0.5
    return y * y


def all_filled(x, w):
    y = x * w
    y.fill_(2)
    return y


def masked(x, w):
    y = x * w
    y[1].masked_fill_(MASK, 2)
    return y * y


def constant_base(x, w):
    y = torch.ones(3, 4, dtype=x.dtype)
    y[1].mul_(w)
    y[1].mul_(x[0])
    return y


def copied(x, w):
    y = x * 2
    y.copy_(w)
    y.narrow(0, 1, 2).copy_(x[0].exp())
    return y


def number(x, w):
    y = x * 2
    y.select(0, 1).select(0, 2).mul_(w[1])
    y[0][0] = w[2]
    return y


def reshaped(x, w):
    y = x * 2
    v = y.view(2, 6)
    v[1].add_(x.reshape(2, 6)[0])
    v.transpose(0, 1)[2].mul_(w[0:2])
    return y + v.view(3, 4)


def added(x, w):  # the graph is not compared: Telar's has an edge for the index too
    y = x * 2
    y.narrow(1, 0, 2).index_add_(1, torch.tensor([0, 1]), x.narrow(1, 2, 2))
    return y


def sigmoid_in_region(x, w):
    y = x * w
    y[0].mul_(y[0].sigmoid())
    return y


def strided(x, w):
    y = x * w
    return torch.as_strided(y, (3, 3), (2, 1), 1) * 2


def strided_written(x, w):
    y = x * 2
    torch.as_strided(y, (2, 2), (5, 2), 1).mul_(w[:2])
    return y


def expanded(x, w):
    y = w.expand(3, 4) * x
    return torch.as_strided(w.expand(3, 4), (2, 2), (1, 1), 0) * y[:2, :2]


CASES = [rows, loop, add_row, mul_columns, div_rows, chain, two_views, stale_view, itself, clamped, zeroed, all_filled, masked,
         constant_base, copied, number, reshaped, added, sigmoid_in_region, strided, strided_written, expanded]


def graph(node):
    """The node, and in brackets what comes before it; operands at the end that need no gradient are left out."""
    if node is None:
        return "-"
    name = node.name().replace("torch::autograd::", "")
    before = ",".join(graph(n) for n, _ in node.next_functions)
    while before.endswith("-"):
        before = before[:-1].rstrip(",")
    return f"{name}({before})" if before else name


def tensor(t):
    """Count, sum, step and all values."""
    flat = t.detach().reshape(-1)
    return f"{flat.numel()} {flat.sum().item():.17g} 1 " + " ".join(f"{v:.17g}" for v in flat.tolist())


def gradients(y, dy, operands, **options):
    found = torch.autograd.grad(y, operands, dy, allow_unused=True, **options)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(operands, found)]


def main():
    with open(os.path.join(HERE, "autograd.txt"), "w") as f:
        for case in CASES:
            torch.manual_seed(7)
            operands = [torch.randn(s, dtype=torch.float64).requires_grad_() for s in ((3, 4), (4,))]
            y = case(*operands)
            first = gradients(y, y.detach(), operands, create_graph=True)
            square = sum((g * g).sum() for g in first)
            second = gradients(square, None, operands) if square.requires_grad else [torch.zeros_like(x) for x in operands]
            f.write(f"{case.__name__} {'?' if case is added else graph(y.grad_fn)}\n")
            for t in [y, *first, *second]:
                f.write(f"    {tensor(t)}\n")


main()
