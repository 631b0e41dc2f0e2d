#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for recurrent layers with states and packed sequences, for cells over several steps, and for orthogonal
initialisation: writes recurrent.txt beside itself. Run with PyTorch. tests/nn_recurrent.c draws the same numbers.
"""
import os

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, SAMPLES, FEATURES, HIDDEN = 6, 4, 3, 5
LENGTHS = torch.tensor([3, 6, 1, 4])
KINDS = {
    "rnn": lambda **o: nn.RNN(FEATURES, HIDDEN, **o),
    "relu": lambda **o: nn.RNN(FEATURES, HIDDEN, nonlinearity="relu", **o),
    "lstm": lambda **o: nn.LSTM(FEATURES, HIDDEN, **o),
    "gru": lambda **o: nn.GRU(FEATURES, HIDDEN, **o),
}


def numbers(t):
    flat = t.detach().reshape(-1)
    return f"{flat.numel()} {flat.double().sum().item():.17g} 1 " + " ".join(f"{v:.9g}" for v in flat.tolist())


def layer(f, name, make, packed):
    torch.manual_seed(5)
    m = make(num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(SAMPLES, STEPS, FEATURES).requires_grad_()
    state = [torch.randn(4, SAMPLES, HIDDEN).requires_grad_() for _ in range(2 if name == "lstm" else 1)]
    given = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False) if packed else x
    y, last = m(given, tuple(state) if name == "lstm" else state[0])
    if packed:
        y = pad_packed_sequence(y, batch_first=True)[0]
    last = last if name == "lstm" else (last,)
    loss = sum((t * torch.linspace(-1, 1, t.numel()).reshape(t.shape)).sum() for t in (y, *last))
    loss.backward()
    what = [("y", y), *zip("hc", last), ("dx", x.grad), *zip(("dh", "dc"), (s.grad for s in state)), *((k, p.grad) for k, p in m.named_parameters())]
    for key, t in what:
        print(f"{name}{'_packed' if packed else ''} {key} {numbers(t)}", file=f)


def cell(f, name, m):
    torch.manual_seed(5)
    m = m()
    state = None
    for step, x in enumerate(torch.randn(3, SAMPLES, FEATURES)):
        state = m(x, state)
    for key, t in zip("hc", state if isinstance(state, tuple) else (state,)):
        print(f"{name} {key} {numbers(t)}", file=f)


with open(os.path.join(HERE, "recurrent.txt"), "w") as f:
    for name, make in KINDS.items():
        for packed in (False, True):
            layer(f, name, make, packed)
    cell(f, "rnn_cell", lambda: nn.RNNCell(FEATURES, HIDDEN))
    cell(f, "lstm_cell", lambda: nn.LSTMCell(FEATURES, HIDDEN))
    cell(f, "gru_cell", lambda: nn.GRUCell(FEATURES, HIDDEN))
    for shape in ((4, 4), (3, 7), (7, 3), (4, 2, 3)):
        torch.manual_seed(3)
        print("orthogonal", "x".join(map(str, shape)), numbers(nn.init.orthogonal_(torch.empty(shape), 1.5)), file=f)
