#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make loader.txt: the orders of samples that torch.utils.data.DataLoader and random_split give after torch.manual_seed().

    python3 make_loader.py > loader.txt

A line is one epoch, or one split:

    loader SEED SAMPLES BATCH WORKERS SHUFFLE OWN EPOCH : order of the samples : a draw from the default generator afterwards
    split SEED SIZE SIZE : order of the samples : a draw afterwards

OWN 1: the loader was given a generator of its own, seeded with SEED + 1.
"""
import torch
from torch.utils.data import DataLoader, TensorDataset, random_split


def main():
    print(f"# torch {torch.__version__}")
    for seed in (0, 7, 123456789):
        for n, batch in ((10, 3), (37, 8), (1, 4)):
            for workers in (0, 2):
                for shuffle in (0, 1):
                    for own in (0, 1):
                        g = torch.Generator().manual_seed(seed + 1) if own else None
                        torch.manual_seed(seed)
                        loader = DataLoader(TensorDataset(torch.arange(n)), batch_size=batch, shuffle=bool(shuffle),
                                            num_workers=workers, generator=g)
                        for epoch in range(3):
                            order = [int(i) for (b,) in loader for i in b]
                            check = int(torch.randint(0, 1000000, (1,)))
                            print("loader", seed, n, batch, workers, shuffle, own, epoch, ":", *order, ":", check)
        torch.manual_seed(seed)
        a, b = random_split(range(20), [13, 7])
        print("split", seed, 13, 7, ":", *a.indices, *b.indices, ":", int(torch.randint(0, 1000000, (1,))))


main()
