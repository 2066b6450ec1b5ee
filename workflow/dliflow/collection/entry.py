"""What study.json says of a published study: which machine measured it, when, with what, of what.

A study that was measured on several nodes is published once for each of them, with the rows of that node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Optional

import jsonschema

from dliflow import integrity, version
from dliflow.analysis.rows import Row, Rows, grouped
from dliflow.errors import DliflowError
from dliflow.files import digest, read_json, sha256
from dliflow.machine import facts
from dliflow.report import machines, names
from dliflow.report.read import Tables
from dliflow.study import config, paths
from dliflow.wording import listed

SCHEMA = 1  # of study.json; rises when a key changes its meaning or goes
FILE = "study.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FINISHED, UNFINISHED = "finished", "unfinished"
MEASURED = ("measurements", "comparison", "throughput", "tuning")  # tables whose records a machine measured


class Measured(NamedTuple):
    """What the records of a node say, beside their figures."""

    machine: dict[str, Any]
    """Its stable facts."""
    hostnames: list[str]
    first: str
    last: str
    """When the first and the last of them was written, ISO 8601."""
    inputs: dict[str, str]
    """For each model a digest of its own file and of what it was fed."""


class Study(NamedTuple):
    """A study's folder, read."""

    folder: Path
    tables: Tables
    about: dict[str, Any]
    status: str

    def path(self, name: str) -> Path:
        """Of a file by its path from where the study ran, as rules and tables have it."""
        return self.folder / name

    @property
    def csv(self) -> dict[str, Path]:
        """The tables' files."""
        return {name: self.path(paths.TABLES[name]) for name in Tables._fields}


def nodes(study: Study) -> list[str]:
    """Those that measured anything.

    Raises:
        DliflowError: when none did: a collection is kept by machine.
    """
    measured = list(dict.fromkeys(row["node"] for row in study.tables.measurements if row["status"] == "ok"))
    if not measured:
        raise DliflowError(f"{study.folder}: nothing was measured; there is nothing to publish of any machine")
    return measured


def describe(study: Study, node: str, name: Optional[str] = None) -> dict[str, Any]:
    """The study as a node measured it, as study.json holds it, but for `files`.

    Args:
        name: of the study's folder; made of date, config, versions and node when absent.

    Raises:
        DliflowError: when records are gone or damaged, or tell of two machines.
    """
    measured, about = _measured(study, node), study.about
    config_digest, versions = digest(about["config"]), machines.versions(study.tables)
    key = digest([config_digest, versions, about["environments"], node], 8)
    stamp = datetime.fromisoformat(measured.last).astimezone(timezone.utc)
    return {
        "schema": SCHEMA,
        "name": name or f"{stamp:%Y-%m-%dT%H%M%SZ}-{key}",
        "status": study.status,
        "fingerprint": digest(measured.machine),
        "machine": measured.machine,
        "node": node,
        "hostnames": measured.hostnames,
        "first": measured.first,
        "last": measured.last,
        "dliflow": about["dliflow"],
        "method": about.get("method", 1),  # written down since the first collections
        "config": about["config"],
        "config_digest": config_digest,
        "environments": about["environments"],
        "versions": versions,
        "models": about["models"],
        "datasets": about["datasets"],
        "inputs": measured.inputs,
        "evaluated": _evaluated(study),
        "anchors": sorted({row["anchor"] for row in _good(study.tables.measurements, node) if row["anchor"]}),
        "tables": {table: sha256(path) for table, path in study.csv.items()},
    }


def _good(rows: Rows, node: str) -> Iterator[Row]:
    return (row for row in rows if row["node"] == node and row["status"] == "ok")


def _record(study: Study, name: str) -> dict[str, Any]:
    """A record that the tables were made of.

    Raises:
        DliflowError: when it is gone, damaged or altered.
    """
    try:
        record = read_json(study.path(name))
        record["identity"], record["figures"], record["finished_at"], facts.stable(record["machine"])
    except FileNotFoundError:
        raise DliflowError(
            f"{study.path(name)}: this record is gone, so it is not known which machine measured it; publish where the "
            "study ran, or type the study's command again"
        ) from None
    except (KeyError, TypeError):
        told = f"{study.path(name)}: is no record of dliflow; delete it, and type the study's command again"
        raise DliflowError(told) from None
    integrity.verify_seal(study.path(name), record, "delete it, and type the study's command again")
    return dict(record)


def _measured(study: Study, node: str) -> Measured:
    """What the records of a node have in common.

    Raises:
        DliflowError: when two machines measured them.
    """
    rows = [row for table in MEASURED for row in _good(getattr(study.tables, table), node) if row["record"]]
    records = {name: _record(study, name) for name in dict.fromkeys(row["record"] for row in rows)}
    by_machine: dict[str, list[str]] = {}
    for name, record in records.items():
        by_machine.setdefault(facts.fingerprint(record["machine"]), []).append(name)
    if len(by_machine) > 1:
        raise DliflowError(_mixed(study, node, records, by_machine))
    machine, dates = next(iter(records.values()))["machine"], sorted(one["finished_at"] for one in records.values())
    hostnames = sorted({record["machine"].get("hostname") or "" for record in records.values()} - {""})
    return Measured(facts.stable(machine), hostnames, dates[0], dates[-1], _inputs(study, node, records))


def _mixed(study: Study, node: str, records: dict[str, Any], by_machine: dict[str, list[str]]) -> str:
    """What to say of a node that was two machines in the course of its study."""
    each = [facts.stable(records[first]["machine"]) for first, *_ in by_machine.values()]
    keys = dict.fromkeys(key for one in each for key in one)  # only machines with GPUs have that key
    differing = [key for key in keys if len({digest(one.get(key)) for one in each}) > 1]
    told = [
        f"{', '.join(f'{key} {_called(one.get(key))}' for key in differing)}: {len(its)} records, such as {its[0]}"
        for one, its in zip(each, by_machine.values())
    ]
    return (
        f"{study.folder}: node '{node}' was not one machine all the time, so its figures mix two. Delete the records "
        f"of one, and type the study's command again:{listed(told)}"
    )


def _called(fact: Any) -> str:
    """What a machine's fact is called; of GPUs there are several, or none."""
    return names.gpus(fact) if isinstance(fact, list) else str(fact or "none")


def _inputs(study: Study, node: str, records: dict[str, Any]) -> dict[str, str]:
    """For each model a digest of its own file, of the images it was fed, and how."""
    fed: dict[str, set[str]] = {}
    for row in _good(study.tables.measurements, node):
        identity, figures = records[row["record"]]["identity"], records[row["record"]]["figures"]
        of = [identity.get(key) for key in ("origin", "list_sha256")]
        of += [figures.get(key) for key in ("inputs", "distinct_asked")]
        fed.setdefault(row["model"], set()).add(digest(of))
    return {model: digest(sorted(digests)) for model, digests in fed.items()}


def _evaluated(study: Study) -> dict[str, dict[str, str]]:
    """For each model and dataset a digest of the list of images."""
    digests: dict[str, dict[str, str]] = {}
    good = [row for row in study.tables.accuracy if row["status"] == "ok" and row["record"]]
    for (model, dataset), rows in grouped(good, ("model", "dataset")).items():
        lists = {_record(study, row["record"])["identity"].get("list_sha256") or "" for row in rows}
        digests.setdefault(model, {})[dataset] = digest(sorted(lists))
    return digests


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(config.schema("published"))


def check(content: Any, origin: Path) -> dict[str, Any]:
    """What a study.json holds.

    Raises:
        DliflowError: when it is of a newer dliflow, or not what any wrote.
    """
    if not isinstance(content, dict):
        raise DliflowError(f"{origin}: is no study.json of dliflow; {REMEDY}")
    schema = content.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise DliflowError(
            f"{origin}: schema {schema}: is of a newer dliflow; this one, {version.__version__}, reads up to {SCHEMA}. "
            "Take the newer one"
        )
    problem = next(iter(_validator().iter_errors(content)), None)
    if problem is not None:
        key = ".".join(map(str, problem.absolute_path)) or "(top level)"
        raise DliflowError(f"{origin}: {key}: {problem.message[:200]}; {REMEDY}")
    return content


REMEDY = "restore it from a copy of the collection, or move the study's folder out of it"
