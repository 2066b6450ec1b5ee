"""A study on two nodes of a real SLURM: pinned, alone, at the same time; a job killed, a node drained, and resumed.

With accounting the whole study is run by the profile, and SLURM's own dates are looked at as well. Skipped where
Debian's packages are missing. `pytest -n0 -s tests/cluster` prints the time stamps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
from project import Project

from dliflow.machine import slurm
from dliflow.study import paths

pytestmark = pytest.mark.dear

NODES = slurm_cluster.NODES
GROUPS = 3
QUALITY = (paths.PARITY, paths.ACCURACY)
# Asked early, since the plugin waits for 40 s by default.
EARLY = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3")
PROFILE = ("--workflow-profile", "profiles/slurm", "--default-resources", "runtime=5")
ACCOUNTED = (*PROFILE, f"slurm_account={slurm_cluster.ACCOUNT}", *EARLY)
UNACCOUNTED = (*PROFILE, "--slurm-status-command", "squeue", "--slurm-no-account", *EARLY)


@pytest.fixture(scope="module", params=[False, True], ids=["without_accounting", "with_accounting"])
def cluster(request, tmp_path_factory):
    """The running cluster."""
    reason = slurm_cluster.lacking(accounting=request.param)
    if reason is not None:
        pytest.skip(reason)
    with slurm_cluster.Cluster(tmp_path_factory.mktemp("slurm") / slurm_cluster.FOLDER, request.param) as running:
        yield running


def only(accounting: bool, name: str) -> pytest.MarkDecorator:
    """For tests that look at one kind of cluster."""
    return pytest.mark.parametrize("cluster", [accounting], indirect=True, ids=[name])


without_accounting, with_accounting = only(False, "without_accounting"), only(True, "with_accounting")


@pytest.fixture
def on_both(cluster, project):
    """The tiny project, to be measured on both nodes; where there are accounts only the first one names one."""
    for name, account in zip(NODES, (slurm_cluster.ACCOUNT, None)):
        extra = {"slurm": {"partition": "bench", "constraint": name, "minutes": 30}}
        extra["slurm"] |= {"account": account} if cluster.accounting else {}
        (project.folder / f"config/nodes/{name}.yaml").write_text(json.dumps(extra))
    project.configure(nodes=list(NODES), latency={"batch_sizes": [1], "groups": GROUPS}, compare={"leaders": 2})
    return project


def begun(project: Project, cluster, *arguments: str) -> subprocess.Popen:
    """A run that goes on beside the test."""
    variables = {**os.environ, **cluster.variables, "PYTHONDONTWRITEBYTECODE": "1"}
    variables["DLIFLOW_TEST_LOCK_FOLDER"] = str(project.folder)
    with open(project.folder / "run.log", "a") as log:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.Popen(command, cwd=project.folder, env=variables, stdout=log, stderr=log)


def ended(project: Project, run: subprocess.Popen) -> None:
    """Wait for its good end."""
    assert run.wait(1500) == 0, (project.folder / "run.log").read_text()[-4000:]


def until(holds: Callable[[], Any], project: Project, run: subprocess.Popen, seconds: float = 1200) -> Any:
    """What `holds` gives, as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and run.poll() is None:
        if result := holds():
            return result
        time.sleep(0.1)
    raise AssertionError((project.folder / "run.log").read_text()[-4000:])


def measured(project: Project, node: str) -> list[dict[str, Any]]:
    """When each measurement of a node ran, in their order, and where by its record: SLURM's node and job."""
    jobs = []
    results = project.folder / "results"
    for path in (*(results / "sweep" / node).rglob("*.json"), *(results / "compare" / node).rglob("*.json")):
        timing = project.folder / paths.timing(paths.log(str(path.relative_to(project.folder))))
        if not timing.exists():
            continue  # it is just ending
        known = json.loads(timing.read_text())
        record = json.loads(path.read_text())
        place = {key: record["environment"][name] for key, name in (("at", "SLURMD_NODENAME"), ("job", "SLURM_JOB_ID"))}
        jobs.append({"start": known["started"], "end": known["started"] + known["seconds"], "file": path, **place})
    return sorted(jobs, key=lambda job: job["start"])


def prepare(project: Project, cluster) -> str:
    """Make by a few cores what need not be jobs of the scheduler, each of which takes half a minute; one is left."""
    targets = [project.path(pattern, framework) for pattern in QUALITY for framework in ("alpha", "beta")]
    ended(project, begun(project, cluster, "--cores", "4", *targets, project.path(paths.ANCHOR)))
    (project.folder / targets[0]).unlink()
    return targets[0]


def going_on(project: Project, node: str) -> str | None:
    """The measurement of the sweep that a node is at, by the end of its record's path."""
    logs = project.folder / "results/logs/sweep" / node
    for log in logs.rglob("*.json.log"):
        if log.stat().st_size and not log.with_name(log.name.replace(".log", ".time.json")).exists():
            return str(log.relative_to(logs)).removesuffix(".log")
    return None


def allocation(cluster, node: str, state: str = "RUNNING") -> str | None:
    """The number of the allocation that holds a node, or waits for it."""
    jobs = [number for number, name, now, _ in cluster.jobs() if name.startswith(f"dliflow-{node}-") and now == state]
    return jobs[0] if jobs else None


def test_two_nodes_measure_pinned_alone_and_at_once_and_a_killed_allocation_goes_on(cluster, on_both, capsys):
    project, (first, second) = on_both, NODES
    how = ("--cores", "4")
    if cluster.accounting:
        pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements-slurm.lock is not installed")
        prepare(project, cluster)
        how = ACCOUNTED
    run = begun(project, cluster, *how, "all")
    try:
        # Somebody else wants the second node: not while it is measured on.
        until(lambda: allocation(cluster, second), project, run)
        foreign = project.folder / "foreign"
        wrap = f"date +%s.%N > {foreign}"
        cluster.ask("sbatch", f"--nodelist={second}", "--ntasks=1", "--output=/dev/null", f"--wrap={wrap}")
        # The first node is drained for a while, and taken away in the middle of a measurement.
        until(lambda: len(measured(project, first)) >= 2, project, run)
        number = allocation(cluster, first)
        cluster.set(first, "DRAIN")
        until(lambda: not going_on(project, first), project, run)
        interrupted = until(lambda: going_on(project, first), project, run)
        cluster.ask("scancel", number)
        killed = time.time()
        before = {job["file"]: job["file"].stat().st_mtime_ns for job in measured(project, first)}
        until(lambda: allocation(cluster, first, "PENDING"), project, run)
        time.sleep(3)
        resumed = time.time()
        cluster.set(first, "RESUME")
        ended(project, run)
    finally:
        run.terminate()
        run.wait()
    by_node = {node: measured(project, node) for node in NODES}
    cluster.until(foreign.exists, "job of somebody else")
    elsewhere = float(foreign.read_text())
    page = json.loads((project.folder / paths.timing(paths.log(paths.REPORT))).read_text())
    with capsys.disabled():
        show(by_node, killed, resumed)
        begin, there = min(jobs[0]["start"] for jobs in by_node.values()), page["started"] + page["seconds"]
        print(f"somebody else had {second} at {elsewhere - begin:.1f} s, the page was there at {there - begin:.1f} s")
    for node, jobs in by_node.items():
        assert len(jobs) == 2 * GROUPS + 1
        assert {job["at"] for job in jobs} == {node}  # pinned
        assert all(earlier["end"] <= later["start"] for earlier, later in pairwise(jobs))  # alone
    assert any(a["start"] < b["end"] and b["start"] < a["end"] for a in by_node[first] for b in by_node[second])
    assert len({job["job"] for job in by_node[second]}) == 1
    assert len({job["job"] for job in by_node[first]}) == 2
    (again,) = [job for job in by_node[first] if interrupted in str(job["file"])]
    assert all((job["start"] > resumed) == (job["job"] != number) for job in by_node[first])
    assert again["job"] != number
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what was finished is not repeated
    assert by_node[second][-1]["end"] < elsewhere < there  # given back as soon as all was measured
    cluster.until(lambda: not cluster.jobs(), "end of all jobs")  # both are given back
    assert project.table("nodes")
    if cluster.accounting:
        cluster.until(
            lambda: all(row["End"].isdigit() for row in cluster.accounted()), "ends of all jobs in accounting"
        )
        with capsys.disabled():
            check_accounts(cluster.accounted(), by_node, number)


def check_accounts(rows: list[dict[str, Any]], by_node: dict[str, list[dict[str, Any]]], killed: str) -> None:
    """That accounting tells the same, in whole seconds; it is shown, too.

    Args:
        rows: of jobs and steps.
        killed: number of the allocation that was killed.
    """
    for row in rows:
        row["job"], _, row["step"] = row.pop("JobIDRaw").partition(".")
        row |= {key: int(row[key]) for key in ("Start", "End")}
    begin = min(row["Start"] for row in rows)
    print("as accounting tells (sacct):")
    for row in rows:
        place = f"{row['NodeList']} {row['job']:>3} {row['step']:5}"
        span = f"{row['Start'] - begin:5} to {row['End'] - begin:5} s"
        print(f"  {span}  {place}  {row['Account']:4}  {row['State']:15}  {row['JobName']}")
    jobs = [row for row in rows if not row["step"]]
    steps = {}
    for node, account in zip(NODES, (slurm_cluster.ACCOUNT, "root")):
        held = [row for row in jobs if row["JobName"].startswith(f"dliflow-{node}-")]
        assert {row["job"] for row in held} == {job["job"] for job in by_node[node]}
        assert {(row["NodeList"], row["Account"]) for row in held} == {(node, account)}
        for mine, other in product(held, jobs):  # nobody else is on the node
            alone = other is mine or other["NodeList"] != node
            assert alone or other["End"] <= mine["Start"] or mine["End"] <= other["Start"]
        of_node = [row for row in rows if row["step"].isdigit() and row["job"] in {job["job"] for job in held}]
        steps[node] = [row for row in of_node if row["State"] == "COMPLETED"]
        assert all(row["job"] == killed for row in of_node if row not in steps[node])
        assert all(earlier["End"] <= later["Start"] for earlier, later in pairwise(of_node))
        for step, job in zip(steps[node], by_node[node], strict=True):
            assert step["job"] == job["job"] and step["Start"] <= job["start"] and job["end"] < step["End"] + 1
    assert any(a["Start"] < b["End"] and b["Start"] < a["End"] for a, b in product(*steps.values()))
    submitted = [row for row in jobs if not row["JobName"].startswith(("dliflow-", "wrap"))]
    assert {(row["Account"], row["State"]) for row in submitted} == {(slurm_cluster.ACCOUNT, "COMPLETED")}


def show(by_node: dict[str, list[dict[str, Any]]], killed: float, resumed: float) -> None:
    """The time stamps."""
    begin = min(jobs[0]["start"] for jobs in by_node.values())
    print(f"\nkilled while drained at {killed - begin:.1f} s, resumed at {resumed - begin:.1f} s")
    for node, jobs in by_node.items():
        print(f"{node}: {len(jobs)} measurements")
        for job in jobs:
            span = f"{job['start'] - begin:7.1f} to {job['end'] - begin:7.1f} s"
            print(f"  {span}  job {job['job']} on {job['at']}  {'/'.join(job['file'].parts[-3:])}")
        gaps = [later["start"] - earlier["end"] for earlier, later in pairwise(jobs) if earlier["job"] == later["job"]]
        spent = sum(job["end"] - job["start"] for job in jobs)
        print(f"  {spent / len(jobs):.2f} s each, {sum(gaps) / len(gaps):.2f} s between two of an allocation")


@without_accounting
def test_the_profile_submits_what_does_not_measure_and_with_resources_each_measurement(cluster, on_both):
    """One of each, on a machine of the kind of the first node."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements-slurm.lock is not installed")
    project, (first, _) = on_both, NODES
    parity, sweep = prepare(project, cluster), project.path(paths.SWEEP, node=first)
    asked = {"resources": {"slurm_partition": "bench", "constraint": first}}
    for target, described in ((parity, None), (sweep, asked)):
        if described is not None:
            for name in NODES:
                (project.folder / f"config/nodes/{name}.yaml").write_text(json.dumps(described))
        ended(project, begun(project, cluster, *UNACCOUNTED, target))
        assert json.loads((project.folder / target).read_text())["environment"]["SLURMD_NODENAME"] == first
    assert not (project.folder / paths.LEASE.format(node=first)).exists()  # no allocation was held


@with_accounting
def test_an_account_that_is_not_known_is_refused_with_the_reason(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", cluster.variables["SLURM_CONF"])
    with pytest.raises(slurm.Refused, match=r"sbatch: .*Invalid account"):
        slurm.submit("any", ["--account=nobody"], tmp_path / "any.lease")


@without_accounting
def test_what_is_here_is_not_measured_through_a_scheduler(cluster, project):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements-slurm.lock is not installed")
    run = begun(project, cluster, *UNACCOUNTED, project.path(paths.SWEEP))
    assert run.wait(1500) != 0
    assert "nothing says which machine 'local' is" in (project.folder / "run.log").read_text()
    assert Path(project.folder / "results/nodes").exists() is False
