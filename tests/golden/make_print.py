#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make print.txt: tensors and the text that PyTorch prints for them.

    python3 make_print.py > print.txt

A case is

    case NAME
    tensor DTYPE requires_grad(0|1) precision threshold edgeitems linewidth sci_mode
    shape SIZE…
    list VALUE…            (cycled until the shape is full; floats as hexadecimal, nan, inf, -inf)
    range START STEP       (or this: START + i STEP, computed in double)
    text LINES             (that many lines follow)

Options of 0 are PyTorch's defaults.
"""
import itertools
import math

import torch

DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16, "i8": torch.int8,
          "u8": torch.uint8, "i32": torch.int32, "i64": torch.int64, "bool": torch.bool}
count = 0


def written(value, dtype):
    if not dtype.is_floating_point:
        return str(int(value))
    value = float(value)
    return str(value) if math.isnan(value) or math.isinf(value) else value.hex()


def case(name, dtype, shape, values=None, start=None, step=None, grad=False, precision=0, threshold=0, edgeitems=0, linewidth=0,
         sci_mode=0):
    global count
    count += 1
    kind, n = DTYPES[dtype], math.prod(shape)
    if values is None:
        filled = [start + i * step for i in range(n)]
        line = f"range {float(start).hex()} {float(step).hex()}"
    else:
        # What is written is what the type holds.
        values = [v for v in torch.tensor(values, dtype=kind).tolist()]
        filled = list(itertools.islice(itertools.cycle(values), n)) if values else []
        line = " ".join(["list"] + [written(v, kind) for v in values])
    tensor = torch.tensor(filled, dtype=kind).reshape(shape).requires_grad_(grad)
    torch.set_printoptions(precision=precision or 4, threshold=threshold or 1000, edgeitems=edgeitems or 3, linewidth=linewidth or 80,
                           sci_mode=None if sci_mode == 0 else sci_mode > 0)
    text = str(tensor).split("\n")
    print(f"case {name}\ntensor {dtype} {int(grad)} {precision} {threshold} {edgeitems} {linewidth} {sci_mode}")
    print(" ".join(["shape"] + [str(s) for s in shape]))
    print(f"{line}\ntext {len(text)}")
    print("\n".join(text))


inf, nan = math.inf, math.nan
floats = ["f32", "f64", "f16", "bf16"]
integers = ["i8", "u8", "i32", "i64"]

# Single numbers
for value in [2.0222, 3.0, -1.5, 0.0, -0.0, 1e-5, 1e10, 123456.789, nan, inf, -inf, 0.1, 1e-45, 99999999.0, 100000000.0, 100000008.0]:
    case(f"single {value}", "f32", [], [value])
case("single f64", "f64", [], [math.pi])
case("single i64", "i64", [], [-7])
case("single bool", "bool", [], [True])
case("single gradient", "f32", [], [2.5], grad=True)

# A course's first matrices
case("inputs", "f32", [5, 3], [73, 67, 43, 91, 88, 64, 87, 134, 58, 102, 43, 37, 69, 96, 70])
case("targets", "f32", [5, 2], [56, 70, 81, 101, 119, 133, 22, 37, 103, 119])
case("weights", "f32", [2, 3], [-0.2103, 0.5872, -1.1143, 1.6908, 0.0021, 0.7], grad=True)
case("mixed signs", "f32", [3, 4], [1.25, -2.5, 100.125, -0.0625])
case("column", "f32", [6, 1], [0.5, -0.25, 12.0])

# Every type
for dtype in floats:
    case(f"{dtype} fractions", dtype, [2, 3], [0.1, -0.25, 3.75, 10.5, -7.125, 0.333])
    case(f"{dtype} whole", dtype, [4], [1, 2, -3, 100])
    case(f"{dtype} not finite", dtype, [5], [nan, inf, -inf, 1.5, -2])
    case(f"{dtype} empty", dtype, [0], [])
    case(f"{dtype} wide range", dtype, [3], [0.001, 1, 1000])
for dtype in integers:
    case(f"{dtype} matrix", dtype, [2, 4], [0, 1, 100, 7, 8, 99, 5, 42])
    case(f"{dtype} empty", dtype, [0, 3], [])
case("i8 signs", "i8", [3], [-128, 0, 127])
case("i64 extremes", "i64", [4], [-2**63, 2**63 - 1, 0, -1])
case("i32 extremes", "i32", [2, 2], [-2**31, 2**31 - 1, 0, 5])
case("bool row", "bool", [4], [True, False, True, True])
case("bool all true", "bool", [2, 2], [True])
case("bool all false", "bool", [30], [False])
case("bool empty", "bool", [0], [])

# Formats
case("all zeros", "f32", [3, 3], [0.0])
case("zeros in a long row", "f32", [100], [0.0])
case("negative zero", "f32", [4], [-0.0, 0.0, 1.0, -1.0])
case("only negative zero", "f32", [3], [-0.0])
case("all nan", "f32", [2, 2], [nan])
case("all infinite", "f32", [2, 2], [inf, -inf])
case("nan among whole", "f32", [4], [1, nan, 3, inf])
case("nan among wide whole", "f32", [4], [12345, nan, 3, -inf])
case("zero and nan", "f32", [2], [0, nan])
case("small", "f32", [3], [1e-5, 2e-5, 3e-5])
case("just under 1e-4", "f32", [2], [9.9e-5, 5e-4])
case("1e-4 in f32", "f32", [2], [1e-4, 5e-4])
case("1e-4 in f64", "f64", [2], [1e-4, 5e-4])
case("large whole", "f32", [3], [1e10, 2e10, 3e10])
case("just 1e8", "f32", [2], [1e8, 9e7])
case("over 1e8", "f64", [2], [1e8 + 1, 1e8])
case("ratio just 1000", "f32", [2], [1, 1000])
case("ratio over 1000", "f32", [2], [1, 1001])
case("ratio over 1000, fractions", "f64", [3], [0.5, 501, 2])
case("mixed magnitudes", "f32", [2, 3], [1e-8, 1, 1e8, -1e-8, -1, -1e8])
case("huge f64", "f64", [3], [1e300, -1e-300, 1])
case("denormal", "f64", [2], [5e-324, 1e-310])
case("largest f32", "f32", [2], [3.4028235e38, -3.4028235e38])
case("scientific with nan and zero", "f32", [5], [1e-6, nan, 0, -inf, 1])
case("rounds up", "f32", [3], [0.99995, 0.999949, 9.99995])
case("half to even", "f64", [4], [0.00005, 0.00015, 0.12345, 2.5])
case("large f16", "f16", [3], [65504, 1, -1])
case("large bf16", "bf16", [2], [3e38, 1.5])
case("whole and large widths", "f32", [2, 2], [1, -1000000, 55, 3])
case("softmax row", "f32", [1, 10], [0.0912, 0.1123, 0.0999, 0.1022, 0.0871, 0.1201, 0.0934, 0.1099, 0.0888, 0.0951])

# Lines
case("row of 30", "f32", [30], start=0.0, step=1.0)
case("row of 100", "f32", [100], start=-50.0, step=1.0)
case("row of fractions", "f32", [64], start=-3.1, step=0.1)
case("wrapped matrix", "f32", [3, 20], start=0.0, step=0.25)
case("wrapped scientific", "f64", [2, 12], [1e-7, 1, -1e7])
case("wrapped integers", "i64", [2, 50], start=0.0, step=1.0)
case("wrapped bools", "bool", [3, 24], [True, False])
case("suffix on a new line", "f64", [9], [0.1234])
case("suffix that just fits", "f64", [5], [0.1234, -5.5])
case("gradient on a new line", "f32", [8], [0.1234], grad=True)
case("two suffixes", "f64", [2, 3], [0.5, 1.5], grad=True)
case("two suffixes on new lines", "f64", [9], [-0.5, 1.5], grad=True)

for width in range(38, 62):
    case(f"suffixes in lines of {width}", "f64", [3], [0.5, -1.5], grad=True, linewidth=width)
    case(f"suffixes of a matrix in lines of {width}", "f16", [2, 3], [0.5, -1.5], grad=True, linewidth=width)

# Dimensions
case("3 dimensions", "f32", [2, 3, 4], start=0.0, step=0.5)
case("4 dimensions", "f32", [2, 1, 2, 2], start=0.0, step=1.0)
case("8 dimensions", "i64", [1, 2, 1, 2, 1, 2, 1, 2], start=0.0, step=1.0)
case("ones in every dimension", "f32", [1, 1, 1, 1, 1, 1, 1, 1], [0.5])
case("empty in the middle", "f32", [2, 0, 3], [])
case("empty f64", "f64", [3, 0], [])
case("empty with gradient", "f32", [0, 2], [], grad=True)
case("empty, 8 dimensions", "i32", [1, 2, 3, 0, 5, 6, 7, 8], [])

# Summaries
case("1000 elements", "f32", [1000], start=0.0, step=1.0)
case("1001 elements", "f32", [1001], start=0.0, step=1.0)
case("long fractions", "f32", [2000], start=0.0, step=0.1)
case("long integers", "i64", [100000], start=0.0, step=1.0)
case("large matrix", "f32", [40, 40], start=-800.0, step=1.0)
case("tall matrix", "f32", [1000, 2], start=0.0, step=0.5)
case("wide matrix", "f32", [2, 1000], start=0.0, step=0.5)
case("as many rows as are shown", "f32", [6, 400], start=0.0, step=0.5)
case("as many columns as are shown", "f32", [400, 6], start=0.0, step=0.5)
case("batch of images", "f32", [64, 1, 28, 28], start=0.0, step=0.0001)
case("large, 8 dimensions", "i64", [2, 7, 1, 7, 2, 1, 8, 2], start=0.0, step=1.0)
case("width of what is shown", "f32", [2000], [1.0, 2.0, 3.0] + [123456.0] * 1990 + [4.0] * 7)
case("long f64 with gradient", "f64", [1200], start=0.0, step=0.001, grad=True)
case("long bool", "bool", [1500], [True, False, False])
case("long u8", "u8", [30, 50], [0, 128, 255])

# Options
case("precision 2", "f32", [4], [1.23456, 2.5, -3.75, 0.001], precision=2)
case("precision 8", "f32", [3], [0.1, 0.2, 0.3], precision=8)
case("precision 10 scientific", "f64", [3], [1e-9, 1, 2], precision=10)
case("threshold 10", "f32", [11], start=0.0, step=1.0, threshold=10)
case("threshold and edge", "f32", [10, 10], start=0.0, step=1.0, threshold=50, edgeitems=1)
case("edge 2", "i64", [9, 9], start=0.0, step=1.0, threshold=5, edgeitems=2)
case("line of 40", "f32", [3, 10], start=0.0, step=0.5, linewidth=40)
case("line of 10", "f32", [2, 3], start=0.0, step=0.5, linewidth=10)
case("line of 200", "f32", [60], start=0.0, step=0.5, linewidth=200)
case("always scientific", "f32", [2, 2], [1, 2.5, 0, -30], sci_mode=1)
case("always scientific, whole", "f32", [3], [1, 2, 3], sci_mode=1)
case("never scientific", "f32", [4], [1e-6, 1e9, 1.5, nan], sci_mode=-1)
case("never scientific, whole", "f32", [2], [1e10, 3], sci_mode=-1)
case("short profile", "f32", [50, 50], start=0.0, step=0.125, precision=2, edgeitems=2)
print(f"end {count}")
