#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small weight files as PyTorch and NumPy write them, into tests/golden/weights/.

    python3 make_weights.py

weights.safetensors holds, contiguous, what all the files called weights hold; tests/formats.c compares bit by bit. Nothing here is random.
"""
import collections
import os
import pickle
import zipfile

import numpy as np
import safetensors.torch
import torch

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")
os.makedirs(here, exist_ok=True)


def path(name):
    return os.path.join(here, name)


def tensors():
    types = dict(f32=torch.float32, f64=torch.float64, f16=torch.float16, bf16=torch.bfloat16, i8=torch.int8, i32=torch.int32, i64=torch.int64)
    state = collections.OrderedDict((name, ((torch.arange(6.0) - 2) * 20.5).reshape(2, 3).to(t)) for name, t in types.items())
    state["u8"] = (torch.arange(6) * 40).reshape(2, 3).to(torch.uint8)
    state["bool"] = torch.tensor([True, False, True])
    base = torch.arange(12.0).reshape(3, 4)
    state["shared.whole"] = base
    state["shared.transposed"] = base.t()
    state["shared.row"] = base[1]
    state["shared.every"] = base[1:, ::2]
    state["expanded"] = torch.tensor([5.0]).expand(4)
    state["number"] = torch.tensor(2.5)
    state["nothing"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(torch.tensor([1.5, -2.5]))
    return state


def rezip(source, target, method, force_zip64=False):
    """The records of an archive again, compressed, or with sizes of 64 bits."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for info in old.infolist():
            record = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            record.compress_type = method
            with new.open(record, "w", force_zip64=force_zip64) as f:
                f.write(old.read(info))


class Called:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def main():
    state = tensors()
    safetensors.torch.save_file({k: v.detach().clone().contiguous() for k, v in state.items()}, path("weights.safetensors"))
    torch.save(state, path("weights.pth"))
    torch.save(state, path("weights_legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(dict(state), path("weights_protocol4.pth"), pickle_protocol=4)
    torch.save(dict(state), path("weights_protocol5.pth"), pickle_protocol=5)
    rezip(path("weights.pth"), path("weights_deflated.pth"), zipfile.ZIP_DEFLATED)
    rezip(path("weights.pth"), path("weights_zip64.pth"), zipfile.ZIP_STORED, force_zip64=True)

    net = torch.nn.Sequential(collections.OrderedDict(fc=torch.nn.Linear(2, 3), bn=torch.nn.BatchNorm1d(3)))
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.arange(p.numel()).reshape(p.shape) + i)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 5])
    net(torch.ones(4, 2) * torch.arange(4.0).reshape(4, 1)).sum().backward()
    optimizer.step()
    parallel = torch.nn.DataParallel(net)
    checkpoint = {"epoch": 7, "arch": "tiny", "state_dict": parallel.state_dict(), "best": np.float64(0.25), "lr": 0.1, "best_tensor": torch.tensor(3.5),
                  "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "none": None, "shape": torch.Size([1, 2]), "device": torch.device("cpu")}
    torch.save(checkpoint, path("checkpoint.pth"))
    torch.save(checkpoint, path("checkpoint_legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(torch.arange(4.0), path("tensor.pth"))
    torch.save([torch.arange(4.0), (torch.ones(2), 3)], path("list.pth"))

    torch.save({"weight": torch.ones(2), "call": Called(os.system, "true")}, path("bad_call.pth"))
    torch.save({"weight": torch.ones(2), "call": Called(os.system, "true")}, path("bad_call_legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(net, path("bad_module.pth"))
    torch.save({"short": torch.ones(2, dtype=torch.int16)}, path("bad_type.pth"))
    torch.save({"sparse": torch.eye(2).to_sparse()}, path("bad_sparse.pth"))
    for protocol in 0, 2, 4:
        with open(path(f"bad_pickle{protocol}.pth"), "wb") as f:
            pickle.dump(Called(os.system, "true"), f, protocol)

    arrays = {k: v.detach().numpy() for k, v in state.items() if v.dtype != torch.bfloat16}
    np.savez(path("weights.npz"), **arrays)
    np.savez_compressed(path("weights_deflated.npz"), **arrays)
    np.save(path("fortran.npy"), np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
    np.save(path("swapped.npy"), np.arange(6, dtype=">f4").reshape(2, 3))
    np.save(path("bad_object.npy"), np.array([{}], dtype=object), allow_pickle=True)
    np.save(path("bad_complex.npy"), np.ones(2, dtype=np.complex64))
    with open(path("version2.npy"), "wb") as f:
        np.lib.format.write_array(f, np.arange(3.0), version=(2, 0))


main()
