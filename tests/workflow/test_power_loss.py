"""Files of every kind in a finished study, as a machine can leave them that has lost its power.

What is read again is told by name, before anything runs; what only explains or remembers stops nothing. Payloads, which
are read where they are used, have tests with those of their readers.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dliflow.study import paths

DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
}
MANIFESTS = (paths.MODEL_FILES, paths.INTERCHANGE, paths.REFERENCE, paths.CONVERTED, paths.PARITY, paths.ACCURACY)
MANIFESTS += (paths.SWEEP, paths.ANCHOR, paths.RECOMMENDED, paths.ABOUT, paths.SUMMARY_DATA, *paths.MARKS.values())
READ_BY_PEOPLE = (*paths.TABLES.values(), *paths.PLOT_FILES, *paths.EXPORTS, paths.REPORT, paths.SUMMARY)
NOTES = (".snakemake/metadata/*", "results/logs/**/*.*", "results/nodes/*.json")


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_that_lost_their_contents_are_told_together_or_stop_nothing(finished, damage):
    deployed = [str(path.relative_to(finished.folder)) for path in finished.records("results/deploy/*/*/manifest.json")]
    told = {*map(finished.path, MANIFESTS), *deployed, *(() if damage == "half" else READ_BY_PEOPLE)}
    quiet = [path for pattern in NOTES for path in finished.records(pattern) if path.is_file()]
    assert len(deployed) >= 1 and len(quiet) >= 90
    for path in (*(finished.folder / name for name in told), *quiet):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    output = finished.fail("all", "--dry-run")
    (command,) = (line for line in output.splitlines() if line.startswith("  rm "))
    assert set(shlex.split(command)[1:]) == told
    for name in told:
        Path(finished.folder, name).unlink()
    assert "Traceback" not in finished.run("all", "--dry-run")
