"""Each row of the table of faults names a test that is there and runs in CI; scripts may stand beside it."""

from __future__ import annotations

import re

from project import ROOT

TEXT = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| fault |")]


def test_every_row_is_tried():
    tests = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(ROWS) >= 35
    for row in ROWS:
        *_, names, _ = row.split("|")
        named = re.findall(r"`([^`]+)`", names)
        assert named, row
        for name in named:
            file, _, test = name.partition("::")
            there = f"def {test}(" in tests.get(file, "") if test else (ROOT / file).exists()
            assert there, name
        assert any(runs_in_ci(*name.split("::"), tests) for name in named if "::" in name), f"dear as a whole: {row}"


def runs_in_ci(file: str, test: str, tests: dict[str, str]) -> bool:
    """Whether neither the file nor the test is marked as dear; single cases of it may be."""
    whole = re.search(r"^pytestmark = .*\bdear\b", tests[file], re.MULTILINE)
    alone = re.search(rf"^@pytest\.mark\.dear\n(?:[@ )].*\n)*def {test}\(", tests[file], re.MULTILINE)
    return not whole and not alone
