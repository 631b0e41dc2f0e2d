#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make pictures/ and pictures.txt with Pillow: small pictures of every kind, what they decode to, and what resizing gives.

    python3 make_pictures.py

A line of pictures.txt is

    NAME HEIGHT WIDTH HASH : the first bytes

of Image.convert("RGB"), resized with BILINEAR to that size if it is another; HASH is FNV-1a of all bytes, in 64 bits. A line of
pictures_cropped.txt is

    NAME RESIZE CROP HASH : the first bytes

of torchvision's Resize(RESIZE), unless that is 0, and CenterCrop(CROP). A line of pictures_kinds.txt is

    NAME HEIGHT WIDTH HASH : the first bytes

of ImageOps.exif_transpose() and convert("RGB") of the files in pictures_kinds/: all kinds of channels and of orientations. The only one
that is not Pillow's is grey of 16 bits, whose upper eight are taken: Pillow makes all that is over 255 white.
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
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


# ---- Kinds of channels, and orientations -----------------------------------------------------------------------------------------

small = colour.crop((6, 2, 18, 10))
deep = rng.integers(0, 65536, (8, 12, 4)).astype(">u2")


def exif(orientation, order="II", kind=3):
    """A directory with another entry before the orientation, of type SHORT or LONG."""
    o = "<" if order == "II" else ">"
    value = struct.pack(o + "HH", orientation, 0) if kind == 3 else struct.pack(o + "I", orientation)
    return (order.encode() + struct.pack(o + "HI", 42, 8) + struct.pack(o + "H", 2) + struct.pack(o + "HHIHH", 0x0100, 3, 1, 12, 0)
            + struct.pack(o + "HHI", 0x0112, kind, 1) + value + struct.pack(o + "I", 0))


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(bits, colour_type, rows, before=b"", after=b""):
    """Written by hand, as Pillow does not write 16 bits of colour, nor chunks where one wants them."""
    height, width = rows.shape[0], rows.shape[1] * 8 // min(bits, 8)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)) + before
            + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 9)) + after + chunk(b"IEND", b""))


def with_marker(data, marker, content):
    """A JPEG file with a marker after its beginning."""
    return data[:2] + bytes([0xff, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def without_marker(data, marker):
    at = data.index(bytes([0xff, marker]))
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]:]


def two_components(data):
    """The headers of a JPEG file with three components, changed to two."""
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    return (data[:frame + 2] + struct.pack(">H", 14) + data[frame + 4:frame + 9] + b"\2" + data[frame + 10:frame + 16] + data[frame + 19:scan + 2]
            + struct.pack(">H", 10) + b"\2" + data[scan + 5:scan + 9] + data[scan + 11:])


def save(name, data):
    with open("pictures_kinds/" + name, "wb") as out:
        out.write(data)


def encoded(picture, **options):
    picture.save("pictures_kinds/new", **options)
    with open("pictures_kinds/new", "rb") as file:
        data = file.read()
    os.remove("pictures_kinds/new")
    return data


def write_kinds():
    os.makedirs("pictures_kinds", exist_ok=True)
    jpeg = encoded(small, format="JPEG", quality=75)
    for i in range(1, 9):
        save(f"turned_{i}.jpg", with_marker(jpeg, 0xe1, b"Exif\0\0" + exif(i, "II" if i % 2 else "MM", 4 if i == 5 else 3)))
    save("turned_9.jpg", with_marker(jpeg, 0xe1, b"Exif\0\0" + exif(9)))
    save("turned_after_another.jpg", with_marker(with_marker(jpeg, 0xe1, b"Exif\0\0" + exif(8)), 0xe1, b"http://ns.adobe.com/xap/1.0/\0<x/>"))
    pixels = np.asarray(small)
    save("turned_6.png", png(8, 2, pixels, before=chunk(b"eXIf", exif(6, "MM"))))
    save("turned_8_late.png", png(8, 2, pixels, after=chunk(b"eXIf", exif(8))))
    save("deep_grey.png", png(16, 0, deep[:, :, 0]))
    save("deep_grey_alpha.png", png(16, 4, deep[:, :, :2]))
    save("deep.png", png(16, 2, deep[:, :, :3]))
    save("deep_alpha.png", png(16, 6, deep))
    save("deep_key.png", png(16, 2, deep[:, :, :3], before=chunk(b"tRNS", deep[0, 0, :3].tobytes())))
    save("key.png", png(8, 2, pixels, before=chunk(b"tRNS", np.asarray(small)[0, 0].astype(">u2").tobytes())))
    save("grey_alpha.png", encoded(small.convert("LA"), format="PNG"))
    save("palette_alpha.png", encoded(small.quantize(7), format="PNG", transparency=bytes([0, 128, 255])))
    save("palette_one_clear.png", encoded(small.quantize(3), format="PNG", transparency=1))
    save("grey_2_bits.png", png(2, 0, rng.integers(0, 256, (8, 3), dtype=np.uint8)))
    inks = encoded(small.convert("CMYK"), format="JPEG", quality=75)
    save("inks.jpg", inks)
    save("inks_plain.jpg", without_marker(inks, 0xee))
    adobe = inks.index(b"Adobe")
    save("inks_ycck.jpg", inks[:adobe + 11] + b"\2" + inks[adobe + 12:])
    save("inks_turned.jpg", with_marker(encoded(small.convert("CMYK"), format="JPEG", quality=75, progressive=True), 0xe1, b"Exif\0\0" + exif(5)))
    save("grey_progressive.jpg", encoded(small.convert("L"), format="JPEG", quality=75, progressive=True))
    with open("pictures_two.jpg", "wb") as out:
        out.write(two_components(jpeg))
    with open("pictures_kinds.txt", "w") as out:
        for name in sorted(os.listdir("pictures_kinds")):
            picture = ImageOps.exif_transpose(Image.open("pictures_kinds/" + name))
            if picture.mode == "I;16":
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            data = picture.convert("RGB").tobytes()
            print(name, picture.size[1], picture.size[0], f"{fnv(data):016x}", ":", *data[:12], file=out)


write_kinds()
