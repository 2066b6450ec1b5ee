"""MobileNetV2 with torchvision's parameter names, so that its weights and those of its heirs fit."""

from __future__ import annotations

# Expansion, channels, blocks, stride of the first block.
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def build(classes: int = 1000, padding: str = "symmetric"):
    """Input 3 x any height x any width; logits.

    Args:
        classes: how many scores.
        padding: `symmetric` as torchvision does, or `same_upper` as TensorFlow does, which puts the odd row and
            column of padding at the lower right end.
    """
    import torch
    from torch import nn

    from dliflow.errors import DliflowError

    if padding not in ("symmetric", "same_upper"):
        raise DliflowError(f"source.options.padding: '{padding}' is unknown; known ones: symmetric, same_upper")

    class SameUpper(nn.Conv2d):
        """A convolution padded as TensorFlow does."""

        def forward(self, x):
            shapes = zip(map(int, x.shape[-2:]), self.stride, self.kernel_size)
            total = [(-(-size // stride) - 1) * stride + kernel - size for size, stride, kernel in shapes]
            (top, bottom), (left, right) = [(amount // 2, amount - amount // 2) for amount in total]
            return super().forward(nn.functional.pad(x, (left, right, top, bottom)))

    def convolution(cin, cout, kernel, stride, groups):
        if padding == "same_upper" and kernel > 1:
            return SameUpper(cin, cout, kernel, stride, groups=groups, bias=False)
        return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)

    def layer(cin, cout, kernel=1, stride=1, groups=1):
        return nn.Sequential(convolution(cin, cout, kernel, stride, groups), nn.BatchNorm2d(cout), nn.ReLU6())

    class Block(nn.Module):
        """Expand, convolve each channel, project; added to the input where the shapes are equal."""

        def __init__(self, cin, cout, stride, expansion):
            super().__init__()
            hidden = cin * expansion
            expand = [layer(cin, hidden)] if expansion > 1 else []
            depthwise = layer(hidden, hidden, 3, stride, hidden)
            project = [convolution(hidden, cout, 1, 1, 1), nn.BatchNorm2d(cout)]
            self.conv = nn.Sequential(*expand, depthwise, *project)
            self.shortcut = stride == 1 and cin == cout

        def forward(self, x):
            return x + self.conv(x) if self.shortcut else self.conv(x)

    class MobileNetV2(nn.Module):
        def __init__(self):
            super().__init__()
            layers, cin = [layer(3, 32, 3, 2)], 32
            for expansion, channels, blocks, stride in STAGES:
                for index in range(blocks):
                    layers.append(Block(cin, channels, stride if index == 0 else 1, expansion))
                    cin = channels
            self.features = nn.Sequential(*layers, layer(cin, 1280))
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

        def forward(self, x):
            return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(self.features(x), 1), 1))

    return MobileNetV2()
