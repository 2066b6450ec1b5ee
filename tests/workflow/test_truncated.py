"""A file of a finished study that has lost its end, as a machine leaves it that has lost its power.

`DLIFLOW_TEST_DEAR=1 DLIFLOW_FUZZ_EXAMPLES=50 pytest tests/workflow/test_truncated.py` takes so many files by chance;
one is taken where no number is given, as in CI.
"""

from __future__ import annotations

import os
import random
import re

import pytest

from dliflow.study import paths

EXAMPLES = int(os.environ.get("DLIFLOW_FUZZ_EXAMPLES", "1"))
NUMBERS = [0, *(pytest.param(number, marks=pytest.mark.dear) for number in range(1, EXAMPLES))]
NAMED = re.compile(r"(?:delete |rm (?:-r )?)(results/\S+?)(?=[,;]| to |\s|$)")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_file_without_its_end_is_made_again_or_told(finished, number):
    """Whatever it is: told with what to delete, after which the study is whole again; or made again; or not read."""
    chance = random.Random(number)
    results = finished.folder / "results"
    files = sorted(path for path in results.rglob("*") if path.is_file() and path.stat().st_size)
    path = chance.choice(files)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * chance.choice([0, 0.5, chance.random()]))])
    result = finished.snakemake("all")
    assert "Traceback" not in result.stdout, result.stdout
    if result.returncode:
        assert path.name in result.stdout
        for name in {*NAMED.findall(result.stdout)}:
            (finished.folder / name).unlink(missing_ok=True)
        finished.run("all")
    assert {row["status"] for row in finished.table("performance")} == {"ok"}
    assert (finished.folder / paths.MARKS["report"]).exists()
