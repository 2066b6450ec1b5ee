"""What the sweep of a finished study has measured, and all that running it once more takes, from wherever."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Optional

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.machine import launch
from dliflow.measuring import feed, session
from dliflow.records import record
from dliflow.study import environments, paths, plan

IDENTITY = (*plan.IDENTITY, "parameters")
BESIDE = ("python", "anchor", "anchor-python")  # options of files that are none of the worker's and of the images'


@dataclasses.dataclass(frozen=True)
class Swept:
    """A configuration that was measured with one version of its framework.

    Attributes:
        study: folder that it was measured in.
        identity: values of `IDENTITY`.
        environment: digest of the environment.
        record: of its first group, below `study`.
        version: of the framework.
        finished_at: when its first group was.
        batch_sizes: those that could be measured.
        held: what its worker is told, but for the images.
        fed: the options that tell what images.
        python: of its environment, or a file naming it.
        anchor: manifest of the anchor's network.
        anchor_python: likewise.
        packages: versions by name, of its environment.
        outdated: why it is not what its study would run today; None where it is, or where that was not asked.

    All other files are named by absolute paths.
    """

    study: Path
    identity: dict[str, str]
    environment: str
    record: str
    version: str
    finished_at: str
    batch_sizes: tuple[int, ...]
    held: dict[str, Any]
    fed: dict[str, Any]
    python: str
    anchor: str
    anchor_python: str
    packages: dict[str, str]
    outdated: Optional[str] = None

    @property
    def missing(self) -> Optional[str]:
        """What keeps it from being run, and what to do; None where nothing does."""
        wanted = {"its environment": self.python, "its converted model": self.held["converted"]}
        if self.held["built"] is not None:
            wanted["its program in C++"] = self.held["built"]
        return self.outdated or self._gone(wanted) or self._unlike

    @property
    def _unlike(self) -> Optional[str]:
        """Why it is not known to be the network of its source; None where it is: the speed of another says nothing."""
        needs = [path.format(**self.identity, environment=self.environment) for path in (paths.REFERENCE, paths.PARITY)]
        reason = _reason(self.study, needs)
        return (
            reason and f"it has no parity with its source: {reason}; mend that and run the study in {self.study} again"
        )

    @property
    def missing_beside(self) -> Optional[str]:
        """What is gone of all else that a measurement of it takes: the anchor, the images."""
        wanted = {"the anchor's environment": self.anchor_python, "the anchor's network": self.anchor}
        if not self.fed["random_images"]:
            wanted["what is prepared of the images"] = self.fed["array"]
        return self._gone(wanted)

    def _gone(self, wanted: dict[str, str]) -> Optional[str]:
        for what, path in wanted.items():
            if not _there(path):
                return f"{what} cannot be found ({path}); run the study in {self.study} again"
        return None


def _reason(study: Path, needs: list[str]) -> Optional[str]:
    """Why a record, the last of these outputs, is no good one; None where it is."""
    known = record.outcome({"reason": None, "needs": needs, "record": needs[-1]}, study)
    return f"it was skipped: {known['reason']}" if known["status"] == "skipped" else known["reason"]


def _there(path: str) -> bool:
    """Whether a manifest's job ended well, or a Python, which a JSON file may name, can be run."""
    try:
        if path.endswith(".json"):
            manifest = read_json(Path(path))
            return _there(manifest["python"]) if "python" in manifest else manifest.get("status", "ok") == "ok"
    except (OSError, DliflowError):
        return False
    return os.access(path, os.X_OK)


def swept(study: Path) -> list[Swept]:
    """All that a study's records of the sweep tell of, each version of a framework apart; sorted.

    Records that this version of dliflow cannot read count as none.

    Args:
        study: its folder, absolute.
    """
    *folders, file = paths.SWEEP.split("/")
    pattern = "/".join([*("*" if "{" in folder else folder for folder in folders), file.format(group=1)])
    return [one for path in sorted(study.glob(pattern)) if (one := _swept(study, path)) is not None]


def _swept(study: Path, path: Path) -> Optional[Swept]:
    try:
        known = record.read(str(path))
    except DliflowError:
        return None
    if known["status"] != "ok":
        return None
    figures, words = known["figures"], known["command"]
    broken = {one["batch_size"] for one in figures["broken"]}

    def options(*declare: Callable[[argparse.ArgumentParser], None]) -> dict[str, Any]:
        return _absolute(study, vars(_parser(path, *declare).parse_known_args(words)[0]))

    named, held = options(_names), options(session.arguments, launch.arguments)
    (member,) = figures["groups"][-1]["members"].values()
    return Swept(
        study=study,
        identity={key: held[key] for key in IDENTITY},
        environment=path.parent.name.rpartition("-")[2],
        record=str(path.relative_to(study)),
        version=known["identity"]["framework_version"],
        finished_at=known["finished_at"],
        batch_sizes=tuple(size for size in known["identity"]["batch_sizes"] if size not in broken),
        held=held,
        fed=options(feed.arguments),
        packages=member["packages"],
        **named,
    )


class _Strict(argparse.ArgumentParser):
    """Of a command that no one is there to be told about."""

    def error(self, message: str) -> NoReturn:
        raise DliflowError(f"{self.prog}: command: {message}; delete it to make it again")


def _parser(path: Path, *declare: Callable[[argparse.ArgumentParser], None]) -> argparse.ArgumentParser:
    parser = _Strict(prog=str(path), add_help=False, allow_abbrev=False)
    for each in declare:
        each(parser)
    return parser


def _names(parser: argparse.ArgumentParser) -> None:
    for name in BESIDE:
        parser.add_argument(f"--{name}", type=Path, required=True)


def _absolute(study: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Options with their files named from everywhere; links are kept, since an environment's Python is one."""
    return {key: str(study / value) if isinstance(value, Path) else value for key, value in options.items()}


def of_today(all_versions: Iterable[Swept]) -> list[Swept]:
    """Of each configuration the version that its study has today.

    That is the one of `envs/<framework>.yaml`; of a study without such files the one that was measured last. Where
    nothing was measured with the file as it is, the last one is marked as outdated.
    """
    by_configuration = collections.defaultdict(list)
    for one in sorted(all_versions, key=lambda one: one.finished_at):
        by_configuration[tuple(one.identity.items())].append(one)
    return [_today(versions) for versions in by_configuration.values()]


def _today(versions: Sequence[Swept]) -> Swept:
    """Of versions of one configuration, the last one last."""
    last = versions[-1]
    file = last.study / f"envs/{last.identity['framework']}.yaml"
    if not file.exists():
        return last
    digest = environments.digest(file)
    current = next((one for one in reversed(versions) if one.environment == digest), None)
    return current or dataclasses.replace(last, outdated=_unmeasured(last, file, digest))


def _unmeasured(last: Swept, file: Path, digest: str) -> str:
    """Why nothing was measured in the environment of a file, and what to do.

    Args:
        last: what another environment measured; where its outputs lie, today's lie with the other digest.
        digest: of today's.
    """
    environment = str(Path(last.python).parents[1] / "environment.json")
    outputs = [environment, last.held["converted"], last.held["built"] or environment, last.record]
    needs = [output.removeprefix(f"{last.study}/").replace(last.environment, digest) for output in outputs]
    reason = _reason(last.study, needs)
    if reason in (None, record.NOT_RUN):
        return f"{file} has changed since; run the study in {last.study} again"
    return f"with {file} as it is now nothing was measured: {reason}; mend that and run the study in {last.study} again"


def of_version(all_versions: Iterable[Swept], framework: str, version: str) -> list[Swept]:
    """The configurations of a framework as this version of it measured them, each the last time."""
    those = [one for one in all_versions if (one.identity["framework"], one.version) == (framework, version)]
    ordered = sorted(those, key=lambda one: one.finished_at)
    return list({tuple(one.identity.items()): one for one in ordered}.values())


def differences(before: Swept, after: Swept) -> list[str]:
    """In what two of the same identity differ, as far as it can be told: `version 2025.3.0 → 2026.4.1`."""
    told = []
    if before.identity["framework"] != after.identity["framework"]:
        told.append(f"framework {before.identity['framework']} → {after.identity['framework']}")
    if before.version != after.version:
        told.append(f"version {before.version} → {after.version}")
    elif before.packages != after.packages:
        names = sorted(before.packages.items() ^ after.packages.items())
        told.append(f"packages: {', '.join(dict.fromkeys(name for name, _ in names))}")
    for key in ("threads", "options"):
        if before.held[key] != after.held[key]:
            told.append(f"{key} {before.held[key]} → {after.held[key]}")
    if _model(before) != _model(after):
        told.append("converted model")
    return told


def _model(of: Swept) -> Any:
    """Checksums of the converted model's files; None where it is gone."""
    try:
        files = read_json(Path(of.held["converted"]))["files"]
    except (OSError, DliflowError):
        return None
    return {name: described["sha256"] for name, described in files.items()}
