#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for the networks for pictures, made with torchvision: tests/golden/models_*.txt, for tests/models.c.

models_names.txt: of each network in full size the parameters, the multiply-adds of one input (of convolutions and matrix products
with weights, and without auxiliary heads), and the names and shapes of its state. Built on the device "meta", so that large ones cost nothing.
models_numbers.txt: manual_seed(0), build, rand of the input's shape, the largest output in evaluation and all of them divided by it;
of narrow networks, and small inputs.
"""
import os
import unittest.mock

import torch
import torchvision
from torch import nn
from torchvision.models import vgg

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(t, limit=12):
    """Count, sum, and at most `limit` evenly spaced values."""
    flat = t.detach().reshape(-1)
    step = max(1, -(-flat.numel() // limit))
    return f"{flat.numel()} {flat.double().sum().item():.17g} {step} " + " ".join(f"{v:.9g}" for v in flat[::step].tolist())


# ---- Full size: how it is built, and the input


def standard(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


VGGS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
FULL = {name: (standard(name), (3, 224, 224)) for name in ["resnet18", "resnet34", "resnet50", "vgg11", "vgg11_bn"]}


def multiply_adds(m, shape):
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        positions = output.numel() // output.shape[1]
        total += layer.weight.numel() * positions

    for layer in m.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    m(torch.empty(1, *shape))
    return total


def write_names():
    with open(f"{HERE}/models_names.txt", "w") as f, torch.device("meta"):
        for name, (make, shape) in FULL.items():
            m = make().eval()
            state = m.state_dict()
            parameters = sum(p.numel() for p in m.parameters())
            print("model", name, len(state), parameters, multiply_adds(m, shape), *shape, file=f)
            for key, value in state.items():
                print(" ", key, value.dim(), *value.shape, file=f)


# ---- Small ones: the model's options in Telar, how it is built, and the input


def narrow_vgg(letter, batch_norm, width, hidden):
    """torchvision's VGG has its sizes written into it: the layers that it builds are made narrow instead."""
    sizes = {512 * 7 * 7: 8 * width * 7 * 7, 4096: hidden}

    class Narrow(nn.Linear):
        def __init__(self, inputs, outputs):
            super().__init__(sizes.get(inputs, inputs), sizes.get(outputs, outputs))

    features = [v if v == "M" else v // 64 * width for v in vgg.cfgs[letter]]
    with unittest.mock.patch.object(vgg.nn, "Linear", Narrow):
        return vgg.VGG(vgg.make_layers(features, batch_norm), num_classes=10)


SMALL = [
    ("resnet18", "classes=10", standard("resnet18", num_classes=10), (3, 64, 64)),
    ("resnet34", "", standard("resnet34"), (3, 33, 49)),
    ("resnet50", "zero-init-residual", standard("resnet50", zero_init_residual=True), (3, 64, 64)),
] + [(name + bn, "classes=10,width=8,hidden=32", lambda letter=letter, bn=bn: narrow_vgg(letter, bool(bn), 8, 32), (3, 64, 40))
     for name, letter in VGGS.items() for bn in ("", "_bn")]


def write_numbers():
    with open(f"{HERE}/models_numbers.txt", "w") as f:
        for name, options, make, shape in SMALL:
            torch.manual_seed(0)
            m = make().eval()
            with torch.no_grad():
                y = m(torch.rand(1, *shape))
            largest = y.abs().max().item()
            print(name, options or "-", len(m.state_dict()), *shape, f"{largest:.9g}", numbers(y / largest), file=f)


write_names()
write_numbers()
