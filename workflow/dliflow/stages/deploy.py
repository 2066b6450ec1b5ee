"""Put everything that running a measured configuration elsewhere needs into one folder."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from dliflow import frameworks, integrity
from dliflow.analysis.recommendation import Goal
from dliflow.analysis.rows import key
from dliflow.deployment import choice, cpp, figures, pins, program, readme
from dliflow.files import payload, read_json, replacing, sha256, write_json, write_text
from dliflow.measuring import session
from dliflow.report import answer, names, read
from dliflow.study import config, environments, paths

MODEL = "model"
BACKGROUND = "(none of the classes)"  # the name of a score before that of class 0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    parser.add_argument("--node", required=True, help="the machine that it was measured on, as the tables call it")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")
    parser.add_argument("--title", required=True, help="of the model")
    parser.add_argument("--layout", required=True, help="of the model's own file")
    parser.add_argument("--classes", type=Path, required=True, help="a file with a class name on each line")
    parser.add_argument("--label-offset", type=int, required=True, help="index of class 0 among the scores")
    parser.add_argument(
        "--licences", type=json.loads, required=True, help="JSON: a line for the model and each dataset"
    )
    parser.add_argument("--launch", type=json.loads, required=True, help="JSON: the config's launch")
    parser.add_argument("--goal", type=Goal.of, help="JSON: what of the config's goal is set")
    parser.add_argument("--file", type=Path, required=True, help="envs/<framework>.yaml")
    parser.add_argument("--environment", type=Path, help="environment.json of that file; without it all pins are taken")
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the other files lie beside it")


def settings(args: argparse.Namespace, row: dict[str, Any]) -> dict[str, Any]:
    """What of the launch parameters differs from the framework's defaults: those of the config, or those found."""
    if args.parameters == "default":
        return frameworks.settings(args.framework, args.threads, args.options)
    return json.loads(row["settings"])


def link(manifest: Path, folder: Path) -> list[str]:
    """Let a converted model's files lie in a folder too, by hard links where the file system has them.

    Returns:
        Their paths in it.

    Raises:
        DliflowError: when one of them is missing or damaged.
    """
    source, files = payload(manifest), read_json(manifest)["files"]
    digests = {name: entry["sha256"] for name, entry in files.items()}
    integrity.verify(source, digests, f"delete {manifest} to convert the model again")
    with replacing(folder) as scratch:
        for name in files:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source / name, scratch / name)
            except OSError as error:  # another file system, or one without hard links
                print(f"{name} is copied, since it could not be linked: {error.strerror}", flush=True)
                shutil.copyfile(source / name, scratch / name)
    return list(files)


def names_of_scores(args: argparse.Namespace) -> str:
    """`classes.txt`: a line for each score."""
    classes = config.class_names(args.classes, args.model)
    return "".join(f"{' '.join(name.split())}\n" for name in [*[BACKGROUND] * args.label_offset, *classes])


def run(args: argparse.Namespace) -> None:
    """Write the folder, the manifest last. What else lies in it is left alone."""
    tables, folder = read.tables(args.tables), args.out.parent
    row = choice.row_of(tables, vars(args))
    of = answer.recommendations(tables)[key(row, read.SETTING)]
    described = session.described(args)
    launch = program.launched(args.framework, settings(args, row), args.launch["environment"])
    files = link(args.converted, folder / MODEL)
    deployed = program.Deployed(described.configuration, args.batch_size, args.input, args.scores, launch, files)
    heading = f"{args.title}: {names.configuration(row)}, batch size {args.batch_size}."
    built = args.built and read_json(args.built)
    pinned = environments.read(args.file)["packages"]
    text = cpp.render(deployed, heading) if built else program.render(deployed, heading, pinned)
    requirements = pins.requirements(args.file, cpp.imports(built) if built else text, args.environment)
    texts = {
        "classes.txt": names_of_scores(args),
        "requirements.txt": requirements,
        "README.md": readme.render(
            deployed,
            readme.Origin(args.title, args.layout, args.licences),
            tables,
            figures.standing(of.of, row),
            best=choice.recommended(of, args.goal).get(choice.manifest(row), []),
            loads=choice.loads(of, args.goal, row),
            record=figures.last_record(tables, row),
            launch=args.launch,
            python=pins.python(args.file),
            pins=requirements,
            runs=text is not None,
            compiled=cpp.compile_line(args.framework, built) if built else [],
        ),
    }
    if built:
        texts |= {file.name: file.read_text(encoding="utf-8") for file in cpp.files(args.framework)}
    if text is None:
        (folder / "predict.py").unlink(missing_ok=True)  # of a template that is gone
        print(f"no predict.py: there is no template for {args.framework}; README.md tells the rest", flush=True)
    else:
        texts[cpp.PROGRAM if built else "predict.py"] = text
    for name, content in texts.items():
        write_text(folder / name, content)
    everything = sorted([*texts, *(f"{MODEL}/{name}" for name in files)])
    write_json(
        args.out,
        {
            "row": {name: row[name] for name in choice.POINT},
            "settings": launch.settings,
            "files": {
                name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in everything
            },
        },
    )
