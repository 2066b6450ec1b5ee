"""MobileNetV2 with the parameter names of gluoncv's `mobilenetv2_1.0`, so that its published weights fit.

MXNet's own model zoo has another network of that name: its first block has a convolution more.
"""

from __future__ import annotations

from dliflow.architectures.mobilenet_v2 import STAGES


def build(classes: int = 1000):
    """Input 3 x any height x any width; logits of a layer without bias.

    Args:
        classes: how many scores.
    """
    from mxnet.gluon import nn

    def add_layer(block, channels, kernel=1, stride=1, groups=1, activation=True):
        block.add(nn.Conv2D(channels, kernel, stride, kernel // 2, groups=groups, use_bias=False), nn.BatchNorm())
        if activation:
            block.add(nn.HybridLambda(lambda operators, x: operators.clip(x, 0, 6)))

    class Block(nn.HybridBlock):
        """Expand, convolve each channel, project; added to the input where the shapes are equal."""

        def __init__(self, cin, cout, stride, expansion):
            super().__init__()
            self.shortcut = stride == 1 and cin == cout
            self.out = nn.HybridSequential()
            hidden = cin * expansion
            if expansion > 1:
                add_layer(self.out, hidden)
            add_layer(self.out, hidden, 3, stride, hidden)
            add_layer(self.out, cout, activation=False)

        def hybrid_forward(self, operators, x):
            return self.out(x) + x if self.shortcut else self.out(x)

    class MobileNetV2(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.features = nn.HybridSequential()
            add_layer(self.features, 32, 3, 2)
            cin = 32
            for expansion, channels, blocks, stride in STAGES:
                for index in range(blocks):
                    self.features.add(Block(cin, channels, stride if index == 0 else 1, expansion))
                    cin = channels
            add_layer(self.features, 1280)
            self.features.add(nn.GlobalAvgPool2D())
            self.output = nn.HybridSequential()
            self.output.add(nn.Conv2D(classes, 1, use_bias=False), nn.Flatten())

        def hybrid_forward(self, operators, x):
            return self.output(self.features(x))

    return MobileNetV2()
