"""What libraries tell of known networks: entries, and inputs that are those of the libraries' own transforms."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import answer
from project import ROOT

from dliflow import libraries

SCRIPT = Path(__file__).with_name("known.py")
# Of each library: crops of several sizes, bilinear and bicubic, squashed, mean and scale, channel order.
NETWORKS = {
    "torchvision": ["squeezenet1_1", "resnet50", "efficientnet_b0", "vit_b_16.IMAGENET1K_SWAG_E2E_V1", "inception_v3"],
    "timm": [
        "mobilenetv4_conv_small.e2400_r224_in1k",
        "resnet18.a1_in1k",
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        "convnext_atto.d2_in1k",
    ],
    "keras": ["MobileNetV2", "MobileNetV3Small", "ResNet50", "DenseNet121", "EfficientNetB0"],
}
CASES = [(library, network) for library, networks in NETWORKS.items() for network in networks]


@pytest.fixture(scope="module")
def told(outcomes):
    """What every library tells."""
    asked = {
        library: {network: {"what": "describe", "library": library, "network": network} for network in networks}
        for library, networks in NETWORKS.items()
    }
    return {name: outcomes(libraries.load(name).ENVIRONMENT, SCRIPT, cases) for name, cases in asked.items()}


@pytest.mark.parametrize(("library", "network"), CASES)
def test_inputs_are_those_of_the_library_s_own_transform(told, library, network):
    assert answer(told[library][network])["furthest"] < 0.01  # of 255: the same pixels


def test_torchvision_tells_all_but_the_licence(told):
    entry = answer(told["torchvision"]["resnet50"])["entry"]
    (location,) = entry["source"]["from"]
    assert location["url"].endswith(f"resnet50-{location['sha256']}.pth")
    assert entry["published"]["top1"] == 80.858
    assert (entry["classes"], entry["input"]["resize"]) == ("resources/imagenet_classes.txt", {"short_side": 232})
    assert answer(told["torchvision"]["resnet50"])["untold"] == [
        "the licence of the weights (that of its code is BSD-3-Clause)"
    ]


def test_a_licence_is_passed_on(told):
    swag = answer(told["torchvision"]["vit_b_16.IMAGENET1K_SWAG_E2E_V1"])
    assert "SWAG" in swag["entry"]["licence"] and swag["untold"] == []


def test_keras_tells_checksums_of_some(told):
    assert answer(told["keras"]["ResNet50"])["entry"]["source"]["from"][0]["md5"] == "2cb95161c43110f7111970584f804107"
    assert set(answer(told["keras"]["MobileNetV2"])["entry"]["source"]["from"][0]) == {"url"}
    assert answer(told["keras"]["ResNet50"])["entry"]["input"]["channel_order"] == "BGR"


def test_a_network_of_any_size_gets_the_size_of_its_weights(told):
    described = answer(told["keras"]["MobileNetV3Small"])
    assert described["entry"]["input"]["size"] == 224
    assert "its size: it takes any, and gets 224 × 224" in described["untold"]


def test_entries_pass_the_schema(told, tmp_path):
    from dliflow.study import config

    for library, network in CASES:
        entry = answer(told[library][network])["entry"]
        assert (ROOT / entry["classes"]).exists()
        if set(entry["source"]["from"][0]) != {"url"}:
            config.validated(entry, "model", f"{library}/{network}")
