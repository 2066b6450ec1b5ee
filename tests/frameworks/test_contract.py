"""One contract, every framework file, in its own environment, on the real model that the study converted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from cases import answer
from project import ROOT, python_of

from dliflow import files, frameworks
from dliflow.analysis import load
from dliflow.images import inputs
from dliflow.machine import facts
from dliflow.measuring import feed, workers
from dliflow.study import arguments, config

CONTRACT = Path(__file__).with_name("contract.py")
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
EVERY = yaml.safe_load((ROOT / "config/all_frameworks.yaml").read_text())["frameworks"]
DEVICE = "cpu"
LAUNCH = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
WARM_UP = {"requests": 20, "limit_s": 0.5}
LIMIT_S = 600.0  # of an answer, on a busy machine too
CASES = [
    (framework, variant, precision)
    for framework in EVERY
    for variant in frameworks.variants(framework)
    for precision in CONFIG["precisions"]
    if frameworks.load(framework).supports(precision, DEVICE) is None
]
# Of the variants that a study has to name; PyTorch's `compiled` takes a minute to convert: test_cpp_programs.py.
CASES += [("tflite", "compiled_model", precision) for precision in frameworks.more_variants("tflite")["compiled_model"]]
# How far scores of this model, between -10 and 20, may move when the batch size changes the order of additions.
BATCH_EFFECT = {"fp32": 1e-3, "fp16": 1e-3, "bf16": 2.0, "int8": 2.0}


@pytest.fixture(scope="module")
def found(study, converted, outcomes):
    """What the contract's script tells of a case; one process for each framework and number of threads."""
    told = {}
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]

    def asked(framework, variant, precision, count):
        model = files.payload(converted(framework, precision))
        case = {"framework": framework, "variant": variant, "precision": precision, "count": count}
        return {**case, "model": str(model), "array": str(array), "entry": entry}

    def ask(framework, variant, precision, count=2):
        if (framework, count) not in told:
            cases = {"-".join(case): asked(*case, count) for case in CASES if case[0] == framework}
            told[framework, count] = outcomes(framework, CONTRACT, cases)
        outcome = answer(told[framework, count][f"{framework}-{variant}-{precision}"])
        if "skip" in outcome:
            pytest.skip(outcome["skip"])
        return outcome

    return ask


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_scores_and_batches(found, case):
    result = found(*case)
    assert result["shape"] == [8, 1000]
    assert result["dtype"] == "float32"
    assert result["deterministic"]
    assert result["input_untouched"]
    assert result["batch_effect"] < BATCH_EFFECT[case[2]]
    assert result["agreement"] >= 7 / 8
    assert result["version"]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_scores_of_requests_in_flight_together_are_those_of_one_by_one(found, case):
    effect = found(*case)["concurrent_effect"]
    if frameworks.concurrency(case[0]) == "processes":
        assert effect is None
    else:
        assert effect < 1e-4  # mostly the same bits


@pytest.mark.parametrize("framework", EVERY)
def test_two_requests_are_in_flight_in_the_framework_s_own_way(study, converted, environments, framework):
    """By the worker that the workflow starts; what is outstanding is the rate times the latency (Little's law)."""
    mode = frameworks.concurrency(framework)
    if mode == "processes" and facts.physical_cores() < 2:
        pytest.skip("the machine has one core")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    held = {"model": "efficientnet_lite0", "framework": framework, "variant": frameworks.variants(framework)[-1]}
    held |= {"precision": "fp32", "device": DEVICE, "scores": 1000, "launch": LAUNCH, "mode": mode}
    held |= {"converted": converted(framework)}
    with feed.shared(inputs.make(inputs.read(array, slice(8)), entry)) as images:
        command = arguments.worker(python_of(framework, environments), images, **held)
        command = ["env", f"PYTHONPATH={ROOT / 'workflow'}", *command]
        with workers.started({"it": command}, [images], LIMIT_S) as (running, ready):
            assert "skip" not in ready["it"]
            opened = running["it"].ask({"open": {"batch_size": 1, "warm_up": WARM_UP, "in_flight": 2}}, LIMIT_S)
            burst = running["it"].ask({"burst": {"requests": 10_000, "limit_s": 0.5}}, LIMIT_S)
            closed = running["it"].ask({"close": {}}, LIMIT_S)
    assert (opened["in_flight"], opened["mode"]) == (2, mode)
    window = load.busy({key: {"it": values} for key, values in burst.items()}, "it")
    assert sorted(set(burst["lane"])) == [0, 1]
    # Two, but for what a busy machine lets pass between a request and the next: never one.
    assert 1.3 < window.requests * window.latency_ns.mean() / window.wall_ns < 2.2
    assert closed["peak_rss_mib"] > 0
    if mode == "processes":
        assert len(set(closed["pinned"])) == 2


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_as_many_as_asked_for(found, case, threads):
    if len(os.sched_getaffinity(0)) < threads:
        pytest.skip("the machine has fewer cores")
    result = found(*case, threads)
    assert result["threads"] == threads
    assert result["busy_threads"] == threads
    assert result["processor_share"] <= threads * 1.1


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_an_unknown_option_is_refused(found, case):
    assert f"options.{case[0]}.no_such_option: unknown option" in found(*case)["refused"]


def test_every_framework_is_tried():
    assert set(CONFIG["frameworks"]) < set(EVERY) == set(frameworks.names()) - {"null"}


@pytest.mark.parametrize("framework", frameworks.names())
def test_what_is_not_supported_has_a_reason(framework):
    module = frameworks.load(framework)
    assert module.supports("fp32", DEVICE) is None
    for precision in ("fp32", "fp16", "bf16", "int8"):
        reason = module.supports(precision, "gpu")
        assert reason is None or len(reason) > 10
    assert frameworks.variants(framework)
