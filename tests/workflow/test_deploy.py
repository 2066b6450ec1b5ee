"""What a study leaves to be deployed, and what is deployed when it is asked for."""

from __future__ import annotations

import json
import shutil

from dliflow.study import paths

PLACE = {
    "node": "local",
    "model": "tiny",
    "api": "python",
    "variant": "default",
    "precision": "fp32",
    "device": "cpu",
    "parameters": "default",
}


def test_what_is_recommended_is_deployed_and_any_row_where_it_is_asked_for(finished):
    chosen = json.loads((finished.folder / paths.RECOMMENDED).read_text())
    assert chosen and all(chosen.values())  # for what: on a busy machine for memory alone
    for name in chosen:
        manifest = json.loads((finished.folder / name).read_text())
        assert sorted(manifest["files"]) == ["README.md", "classes.txt", "model/weights.npy", "requirements.txt"]
    asked = finished.folder / paths.DEPLOYED.format(**PLACE, framework="beta", batch_size=2)
    shutil.rmtree(asked.parent, ignore_errors=True)
    finished.run(str(asked.relative_to(finished.folder)))
    assert asked.exists()
    readme = asked.with_name("README.md").read_text()
    assert "# Mean colour:" in readme and "the model, Mean colour: CC0-1.0" in readme
    assert finished.pending() == set()
    finished.edit("workflow/dliflow/deployment/README.md.j2", "## Run it", "## Run")
    assert finished.pending() == set(chosen)


def test_a_row_is_deployed_though_another_framework_fails(finished):
    finished.configure(options={"beta": {"fault": "error"}})
    finished.fail("all")
    asked = finished.folder / paths.DEPLOYED.format(**PLACE, framework="alpha", batch_size=1)
    shutil.rmtree(asked.parent, ignore_errors=True)
    finished.run(str(asked.relative_to(finished.folder)))
    assert asked.exists()


def test_a_row_that_the_study_does_not_have_is_refused(finished):
    finished.configure(frameworks=["alpha", "beta"], precisions=["fp32", "bf16"])
    told = finished.fail(paths.DEPLOYED.format(**PLACE, framework="alpha", batch_size=9), "--dry-run")
    assert "the study has no such row" in told
    bf16 = {**PLACE, "precision": "bf16"}
    told = finished.fail(paths.DEPLOYED.format(**bf16, framework="alpha", batch_size=1), "--dry-run")
    assert "the study skips this row: alpha has no bf16" in told
