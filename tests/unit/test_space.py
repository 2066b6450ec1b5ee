"""What can be set in each framework: declared whole, and which settings are worth trying on a machine."""

from __future__ import annotations

import difflib

import pytest
import yaml
from project import ROOT

from dliflow import frameworks
from dliflow.machine import facts
from dliflow.study import launch_parameters

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
VNNI = frozenset({"avx2", "avx512f", "avx512_vnni"})
MACHINES = {
    "one core": facts.Processors(1, 1, frozenset({"avx2"}), hybrid=False),
    "two cores": facts.Processors(2, 2, VNNI, hybrid=False),
    "eight cores with SMT": facts.Processors(8, 16, VNNI, hybrid=False),
    "hybrid": facts.Processors(10, 12, frozenset({"avx2", "avx_vnni"}), hybrid=True),
}
CASES = [
    (name, variant, precision)
    for name in frameworks.names()
    for variant in frameworks.variants(name)
    for precision in PRECISIONS
    if frameworks.load(name).supports(precision, "cpu") is None
]
STUDIED = yaml.safe_load((ROOT / "config/config.yaml").read_text())["frameworks"]


@pytest.mark.parametrize("name", frameworks.names())
def test_each_parameter_is_declared_whole(name):
    space = frameworks.space(name)
    assert next(iter(space)) == "threads"
    for parameter in space.values():
        assert parameter.meaning
        assert frameworks.fits(parameter.default, parameter)
        assert (parameter.tried is None) == (parameter.code == "")


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("name", frameworks.names())
def test_values_that_are_tried_are_right_ones(name, machine):
    space = frameworks.space(name)
    for key, tried in frameworks.values(name, machine).items():
        assert len(set(tried)) == len(tried)
        for value in tried:
            assert frameworks.fits(value, space[key]), (key, value)
            assert value != space[key].default


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_candidates(case, machine):
    name, variant, precision = case
    every = frameworks.candidates(name, precision, variant, 8, machine)
    assert every[0] == {}
    assert [len(one) for one in every] == sorted(len(one) for one in every)
    assert all(one not in every[:number] for number, one in enumerate(every))
    keys = list(frameworks.space(name))
    for one in every:
        assert one.get("threads", 1) <= machine.cpus
        assert sorted(one, key=keys.index) == list(one)
        assert not one or frameworks.valid(name, one, precision, variant, 8, machine)
        assert frameworks.settings(name, one.get("threads"), {k: v for k, v in one.items() if k != "threads"}) == one
        assert len(frameworks.code(name, one)) >= len(one)


def test_what_is_for_a_gpu_is_tried_there_alone():
    machine = MACHINES["two cores"]
    on_cpu, on_gpu = (
        frameworks.candidates("onnxruntime", "fp32", "default", 8, machine, device) for device in ("cpu", "gpu")
    )
    assert [one for one in on_gpu if one not in on_cpu] == [{"tf32": True}, {"gpu_provider": "TensorRT"}]
    assert [one for one in on_gpu if one in on_cpu] == on_cpu


@pytest.mark.parametrize("case", [case for case in CASES if case[0] in STUDIED], ids="-".join)
def test_a_small_machine_has_few_candidates(case):
    name, variant, precision = case
    for batch_size in (1, 8):
        assert 1 < len(frameworks.candidates(name, precision, variant, batch_size, MACHINES["two cores"])) <= 24


def test_what_is_the_default_is_no_setting():
    assert frameworks.settings("openvino", None, {}) == {}
    assert frameworks.settings("openvino", None, {"streams": 1}) == {}
    assert frameworks.settings("openvino", 3, {"streams": 2}) == {"threads": 3, "streams": 2}


def test_lines_of_code_come_in_the_order_of_the_space():
    assert frameworks.code("openvino", {"streams": 2, "threads": 3}) == [
        'properties["INFERENCE_NUM_THREADS"] = 3',
        'properties["NUM_STREAMS"] = 2',
    ]
    assert frameworks.code("openvino", {}) == []


def test_numbers_of_threads():
    assert frameworks.counts(1) == [1]
    assert frameworks.counts(6) == [1, 2, 4, 6]
    assert frameworks.counts(8) == [1, 2, 4, 8]


def test_the_page_has_every_framework_but_the_one_that_computes_nothing():
    assert set(launch_parameters.studied()) == set(frameworks.names()) - {"null"}


def test_the_page_is_made_of_the_declaration():
    page = (ROOT / "docs/launch-parameters.md").read_text(encoding="utf-8")
    drift = difflib.unified_diff(page.splitlines(), launch_parameters.text().splitlines(), "the page", "declared")
    told = "\n".join(["write it anew: python -m dliflow.study.launch_parameters > docs/launch-parameters.md", *drift])
    assert page == launch_parameters.text(), told


def test_processors_are_those_that_may_be_used(monkeypatch):
    here = facts.processors()
    assert 1 <= here.cores <= here.cpus
    monkeypatch.setattr(facts.os, "sched_getaffinity", lambda _: {0})
    assert facts.processors()[:2] == (1, 1)


@pytest.mark.parametrize(
    ("kernel", "hybrid"),
    [
        ({}, False),
        ({"/sys/devices/cpu_core/cpus": "0-1", "/sys/devices/cpu_atom/cpus": "2-3"}, True),
        ({"/sys/devices/cpu_core/cpus": "0-3", "/sys/devices/cpu_atom/cpus": "4-7"}, False),
        ({f"/sys/devices/system/cpu/cpu{cpu}/cpu_capacity": str(512 + cpu // 2) for cpu in range(4)}, True),
    ],
    ids=["one kind", "Intel's two", "one of Intel's two", "ARM's two"],
)
def test_cores_of_two_kinds(monkeypatch, kernel, hybrid):
    monkeypatch.setattr(facts.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(facts.system, "read", kernel.get)
    assert facts.processors().hybrid == hybrid
