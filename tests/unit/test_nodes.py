"""Several machines in one study: their files, the plan, what a scheduler is told, and what is refused."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from project import ROOT

from dliflow import files
from dliflow.analysis.tables import nodes as node_table
from dliflow.errors import DliflowError
from dliflow.runs.forecast import Durations, Job
from dliflow.runs.standing import Standing
from dliflow.study import config, nodes, paths, plan, yaml_files

STUDY = {"models": ["m"], "dataset": "d", "frameworks": ["onnxruntime", "openvino"], "precisions": ["fp32", "int8"]}
MODEL = plan.described({"source": {"format": "onnx"}}, "spec", 10)
EMPTY = config.validated({}, "node", "test")
ONCE = ("parity", "accuracy", "agreement")
PER_NODE = ("sweep", "throughput", "tune", "compare", "profile")


def entry(**changes):
    return config.validated(changes, "node", "test")


def build(machines=None, **changes):
    asked = {"nodes": ["a", "b"], "tune": "on", "throughput": {"in_flight": [2]}, "latency": {"groups": 2}}
    checked = config.study({**STUDY, **asked, "profile": [{"framework": "openvino"}], **changes}, "test")
    known = {name: nodes.deciding(each) for name, each in (machines or {}).items()}
    return plan.build(plan.deciding(checked, (), known), {"m": MODEL}, lambda name: f"envs/{name}", files.digest)


def written(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


# --- Names and files --------------------------------------------------------------------------------------------------


def test_node_is_short_for_one_and_picks_one_of_several():
    assert config.study(STUDY, "test")["nodes"] == ["local"]
    assert config.study({**STUDY, "node": "mine"}, "test")["nodes"] == ["mine"]
    assert config.study({**STUDY, "nodes": ["local"], "node": "mine"}, "test")["nodes"] == ["mine"]
    assert config.study({**STUDY, "nodes": ["a", "b"], "node": "b"}, "test")["nodes"] == ["b"]
    with pytest.raises(DliflowError, match=r"test: node: 'c' is none of nodes: \[a, b\]"):
        config.study({**STUDY, "nodes": ["a", "b"], "node": "c"}, "test")
    for wrong in (5, None, "ab"):
        with pytest.raises(DliflowError, match=r"test: nodes: .* Right would be: a list of names of files"):
            config.study({**STUDY, "nodes": wrong, "node": "a"}, "test")
    with pytest.raises(DliflowError, match=r"nodes\[0\]: 'Big One': .* lower-case letters"):
        config.study({**STUDY, "node": "Big One"}, "test")


def test_only_the_single_node_of_a_study_may_do_without_a_file(tmp_path):
    (only,) = nodes.entries(tmp_path, ["local"], "test").values()
    assert nodes.here(only) and nodes.reached(only) == {"machine": {}, "slurm": None}
    folder = written(tmp_path, a="slurm: {partition: bench}")
    with pytest.raises(DliflowError, match=r"test: nodes\[1\]: 'b' is unknown.*write .*/b\.yaml \(docs/cluster\.md\)"):
        nodes.entries(folder, ["a", "b"], "test")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("slurm: {partiton: bench}", "slurm: unknown key 'partiton'; did you mean 'partition'?"),
        ("slurm: {extra: [nodelist=a]}", "slurm.extra[0]: 'nodelist=a'"),
        ("devices: [tpu]", "devices[0]: 'tpu' is unknown"),
        ("measure: {frameworks: [openvina]}", "measure.frameworks[0]: 'openvina' is unknown; did you mean 'openvino'?"),
        ("{slurm: {partition: x}, resources: {machine_type: y}}", "resources: slurm is set, too"),
    ],
)
def test_a_mistake_in_a_nodes_file_is_named(tmp_path, text, told):
    with pytest.raises(DliflowError) as error:
        nodes.entries(written(tmp_path, a=text), ["a"], "test")
    assert told in str(error.value) and "a.yaml" in str(error.value)


def test_the_example_has_every_key():
    example = yaml_files.mapping(ROOT / "config/nodes/example.yaml")
    for part in (None, "measure", "machine", "slurm"):
        schema = config.schema("node")["properties"]
        assert set(example[part] if part else example) == set(schema[part]["properties"] if part else schema)
    nodes.entries(ROOT / "config/nodes", ["example"], "test")


# --- The plan ---------------------------------------------------------------------------------------------------------


def test_quality_is_looked_at_once_and_speed_on_each_node():
    one, both = build(nodes=["a"]), build()
    assert all(one[stage] == both[stage] for stage in ONCE)
    for stage in PER_NODE:
        assert both[stage] and [row for row in both[stage] if row["node"] == "a"] == one[stage]
        there = [row for row in both[stage] if row["node"] == "b"]
        assert [row["record"] for row in there] == [row["record"].replace("/a/", "/b/") for row in one[stage]]
    made_once = {output for row in both["sweep"] for output in row["needs"]} - set(plan.records(both, "sweep"))
    assert made_once == {output for row in one["sweep"] for output in row["needs"]} - set(plan.records(one, "sweep"))


def test_each_node_has_comparisons_of_its_own():
    found = build()
    for row in found["compare"]:
        other = "b" if row["node"] == "a" else "a"
        assert not any(f"/{other}/" in output for output in row["needs"])
    assert {row["node"] for row in found["compare"]} == {"a", "b"}
    assert plan.candidates(found, model="m", node="a") == plan.candidates(found, model="m", node="b")


def test_a_node_measures_what_its_file_says():
    machines = {"a": entry(measure={"frameworks": ["openvino"], "precisions": ["int8"]}), "b": EMPTY}
    found = build(machines)
    for stage in ("sweep", "throughput", "tune"):
        assert {(row["framework"], row["precision"]) for row in found[stage] if row["node"] == "a"} == {
            ("openvino", "int8")
        }
    assert {row["framework"] for row in found["sweep"] if row["node"] == "b"} == {"onnxruntime", "openvino"}
    assert len(found["parity"]) == 4
    named = nodes.deciding(entry(measure={"frameworks": ["openvino"]}))
    names = {"openvino": True, "openvino@2025.3": True, "onnxruntime": False}
    assert {name: nodes.measures(named, {"framework": name}) for name in names} == names


def test_a_device_that_a_node_lacks_is_a_row_with_the_reason():
    machines = {
        "a": nodes.deciding(entry(devices=["cpu"])),
        "b": nodes.deciding(entry(devices=["cpu", "gpu"])),
        "c": {},
    }
    row = {"framework": "f", "model": "m", "precision": "fp32", "device": "gpu", "reason": None}
    found = list(plan.on_nodes({"nodes": ["a", "b", "c"], "machines": machines}, row))
    reason = "a has no gpu (config/nodes/a.yaml: devices)"
    assert [(each["node"], each["reason"]) for each in found] == [("a", reason), ("b", None), ("c", None)]
    (declared,) = plan.on_nodes({"nodes": ["a"], "machines": machines}, {**row, "reason": "not on a gpu"})
    assert declared["reason"] == "not on a gpu"


# --- What a scheduler is told -----------------------------------------------------------------------------------------


def test_an_allocation_asks_for_what_the_file_says():
    asked = {"partition": "bench", "constraint": "xeon&ib", "account": "me", "qos": "long", "gres": "gpu:1"}
    known = entry(slurm={**asked, "minutes": 30, "extra": ["--nodelist=cn07"]}, machine={"cpu": "*Xeon*"})
    options = ["--partition=bench", "--constraint=xeon&ib", "--account=me", "--qos=long", "--gres=gpu:1"]
    assert nodes.reached(known) == {
        "machine": {"cpu": "*Xeon*"},
        "slurm": {"allocation": [*options, "--time=30", "--nodelist=cn07"], "step": ["--gres=gpu:1"]},
    }
    assert not nodes.here(known)
    plain = {"allocation": ["--time=240"], "step": []}
    assert nodes.reached(entry(slurm={}))["slurm"] == plain


def test_what_looks_at_quality_is_submitted_to_the_same_kind_of_machine():
    known = entry(slurm={"partition": "bench", "constraint": "xeon", "account": "me", "extra": ["--reservation=a b"]})
    assert nodes.resources(known) == {
        "slurm_partition": "bench",
        "constraint": "xeon",
        "slurm_account": "me",
        "slurm_extra": "'--reservation=a b'",
    }
    assert nodes.resources(entry(resources={"machine_type": "c7", "gpus": 1})) == {"machine_type": "c7", "gpus": 1}
    assert nodes.resources(EMPTY) == {}


def test_a_run_that_would_measure_on_the_wrong_machine_is_refused():
    by_slurm, submitted = entry(slurm={}), entry(resources={"machine_type": "c7"})
    nodes.check_places({"a": by_slurm, "b": by_slurm}, False, False, "my.yaml")
    nodes.check_places({"a": by_slurm, "b": EMPTY}, True, False, "my.yaml")
    nodes.check_places({"a": submitted, "b": submitted}, False, True, "my.yaml")
    with pytest.raises(DliflowError, match=r"my\.yaml: nodes: a, b: this machine cannot be all of them"):
        nodes.check_places({"a": EMPTY, "b": EMPTY}, True, False, "my.yaml")
    with pytest.raises(DliflowError, match=r"my\.yaml: nodes: local: .* write config/nodes/local\.yaml with 'slurm'"):
        nodes.check_places({"local": EMPTY}, False, False, "my.yaml")
    with pytest.raises(DliflowError, match=r"my\.yaml: nodes: a: their 'resources' are for an executor"):
        nodes.check_places({"a": submitted}, True, False, "my.yaml")
    with pytest.raises(
        DliflowError, match=r"my\.yaml: nodes: a: .*the image would need SLURM's commands; leave --sdm out"
    ):
        nodes.check_places({"a": by_slurm, "b": EMPTY}, True, True, "my.yaml")


def test_nodes_are_reached_in_one_way_only(tmp_path):
    folder = written(tmp_path, a="slurm: {}", b="resources: {machine_type: y}")
    with pytest.raises(DliflowError, match=r"test: nodes: a: have 'slurm', and b 'resources'; .*--config node=NAME"):
        nodes.entries(folder, ["a", "b"], "test")
    for alone in "ab":
        nodes.entries(folder, [alone], "test")


def test_a_rule_that_is_another_with_changes_says_anew_where_it_runs():
    # It is not inherited: a scheduler would get downloads, and measurements that are to be steps of an allocation.
    texts = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    where, again = {}, 0
    for block in re.split(r"\n(?=\S)", "\n".join(texts)):
        if named := re.match(r"(?:use rule (\w+) as|rule|checkpoint) (\w+)", block):
            base, name = named.groups()
            where[name] = re.findall("localrule: .*", block)
            assert base is None or where[name] == where[base], name
            again += base is not None and where[name] != []
    assert again == 3


# --- What is told of them ---------------------------------------------------------------------------------------------


def point(node, latency, measured=None, half=0.05, anchor=2.0, threads=2, **changes):
    """A row of performance.csv; as measured everything takes twice as long unless it is said otherwise."""
    row = dict.fromkeys(node_table.SAME_POINT, "x") | {"node": node, "status": "ok", "batch_size": 1}
    row |= {"cpu": f"CPU of {node}", "framework_version": "1", "anchor_threads": threads, "reference_anchor_ms": anchor}
    figures = {"latency_reference": latency, "latency": measured or 2 * latency}
    for name, value in figures.items():
        row |= {f"{name}_ci_low_ms": value * math.exp(-half), f"{name}_ci_high_ms": value * math.exp(half)}
    return row | {"latency_reference_ms": latency, "latency_p50_ms": figures["latency"]} | changes


def test_each_further_node_is_set_against_the_first():
    rows = [point("a", 4.0), point("b", 2.0, anchor=1.0), point("c", 4.2), point("d", 8.0, threads=4)]
    b, c, d = node_table.rows(rows)
    assert (b["node"], b["against"], b["against_cpu"], b["against_reference_ms"]) == ("b", "a", "CPU of a", 4.0)
    assert b["ratio"] == b["measured_ratio"] == b["anchor_ratio"] == 0.5
    assert math.log(b["ratio_ci_high"] / b["ratio"]) == pytest.approx(0.05 * math.sqrt(2))
    assert math.log(b["ratio"] / b["ratio_ci_low"]) == pytest.approx(0.05 * math.sqrt(2))
    assert [each["verdict"] for each in (b, c, d)] == ["faster", "no difference shown", "slower"]
    assert d["anchor_ratio"] is None


def test_a_node_is_called_faster_only_where_it_is_so_as_measured_too():
    (row,) = node_table.rows([point("a", 4.0), point("b", 2.0, measured=8.0)])
    assert (row["ratio"], row["measured_ratio"], row["verdict"]) == (0.5, 1.0, "no difference shown")


def test_what_has_no_figures_is_set_against_nothing():
    without = point("b", 2.0) | {"latency_reference_ci_low_ms": None, "latency_reference_ci_high_ms": None}
    failed = {"node": "a", "status": "failed", **{name: point("a", 1.0)[name] for name in node_table.SAME_POINT}}
    assert node_table.rows([failed, without]) == []
    (row,) = node_table.rows([failed, point("c", 1.0), without])
    assert (row["against"], row["ratio_ci_low"], row["verdict"]) == ("c", None, "no difference shown")
    assert node_table.rows([point("a", 1.0), point("b", 1.0, batch_size=2)]) == []


def test_nodes_measure_at_the_same_time_and_are_told_apart():
    known = Durations(config.study(STUDY, "test"))
    jobs = [
        Job(number, "sweep", f"{number}.log", {"node": node, "model": "m", "framework": "f", "group": str(number)})
        for number, node in enumerate("aab", 1)
    ]
    assert known.of_all(jobs, {}, 1) == 2 * known.of(jobs[0])
    standing = Standing(jobs, known, 1, now=0.0)
    standing.start(3, 0.0)
    assert "sweep f on b, group 3" in "\n".join(standing.block(1.0, 100))
    alone = Standing(jobs[:2], known, 1, now=0.0)
    alone.start(1, 0.0)
    assert "sweep f, group 1" in "\n".join(alone.block(1.0, 100))


def test_the_files_to_deploy_of_a_node_lie_in_a_folder_of_its_own():
    row = build()["tune"][0]
    assert f"/deploy/{row['node']}/" in paths.DEPLOYED.format(**row)
