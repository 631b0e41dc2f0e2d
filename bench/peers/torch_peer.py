# SPDX-License-Identifier: Apache-2.0
"""telar-bench's cases in PyTorch. With --channels-last pictures and weights of convolutions lie so; with --compile networks go through
torch.compile; with --device cuda all is on a GPU."""
import torch
import torch.nn as nn
import torch.nn.functional as F

import peer

M16 = 16 << 20
options = None
shared = {}


def laid_out(x):
    x = x.to(options.device)
    return x.contiguous(memory_format=torch.channels_last) if options.channels_last and x.dim() == 4 else x


def normal(*shape):
    return laid_out(torch.randn(*shape))


def shared_normal(i):
    if i not in shared:
        shared[i] = normal(M16)
    return shared[i]


def on(x):
    return x.to(options.device)


def binary(f, a, b):
    return lambda: f(a, b)


def unary(f, *arguments, **named):
    return lambda: f(*arguments, **named)


def matmul(side):
    return lambda: binary(torch.mm, normal(side, side), normal(side, side))


def backward(function, inputs):
    y = function()
    dy = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)


def conv(shape, weight_shape, gradients, picture=False):
    def prepare():
        x, w, b = normal(*shape), normal(*weight_shape), normal(weight_shape[0])
        forward = lambda: F.conv2d(x, w, b)
        if not gradients:
            return forward
        inputs = [t.requires_grad_() for t in ([w, b] if picture else [x, w, b])]
        return backward(forward, inputs)
    return prepare


def batch_norm(gradients):
    def prepare():
        x, mean, var = normal(64, 32, 26, 26), on(torch.zeros(32)), on(torch.ones(32))
        w, b = on(torch.ones(32)), on(torch.zeros(32))
        forward = lambda: F.batch_norm(x, mean, var, w, b, training=True)
        return backward(forward, [t.requires_grad_() for t in (x, w, b)]) if gradients else forward
    return prepare


def max_pool(gradients):
    def prepare():
        x = normal(64, 32, 24, 24)
        forward = lambda: F.max_pool2d(x, 2)
        return backward(forward, [x.requires_grad_()]) if gradients else forward
    return prepare


def fields():
    inputs = torch.tensor([[73, 67, 43], [91, 88, 64], [87, 134, 58], [102, 43, 37], [69, 96, 70]], dtype=torch.float32)
    targets = torch.tensor([[56, 70], [81, 101], [119, 133], [22, 37], [103, 119]], dtype=torch.float32)
    return on(inputs), on(targets)


def regression_by_hand():
    inputs, targets = fields()
    w, b = normal(2, 3).requires_grad_(), normal(2).requires_grad_()

    def run():
        nonlocal w, b
        for _ in range(100):
            difference = inputs @ w.t() + b - targets
            loss = torch.sum(difference * difference) / difference.numel()
            loss.backward()
            with torch.no_grad():
                w -= w.grad * 1e-5
                b -= b.grad * 1e-5
                w.grad.zero_()
                b.grad.zero_()
    return run


def regression_layers():
    inputs, targets = fields()
    model = nn.Linear(3, 2).to(options.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)

    def run():
        for _ in range(100):
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return run


def mnist_cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 2, 3),
                         nn.ReLU(), nn.Flatten(), nn.Linear(200, 50), nn.ReLU(), nn.Linear(50, 10))


def digits_cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
                         nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Dropout(0.25), nn.Linear(256, 10))


def mlp():
    return nn.Sequential(nn.Linear(3072, 512), nn.ReLU(), nn.Linear(512, 10))


NETWORKS = {
    "mnist-cnn": (mnist_cnn, (64, 1, 28, 28), lambda p: torch.optim.Adadelta(p, lr=1)),
    "digits-cnn": (digits_cnn, (64, 1, 8, 8), lambda p: torch.optim.Adam(p, lr=1e-3)),
    "mlp": (mlp, (64, 3072), lambda p: torch.optim.SGD(p, lr=1e-2)),
}


def imagenet(name):
    import torchvision
    return lambda: getattr(torchvision.models, name)(weights=None)


for _name in ("resnet18", "vgg16"):
    for _batch in (1, 4, 16, 32, 64, 256):
        NETWORKS["%s-%d" % (_name, _batch)] = (imagenet(_name), (_batch, 3, 224, 224),
                                               lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9))


def network(name, train):
    make, shape, make_optimizer = NETWORKS[name]

    def prepare():
        net, x, labels = on(make()), normal(*shape), on(torch.randint(0, 10, (shape[0],)))
        if options.channels_last:
            net = net.to(memory_format=torch.channels_last)
        forward = torch.compile(net) if options.compile else net
        if not train:
            net.eval()

            def infer():
                with torch.inference_mode():
                    forward(x)
            return infer
        optimizer = make_optimizer(net.parameters())

        def step():
            optimizer.zero_grad()
            F.cross_entropy(forward(x), labels).backward()
            optimizer.step()
        return step
    return prepare


CASES = {
    "add-1": lambda: binary(torch.add, normal(1), normal(1)),
    "add-16M": lambda: binary(torch.add, shared_normal(0), shared_normal(1)),
    "relu-16M": lambda: unary(torch.relu, shared_normal(0)),
    "exp-16M": lambda: unary(torch.exp, shared_normal(0)),
    "softmax-64x1024x256": lambda: unary(torch.softmax, normal(64, 1024, 256), -1),
    "sum-middle-64x1024x256": lambda: unary(torch.sum, normal(64, 1024, 256), dim=1),
    "matmul-128": matmul(128),
    "matmul-512": matmul(512),
    "matmul-1024": matmul(1024),
    "conv1-forward": conv((64, 1, 28, 28), (32, 1, 3, 3), False),
    "conv1-backward": conv((64, 1, 28, 28), (32, 1, 3, 3), True, picture=True),
    "conv2-forward": conv((64, 32, 26, 26), (32, 32, 3, 3), False),
    "conv2-backward": conv((64, 32, 26, 26), (32, 32, 3, 3), True),
    "conv3-forward": conv((64, 32, 12, 12), (2, 32, 3, 3), False),
    "conv3-backward": conv((64, 32, 12, 12), (2, 32, 3, 3), True),
    "batch-norm-forward": batch_norm(False),
    "batch-norm-backward": batch_norm(True),
    "max-pool-forward": max_pool(False),
    "max-pool-backward": max_pool(True),
    "regression-100-by-hand": regression_by_hand,
    "regression-100-layers": regression_layers,
}
for _name in NETWORKS:
    _model, _, _batch = _name.rpartition("-")
    for _work in ("infer", "train"):
        # resnet18-64 gives resnet18-infer-64, mnist-cnn gives mnist-cnn-infer
        CASES["%s-%s-%s" % (_model, _work, _batch) if _batch.isdigit() else "%s-%s" % (_name, _work)] = network(_name, _work == "train")

if __name__ == "__main__":
    parser = peer.arguments(__doc__)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tf32", action="store_true", help="let products and convolutions round their operands to TF32")
    options = parser.parse_args()
    if options.device != "cpu":
        peer.synchronize = torch.cuda.synchronize
        torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    peer.main(CASES, options, "torch-channels-last" if options.channels_last else "torch")
