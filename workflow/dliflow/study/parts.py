"""The parts of a study, by which it is told what is done, what it took and what is left."""

from __future__ import annotations

PARTS = {
    "environments": ("environment", "interpreter"),
    "inputs": ("fetch", "images", "subset", "prepare", "calibration", "anchor"),
    "conversion": ("export", "reference", "convert", "library", "build"),
    "evaluation": ("parity", "accuracy"),
    "measuring": ("sweep", "throughput", "tune", "compare", "rounds", "profile"),
    "reporting": ("tables", "plots", "export_tables", "report", "recommend", "deploy", "operators"),
}
OTHER = "other"
ALONE = "measuring"  # whose jobs have the machine to themselves
BY_STAGE = {stage: part for part, stages in PARTS.items() for stage in stages}


def part_of(stage: str) -> str:
    """The part that a stage belongs to."""
    return BY_STAGE.get(stage, OTHER)
