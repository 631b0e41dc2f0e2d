#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make rng.txt: what PyTorch's CPU generator gives for sequences of calls.

    python3 make_rng.py > rng.txt

A sequence starts with "seed N"; every line after it is one call on the generator, in order, and what came:

    CALL DTYPE ARGUMENTS… | SIZE… | KIND VALUES…

KIND is
    bits    every element: floats as their bits in hexadecimal, integers in decimal
    hash    a 64-bit hash of all elements' bits (see fnv below): too many to list
    near    every 97th element, and the last, as hexadecimal floats: equal to a tolerance only
A size with a "t" behind it is filled through its transpose, so not contiguous: listed row by row.
"""
import math
import platform
import sys

import torch

DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16, "i8": torch.int8,
          "u8": torch.uint8, "i32": torch.int32, "i64": torch.int64, "bool": torch.bool}
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
SIZES = [1, 5, 15, 16, 17, 31, 100, 1000]


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            return info.read()
    except OSError:
        return platform.processor()


if "GenuineIntel" in processor() or "Intel" in processor():
    sys.exit("make_rng.py: this is an Intel processor. There PyTorch draws bernoulli_(p) from MKL's generator, not from its own; "
             "numbers made here would not be those of other machines. Run this on another processor.")
if "AVX2" not in torch.backends.cpu.get_cpu_capability() and "AVX512" not in torch.backends.cpu.get_cpu_capability():
    sys.exit("make_rng.py: PyTorch fills normals in another way without AVX2. Run this on a processor that has it.")


def fnv(tensor):
    """FNV-1a, eight bytes of an element (sign-extended bits) at a time."""
    h = 0xcbf29ce484222325
    for bits in tensor.contiguous().view(BITS[tensor.element_size()]).flatten().tolist():
        h = ((h ^ (bits & 0xffffffffffffffff)) * 0x100000001b3) & 0xffffffffffffffff
    return h


def written(tensor):
    """All elements, exactly."""
    if not tensor.dtype.is_floating_point:
        return [str(int(v)) for v in tensor.flatten().tolist()]
    size = tensor.element_size()
    return [f"{v & ((1 << 8 * size) - 1):0{2 * size}x}" for v in tensor.contiguous().view(BITS[size]).flatten().tolist()]


def say(call, size, tensor, near=False):
    flat = tensor.contiguous().flatten()
    n = flat.numel()
    if near:
        picked = flat[sorted(set(range(0, n, 97)) | {n - 1})] if n > 100 else flat
        kind = ["near"] + [float(v).hex() for v in picked.tolist()]
    elif n > 32:
        kind = ["hash", f"{fnv(flat):016x}"]
    else:
        kind = ["bits"] + written(flat)
    print(f"{call} | {size} | {' '.join(kind)}")


def empty(size, dtype):
    """A tensor to fill, and what to look at afterwards."""
    sizes = [int(s) for s in size.rstrip("t").split()]
    t = torch.empty(sizes, dtype=DTYPES[dtype])
    return t, (t.t() if size.endswith("t") else t)


def uniform(dtype, size, low=0.0, high=1.0):
    t, filled = empty(size, dtype)
    filled.uniform_(low, high)
    say(f"uniform {dtype} {low.hex()} {high.hex()}", size, t)


def normal(dtype, size, mean=0.0, std=1.0):
    t, filled = empty(size, dtype)
    filled.normal_(mean, std)
    say(f"normal {dtype} {mean.hex()} {std.hex()}", size, t, near=True)


def bernoulli(dtype, size, p):
    t, filled = empty(size, dtype)
    filled.bernoulli_(p)
    say(f"bernoulli {dtype} {p.hex()}", size, t)


def bernoulli_each(dtype, size):
    """p is k / n for element k, rounded to its type."""
    t, _ = empty(size, dtype)
    n = t.numel()
    p = torch.tensor([k / n for k in range(n)], dtype=torch.float64).to(t.dtype).reshape(t.shape)
    if size.endswith("t"):
        p = p.t().contiguous().t()
    say(f"bernoulli_each {dtype}", size, torch.bernoulli(p))


def integers(dtype, size, low, high):
    t, filled = empty(size, dtype)
    filled.random_(low, high)
    say(f"integers {dtype} {low} {high}", size, t)


def permutation(n):
    say("permutation i64", str(n), torch.randperm(n))


def seed(n):
    print(f"seed {n}")
    torch.manual_seed(n)


for s in [0, 7, 6202, 2**40]:
    for n in SIZES:
        seed(s)
        size = str(n)
        uniform("f32", size)
        normal("f32", size)
        uniform("f64", size)
        normal("f64", size)
        bernoulli("f32", size, 0.5)
        integers("i64", size, 0, 10)
        permutation(n)

# The second normal of a pair waits, across other calls.
seed(7)
normal("f32", "1")
uniform("f32", "3")
normal("f64", "2")
integers("i64", "2", 0, 100)
normal("f32", "16")
normal("f32", "1")
normal("f16", "3")
permutation(5)
normal("f32", "4", 10.0, 0.25)
normal("bf16", "20")
normal("f64", "1", -1.0, 2.0)
normal("f64", "5")
bernoulli("f32", "7", 0.3)
normal("f32", "3 5")
normal("f32", "4 4")

# Every type of float
seed(6202)
for dtype in ["f32", "f64", "f16", "bf16"]:
    for size in ["4", "31", "1000"]:
        uniform(dtype, size)
        uniform(dtype, size, -0.1, 0.1)
        uniform(dtype, size, 3.0, 1000.0)
        normal(dtype, size)
        normal(dtype, size, 3.0, 0.02)
        bernoulli(dtype, size, 0.3)
        bernoulli_each(dtype, size)
        integers(dtype, size, -100, 100)
uniform("f32", "5", 0.25, 0.25)
uniform("bf16", "1000", 1.0, 1.0078125)
uniform("f32", "1000", 1.0, 1.0 + 2**-22)
uniform("f64", "1000", 1.0, 1.0 + 2**-51)
normal("f32", "5", 1.5, 0.0)
integers("f32", "8", 0, 2**24 + 2)
integers("f32", "8", -2**40 - 1, 2**40 + 3)
integers("f64", "8", -2**60 - 1, 2**60 + 1)
integers("f16", "8", -3000, 65504)
integers("bf16", "8", -1001, 1001)
integers("f32", "100", -2**26 - 6, -2**26 + 40)
integers("bf16", "100", -1031, -1000)

# Every type of integer, and ranges on both sides of 2^28 and 2^32
seed(0)
for size in ["3", "100"]:
    integers("bool", size, 0, 2)
    integers("u8", size, 0, 256)
    integers("i8", size, -128, 128)
    integers("i32", size, -2**31, 2**31 - 1)
    for high in [1, 2, 3, 10, 2**16, 10**6 + 3, 2**28 - 1, 2**28, 2**28 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 7, 2**63 - 1]:
        integers("i64", size, 0, high)
    integers("i64", size, -2**63, 2**63 - 1)
    integers("i64", size, -5, 6)
for dtype in ["bool", "u8", "i8", "i32", "i64"]:
    bernoulli(dtype, "20", 0.5)
    bernoulli(dtype, "300", 0.3)

# Chances
seed(2**40)
for p in [0.0, 1.0, 0.5, 0.3, 1e-9, 1 - 2**-53, 0.9]:
    bernoulli("f32", "32", p)
    bernoulli("f64", "1000", p)

# Not contiguous: filled along the memory, and normals one by one
seed(7)
for dtype in ["f32", "f64"]:
    uniform(dtype, "3 4t")
    normal(dtype, "3 4t")
    normal(dtype, "8 9t")
    bernoulli(dtype, "5 6t", 0.3)
    bernoulli_each(dtype, "5 6t")
integers("i64", "5 6t", 0, 1000)

# Permutations and long fills
seed(0)
for n in [0, 1, 2, 100, 1797, 60000]:
    permutation(n)
seed(7)
for dtype in ["f32", "f64"]:
    uniform(dtype, "20000")
    uniform(dtype, "20000", -0.1, 0.1)
    normal(dtype, "20000")
    normal(dtype, "10007", -2.0, 0.5)
bernoulli("f32", "20000", 0.3)
integers("i64", "20000", 0, 7)

# A course's first weights
seed(7)
normal("f32", "1 5")
print("end")
