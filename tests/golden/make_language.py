#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden losses of language models: writes language_text.txt, a text made of few words, and language.txt, the loss of every batch of small
training runs over it. Run with PyTorch, on a processor that is not Intel's (see make_nn.py). tests/language.c does the same runs.
"""
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import make_nn

HERE = os.path.dirname(os.path.abspath(__file__))
SEQ, BATCH = 16, 8
WORDS = "la tela crece hilo a hilo y el telar no cuenta los días; ¿quién los contó?\n".split(" ")


def make_text():
    words, state = [], 1
    while len(words) < 500:
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        words.append(WORDS[(state >> 16) % len(WORDS)])
    return " ".join(words)


class Model(nn.Module):
    def __init__(self, kind, vocabulary, embedding, hidden, layers, dropout, tied):
        super().__init__()
        self.vocabulary, self.drop = vocabulary, nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, embedding) if embedding else None
        self.rnn = getattr(nn, kind)(embedding or vocabulary, hidden, layers, dropout=dropout if layers > 1 else 0)
        self.decoder = nn.Linear(hidden, vocabulary)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, tokens, state=None):
        x = tokens.t()
        x = self.drop(self.encoder(x)) if self.encoder else nn.functional.one_hot(x, self.vocabulary).float()
        y, state = self.rnn(x, state)
        return self.decoder(self.drop(y)).transpose(0, 1), state


def run(f, name, tokens, vocabulary, streams, epochs, **o):
    torch.manual_seed(3)
    m = Model(vocabulary=vocabulary, **o)
    optimizer = torch.optim.Adam(m.parameters(), lr=5e-3)
    if streams:
        windows = (len(tokens) - 1) // streams // SEQ
        at = torch.tensor([[(s * windows + p) * SEQ for s in range(streams)] for p in range(windows)]).reshape(-1)
    else:
        at = torch.arange(0, len(tokens) - SEQ, SEQ)
    data = TensorDataset(torch.stack([tokens[i:i + SEQ] for i in at]), torch.stack([tokens[i + 1:i + SEQ + 1] for i in at]))
    losses = []
    for _ in range(epochs):
        state = None
        for x, y in DataLoader(data, batch_size=streams or BATCH, shuffle=not streams):
            logits, state = m(x, state if streams else None)
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            loss = nn.functional.cross_entropy(logits.reshape(-1, vocabulary), y.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(m.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    print(name, len(losses), *(f"{v:.9g}" for v in losses), file=f)


if __name__ == "__main__":
    make_nn.refuse_intel()
    text = make_text()
    with open(os.path.join(HERE, "language_text.txt"), "w", encoding="utf-8", newline="") as f:
        f.write(text)
    letters = sorted(set(text))
    tokens = torch.tensor([letters.index(c) for c in text])
    tokens = tokens[:len(tokens) - int(len(tokens) * 0.2 + 0.5)]
    with open(os.path.join(HERE, "language.txt"), "w") as f:
        run(f, "rnn", tokens, len(letters), 0, 2, kind="RNN", embedding=0, hidden=24, layers=1, dropout=0, tied=False)
        run(f, "lstm", tokens, len(letters), 0, 3, kind="LSTM", embedding=12, hidden=24, layers=2, dropout=0.2, tied=False)
        run(f, "gru", tokens, len(letters), 0, 2, kind="GRU", embedding=20, hidden=20, layers=1, dropout=0, tied=True)
        run(f, "lstm-streams", tokens, len(letters), 4, 2, kind="LSTM", embedding=12, hidden=24, layers=2, dropout=0, tied=False)
