"""The counters of energy, as RAPL has them, in a folder that stands in for /sys/class/powercap."""

from __future__ import annotations

import argparse
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


def test_a_worker_reads_around_its_burst(powercap):
    def predict(batch):
        count(powercap, 0, 100 + len(spent))
        spent.append(1)
        return np.zeros((1, 3), np.float32)

    spent: list[int] = []
    held = worker.Held(
        session.Imported(None, None, Path(), "", 0.0, 0), None, argparse.Namespace(scores=3, device="cpu")
    )
    held.opened, held.batches = session.Opened(predict, {}, 0.0), [np.zeros(1)]
    held.turns, held.counters = iter([0]), dict.fromkeys(COUNTERS, 0)
    burst = held.burst(requests=5, limit_s=None)
    assert (len(burst["latency_ns"]), burst["energy_uj"]) == (5, 5)  # the request before them left the counter at 100


COUNTERS = ("wall_s", "own_cpu_s", "involuntary_switches", "major_faults", "minor_faults")


def test_a_session_has_the_energy_of_its_requests_or_none():
    def session(*energies):
        rounds = [{"latency_ns": {"a": [1, 1]}, "energy_uj": {"a": value}} for value in energies]
        return {"rounds": rounds}

    assert measurements.energy_mj(session(3000, 5000), "a") == 2.0
    assert measurements.energy_mj(session(3000, None), "a") is None
    assert measurements.energy_mj({"rounds": [{"latency_ns": {"a": [1]}}]}, "a") is None  # of an older record
