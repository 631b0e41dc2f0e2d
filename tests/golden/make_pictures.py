#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make pictures/ and pictures.txt with Pillow: small pictures of every kind, what they decode to, and what resizing gives.

    python3 make_pictures.py

A line of pictures.txt is

    NAME HEIGHT WIDTH HASH : the first bytes

of Image.convert("RGB"), resized with BILINEAR to that size if it is another; HASH is FNV-1a of all bytes, in 64 bits. A line of
pictures_cropped.txt is

    NAME RESIZE CROP HASH : the first bytes

of torchvision's Resize(RESIZE), unless that is 0, and CenterCrop(CROP).
"""
import os

import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, Resize

rng = np.random.default_rng(7)
y, x = np.mgrid[0:20, 0:30]
rgb = np.stack([x * 8, y * 12, (x * y) % 256], -1).astype(np.uint8)
rgb[5:9, 10:18] = rng.integers(0, 256, (4, 8, 3))
colour = Image.fromarray(rgb)
alpha = Image.fromarray(np.concatenate([rgb, rng.integers(0, 256, (20, 30, 1), dtype=np.uint8)], -1))

os.makedirs("pictures/birds", exist_ok=True)
os.makedirs("pictures/cats", exist_ok=True)
os.makedirs("pictures/odd", exist_ok=True)
colour.save("pictures/birds/rgb.png")
alpha.save("pictures/birds/rgba.png")
colour.convert("L").save("pictures/birds/grey.png")
colour.quantize(16).save("pictures/birds/palette.png")
colour.convert("L").point(lambda v: 255 * (v > 99)).convert("1").save("pictures/birds/bits.png")
colour.save("pictures/cats/rgb.jpg", quality=80)
colour.save("pictures/cats/progressive.jpeg", quality=90, progressive=True)
colour.convert("L").save("pictures/cats/grey.JPG", quality=80)
colour.transpose(Image.Transpose.ROTATE_90).save("pictures_tall.png")
colour.convert("CMYK").save("pictures/odd/cmyk.jpg")



def fnv(data):
    h = 0xcbf29ce484222325
    for b in data:
        h = (h ^ b) * 0x100000001b3 & (1 << 64) - 1
    return h


with open("pictures.txt", "w") as out:
    for folder in ("birds", "cats"):
        for name in sorted(os.listdir("pictures/" + folder)):
            picture = Image.open(f"pictures/{folder}/{name}").convert("RGB")
            for height, width in ((20, 30), (7, 9), (45, 33), (20, 12)):
                resized = picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BILINEAR)
                data = resized.tobytes()
                print(f"{folder}/{name}", height, width, f"{fnv(data):016x}", ":", *data[:12], file=out)


def write_cropped():
    with open("pictures_cropped.txt", "w") as out:
        for name in ("birds/rgb.png", "cats/rgb.jpg", "../pictures_tall.png"):
            picture = Image.open("pictures/" + name).convert("RGB")
            for resize, crop in ((0, 20), (0, 7), (0, 13), (9, 8), (9, 9), (33, 20), (32, 17)):
                made = CenterCrop(crop)(Resize(resize)(picture) if resize else picture)
                data = made.tobytes()
                print(name, resize, crop, f"{fnv(data):016x}", ":", *data[:12], file=out)


write_cropped()
