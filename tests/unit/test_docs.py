"""The texts for people: lines that fit, links and names of files that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROOT

WIDTH = 120
TEXTS = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
)
HISTORY = "CHANGELOG.md"  # it may name files that are gone
# Texts whose lines are still to be wrapped. The list only gets shorter.
TO_BE_WRAPPED: set[str] = set()

# Texts that still name modules which have moved; likewise.
TO_BE_MENDED: set[str] = set()

# Names of files in the texts are relative to one of these.
BASES = (ROOT, ROOT / "workflow/dliflow", ROOT / "config")
# Names of modules without their folder are looked for anywhere in these.
CODE = ("workflow", "benchmarks", "tests")
# Modules that a run makes.
MADE = {"predict.py", "network.py"}
# What is made by a run or brought by the user, and what stands in an example.
ELSEWHERE = (
    *("results/", "accuracy/", "parity/", "resources/downloads", "resources/imagenet"),
    *("data/mine", "config/mine.yaml", "config/try.yaml", "models/mine", "some/", "val/", "val_synsets/"),
    *(".venv/", "try/"),
    # Names of known networks.
    *("torchvision/", "timm/", "keras/", "LIBRARY/NETWORK"),
)


def lines_of_prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside of tables and code, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        if not (fenced or fence or line.startswith("    ") or line.lstrip().startswith("|")):
            yield number, line
        fenced ^= fence


def long_lines(name: str) -> list[str]:
    lines = lines_of_prose((ROOT / name).read_text(encoding="utf-8"))
    return [f"{name}:{number}: {len(line)} characters" for number, line in lines if len(line) > WIDTH]


def dead_links(text: str, folder: Path) -> list[str]:
    """Links to files, and to headings in them, that are not there."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = folder / path if path else None
        there = file is None or file.exists()
        if there and heading:
            titles = re.findall(r"^#+ (.+)$", text if file is None else file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            there = heading in anchors
        if not there:
            dead.append(target)
    return dead


def unknown_files(text: str) -> list[str]:
    """Names of modules, and names with a slash, in backticks, that no file or folder of the repository has."""
    unknown = []
    modules = {path.name for folder in CODE for path in (ROOT / folder).rglob("*.py")}
    for code in re.findall(r"`([^`\n]+)`", text):
        for word in code.split():
            name = word.removeprefix("./")
            if re.fullmatch(r"\w+\.py", word) and word not in modules | MADE:
                unknown.append(word)
            if not re.fullmatch(r"(\./\w+|\.?\w[\w.@-]*/)[\w.@/<>*…-]*", word) or name.startswith(ELSEWHERE):
                continue
            known = re.split(r"[^/]*[<*…]", name)[0]  # `envs/<name>.yaml`: the folder has to be there
            if not any((base / known).exists() for base in BASES):
                unknown.append(name)
    return unknown


def no_programs(text: str) -> list[str]:
    """Files of this repository that a command runs, as `python benchmarks/study.py` does, and that are no programs."""
    named = re.findall(r"\bpython\s+((?:benchmarks|tests)/[\w/]+\.py)", text)
    return [name for name in named if not (ROOT / name).exists() or "__main__" not in (ROOT / name).read_text()]


@pytest.mark.parametrize("name", [*TEXTS, HISTORY])
def test_lines_fit_and_what_fits_stays_so(name):
    too_long = long_lines(name)
    if name in TO_BE_WRAPPED:
        assert too_long, f"{name} is wrapped now: take it off the list TO_BE_WRAPPED"
    else:
        assert too_long == []


@pytest.mark.parametrize("name", [*TEXTS, HISTORY])
def test_links_lead_somewhere(name):
    assert dead_links((ROOT / name).read_text(encoding="utf-8"), (ROOT / name).parent) == []


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_exist(name):
    unknown = unknown_files((ROOT / name).read_text(encoding="utf-8"))
    if name in TO_BE_MENDED:
        assert unknown, f"{name} is mended now: take it off the list TO_BE_MENDED"
    else:
        assert unknown == []


@pytest.mark.parametrize("name", TEXTS)
def test_commands_run_programs(name):
    assert no_programs((ROOT / name).read_text(encoding="utf-8")) == []


def test_the_checks_find_what_they_look_for():
    long = "x" * (WIDTH + 1)
    text = f"{long}\n| {long} |\n```\n{long}\n```\n    {long}\n{long}\n"
    assert [number for number, _ in lines_of_prose(text) if len(_) > WIDTH] == [1, 7]
    links = "[a](method.md) [b](metod.md) [c](https://a.example/x) [d](method.md#no-such) [e](#a-title)\n# A title\n"
    assert dead_links(links, ROOT / "docs") == ["metod.md", "method.md#no-such"]
    right = "`envs/<name>.yaml` `lock.py` `results/x` `a / b` `./dliflow doctor` `.ci/run` `models/` `1/x+2`"
    assert unknown_files(right) == []
    assert unknown_files("`env/<name>.yaml` `stages/doctor.py --x` `./dlflow` `lok.py`") == [
        "env/<name>.yaml",
        "stages/doctor.py",
        "dlflow",
        "lok.py",
    ]
    programs = "`python benchmarks/study.py 3`\n    .venv/bin/python\ntests/faults/kils.py tests/project.py"
    assert no_programs(f"{programs}; python tests/project.py") == ["tests/faults/kils.py", "tests/project.py"]
