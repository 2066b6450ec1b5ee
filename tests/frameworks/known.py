"""Try known networks in their library's environment; cases.py tells how it is asked and answers.

`describe`: what the library tells of a network, and how far inputs made by its entry are from those of the library's
own transform. `weights`: a file of random weights as the library would publish them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from cases import each

from dliflow import libraries
from dliflow.images import inputs

SIZES = [(500, 375), (333, 500), (1000, 747), (1000, 745), (641, 480), (230, 230), (97, 150)]  # (width, height)


def pictures():
    """Random pictures of odd sizes, coarse and fine."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for width, height in SIZES:
        coarse = Image.fromarray(rng.integers(0, 256, (height // 9, width // 9, 3), np.uint8)).resize((width, height))
        fine = rng.integers(-20, 21, (height, width, 3))
        yield Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8))


def transform_of(library: str, network: str):
    """The library's own way from a picture to an input (3, height, width)."""
    if library == "torchvision":
        import torchvision

        name, _, tag = network.partition(".")
        weights = torchvision.models.get_model_weights(name)
        return (weights[tag] if tag else weights.DEFAULT).transforms()
    import timm

    model = timm.create_model(network, pretrained=False)
    return timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=model.pretrained_cfg))


def furthest(library: str, network: str, entry: dict) -> float:
    """The largest difference of any pixel, of 255, between the entry's inputs and the library's own."""
    taken = {
        "channel_order": "RGB",
        "layout": "NCHW",
        "dtype": "float32",
        "interpolation": "bilinear",
        **entry["input"],
    }
    size = taken["size"]
    taken["height"], taken["width"] = size if isinstance(size, list) else (size, size)
    if library == "keras":
        import keras

        function = getattr(keras.applications, network)
        pixels = np.random.default_rng(0).integers(0, 256, (2, taken["height"], taken["width"], 3), np.uint8)
        own = sys.modules[function.__module__].preprocess_input(pixels.astype(np.float32)).transpose(0, 3, 1, 2)
        pairs = zip(inputs.make(pixels, taken), own)
    else:
        from dliflow.images.preprocess import preprocess

        transform = transform_of(library, network)
        pairs = (
            (inputs.make(preprocess(picture, taken)[None], taken)[0], transform(picture).numpy())
            for picture in pictures()
        )
    scale = np.array(taken["scale"], np.float32).reshape(-1, 1, 1)
    return float(max(np.abs((ours - theirs) * scale).max() for ours, theirs in pairs))


def describe(library: str, network: str) -> dict:
    """The entry, what is untold, and how far its inputs are from the library's."""
    described = libraries.load(library).describe(network)
    found = furthest(library, network, described.entry)
    return {"entry": described.entry, "untold": described.untold, "furthest": found}


def weights(library: str, network: str, out: str) -> dict:
    """Random weights as the library publishes them."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    if library == "keras":
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import h5py
        import keras
        from keras.src.legacy.saving import legacy_h5_format  # the form of the published files

        keras.utils.set_random_seed(0)
        with h5py.File(out, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, getattr(keras.applications, network)(weights=None))
        return {}
    import torch

    torch.manual_seed(0)
    libraries.load(library).names()  # which imports torchvision in our way
    if library == "torchvision":
        import torchvision

        torch.save(torchvision.models.get_model(network.partition(".")[0], weights=None).state_dict(), out)
        return {}
    import safetensors.torch
    import timm

    safetensors.torch.save_file(timm.create_model(network, pretrained=False).state_dict(), out)
    return {}


def tried(what: str, **arguments: str) -> dict:
    """One case."""
    return {"describe": describe, "weights": weights}[what](**arguments)


if __name__ == "__main__":
    each(tried)
