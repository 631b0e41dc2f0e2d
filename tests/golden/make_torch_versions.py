#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Small files of torch.save() as the running version of PyTorch writes them, into tests/golden/torch/VERSION-pythonX.Y-*.pth.

    python make_torch_versions.py

Runs under Python 2.7 and 3, PyTorch 1.0 to today's. Every value comes from a formula that tests/formats_versions.c has too: element i of
memory number `salt` holds ((37 i + 13 salt + 11) mod 101 - 50) / 4, rounded down in integers, taken modulo 256 in u8; whether it is not negative, in bool.
All of the elements that there are can be held by every type.

weights          all element types that the version saves, a parameter, views of shared memory, strides, a number, nothing
tensor, list     no dictionary at all
adam, sgd        whole checkpoints: DataParallel's weights, an optimizer's state, some words and numbers
module           a whole module, which is not read
zip, unzip       `weights` in the form that is not the version's own, where it knows both
"""
import collections
import os
import sys

import numpy as np
import torch

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
version = torch.__version__.split("+")[0]
prefix = os.path.join(folder, "%s-python%d.%d-" % (version, sys.version_info[0], sys.version_info[1]))


def values(salt, count):
    return [((37 * i + 13 * salt + 11) % 101 - 50) / 4.0 for i in range(count)]


def memory(name, salt, *shape):
    """Fresh memory of that type; None if this version cannot save it."""
    v = np.array(values(salt, int(np.prod(shape))), dtype=np.float64)
    if name in ("f16", "f32", "f64"):
        return torch.from_numpy(v.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[name])).reshape(*shape)
    if name == "u8":
        return torch.from_numpy((np.floor(v).astype(np.int64) % 256).astype(np.uint8)).reshape(*shape)
    if name in ("i8", "i32", "i64"):
        kind = {"i8": torch.int8, "i32": torch.int32, "i64": torch.int64}[name]
        return torch.from_numpy(np.floor(v).astype(np.int64)).to(kind).reshape(*shape)
    try:
        kind = torch.bfloat16 if name == "bf16" else torch.bool
        return torch.from_numpy((v >= 0).astype(np.uint8) if name == "bool" else v).to(kind).reshape(*shape)
    except (AttributeError, RuntimeError):
        return None


def special(name):
    """Bits that arithmetic would not keep: not a number with a payload, infinities, zero below, the smallest of all."""
    if name == "f16":
        return torch.from_numpy(np.array([0x7e01, 0xfc00, 0x8000, 0x0001], dtype=np.uint16).view(np.float16))
    if name == "f32":
        return torch.from_numpy(np.array([0x7fc00001, 0xff800000, 0x80000000, 1], dtype=np.uint32).view(np.float32))
    return torch.from_numpy(np.array([0x7ff8000000000001, 0xfff0000000000000, 0x8000000000000000, 1], dtype=np.uint64).view(np.float64))


class Whole(torch.nn.Module):
    """Old versions put this text into the file."""

    def __init__(self):
        super(Whole, self).__init__()
        self.weight = torch.nn.Parameter(memory("f32", 29, 2))


def weights():
    state = collections.OrderedDict()
    for salt, name in enumerate(["f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64", "bool"]):
        t = memory(name, salt, 2, 3)
        if t is not None:
            state[name] = t
    for name in "f16", "f32", "f64":
        state["special." + name] = special(name)
    state["parameter"] = torch.nn.Parameter(memory("f32", 20, 5))
    base = memory("f32", 21, 3, 4)
    state["shared.whole"] = base
    state["shared.transposed"] = base.t()
    state["shared.row"] = base[1]
    state["shared.every"] = base[1:, ::2]
    state["permuted"] = memory("f64", 22, 2, 3, 4).permute(2, 0, 1)
    state["expanded"] = memory("f32", 23, 1).expand(4)
    state["part"] = memory("i64", 24, 9)[2:7:2]
    state["number"] = memory("f32", 25, 1)[0]
    state["count"] = memory("i64", 26, 1)[0]
    state["nothing"] = torch.zeros(0, 4)
    return state


def filled(state, salt):
    """The same tensors with values of the formula."""
    for t in state:
        with torch.no_grad():
            t.copy_(memory("f64", salt, max(t.numel(), 1)).reshape(t.shape))
        salt += 1


def checkpoint(make):
    net = torch.nn.Sequential(collections.OrderedDict([("fc", torch.nn.Linear(2, 3)), ("bn", torch.nn.BatchNorm1d(3))]))
    optimizer = make(net.parameters())
    net(torch.ones(4, 2) * torch.arange(4.0).reshape(4, 1)).sum().backward()
    optimizer.step()
    parallel = torch.nn.DataParallel(net)
    filled([t for t in parallel.state_dict().values()], 30)
    moments = [m for p in net.parameters() for _, m in sorted(optimizer.state[p].items()) if torch.is_tensor(m)]
    filled([m for m in moments if m.dim() > 0], 40)
    return {"epoch": 7, "arch": "tiny", "state_dict": parallel.state_dict(), "best_acc1": 71.25, "optimizer": optimizer.state_dict(),
            "classes": ["cat", "dog"], "size": torch.Size([2, 3])}


def main():
    if not os.path.isdir(folder):
        os.makedirs(folder)
    torch.save(weights(), prefix + "weights.pth")
    for own, other in ("unzip", True), ("zip", False):
        try:
            torch.save(weights(), prefix + own + ".pth", _use_new_zipfile_serialization=not other)
        except TypeError:
            continue
        with open(prefix + "weights.pth", "rb") as a, open(prefix + own + ".pth", "rb") as b:
            same = a.read(2) == b.read(2)
        if same:
            os.remove(prefix + own + ".pth")
    torch.save(memory("f32", 27, 4), prefix + "tensor.pth")
    torch.save([memory("f32", 27, 4), (memory("i32", 28, 2), 3)], prefix + "list.pth")
    torch.save(checkpoint(lambda p: torch.optim.Adam(p, lr=0.25, amsgrad=True)), prefix + "adam.pth")
    torch.save(checkpoint(lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.75)), prefix + "sgd.pth")
    torch.save(Whole(), prefix + "module.pth")


main()
