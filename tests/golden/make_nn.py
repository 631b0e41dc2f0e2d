#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for modules: initial weights, printed trees, what layers compute, state names.

Writes nn_init.txt, nn_truncated.txt, nn_print.txt and nn_forward.txt beside itself. Run with PyTorch, on a processor that is not Intel's
(there PyTorch draws Bernoulli numbers from another library). The cases' names are those in tests/nn_cases.h.
"""
import os
import sys

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


def refuse_intel():
    with open("/proc/cpuinfo") as f:
        if "GenuineIntel" in f.read():
            sys.exit("make_nn.py: this is an Intel processor; its PyTorch draws other Bernoulli numbers")


def numbers(t, limit=40):
    """Count, sum, and at most `limit` evenly spaced values."""
    flat = t.detach().reshape(-1)
    step = max(1, -(-flat.numel() // limit))
    picked = flat[::step].tolist()
    return f"{flat.numel()} {flat.double().sum().item():.17g} {step} " + " ".join(f"{v:.9g}" for v in picked)


class Net(nn.Module):
    """A network with everything, as tests/nn_cases.h builds it."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, bias=False), nn.Dropout2d(0.25), nn.LeakyReLU(0.2))
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3))

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)))


LAYERS = {
    "linear": lambda: nn.Linear(7, 5),
    "linear_large": lambda: nn.Linear(300, 200),
    "linear_no_bias": lambda: nn.Linear(7, 5, bias=False),
    "conv2d": lambda: nn.Conv2d(3, 8, 3),
    "conv2d_groups": lambda: nn.Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 0), dilation=2, groups=2, bias=False),
    "conv1d": lambda: nn.Conv1d(3, 4, 5, padding=2),
    "conv_transpose2d": lambda: nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, output_padding=1),
    "batch_norm1d": lambda: nn.BatchNorm1d(6),
    "batch_norm2d": lambda: nn.BatchNorm2d(6, eps=1e-3, momentum=0.01, affine=False),
    "layer_norm": lambda: nn.LayerNorm(10),
    "embedding": lambda: nn.Embedding(20, 6),
    "embedding_padding": lambda: nn.Embedding(20, 6, padding_idx=3),
    "net": Net,
    "rnn": lambda: nn.RNN(5, 7),
    "rnn_relu": lambda: nn.RNN(5, 7, num_layers=2, nonlinearity="relu", batch_first=True),
    "lstm": lambda: nn.LSTM(5, 7),
    "lstm_stacked": lambda: nn.LSTM(5, 7, num_layers=3, batch_first=True, bidirectional=True),
    "lstm_dropout": lambda: nn.LSTM(5, 7, num_layers=2, dropout=0.5, batch_first=True),
    "lstm_sample": lambda: nn.LSTM(5, 7, bias=False),
    "gru": lambda: nn.GRU(5, 7, bias=False, bidirectional=True),
    "gru_stacked": lambda: nn.GRU(5, 7, num_layers=2),
    "rnn_cell": lambda: nn.RNNCell(5, 7, nonlinearity="relu"),
    "lstm_cell": lambda: nn.LSTMCell(5, 7),
    "gru_cell": lambda: nn.GRUCell(5, 7, bias=False),
}

PRINTED = dict(LAYERS)
PRINTED.update({
    "max_pool2d": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "max_pool2d_ceil": lambda: nn.MaxPool2d(2, stride=(2, 1), ceil_mode=True),
    "avg_pool2d": lambda: nn.AvgPool2d(2),
    "max_pool2d_rect": lambda: nn.MaxPool2d((3, 2), padding=1),
    "avg_pool2d_rect": lambda: nn.AvgPool2d((1, 3), stride=(2, 1)),
    "conv2d_sample": lambda: nn.Conv2d(2, 3, 3),
    "adaptive_avg_pool2d": lambda: nn.AdaptiveAvgPool2d((7, 7)),
    "batch_norm_untracked": lambda: nn.BatchNorm1d(4, track_running_stats=False),
    "layer_norm_2": lambda: nn.LayerNorm((4, 5), elementwise_affine=False),
    "unfold": lambda: nn.Unfold(3, stride=(2, 1), padding=1),
    "fold": lambda: nn.Fold((4, 5), 2),
    "dropout": lambda: nn.Dropout(0.3),
    "dropout2d": lambda: nn.Dropout2d(),
    "flatten": lambda: nn.Flatten(),
    "flatten_02": lambda: nn.Flatten(0, 2),
    "unflatten": lambda: nn.Unflatten(1, (2, 5)),
    "identity": lambda: nn.Identity(),
    "relu": lambda: nn.ReLU(),
    "relu_in_place": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(),
    "leaky_relu": lambda: nn.LeakyReLU(),
    "elu": lambda: nn.ELU(),
    "gelu": lambda: nn.GELU(),
    "silu": lambda: nn.SiLU(),
    "sigmoid": lambda: nn.Sigmoid(),
    "hard_sigmoid": lambda: nn.Hardsigmoid(),
    "hardswish": lambda: nn.Hardswish(),
    "selu": lambda: nn.SELU(),
    "mish": lambda: nn.Mish(),
    "log_sigmoid": lambda: nn.LogSigmoid(),
    "tanh": lambda: nn.Tanh(),
    "softplus": lambda: nn.Softplus(),
    "softmax": lambda: nn.Softmax(dim=1),
    "log_softmax": lambda: nn.LogSoftmax(dim=-1),
    "empty": lambda: nn.Sequential(),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.Tanh()), nn.Identity()),
})

INPUTS = {
    "linear": (4, 7), "linear_large": (2, 300), "linear_no_bias": (2, 3, 7), "conv2d": (2, 3, 8, 8), "conv2d_groups": (2, 4, 9, 11),
    "conv1d": (2, 3, 10), "conv_transpose2d": (2, 6, 5, 5), "batch_norm1d": (5, 6), "batch_norm2d": (3, 6, 4, 4),
    "batch_norm_untracked": (5, 4, 3), "layer_norm": (3, 10), "layer_norm_2": (2, 4, 5), "max_pool2d": (1, 2, 9, 9),
    "max_pool2d_ceil": (1, 2, 9, 9), "avg_pool2d": (1, 2, 9, 9), "max_pool2d_rect": (2, 9, 9),
    "avg_pool2d_rect": (2, 9, 9), "conv2d_sample": (2, 6, 5), "adaptive_avg_pool2d": (1, 2, 15, 13),
    "unfold": (2, 3, 5, 6), "fold": (2, 8, 12), "dropout": (5, 20),
    "dropout2d": (4, 6, 3, 3), "flatten": (2, 3, 4), "flatten_02": (2, 3, 4), "unflatten": (3, 10), "identity": (2, 3),
    "relu": (3, 5), "relu6": (3, 5), "leaky_relu": (3, 5), "elu": (3, 5), "gelu": (3, 5), "silu": (3, 5), "sigmoid": (3, 5),
    "hard_sigmoid": (3, 5), "hardswish": (3, 5), "selu": (3, 5), "mish": (3, 5), "log_sigmoid": (3, 5), "tanh": (3, 5), "softplus": (3, 5), "softmax": (3, 5), "log_softmax": (3, 5), "nested": (4, 1),
    "net": (5, 1, 12, 12),
    "rnn": (4, 3, 5), "rnn_relu": (3, 4, 5), "lstm": (4, 3, 5), "lstm_stacked": (3, 6, 5), "lstm_dropout": (3, 6, 5), "lstm_sample": (4, 5),
    "gru": (4, 3, 5), "gru_stacked": (4, 3, 5), "rnn_cell": (3, 5), "lstm_cell": (3, 5), "gru_cell": (5,),
}


def write_init():
    with open(os.path.join(HERE, "nn_init.txt"), "w") as f:
        for name, make in LAYERS.items():
            torch.manual_seed(42)
            for key, value in make().state_dict().items():
                shape = " ".join(str(d) for d in value.shape)
                print(f"{name} {key} {value.dim()} {shape} {numbers(value)}".replace("  ", " "), file=f)


# mean, deviation and bounds: cut far outside, on both sides, beside the peak, and in a tail; the last three are of the second kind.
TRUNCATED = [(0, 0.01, -2, 2), (0, 1, -0.5, 1.5), (1, 2, 0.5, 4), (0, 1, 0.1, 0.4), (0, 1, 2, 5), (-3, 0.5, -2, 2)]


def write_truncated():
    with open(os.path.join(HERE, "nn_truncated.txt"), "w") as f:
        for mean, std, low, high in TRUNCATED:
            for shape in ((3, 5), (40, 30)):
                torch.manual_seed(3)
                print(mean, std, low, high, *shape, numbers(nn.init.trunc_normal_(torch.empty(shape), mean, std, low, high)), file=f)


def write_printed():
    with open(os.path.join(HERE, "nn_print.txt"), "w") as f:
        for name, make in PRINTED.items():
            text = repr(make())
            print(f"{name} {len(text.splitlines())}\n{text}", file=f)


def output(m, x):
    """What tl_forward() gives: of recurrent layers the result without the state, of LSTMCell h."""
    y = m(x)
    return y[0] if isinstance(y, tuple) else y


def write_forward():
    """Two forwards in training, one in evaluation; the loss's gradients; the state after."""
    with open(os.path.join(HERE, "nn_forward.txt"), "w") as f:
        for name, shape in INPUTS.items():
            torch.manual_seed(7)
            m = PRINTED[name]()
            x = torch.randn(*shape) * 2
            print(name, "input", len(shape), *shape, file=f)
            y = output(m, x.clone())
            print(name, "first", numbers(y), file=f)
            (output(m, x.clone()) * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum().backward() if list(m.parameters()) else None
            for key, p in m.named_parameters():
                print(name, "grad", key, numbers(p.grad), file=f)
            for key, b in m.named_buffers():
                print(name, "buffer", key, numbers(b.double()), file=f)
            m.eval()
            print(name, "eval", numbers(output(m, x.clone())), file=f)


if __name__ == "__main__":
    refuse_intel()
    write_init()
    write_truncated()
    write_printed()
    write_forward()
