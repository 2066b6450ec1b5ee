"""What several kinds of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from once import made_once, session_folder
from project import Project, copy_of_the_repository
from xdist.scheduler import LoadScopeScheduling

from dliflow.machine import variables

# What a user has set for other work, or a hook of git that runs the tests, is no part of what is tested.
FOREIGN = ("CXX", "FORCE_COLOR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "PYTHONPATH", "SNAKEMAKE_PROFILE")
for name in (*FOREIGN, *variables.THREADS):
    os.environ.pop(name, None)
# Servers of tests are on this machine, wherever all others are asked through.
DIRECT = ",".join(filter(None, (os.environ.get("NO_PROXY"), os.environ.get("no_proxy"), "127.0.0.1,localhost")))
os.environ.update(NO_PROXY=DIRECT, no_proxy=DIRECT)

# A study of everything the default one has, with as little measuring as can be.
SHORT = {
    "agreement": {"images": 16},
    "latency": {"batch_sizes": [8], "groups": 1, "mode": "fixed", "requests": 3, "warmup_requests": 1},
    "compare": {"leaders": 2, "groups": 2, "sessions": 1, "rounds": 2, "budget_s": 0},
}

# Files whose tests look at one thing that takes minutes to make: a group stays on one worker.
TOGETHER = {
    "tests/cluster/test_slurm.py": "cluster",
    "tests/frameworks/test_contract.py": "study",
    "tests/frameworks/test_cpp_programs.py": "study",
    "tests/frameworks/test_deployment.py": "study",
    "tests/frameworks/test_devices.py": "study",
    "tests/frameworks/test_older_versions.py": "study",
    "tests/frameworks/test_parameters.py": "study",
    "tests/workflow/test_default_study.py": "study",
    "tests/frameworks/test_libraries.py": "libraries",
    "tests/frameworks/test_networks.py": "networks",
    "tests/frameworks/test_operations.py": "operations",
    "tests/frameworks/test_profiles.py": "study",
    "tests/frameworks/test_sources.py": "sources",
    "tests/frameworks/test_tensorflow_sources.py": "TensorFlow's sources",
    "tests/workflow/test_known_networks.py": "known networks",
    "tests/workflow/test_mobilenet_v2.py": "reference study",
}


DEAR = "DLIFLOW_TEST_DEAR"
DEAR_FRAMEWORKS = {"executorch"}  # whose environment and conversion take minutes, and which no study has by default


def pytest_collection_modifyitems(config, items):
    """Leave out tests that take minutes by themselves, but where they are asked for."""
    if os.environ.get(DEAR):
        return
    skip = pytest.mark.skip(reason=f"takes minutes; {DEAR}=1 runs it")
    for item in items:
        case = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        of_dear_framework = "environments" in item.fixturenames and not DEAR_FRAMEWORKS.isdisjoint(case)
        if of_dear_framework or item.get_closest_marker("dear"):
            item.add_marker(skip)


class Scheduling(LoadScopeScheduling):
    """Groups first, largest ones before, then every test on the next free worker.

    In place of `--dist loadgroup`, which does not group with pytest 9.2 (pytest-xdist 3.8, its issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)


def pytest_xdist_make_scheduler(config, log):
    """How tests are shared out among the workers of `-n`."""
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    """Virtual environments are shared by all projects of a test session.

    DLIFLOW_TEST_ENVIRONMENTS names a folder in which they outlive it.
    """
    kept = os.environ.get("DLIFLOW_TEST_ENVIRONMENTS")
    folder = Path(kept).resolve() if kept else session_folder(tmp_path_factory) / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory, environments) -> Project:
    """The default study's model, images and frameworks, all real, run once for all tests that look at it."""

    def make(folder):
        project = copy_of_the_repository(folder, environments)
        changes = {**SHORT, "environments": {"folder": str(environments)}}
        (folder / "config/short.yaml").write_text(yaml.safe_dump(changes))
        project.run("all", "--cores", "2", "--configfile", "config/short.yaml")

    return Project(made_once(tmp_path_factory, "study", make), environments)
