#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make predict.txt with PyTorch: what a network trained on ImageNet says of pictures.

    python3 make_predict.py DATA

DATA holds weights/mobilenetV1X0.25_imagenet.tar and pictures/. The network is MobileNetV1, a quarter as wide, with leaky ReLUs of slope
0.1; pictures are resized to 256 and cut to 224 by torchvision. A line is

    FILE : five times the number of a class and its probability, the most likely first
"""
import os
import sys

import torch
from PIL import Image, ImageOps
from torch import nn
from torchvision import transforms


def unit(i, o, kernel, stride, groups):
    return [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.1)]


def pair(i, o, stride=1):
    return nn.Sequential(*unit(i, i, 3, stride, i), *unit(i, o, 1, 1, 1))


class MobileNetV1(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Sequential(*unit(3, 8, 3, 2, 1)), pair(8, 16), pair(16, 32, 2), pair(32, 32), pair(32, 64, 2), pair(64, 64))
        self.stage2 = nn.Sequential(pair(64, 128, 2), *(pair(128, 128) for _ in range(5)))
        self.stage3 = nn.Sequential(pair(128, 256, 2), pair(256, 256))
        self.fc = nn.Linear(256, 1000)

    def forward(self, x):
        return self.fc(self.stage3(self.stage2(self.stage1(x))).mean((2, 3)))


data = sys.argv[1]
state = torch.load(data + "/weights/mobilenetV1X0.25_imagenet.tar", map_location="cpu", weights_only=False)["state_dict"]
net = MobileNetV1().eval()
net.load_state_dict({name.removeprefix("module."): t for name, t in state.items()})
form = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                           transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
files = sorted(f for f in os.listdir(data + "/pictures") if f.endswith(".jpeg"))
files += sorted("imagenet/" + f for f in os.listdir(data + "/pictures/imagenet") if f.endswith(".JPEG"))
with open("predict.txt", "w") as out, torch.no_grad():
    for name in files:
        picture = ImageOps.exif_transpose(Image.open(data + "/pictures/" + name)).convert("RGB")
        chance, number = net(form(picture)[None]).softmax(1)[0].topk(5)
        print(name, ":", *(f"{n} {p:.6f}" for n, p in zip(number.tolist(), chance.tolist())), file=out)
