#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for ops that are made of others, or have more than one form: values, gradients, names in the graph.

Writes ops.txt beside itself. Run with PyTorch. The cases' names and operands are those of tests/ops_golden.c; operands are drawn
with randn after manual_seed(7), and the gradient that arrives is the result itself.
"""
import os

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = torch.tensor([2, 0, -100, 1])
COLUMNS = torch.tensor([[0, 3], [2, 2], [1, 0]])
ROWS = torch.tensor([2, 0, 2, 1])
WEIGHT = torch.tensor([0.5, 2.0, 1.25])
E = torch.einsum

# name: (shapes of the operands, function, is the node's name compared?)
CASES = {
    "sum": ([(3, 4)], lambda x: x.sum(), True),
    "sum_dims": ([(3, 4, 2)], lambda x: x.sum((2, 0)), True),
    "mean_keepdim": ([(3, 4, 2)], lambda x: x.mean(-2, keepdim=True), True),
    "prod": ([(3, 4)], lambda x: x.prod(1), True),
    "prod_zeros": ([(3, 4)], lambda x: (x * torch.tensor([1.0, 0, 1, 1])).prod(1), True),
    "var_biased": ([(3, 4)], lambda x: x.var(0, unbiased=False), True),
    "std": ([(3, 4)], lambda x: x.std(), True),
    "amax_ties": ([(3, 4)], lambda x: x.sign().amax(1), True),
    "max": ([(3, 4)], lambda x: x.max(), True),
    "max_dim": ([(3, 4)], lambda x: x.max(1)[0], True),
    "min_dim": ([(3, 4)], lambda x: x.min(0, keepdim=True)[0], True),
    "norm_2": ([(3, 4)], lambda x: x.norm(), True),
    "norm_3": ([(3, 4)], lambda x: x.norm(p=3), True),
    "norm_inf": ([(3, 4)], lambda x: x.norm(p=float("inf")), True),
    "cumsum": ([(3, 4)], lambda x: x.cumsum(0), True),
    "matmul_vector_vector": ([(5,), (5,)], torch.matmul, True),
    "matmul_matrix_vector": ([(3, 5), (5,)], torch.matmul, True),
    "matmul_vector_matrix": ([(5,), (5, 2)], torch.matmul, False),
    "matmul_fold": ([(2, 3, 5), (5, 2)], torch.matmul, False),
    "matmul_broadcast": ([(2, 1, 3, 5), (4, 5, 2)], torch.matmul, False),
    "matmul_vector_batch": ([(5,), (4, 5, 2)], torch.matmul, False),
    "addmm": ([(4,), (3, 5), (5, 4)], lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), True),
    "linear": ([(3, 5), (4, 5), (4,)], F.linear, True),
    "linear_3d": ([(2, 3, 5), (4, 5), (4,)], F.linear, False),
    "einsum_implicit": ([(3, 4), (4, 2)], lambda a, b: E("ij,jk", a, b), False),
    "einsum_batch": ([(2, 3, 4), (2, 5, 4)], lambda a, b: E("bqd,bkd->bqk", a, b), False),
    "einsum_dots": ([(2, 1, 3, 4), (5, 4, 2)], lambda a, b: E("...ij,...jk->...ik", a, b), False),
    "einsum_diagonal": ([(3, 3, 2), (2, 4)], lambda a, b: E("iij,jk->ki", a, b), False),
    "einsum_outer": ([(3,), (4,)], lambda a, b: E("i,j->ji", a, b), False),
    "einsum_three": ([(2, 3), (4, 3, 5), (2, 5)], lambda a, b, c: E("bn,anm,bm->ba", a, b, c), False),
    "view": ([(3, 4)], lambda x: x.view(2, -1), True),
    "reshape_copy": ([(3, 4)], lambda x: x.t().reshape(2, 6), False),
    "flatten": ([(2, 3, 2)], lambda x: x.flatten(1), True),
    "permute": ([(2, 3, 4)], lambda x: x.permute(2, 0, -2), True),
    "transpose": ([(2, 3, 4)], lambda x: x.transpose(0, -1), True),
    "expand": ([(3, 1)], lambda x: x.expand(2, -1, 4), True),
    "squeeze_dim": ([(1, 3, 1)], lambda x: x.squeeze(-1), True),
    "slice_step": ([(7, 2)], lambda x: x[1::2], True),
    "slice_negative": ([(2, 5)], lambda x: x[:, -3:-1], True),
    "select": ([(2, 5)], lambda x: x.select(1, -2), True),
    "cat": ([(2, 3), (2, 1)], lambda a, b: torch.cat([a, b], 1), True),
    "stack": ([(2, 3), (2, 3)], lambda a, b: torch.stack([a, b], -1), True),
    "flip": ([(2, 3)], lambda x: x.flip(0, 1), True),
    "pad": ([(2, 3)], lambda x: F.pad(x, (1, 2, 0, 1), value=1.5), True),
    "pad_crop": ([(3, 4)], lambda x: F.pad(x, (-1, 1)), True),
    "gather": ([(3, 4)], lambda x: x.gather(1, COLUMNS), True),
    "scatter_add": ([(3, 4), (3, 2)], lambda x, s: x.scatter_add(1, COLUMNS, s), True),
    "index_select": ([(3, 4)], lambda x: x.index_select(0, ROWS), True),
    "index_add": ([(3, 2), (4, 2)], lambda x, s: x.index_add(0, ROWS, s), True),
    "embedding_padding": ([(3, 4)], lambda t: F.embedding(ROWS, t, padding_idx=-1), True),
    "masked_fill": ([(3, 4)], lambda x: x.masked_fill(x > 0.5, 2.0), True),
    "masked_select": ([(3, 4)], lambda x: x.masked_select(x > 0), False),
    "topk": ([(3, 5)], lambda x: x.topk(2, 1)[0], True),
    "sort": ([(3, 4)], lambda x: x.sort(0, descending=True)[0], True),
    "softmax": ([(3, 4)], lambda x: x.softmax(0), True),
    "log_softmax": ([(3, 4)], lambda x: x.log_softmax(1), True),
    "avg_pool2d": ([(1, 2, 5, 6)], lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), True),
    "adaptive_avg_pool2d": ([(1, 2, 5, 4)], lambda x: F.adaptive_avg_pool2d(x, (3, 2)), True),
    "unfold": ([(2, 3, 5, 6)], lambda x: F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=(2, 1)), True),
    "fold": ([(2, 12, 12)], lambda x: F.fold(x, (3, 4), 2, padding=(1, 0)), True),
    "conv1d": ([(2, 4, 9), (4, 2, 3), (4,)], lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1, dilation=2, groups=2), False),
    "conv_transpose2d": ([(1, 2, 3, 2), (2, 3, 3, 3), (3,)],
                         lambda x, w, b: F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 0)), True),
    "layer_norm": ([(2, 3, 4), (3, 4), (3, 4)], lambda x, w, b: F.layer_norm(x, (3, 4), w, b, 1e-3), True),
    "mse_loss": ([(3, 4), (3, 4)], F.mse_loss, True),
    "l1_loss": ([(3, 4), (3, 4)], lambda x, t: F.l1_loss(x, t, reduction="sum"), True),
    "smooth_l1_loss": ([(3, 4), (3, 4)], lambda x, t: F.smooth_l1_loss(x, t, beta=0.5), True),
    "bce_loss": ([(3, 4)], lambda x: F.binary_cross_entropy(x.sigmoid(), torch.full((3, 4), 0.25)), True),
    "bce_with_logits_loss": ([(3, 4), (3, 4)], lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), True),
    "kl_div": ([(3, 4), (3, 4)], lambda x, t: F.kl_div(x, t.softmax(1), reduction="batchmean"), False),
    "kl_div_log": ([(3, 4), (3, 4)], lambda x, t: F.kl_div(x, t, reduction="sum", log_target=True), False),
    "nll_loss": ([(4, 3)], lambda x: F.nll_loss(x, LABELS, WEIGHT), True),
    "nll_loss_ignore": ([(4, 3)], lambda x: F.nll_loss(x, LABELS.clamp(min=0), reduction="none", ignore_index=0), True),
    "nll_loss_pictures": ([(1, 3, 2, 2)], lambda x: F.nll_loss(x, LABELS.reshape(1, 2, 2)), True),
    "cross_entropy": ([(4, 3)], lambda x: F.cross_entropy(x, LABELS), True),
    "cross_entropy_smooth": ([(4, 3)], lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1), True),
    "cross_entropy_probabilities": ([(4, 3), (4, 3)], lambda x, t: F.cross_entropy(x, t.softmax(1)), False),
}


def tensor(t):
    """Rank, sizes, then count, sum, step and all values."""
    flat = t.detach().reshape(-1)
    sizes = " ".join(str(v) for v in [t.dim(), *t.shape])
    return f"{sizes} {flat.numel()} {flat.double().sum().item():.17g} 1 " + " ".join(f"{v:.9g}" for v in flat.tolist())


def main():
    with open(os.path.join(HERE, "ops.txt"), "w") as f:
        for name, (shapes, function, named) in CASES.items():
            torch.manual_seed(7)
            operands = [torch.randn(s).requires_grad_() for s in shapes]
            y = function(*operands)
            node = type(y.grad_fn).__name__ if named else "-"
            gradients = torch.autograd.grad(y, operands, y.detach(), allow_unused=True)
            f.write(f"{name} {node} {tensor(y)}\n")
            for x, g in zip(operands, gradients):
                f.write(f"    {tensor(torch.zeros_like(x) if g is None else g)}\n")


main()
