#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for optimizers, schedules and clipping.

Writes optim_steps.txt (20 steps of every optimizer on a small network, in f64 and f32, one update at a time as PyTorch's
single-tensor implementations do them), optim_schedules.txt (50 steps of every schedule) and optim_clip.txt. The cases'
names are those in tests/optim_*.c.
"""
import math
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, foreach=False),
    "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01, foreach=False),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, foreach=False),
    "sgd_dampening": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.02, foreach=False),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.02, foreach=False),
    "sgd_maximize": lambda p: torch.optim.SGD(p, lr=0.01, maximize=True, foreach=False),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02, foreach=False),
    "adam_options": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.3, 0.9), eps=1e-4, weight_decay=0.05, foreach=False),
    "adam_amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.8), amsgrad=True, foreach=False),
    "adam_beta1_zero": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.0, 0.99), foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, foreach=False),
    "adamw_no_decay": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.0, foreach=False),
    "adamw_amsgrad": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1, amsgrad=True, foreach=False),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0, foreach=False),
    "adadelta_options": lambda p: torch.optim.Adadelta(p, lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.02, foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, foreach=False),
    "rmsprop_momentum": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.5, weight_decay=0.02, foreach=False),
    "rmsprop_centered": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.4, eps=1e-3, centered=True, foreach=False),
    "rmsprop_all": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1, centered=True, foreach=False),
    "groups": lambda p: torch.optim.SGD([{"params": p[:2]}, {"params": p[2:], "lr": 0.01, "weight_decay": 0.3}], lr=0.1,
                                        momentum=0.9, foreach=False),
}


def wave(shape, phase, dtype):
    n = math.prod(shape)
    return (torch.tensor([math.sin(0.7 * i + phase) for i in range(n)], dtype=torch.float64)).to(dtype).reshape(shape)


def problem(dtype):
    """A network of two layers, made of sines, that fits 7 points."""
    p = [wave(s, k, dtype).requires_grad_() for k, s in enumerate([(5, 3), (5,), (2, 5), (2,)])]
    x, target = wave((7, 3), 10, dtype), wave((7, 2), 11, dtype)

    def loss():
        h = torch.tanh(torch.nn.functional.linear(x, p[0], p[1]))
        return torch.nn.functional.mse_loss(torch.nn.functional.linear(h, p[2], p[3]), target)
    return p, loss


def steps():
    with open(os.path.join(HERE, "optim_steps.txt"), "w") as f:
        for name, make in OPTIMIZERS.items():
            for dtype in (torch.float64, torch.float32):
                p, loss = problem(dtype)
                o = make(p)
                losses = []
                for _ in range(20):
                    o.zero_grad()
                    value = loss()
                    value.backward()
                    o.step()
                    losses.append(value.item())
                values = losses + [v for t in p for v in t.detach().reshape(-1).double().tolist()]
                print(name, "f64" if dtype == torch.float64 else "f32", len(values), *(f"{v:.17g}" for v in values), file=f)


LR = torch.optim.lr_scheduler
SCHEDULES = {
    "step": lambda o: [LR.StepLR(o, 7, gamma=0.5)],
    "multistep": lambda o: [LR.MultiStepLR(o, [3, 10, 10, 30], gamma=0.3)],
    "exponential": lambda o: [LR.ExponentialLR(o, 0.93)],
    "cosine": lambda o: [LR.CosineAnnealingLR(o, 20, eta_min=0.001)],
    "cosine_short": lambda o: [LR.CosineAnnealingLR(o, 3)],
    "constant": lambda o: [LR.ConstantLR(o, factor=1 / 3, total_iters=5)],
    "linear": lambda o: [LR.LinearLR(o, start_factor=0.1, end_factor=1.0, total_iters=8)],
    "linear_down": lambda o: [LR.LinearLR(o, start_factor=1.0, end_factor=0.05, total_iters=40)],
    "lambda": lambda o: [LR.LambdaLR(o, lambda t: 1 / (1 + 0.1 * t))],
    "one_cycle": lambda o: [LR.OneCycleLR(o, max_lr=0.5, total_steps=50)],
    "one_cycle_linear": lambda o: [LR.OneCycleLR(o, max_lr=0.5, total_steps=60, pct_start=0.4, anneal_strategy="linear", div_factor=10,
                                                final_div_factor=100, base_momentum=0.7, max_momentum=0.9, three_phase=True)],
    "plateau": lambda o: [LR.ReduceLROnPlateau(o, patience=3)],
    "plateau_options": lambda o: [LR.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=0, threshold=0.05, threshold_mode="abs",
                                                       cooldown=2, min_lr=0.01)],
    "warmup_cosine": lambda o: [LR.LinearLR(o, start_factor=0.01, total_iters=10), LR.CosineAnnealingLR(o, 50)],
}


def metric(t):
    """What plateau schedules watch: falls, then stands still, with a ripple."""
    return max(1.0 - 0.05 * t, 0.3) + 0.01 * math.sin(t)


def schedules():
    with open(os.path.join(HERE, "optim_schedules.txt"), "w") as f:
        for name, make in SCHEDULES.items():
            a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
            o = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.1, momentum=0.5)
            made = make(o)
            rows = []
            for t in range(50):
                rows += [o.param_groups[0]["lr"], o.param_groups[1]["lr"], o.param_groups[0]["momentum"]]
                o.step()
                for s in made:
                    if isinstance(s, LR.ReduceLROnPlateau):
                        s.step(metric(t))
                    elif name != "one_cycle" or t < 49:
                        s.step()
            print(name, len(rows), *(f"{v:.17g}" for v in rows), file=f)


def clip():
    with open(os.path.join(HERE, "optim_clip.txt"), "w") as f:
        for what, dtype, how in [("norm2", torch.float32, (1.0, 2.0)), ("norm2", torch.float64, (0.5, 2.0)), ("norm1", torch.float64, (0.5, 1.0)),
                                 ("inf", torch.float32, (0.1, math.inf)), ("large", torch.float32, (1000.0, 2.0)), ("value", torch.float32, (0.25,))]:
            p, loss = problem(dtype)
            loss().backward()
            if what == "value":
                torch.nn.utils.clip_grad_value_(p, *how)
                norm = 0.0
            else:
                norm = torch.nn.utils.clip_grad_norm_(p, *how, foreach=False).item()
            values = [v for t in p for v in t.grad.reshape(-1).double().tolist()]
            print(what, "f64" if dtype == torch.float64 else "f32", how[0], how[-1], f"{norm:.17g}", len(values),
                  *(f"{v:.17g}" for v in values), file=f)


if __name__ == "__main__":
    steps()
    schedules()
    clip()
