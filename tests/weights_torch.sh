#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What Telar writes is what PyTorch, NumPy and the safetensors package read, bit for bit, and without running anything:
# torch.load(weights_only=True). TELAR_TEST_PYTHON names a Python that has PyTorch; else python3 is tried.
. "$TEST_SRCDIR/tests/tap.sh"
python=
for candidate in "${TELAR_TEST_PYTHON:-}" python3; do
    [ -n "$candidate" ] && "$candidate" -c 'import torch, numpy' >/dev/null 2>&1 && { python=$candidate; break; }
done
if [ -z "$python" ]; then
    echo "1..0 # SKIP no Python with PyTorch (TELAR_TEST_PYTHON): what is written was NOT read by torch.load()"
    exit 0
fi
golden=$TEST_SRCDIR/tests/golden/weights
run convert "$golden/weights_legacy.pth" all.pth; is 0 "all types and strides, written" "17 tensors"
run convert "$golden/checkpoint_legacy.pth" checkpoint.pth; is 0 "a checkpoint, written" "notes"
run convert "$golden/weights.npz" all.npz; is 0 "arrays, written"
run convert "$golden/tensor.pth" one.npy; is 0 "one array, written"
run convert "$golden/weights.pth" all.safetensors; is 0 "safetensors, written"
# And what the PyTorch of today wrote (see make_torch_versions.py), with the numbers that are none.
versions=$TEST_SRCDIR/tests/golden/torch
for ending in pth safetensors; do
    run convert "$versions/2.15.0-python3.11-weights.pth" today.$ending; is 0 "today's tensors as .$ending" "23 tensors"
done
run convert "$versions/2.15.0-python3.11-adam.pth" adam.pth; is 0 "a checkpoint with Adam, written"
cat >read.py <<'END'
import sys
import numpy as np
import torch

golden = sys.argv[1]
# The dictionary in the fixtures names nothing but tensors.
want = torch.load(golden + "/weights.pth", weights_only=True)


def bits(t):
    t = t.detach().contiguous()
    return t.reshape(-1).view(torch.uint8) if t.numel() else t


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def same_all(got):
    return list(got) == list(want) and all(same(want[k], got[k]) for k in want)


def point(good, name):
    print("ok" if good else "not ok", "-", name)


point(same_all(torch.load("all.pth", weights_only=True)), "torch.load reads it")
point(same_all(torch.load("all.pth", weights_only=True, mmap=True)), "mapped, too")
got = torch.load("checkpoint.pth", weights_only=True)
old = torch.load(golden + "/checkpoint_legacy.pth", weights_only=False)
point(all(same(old["state_dict"][k], got[k]) for k in old["state_dict"]), "weights of a checkpoint")
point(same(old["optimizer"]["state"][0]["momentum_buffer"], got["telar.rest.optimizer.state.0.momentum_buffer"]), "and its optimizer's state")
arrays, reference = np.load("all.npz"), np.load(golden + "/weights.npz")
point(sorted(arrays.files) == sorted(reference.files) and all((arrays[k] == reference[k]).all() and arrays[k].dtype == reference[k].dtype
      and arrays[k].shape == reference[k].shape for k in reference.files), "numpy.load reads the arrays")
point((np.load("one.npy") == np.arange(4, dtype=np.float32)).all(), "and the single one")
versions = sys.argv[2] + "/2.15.0-python3.11-"
today = torch.load(versions + "weights.pth", weights_only=True)
for mapped in False, True:
    got = torch.load("today.pth", weights_only=True, mmap=mapped)
    point(list(got) == list(today) and all(same(today[k], got[k]) for k in today), "today's tensors" + (", mapped" if mapped else ""))
got, adam = torch.load("adam.pth", weights_only=True), torch.load(versions + "adam.pth", weights_only=True)
state = adam["optimizer"]["state"]
point(all(same(adam["state_dict"][k], got[k]) for k in adam["state_dict"]) and len(state) == 4 and
      all(same(v, got[f"telar.rest.optimizer.state.{i}.{k}"]) for i in state for k, v in state[i].items()), "weights and Adam's state")
net = torch.nn.Sequential(__import__("collections").OrderedDict(fc=torch.nn.Linear(2, 3), bn=torch.nn.BatchNorm1d(3)))
torch.nn.DataParallel(net).load_state_dict({k: v for k, v in got.items() if not k.startswith("telar.")})
point(same(net.fc.weight, adam["state_dict"]["module.fc.weight"]), "which a module of PyTorch takes")
for name, array in {k.replace(".", "-"): reference[k] for k in reference.files}.items():
    np.save(f"from-{name}.npy", array)
try:
    import safetensors.torch
    got = safetensors.torch.load_file("today.safetensors")
    point(sorted(got) == sorted(today) and all(same(today[k], got[k]) for k in today), "safetensors reads today's tensors")
    got = safetensors.torch.load_file("all.safetensors")
    point(sorted(got) == sorted(want) and all(same(want[k], got[k]) for k in want), "safetensors reads its own")
except ImportError:
    print("ok - safetensors reads its own # SKIP no package safetensors")
# Files of now, not of when the fixtures were made.
new = {"layer.weight": torch.randn(3, 5).half(), "layer.bias": torch.randn(3, dtype=torch.float64), "steps": torch.tensor(12)}
torch.save(new, "new.pth")
torch.save(new, "old.pth", _use_new_zipfile_serialization=False)
torch.save({"model": new, "epoch": 3, "optimizer": {}}, "wrapped.pth")
END
"$python" read.py "$golden" "$versions" >points 2>words || cat words >>points
while read -r line; do
    case $line in
    "ok - "*) count=$((count + 1)); echo "ok $count${line#ok}" ;;
    *) output=$line; point 1 "${line#not ok - }" ;;
    esac
done <points
grep -c "^ok" points >/dev/null; point $? "PyTorch was asked"
for file in from-*.npy; do
    "$telar" convert "$file" "back-$file" >/dev/null 2>&1 || echo "$file is not read"
done >words
"$python" -c 'import glob, numpy as np
files = glob.glob("from-*.npy")
for f in files:
    a, b = np.load(f), np.load("back-" + f)
    if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes(): print(f, "differs")
if len(files) < 15: print("only", len(files), "files")' >>words 2>&1
output=$(cat words); [ -z "$output" ]; point $? "arrays of every type, one by one, go in and out"
for file in new old wrapped; do
    run convert $file.pth back.pth; is 0 "$file.pth is read"
    "$python" -c 'import torch
a, b = torch.load("new.pth", weights_only=True), torch.load("back.pth", weights_only=True)
raise SystemExit(not (list(a) == list(b) and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)))' 2>/dev/null
    point $? "and holds what PyTorch wrote"
done
done_testing
