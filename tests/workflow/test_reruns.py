"""What runs again, and what does not, on the real workflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import numpy as np
from project import Project, another_framework

from dliflow.images import dataset
from dliflow.study import paths

DERIVED = tuple(f"results/{name}/" for name in ("tables", "plots", "export", "report", "deploy"))


def derived(outputs: set[str]) -> set[str]:
    """The tables, plots, exports, report and what is deployed among outputs."""
    return {name for name in outputs if name.startswith(DERIVED)}


def test_nothing_changed_runs_nothing(finished):
    assert finished.pending() == set()


def test_records_name_the_list_of_their_images(finished):
    for stage, subset in (("accuracy", "evaluation"), ("sweep", "performance")):
        path = finished.folder / f"results/data/colours/{subset}.csv"
        manifest = json.loads(path.with_name(f"{subset}.csv.json").read_text())
        assert manifest["list_sha256"] == dataset.list_sha256(path)
        assert (manifest["images"], manifest["classes"], manifest["images_of_a_class"]) == (9, 3, [3, 3])
        records = [json.loads(record.read_text()) for record in finished.records(f"results/{stage}/**/*.json")]
        assert {record["identity"]["list_sha256"] for record in records} == {manifest["list_sha256"]}


def test_a_copy_elsewhere_and_new_dates_run_nothing(finished, tmp_path):
    clone = tmp_path / "elsewhere"
    shutil.copytree(finished.folder, clone, symlinks=True)
    for folder, _, files in os.walk(clone):
        if ".snakemake" not in folder and "/results" not in folder:
            for name in files:
                os.utime(os.path.join(folder, name))
    assert Project(clone, finished.environments).pending() == set()


def test_a_git_clone_with_the_results_copied_runs_nothing(finished, tmp_path):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    as_it_comes = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # no hooks, no signatures
    (finished.folder / ".gitignore").write_text("/results/\n/.snakemake/\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=finished.folder, env=as_it_comes, check=True)
    clone = tmp_path / "clone"
    subprocess.run([*git, "clone", "-q", str(finished.folder), str(clone)], env=as_it_comes, check=True)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.folder / name, clone / name, symlinks=True)
    assert Project(clone, finished.environments).pending() == set()


def measured_anew(pending: set[str]) -> set[str]:
    """Which frameworks' groups are among outputs."""
    return {name.split("/")[4].split("-")[0] for name in pending if name.startswith("results/sweep/")}


def test_one_framework_s_pin_changed(finished):
    finished.edit("envs/beta.yaml", "numpy==2.4.6", "numpy==2.4.5")
    pending = finished.pending()
    others = pending - derived(pending)
    pages = {page for rule, pages in paths.PAGES.items() for page in (*pages, paths.MARKS[rule])}
    assert derived(pending) == {*pages, paths.RECOMMENDED}  # which rows these are is known behind it
    made = (paths.CONVERTED, paths.PARITY, paths.ACCURACY)
    groups = [finished.path(paths.SWEEP, "beta", group=group) for group in (1, 2)]
    environment = {name for name in others if name.endswith("/environment.json")}
    assert others - environment == {*(finished.path(pattern, "beta") for pattern in made), *groups}


def test_what_runs_a_model_changed_measures_that_framework_and_converts_nothing(finished):
    finished.edit("workflow/dliflow/frameworks/beta.py", "scores + 1", "scores + 2")
    pending = finished.pending()
    others = pending - derived(pending)
    assert derived(pending)
    assert all("beta" in name for name in others), others
    assert {name.split("/")[1] for name in others} == {"parity", "accuracy", "sweep"}
    assert sum(name.startswith("results/sweep/") for name in others) == 2


def test_what_measures_changed_measures_all_and_evaluates_nothing(finished):
    finished.edit("workflow/dliflow/measuring/anchor.py", "FEWEST = 3", "FEWEST = 4")
    pending = finished.pending()
    assert measured_anew(pending) == {"alpha", "beta"}
    assert {name.split("/")[1] for name in pending - derived(pending)} == {"sweep", "anchor"}


def test_a_converter_changed_converts_again_and_measures_nothing_where_the_same_files_come_out(finished):
    """Another step of INT8, which the study does not ask for; other files are measured again: test_unfinished.py."""
    model = finished.folder / finished.path(paths.CONVERTED, "beta")
    kept = {}
    for pattern in ("models/tiny/alpha-*.json", "parity/**/*.json", "accuracy/**/*.json", "sweep/**/*.json"):
        kept |= finished.dates(f"results/{pattern}")
    assert len(kept) == 1 + 2 * (1 + 1 + 2)
    before = model.stat().st_mtime_ns
    finished.edit("workflow/dliflow/conversion/beta.py", ".max() / 127", ".max() / 126")
    pending = finished.pending()
    assert str(model.relative_to(finished.folder)) in pending
    assert not any("alpha" in name for name in pending - derived(pending))
    output = finished.run("all")
    assert model.stat().st_mtime_ns != before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, output
    assert finished.pending() == set()


def test_words_run_nothing(finished):
    """Comments, docstrings and messages of errors, of what runs, what converts, and of all."""
    package = "workflow/dliflow"
    finished.edit(f"{package}/frameworks/beta.py", "Mean colour", "The mean colour")
    finished.edit(f"{package}/frameworks/beta.py", "def load(", "# Loads.\ndef load(")
    finished.edit(f"{package}/frameworks/__init__.py", "unknown framework '", "there is no framework '")
    finished.edit(f"{package}/conversion/beta.py", "Keep the weights", "Keep all weights")
    finished.edit(f"{package}/conversion/beta.py", "def convert(", "# Converts.\ndef convert(")
    finished.edit(f"{package}/conversion/__init__.py", "nothing converts models to", "no models are made for")
    finished.edit(f"{package}/interchange/graph.py", "The interchange graph as", "The ONNX graph as")
    finished.edit(f"{package}/stages/convert.py", "takes no file as it is", "takes no such file")
    finished.edit(f"{package}/measuring/metrics.py", "raise DliflowError(", "raise DliflowError('Sorry: ' + ")
    path = finished.folder / package / "errors.py"
    path.write_text(path.read_text().replace('"""', '"""Once more: ', 1) + "\n# The end.\n")
    assert finished.pending() == set()


def test_a_plot_changed(finished):
    path = finished.folder / "workflow/dliflow/stages/plots.py"
    path.write_text(path.read_text() + "\nCHANGED = True\n")
    pending = finished.pending()
    assert pending == derived(pending)
    assert not any(name.startswith("results/tables/") for name in pending)
    assert any(name.startswith("results/plots/") for name in pending)
    assert "results/report/index.html" in pending


def test_another_goal_makes_the_report_which_answers_it_and_chooses_anew_what_to_deploy(finished):
    finished.configure(goal={"objective": "memory", "loss": 0.01})
    others = {name for name in finished.pending() if not name.startswith("results/report/")}
    assert others == {paths.RECOMMENDED}
    output = finished.run("all")
    assert "Your goal        smallest memory, at most 1 % of top-1 lost" in output
    data = json.loads((finished.folder / paths.SUMMARY_DATA).read_text())
    (answers,) = data["answers"]
    outcome = answers["outcomes"][answers["questions"]["goal"]]
    assert (outcome["answer"], data["goal"]["objective"]) == ("yes", "memory")
    assert f"yes: {answers['rows'][outcome['row']]['name']} at batch size" in output
    assert finished.pending() == set()


def test_other_batch_sizes_measure_all_again_and_do_nothing_else(finished):
    for sizes in ([1, 2, 4], [2]):
        finished.configure(latency={"batch_sizes": sizes})
        pending = finished.pending()
        assert measured_anew(pending) == {"alpha", "beta"}
        assert {name.split("/")[1] for name in pending - derived(pending)} == {"sweep"}
    told = finished.run("all", "--dry-run")
    assert "Measurements to be made: 4 of the sweep (alpha, beta)." in told
    assert re.search(r"\n  measuring +4 jobs +about 8 s\n  reporting +5 jobs .*\n  in all +9 jobs ", told)


def test_a_group_added_keeps_the_others(finished):
    finished.configure(latency={"groups": 3})
    pending = finished.pending()
    third = {finished.path(paths.SWEEP, framework, group=3) for framework in ("alpha", "beta")}
    assert pending - derived(pending) == third
    told = finished.run("all", "--dry-run")
    assert "Measurements to be made: 2 of the sweep (alpha, beta)." in told
    assert re.search(r"^sweep +2$", told, re.MULTILINE) and "Shell command" not in told
    assert re.search(r"^  output files have to be generated: .*\bsweep\b", told, re.MULTILINE)
    listed = finished.run("all", "--dry-run", "--quiet", "host")
    assert listed.count("rule sweep:") == 2 and "Measurements to be made: 2" in listed


def test_a_framework_and_a_precision_added_are_all_that_is_measured(finished):
    another_framework(finished.folder, "null")
    finished.configure(frameworks=["alpha", "beta", "null"])
    assert measured_anew(finished.pending()) == {"null"}
    finished.configure(frameworks=["alpha", "beta"], precisions=["fp32", "fp16"])
    pending = finished.pending()
    groups = {
        finished.path(paths.SWEEP, framework, precision="fp16", group=group)
        for framework in ("alpha", "beta")
        for group in (1, 2)
    }
    assert {name for name in pending if name.startswith("results/sweep/")} == groups
    assert {name for name in pending - derived(pending) if "fp16" not in name} == set()


def test_a_framework_removed(finished):
    finished.configure(frameworks=["alpha"])
    pending = finished.pending()
    assert pending
    assert pending == derived(pending)


def test_a_comment_in_an_environment_file_runs_nothing(finished):
    path = finished.folder / "envs/beta.yaml"
    path.write_text("# Held back for no reason.\n" + path.read_text())
    assert finished.pending() == set()


def test_a_time_bound_runs_nothing(finished):
    finished.configure(latency={"timeout_s": 33})
    assert finished.pending() == set()


def test_an_image_added_evaluates_again(finished):
    shutil.copy(finished.folder / "data/images/0_0.png", finished.folder / "data/images/9_0.png")
    assert any("/accuracy/" in name for name in finished.pending())


def test_other_images_for_quality_measure_nothing_again(finished):
    finished.configure(accuracy={"images": 3})
    pending = finished.pending()
    assert any(name.startswith("results/accuracy/") for name in pending)
    assert not any(name.startswith("results/sweep/") for name in pending)


def test_other_images_for_requests_evaluate_nothing_again(finished):
    finished.configure(latency={"images": 3})
    pending = finished.pending()
    assert any(name.startswith("results/sweep/") for name in pending)
    assert not any(name.startswith("results/accuracy/") for name in pending)


def test_another_model_at_the_same_place_runs_all_again(finished):
    path = finished.folder / "data/model/tiny.npz"
    np.savez(path, weights=np.eye(3, dtype=np.float32) * 4)
    pending = finished.pending()
    assert {"resources/downloads/models/tiny.json", "results/models/tiny/reference.json"} <= pending
    assert any(name.startswith("results/sweep/") for name in pending)
    assert not any(name.startswith("results/data/") for name in pending)


def test_launch_settings_measure_again_and_do_nothing_else(finished):
    for changes in ({"launch": {"priority": 1}}, {"latency": {"inputs": "random"}}, {"latency": {"distinct": 1}}):
        kept = (finished.folder / "config/config.yaml").read_text()
        finished.configure(**changes)
        pending = finished.pending()
        others = {name for name in pending - derived(pending) if not name.startswith("results/compare/")}
        assert others == {str(path.relative_to(finished.folder)) for path in finished.records()}, changes
        (finished.folder / "config/config.yaml").write_text(kept)
    assert finished.pending() == set()


def test_variables_that_are_asked_for_reach_what_is_measured_and_its_quality(finished):
    def environments():
        return {
            path: json.loads(path.read_text())["environment"]
            for path in finished.records("results/[asp][acw]*/**/*.json")
        }

    before = environments()
    assert len(before) > 4
    assert all("OPENCV_CPU_DISABLE" not in found and found["PYTHONPATH"] == "workflow" for found in before.values())
    finished.configure(launch={"environment": {"KMP_BLOCKTIME": "0"}})
    pending = finished.pending()
    assert {str(path.relative_to(finished.folder)) for path in before} <= pending
    assert not any(name.startswith(("results/models/", "results/data/")) for name in pending)
    one = finished.path(paths.ACCURACY)
    finished.run(one, OPENCV_CPU_DISABLE="AVX2", KMP_BLOCKTIME="9")
    found = environments()[finished.folder / one]
    assert found["KMP_BLOCKTIME"] == "0"
    assert "OPENCV_CPU_DISABLE" not in found


def test_a_launch_that_this_machine_does_not_allow_is_refused_before_anything_runs(project):
    project.configure(launch={"cpus": "9000"})
    output = project.fail("all")
    assert "launch.cpus: 9000: this process cannot have all of these processors" in output
    assert not (project.folder / "results/parity").exists()
    project.run("all", "--dry-run")
