"""Each row of the table of faults names a test or a script that is there."""

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
