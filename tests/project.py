"""Run the real workflow in a copy of the repository."""

from __future__ import annotations

import compileall
import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import numpy as np
import pytest
import yaml
from eventually import eventually

from dliflow import files
from dliflow.images import inputs
from dliflow.machine import lock
from dliflow.study import environments as environment_files

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DLIFLOW_TEST_DATA", ROOT.parent / "shared" / "data"))


class Project:
    """A checkout in which Snakemake can be run.

    Attributes:
        before: words of a command that Snakemake is started by; none as a rule.
    """

    before: tuple[str, ...] = ()

    def __init__(self, folder: Path, environments: Path):
        self.folder = folder
        self.environments = environments

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would; its output is both streams."""
        return subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env={**self._variables(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3600,
        )

    def begin(self, *arguments: str, output: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start Snakemake as `snakemake` does, to be stopped: it leads a session of its own.

        Args:
            output: where both streams go to.
        """
        return subprocess.Popen(
            self._command(*arguments),
            cwd=self.folder,
            env=self._variables(),
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whatever the tests were started by
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(self, *arguments: str) -> list[str]:
        return [*self.before, sys.executable, "-m", "snakemake", "--cores", "1", *arguments]

    def _variables(self) -> dict[str, str]:
        # Tests run side by side, and look at no speed: a project's measurements wait for its own jobs only.
        return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", lock.TEST_LOCK_FOLDER: str(self.folder)}

    def run(self, *arguments: str, **environment: str) -> str:
        """Run to a good end."""
        result = self.snakemake(*arguments, **environment)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def fail(self, *arguments: str, **environment: str) -> str:
        """Run to an end that must not be a good one."""
        result = self.snakemake(*arguments, **environment)
        assert result.returncode != 0, result.stdout
        assert "Traceback" not in result.stdout, result.stdout
        return result.stdout

    def pending(self, *arguments: str) -> set[str]:
        """Outputs that a run would make now."""
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--summary", *arguments]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=1800)
        assert result.returncode == 0, result.stderr
        rows = csv.DictReader(result.stdout.splitlines(), delimiter="\t")
        return {row["output_file"] for row in rows if row["plan"] != "no update"}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the project."""
        text = (self.folder / path).read_text()
        assert old in text
        (self.folder / path).write_text(text.replace(old, new))

    def configure(self, **changes) -> None:
        """Change the study; a value that is a mapping changes only the keys in it."""
        path = self.folder / "config/config.yaml"
        config = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(config))

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of a table."""
        with open(self.folder / f"results/tables/{name}.csv", newline="") as stream:
            return list(csv.DictReader(stream))

    def processes(self) -> dict[int, str]:
        """Commands of the processes that work in its folder, by number."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if (process / "cwd").resolve() == self.folder.resolve():
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def workers_left(self) -> list[str]:
        """Commands of the workers and anchors of this project that still run, when killed ones have had time to go."""

        def running() -> list[str]:
            return [each for each in self.processes().values() if {"worker", "anchor"}.intersection(each.split(" "))]

        eventually(lambda: not running(), seconds=20)
        return running()

    def digest(self, framework: str) -> str:
        """That of a framework's environment as its file is now."""
        return environment_files.digest(self.folder / f"envs/{framework}.yaml")

    def path(self, pattern: str, framework: str = "alpha", **values: Any) -> str:
        """Where a result of the tiny study lies that one of the patterns in `paths` names.

        Args:
            values: of its wildcards where they are others than usual.
        """
        usual = {
            "node": "local",
            "model": "tiny",
            "dataset": "colours",
            "framework": framework,
            "api": "python",
            "variant": "default",
        }
        usual |= {"precision": "fp32", "device": "cpu", "parameters": "default", "group": 1}
        digest = self.digest(framework)
        return pattern.format(**{**usual, "environment": digest, "converter": digest, **values})

    def read(self, pattern: str, framework: str = "alpha", **values: Any) -> dict[str, Any]:
        """The record or manifest that lies there."""
        return files.read_json(self.folder / self.path(pattern, framework, **values))

    def records(self, pattern: str = "results/sweep/**/*.json") -> list[Path]:
        """Records that match."""
        return sorted(self.folder.glob(pattern))

    def dates(self, pattern: str = "results/sweep/**/*.json") -> dict[Path, int]:
        """When each record that matches was written, ns."""
        return {path: path.stat().st_mtime_ns for path in self.records(pattern)}


def python_of(framework: str, environments: Path) -> str:
    """The Python of a framework's environment, which is made where it is missing."""
    file = ROOT / f"envs/{framework}.yaml"
    folder = environment_files.folder(file, str(environments))
    if not Path(folder, "environment.json").exists():
        command = [sys.executable, "-m", "dliflow", "environment", "--file", str(file)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
        subprocess.run([*command, "--out", f"{folder}/environment.json"], env=variables, check=True, timeout=1800)
    return f"{folder}/bin/python"


def shared_data() -> Path:
    """Real images and networks that lie outside the repository; the test is skipped where there are none."""
    if not (DATA / "imagenet-sample").is_dir():
        pytest.skip(f"there is no test data in {DATA} (DLIFLOW_TEST_DATA)")
    return DATA


def another_framework(folder: Path, name: str) -> None:
    """A framework of the same kind as alpha."""
    package = "workflow/dliflow"
    for pattern in ("envs/{}.yaml", f"{package}/frameworks/{{}}.py", f"{package}/conversion/{{}}.py"):
        text = (folder / pattern.format("alpha")).read_text()
        (folder / pattern.format(name)).write_text(text.replace("alpha", name))


def tracked_files() -> list[str]:
    """What a clone would hold, as the working tree has it."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def copy_of_the_repository(folder: Path, environments: Path) -> Project:
    """A checkout with what a clone would hold, and with its code compiled, as after a user's first run.

    What is compiled is checked against the text it came from, however fast a test edits it, and never written again.
    """
    for name in tracked_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    compileall.compile_dir(folder / "workflow", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return Project(folder, environments)


def prepared(manifest: Path, pixels: np.ndarray, **more: Any) -> Path:
    """An array of pixels as `prepare` leaves it, and its manifest."""
    np.save(manifest.with_suffix(".npy"), pixels)
    files.write_json(manifest, {**more, **inputs.seal(manifest, inputs.fingerprints(pixels))})
    return manifest


def converted(manifest: Path, contents: dict[str, str]) -> Path:
    """A converted model as `convert` leaves it, of text files."""
    folder = manifest.with_suffix("")
    folder.mkdir()
    for name, text in contents.items():
        (folder / name).write_text(text)
    described = {name: {"bytes": len(text), "sha256": files.sha256(folder / name)} for name, text in contents.items()}
    files.write_json(manifest, {"status": "ok", "reason": None, "files": described})
    return manifest
