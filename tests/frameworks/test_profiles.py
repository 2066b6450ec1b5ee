"""Every profiler, in its framework's environment, on the real model that the study converted."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import answer
from project import ROOT
from test_contract import CASES, CONFIG

from dliflow import conversion, files, profiling
from dliflow.study import config, paths

SCRIPT = Path(__file__).with_name("profiles.py")
PROFILED = [case for case in CASES if case[0] in profiling.names()]


@pytest.fixture(scope="module")
def seen(study, outcomes):
    """What the script tells of a case; one process for each framework and batch size."""
    told = {}
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]

    def asked(framework, variant, precision, batch_size):
        converter = study.digest(conversion.converter(framework, precision))
        known = {"model": "efficientnet_lite0", "precision": precision, "converter": converter}
        model = files.payload(study.folder / study.path(paths.CONVERTED, framework, **known))
        case = {"framework": framework, "variant": variant, "precision": precision, "batch_size": batch_size}
        return {**case, "model": str(model), "array": str(array), "entry": entry}

    def ask(framework, variant, precision, batch_size):
        if (framework, batch_size) not in told:
            cases = {"-".join(case): asked(*case, batch_size) for case in PROFILED if case[0] == framework}
            told[framework, batch_size] = outcomes(framework, SCRIPT, cases)
        outcome = answer(told[framework, batch_size][f"{framework}-{variant}-{precision}"])
        for reason in ("skip", "profiler_skips"):
            if reason in outcome:
                pytest.skip(outcome[reason])
        return outcome

    return ask


@pytest.mark.parametrize("case", PROFILED, ids="-".join)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_profiler_tells_of_each_request_and_changes_no_score(seen, case, batch_size):
    result = seen(*case, batch_size)
    assert result["requests"] == 5
    assert result["alike"] and result["operators"] > 10
    assert result["difference"] == pytest.approx(0, abs=1e-4)
    assert 0.05 < result["covered"] < 20  # the same unit as the request's; how much on a busy machine, nobody knows
    assert any("conv" in kind.lower() for kind in result["types"]), result["types"]
    assert result["int8"] > 0.3 if case[2] == "int8" else result["int8"] == 0
    assert Path("/dev/null").is_char_device()  # MXNet's profiler removes the file that it is given to write to
