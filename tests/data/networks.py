"""Small classifiers with random weights, in plain torch; together they use the operators of usual networks.

`python networks.py FOLDER` writes the state dict of each network into the folder, as NAME.pth.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

CLASSES = 16
SHAPE = (3, 64, 64)


def conv(cin, cout, kernel=3, stride=1, groups=1, activation=nn.ReLU6):
    """Convolution without bias, batch normalisation, activation."""
    convolution = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(cout), *([activation()] if activation else []))


class Residual(nn.Module):
    """`after(body(x) + shortcut(x))`."""

    def __init__(self, body, shortcut=None, after=None):
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut or nn.Identity(), after or nn.Identity()

    def forward(self, x):
        return self.after(self.body(x) + self.shortcut(x))


class SqueezeExcite(nn.Module):
    """Channel gates from the global average."""

    def __init__(self, channels, gate=nn.Hardsigmoid, inner=nn.ReLU):
        super().__init__()
        hidden = channels // 4
        squeeze, excite = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, inner(), excite, gate())

    def forward(self, x):
        return x * self.gate(x)


def inverted(cin, cout, stride, expand=4, kernel=3, activation=nn.ReLU6, excite=None):
    """MobileNet's inverted residual, with squeeze-and-excite where asked for."""
    hidden = cin * expand
    body = nn.Sequential(
        conv(cin, hidden, 1, activation=activation),
        conv(hidden, hidden, kernel, stride, groups=hidden, activation=activation),
        excite(hidden) if excite else nn.Identity(),
        conv(hidden, cout, 1, activation=None),
    )
    return Residual(body) if stride == 1 and cin == cout else body


def basic(cin, cout, stride=1):
    """ResNet's basic block."""
    body = nn.Sequential(conv(cin, cout, 3, stride, activation=nn.ReLU), conv(cout, cout, activation=None))
    shortcut = conv(cin, cout, 1, stride, activation=None) if stride > 1 or cin != cout else None
    return Residual(body, shortcut, nn.ReLU())


class Branches(nn.Module):
    """The branches' outputs, concatenated over the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def head(channels):
    """Global average and a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, CLASSES))


def mobilenet_v2():
    """Depthwise convolutions, ReLU6, linear bottlenecks."""
    blocks = [inverted(8, 12, 2), inverted(12, 12, 1), inverted(12, 24, 2), inverted(24, 24, 1)]
    return nn.Sequential(conv(3, 8, 3, 2), *blocks, conv(24, 64, 1), head(64))


def mobilenet_v3():
    """Squeeze-and-excite, hard and smooth swish, 5x5 kernels."""

    def smooth(channels):
        return SqueezeExcite(channels, nn.Sigmoid, nn.SiLU)

    blocks = [
        inverted(8, 12, 2, 4, 3, nn.ReLU, SqueezeExcite),
        inverted(12, 16, 2, 4, 5, nn.Hardswish, SqueezeExcite),
        inverted(16, 16, 1, 4, 5, nn.SiLU, smooth),
    ]
    last = [nn.AdaptiveAvgPool2d(1), nn.Conv2d(48, 64, 1), nn.Hardswish(), nn.Flatten()]
    stem = conv(3, 8, 3, 2, activation=nn.Hardswish)
    return nn.Sequential(stem, *blocks, conv(16, 48, 1), *last, nn.Linear(64, CLASSES))


def resnet18():
    """ResNet-18's eight basic blocks, a quarter as wide, after a strided stem with max pooling."""
    stem = [conv(3, 16, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    blocks = [basic(16, 16), basic(16, 16), basic(16, 32, 2), basic(32, 32), basic(32, 64, 2), basic(64, 64)]
    return nn.Sequential(*stem, *blocks, basic(64, 128, 2), basic(128, 128), head(128))


def vgg():
    """Convolutions with bias, max pooling and large linear layers on a flattened image."""
    layers, channels = [], 3
    for width in (16, 32, 64):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    linear = [nn.Linear(64 * 64, 128), nn.ReLU(), nn.Linear(128, CLASSES), nn.Softmax(1)]
    return nn.Sequential(*layers, nn.Flatten(), *linear)


def inception():
    """Concatenation, odd convolutions, padded and ceiled pooling, a normalisation that cannot be folded."""
    dilated = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=4)
    branches = Branches(
        conv(16, 8, 1, activation=nn.LeakyReLU),
        nn.Sequential(nn.BatchNorm2d(16), dilated, nn.Sigmoid()),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(16, 8, (1, 5), padding=(0, 2))),
        nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(16, 8, (2, 4))),
        nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    )
    pools = [nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, ceil_mode=True)]
    return nn.Sequential(conv(3, 16, 5, 2, activation=nn.Hardtanh), branches, *pools, head(56))


def gated():
    """Convolutions followed by nothing but a sigmoid."""
    layers = [nn.Conv2d(3, 16, 3, 2, 1), nn.Sigmoid(), nn.Conv2d(16, 16, 3, 1, 1), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), head(32))


class Shuffle(nn.Module):
    """ShuffleNet's exchange between groups, with arithmetic written out as older code does."""

    def forward(self, x):
        n, c, h, w = x.shape
        x = x.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x * torch.clamp(x + 3, 0, 6) / 6  # hard swish
        return x * (1 - torch.sigmoid(x).mean((2, 3)).view(n, c, 1, 1))


class Flat(nn.Module):
    """Flattening that asks for the batch size."""

    def forward(self, x):
        return x.view(x.size(0), -1)


def shufflenet():
    """Reshape and transpose in the middle, subtraction and division, a linear layer without bias."""
    units = [conv(16, 16, 1, groups=4), Shuffle(), conv(16, 16, 3, 2, groups=16), Shuffle()]
    last = [nn.AvgPool2d(4), Flat(), nn.Linear(256, 32, bias=False), nn.ReLU(), nn.Linear(32, CLASSES)]
    return nn.Sequential(conv(3, 16, 3, 2), *units, *last)


NETWORKS = {
    function.__name__: function
    for function in (mobilenet_v2, mobilenet_v3, resnet18, vgg, inception, shufflenet, gated)
}


def make(name, seed=0):
    """A network in evaluation mode, with statistics and scores of sensible scale."""
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight)
    for _ in range(30):  # the running statistics become those of the activations, and differ for each channel
        network(torch.randn(16, *SHAPE))
    return network.eval()


if __name__ == "__main__":
    for name in NETWORKS:
        torch.save(make(name).state_dict(), Path(sys.argv[1], f"{name}.pth"))
