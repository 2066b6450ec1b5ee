"""A study on two nodes that a scheduler gives; commands of our own stand in SLURM's place."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import pytest

from dliflow.study import paths

# An allocation of a node is a file with its line; `srun` says which one it runs in. A record that was written there is
# seen a second later, as on a file system that machines share.
FAKES = {
    "squeue": 'for word; do case $word in --name=*) cat "slurm/${word#--name=}" 2>/dev/null;; esac; done; exit 0',
    "sbatch": (
        "for word; do case $word in --job-name=*) name=${word#--job-name=};; esac; done\n"
        "number=1; while ! mkdir slurm/$number 2>/dev/null; do number=$((number + 1)); done\n"
        'echo "$*" >> slurm/asked\n'
        'echo "$number RUNNING None" > "slurm/$name"; echo $number'
    ),
    "scancel": (
        "for word; do case $word in --name=*) name=${word#--name=};; esac; done\n"
        'rm -f "slurm/$name"; date +%s.%N >> "slurm/back-$name"'
    ),
    "srun": (
        'export SLURM_JOB_ID=${1#--jobid=}; while [ "${1#--}" != "$1" ]; do shift; done\n'
        'env DLIFLOW_TEST_LOCK_FOLDER=slurm/$SLURM_JOB_ID "$@"; status=$?\n'
        "for word; do record=$word; done\n"  # the last one: --out RECORD
        'if mv "$record" "$record.late"; then (sleep 1; mv "$record.late" "$record") & fi >/dev/null 2>&1\n'
        "exit $status"
    ),
}


@pytest.fixture
def two_nodes(project, tmp_path, monkeypatch):
    """The tiny project on nodes `first` and `second`."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, body in FAKES.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    (project.folder / "slurm").mkdir()  # with a folder for each allocation, which it locks in place of its machine
    (project.folder / "config/nodes").mkdir(exist_ok=True)
    for name in ("first", "second"):
        (project.folder / f"config/nodes/{name}.yaml").write_text(f"slurm: {{constraint: {name}}}\n")
    project.configure(nodes=["first", "second"], latency={"batch_sizes": [1]}, compare={"leaders": 2})
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return project


def timed(project, log):
    """From when to when the job of a log ran."""
    job = json.loads((project.folder / paths.timing(log)).read_text())
    return job["started"], job["started"] + job["seconds"]


def spans(project, node):
    """From when to when each measurement of a node ran, in their order."""
    logs = project.folder / "results/logs"
    of_node = [log for stage in ("sweep", "compare") for log in (logs / stage / node).rglob("*.json.log")]
    return sorted(timed(project, str(log)) for log in of_node)


def test_both_are_measured_each_in_one_allocation_and_then_compared(two_nodes):
    two_nodes.run("all")
    asked = (two_nodes.folder / "slurm/asked").read_text().splitlines()
    assert sorted(word for line in asked for word in line.split() if "constraint" in word) == [
        "--constraint=first",
        "--constraint=second",
    ]
    assert not list((two_nodes.folder / "slurm").glob("dliflow-*"))  # both are given back
    by_node = {node: spans(two_nodes, node) for node in ("first", "second")}
    for of_node in by_node.values():
        assert len(of_node) == 2 * 2 + 1
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(of_node))
    assert any(a[0] < b[1] and b[0] < a[1] for a in by_node["first"] for b in by_node["second"])
    for node, of_node in by_node.items():  # given back when all was measured, before the page was made
        (given_back,) = (two_nodes.folder / "slurm").glob(f"back-dliflow-{node}-*")
        when = float(given_back.read_text().split()[0])
        assert of_node[-1][1] < when < timed(two_nodes, paths.log(paths.REPORT))[1]
    others = list((two_nodes.folder / "results/logs/parity").rglob("*.time.json"))
    assert len(others) == 2  # quality is looked at once
    jobs = {node: set() for node in by_node}
    for path in two_nodes.records():
        record = json.loads(path.read_text())
        jobs[record["identity"]["node"]].add(record["environment"]["SLURM_JOB_ID"])
    assert {len(each) for each in jobs.values()} == {1} and jobs["first"] != jobs["second"]
    rows = two_nodes.table("nodes")
    assert [(row["framework"], row["node"], row["against"]) for row in rows] == [
        ("alpha", "second", "first"),
        ("beta", "second", "first"),
    ]
    assert all(float(row["ratio"]) > 0 for row in rows)
    assert all(row["cpu"] and row["kernel"] for row in two_nodes.table("performance"))
    page = (two_nodes.folder / paths.REPORT).read_text()
    assert 'id="nodes"' in page
    assert two_nodes.pending() == set()
    # Another machine than the one that measured until now.
    first = two_nodes.folder / paths.NODE.format(node="first")
    first.write_text(first.read_text().replace('"cpu": "', '"cpu": "another '))
    record = two_nodes.path(paths.SWEEP, node="first")
    (two_nodes.folder / record).unlink()
    told = two_nodes.fail(record)
    assert "node 'first': another machine has measured under this name, with cpu 'another " in told
    assert not (two_nodes.folder / record).exists()


def test_without_a_scheduler_two_nodes_are_not_one_machine(two_nodes):
    for name in ("first", "second"):
        (two_nodes.folder / f"config/nodes/{name}.yaml").write_text("machine: {hostname: nowhere}\n")
    assert "nodes: first, second: this machine cannot be all of them" in two_nodes.fail("all")
    assert not two_nodes.records()


# As little as Snakemake takes for one: it is refused before it is asked for a file.
STORAGE = """
from snakemake_interface_storage_plugins.storage_object import StorageObjectRead, StorageObjectWrite
from snakemake_interface_storage_plugins.storage_provider import StorageProviderBase
class StorageObject(StorageObjectRead, StorageObjectWrite): ...
class StorageProvider(StorageProviderBase): ...
StorageProvider.__abstractmethods__ = frozenset()
"""


def test_what_would_carry_the_manifests_alone_to_other_machines_is_refused(project, tmp_path):
    plugin = tmp_path / "plugins/snakemake_storage_plugin_bucket"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(STORAGE)
    asked = ("--default-storage-provider", "bucket", "--default-storage-prefix", "stored")
    output = project.fail("all", "--dry-run", *asked, PYTHONPATH=str(tmp_path / "plugins"))
    assert "--default-storage-provider bucket: it would carry the manifests" in output
