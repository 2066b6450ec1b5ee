"""What a study leaves to be deployed, and what is deployed when it is asked for."""

from __future__ import annotations

import json

from dliflow.study import paths

PLACE = {"model": "tiny", "variant": "default", "precision": "fp32", "device": "cpu", "parameters": "default"}


def test_what_is_recommended_is_deployed_and_any_other_row_where_it_is_asked_for(finished):
    chosen = json.loads((finished.folder / paths.RECOMMENDED).read_text())
    assert {"the lowest latency", "the highest FPS"} <= {what for best in chosen.values() for what in best}
    for name in chosen:
        manifest = json.loads((finished.folder / name).read_text())
        assert sorted(manifest["files"]) == ["README.md", "classes.txt", "model/weights.npy", "requirements.txt"]
    rows = {
        paths.DEPLOYED.format(**PLACE, framework=name, batch_size=size) for name in ("alpha", "beta") for size in (1, 2)
    }
    others = sorted(rows - set(chosen))
    assert others and not any((finished.folder / name).exists() for name in others)
    told = finished.run(others[0])
    assert "jobs" in told and (finished.folder / others[0]).exists()
    readme = (finished.folder / others[0]).with_name("README.md").read_text()
    assert "# Mean colour:" in readme and "the model, Mean colour: CC0-1.0" in readme
    assert finished.pending() == set()
    finished.edit("workflow/dliflow/deployment/README.md.j2", "## Run it", "## Run")
    assert finished.pending() == set(chosen)


def test_a_row_that_the_study_does_not_have_is_refused(finished):
    finished.configure(frameworks=["alpha", "beta"], precisions=["fp32", "bf16"])
    told = finished.fail(paths.DEPLOYED.format(**PLACE, framework="alpha", batch_size=9), "--dry-run")
    assert "the study has no such row" in told
    bf16 = {**PLACE, "precision": "bf16"}
    told = finished.fail(paths.DEPLOYED.format(**bf16, framework="alpha", batch_size=1), "--dry-run")
    assert "the study skips this row: alpha has no bf16" in told
