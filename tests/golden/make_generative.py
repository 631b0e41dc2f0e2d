#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden trainings of models that generate or reconstruct, made with PyTorch: tests/golden/generative.txt, for tests/generative.c.

Each from manual_seed(3): the network is built, 40 samples are drawn, and it is trained on them for three epochs of three batches, the last of
8, shuffled. A line a model: name, options, type, shape of a sample; then loss and metric (the mean over the samples) of each epoch; the number of
its parameters, and of each its name and numbers; loss and metric in evaluation, of all samples at once, from manual_seed(4); and, of those that
generate, three samples from manual_seed(5).

GANs are trained by the usual loop of two optimizers, with a sigmoid and binary cross entropy.
"""
import os

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)


def numbers(t, limit=4):
    flat = t.detach().reshape(-1)
    step = max(1, -(-flat.numel() // limit))
    return f"{flat.numel()} {flat.double().sum().item():.17g} {step} " + " ".join(f"{v:.12g}" for v in flat[::step].tolist())


# ---- Models. train(x) does a whole step and gives loss and metric; evaluate(x) only measures.


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder_fc1, self.encoder_fc2 = nn.Linear(64, 24), nn.Linear(24, 10)
        self.decoder_fc1, self.decoder_output = nn.Linear(10, 24), nn.Linear(24, 64)

    def forward(self, x):
        for layer in (self.encoder_fc1, self.encoder_fc2, self.decoder_fc1, self.decoder_output):
            x = torch.relu(layer(x))
        return x

    def start(self):
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)

    def losses(self, x):
        y = self(x)
        return F.mse_loss(y, x), F.l1_loss(y, x)

    def train_on(self, x):
        loss, metric = self.losses(x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item(), metric.item()


class VAE(AutoEncoder):
    def __init__(self, scale):
        nn.Module.__init__(self)
        self.scale = scale
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, 24), nn.Linear(24, 5), nn.Linear(24, 5)
        self.fc3, self.fc4 = nn.Linear(5, 24), nn.Linear(24, 64)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def losses(self, x):
        h = F.relu(self.fc1(x))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = torch.randn_like(mu) * torch.exp(0.5 * logvar) + mu if self.training else mu
        bce = F.binary_cross_entropy(self.decode(z), x, reduction="sum") / (len(x) * self.scale)
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / (len(x) * self.scale)
        return bce + kl, kl

    def generate(self, n):
        return self.decode(torch.randn(n, 5, dtype=self.fc1.weight.dtype))


class Player(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x)


class GAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent = (10,)
        self.generator = Player(nn.Linear(10, 16), nn.LeakyReLU(0.2), nn.Linear(16, 24), nn.LeakyReLU(0.2), nn.Linear(24, 64), nn.Tanh())
        self.discriminator = Player(nn.Linear(64, 24), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(24, 16), nn.LeakyReLU(0.2),
                                    nn.Dropout(0.3), nn.Linear(16, 1), nn.Sigmoid())

    def start(self):
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def noise(self, n):
        return torch.randn(n, *self.latent, dtype=next(self.parameters()).dtype)

    def judge(self, x):
        return self.discriminator(x).view(-1)

    def train_on(self, x):
        x, ones, zeros, bce = 2 * x - 1, torch.ones(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype), nn.BCELoss()
        # the discriminator, on real and on made samples
        self.discriminator.zero_grad()
        real = bce(self.judge(x), ones)
        real.backward()
        made = self.generator(self.noise(len(x)))
        fake = bce(self.judge(made.detach()), zeros)
        fake.backward()
        self.optimizer_d.step()
        # the generator, by the discriminator that has just learnt
        self.generator.zero_grad()
        loss = bce(self.judge(made), ones)
        loss.backward()
        self.optimizer_g.step()
        return real.item() + fake.item(), loss.item()

    def losses(self, x):
        ones, zeros = torch.ones(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype)
        made = self.generator(self.noise(len(x)))
        loss = F.binary_cross_entropy(self.judge(2 * x - 1), ones) + F.binary_cross_entropy(self.judge(made), zeros)
        return loss, F.binary_cross_entropy(self.judge(made), ones)

    def generate(self, n):
        return (self.generator(self.noise(n)) + 1) / 2


class DCGAN(GAN):
    """Of side 24, which is 6 doubled twice, and 2 channels."""

    def __init__(self):
        nn.Module.__init__(self)
        self.latent = (10, 1, 1)
        self.generator = Player(nn.ConvTranspose2d(10, 8, 6, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
                                nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(True),
                                nn.ConvTranspose2d(4, 2, 4, 2, 1, bias=False), nn.Tanh())
        self.generator.apply(self.weights_init)
        self.discriminator = Player(nn.Conv2d(2, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
                                    nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2, inplace=True),
                                    nn.Conv2d(8, 1, 6, 1, 0, bias=False), nn.Sigmoid())
        self.discriminator.apply(self.weights_init)

    @staticmethod
    def weights_init(m):
        name = m.__class__.__name__
        if name.find("Conv") != -1:
            nn.init.normal_(m.weight, 0.0, 0.02)
        elif name.find("BatchNorm") != -1:
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.zeros_(m.bias)


def run(f, name, options, build, dtype, shape):
    torch.manual_seed(3)
    net = build()
    if dtype == "f64":
        net.double()
    x = torch.rand(40, *shape)
    x = x.double() if dtype == "f64" else x
    net.start()
    loader = DataLoader(TensorDataset(x), batch_size=16, shuffle=True)
    print("model", name, options, dtype, len(shape), *shape, file=f)
    for _ in range(3):
        sums = [0, 0]
        for (batch,) in loader:
            for i, value in enumerate(net.train_on(batch)):
                sums[i] += value * len(batch) / len(x)
        print(*[f"{v:.17g}" for v in sums], file=f)
    print(len(list(net.parameters())), file=f)
    for key, p in net.named_parameters():
        print(key, numbers(p), file=f)
    net.eval()
    with torch.no_grad():
        torch.manual_seed(4)
        next(iter(DataLoader(TensorDataset(x), batch_size=40)))  # takes its seed from the generator
        print(*[f"{v.item():.17g}" for v in net.losses(x)], file=f)
        if hasattr(net, "generate"):
            torch.manual_seed(5)
            print(numbers(net.generate(3)), file=f)


with open(f"{HERE}/generative.txt", "w") as f:
    for dtype in ("f64", "f32"):
        run(f, "autoencoder", "in=64,hidden=24,latent=10", AutoEncoder, dtype, (64,))
        run(f, "vae", "in=64,hidden=24,latent=5", lambda: VAE(1), dtype, (64,))
        run(f, "vae", "in=64,hidden=24,latent=5,per-value", lambda: VAE(64), dtype, (64,))
        run(f, "gan", "in=64,hidden=16:24,latent=10", GAN, dtype, (64,))
        run(f, "dcgan", "channels=2,size=24,width=4,latent=10", DCGAN, dtype, (2, 24, 24))
