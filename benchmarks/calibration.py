"""What the number of calibration images does to INT8: on how many images without labels the class stays FP32's.

    PYTHONPATH=workflow .venv/bin/python benchmarks/calibration.py STUDY

A finished default study left its interchange files, its lists of images and what FP32 made of those without labels.
Each number of images is the beginning of the same seeded order, as in the study.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import finished
import numpy as np
import pandas as pd

from dliflow.analysis import baselines, stats
from dliflow.configuration import Configuration
from dliflow.images import dataset, subset
from dliflow.study import options, paths, plan
from dliflow.study.study import Study

FRAMEWORKS = ("onnxruntime", "openvino")
COUNTS = (4, 8, 16, 32, 64, 128)


def stage(python: str, name: str, told: str, **changed: Any) -> None:
    """Run a stage as the workflow does, with other values for some of its options."""
    words = [word for key, value in changed.items() for word in (f"--{key}", str(value))]
    command = [python, "-m", "dliflow", name, *shlex.split(told), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def candidates(study: Study) -> subset.Rows:
    """What may be calibrated with, in the order in which it is chosen."""
    chosen = study.config["calibration"]
    lists = [paths.EVALUATION_IMAGES.format(dataset=name) for name in plan.evaluated(study.config)]
    apart = {row["sha256"] for path in lists for row in dataset.read(Path(path))}
    rows = dataset.read(Path(paths.IMAGES.format(dataset=chosen["dataset"])))
    return subset.order([row for row in rows if row["sha256"] not in apart], chosen["seed"])


def predicted(study: Study, model: str, framework: str, array: Path, threads: int) -> pd.DataFrame:
    """What INT8 that was calibrated with these images makes of those without labels."""
    of = Configuration(model, framework, "python", "default", "int8", "cpu")
    converted, record = array.with_name(f"{framework}-{array.name}"), array.with_name(f"{framework}-{array.stem}-.json")
    told = options.convert(study, model, framework, "int8")
    stage(study.python(study.converter(model, framework, "int8")), "convert", told, calibration=array, out=converted)
    told = options.accuracy(study, of, study.config["agreement"]["dataset"])
    stage(study.python(framework), "accuracy", told, converted=converted, out=record, threads=threads)
    return baselines.predictions(record.with_suffix(".csv"))


def original(study: Study, model: str, framework: str) -> pd.DataFrame:
    """What the study's FP32 made of them."""
    of = Configuration(model, framework, "python", "default", "fp32", "cpu")
    unlabelled = study.config["agreement"]["dataset"]
    record = of.path(paths.ACCURACY, dataset=unlabelled, environment=study.digest(framework))
    return baselines.predictions(Path(record).with_suffix(".csv"))


def main(model: str, frameworks: list[str], counts: list[int], threads: int) -> None:
    """Quantize and evaluate each framework with each number of images; intervals as in accuracy.csv."""
    study = Study.read(finished.settings(), "config/config.yaml")
    rows = candidates(study)
    for framework in frameworks:
        base, changed = original(study, model, framework), []
        photographs = pd.factorize(base["sha256"])[0]
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                listed, array = Path(folder, f"{count}.csv"), Path(folder, f"{count}.json")
                dataset.write(listed, rows[:count])
                told = options.prepare(study, study.specs[model])
                stage(sys.executable, "prepare", told, images=listed, out=array)
                now = predicted(study, model, framework, array, threads)
            changed.append((now["class1"] != base["class1"]).to_numpy())
            print(f"{framework} {count}: {1 - changed[-1].mean():.1%}", flush=True)
        effective = stats.effective(photographs, stats.intraclass(np.array(changed), photographs))
        print(f"{framework}: {len(photographs)} images, worth {effective:.0f} independent ones")
        for count, flags in zip(counts, changed):
            low, high = stats.share_interval((1 - flags.mean()) * effective, effective)
            of = len({row["sha256"] for row in rows[:count]})
            print(f"  {count:4} images of {of:2} photographs: {1 - flags.mean():.1%} [{low:.1%}, {high:.1%}]")


if __name__ == "__main__":
    asked = finished.parser(__doc__)
    asked.add_argument("--frameworks", nargs="+", default=FRAMEWORKS, choices=FRAMEWORKS)
    asked.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    asked.add_argument("--threads", type=int, default=1, help="of the evaluations, which time does not matter to")
    args = asked.parse_args()
    finished.enter(args.study)
    main(args.model, args.frameworks, args.counts, args.threads)
