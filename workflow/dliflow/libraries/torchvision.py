"""torchvision's classifiers: `resnet50` with its best weights, `resnet50.IMAGENET1K_V1` with others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest import mock

from dliflow.errors import DliflowError
from dliflow.libraries import IMAGENET_CLASSES, Description
from dliflow.libraries.shared.torchvision_package import pixels, torchvision

ENVIRONMENT = "torch_libraries"


def names() -> list[str]:
    """Each network by its name, which stands for its best weights, and with the name of each of its weights."""
    models = torchvision().models
    return [
        name
        for network in models.list_models(module=models)
        for name in (network, *(f"{network}.{weights.name}" for weights in models.get_model_weights(network)))
        if len(models.get_model_weights(network))
    ]


def _weights(name: str) -> Any:
    """The member of torchvision's WeightsEnum that a name stands for."""
    network, _, tag = name.partition(".")
    weights = torchvision().models.get_model_weights(network)
    return weights[tag] if tag else weights.DEFAULT


def describe(name: str) -> Description:
    """From the meta data of the weights, and their transform.

    Raises:
        DliflowError: when the transform is not the one of image classification, or the classes have no names.
    """
    package, weights = torchvision(), _weights(name)
    transform, meta = weights.transforms(), weights.meta
    if type(transform).__name__ != "ImageClassification":
        raise DliflowError(f"torchvision/{name}: its transform is {type(transform).__name__}, not ImageClassification")
    if not meta["categories"]:
        raise DliflowError(f"torchvision/{name}: torchvision does not tell what its classes are")
    untold = []
    if "license" not in meta:
        untold.append("the licence of the weights (that of its code is BSD-3-Clause)")
    location = {"url": weights.url}
    prefix = re.search(r"-([0-9a-f]{8,64})\.pth$", weights.url)  # as torch.hub takes it from the name
    if prefix:
        location["sha256"] = prefix[1]
    metrics = meta["_metrics"].get("ImageNet-1K", {})
    entry = {
        "title": f"{name.partition('.')[0]} of torchvision, {weights.name}",
        "licence": meta.get("license", "not stated"),
        "source": {"from": [location], "format": "torchvision", "options": {"network": name}},
        "input": {
            "size": transform.crop_size[0],
            "mean": pixels(transform.mean),
            "scale": pixels(transform.std),
            "resize": {"short_side": transform.resize_size[0]},
            "interpolation": transform.interpolation.value,
        },
    }
    if metrics:
        entry["published"] = {
            "top1": metrics["acc@1"],
            "top5": metrics["acc@5"],
            "source": f"the meta data of {weights}",
        }
    else:
        untold.append("its accuracy on ImageNet")
    categories = list(meta["categories"])
    version = f"torchvision {package.__version__.partition('+')[0]}"
    if categories == Path(IMAGENET_CLASSES).read_text(encoding="utf-8").splitlines():
        return Description({**entry, "classes": IMAGENET_CLASSES}, version, untold)
    return Description(entry, version, untold, categories)


def build(name: str, weights: Path) -> Any:
    """Some networks differ when they have weights (`transform_input`), and some state dicts are of an older spelling:
    so torchvision itself builds it, with the file in place of its download.
    """
    import torch

    package = torchvision()

    def read(*arguments: Any, **options: Any) -> Any:
        return torch.load(weights, map_location="cpu", weights_only=True)

    with mock.patch("torchvision.models._api.load_state_dict_from_url", read):
        return package.models.get_model(name.partition(".")[0], weights=_weights(name)).eval()
