"""timm's classifiers: `resnet50` with its first weights, `resnet50.a1_in1k` with others."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError
from dliflow.libraries import IMAGENET_CLASSES, Description
from dliflow.libraries.shared.torchvision_package import pixels, torchvision

ENVIRONMENT = "torch_libraries"


def _package() -> Any:
    torchvision()  # which timm imports
    import timm

    return timm


def names() -> list[str]:
    """Each network by its name, and with the tag of each of its weights."""
    timm = _package()
    return sorted({*timm.list_pretrained(), *timm.list_models(pretrained=True)})


def _located(config: Any) -> tuple[dict[str, Any], list[str]]:
    """Where the weights lie, and what is not told of that.

    The Hub, where most of them lie, tells the checksum; files with the beginning of theirs in the name need none of it.
    """
    if config.hf_hub_id:
        return _on_the_hub(config)
    if not config.url:
        raise DliflowError("timm tells no address of its weights")
    prefix = re.search(r"-([0-9a-f]{8,64})\.\w+$", config.url)
    return {"url": config.url, **({"sha256": prefix[1]} if prefix else {})}, []


def _on_the_hub(config: Any) -> tuple[dict[str, Any], list[str]]:
    """The file at the commit of today, with the checksum that the Hub's server keeps for large files."""
    import huggingface_hub

    file = config.hf_hub_filename or "model.safetensors"
    address = huggingface_hub.hf_hub_url(config.hf_hub_id, file)
    try:
        metadata = huggingface_hub.get_hf_file_metadata(address, timeout=10)
    except Exception as error:  # not reached, or there is no such file: its classes are many
        reason = " ".join(str(error).split())
        return {"url": address}, [f"the weights' checksum, which the Hub tells and which was not reached ({reason})"]
    if not re.fullmatch(r"[0-9a-f]{64}", metadata.etag or ""):
        return {"url": address}, ["the weights' checksum: the Hub has none for this file"]
    pinned = huggingface_hub.hf_hub_url(config.hf_hub_id, file, revision=metadata.commit_hash)
    return {"url": pinned, "sha256": metadata.etag, **({"bytes": metadata.size} if metadata.size else {})}, []


def _classes(config: Any) -> tuple[Any, list[str]]:
    """Names of the classes, and what is not told of them."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    if config.label_names:
        return list(config.label_names), []
    if not config.num_classes:
        raise DliflowError("it is no classifier: timm gives it no classes")
    subset = infer_imagenet_subset({"num_classes": config.num_classes})
    if subset is None:
        raise DliflowError(f"timm does not tell what its {config.num_classes} classes are")
    untold = [f"what its {config.num_classes:,} classes are; by their number it takes them for {subset}"]
    return ImageNetInfo(subset).label_names(), untold


def _resize(height: int, width: int, share: float, mode: str) -> Any:
    """As `timm.data.transforms_factory.transforms_imagenet_eval` resizes before it crops.

    Raises:
        DliflowError: for what an entry cannot say.
    """
    if mode == "squash" and share == 1:
        return "squash"
    if mode == "center" and height == width:
        return {"short_side": math.floor(height / share)}
    raise DliflowError(
        f"it resizes with crop_mode {mode}, crop_pct {share:g} to {height} × {width}, which an entry cannot say"
    )


def describe(name: str) -> Description:
    """From the configuration of the weights.

    Raises:
        DliflowError: when they are of no classifier, of other classes than timm knows, or take other inputs than RGB.
    """
    timm = _package()
    config = timm.get_pretrained_cfg(name)
    try:
        classes, untold = _classes(config)
        (channels, height, width), data = (
            config.input_size,
            timm.data.resolve_data_config(pretrained_cfg=config.to_dict()),
        )
        if channels != 3:
            raise DliflowError(f"its input has {channels} channels")
        resize = _resize(height, width, data["crop_pct"], data["crop_mode"])
        location, missing = _located(config)
    except DliflowError as error:
        raise DliflowError(f"timm/{name}: {error}") from None
    untold += missing
    if not config.license:
        untold.append("the licence of the weights (that of its code is Apache-2.0)")
    untold.append("its accuracy on ImageNet")
    entry = {
        "title": f"{name} of timm",
        "licence": config.license or "not stated",
        "source": {"from": [location], "format": "timm", "options": {"network": name}},
        "input": {
            "size": height if height == width else [height, width],
            "mean": pixels(data["mean"]),
            "scale": pixels(data["std"]),
            "resize": resize,
            "interpolation": data["interpolation"],
        },
        "label_offset": config.label_offset or 0,
    }
    version = f"timm {timm.__version__}"
    if classes == Path("resources/imagenet_synsets.txt").read_text(encoding="utf-8").splitlines():
        return Description({**entry, "classes": IMAGENET_CLASSES}, version, untold)
    return Description(entry, version, untold, classes)


def build(name: str, weights: Path) -> Any:
    """timm has a place for a file of one's own in the configuration of the weights."""
    return _package().create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(weights)}).eval()
