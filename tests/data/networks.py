"""Small classifiers with random weights, in plain torch; together they use the operators of usual networks.

`python networks.py FOLDER` writes the state dict of each network into the folder, as NAME.pth.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

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


class Apply(nn.Module):
    """A function of the image and of the layers that it uses."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x):
        return self.function(x, *self.layers)


class Tokens(nn.Module):
    """Patches of 16 pixels, behind a class token, with their positions."""

    def __init__(self, width):
        super().__init__()
        self.patches = nn.Conv2d(SHAPE[0], width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions


class Heads(nn.Module):
    """Attention with queries, keys and values from one linear layer."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.inside, self.outside = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        parted = self.inside(x).reshape(*x.shape[:2], 3, self.heads, -1)
        q, k, v = parted.permute(2, 0, 3, 1, 4).unbind(0)
        x = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.outside(x.flatten(2))


def transformer():
    """Class token, both ways to write attention, both kinds of GELU, layer normalisation."""
    torch_own = nn.MultiheadAttention(32, 4, batch_first=True)
    attend = Apply(
        lambda x, norm, own: own(norm(x), norm(x), norm(x), need_weights=False)[0], nn.LayerNorm(32), torch_own
    )
    blocks = [
        *(Residual(attend), Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)))),
        *(Residual(Heads(32, 4)), Residual(nn.Sequential(nn.Linear(32, 64), nn.GELU("tanh"), nn.Linear(64, 32)))),
    ]
    return nn.Sequential(Tokens(32), *blocks, Apply(lambda x: x[:, 0]), nn.LayerNorm(32), nn.Linear(32, CLASSES))


class Windows(nn.Module):
    """Swin's attention inside of shifted windows of an NHWC image, by cosine, with a bias and a mask."""

    def __init__(self, width, heads=2, side=4, shift=0):
        super().__init__()
        self.heads, self.side, self.shift = heads, side, shift
        self.inside, self.outside = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.rand(heads, 1, 1))
        self.bias = nn.Parameter(torch.randn(1, heads, side**2, side**2))
        self.mask = nn.Parameter(torch.randn(16, 1, side**2, side**2))

    def forward(self, x):
        (n, h, w, c), side = x.shape, self.side
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(n, h // side, side, w // side, side, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, side**2, c)
        q, k, v = self.inside(x).reshape(x.shape[0], side**2, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        products = functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).transpose(-2, -1)
        products = products * torch.clamp(self.scale, max=4.6).exp() + self.bias
        products = (products.view(n, 16, *products.shape[1:]) + self.mask).view(products.shape)
        x = self.outside((products.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))
        x = x.view(n, h // side, w // side, side, side, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return torch.roll(x, (self.shift, self.shift), (1, 2))


def swin():
    """Windows folded into the batch, and every second row and column put beside each other."""
    nhwc, nchw = Apply(lambda x: x.permute(0, 2, 3, 1)), Apply(lambda x: x.permute(0, 3, 1, 2))
    merge = Apply(lambda x: torch.cat([x[:, i::2, j::2] for j in range(2) for i in range(2)], -1))
    blocks = [Residual(nn.Sequential(nn.LayerNorm(16), Windows(16, shift=shift))) for shift in (0, 2)]
    smaller = [merge, nn.Linear(64, 32, bias=False), nn.LayerNorm(32)]
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), nhwc, *blocks, *smaller, nchw, head(32))


def convnext():
    """Layer normalisation and linear layers over the channels, scaled branches, a norm behind the pooling."""
    nhwc, nchw = Apply(lambda x: x.permute(0, 2, 3, 1)), Apply(lambda x: x.permute(0, 3, 1, 2))
    depthwise = nn.Conv2d(16, 16, 7, padding=3, groups=16)
    mlp = [nn.LayerNorm(16, eps=1e-6), nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16), Scale(16)]
    last = [nn.AdaptiveAvgPool2d(1), nhwc, nn.LayerNorm(16), nchw, nn.Flatten(), nn.Linear(16, CLASSES)]
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), Residual(nn.Sequential(depthwise, nhwc, *mlp, nchw)), *last)


class Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self, channels):
        super().__init__()
        self.factor = nn.Parameter(torch.randn(channels))

    def forward(self, x):
        return x * self.factor


def normalized():
    """Normalisation by groups and images, and rarer activations."""
    layers = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.GroupNorm(4, 16), nn.Mish()]
    layers += [nn.Conv2d(16, 16, 3, 2, 1), nn.InstanceNorm2d(16, affine=True), nn.PReLU(16)]
    return nn.Sequential(*layers, nn.Conv2d(16, 32, 3, 2, 1), nn.ELU(), nn.Conv2d(32, 32, 1), nn.Tanh(), head(32))


def parts():
    """Split, slices, chosen channels, resizing, reflection, lengths of vectors, powers, Einsum, a mixing of tokens."""

    def turned(x):
        a, b, c = torch.split(x, [4, 8, 4], 1)
        return torch.cat([b * torch.sigmoid(b), c.abs(), a], 1)[:, :, 1:-1, ::2]

    def resized(x):
        small = functional.avg_pool2d(x, 2)
        large = functional.interpolate(small, x.shape[2:], mode="bilinear")
        return functional.interpolate(x, scale_factor=2) + functional.interpolate(large, scale_factor=2)

    mixed = Apply(lambda x, mix: mix(torch.einsum("nchw,ndhw->ncd", x, x)).amax(2), nn.Linear(16, 16))
    chosen = Apply(lambda x: functional.normalize(x[:, [3, 1, 0, 2, 15, 9, 9, 4]], dim=1))
    powers = Apply(lambda x: (x.pow(2) + 0.1).pow(0.75))
    layers = [nn.Conv2d(3, 16, 3, 2, 1), Apply(turned), nn.Conv2d(16, 16, (1, 1)), nn.AdaptiveAvgPool2d((15, 16))]
    layers += [
        nn.ZeroPad2d((0, 0, 1, 0)),
        Apply(resized),
        chosen,
        nn.ReflectionPad2d(1),
        nn.Conv2d(8, 16, 3, 2),
        powers,
    ]
    return nn.Sequential(*layers, mixed, nn.Linear(16, CLASSES))


NETWORKS = {
    function.__name__: function
    for function in (
        *(mobilenet_v2, mobilenet_v3, resnet18, vgg, inception, shufflenet, gated),
        *(transformer, swin, convnext, normalized, parts),
    )
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
