"""Write small networks like those that people have in Caffe's files, and files that must be refused.

Usage: python make_caffe.py FOLDER. Each network is a folder with `deploy.prototxt` and `weights.caffemodel`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dliflow.sources.shared import caffe_format

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 64 dim: 64 } } }'
LEGACY = 'input: "data" input_dim: 10 input_dim: 3 input_dim: 64 input_dim: 64'
TRAINING = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mirror: true crop_size: 64 mean_file: "mean.binaryproto" }
  data_param { source: "a" batch_size: 256 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 64 mean_value: 104 } data_param { source: "b" batch_size: 50 backend: LMDB } }
"""
LOSS = """
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST }
  accuracy_param { top_k: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" loss_weight: 1 }
"""
OLDER = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT", "ReLU": "RELU", "LRN": "LRN"}
OLDER |= {"Dropout": "DROPOUT", "Pooling": "POOLING", "Softmax": "SOFTMAX"}


class Writer:
    """Both files in the making. Blobs are named after the layers that give them.

    Args:
        begin: the text in front of the layers.
        older: which files are of the older form, "text" and "weights".
    """

    def __init__(self, begin=INPUT, older=()):
        self.lines, self.older = [begin], older
        self.net = caffe_format.net()
        self.channels = {"data": 3}
        self.rng = np.random.default_rng(0)
        self.last = "data"

    def add(self, name, kind, *bottoms, text="", top=None, channels=None, blobs=()):
        """A layer; without bottoms behind the one before, in place if `top` is that one's."""
        bottoms, tops = bottoms or (self.last,), [top] if isinstance(top, str) else top or [name]
        word, kind_text = ("layers", OLDER.get(kind, kind)) if "text" in self.older else ("layer", f'"{kind}"')
        ends = [f'bottom: "{blob}"' for blob in bottoms] + [f'top: "{blob}"' for blob in tops]
        self.lines.append(f'{word} {{ name: "{name}" type: {kind_text} {" ".join(ends)} {text} }}')
        if blobs:
            layers = self.net.layers if "weights" in self.older else self.net.layer
            layer = layers.add(name=name)
            for values in blobs:
                values = np.asarray(values, np.float32)
                blob = layer.blobs.add(data=values.tobytes())
                if "weights" in self.older:
                    sizes = [1] * (4 - values.ndim) + list(values.shape)
                    blob.num, blob.channels, blob.height, blob.width = sizes
                else:
                    blob.shape.dim.extend(values.shape)
        for blob in tops:
            self.channels[blob] = channels or self.channels[bottoms[0]]
        self.last = tops[0]
        return self

    def random(self, *shape):
        """Weights by which activations keep their size."""
        return self.rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)

    def conv(self, name, outs, text, kernel, *bottoms, group=1, bias=True, kind="Convolution"):
        """A convolution; `text` is the rest of its parameters."""
        ins = self.channels[(bottoms or (self.last,))[0]]
        blobs = [self.random(outs, ins // group, *kernel), *([self.rng.normal(0, 0.1, outs)] if bias else [])]
        high, wide = kernel
        sizes = f"kernel_size: {high}" if high == wide else f"kernel_h: {high} kernel_w: {wide}"
        more = 'weight_filler { type: "xavier" }' if bias else "bias_term: false"
        text = f"convolution_param {{ num_output: {outs} {sizes} group: {group} {text} {more} }}"
        return self.add(name, kind, *bottoms, text=text, channels=outs, blobs=blobs)

    def relu(self, text=""):
        """In place."""
        return self.add(f"relu_{self.last}", "ReLU", text=text, top=self.last)

    def norm(self, in_place=True):
        """Batch norm and scale."""
        base, size = self.last, self.channels[self.last]
        means, variances = self.rng.normal(0, 0.3, size), self.rng.uniform(0.5, 2, size)
        top = {"top": base} if in_place else {}
        sums = [means * 4, variances * 4, [4]]
        self.add(f"bn_{base}", "BatchNorm", text="batch_norm_param { use_global_stats: true }", blobs=sums, **top)
        blobs = [self.rng.uniform(0.5, 1.5, size), self.rng.normal(0, 0.1, size)]
        return self.add(f"scale_{base}", "Scale", text="scale_param { bias_term: true }", blobs=blobs, **top)

    def pool(self, name, text, *bottoms):
        """A pooling."""
        return self.add(name, "Pooling", *bottoms, text=f"pooling_param {{ {text} }}")

    def fc(self, name, ins, outs=16, text="", *bottoms):
        """A linear layer."""
        blobs = [self.random(outs, ins), self.rng.normal(0, 0.1, outs)]
        text = f"inner_product_param {{ num_output: {outs} {text} }}"
        return self.add(name, "InnerProduct", *bottoms, text=text, channels=outs, blobs=blobs)

    def lrn(self, text="local_size: 5 alpha: 0.5 beta: 0.75"):
        """Response normalisation, strong enough to be seen."""
        return self.add(f"norm_{self.last}", "LRN", text=f"lrn_param {{ {text} }}")

    def save(self, folder):
        """Both files."""
        folder.mkdir()
        (folder / "deploy.prototxt").write_text("\n".join(self.lines))
        (folder / "weights.caffemodel").write_bytes(self.net.SerializeToString())


def alexnet():
    """BVLC's AlexNet, and the age and gender networks: the older form throughout, groups, LRN, linear layers."""
    w = Writer(LEGACY, older=("text", "weights"))
    w.conv("conv1", 16, "stride: 4", (11, 11)).relu().pool("pool1", "pool: MAX kernel_size: 3 stride: 2").lrn()
    w.conv("conv2", 32, "pad: 2", (5, 5), group=2).relu().pool("pool2", "pool: MAX kernel_size: 3 stride: 2").lrn()
    w.conv("conv3", 32, "pad: 1", (3, 3), group=2).relu()
    w.fc("fc6", 32 * 9, 64).relu().add("drop6", "Dropout", text="dropout_param { dropout_ratio: 0.5 }", top="fc6")
    return w.fc("fc8", 64).add("prob", "Softmax")


def googlenet():
    """An inception block with weights of the older form; its last average is of a window."""
    w = Writer(older=("weights",))
    w.conv("conv1/7x7_s2", 16, "pad: 3 stride: 2", (7, 7)).relu()
    w.pool("pool1/3x3_s2", "pool: MAX kernel_size: 3 stride: 2").lrn()
    start = w.last
    w.conv("1x1", 8, "", (1, 1), start).relu()
    w.conv("3x3_reduce", 8, "", (1, 1), start).relu().conv("3x3", 16, "pad: 1", (3, 3)).relu()
    w.conv("5x5_reduce", 4, "", (1, 1), start).relu().conv("5x5", 8, "pad: 2", (5, 5)).relu()
    w.pool("pool", "pool: MAX kernel_size: 3 stride: 1 pad: 1", start).conv("pool_proj", 8, "", (1, 1)).relu()
    w.add("output", "Concat", "1x1", "3x3", "5x5", "pool_proj", channels=40)
    w.pool("pool3/3x3_s2", "pool: MAX kernel_size: 3 stride: 2").pool("pool5", "pool: AVE kernel_size: 8 stride: 1")
    return w.fc("loss3/classifier", 40).add("prob", "Softmax")


def resnet():
    """Batch norm and scale in place, sums, a pooling that rounds up."""
    w = Writer()
    w.conv("conv1", 16, "pad: 3 stride: 2", (7, 7)).norm().relu().pool("pool1", "pool: MAX kernel_size: 3 stride: 2")
    w.conv("res2a_branch1", 24, "", (1, 1), "pool1", bias=False).norm()
    w.conv("res2a_branch2a", 24, "pad: 1", (3, 3), "pool1", bias=False).norm().relu()
    w.conv("res2a_branch2b", 24, "pad: 1", (3, 3), bias=False).norm()
    w.add("res2a", "Eltwise", "res2a_branch1", "res2a_branch2b").relu()
    w.pool("pool5", "pool: AVE kernel_size: 16 stride: 1")
    return w.fc("fc1000", 24).add("prob", "Softmax")


def densenet():
    """Batch norm in front of convolutions, and a concatenation."""
    w = Writer()
    w.conv("conv1", 8, "pad: 1 stride: 2", (3, 3), bias=False).norm(in_place=False).relu()
    w.conv("grown", 8, "pad: 1", (3, 3), bias=False).add("both", "Concat", "conv1", "grown", channels=16)
    w.norm(in_place=False).relu().conv("narrow", 16, "", (1, 1), bias=False)
    return w.pool("pool", "pool: AVE global_pooling: true").norm(in_place=False).fc("fc", 16)


def squeezenet():
    """A fire module; the scores come from a convolution and have four axes."""
    w = Writer()
    w.conv("conv1", 16, "stride: 2", (3, 3)).relu().pool("pool1", "pool: MAX kernel_size: 3 stride: 2")
    w.conv("squeeze", 8, "", (1, 1)).relu()
    w.conv("expand1", 16, "", (1, 1), "squeeze").relu().conv("expand3", 16, "pad: 1", (3, 3), "squeeze").relu()
    w.add("fire", "Concat", "expand1", "expand3", channels=32).add("drop", "Dropout", top="fire")
    w.conv("conv10", 16, "pad: 1", (1, 1)).relu().pool("pool10", "pool: AVE global_pooling: true")
    return w.add("prob", "Softmax")


def mobilenet():
    """Depthwise convolutions by a fork's name, and ReLU6."""
    w = Writer()
    w.conv("conv1", 16, "pad: 1 stride: 2", (3, 3), bias=False).norm().add("relu6", "ReLU6")
    w.conv("dw", 16, "pad: 1 stride: 2", (3, 3), group=16, bias=False, kind="DepthwiseConvolution").norm().relu()
    w.conv("sep", 32, "", (1, 1), bias=False).norm().relu().pool("pool6", "pool: AVE global_pooling: true")
    return w.conv("fc7", 16, "", (1, 1)).add("prob", "Softmax")


def faces():
    """PReLU, maxout by Slice and Eltwise, and the plain functions."""
    w = Writer()
    w.conv("conv1", 16, "pad: 1 stride: 2", (3, 3)).add("prelu", "PReLU", blobs=[w.rng.uniform(0, 0.5, 16)])
    w.add("slice1", "Slice", text="slice_param { axis: 1 }", top=["half1", "half2"], channels=8)
    w.add("etlwise1", "Eltwise", "half1", "half2", text="eltwise_param { operation: MAX }")
    w.add("part", "Slice", text="slice_param { slice_dim: 1 slice_point: 3 }", top=["three", "five"], channels=8)
    w.add("again", "Concat", "five", "three", text="concat_param { concat_dim: 1 }", channels=8)
    for kind in ("TanH", "Sigmoid", "AbsVal"):
        w.add(kind, kind, "again")
    w.add("elu", "ELU", "again", text="elu_param { alpha: 0.7 }")
    w.add("power", "Power", "AbsVal", text="power_param { power: 1.5 scale: 0.5 shift: 0.25 }")
    w.add("product", "Eltwise", "TanH", "Sigmoid", text="eltwise_param { operation: PROD }")
    text = "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 coeff: 2 }"
    w.add("sum", "Eltwise", "product", "power", "elu", text=text).relu("relu_param { negative_slope: 0.1 }")
    return w.fc("fc", 8 * 32 * 32, 64).fc("last", 64)


def shuffle():
    """Channels that change places, gates, windows of every kind, axes that move."""
    w = Writer()
    w.conv("conv1", 12, "pad_h: 2 pad_w: 1 stride_h: 2 stride_w: 1", (5, 3)).relu()
    w.conv("dilated", 12, "pad: 2 dilation: 2", (3, 3), group=3).relu()
    w.add("shuffled", "ShuffleChannel", text="shuffle_channel_param { group: 3 }")
    w.lrn("local_size: 3 alpha: 0.8 norm_region: WITHIN_CHANNEL")
    w.pool("over", "pool: AVE kernel_size: 3 stride: 2 pad: 1")
    w.pool("floor", "pool: MAX kernel_size: 4 stride: 2 round_mode: FLOOR")
    w.pool("squeezed", "pool: AVE global_pooling: true").fc("gate", 12, 12).add("open", "Sigmoid")
    w.add("gated", "Scale", "floor", "open", text="scale_param { axis: 0 }", channels=12)
    w.add("turned", "Permute", text="permute_param { order: 0 order: 2 order: 3 order: 1 }")
    w.add("rows", "Flatten", text="flatten_param { axis: 1 end_axis: 2 }")
    w.add("wide", "Reshape", text="reshape_param { shape { dim: 0 dim: -1 } }")
    return w.fc("fc", 12 * 7 * 15)


def training():
    """What people train: data layers, a loss, an accuracy, another head, another phase."""
    w = Writer(TRAINING)
    w.conv("conv1", 8, "stride: 4", (3, 3)).relu()
    w.lines.append('layer { name: "noise" type: "Dropout" bottom: "conv1" top: "conv1" include { phase: TRAIN } }')
    w.fc("aux", 8 * 16 * 16).fc("fc", 8 * 16 * 16, 16, "", "conv1")
    w.lines.append(LOSS)
    return w


NETWORKS = (alexnet, googlenet, resnet, densenet, squeezenet, mobilenet, faces, shuffle, training)


def variant(folder: Path, name: str, old: str, new: str, of: str = "squeezenet") -> None:
    """A network whose text is another one."""
    (folder / name).mkdir()
    text = (folder / of / "deploy.prototxt").read_text()
    assert old in text
    (folder / name / "deploy.prototxt").write_text(text.replace(old, new))
    (folder / name / "weights.caffemodel").write_bytes((folder / of / "weights.caffemodel").read_bytes())


def main(folder: Path) -> None:
    """All of them."""
    for make in NETWORKS:
        make().save(folder / make.__name__)
    python = 'type: "Python" python_param { module: "os" layer: "system" }'
    variant(folder, "python", 'type: "Dropout"', python)
    variant(folder, "fork", "pool: MAX", "pool: MAX torch_pooling: true")
    variant(folder, "broken", "layer {", "layer [")
    variant(folder, "oldest", 'name: "fc8"', 'layer { name: "fc8" type: "innerproduct" } name: "fc8"', of="alexnet")
    variant(folder, "by_batch", "use_global_stats: true", "use_global_stats: false", of="resnet")
    variant(folder, "transposed", "inner_product_param {", "inner_product_param { transpose: true", of="densenet")
    variant(folder, "wider", "num_output: 8", "num_output: 9")
    variant(folder, "larger", "dim: 64 dim: 64", "dim: 224 dim: 224")
    variant(folder, "nameless", 'name: "conv10"', 'name: "conv11"')
    variant(folder, "two", 'bottom: "pool10"', 'bottom: "conv1"')
    variant(folder, "dangling", 'bottom: "squeeze"', 'bottom: "crushed"')
    for name, contents in (("cut", None), ("hdf5", b"\x89HDF\r\n"), ("none", b"")):
        variant(folder, name, "layer", "layer")
        whole = (folder / name / "weights.caffemodel").read_bytes()
        (folder / name / "weights.caffemodel").write_bytes(whole[: len(whole) // 2] if contents is None else contents)
    variant(folder, "alone", "layer", "layer")
    (folder / "alone" / "weights.caffemodel").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
