"""Hold one configuration, open its model for one batch size at a time, and make bursts of requests when told to.

Requests, each with an answer: `open` a batch size (and `warm_up`); `scores` of some images; `burst`, with the arguments
of `measure.run`; `close`, which tells what only this process knows: its memory, its page faults and switches, where its
threads could run.

With the API `cpp` the framework's program in C++ makes the requests, and this process waits for it meanwhile.

With `--mode` several requests are in flight at a time, so many as `open` tells (`in_flight`). Processes, one for each
of them, are workers of this worker.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional, Union

import numpy as np

from dliflow.configuration import CPP
from dliflow.errors import Skip
from dliflow.machine import energy, facts, launch, process
from dliflow.measuring import feed, load, metrics, program, session, warmup, workers

START_NS = 5_000_000  # from telling processes to begin a burst until they do, all at the same time


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    parser.add_argument("--inputs", type=int, required=True, help="descriptor of the inputs in memory")
    parser.add_argument("--distinct", type=int, help="how many distinct batches at most; all when absent")
    parser.add_argument(
        "--mode",
        choices=("queue", "threads", "sessions", "processes"),
        help="how several requests are in flight at a time; when absent they come one by one",
    )


class Held:
    """The configuration of this process, and the session that is open."""

    def __init__(self, imported: Union[session.Imported, program.Running], ready: np.memmap, args: argparse.Namespace):
        self.imported, self.ready, self.args = imported, ready, args
        self.opened: Optional[session.Opened] = None
        self.left = False  # an earlier session has garbage

    def open(self, batch_size: int, warm_up: dict[str, Any]) -> dict[str, Any]:
        """Load, one request, warm-up: three different figures."""
        batches = feed.batches(self.ready, batch_size, self.args.distinct)
        self._begin()
        try:
            self.opened = self.imported.open(batch_size)
            first = self.opened.run(batches, requests=1, limit_s=None)
        except Skip as skip:
            return {"skip": str(skip)}
        warming, stopped_by = warmup.warm_up(self.opened.run, batches, **warm_up)
        self._keep(batches)
        return {
            "batch_size": batch_size,
            "threads_in_effect": self.opened.identity["threads_in_effect"],
            "load_ms": self.opened.load_ms,
            "first_request_ms": first.latency_ns[0] / 1e6,
            "warmup_ns": warming,
            "warmup_stopped_by": stopped_by,
            **feed.described(batches),
        }

    def _begin(self) -> None:
        """Let the peak of the memory begin anew, without what an earlier session has left."""
        if self.left:
            gc.collect()
            gc.freeze()  # what outlives a session is the framework's, and need not be looked through again
            process.give_back()
        self.left = True
        process.reset_peak(self.imported.pid)

    def _keep(self, batches: list[np.ndarray]) -> None:
        """For bursts, of which nothing is counted yet."""
        self._energy(None)  # the first reading loads NVML
        self.batches = batches
        self.turns = itertools.cycle(range(len(batches)))
        self.counters = dict.fromkeys(self.imported.counters(), 0.0)

    def scores(self, images: int) -> dict[str, Any]:
        """What the first so many images give, or fewer where there are fewer: a list for each, of whole batches."""
        assert self.opened is not None
        count = -(-images // len(self.batches[0]))
        parts = [session.checked_predict(self.opened, batch, self.args.scores) for batch in self.batches[:count]]
        return {"scores": np.concatenate(parts)[:images].tolist()}

    def burst(self, **bounds: Any) -> dict[str, Any]:
        """Timed requests, after one that is not, since others have emptied the caches; its scores are checked."""
        assert self.opened is not None
        first = next(self.turns)  # bursts begin at different batches, or short ones would see the same few always
        session.checked_predict(self.opened, self.batches[first - 1], self.args.scores)
        with self._counted():
            before = self._energy(bounds["limit_s"])
            samples = self.opened.run(self.batches[first:] + self.batches[:first], **bounds)
            energy_uj = energy.between(before, self._energy(samples.wall_ns / 1e9))
        return {"latency_ns": samples.latency_ns, "energy_uj": energy_uj}

    def _energy(self, seconds: Optional[float]) -> energy.Reading:
        """The counters, unless a burst of so many seconds is too short for them; None: it may be of any length."""
        nvidia = self.args.device == "gpu" and self.args.framework.endswith("@cuda")
        by = energy.NVML if nvidia else energy.RAPL
        return {} if seconds is not None and seconds < energy.SHORTEST_S[by] else energy.read(by)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count what happens to this process inside."""
        before = self.imported.counters()
        yield
        for counter, value in self.imported.counters().items():
            self.counters[counter] += value - before[counter]

    def close(self) -> dict[str, Any]:
        """Forget the session, and tell what happened."""
        closing = {
            "peak_rss_mib": process.peak_rss_mib(self.imported.pid),
            "counters": self.counters,
            # Inherited; the framework may have moved its threads since.
            "launch": launch.in_effect(self.args.launch, self.imported.pid),
        }
        if self.opened is not None:
            self.opened.close()
        self.opened = None
        return closing


class Loaded(Held):
    """The same with several requests in flight, all of them in this process."""

    def open(self, batch_size: int, warm_up: dict[str, Any], in_flight: int = 1) -> dict[str, Any]:
        """Load, the first requests of all lanes together, warm-up under load."""
        batches = feed.batches(self.ready, batch_size, self.args.distinct)
        self._begin()
        assert isinstance(self.imported, session.Imported)
        try:
            self.loaded = load.opened(self.imported, self.args.mode, batch_size, in_flight)
            begun = time.perf_counter()
            self._check(self.loaded.lanes.once(batches), batch_size)
        except Skip as skip:
            return {"skip": str(skip)}
        first_request_ms = (time.perf_counter() - begun) * 1e3
        warming = self.loaded.lanes.burst(batches, **warm_up) if warm_up["requests"] else []
        self._keep(batches)
        in_time = all(len(lane.started) < warm_up["requests"] for lane in warming)
        return {
            "batch_size": batch_size,
            "in_flight": in_flight,
            "mode": self.args.mode,
            "threads_in_effect": self.loaded.threads,
            "load_ms": self.loaded.load_ms,
            "first_request_ms": first_request_ms,
            "warmup_ns": load.durations(warming),
            "warmup_stopped_by": "time" if warming and in_time else "requests",
            **feed.described(batches),
        }

    def burst(self, begin_ns: int = 0, **bounds: Any) -> dict[str, Any]:
        """Timed requests of all lanes, then one of each whose scores are checked.

        Args:
            begin_ns: not before this time of the clock.
        """
        first = next(self.turns)
        batches = self.batches[first:] + self.batches[:first]
        time.sleep(max(0, begin_ns - time.perf_counter_ns()) / 1e9)
        with self._counted():
            lanes = self.loaded.lanes.burst(batches, **bounds)
        self._check(self.loaded.lanes.once(batches), len(batches[0]))
        return load.figures(lanes)

    def _check(self, scores: Iterable[np.ndarray], batch_size: int) -> None:
        for of_lane in scores:
            metrics.check_scores(of_lane, batch_size, self.args.scores)

    def close(self) -> dict[str, Any]:
        """The same as of one by one."""
        self.loaded.lanes.close()
        del self.loaded
        return super().close()


class Processes(Held):
    """Processes with a lane each, on processors of their own."""

    def open(self, batch_size: int, warm_up: dict[str, Any], in_flight: int = 1) -> dict[str, Any]:
        """Start them, and let each of them open the model, all at the same time."""
        shares = load.shares(in_flight)
        if shares is None:
            cores = facts.physical_cores()
            return {"skip": f"{in_flight} processes need a core each, and this machine gives {cores}"}
        self.stack = contextlib.ExitStack()
        self.children = [self._start(number, share) for number, share in enumerate(shares, 1)]
        self.pool = self.stack.enter_context(ThreadPoolExecutor(in_flight))
        answers = [child.ready() for child in self.children]
        if not any("skip" in one for one in answers):
            answers = self._ask({"open": {"batch_size": batch_size, "warm_up": warm_up}})
        for one in answers:
            if "skip" in one:
                self.stack.close()
                return one
        return {
            **answers[0],
            "in_flight": in_flight,
            "mode": self.args.mode,
            "threads_in_effect": _total(one["threads_in_effect"] for one in answers),
            **{key: max(one[key] for one in answers) for key in ("load_ms", "first_request_ms")},
            "warmup_ns": [duration for one in answers for duration in one["warmup_ns"]],
        }

    def _start(self, number: int, processors: set[int]) -> workers.Worker:
        command = [sys.executable, "-m", "dliflow", *sys.argv[1:], "--mode", "sessions"]
        with load.pinned(processors):
            child = workers.Worker(f"process {number}", command, [self.args.inputs])
        self.stack.callback(child.kill)
        return child

    def _ask(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The answers of all of them, which work at the same time; this process waits."""
        return list(self.pool.map(lambda child: child.ask(request), self.children))

    def burst(self, **bounds: Any) -> dict[str, Any]:
        """One of all of them together."""
        begin_ns = time.perf_counter_ns() + START_NS
        return load.merged(self._ask({"burst": {**bounds, "begin_ns": begin_ns}}))

    def close(self) -> dict[str, Any]:
        """End them; figures are sums over them."""
        answers = self._ask({"close": {}})
        self.stack.close()
        return {
            "peak_rss_mib": _total(one["peak_rss_mib"] for one in answers),
            "counters": {key: sum(one["counters"][key] for one in answers) for key in answers[0]["counters"]},
            "launch": launch.in_effect(self.args.launch),
            "pinned": [one["launch"]["in_effect"]["cpus"] for one in answers],
        }


def _total(values: Iterable[Any]) -> Any:
    """Their sum; None where one is unknown."""
    known = list(values)
    return None if None in known else sum(known)


KINDS: dict[Optional[str], type[Held]] = {None: Held, "processes": Processes}  # by mode; all others are `Loaded`


def run(args: argparse.Namespace) -> None:
    """Import, tell that it is ready, then answer."""
    description = session.described(args)
    session.set_variables(description)  # now, since a process that begins anew later has lost where answers go
    stream = workers.answers()

    def start() -> tuple[dict[str, Any], workers.Answer]:
        try:
            taken = feed.mapped(args.inputs)
            imported: Union[session.Imported, program.Running]
            if description.configuration.api == CPP:
                imported = program.Running(program.checked(description), taken, args.inputs)
            else:
                imported = session.import_model(description)
        except Skip as skip:
            return {"skip": str(skip)}, lambda request: {}
        held = KINDS.get(args.mode, Loaded)(imported, taken, args)
        calls: dict[str, Callable[..., dict[str, Any]]] = {
            "open": held.open,
            "scores": held.scores,
            "burst": held.burst,
            "close": held.close,
        }

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            ((call, values),) = request.items()
            with imported.awake():
                return calls[call](**values)

        figures = {"import_ms": imported.import_ms, "model_bytes": imported.model_bytes}
        return {"identity": imported.identity, **figures, **session.software()}, answer

    workers.serve(stream, start)
