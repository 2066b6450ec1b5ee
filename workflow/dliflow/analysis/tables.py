"""The tables: rows from the plan, figures from the records. Columns and units are described in docs/tables.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd

from dliflow import sources
from dliflow.analysis import baselines, chance, doubts, stats
from dliflow.analysis import comparison as comparisons
from dliflow.records import record
from dliflow.study import plan

Rows = list[dict[str, Any]]

ACCEPTED_LOSS = 0.01  # of top-1, by compression; the bound that the methodology sets

PARITY = (
    *("model", "framework", "framework_version", "variant", "precision", "device", "images"),
    *("max_abs_score_diff", "max_rel_score_diff", "agreement", "tolerance", "status", "reason"),
    *("score_distance", "distance_bound", "agreement_bound"),
)
ACCURACY = (
    *("model", "dataset", "framework", "framework_version", "variant", "precision", "device", "images"),
    *("top1", "top1_ci_low", "top1_ci_high", "top5", "top5_ci_low", "top5_ci_high"),
    *("baseline", "baseline_reason", "top1_change", "top1_change_ci_low", "top1_change_ci_high"),
    *("mcnemar_p", "agreement", "verdict"),
    *("max_abs_score_diff", "status", "reason", "warnings"),
    *("published_top1", "published_top5", "published_source"),
)
CONFIGURATION = (
    *("model", "framework", "variant", "precision", "device", "node"),
    *("scenario", "parameters", "batch_size"),
)
PERFORMANCE = (
    *("model", "framework", "framework_version", "variant", "precision", "device", "node"),
    *("scenario", "parameters", "batch_size", "threads", "threads_in_effect", "status", "reason"),
    *("latency_p50_ms", "latency_ci_low_ms", "latency_ci_high_ms", "latency_p90_ms", "latency_p95_ms"),
    *("latency_p99_ms", "fps", "import_ms", "load_ms", "first_request_ms", "peak_rss_mib", "model_bytes"),
    *("requests", "repetitions", "warnings", "launch", "pacer_ms"),
    *("latency_over_pacer", "latency_over_pacer_ci_low", "latency_over_pacer_ci_high"),
)
MEASUREMENTS = (
    *("model", "framework", "framework_version", "variant", "precision", "device", "node"),
    *("scenario", "parameters", "batch_size", "repetition", "threads", "threads_in_effect", "status", "reason"),
    *("latency_p50_ms", "latency_mean_ms", "latency_mad_ms", "latency_min_ms", "latency_max_ms", "fps"),
    *("fps_wall", "requests", "warmup_requests", "warmup_ms", "stopped_by", "import_ms", "load_ms", "first_request_ms"),
    *("warmup_stopped_by", "latency_half_width", "drift", "drift_p"),
    *("peak_rss_mib", "inputs_mib", "model_bytes", "others_cpu_s", "steal_s", "involuntary_switches"),
    *("major_faults", "probe_before_ms", "probe_after_ms", "cpu", "hostname", "finished_at", "record"),
    *("distinct_batches", "inputs_exceed_cache", "launch", "pacer_ms", "pacer", "process_ms"),
    "taken_share",
)
COMPARISON = (
    *("model", "device", "node", "scenario", "batch_size", "purpose", "first", "first_version", "second"),
    *("second_version", "ratio", "ratio_ci_low", "ratio_ci_high", "verdict", "groups", "rounds", "stopped_by"),
    *("fast_ratio", "fast_ci_low", "fast_ci_high", "slow_ratio", "slow_ci_low", "slow_ci_high"),
    *("status", "reason", "warnings", "record", "launch", "first_peak_rss_mib", "second_peak_rss_mib", "missing"),
    "taken_share",
)
ROUNDS = (
    *("model", "device", "node", "scenario", "batch_size", "group", "round", "turn", "configuration"),
    *("latency_p50_ms", "requests", "probe_ms", "pacer_ms", "record"),
)

DISTURBANCES = ("others_cpu_s", "steal_s", "involuntary_switches", "major_faults")


def _identity(row: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The plan's identity, completed from the record where there is one."""
    known = {key: value for key, value in row.items() if key not in ("needs", "record", "reason", "unmade")}
    recorded = found["record"]["identity"] if found["record"] else {}
    return {**known, **recorded, "status": found["status"], "reason": found["reason"]}


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return found["record"]["figures"] if found["record"] and found["status"] == "ok" else {}


def parity(study_plan: dict[str, Any]) -> Rows:
    """One row for each configuration."""
    outcomes = [(row, record.outcome(row)) for row in study_plan["parity"]]
    return [{**_identity(row, found), **_figures(found)} for row, found in outcomes]


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[key] for key in plan.IDENTITY)


def _published(figures: Optional[dict[str, Any]]) -> dict[str, Any]:
    """The publisher's figures as shares, where an entry has them."""
    found = figures or {}
    shares: dict[str, Any] = {key: found[key] / 100 for key in ("top1", "top5") if key in found}
    return {**shares, "source": found.get("source", "")}


def accuracy(study_plan: dict[str, Any], parity_rows: Rows, models: dict[str, dict[str, Any]]) -> Rows:
    """One row for each configuration, with intervals, and the change against its baseline on the same images.

    Args:
        models: for each model what `plan.described` tells.
    """
    differences = {_key(row): row for row in parity_rows}
    rows: Rows = []
    evaluated: dict[tuple, pd.DataFrame] = {}
    for planned in study_plan["accuracy"]:
        found = record.outcome(planned)
        row, figures = _identity(planned, found), _figures(found)
        row["max_abs_score_diff"] = differences[_key(row)].get("max_abs_score_diff")
        model = models[row["model"]]
        row.update({f"published_{key}": value for key, value in _published(model["published"]).items()})
        rows.append(row)
        if figures:
            images = figures["images"]
            row["images"] = images
            row["warnings"] = chance.warning(figures["top1_right"], images, model["classes"]) or ""
            for name in ("top1", "top5"):
                row[name] = figures[f"{name}_right"] / images
                row[f"{name}_ci_low"], row[f"{name}_ci_high"] = stats.share_interval(figures[f"{name}_right"], images)
        _fail_with_parity(row, differences[_key(row)])
        if figures and row["status"] == "ok":
            evaluated[_key(row)] = baselines.predictions(Path(planned["record"]).with_name(figures["predictions"]))
    states = {_key(row): row["status"] for row in rows}
    for row in rows:
        if row["status"] == "ok":
            row.update(_change(row, evaluated, states, models[row["model"]]))
    return rows


def _change(
    row: dict[str, Any], evaluated: dict[tuple, pd.DataFrame], states: dict[tuple, str], model: dict[str, Any]
) -> dict[str, Any]:
    """The columns that compare a good row with its baseline, or why there is none.

    Args:
        evaluated: the predictions of all rows that are well.
        states: the status of all rows.
    """
    own = evaluated[_key(row)]

    def unfit(key: tuple) -> Optional[str]:
        if key in evaluated:
            return baselines.differing(own, evaluated[key])
        return states.get(key, "is not in the study").replace("skipped", "was skipped")

    key, reason = baselines.choose(_key(row), sources.load(model["format"]).FRAMEWORK, unfit)
    if key is None:
        return {"baseline_reason": reason}
    base = evaluated[key]
    right, base_right = own["class1"] == own["label"], base["class1"] == base["label"]
    lost, won, images = int((base_right & ~right).sum()), int((right & ~base_right).sum()), len(own)
    low, high = stats.paired_change_interval(won, lost, images)
    guessing = chance.warning(int(base_right.sum()), images, model["classes"])
    return {
        "baseline": baselines.name(key),
        "baseline_reason": reason,
        "top1_change": (won - lost) / images,
        "top1_change_ci_low": low,
        "top1_change_ci_high": high,
        "mcnemar_p": stats.mcnemar_p(won, lost),
        "agreement": float((own["class1"] == base["class1"]).mean()),
        "verdict": "cannot tell: the baseline looks like chance" if guessing else verdict(low, high, images),
    }


def verdict(low: float, high: float, images: int) -> str:
    """Whether the loss of top-1 exceeds what the methodology accepts, as far as the interval of the change tells."""
    if high < -ACCEPTED_LOSS:
        return f"loses more than {ACCEPTED_LOSS:.0%}"
    if low >= -ACCEPTED_LOSS:
        return f"loses no more than {ACCEPTED_LOSS:.0%}"
    return f"cannot tell with {images} images"


def _fail_with_parity(row: dict[str, Any], parity_row: dict[str, Any]) -> None:
    """Figures of what is not known to be the same network are not believed: the row fails with parity's reason."""
    if parity_row["status"] != "ok" and row["status"] == "ok":
        skipped = "parity was skipped: " if parity_row["status"] == "skipped" else ""
        row["status"], row["reason"] = "failed", f"{skipped}{parity_row['reason']}"


def measurements(study_plan: dict[str, Any]) -> tuple[Rows, dict[tuple, list[np.ndarray]]]:
    """One row for each measuring process; and the durations in ms by configuration, for the next table."""
    rows: Rows = []
    samples: dict[tuple, list[np.ndarray]] = {}
    for planned in study_plan["latency"]:
        found = record.outcome(planned)
        row, figures = {**_identity(planned, found), "record": planned["record"]}, _figures(found)
        rows.append(row)
        if not figures:
            continue
        durations = np.array(figures["latency_ns"]) / 1e6
        samples.setdefault(tuple(row[key] for key in CONFIGURATION), []).append(durations)
        median = float(np.median(durations))
        row.update(
            {key: figures.get(key) for key in ("stopped_by", "import_ms", "load_ms", "first_request_ms")},
            **{key: figures[key] for key in ("warmup_stopped_by", "drift", "drift_p")},
            latency_half_width=doubts.half_width(figures["interval_ns"], figures["latency_ns"]),
            process_ms=found["record"]["process_ms"],
            **{key: figures.get(key) for key in ("peak_rss_mib", "inputs_mib", "model_bytes")},
            **{key: figures.get(key) for key in ("distinct_batches", "inputs_exceed_cache")},
            launch=launch(found["record"]),
            requests=len(durations),
            warmup_requests=len(figures["warmup_ns"]),
            warmup_ms=sum(figures["warmup_ns"]) / 1e6,
            latency_p50_ms=median,
            latency_mean_ms=float(durations.mean()),
            latency_mad_ms=float(np.median(np.abs(durations - median))),
            latency_min_ms=float(durations.min()),
            latency_max_ms=float(durations.max()),
            fps=row["batch_size"] / median * 1e3,
            fps_wall=row["batch_size"] * len(durations) / figures["wall_ms"] * 1e3,
            **{key: figures["disturbance"][key] for key in DISTURBANCES},
            **{
                name: doubts.probe_ms(figures[name.replace("_ms", "_ns")]) if figures["at_rest"] else None
                for name in ("probe_before_ms", "probe_after_ms")
            },
            pacer_ms=doubts.pacer_ms(figures),
            pacer=doubts.pacer(figures),
            doubts={
                **figures,
                **{key: row[key] for key in ("batch_size", "threads_in_effect")},
                "usable_cpus": found["record"]["machine"]["usable_cpus"],
                "launch": found["record"]["launch"],
            },
            taken_share=doubts.taken_share([{**figures, "usable_cpus": found["record"]["machine"]["usable_cpus"]}]),
            cpu=found["record"]["machine"]["cpu"],
            hostname=found["record"]["machine"]["hostname"],
            finished_at=found["record"]["finished_at"],
        )
    return rows, samples


def _over_pacer(rows: Rows) -> dict[str, Optional[float]]:
    """What the pacer took, and latency over that with its interval; over repetitions, as the latency itself."""
    name = "latency_over_pacer"
    if any(row["pacer_ms"] is None for row in rows):
        return {}
    ratios = [np.array([row["latency_p50_ms"] / row["pacer_ms"]]) for row in rows]
    low, high = stats.latency_interval(ratios) or (None, None)
    pace = stats.latency([np.array([row["pacer_ms"]]) for row in rows])
    return {"pacer_ms": pace, name: stats.latency(ratios), f"{name}_ci_low": low, f"{name}_ci_high": high}


def launch(record: dict[str, Any]) -> str:
    """How a process was launched and fed where that is not the default, in few words."""
    figures, told = record["figures"], _placed(record["launch"]["asked"])
    told += ["random inputs"] if figures["inputs"] == "random" else []
    most = figures["distinct_asked"]
    return "; ".join([*told, *([f"{most} distinct input{'s' if most > 1 else ''}"] if most else [])])


def _placed(asked: dict[str, Any]) -> list[str]:
    """What of the config's `launch` is not the default, in words."""
    words = {"cpus": "cpus", "numa_node": "NUMA node", "priority": "nice"}
    placed = [f"{word} {asked[key]}" for key, word in words.items() if asked[key] is not None]
    return placed + [f"{name}={value}" for name, value in asked["environment"].items()]


def _warnings(repetitions: Sequence[np.ndarray], rows: Rows) -> str:
    found = []
    if len(repetitions) < 2:
        found.append("one repetition: no interval; set latency.repetitions to 2 or more")
    medians = [float(np.median(values)) for values in repetitions]
    if max(medians) > 1.2 * min(medians):
        found.append(
            f"repetitions differ: medians {min(medians):.2f} to {max(medians):.2f} ms; raise latency.repetitions"
        )
    fewest = min(map(len, repetitions))
    if fewest < 20:
        found.append(f"only {fewest} requests in a repetition; raise latency.limit_s")
    if len({row["launch"] for row in rows}) > 1:
        found.append("repetitions were launched in different ways; run the workflow again to its end")
    if len({row["cpu"] for row in rows}) > 1:
        found.append("repetitions come from different CPU models under one node name; give each machine its own")
    found += doubts.goals([row["doubts"] for row in rows])
    found += doubts.launches([row["doubts"] for row in rows])
    found += doubts.disturbances([row["doubts"] for row in rows])
    return "; ".join(found)


def performance(rows: Rows, samples: dict[tuple, list[np.ndarray]], parity_rows: Rows) -> Rows:
    """One row for each configuration and batch size, its repetitions pooled."""
    differences = {_key(row): row for row in parity_rows}
    groups: dict[tuple, Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in CONFIGURATION), []).append(row)
    table = []
    for key, group in groups.items():
        good = [row for row in group if row["status"] == "ok"]
        failed = next((row for row in group if row["status"] == "failed"), None)
        first = failed or (good or group)[0]
        row = {name: first.get(name) for name in (*CONFIGURATION, "framework_version", "threads", "status", "reason")}
        table.append(row)
        if good:
            interval = stats.latency_interval(samples[key]) or (None, None)
            latency = stats.latency(samples[key])
            row.update(
                {
                    name: good[0].get(name)
                    for name in ("framework_version", "threads", "threads_in_effect", "model_bytes", "launch")
                },
                **{f"latency_p{p}_ms": stats.percentile(samples[key], p) for p in (90, 95, 99)},
                **{
                    name: float(np.median([r[name] for r in good]))
                    for name in ("import_ms", "load_ms", "first_request_ms")
                },
                **_over_pacer(good),
                latency_p50_ms=latency,
                latency_ci_low_ms=interval[0],
                latency_ci_high_ms=interval[1],
                fps=row["batch_size"] / latency * 1e3,
                peak_rss_mib=max((r["peak_rss_mib"] for r in good if r["peak_rss_mib"] is not None), default=None),
                requests=sum(map(len, samples[key])),
                repetitions=len(good),
                warnings=_warnings(samples[key], good),
            )
        if failed and good:
            row["reason"] = f"{len(group) - len(good)} of {len(group)} repetitions: {failed['reason']}"
        _fail_with_parity(row, differences[_key(row)])
    return table


def comparison(study_plan: dict[str, Any], parity_rows: Rows) -> Rows:
    """One row for each pair that a comparison in rounds was to decide; one without figures where it did not run."""
    differing = {_key(row): row for row in parity_rows if row["status"] == "failed"}
    rows: Rows = []
    for planned in study_plan["compare"]:
        found = record.compared(planned)
        row = {**_identity(planned, found), "record": found.get("path", planned["record"])}
        figures = _figures(found)
        if not figures:
            rows.append(row)
            continue
        usable_cpus = found["record"]["machine"]["usable_cpus"]
        for pair in figures["pairs"]:
            rows.append({**row, **_pair(figures, comparisons.Pair(**pair), usable_cpus)})
            for member in (pair["first"], pair["second"]):
                _fail_with_parity(rows[-1], differing.get(_key(figures["members"][member]), {"status": "ok"}))
    return rows


def _pair(figures: dict[str, Any], pair: comparisons.Pair, usable_cpus: int) -> dict[str, Any]:
    groups, members = figures["groups"], figures["members"]
    found = comparisons.ratio(comparisons.log_ratios(groups, pair))
    states = comparisons.states(groups, pair)
    return {
        **pair._asdict(),
        "first_version": members[pair.first]["framework_version"],
        "second_version": members[pair.second]["framework_version"],
        **_interval("ratio", found),
        "verdict": found.verdict,
        "groups": len(groups),
        "rounds": sum(len(group["rounds"]) for group in groups),
        "stopped_by": figures["stopped_by"],
        **(_interval("fast", states.fast) | _interval("slow", states.slow) if states else {}),
        "warnings": "; ".join(
            [
                *(f"compared without {name}: {why}" for name, why in figures["missing"].items()),
                *doubts.together(groups, usable_cpus, found, states, figures["width_asked"], (pair.first, pair.second)),
            ]
        ),
        "missing": ", ".join(figures["missing"]),
        "taken_share": doubts.taken_share([{**one, "usable_cpus": usable_cpus} for one in groups]),
        "launch": "; ".join(_placed(groups[0]["told"][pair.first]["launch"]["asked"])),
        "first_peak_rss_mib": _peak(groups, pair.first),
        "second_peak_rss_mib": _peak(groups, pair.second),
    }


def _peak(groups: list[dict[str, Any]], member: str) -> Optional[float]:
    """The largest peak memory of a member's own processes, MiB."""
    peaks = [group["told"][member]["peak_rss_mib"] for group in groups]
    return max((peak for peak in peaks if peak is not None), default=None)


def _interval(name: str, found: comparisons.Ratio) -> dict[str, Any]:
    low, high = found.interval or (None, None)
    value = name if name == "ratio" else f"{name}_ratio"
    return {value: found.ratio, f"{name}_ci_low": low, f"{name}_ci_high": high}


def rounds(study_plan: dict[str, Any]) -> Rows:
    """One row for each burst of every comparison."""
    rows: Rows = []
    for planned in study_plan["compare"]:
        found = record.compared(planned)
        point = {**_identity(planned, found), "record": found.get("path", planned["record"])}
        for group_number, group in enumerate(_figures(found).get("groups", []), 1):
            for round_number, one in enumerate(group["rounds"], 1):
                for turn, member in enumerate(one["order"], 1):
                    durations = one["latency_ns"][member]
                    burst = {
                        **{"group": group_number, "round": round_number, "turn": turn, "configuration": member},
                        **{"latency_p50_ms": float(np.median(durations)) / 1e6, "requests": len(durations)},
                        "probe_ms": doubts.probe_ms(one["probe_ns"][member]),
                        "pacer_ms": float(np.median(one["pacer_ns"])) / 1e6,
                    }
                    rows.append({**point, **burst})
    return rows


def frame(rows: Rows, columns: Sequence[str]) -> pd.DataFrame:
    """A table with exactly these columns."""
    return pd.DataFrame(rows, columns=list(columns)).convert_dtypes()  # whole numbers stay whole beside gaps
