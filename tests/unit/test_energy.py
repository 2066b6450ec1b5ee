"""The counters of energy: as RAPL has them, in a folder that stands in for /sys/class/powercap; as NVML has them, which
a module stands in for.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

from dliflow.analysis.tables import measurements
from dliflow.machine import energy
from dliflow.measuring import session
from dliflow.stages import worker


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    """Two packages at 100 and 200 µJ, a part of one, the whole machine; each counter begins anew at 1000 µJ."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    for zone, name, value in (
        ("intel-rapl:0", "package-0", 100),
        ("intel-rapl:0:0", "core", 50),
        ("intel-rapl:1", "package-1", 200),
        ("intel-rapl:2", "psys", 900),
        ("intel-rapl-mmio:0", "package-0", 100),
    ):
        (tmp_path / zone).mkdir()
        for file, text in (("name", name), ("energy_uj", str(value)), ("max_energy_range_uj", "1000")):
            (tmp_path / zone / file).write_text(f"{text}\n")
    return tmp_path


def count(powercap: Path, package: int, value: int | str) -> None:
    """Let a package's counter stand there."""
    (powercap / f"intel-rapl:{package}/energy_uj").write_text(f"{value}\n")


def test_only_packages_are_added_up(powercap):
    before = energy.read()
    count(powercap, 0, 130)
    count(powercap, 1, 204)
    count(powercap, 2, 990)
    assert energy.between(before, energy.read()) == 34
    assert energy.told() == "by RAPL, of 2 processor packages: all that runs there counts"


def test_a_counter_that_began_anew_goes_on_from_its_range(powercap):
    before = energy.read()
    count(powercap, 0, 20)
    count(powercap, 1, 210)
    assert energy.between(before, energy.read()) == 1000 - 100 + 20 + 10


def test_a_counter_that_began_anew_at_nobody_knows_where_is_no_figure(powercap):
    before = energy.read()
    count(powercap, 0, 20)
    (powercap / "intel-rapl:0/max_energy_range_uj").unlink()
    assert energy.between(before, energy.read()) is None


def test_half_of_a_machine_is_no_figure_and_what_allows_it_is_told(powercap):
    before = energy.read()
    count(powercap, 1, "")  # root may read a file that it must not, so an empty one stands for it
    assert energy.read() == {}
    assert energy.between(before, energy.read()) is energy.between({}, before) is None
    assert "CVE-2020-8694" in energy.told()
    assert f"sudo chmod a+r {powercap}/intel-rapl:0/energy_uj" in energy.told()


def test_a_machine_without_counters_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    assert energy.between(energy.read(), energy.read()) is None
    assert "cannot be had: the machine tells no counter" in energy.told()


def held(predict, framework: str, device: str) -> worker.Held:
    """A worker with a session open."""
    imported = session.Imported(None, None, Path(), "", 0.0, 0)
    one = worker.Held(imported, None, argparse.Namespace(scores=3, framework=framework, device=device))
    one.opened, one.batches = session.Opened(predict, {}, 0.0), [np.zeros(1)]
    one.turns, one.counters = iter([0]), dict.fromkeys(COUNTERS, 0)
    return one


def test_a_worker_reads_around_its_burst(powercap):
    def predict(batch):
        count(powercap, 0, 100 + len(spent))
        spent.append(1)
        return np.zeros((1, 3), np.float32)

    spent: list[int] = []
    burst = held(predict, "onnxruntime", "cpu").burst(requests=5, limit_s=None)
    assert (len(burst["latency_ns"]), burst["energy_uj"]) == (5, 5)  # the request before them left the counter at 100


class NVML(types.ModuleType):
    """Cards whose counters stand at 5 mJ, and read one more each time."""

    class NVMLError(Exception):
        pass

    def __init__(self, *cards: str, counts: bool = True):
        super().__init__("pynvml")
        self.counters, self.counts = dict.fromkeys(cards, 5), counts
        self.nvmlInit = lambda: None
        self.nvmlDeviceGetCount = lambda: len(cards)
        self.nvmlDeviceGetHandleByIndex = lambda index: cards[index]
        self.nvmlDeviceGetHandleByUUID = self.nvmlDeviceGetUUID = lambda name: name

    def nvmlDeviceGetTotalEnergyConsumption(self, card: str) -> int:
        if not self.counts:
            raise self.NVMLError("not supported")
        self.counters[card] += 1
        return self.counters[card]


@pytest.fixture
def nvml(monkeypatch):
    """Let a machine have cards."""

    def install(*cards: str, visible: str | None = None, counts: bool = True) -> None:
        energy.card.cache_clear()
        monkeypatch.setitem(sys.modules, "pynvml", NVML(*cards, counts=counts))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    yield install
    energy.card.cache_clear()


def test_a_gpu_has_the_energy_of_its_own_card(nvml, powercap):
    nvml("GPU-a")
    before = energy.read(energy.NVML)
    assert energy.between(before, energy.read(energy.NVML)) == 1000  # µJ
    nvml("GPU-a", "GPU-b", visible="GPU-b")
    assert energy.read(energy.NVML).keys() == {"GPU-b"}


@pytest.mark.parametrize("visible", [None, "1", "GPU-a,GPU-b"])
def test_of_several_cards_that_may_be_any_one_none_is_counted(nvml, visible):
    nvml("GPU-a", "GPU-b", visible=visible)
    assert energy.read(energy.NVML) == {}


def test_a_card_that_counts_nothing_and_a_machine_without_nvml_tell_nothing(nvml, monkeypatch):
    nvml("GPU-a", counts=False)
    assert energy.read(energy.NVML) == {}
    energy.card.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as where it is not installed
    assert energy.read(energy.NVML) == {}


@pytest.mark.parametrize(
    ("nap_s", "limit_s", "counted"), [(0.0, 0.05, False), (0.0, None, False), (0.02, None, True), (0.02, 0.06, True)]
)
def test_a_burst_too_short_for_a_card_s_counter_has_no_energy(nvml, monkeypatch, nap_s, limit_s, counted):
    monkeypatch.setitem(energy.SHORTEST_S, energy.NVML, 0.06)
    nvml("GPU-a")

    def predict(batch):
        time.sleep(nap_s)
        return np.zeros((1, 3), np.float32)

    burst = held(predict, "onnxruntime@cuda", "gpu").burst(requests=5, limit_s=limit_s)
    assert (burst["energy_uj"] is not None) == counted


COUNTERS = ("wall_s", "own_cpu_s", "involuntary_switches", "major_faults", "minor_faults")


def test_a_session_has_the_energy_of_its_requests_or_none():
    def session(*energies):
        rounds = [{"latency_ns": {"a": [1, 1]}, "energy_uj": {"a": value}} for value in energies]
        return {"rounds": rounds}

    assert measurements.energy_mj(session(3000, 5000), "a") == 2.0
    assert measurements.energy_mj(session(3000, None), "a") is None
    assert measurements.energy_mj({"rounds": [{"latency_ns": {"a": [1]}}]}, "a") is None  # of an older record
