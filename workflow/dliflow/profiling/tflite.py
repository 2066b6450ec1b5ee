"""LiteRT's profiler, which its C library has and its Python interpreter has not.

The C library of the same package compiles the same model, with XNNPACK and as many threads; its events tell the time of
each operator. They are read as the pinned version lays them out, and of no other one.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.errors import DliflowError, Skip
from dliflow.frameworks import take_options
from dliflow.frameworks import tflite as framework
from dliflow.profiling import Operator, Request

PROFILER = "LiteRT's profiler (the compiled model of its C library)"
CPU = FLOAT32 = 1  # as the library counts accelerators and kinds of numbers
READ, WRITE = 0, 1  # what a buffer is locked for
FIRST = ctypes.c_size_t(0)  # signature, input, output
LAID_OUT = "2.3.0"  # the version of LiteRT whose `Event` is the one below
OPERATORS = (2, 4, 8)  # kinds of events: of operators of TFLite, of a delegate's, and of a delegate's in their place
# What XNNPACK calls an operator: `Convolution (NHWC, QC8) IGEMM`.
TAG = re.compile(r"^(.+?)(?:\s*\((.+?)\)\s*(.*))?$")
EIGHT_BITS = re.compile(r"\bQ[A-Z]8")


class Event(ctypes.Structure):
    """`ProfiledEventData` of LiteRT's C library."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("started_us", ctypes.c_uint64),
        ("us", ctypes.c_uint64),
        ("memory", ctypes.c_int64 * 6),
        ("number", ctypes.c_int64),
        ("status", ctypes.c_int64),
        ("source", ctypes.c_int),
    )


class Library:
    """LiteRT's C library."""

    def __init__(self):
        import ai_edge_litert

        self.functions = ctypes.CDLL(str(Path(ai_edge_litert.__file__).with_name("libLiteRt.so")))

    def call(self, name: str, *arguments: Any) -> None:
        """Call one of its functions, by its name without `LiteRt`.

        Raises:
            DliflowError: when it fails.
        """
        status = self.functions[f"LiteRt{name}"](*arguments)
        if status:
            raise DliflowError(f"LiteRt{name} failed with status {status}")

    def give(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """The same for a function that gives something by its last argument."""
        given = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(given))
        return given


class Compiled:
    """A compiled model with one input and one output of float32."""

    def __init__(self, model: Path, taken: tuple[int, ...], given: tuple[int, ...], threads: int):
        self.library = library = Library()
        self.environment = library.give("CreateEnvironment", 0, None)
        self.model = library.give("CreateModelFromFile", self.environment, str(model).encode())
        options = library.give("CreateOptions")
        library.call("SetOptionsHardwareAccelerators", options, CPU)
        self.texts = [
            self.add(options, "runtime_options_string", "enable_profiling = true"),
            self.add(options, "xnnpack", f"num_threads = {threads}"),
        ]
        self.compiled = library.give("CreateCompiledModel", self.environment, self.model, options)
        shape = (ctypes.c_int * len(taken))(*taken)
        library.call("CompiledModelResizeInputTensor", self.compiled, FIRST, FIRST, shape, ctypes.c_size_t(len(taken)))
        layouts = (ctypes.c_int * 64)()  # only to have memory laid out for the new shape
        library.call("GetCompiledModelOutputTensorLayouts", self.compiled, FIRST, ctypes.c_size_t(1), layouts, True)
        self.input, self.output = self.buffer("Input", taken), self.buffer("Output", given)
        self.scores = np.zeros(given, np.float32)
        self.profiler = library.give("CompiledModelGetProfiler", self.compiled)

    def add(self, options: ctypes.c_void_p, name: str, text: str) -> tuple[Any, Any]:
        """Add options; gives what has to stay in memory."""
        payload = ctypes.create_string_buffer(f"{text}\n".encode())
        stays = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda payload: None)
        self.library.call(
            "AddOpaqueOptions", options, self.library.give("CreateOpaqueOptions", name.encode(), payload, stays)
        )
        return payload, stays

    def buffer(self, end: str, shape: tuple[int, ...]) -> ctypes.c_void_p:
        """Memory for the input or the output."""
        kind = (ctypes.c_int * 64)(FLOAT32, len(shape), *shape)
        wanted = self.library.give(f"GetCompiledModel{end}BufferRequirements", self.compiled, FIRST, FIRST)
        return self.library.give("CreateManagedTensorBufferFromRequirements", self.environment, kind, wanted)

    def copy(self, buffer: ctypes.c_void_p, array: np.ndarray, mode: int) -> None:
        """Between a buffer and an array."""
        memory = ctypes.c_void_p()
        self.library.call("LockTensorBuffer", buffer, ctypes.byref(memory), mode)
        target, source = (memory, array.ctypes.data) if mode == WRITE else (array.ctypes.data, memory)
        ctypes.memmove(target, source, array.nbytes)
        self.library.call("UnlockTensorBuffer", buffer)

    def run(self, batch: np.ndarray) -> None:
        """Copy the batch in, run, copy the scores out."""
        one, ends = ctypes.c_size_t(1), (ctypes.byref(self.input), ctypes.byref(self.output))
        self.copy(self.input, batch, WRITE)
        self.library.call("RunCompiledModel", self.compiled, FIRST, one, ends[0], one, ends[1])
        self.copy(self.output, self.scores, READ)

    def events(self) -> ctypes.Array[Event]:
        """What the profiler tells of all that ran since it was reset."""
        count = ctypes.c_int()
        self.library.call("GetNumProfilerEvents", self.profiler, ctypes.byref(count))
        events = (Event * count.value)()
        self.library.call("GetProfilerEvents", self.profiler, count, events)
        return events


class Profiled:
    """A compiled model whose profiler is started anew for each request."""

    def __init__(self, compiled: Compiled, threads: int):
        self.compiled, self.threads = compiled, threads
        self.seen: list[Request] = []

    def predict(self, batch):
        """One request."""
        library, profiler = self.compiled.library, self.compiled.profiler
        library.call("ResetProfiler", profiler)
        library.call("StartProfiler", profiler)
        started = time.perf_counter_ns()
        self.compiled.run(batch)
        us = (time.perf_counter_ns() - started) / 1e3
        library.call("StopProfiler", profiler)
        self.seen.append(Request(us, parsed(self.compiled.events())))
        return self.compiled.scores

    def requests(self):
        """What the profiler told."""
        return self.seen


def profile(model: Path, *, options, **asked):
    """The model that is loaded, compiled by the C library.

    Raises:
        Skip: of another version, for files that run as they are, and for other options than the defaults.
    """
    if framework.version() != LAID_OUT:
        raise Skip(f"LiteRT's profiler can be read of version {LAID_OUT} only; this is {framework.version()}")
    if (model / framework.ENDS).exists():
        raise Skip("LiteRT's profiler is asked for converted models only, not for files that run as they are")
    if take_options("tflite", options) != take_options("tflite", {}):
        raise Skip("LiteRT's profiler is asked with the default options only")
    loaded = framework.load(model, options=options, **{**asked, "variant": "default"})  # it gives shapes and threads
    interpreter, threads = loaded.interpreter, loaded.threads
    taken, given = (
        end()[0]["shape"].tolist() for end in (interpreter.get_input_details, interpreter.get_output_details)
    )
    return Profiled(Compiled(model / framework.MODEL, tuple(taken), tuple(given), threads), threads)


def parsed(events: Iterable[Any]) -> list[Operator]:
    """The operators of a request, in the order in which they ran, without the delegate that holds others."""
    tags = [(event, event.tag.decode()) for event in events if event.kind in OPERATORS]
    return [_operator(tag, event.number, event.us) for event, tag in tags if not tag.endswith("Delegate")]


def _operator(tag: str, number: int, us: int) -> Operator:
    match = TAG.match(tag)
    assert match is not None  # it takes any text
    what, numbers, kernel = (part or "" for part in match.groups())
    eight_bits = bool(EIGHT_BITS.search(numbers)) if any(map(str.isdigit, numbers)) else None
    return Operator(what, f"#{number}", " ".join(filter(None, (kernel, numbers))), eight_bits, float(us))
