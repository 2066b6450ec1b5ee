"""The anchor: a fixed small convolutional network in a fixed runtime, with which every measurement takes turns.

How long it takes tells how fast the machine is just now for work like inference. It is a worker like any other, in an
environment of its own (`envs/anchor.yaml`), so that no upgrade of a measured framework moves it. It uses as many
threads as what is measured, since one processor may be slow while the others are not. How much narrower that makes
intervals stands in docs/method.md, and comes from `benchmarks/anchor.py`.

Beside what is measured on a GPU it runs on that GPU, where it has an environment for it (`envs/anchor@cuda.yaml`).
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import integrity
from dliflow.errors import Skip
from dliflow.files import payload, read_json, sha256
from dliflow.machine import variables
from dliflow.measuring import workers

NAME = "anchor"
NETWORK = "anchor.onnx"
BURST: dict[str, Any] = {"requests": 20, "limit_s": 0.02}  # so many at most, and none begins after so many seconds
FEWEST = 3  # requests of a burst in any case
SEED = 0
SIDE = 224
CPU, GPU = "cpu", "gpu"
CUDA = "CUDAExecutionProvider"
CANNOT = "the anchor cannot run on the GPU, beside what is measured there"
# Convolutions as in small classifiers: kernel, channels, stride, and whether each channel has a filter of its own.
LAYERS = (
    *((3, 32, 2, False), (3, 32, 1, True), (1, 64, 1, False), (3, 64, 2, True), (1, 128, 1, False)),
    *((3, 128, 1, True), (1, 128, 1, False), (3, 128, 2, True), (1, 256, 1, False), (3, 256, 1, True)),
    *((1, 256, 1, False), (3, 256, 2, True), (1, 512, 1, False), (3, 512, 1, True), (1, 512, 1, False)),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that tell a stage that measures of it."""
    parser.add_argument("--anchor", type=Path, required=True, help="manifest of the anchor's network")
    parser.add_argument("--anchor-python", required=True, help="of its environment, or a file naming it")
    parser.add_argument("--anchor-device", choices=(CPU, GPU), default=CPU, help="what the anchor runs on")


def asked(args: argparse.Namespace) -> list[str]:
    """How the worker is started that these options tell of; errors as of `file`."""
    return command(workers.python(args.anchor_python), file(args.anchor), args.anchor_device)


def write_network(path: Path) -> None:
    """Write the network as an ONNX file: always the same bytes with the pins of its environment."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.RandomState(SEED)
    nodes, weights, channels, value = [], [], 3, "input"
    for number, (kernel, filters, stride, separate) in enumerate(LAYERS):
        groups = channels if separate else 1
        shape = (filters, channels // groups, kernel, kernel)
        scale = np.sqrt(2 / np.prod(shape[1:]))  # K. He et al., ICCV 2015: activations stay of one size
        weights.append(numpy_helper.from_array((generator.randn(*shape) * scale).astype(np.float32), f"weight{number}"))
        edge = [kernel // 2] * 4
        shared: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": edge, "group": groups}
        nodes.append(helper.make_node("Conv", [value, f"weight{number}"], [f"convolved{number}"], **shared))
        nodes.append(helper.make_node("Relu", [f"convolved{number}"], [f"layer{number}"]))
        channels, value = filters, f"layer{number}"
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["output"]))
    ends = (("input", (1, 3, SIDE, SIDE)), ("output", (1, channels, 1, 1)))
    inputs, outputs = ([helper.make_tensor_value_info(name, TensorProto.FLOAT, size)] for name, size in ends)
    graph = helper.make_graph(nodes, NAME, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="dliflow")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def file(manifest: Path) -> str:
    """That of the network which a manifest tells of.

    Raises:
        DliflowError: when it is gone or damaged.
    """
    wanted = {NETWORK: read_json(manifest)["sha256"]}
    integrity.verify(payload(manifest), wanted, f"delete {manifest} to make it again")
    return str(payload(manifest) / NETWORK)


def command(python: str, network: str, device: str = CPU) -> list[str]:
    """How its worker is started, without the variables of the config, which are for what is measured.

    Args:
        python: of its environment.
        network: its `file`.
    """
    unset = [f"--unset={name}" for name in variables.asked()]
    where = [] if device == CPU else ["--device", device]
    return [*(["env", *unset] if unset else []), python, "-m", "dliflow", NAME, "--network", network, *where]


def threads_beside(in_effect: Iterable[Optional[int]], device: str = CPU) -> int:
    """How many threads it takes beside members that use so many: as many as the most of them, on usable processors.

    On a GPU 0: that is another piece of work, however many threads of the CPU wait for it.

    Args:
        in_effect: of each member; None where it does not tell, which counts as all.
    """
    if device == GPU:
        return 0
    usable = len(os.sched_getaffinity(0))
    return min(usable, max(threads or usable for threads in in_effect))


def serve(network: Path, device: str = CPU) -> None:
    """Load the network, tell what it is, and answer each request with the durations of a burst, ns.

    A request holds the `threads`, and the bounds of `BURST`. On a GPU it begins with an image in host memory and ends
    when the scores are there, as requests of what is measured do.
    """
    stream = workers.answers()

    def start() -> tuple[dict[str, Any], workers.Answer]:
        import onnxruntime

        image = np.random.RandomState(SEED).rand(1, 3, SIDE, SIDE).astype(np.float32)

        @functools.cache
        def session(threads: int) -> Any:
            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads = threads
            opened = _opened(onnxruntime, network, settings, device)
            for _ in range(3):
                list(_durations(opened, image, **BURST))
            return opened

        def burst(request: dict[str, Any]) -> dict[str, Any]:
            bounds = dict(request)
            try:
                opened = session(bounds.pop("threads"))
            except Skip as skip:
                return {"skip": str(skip)}
            opened.run(None, {"input": image})  # others have emptied the caches
            return {"latency_ns": list(_durations(opened, image, **bounds))}

        return {"runtime": f"onnxruntime {onnxruntime.__version__}", "sha256": sha256(network), "device": device}, burst

    workers.serve(stream, start)


def _opened(onnxruntime: Any, network: Path, settings: Any, device: str) -> Any:
    """A session on a device, and on nothing else.

    Raises:
        Skip: when there is no such one. ONNX Runtime would go on with the CPU, in a warning.
    """
    if device == CPU:
        return onnxruntime.InferenceSession(str(network), settings, providers=["CPUExecutionProvider"])
    if CUDA not in onnxruntime.get_available_providers():
        raise Skip(f"{CANNOT}: its environment has an ONNX Runtime without the CUDA provider")
    onnxruntime.preload_dlls()  # CUDA's libraries, which come as packages
    opened = onnxruntime.InferenceSession(str(network), settings, providers=[CUDA])
    if opened.get_providers()[0] != CUDA:
        raise Skip(f"{CANNOT}: CUDA does not load here (no NVIDIA GPU, or a driver or library that does not fit)")
    return opened


def _durations(session: Any, image: np.ndarray, requests: int, limit_s: float) -> Iterator[int]:
    end = time.perf_counter_ns() + int(limit_s * 1e9)
    for count in range(1, requests + 1):
        before = time.perf_counter_ns()
        session.run(None, {"input": image})
        after = time.perf_counter_ns()
        yield after - before
        if after > end and count >= FEWEST:
            return
