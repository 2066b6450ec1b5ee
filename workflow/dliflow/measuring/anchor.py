"""The anchor: a fixed small convolutional network in a fixed runtime, with which every measurement takes turns.

How long it takes tells how fast the machine is just now for work like inference. It is a worker like any other, in an
environment of its own (`envs/anchor.yaml`), so that no upgrade of a measured framework moves it. It uses as many
threads as what is measured, since one processor may be slow while the others are not: by `benchmarks/anchor.py`
intervals are then 0.68 times as wide as without an anchor, 0.79 where it always uses all processors, 0.94 where always
one, and 0.82 with a product of matrices in its place.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import integrity
from dliflow.files import payload, read_json, sha256
from dliflow.machine import variables
from dliflow.measuring import workers

NAME = "anchor"
NETWORK = "anchor.onnx"
BURST: dict[str, Any] = {"requests": 20, "limit_s": 0.02}  # so many at most, and none begins after so many seconds
FEWEST = 3  # requests of a burst in any case
SEED = 0
SIDE = 224
# Convolutions as in small classifiers: kernel, channels, stride, and whether each channel has a filter of its own.
LAYERS = (
    *((3, 32, 2, False), (3, 32, 1, True), (1, 64, 1, False), (3, 64, 2, True), (1, 128, 1, False)),
    *((3, 128, 1, True), (1, 128, 1, False), (3, 128, 2, True), (1, 256, 1, False), (3, 256, 1, True)),
    *((1, 256, 1, False), (3, 256, 2, True), (1, 512, 1, False), (3, 512, 1, True), (1, 512, 1, False)),
)


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


def command(python: str, network: str) -> list[str]:
    """How its worker is started, without the variables of the config, which are for what is measured.

    Args:
        python: of its environment.
        network: its `file`.
    """
    unset = [f"--unset={name}" for name in variables.asked()]
    return [*(["env", *unset] if unset else []), python, "-m", "dliflow", NAME, "--network", network]


def threads_beside(in_effect: Iterable[Optional[int]]) -> int:
    """How many threads it takes beside members that use so many: as many as the most of them, on usable processors.

    Args:
        in_effect: of each member; None where it does not tell, which counts as all.
    """
    usable = len(os.sched_getaffinity(0))
    return min(usable, max(threads or usable for threads in in_effect))


def serve(network: Path) -> None:
    """Load the network, tell what it is, and answer each request with the durations of a burst, ns.

    A request holds the `threads`, and the bounds of `BURST`.
    """
    stream = workers.answers()

    def start() -> tuple[dict[str, Any], workers.Answer]:
        import onnxruntime

        image = np.random.RandomState(SEED).rand(1, 3, SIDE, SIDE).astype(np.float32)

        @functools.cache
        def session(threads: int) -> Any:
            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads = threads
            opened = onnxruntime.InferenceSession(str(network), settings, providers=["CPUExecutionProvider"])
            for _ in range(3):
                list(_durations(opened, image, **BURST))
            return opened

        def burst(request: dict[str, Any]) -> dict[str, Any]:
            bounds = dict(request)
            opened = session(bounds.pop("threads"))
            opened.run(None, {"input": image})  # others have emptied the caches
            return {"latency_ns": list(_durations(opened, image, **bounds))}

        return {"runtime": f"onnxruntime {onnxruntime.__version__}", "sha256": sha256(network)}, burst

    workers.serve(stream, start)


def _durations(session: Any, image: np.ndarray, requests: int, limit_s: float) -> Iterator[int]:
    end = time.perf_counter_ns() + int(limit_s * 1e9)
    for count in range(1, requests + 1):
        before = time.perf_counter_ns()
        session.run(None, {"input": image})
        after = time.perf_counter_ns()
        yield after - before
        if after > end and count >= FEWEST:
            return
