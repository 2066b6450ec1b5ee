"""The frameworks behind the figures."""

from __future__ import annotations

from typing import Any

from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Listing

HEADINGS = [
    Heading("Version", "That gave figures, as the framework itself tells.", number=False),
    Heading("Environment", "Digest of its pinned packages (envs/): another pin is another environment, and measures "
            "anew.", number=False),
]  # fmt: skip


def listing(versions: dict[str, list[str]], about: dict[str, Any]) -> Listing:
    """Every framework, and the anchor's environment."""
    digests = about["environments"]
    lines = [
        Line(f"version-{name}", name, {"framework": name}, [
            Cell(names.listed(versions.get(name, [])) or units.EMPTY, why="" if versions.get(name) else "nothing ran"),
            Cell(digests[name]) if name in digests else Cell(units.EMPTY, why="not of this study’s environments"),
        ])
        for name in dict.fromkeys([*versions, *digests])
    ]  # fmt: skip
    return Listing("versions", "Versions", HEADINGS, lines, {}, named="Framework")
