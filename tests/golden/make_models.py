#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for the networks for pictures, made with torchvision: tests/golden/models_*.txt, for tests/models.c.

models_names.txt: of each network in full size the parameters, the multiply-adds of one input (of convolutions and matrix products
with weights, and without auxiliary heads), and the names and shapes of its state. Built on the device "meta", so that large ones cost nothing.
models_numbers.txt: manual_seed(0), build, rand of two inputs: the outputs in evaluation, and in training the difference of the two,
computed in f64, with how far PyTorch's own f32 is from that. (Many
networks start with weights that make their input fade; what comes out in evaluation is then the last bias, but batch norm in training
brings the input through; over one position and two inputs it gives +-1 whatever comes, so the last stages have more than one.) Of
narrow networks, and small inputs.
models_losses.txt: the loss in training with auxiliary heads.
"""
import copy
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


class CifarBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.missing = outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.missing:
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.missing // 2, self.missing // 2))
        return (y + x).relu()


class CifarResNet(nn.Module):
    """Option A of the paper, with the names of a widely used implementation, and its initialisation."""

    def __init__(self, layers):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for stage, (inputs, outputs) in enumerate([(16, 16), (16, 32), (32, 64)]):
            blocks = [CifarBlock(inputs if i == 0 else outputs, outputs, 2 if i == 0 and stage else 1) for i in range((layers - 2) // 6)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(m.weight)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.linear(x.mean((2, 3)))


class MobileNetV1(nn.Module):
    """With the names of RetinaFace's backbone."""

    def __init__(self, width=1.0, activation=nn.ReLU):
        super().__init__()

        def conv(inputs, outputs, kernel, stride, groups):
            layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
            return [layer, nn.BatchNorm2d(outputs), activation()]

        def pairs(inputs, *outputs):
            made = []
            for out, stride in outputs:
                a, b = max(8, int(inputs * width)), max(8, int(out * width))
                made.append(nn.Sequential(*conv(a, a, 3, stride, a), *conv(a, b, 1, 1, 1)))
                inputs = out
            return made

        first = nn.Sequential(*conv(3, max(8, int(32 * width)), 3, 2, 1))
        self.stage1 = nn.Sequential(first, *pairs(32, (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)))
        self.stage2 = nn.Sequential(*pairs(256, (512, 2), *[(512, 1)] * 5))
        self.stage3 = nn.Sequential(*pairs(512, (1024, 2), (1024, 1)))
        self.avg = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(max(8, int(1024 * width)), 1000)

    def forward(self, x):
        return self.fc(self.avg(self.stage3(self.stage2(self.stage1(x)))).flatten(1))


class Separable(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class XceptionBlock(nn.Module):
    def __init__(self, channels, first_relu=True, halves=False):
        """channels: before the first convolution, and after each."""
        super().__init__()
        self.halves = halves
        if halves:
            self.skip = nn.Conv2d(channels[0], channels[-1], 1, 2, bias=False)
            self.skipbn = nn.BatchNorm2d(channels[-1])
        layers = []
        for a, b in zip(channels, channels[1:]):
            layers += [nn.ReLU(), Separable(a, b), nn.BatchNorm2d(b)]
        layers = layers if first_relu else layers[1:]
        self.rep = nn.Sequential(*layers, *([nn.MaxPool2d(3, 2, 1)] if halves else []))

    def forward(self, x):
        return self.rep(x) + (self.skipbn(self.skip(x)) if self.halves else x)


class Xception(nn.Module):
    """With the names of the implementation whose weights are in use."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64)
        self.block1 = XceptionBlock((64, 128, 128), first_relu=False, halves=True)
        self.block2 = XceptionBlock((128, 256, 256), halves=True)
        self.block3 = XceptionBlock((256, 728, 728), halves=True)
        for i in range(4, 12):
            setattr(self, f"block{i}", XceptionBlock((728,) * 4))
        self.block12 = XceptionBlock((728, 728, 1024), halves=True)
        self.conv3, self.bn3 = Separable(1024, 1536), nn.BatchNorm2d(1536)
        self.conv4, self.bn4 = Separable(1536, 2048), nn.BatchNorm2d(2048)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        x = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        for i in range(1, 13):
            x = getattr(self, f"block{i}")(x)
        x = self.bn4(self.conv4(self.bn3(self.conv3(x)).relu())).relu()
        return self.fc(x.mean((2, 3)))


VGGS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
FULL = {name: (standard(name), (3, 224, 224)) for name in ["resnet18", "resnet34", "resnet50", "vgg11", "alexnet", "squeezenet1_0",
                                                          "squeezenet1_1", "mobilenet_v2"]}
FULL["googlenet"] = (standard("googlenet", init_weights=True), (3, 224, 224))
FULL["inception_v3"] = (standard("inception_v3", init_weights=True), (3, 299, 299))
FULL["xception"] = (Xception, (3, 299, 299))
FULL["mobilenet_v1"] = (MobileNetV1, (3, 224, 224))
FULL.update({f"resnet{n}": (lambda n=n: CifarResNet(n), (3, 32, 32)) for n in (20, 32, 44, 56)})


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
    ("alexnet", "dropout=0", standard("alexnet"), (3, 67, 90)),
    ("squeezenet1_0", "dropout=0", standard("squeezenet1_0"), (3, 64, 65)),
    ("squeezenet1_1", "classes=12,dropout=0", standard("squeezenet1_1", num_classes=12), (3, 65, 64)),
    ("mobilenet_v1", "", MobileNetV1, (3, 64, 64)),
    ("mobilenet_v1", "width=0.4,activation=relu6", lambda: MobileNetV1(0.4, nn.ReLU6), (3, 64, 64)),
    ("mobilenet_v1", "width=0.1,activation=leaky-relu", lambda: MobileNetV1(0.1, lambda: nn.LeakyReLU(0.1)), (3, 50, 64)),
    ("mobilenet_v2", "dropout=0", standard("mobilenet_v2"), (3, 64, 64)),
    ("mobilenet_v2", "width=0.35,classes=10,dropout=0", standard("mobilenet_v2", width_mult=0.35, num_classes=10), (3, 33, 64)),
    ("mobilenet_v2", "width=1.3,dropout=0", standard("mobilenet_v2", width_mult=1.3), (3, 64, 64)),
    ("resnet20", "", lambda: CifarResNet(20), (3, 32, 32)),
    ("resnet32", "", lambda: CifarResNet(32), (3, 32, 32)),
    ("resnet44", "", lambda: CifarResNet(44), (3, 32, 32)),
    ("resnet56", "", lambda: CifarResNet(56), (3, 31, 28)),
    ("googlenet", "dropout=0", standard("googlenet", init_weights=True), (3, 64, 50)),
    ("googlenet", "aux=no,transform-input,classes=10,dropout=0",
     standard("googlenet", init_weights=True, aux_logits=False, transform_input=True, num_classes=10), (3, 50, 64)),
    ("inception_v3", "dropout=0", standard("inception_v3", init_weights=True), (3, 107, 130)),
    ("inception_v3", "aux=no,transform-input,dropout=0", standard("inception_v3", init_weights=True, aux_logits=False, transform_input=True), (3, 107, 107)),
    ("xception", "", Xception, (3, 40, 48)),
    ("resnet50", "zero-init-residual", standard("resnet50", zero_init_residual=True), (3, 64, 64)),
] + [(name + bn, "classes=10,width=8,hidden=32,dropout=0", lambda letter=letter, bn=bn: narrow_vgg(letter, bool(bn), 8, 32), (3, 64, 40))
     for name, letter in VGGS.items() for bn in ("", "_bn")]


def scaled(y):
    """The largest, and all divided by it."""
    largest = y.abs().max().item()
    return f"{largest:.9g} {numbers(y / largest)}"


def without_dropout(m):
    for layer in m.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0


def difference(m, x):
    y = m.train()(x)
    y = y[0] if isinstance(y, tuple) else y
    return y[0] - y[1]


def write_numbers():
    with open(f"{HERE}/models_numbers.txt", "w") as f:
        for name, options, make, shape in SMALL:
            torch.manual_seed(0)
            m = make()
            entries = len(m.state_dict())
            if isinstance(m, torchvision.models.Inception3):
                m.aux_logits, m.AuxLogits = False, None  # it needs larger pictures
            without_dropout(m)
            x = torch.rand(2, *shape)
            with torch.no_grad():
                evaluated = m.eval()(x)
                exact, trained = difference(copy.deepcopy(m).double(), x.double()), difference(m, x)
            apart = ((trained - exact).abs().max() / exact.abs().max()).item()
            print(name, options or "-", entries, *shape, scaled(evaluated), f"{apart:.2g}", scaled(exact), file=f)


# ---- Networks with auxiliary heads: the loss of a step of training. Without dropout, which would draw


def write_losses():
    with open(f"{HERE}/models_losses.txt", "w") as f:
        for name, options, side, share in [("googlenet", "dropout=0,dropout-aux=0", 64, 0.3), ("inception_v3", "dropout=0", 299, 0.4)]:
            torch.manual_seed(0)
            m = getattr(torchvision.models, name)(weights=None, init_weights=True, num_classes=10)
            without_dropout(m)
            y, *aux = m(torch.rand(2, 3, side, side))
            labels = torch.tensor([3, 7])
            losses = [nn.functional.cross_entropy(h, labels).item() for h in (y, *aux)]
            print(name, options, side, f"{losses[0] + share * sum(losses[1:]):.9g}", file=f)


write_losses()
write_names()
write_numbers()
