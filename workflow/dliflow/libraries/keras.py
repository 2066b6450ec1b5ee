"""The networks of Keras Applications, by the names of their functions: `ResNet50`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dliflow.errors import DliflowError
from dliflow.libraries import IMAGENET_CLASSES, Description

ENVIRONMENT = "tensorflow"
SIZE = 224  # of networks that take images of any size: MobileNetV3's weights have it in their names


def _package() -> Any:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import keras

    return keras


def names() -> list[str]:
    """The functions of `keras.applications` that build a network."""
    return sorted(
        name for name, value in vars(_package().applications).items() if name[0].isupper() and callable(value)
    )


@contextlib.contextmanager
def _downloads(path: str) -> Iterator[list[dict[str, Any]]]:
    """Within it Keras is given this path for every download; what it asked for is listed."""
    asked: list[dict[str, Any]] = []

    def get_file(fname: Any = None, origin: Any = None, **options: Any) -> str:
        asked.append({"url": origin, "hash": options.get("file_hash") or options.get("md5_hash")})
        return path

    with mock.patch("keras.src.utils.file_utils.get_file", get_file):
        yield asked


def _checksum(hexadecimal: Any) -> dict[str, str]:
    """Keras tells MD5 and SHA-256 apart by their lengths, too."""
    return {{32: "md5", 64: "sha256"}[len(hexadecimal)]: hexadecimal} if hexadecimal else {}


def _normalisation(function: Any) -> dict[str, Any]:
    """Channel order, mean and scale of a `preprocess_input`, found by asking it: it is linear in each channel."""
    step = 255.0
    black = function(np.zeros((1, 1, 1, 3)))[0, 0, 0]
    # Row c: what the three outputs become when the input's channel c alone is 255.
    slopes = (function(np.eye(3).reshape(3, 1, 1, 3) * step)[:, 0, 0] - black) / step
    order = [int(np.flatnonzero(column)[0]) for column in slopes.T]  # by output the input that it comes from
    scale = [1 / float(slopes[channel, place]) for place, channel in enumerate(order)]
    return {
        "mean": [round(-float(value) * size, 6) + 0.0 for value, size in zip(black, scale)],
        "scale": [round(size, 6) for size in scale],
        "channel_order": "BGR" if order == [2, 1, 0] else "RGB",
    }


def describe(name: str) -> Description:
    """From what the function of the network downloads and builds, and from the `preprocess_input` beside it."""
    keras = _package()
    function = getattr(keras.applications, name)
    # A network without values: its variables are never made.
    with (
        _downloads("") as asked,
        mock.patch("keras.Model.load_weights"),
        keras.StatelessScope(initialize_variables=False),
    ):
        network = function(weights="imagenet")
    (_, *sizes, _), (_, classes) = network.input_shape, network.output_shape
    height, width = (size or SIZE for size in sizes)
    if classes != 1000 or len(asked) != 1:
        raise DliflowError(
            f"keras/{name}: {classes} classes and {len(asked)} files of weights, where 1000 and 1 are known"
        )
    location = {"url": asked[0]["url"], **_checksum(asked[0]["hash"])}
    entry = {
        "title": f"{name} of Keras Applications",
        "licence": "not stated",
        "source": {"from": [location], "format": "keras_application", "options": {"network": name}},
        "input": {
            "size": height if height == width else [height, width],
            **_normalisation(sys.modules[function.__module__].preprocess_input),
        },
        # Keras names classes by a file that it downloads; its MD5, which stands in the code
        # (keras/src/applications/imagenet_utils.py), is that of these names in this order, as a test shows.
        "classes": IMAGENET_CLASSES,
    }
    untold = [
        "the licence of the weights (that of its code is Apache-2.0)",
        f"how images become {height} × {width}: it is dliflow's usual way (resize in docs/add-a-model.md)",
        "its accuracy on ImageNet",
    ]
    if None in sizes:
        untold.append(f"its size: it takes any, and gets {SIZE} × {SIZE}")
    return Description(entry, f"Keras {keras.__version__}", untold)


def build(name: str, weights: Path) -> Any:
    """Keras itself builds and fills it, with the file in place of its download."""
    with _downloads(str(weights)):
        return getattr(_package().applications, name)(weights="imagenet")
