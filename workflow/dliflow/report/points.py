"""The rows behind the charts, as the page embeds them: what is quoted, in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from dliflow.analysis.ranking import Figure
from dliflow.analysis.rows import Row, Rows, key
from dliflow.report import canvas, names, pareto
from dliflow.report.conclusion import Batch, Setting
from dliflow.report.read import CONFIGURATION, Tables


def rows(tables: Tables, settings: list[Setting]) -> dict[str, Rows]:
    """By the name that a chart asks for."""
    return {
        "points": points(tables, settings),
        "tuned": tuned(tables),
        "load": load(tables),
        "versions": versions(settings),
    }


def points(tables: Tables, settings: list[Setting]) -> Rows:
    """Every configuration with figures at every batch size, from the fastest of each on."""
    looks = canvas.looks(tables)
    quality = {key(row, CONFIGURATION): row for row in reversed(tables.accuracy) if row["status"] == "ok"}
    return [point for setting in settings for batch in setting.batches for point in of_batch(batch, quality, looks)]


def of_batch(batch: Batch, quality: dict[tuple, Row], looks: dict[tuple, canvas.Look]) -> Rows:
    """One batch size of a setting."""
    rows = []
    for entry in batch.entries:
        row = entry.standing.row
        good = quality.get(key(row, CONFIGURATION), {})
        rows.append(
            {
                **drawn_as(row, looks),
                **ended("latency", entry.standing.latency),
                **ended("fps", entry.standing.fps),
                "verdict": "doubtful" if batch.doubtful else entry.verdict,
                **shares("top1", good, "top1"),
                **shares("agreement", good, "unlabelled_agreement"),
            }
        )
    for name in ("top1", "agreement"):
        for point, place in zip(rows, pareto.places(rows, name)):
            point[f"{name}_front"] = place
    return rows


def drawn_as(row: Row, looks: dict[tuple, canvas.Look]) -> Row:
    """What every chart has to know of a row of performance.csv."""
    return {
        "anchor": names.anchor(row),
        "name": names.configuration(row),
        "setting": names.place(row),
        "model": row["model"],
        "framework": row["framework"],
        "precision": row["precision"],
        "batch": row["batch_size"],
        "filled": float(looks[canvas.look_key(row)].filling == "full"),
    }


def ended(name: str, figure: Figure) -> dict[str, Optional[float]]:
    """A figure and the ends of its interval."""
    low, high = figure.interval or (None, None)
    return {name: figure.value, f"{name}_low": low, f"{name}_high": high}


def shares(name: str, row: Row, column: str) -> dict[str, Optional[float]]:
    """A share of accuracy.csv with its interval, in percent."""
    columns = {name: column, f"{name}_low": f"{column}_ci_low", f"{name}_high": f"{column}_ci_high"}
    return {key_: None if row.get(of) is None else 100 * row[of] for key_, of in columns.items()}


def tuned(tables: Tables) -> Rows:
    """Tuned launch parameters against the defaults, where they were shown to be faster."""
    looks = canvas.looks(tables)
    good = [row for row in tables.performance if row["status"] == "ok" and row["parameters"] == "tuned"]
    return [
        drawn_as(row, looks)
        | {"name": f"{names.configuration(row)}, batch size {row['batch_size']}", "ratio": row["tuned_ratio"]}
        | {f"ratio_{end}": row[f"tuned_ratio_ci_{end}"] for end in ("low", "high")}
        for row in good
    ]


def load(tables: Tables) -> Rows:
    """Throughput with several requests in flight."""
    looks = canvas.looks(tables)
    good = [row for row in tables.throughput if row["status"] == "ok"]
    return [
        drawn_as(row, looks)
        | {"in_flight": row["in_flight"], "images_per_s": row["images_per_s"], "knee": row["knee"]}
        | {f"images_per_s_{end}": row[f"images_per_s_ci_{end}"] for end in ("low", "high")}
        for row in good
    ]


def versions(settings: list[Setting]) -> Rows:
    """New versions of a framework against old ones, as they took turns; none of where the machine was too busy."""
    return [
        {
            "name": f"{gain.first} {version.new} / {version.old}, batch size {gain.row['batch_size']}",
            "setting": setting.name,
            "framework": version.framework,
            "precision": names.parts(gain.row["first"])["precision"],
            "batch": gain.row["batch_size"],
            "filled": 1.0,
            **ended("ratio", gain.ratio),
        }
        for setting in settings
        if not setting.doubtful
        for version in setting.versions
        for gain in version.gains
    ]


def compact(rows: Iterable[Row]) -> dict[str, Any]:
    """Rows as their columns' names once and a list of values each, numbers to four digits: a third of the bytes."""
    every = list(rows)
    columns = list(every[0]) if every else []
    values = [[float(f"{value:.4g}") if isinstance(value, float) else value for value in row.values()] for row in every]
    return {"columns": columns, "rows": values}
