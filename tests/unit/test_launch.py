"""Processors, NUMA node and priority of a measuring process: given as asked, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.machine import cpulist, facts, launch, numa

AS_IT_IS = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
USABLE = sorted(os.sched_getaffinity(0))
SOME_NODE = pytest.mark.skipif(not (numa.NODES / "node0").exists(), reason="the kernel tells no NUMA nodes")

APPLY = """
import json, os, sys
import numpy  # its threads are there before
from dliflow.machine import launch
asked = json.loads(sys.argv[1])
launch.apply(asked)
print(json.dumps({**launch.in_effect(asked)["in_effect"], "affinity": sorted(os.sched_getaffinity(0))}))
"""


def run(asked, code=APPLY, **options):
    return subprocess.run(
        [sys.executable, "-c", code, json.dumps({**AS_IT_IS, **asked})],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )


def applied(**asked):
    """What is in effect in a fresh process of its own session, as the supervisor starts it."""
    result = run(asked, start_new_session=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("text", "numbers", "back"),
    [("0-3,8", [0, 1, 2, 3, 8], "0-3,8"), ("3,0,1-2", [0, 1, 2, 3], "0-3"), (5, [5], "5"), ("7,9\n", [7, 9], "7,9")],
)
def test_lists_of_processors(text, numbers, back):
    assert cpulist.parse(text) == numbers
    assert cpulist.written(numbers) == back


def test_a_backward_range_is_told():
    with pytest.raises(DliflowError, match=r"my\.yaml: launch\.cpus: '3-1': .* write 1-3"):
        launch.normal({**AS_IT_IS, "cpus": "3-1"}, "my.yaml")


def test_nothing_asked_changes_nothing():
    in_effect = applied()
    assert in_effect["affinity"] == USABLE
    assert cpulist.parse(in_effect["cpus"]) == USABLE
    assert in_effect["outside"] == ""
    assert in_effect["priority"] == os.getpriority(os.PRIO_PROCESS, 0)


def test_all_threads_are_pinned():
    last = USABLE[-1]
    in_effect = applied(cpus=str(last))
    assert in_effect["affinity"] == [last]
    assert (in_effect["cpus"], in_effect["outside"]) == (str(last), "")


def test_the_priority_holds_for_the_session_too():
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice > 17:
        pytest.skip("the tests run at the lowest priority already")
    in_effect = applied(priority=nice + 2)
    assert in_effect["priority"] == nice + 2
    if launch.AUTOGROUP.exists():
        assert in_effect["session_priority"] == nice + 2


@SOME_NODE
def test_a_node_gives_its_processors_and_its_memory():
    try:
        launch.check({**AS_IT_IS, "numa_node": 0})
    except DliflowError as error:
        pytest.skip(str(error))
    in_effect = applied(numa_node=0)
    assert set(in_effect["affinity"]) <= numa.processors(0)
    assert in_effect["memory"] == "bind 0"
    assert numa.memory_policy() == "default"  # what is tried in a thread stays there


def test_a_check_changes_nothing():
    before = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    launch.check({**AS_IT_IS, "cpus": str(USABLE[0]), "priority": 19})
    assert (os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"cpus": "9000"},
            r"launch\.cpus: 9000: this process cannot have all of these processors; it has .* Name others",
        ),
        ({"cpus": f"{USABLE[0]},9000"}, r"launch\.cpus: \d+,9000: this process cannot have all"),
        ({"numa_node": 900}, r"launch\.numa_node: 900: there is no such node; this machine has"),
    ],
)
def test_what_the_machine_does_not_have_is_refused(asked, message):
    asked = {**AS_IT_IS, **asked}
    for function in (launch.check, launch.apply):
        with pytest.raises(DliflowError, match=message):
            function(asked)
    assert sorted(os.sched_getaffinity(0)) == USABLE


@SOME_NODE
def test_processors_of_another_node_are_refused():
    with pytest.raises(DliflowError, match=r"launch\.cpus: 9000: 9000 is not of launch\.numa_node 0, which has"):
        launch.check({**AS_IT_IS, "cpus": "9000", "numa_node": 0})


def test_a_priority_without_the_right_to_it_is_refused(monkeypatch):
    def denied(*arguments):
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", denied)
    with pytest.raises(DliflowError, match=r"launch\.priority: -5: .* present nice value, .*limits\.conf"):
        launch.check({**AS_IT_IS, "priority": -5})


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a user who can give up rights")
def test_another_user_cannot_have_a_high_priority():
    code = "import os; from dliflow.machine import launch; os.setgid(65534); os.setuid(65534)\n" + APPLY.replace(
        "import numpy  # its threads are there before\n", ""
    )
    result = run({"priority": -5}, code)
    assert "DliflowError: launch.priority: -5: this user may not go below the present nice value" in result.stderr


def test_memory_policy_of_an_unknown_machine_is_not_told(monkeypatch):
    monkeypatch.setattr(numa.platform, "machine", lambda: "pdp11")
    assert numa.memory_policy() is None
    with pytest.raises(DliflowError, match=r"launch\.numa_node: 0: memory cannot be bound"):
        numa.bind_memory(0)


def test_caches_are_counted_once():
    size = facts.last_level_cache_bytes()
    assert size is None or 2**16 < size < 2**33
