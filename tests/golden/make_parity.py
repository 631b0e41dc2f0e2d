#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden losses of whole trainings, made with PyTorch: tests/golden/parity_*.

    make_parity.py WINE_CSV MNIST_FOLDER

The linear regressions of apples and oranges, a small network on the wine table, and a convolutional network on the first
6,400 pictures of MNIST. Each starts from a state that is saved beside the losses, so that initialisation plays no part.
"""
import gzip
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)


def write(name, state, losses, notes):
    save_file({k: v.detach().contiguous() for k, v in state.items()}, f"{here}/parity_{name}.safetensors")
    with open(f"{here}/parity_{name}.txt", "w") as f:
        f.write(f"# made by make_parity.py with PyTorch {torch.__version__}\n")
        for k, v in notes.items():
            f.write(f"{k} {v}\n")
        for loss in losses:
            f.write(f"loss {float(loss).hex()}\n")


inputs = [[73, 67, 43], [91, 88, 64], [87, 134, 58], [102, 43, 37], [69, 96, 70]]
targets = [[56, 70], [81, 101], [119, 133], [22, 37], [103, 119]]


def regression_by_hand(dtype, name):
    torch.manual_seed(7)
    x, y = torch.tensor(inputs, dtype=dtype), torch.tensor(targets, dtype=dtype)
    w, b = torch.randn(2, 3).to(dtype).requires_grad_(), torch.randn(2).to(dtype).requires_grad_()
    state, losses = {"w": w.clone(), "b": b.clone()}, []
    for _ in range(100):
        d = x @ w.t() + b - y
        loss = torch.sum(d * d) / d.numel()
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            w -= w.grad * 1e-5
            b -= b.grad * 1e-5
            w.grad.zero_()
            b.grad.zero_()
    write(name, state, losses, {})


def regression_with_layers():
    torch.manual_seed(11)
    x, y = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    model = nn.Linear(3, 2)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    opt, losses = torch.optim.SGD(model.parameters(), lr=1e-5), []
    for _ in range(100):
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    write("linear", state, losses, {})


def wine(path, dtype, name):
    rows = [line.strip().replace("class_", "").split(",") for line in open(path)][1:]
    table = np.array([[float(v) for v in r] for r in rows], np.float32).astype(np.float64)  # as stored
    x, y = table[:, :-1], table[:, -1].astype(np.int64)
    test = np.arange(len(y)) % 5 == 4
    mean, std = x[~test].mean(0), x[~test].std(0)
    x = torch.tensor((x - mean) / std).to(dtype)
    y = torch.tensor(y)
    torch.manual_seed(6202)
    relu = nn.ReLU()
    layers = [nn.Linear(13, 5), relu, nn.Linear(5, 5), relu, nn.Linear(5, 5), relu, nn.Linear(5, 3), nn.Softmax(dim=1)]
    model = nn.Sequential(*layers).to(dtype)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    opt, losses = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.1), []
    criterion = nn.CrossEntropyLoss()
    for _ in range(1000):  # the chapter clears gradients once for every twenty steps
        opt.zero_grad()
        for _ in range(20):
            loss = criterion(model(x[~test]), y[~test])
            loss.backward()
            opt.step()
            if len(losses) < 100:
                losses.append(loss.item())
    right = (model(x[test]).argmax(1) == y[test]).sum().item()
    right_train = (model(x[~test]).argmax(1) == y[~test]).sum().item()
    write(name, state, losses, {"right_test": right, "right_train": right_train})


class MnistCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 32, 3)
        self.max_pool = nn.MaxPool2d(2, stride=2)
        self.conv3 = nn.Conv2d(32, 2, 3)
        self.linear1 = nn.Linear(200, 50)
        self.linear2 = nn.Linear(50, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = self.max_pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.conv3(x)).flatten(1)
        return self.linear2(torch.relu(self.linear1(x)))


def mnist(folder):
    with gzip.open(f"{folder}/train-images-idx3-ubyte.gz") as f:
        x = torch.tensor(np.frombuffer(f.read(16 + 6400 * 784)[16:], np.uint8).reshape(-1, 1, 28, 28).copy()).float() / 255
    with gzip.open(f"{folder}/train-labels-idx1-ubyte.gz") as f:
        y = torch.tensor(np.frombuffer(f.read(8 + 6400)[8:], np.uint8).astype(np.int64))
    torch.manual_seed(6202)
    state = {k: v.clone() for k, v in MnistCnn().state_dict().items()}

    def losses_from(start, dtype):
        model = MnistCnn()
        model.load_state_dict(start)
        model = model.to(dtype)
        opt, losses = torch.optim.Adadelta(model.parameters()), []
        for i in range(100):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(x[64 * i : 64 * i + 64].to(dtype)), y[64 * i : 64 * i + 64])
            loss.backward()
            opt.step()
            losses.append(loss.item())
        return np.array(losses)

    exact, single = losses_from(state, torch.float64), losses_from(state, torch.float32)
    # Rounding decides early here: how far PyTorch's own runs are apart by each step if every weight starts one unit of its last place
    # higher or lower. Each of these runs is as right as any other.
    apart = np.abs(single - exact) / exact
    for seed in range(16):
        draw = torch.Generator().manual_seed(seed)
        moved = {k: torch.nextafter(v, v + torch.randn(v.shape, generator=draw).sign()) for k, v in state.items()}
        apart = np.maximum(apart, np.abs(losses_from(moved, torch.float32) - exact) / exact)
    write("mnist", state, single, {})
    with open(f"{here}/parity_mnist.txt", "a") as f:
        for value in np.maximum.accumulate(apart):
            f.write(f"apart {value:.3g}\n")
    write("mnist64", state, exact, {})


regression_by_hand(torch.float32, "apples")
regression_by_hand(torch.float64, "apples64")
regression_with_layers()
wine(sys.argv[1], torch.float32, "wine")
wine(sys.argv[1], torch.float64, "wine64")
mnist(sys.argv[2])
