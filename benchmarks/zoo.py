"""Which known networks run in which framework: a matrix of how far their scores are from the source's.

    PYTHONPATH=workflow .venv/bin/python benchmarks/zoo.py --json zoo.json

The networks are torchvision's, timm's and Keras's, with random weights from a seed (`zoo_networks.py`), of libraries in
environments of their own. Each is exported, converted and compared by the workflow's own stages, in processes that are
bounded in time and memory. A cell opens the model for each batch size and, where a framework has several variants, for
each of them. The largest difference counts, by the largest score. The file given with `--json` is written after every
cell; what stands in it is not tried again, so delete it when the code has changed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Optional

from dliflow import conversion, frameworks, sources
from dliflow.files import read_json, write_json
from dliflow.images import inputs
from dliflow.machine import children, lock
from dliflow.stages import environment
from dliflow.stages.supervise import kill_session
from dliflow.study import arguments as command_line
from dliflow.study import environments, yaml_files

CHECKOUT = Path(__file__).resolve().parent.parent
STAGES = CHECKOUT / "tests/frameworks/stages.py"  # runs stages in one process, and tells how each ended
CONFIG = yaml_files.mapping(CHECKOUT / "config/config.yaml")
FROM_ONNX = "pytorch:onnx"  # built of the graph, as networks are that bring no program
COLUMNS = (*yaml_files.mapping(CHECKOUT / "config/all_frameworks.yaml")["frameworks"], FROM_ONNX)
ENVIRONMENT = {
    **dict.fromkeys(("torchvision", "timm"), CHECKOUT / "envs/torch_libraries.yaml"),
    "keras": CHECKOUT / "envs/tensorflow.yaml",
}
NETWORKS = {
    "torchvision": (
        "alexnet vgg11_bn resnet18 resnext50_32x4d wide_resnet50_2 squeezenet1_1 densenet121 inception_v3 googlenet "
        "shufflenet_v2_x1_0 mobilenet_v2 mobilenet_v3_small mnasnet1_0 efficientnet_b0 efficientnet_v2_s "
        "regnet_x_400mf regnet_y_400mf vit_b_16 swin_v2_t convnext_tiny maxvit_t"
    ),
    "timm": "ghostnetv2_100 convit_tiny",
    "keras": (
        "MobileNetV2 MobileNetV3Small ResNet50 ResNet50V2 EfficientNetB0 EfficientNetV2B0 DenseNet121 NASNetMobile "
        "Xception ConvNeXtTiny"
    ),
}
NETWORK = re.compile(r"[a-z]+/\w[\w.-]*")  # folders of such names are emptied
ALL = [f"{library}/{name}" for library, names in NETWORKS.items() for name in names.split()]
BATCH_SIZES = (1, 2, 3)
TOLERANCE = CONFIG["parity"]["tolerance"]["fp32"]
NO_BOUNDS = dict.fromkeys(("tolerance", "distance", "agreement"))

Outcome = dict[str, Any]
"""`status`: ok, off (scores differ too much), skipped or failed; `reason`, or figures; `seconds`; `memory_gb`."""


@dataclass(frozen=True)
class Settings:
    """What holds for every process."""

    environments: Path
    precision: str
    timeout_s: float
    memory_gb: float
    keep: Optional[Path]


def python_of(file: Path, settings: Settings) -> str:
    """The Python of an environment, which is made where it is missing."""
    out = Path(environments.folder(file, str(settings.environments)), "environment.json")
    environment.run(argparse.Namespace(file=file, out=out))
    return str(out.parent / "bin/python")


def python(framework: str, settings: Settings) -> str:
    """The Python of a framework's environment."""
    return python_of(CHECKOUT / f"envs/{framework}.yaml", settings)


@dataclass
class Spent:
    """What processes took; `memory_gb` is the most that was resident in one of them."""

    seconds: float = 0.0
    memory_gb: float = 0.0


class Broken(Exception):
    """A process that did not end well; the message tells why."""


def bounded(command: list[str], log: Path, settings: Settings, spent: Spent) -> None:
    """Run a process; several run side by side, so that those which read `OMP_NUM_THREADS` have one thread.

    Raises:
        Broken: when it was killed, by the system or by a bound, or ended with an error.
    """
    paths = os.pathsep.join(map(str, (CHECKOUT / "workflow", STAGES.parent)))
    variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    tie, most = children.dying_with_parent(), int(settings.memory_gb * 1e9)

    def limit() -> None:
        tie()
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))

    start = perf_counter()
    with open(log, "w") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=variables, start_new_session=True, preexec_fn=limit
        )
        timer = threading.Timer(settings.timeout_s, kill_session, [child.pid])
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
    seconds = perf_counter() - start
    spent.seconds += seconds
    spent.memory_gb = max(spent.memory_gb, usage.ru_maxrss * 1024 / 1e9)
    child.returncode = os.waitstatus_to_exitcode(status)
    if seconds >= settings.timeout_s:
        raise Broken(f"ran past {settings.timeout_s:g} s")
    if child.returncode < 0:
        raise Broken(f"killed by {signal.Signals(-child.returncode).name}")
    if child.returncode:
        raise Broken(last_words(log.read_text(errors="replace")))


def last_words(text: str) -> str:
    """The message that an output ends with: that of dliflow, of an exception, or the last line."""
    if ": error: " in text:
        return " ".join(text.rpartition(": error: ")[2].split())
    lines = [line for line in text.splitlines() if line.strip()] or ["no output"]
    shown = [index for index, line in enumerate(lines) if line.startswith("Traceback")]
    after = lines[shown[-1] + 1 :] if shown else lines[-1:]
    return next((line for line in after if not line.startswith(" ")), lines[-1])


def run_stages(python: str, stages: dict[str, list[str]], folder: Path, settings: Settings, spent: Spent) -> None:
    """Run stages, by a name of each, in one process.

    Raises:
        Broken: naming the first stage that did not end well, and why.
    """
    name = "_".join(next(iter(stages)).split())
    asked, answers = folder / f"{name}_asked.json", folder / f"{name}_answers.jsonl"
    write_json(asked, {stage: {"argv": argv} for stage, argv in stages.items()})
    answers.unlink(missing_ok=True)
    ending = "left without an answer"
    try:
        bounded([python, str(STAGES), str(asked), str(answers)], folder / f"{name}.log", settings, spent)
    except Broken as broken:
        ending = str(broken)
    outcomes = dict(map(json.loads, answers.read_text().splitlines())) if answers.exists() else {}
    for stage in stages:
        outcome = outcomes.get(stage, {"broken": ending})
        if outcome.get("status") != 0:
            raise Broken(f"{stage}: {last_words(outcome.get('errors') or outcome.get('broken', ''))}")


def attempt(column: str, network: str, folder: Path, settings: Settings) -> Outcome:
    """One cell: convert, and compare at each batch size in each variant.

    Args:
        folder: that of the network, with the interchange files.
    """
    framework, precision = column.partition(":")[0], settings.precision
    reason = frameworks.load(framework).supports(precision, "cpu")
    if reason is not None:
        return {"status": "skipped", "reason": reason, **vars(Spent())}
    entry = read_json(folder / "entry.json")
    taken = inputs.converted(entry["input"])
    place = folder / column.replace(":", "_")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    common = {"framework": framework, "precision": precision}
    comparing, records = {}, {}
    for variant, size in itertools.product(frameworks.variants(framework), BATCH_SIZES):
        stage = f"parity {variant} batch {size}"
        records[stage] = place / f"{variant}-{size}.json"
        options = {
            **common,
            **{"model": network.replace("/", "-"), "variant": variant, "device": "cpu"},
            **{"converted": place / "model.json", "scores": entry["scores"], "input": taken},
            **{"array": folder / "images.json", "reference": folder / "reference.json"},
            **{"bounds": NO_BOUNDS, "batch_size": size, "out": records[stage]},
        }
        comparing[stage] = ["parity", *command_line.words(**options)]
    spent = Spent()
    try:
        converting = {"convert": convert(column, folder, place, taken, common)}
        run_stages(python(conversion.converter(framework, precision), settings), converting, place, settings, spent)
        run_stages(python(framework, settings), comparing, place, settings, spent)
        outcome = compared([read_json(record) for record in records.values()], precision)
    except Broken as broken:
        outcome = {"status": "failed", "reason": str(broken)}
    shutil.rmtree(place)
    return {**outcome, **vars(spent)}


def convert(column: str, folder: Path, place: Path, taken: dict[str, Any], common: dict[str, str]) -> list[str]:
    """The stage `convert` of a cell; `taken` is the input entry of converted models."""
    options = {**common, "source": folder / ("onnx.json" if column == FROM_ONNX else "interchange.json")}
    if common["precision"] == "int8":
        options |= {"calibration": folder / "calibration.json", "input": taken, "calibration_set": {}}
    return ["convert", *command_line.words(**options, out=place / "model.json")]


def compared(records: list[dict[str, Any]], precision: str) -> Outcome:
    """The worst of the comparisons that could be made, or why none could."""
    figures = [record["figures"] for record in records if record["status"] == "ok"]
    if not figures:
        return {"status": "skipped", "reason": records[0]["reason"]}
    parity = max(each["max_rel_score_diff"] for each in figures)
    off = precision == "fp32" and parity > TOLERANCE
    return {
        "status": "off" if off else "ok",
        "parity": parity,
        "distance": max(each["score_distance"] for each in figures),
        "agreement": min(each["agreement"] for each in figures),
    }


def export(network: str, folder: Path, settings: Settings) -> None:
    """Make the network and its interchange files in the folder.

    Raises:
        Broken: when that cannot be.
    """
    library = network.partition("/")[0]
    script = CHECKOUT / "benchmarks/zoo_networks.py"
    bounded(
        [python_of(ENVIRONMENT[library], settings), str(script), network, str(folder)],
        folder / "make.log",
        settings,
        Spent(),
    )
    entry = read_json(folder / "entry.json")
    options = {
        **{"path": folder / entry["file"], "fetched": folder / "fetched.json", "source": entry["source"]},
        **{"input": entry["input"], "scores": entry["scores"], "label_offset": 0, "out": folder / "interchange.json"},
    }
    where = python(sources.exporter(entry["source"]["format"]), settings)
    run_stages(where, {"export": ["export", *command_line.words(**options)]}, folder, settings, Spent())
    manifest = read_json(folder / "interchange.json")
    graph_alone = {name: digest for name, digest in manifest["files"].items() if name != "model.pt2"}
    (folder / "onnx").mkdir()
    for name in graph_alone:
        (folder / "onnx" / name).hardlink_to(folder / "interchange" / name)
    write_json(folder / "onnx.json", {**manifest, "files": graph_alone})


def row(network: str, columns: list[str], settings: Settings) -> Iterator[tuple[str, Outcome]]:
    """The cells of a network that are asked for, one after another."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as temporary, lock.hold(False):
        folder = Path(settings.keep or temporary, network)
        try:
            if not (folder / "onnx.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                export(network, folder, settings)
        except Broken as broken:
            yield from ((column, {"status": "failed", "reason": str(broken), **vars(Spent())}) for column in columns)
            return
        for column in columns:
            yield column, attempt(column, network, folder, settings)


def shown(outcome: Outcome, precision: str) -> str:
    """What stands in a cell of the matrix: the parity; where only FP32 is expected to keep it, how far scores are."""
    if "parity" not in outcome:
        return outcome["status"]
    if precision != "fp32":
        return f"{outcome['distance']:.2f}"
    return f"{outcome['parity']:.0e}" + (" off" if outcome["status"] == "off" else "")


def matrix(results: dict[str, dict[str, Outcome]], precision: str) -> str:
    """Markdown: a table, how many are ok, and the reasons why others are not."""
    columns = [column for column in COLUMNS if any(column in cells for cells in results.values())]
    lines = [f"| network | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for network, cells in results.items():
        texts = [shown(cells[column], precision) if column in cells else "" for column in columns]
        lines.append(f"| {network} | {' | '.join(texts)} |")
    whole = []
    for library in NETWORKS:
        rows = [cells for network, cells in results.items() if network.startswith(f"{library}/")]
        if rows:
            counts = [Counter(cells[column]["status"] for cells in rows if column in cells) for column in columns]
            texts = [f"{count['ok']} of {count.total()}" if count else "" for count in counts]
            lines.append(f"| **{library}** | {' | '.join(texts)} |")
            required = [column for column in columns if column != FROM_ONNX]
            everywhere = sum(all(cells.get(column, {}).get("status") == "ok" for column in required) for cells in rows)
            whole.append(f"{everywhere} of {len(rows)} of {library}'s networks run in {', '.join(required)} alike.")
    reasons = [
        f"- {network} in {column}: {outcome['status']}: {outcome['reason']}"
        for network, cells in results.items()
        for column, outcome in cells.items()
        if "reason" in outcome
    ]
    return "\n".join([*lines, "", *whole, "", *reasons])


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", nargs="+", default=ALL, metavar="LIBRARY/NAME", help="default: all of the matrix")
    parser.add_argument("--framework", nargs="+", default=COLUMNS, choices=COLUMNS)
    parser.add_argument("--precision", default="fp32", help="one of the workflow's; default: fp32")
    parser.add_argument("--json", type=Path, help="where results are kept")
    parser.add_argument("--jobs", type=int, default=2, help="networks that are tried side by side; default: 2")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for a process; default: 300")
    parser.add_argument("--memory", type=float, default=12, help="GB of data for a process; default: 12")
    parser.add_argument("--keep", type=Path, help="where networks and their interchange files stay, and are used again")
    kept = os.environ.get("DLIFLOW_TEST_ENVIRONMENTS", CONFIG["environments"]["folder"])
    parser.add_argument("--environments", type=Path, default=kept, help=f"their folder; default: {kept}")
    args = parser.parse_args()
    for name in args.network:
        if not NETWORK.fullmatch(name):
            parser.error(f"--network: '{name}': right would be LIBRARY/NAME")
    return args


def main() -> None:
    """Try what is not known yet, and print the matrix of what was asked for."""
    args = parsed()
    settings = Settings(args.environments.resolve(), args.precision, args.timeout, args.memory, args.keep)
    everything = read_json(args.json) if args.json and args.json.exists() else {}
    results: dict[str, dict[str, Outcome]] = everything.setdefault(args.precision, {})
    writing = threading.Lock()

    def fill(network: str) -> None:
        columns = [column for column in args.framework if column not in results.get(network, {})]
        if network.startswith("keras/") and FROM_ONNX in columns:  # as the column `pytorch` has it
            columns.remove(FROM_ONNX)
        if not columns:
            return
        for column, outcome in row(network, columns, settings):
            spent = f"{outcome['seconds']:5.0f} s {outcome['memory_gb']:5.1f} GB"
            print(
                f"{network:32} {column:18} {shown(outcome, args.precision):10} {spent}  {outcome.get('reason', '')}",
                flush=True,
            )
            with writing:
                results.setdefault(network, {})[column] = outcome
                if args.json:
                    write_json(args.json, everything)

    start = perf_counter()
    chosen = {column.partition(":")[0] for column in args.framework}
    for file in {*ENVIRONMENT.values(), *(CHECKOUT / f"envs/{name}.yaml" for name in chosen)}:
        python_of(file, settings)  # before several want the same one
    with ThreadPoolExecutor(args.jobs) as pool:
        for _ in pool.map(fill, args.network):
            pass
    print(f"\n{(perf_counter() - start) / 60:.0f} minutes\n")
    print(matrix({network: results[network] for network in args.network if network in results}, args.precision))


if __name__ == "__main__":
    main()
