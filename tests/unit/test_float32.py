"""FP32 on a GPU is float32: nothing has factors rounded (TF32) unless that is asked for.

No GPU is here: a module stands in for ONNX Runtime, and what its session is opened with is looked at.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest

from dliflow import frameworks
from dliflow.errors import Skip

CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


def opened(monkeypatch, device: str, **options) -> list[tuple[str, dict]]:
    """The providers of a session with their options."""
    package = mock.MagicMock()
    package.get_available_providers.return_value = [TENSORRT, CUDA, CPU]
    first = CPU if device == "cpu" else TENSORRT if "gpu_provider" in options else CUDA
    package.InferenceSession.return_value.get_providers.return_value = [first]
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    asked = {"precision": "fp32", "variant": "default", "batch_size": 1, "threads": None}
    frameworks.load("onnxruntime").load(Path("m"), device=device, options=options, **asked)
    named = package.InferenceSession.call_args.kwargs
    return list(zip(named["providers"], named["provider_options"]))


def test_onnxruntime_s_cuda_rounds_no_factors_unless_asked_to(monkeypatch):
    assert opened(monkeypatch, "gpu") == [(CUDA, {"use_tf32": "0"}), (CPU, {})]
    assert opened(monkeypatch, "gpu", tf32=True) == [(CUDA, {"use_tf32": "1"}), (CPU, {})]
    assert opened(monkeypatch, "cpu") == [(CPU, {})]


def test_tensorrt_has_no_option_for_it_and_is_told_by_nvidia_s_variable(monkeypatch):
    providers = opened(monkeypatch, "gpu", gpu_provider="TensorRT")
    assert providers == [(TENSORRT, {}), (CUDA, {"use_tf32": "0"}), (CPU, {})]
    environment = frameworks.load("onnxruntime").environment
    assert environment(None, {"gpu_provider": "TensorRT"}) == {"NVIDIA_TF32_OVERRIDE": "0"}
    assert environment(None, {"gpu_provider": "TensorRT", "tf32": True}) == environment(None, {}) == {}


@pytest.mark.parametrize("framework", ["onnxruntime", "pytorch", "tensorflow"])
def test_what_is_for_a_gpu_has_no_row_on_a_cpu(framework):
    with pytest.raises(Skip, match=rf"options\.{framework}\.tf32: True is for rows on a GPU; this one is on the CPU"):
        frameworks.take_options(framework, {"tf32": True}, "cpu")
    assert frameworks.take_options(framework, {"tf32": True}, "gpu")["tf32"]
    assert not frameworks.take_options(framework, {"tf32": False}, "cpu")["tf32"]


@pytest.mark.parametrize(("framework", "precisions"), [("pytorch", ["fp16", "bf16"]), ("tensorflow", ["bf16"])])
def test_it_is_no_candidate_where_nothing_is_float32(framework, precisions):
    machine = frameworks.Processors(cpus=2, cores=2, flags=frozenset(), hybrid=False)

    def candidates(precision):
        return frameworks.candidates(framework, precision, "default", 8, machine, "gpu")

    assert {"tf32": True} in candidates("fp32")
    for precision in precisions:
        assert not any("tf32" in one for one in candidates(precision))
