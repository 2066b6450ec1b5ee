"""Make a known network with random weights, as a file that dliflow takes, with its scores of random images.

    python benchmarks/zoo_networks.py torchvision/resnet18 FOLDER

It runs in the environment of the network's library, with `workflow` on the path; `zoo.py` starts it. The folder gets
`network.pt2` or `network.keras`, `entry.json` with the parts of a model's entry that stages ask for, and, as the stages
`prepare` and `reference` leave them, the pixels of `images` and `calibration` and the `reference` scores.

Weights as a library draws them often give the same scores for every image, and leave what a transformer adds to its
input near nothing. So every layer's weights are scaled, in the order in which they run, until what it gives has a
standard deviation of 1 (LSUV, arXiv:1511.06422), and all vectors (biases, scales, statistics) get some noise.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.files import payload, sha256, write_json
from dliflow.images import inputs
from dliflow.libraries import keras as keras_applications
from dliflow.libraries.shared import torchvision_package

SEED = 0
IMAGES, CALIBRATION = 6, 16
NOISE = 0.1  # standard deviation of what is added to vectors
LOGITS = 3.0  # standard deviation of what a softmax gets, so that scores are not all alike
SIZES = {"inception_v3": 299, "swin_v2_t": 256}  # of torchvision's networks that do not take 224
APART = 0.005  # least standard deviation between images, by that of all scores: far more than parity allows


def images(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Coarse colours under noise, since the mean of pure noise is the same in every image: uint8 (n, size, size, 3)."""
    pixels = rng.normal(0, 16, (count, size, size, 3))
    for index, image in enumerate(pixels):
        fields = 2 + index % 5
        where = np.arange(size) * fields // size
        image += rng.uniform(0, 255, (fields, fields, 3))[where][:, where]
    return pixels.clip(0, 255).astype(np.uint8)


def write_pixels(manifest: Path, pixels: np.ndarray) -> None:
    """As `prepare` does."""
    np.save(payload(manifest, ".npy"), pixels)
    write_json(manifest, inputs.seal(manifest, inputs.fingerprints(pixels)))


def torchvision(name: str, rng: np.random.Generator, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """A network of torchvision as an exported program; its entry, and its scores of the images."""
    models = torchvision_package.torchvision().models
    plain = {"googlenet": {"aux_logits": False, "init_weights": False}}
    plain["inception_v3"] = plain["googlenet"]
    build = functools.partial(models.get_model, name, weights=None, **plain.get(name, {}))
    return program(build, SIZES.get(name, 224), rng, folder)


def timm(name: str, rng: np.random.Generator, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """A network of timm, likewise."""
    torchvision_package.torchvision()  # which timm imports
    import timm

    return program(
        functools.partial(timm.create_model, name), timm.get_pretrained_cfg(name).input_size[-1], rng, folder
    )


def program(
    build: Callable[[], Any], size: int, rng: np.random.Generator, folder: Path
) -> tuple[dict[str, Any], np.ndarray]:
    """The network that is built, as an exported program; its entry, and its scores of the images."""
    import torch

    torch.manual_seed(SEED)
    network = build().eval()
    entry = {"height": size, "width": size, "mean": [127.5] * 3, "scale": [64.0] * 3}
    entry |= {"channel_order": "RGB", "layout": "NCHW"}
    pixels = images(IMAGES, size, rng)
    write_pixels(folder / "images.json", pixels)
    batch = torch.from_numpy(inputs.make(pixels, entry))

    def scale(layer, arguments, output):
        torch.nn.init.normal_(layer.weight)
        layer.weight /= layer.forward(*arguments).std()
        return layer.forward(*arguments)

    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            if value.is_floating_point() and value.ndim in (1, 3):  # three: a class token, a layer's scale
                value += NOISE * torch.randn(value.shape)
        layers = [layer for layer in network.modules() if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))]
        hooks = [layer.register_forward_hook(scale) for layer in layers]
        network(batch)
        for hook in hooks:
            hook.remove()
        scores = network(batch).numpy()
    exported = torch.export.export(network, (batch[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(exported, folder / "network.pt2")
    return {"source": {"format": "pytorch_exported"}, "file": "network.pt2", "input": entry}, scores


def keras(name: str, rng: np.random.Generator, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """A network of Keras's applications as a file of it; its entry, and its scores of the images."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from keras import activations, applications, layers, utils

    utils.set_random_seed(SEED)
    network = getattr(applications, name)(weights=None, classifier_activation=None)
    size = network.input_shape[1] or keras_applications.SIZE
    entry = {"height": size, "width": size, "mean": [0.0] * 3, "scale": [1.0] * 3}
    entry |= {"channel_order": "RGB", "layout": "NHWC"}
    pixels = images(IMAGES, size, rng)
    write_pixels(folder / "images.json", pixels)
    batch = pixels.astype(np.float32)

    def scaling(layer):
        call = layer.call
        kernel = layer.pointwise_kernel if isinstance(layer, layers.SeparableConv2D) else layer.kernel

        def scale(*arguments, **options):
            kernel.assign(kernel / np.std(call(*arguments, **options)))
            return call(*arguments, **options)

        return scale

    for value in network.weights:
        if len(value.shape) == 1:
            value.assign(value + NOISE * rng.normal(size=value.shape))
    for layer in network.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # what it computes with is made of its weights
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)
    scaled = [layer for layer in network._flatten_layers() if isinstance(layer, kinds)]
    for layer in scaled:
        layer.call = scaling(layer)
    network(batch, training=False)
    for layer in scaled:
        del layer.call
    last = network.layers[-1]
    if isinstance(last, layers.Dense):
        last.kernel.assign(last.kernel * LOGITS)
        last.activation = activations.softmax
    scores = np.asarray(network(batch, training=False))
    network.save(folder / "network.keras")
    return {"source": {"format": "keras"}, "file": "network.keras", "input": entry}, scores


LIBRARIES = {"torchvision": torchvision, "timm": timm, "keras": keras}


def main(which: str, folder: Path) -> None:
    """Write the files.

    Raises:
        SystemExit: when the scores say too little to be compared.
    """
    library, _, name = which.partition("/")
    rng = np.random.default_rng(SEED)
    entry, scores = LIBRARIES[library](name, rng, folder)
    apart = float(scores.std(0).mean() / scores.std())
    largest = float(np.abs(scores).max())
    if not (np.isfinite(scores).all() and largest > 0.01 and apart > APART):
        sys.exit(f"{which}: its scores tell nothing: the largest is {largest:.3g}, images are {apart:.3g} apart")
    size = entry["input"]["height"]
    write_pixels(folder / "calibration.json", images(CALIBRATION, size, rng))
    np.save(folder / "reference.npy", scores.astype(np.float32))
    write_json(folder / "reference.json", {"shape": scores.shape, "sha256": sha256(folder / "reference.npy")})
    write_json(folder / "fetched.json", {"sha256": sha256(folder / entry["file"])})
    write_json(folder / "entry.json", {**entry, "scores": scores.shape[1]})
    print(json.dumps({"largest": largest, "apart": apart}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
