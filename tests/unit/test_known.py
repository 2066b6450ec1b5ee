"""Known networks by name: what their entries are called, where they come from, and what is said when there is none."""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from project import ROOT

from dliflow import libraries, sources
from dliflow.commands import known as command
from dliflow.errors import DliflowError
from dliflow.libraries import IMAGENET_CLASSES
from dliflow.runs import known as asking
from dliflow.study import config, environments, known

DESCRIBED = {
    "entry": {
        "title": "resnet50 of torchvision",
        "source": {
            "from": [{"url": "https://download.pytorch.org/models/resnet50-11ad3fa6.pth", "sha256": "11ad3fa6"}],
            "format": "torchvision",
            "options": {"network": "resnet50"},
        },
        "input": {"size": 224, "mean": 0, "scale": 255, "resize": {"short_side": 232}},
    },
    "version": "torchvision 0.28.0",
    "untold": ["the licence of the weights"],
    "categories": ["hen", "ox"],
}
STUDY = {"models": ["torchvision/resnet50"], "dataset": "d", "frameworks": ["pytorch"], "precisions": ["fp32"]}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A checkout, and a library that answers at once; the list gets what it is asked for."""
    (tmp_path / "config/models").mkdir(parents=True)
    (tmp_path / "envs").symlink_to(ROOT / "envs")
    monkeypatch.chdir(tmp_path)
    asked = []

    def ask(name, networks, folder, every=False):
        asked.append((name, list(networks)))
        return {"names": ["resnet50", "vgg16"], "described": {"resnet50": copy.deepcopy(DESCRIBED)}, "problems": {}}

    monkeypatch.setattr(asking, "ask", ask)
    return asked


def test_an_entry_is_written_once_and_read(library, capsys):
    asking.ensure(STUDY, "mine.yaml")
    asking.ensure(STUDY, "mine.yaml")
    assert library == [("torchvision", ["resnet50"])]  # not a second time
    (entry,) = config.models(Path("config/models"), ["torchvision/resnet50"], "mine.yaml").values()
    assert entry["name"] == "torchvision-resnet50"
    assert Path(entry["file"]).parent == Path("results/known")
    assert entry["source"]["options"] == {"network": "resnet50"}
    assert Path(entry["classes"]).read_text() == "hen\nox\n"
    assert "# It does not tell the licence of the weights.\n" in Path(entry["file"]).read_text()
    assert "it does not tell the licence of the weights" in capsys.readouterr().err


def test_an_entry_of_the_user_s_stands_before_the_library(library):
    entry = {"classes": "classes.txt", **DESCRIBED["entry"], "title": "mine"}
    Path("config/models/torchvision-resnet50.yaml").write_text(yaml.safe_dump(entry))
    asking.ensure(STUDY, "mine.yaml")
    assert library == []
    assert config.models(Path("config/models"), STUDY["models"], "x")["torchvision-resnet50"]["title"] == "mine"


def test_an_entry_that_is_there_is_not_written_over(library, monkeypatch):
    monkeypatch.setattr(command, "CHECKOUT", Path.cwd())
    settings = {"environments": {"folder": "results/envs"}}
    monkeypatch.setattr(command.config, "of_files", lambda files, checkout: settings)
    asked = {"names": ["torchvision/resnet50"], "sha256": "", "list": None, "check_all": None, "configfile": []}
    entry = Path("config/models/torchvision-resnet50.yaml")
    command.run(argparse.Namespace(**asked, write=True))
    entry.write_text(entry.read_text() + "licence: mine\n")
    with pytest.raises(DliflowError, match=rf"^{entry}: is there already, perhaps with changes of yours"):
        command.run(argparse.Namespace(**asked, write=True))
    command.run(argparse.Namespace(**asked, write=False))
    assert entry.read_text().endswith("licence: mine\n")


def test_pins_and_code_of_the_library_decide_where_its_answer_lies(library, monkeypatch):
    before = known.answer("torchvision/resnet50")
    assert known.answer("torchvision/vgg16").name.partition("-vgg16-")[2] == before.name.partition("-resnet50-")[2]
    monkeypatch.setattr(known.environments, "digest", lambda path: "another")
    assert known.answer("torchvision/resnet50") != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvison/resnet50", r"there is no library 'torchvison'; did you mean 'torchvision'\?"),
        (
            "torchvision/resnet5",
            r"'torchvision/resnet5' is unknown to torchvision; did you mean 'resnet50'\?; \./dliflow",
        ),
        ("torchvision/x", r"'torchvision/x' is unknown to torchvision; \./dliflow known --list 'torchvision/\*'"),
    ],
)
def test_an_unknown_name(library, name, message):
    with pytest.raises(DliflowError, match=rf"^mine\.yaml: models: .*{message}"):
        asking.ensure({**STUDY, "models": [name]}, "mine.yaml")


def test_names_that_fit_a_pattern_are_listed_and_a_pattern_that_fits_none_is_told(library, capsys):
    for pattern, fitting in (("torchvision/*net*", "resnet50"), ("torchvision/v*", "vgg16")):
        command._list(pattern, "envs")
        assert capsys.readouterr().out == f"torchvision/{fitting}\n"
    command._list("torchvision", "envs")
    assert capsys.readouterr().out == "torchvision/resnet50\ntorchvision/vgg16\n"
    for pattern in ("resnet*", "torchvision/x*"):
        with pytest.raises(DliflowError, match=r"--list: .* fits no network; right would be .* 'torchvision/\*'"):
            command._list(pattern, "envs")


def test_a_name_that_was_not_asked_for_says_what_to_type(library):
    with pytest.raises(DliflowError, match=r"was not asked for it yet; type: \./dliflow known torchvision/resnet50"):
        config.models(Path("config/models"), ["torchvision/resnet50"], "mine.yaml")


def test_weights_without_a_checksum_are_refused_until_one_is_given():
    described = copy.deepcopy(DESCRIBED)
    del described["entry"]["source"]["from"][0]["sha256"]
    with pytest.raises(DliflowError, match=r"\./dliflow known torchvision/resnet50 --sha256 HEX --write"):
        asking.complete("torchvision/resnet50", described)
    given = asking.complete("torchvision/resnet50", described, "ab" * 32)
    assert given["entry"]["source"]["from"][0]["sha256"] == "ab" * 32


def test_what_is_no_entry_is_not_written(library):
    described = asking.complete("torchvision/resnet50", copy.deepcopy(DESCRIBED), "abc")
    with pytest.raises(DliflowError, match=r"^torchvision/resnet50: source\.from\[0\]\.sha256: 'abc'"):
        asking.write("torchvision/resnet50", described, Path("x.yaml"))
    assert not Path("x.yaml").exists()


def test_an_environment_that_cannot_be_made_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def run(*arguments):
        raise DliflowError("the environment could not be built: no route to host")

    monkeypatch.setattr(asking, "_run", run)
    with pytest.raises(DliflowError, match=r"(?s)^torchvision: is asked for its networks in an .* no route to host$"):
        asking.ask("torchvision", [], str(tmp_path))


def test_every_library_has_an_environment():
    assert libraries.names() == ["keras", "timm", "torchvision"]
    assert all(known.environment_file(name, ROOT).exists() for name in libraries.names())


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_a_network_is_loaded_where_its_library_is_and_belongs_to_pytorch(name):
    assert (sources.home(name), sources.exporter(name)) == ("torch_libraries", "torch_libraries")
    assert sources.load(name).FRAMEWORK == "pytorch"


def test_what_the_libraries_export_is_of_the_versions_that_pytorch_s_environment_reads():
    pins = [
        dict(pin.split("==") for pin in environments.read(ROOT / f"envs/{name}.yaml")["packages"])
        for name in ("torch_libraries", "pytorch")
    ]
    both = pins[0].keys() & pins[1].keys()
    assert {"torch", "onnx", "onnxscript", "onnxoptimizer"} <= both
    assert {name: pins[0][name] for name in both} == {name: pins[1][name] for name in both}


def test_keras_names_the_classes_as_we_do():
    """The file of names that Keras downloads, made of ours: its MD5 is that in its imagenet_utils.py
    (Keras 3.15). Two pairs of classes have the same name in it.
    """
    names = (ROOT / IMAGENET_CLASSES).read_text().splitlines()
    synsets = (ROOT / "resources/imagenet_synsets.txt").read_text().splitlines()
    names = [{"crane bird": "crane", "maillot tank suit": "maillot"}.get(name, name) for name in names]
    index = {str(i): [synset, name.replace(" ", "_")] for i, (synset, name) in enumerate(zip(synsets, names))}
    assert hashlib.md5(json.dumps(index).encode()).hexdigest() == "c2c37ea517e94d9795004a39431a14cb"
