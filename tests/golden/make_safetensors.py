#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make tensors.safetensors with the Python package: every element type, 2 x 3 values, and a note.

    python3 make_safetensors.py
"""
import torch
from safetensors.torch import save_file

TYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8,
         "U8": torch.uint8, "I32": torch.int32, "I64": torch.int64}

tensors = {name: (torch.arange(6) * 40 if name == "U8" else (torch.arange(6) - 2) * 20).to(dtype).reshape(2, 3)
           for name, dtype in TYPES.items()}
tensors["BOOL"] = torch.tensor([True, False, True])
save_file(tensors, "tensors.safetensors", metadata={"made by": "safetensors for Python"})
