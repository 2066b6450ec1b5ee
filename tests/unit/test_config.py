"""Configs and registries: what stands in the repository is right, explained, and wrong things are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dliflow import frameworks
from dliflow.errors import DliflowError
from dliflow.study import config, environments

ROOT = Path(__file__).parents[2]
MINIMAL = {"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}


def default_config():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def studies():
    return sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", studies(), ids=lambda path: path.stem)
def test_every_study_is_valid(path):
    config.study({**default_config(), **yaml.safe_load(path.read_text())}, str(path))


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_registry_entry_is_valid(kind, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = Path(f"config/{kind}s")
    for path in folder.glob("*.yaml"):
        entry = config.registered(folder, kind, path.stem, "test", "test")
        if kind == "model":
            completed = config.model(folder, path.stem, "test", "test")
            assert {"height", "width", "layout", "resize"} <= set(completed["input"])
            assert config.class_names(ROOT / entry["classes"], path.stem)


def registered_model(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return config.model(tmp_path, "mine", "config.yaml", "models[0]")


def test_a_name_that_is_too_long_for_files_is_told(tmp_path):
    """Seen: `File name too long` by every job."""
    (tmp_path / f"{'m' * 101}.yaml").write_text("")
    with pytest.raises(DliflowError, match=r"^config\.yaml: models\[0\]: 'm+' has 101 letters.* 100 at most$"):
        config.model(tmp_path, "m" * 101, "config.yaml", "models[0]")


FIVE_LINES = """\
source: {from: [{path: models/mine.bin}], format: pytorch_state_dict, architecture: efficientnet_lite,
  options: {variant: lite0}}
input: {size: 192, mean: 127.5, scale: [1, 2, 3]}
classes: models/classes.txt
"""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[{path: net.xml}]}", r"source\.format: cannot be told from the name 'net\.xml'; name one of caffe, "),
        ("[{path: net.xml}], format: openvino}", r"source\.format: 'openvino' is unknown; known ones: caffe, "),
    ],
)
def test_a_format_that_is_no_source_is_refused(tmp_path, given, message):
    """Such as OpenVINO's own files from elsewhere: what is made of a model is made here."""
    text = f"source: {{from: {given}\ninput: {{size: 192, mean: 0, scale: 1}}\nclasses: models/classes.txt\n"
    with pytest.raises(DliflowError, match=message):
        registered_model(tmp_path, text)


def test_a_model_of_one_s_own_takes_few_lines(tmp_path):
    entry = registered_model(tmp_path, FIVE_LINES)
    assert entry["title"] == "mine"
    assert entry["label_offset"] == 0
    assert entry["input"] == {
        "height": 192,
        "width": 192,
        "layout": "NCHW",
        "channel_order": "RGB",
        "dtype": "float32",
        "mean": [127.5] * 3,
        "scale": [1, 2, 3],
        "resize": {"short_side": 219},
        "interpolation": "bilinear",
    }
    entry = registered_model(tmp_path, FIVE_LINES.replace("192", "[10, 20]"))
    assert (entry["input"]["height"], entry["input"]["width"]) == (10, 20)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", format: pytorch_state_dict", "", r"source\.format: cannot be told from the name 'models/mine\.bin'"),
        (
            ", architecture: efficientnet_lite",
            "",
            r"source\.architecture: the format pytorch_state_dict needs this key",
        ),
        ("pytorch_state_dict", "shared", r"source\.format: 'shared' is unknown"),
        ("efficientnet_lite", "efficientnet_light", r"did you mean 'efficientnet_lite'"),
        ("mean: 127.5", "mean: [0.485, 0.456, 0.406]", r"input\.mean: .* multiply both by 255 \(mean: \[123\.675, "),
        (
            "scale: [1, 2, 3]",
            "scale: [0.229, 0.224, 0.225]",
            r"input\.scale: .* as a share of 255 0\.229 is 58\.395 here, as a factor 4\.36",
        ),
        (
            "mean: 127.5",
            "mean: 0, dtype: int8",
            r"input\.dtype: int8: .* beyond -128 to 127; for pixels - 128 write mean",
        ),
        ("[1, 2, 3]", "0", r"input\.scale: 0: pixels are divided by it"),
        ("size: 192", "size: 0", r"input\.size: 0 is not valid\. Right would be: pixels, or \[height, width\]"),
        ("path: models/mine.bin", "url: 'http://127.0.0.1/mine.bin'", r"source\.from\[0\]: .* with a checksum"),
        (
            "path: models/mine.bin",
            "path: a, url: 'http://127.0.0.1/b'",
            r"source\.from\[0\]: .* Right would be: one of",
        ),
        ("path: models/mine.bin", "pth: a", r"source\.from\[0\]: unknown key 'pth'; did you mean 'path'\?"),
        (
            "size: 192",
            "size: 192, resize: {shortside: 9}",
            r"input\.resize: unknown key 'shortside'; did you mean 'sho",
        ),
        (
            "size: 192",
            "size: 192, resize: {short_side: 0}",
            r"input\.resize\.short_side: 0: is less than the minimum of 1$",
        ),
        (
            "size: 192",
            "size: [192, 256], resize: {short_side: 224}",
            r"input\.resize\.short_side: 224 is smaller than input\.size: 256, .* set it to 256 or more",
        ),
        ("path: models/mine.bin", "path: a, sha256: xyz", r"source\.from\[0\]\.sha256: 'xyz': .* 64 hex digits"),
        (
            "path: models/mine.bin}], format: pytorch_state_dict",
            "path: a.tgz}]",
            r"source\.file: is missing; name the model's",
        ),
        (
            "path: models/mine.bin}], format: pytorch_state_dict",
            "path: models/mine.onnx}, {path: mine.tflite}]",
            r"source\.format: .* differ in it: models/mine\.onnx by onnx, mine\.tflite by tflite; name one of",
        ),
        ("variant: lite0", "varient: a", r"source\.options\.varient: unknown option of .*; did you mean 'variant'\?"),
        ("variant: lite0", "", r"source\.options: the architecture efficientnet_lite needs the option 'variant'"),
    ],
)
def test_a_wrong_model_entry_is_told_with_what_would_be_right(tmp_path, old, new, message):
    assert old in FIVE_LINES
    with pytest.raises(DliflowError, match=message):
        registered_model(tmp_path, FIVE_LINES.replace(old, new))


@pytest.mark.parametrize(("text", "names"), [("\ufeffcat\r\ndog\r\n", 2), ("cat\n\ndog", 3), ("cat\ndog\n \n\n", 2)])
def test_a_file_of_classes(tmp_path, text, names):
    (tmp_path / "classes.txt").write_bytes(text.encode())
    assert len(config.class_names(tmp_path / "classes.txt", "m.yaml")) == names


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classes.json", '{"0": ["n01440764", "tench"]}', "is JSON or Python; a text with one name on each"),
        (
            "classes.txt",
            "{0: 'tench, Tinca tinca',\n 1: 'goldfish'}",
            "is JSON or Python; a text with one name on each",
        ),
        ("classes.txt", "\n \n", "is empty"),
    ],
)
def test_a_wrong_file_of_classes(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DliflowError, match=rf"m\.yaml: classes: .*{name} {message}"):
        config.class_names(tmp_path / name, "m.yaml")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("{from: cvs, file: a.csv}", r"labels\.from: 'cvs' is unknown; did you mean 'csv'\?"),
        ("{from: csv}", r"labels: the key 'file' is missing"),
        ("{from: csv, file: a.csv, column: b}", r"labels: unknown key 'column'; did you mean 'columns'\?"),
        ("{from: folder, file: a.csv}", r"labels: unknown key 'file'"),
        ("{from: file_name, pattern: '('}", r"labels\.pattern: '\('"),
        (
            "{from: list, file: {from: [{url: 'https://h/a'}]}}",
            r"labels\.file\.from\[0\]: .* Right would be: one of url: \.\.\. with a checksum",
        ),
        ("{from: list, file: {form: [{path: a}]}}", r"labels\.file: unknown key 'form'; did you mean 'from'\?"),
        ("{from: list, file: 3}", r"labels\.file: 3 is not valid\. Right would be: a path in the dataset"),
        ("{pattern: a}", r"labels: the key 'from' is missing"),
        ("{from: csv, file: a.csv, columns: {file: 0}}", r"labels\.columns\.file: 0 is not valid\. .* number from 1"),
        ("{from: csv, file: a.csv, separator: ', '}", r"labels\.separator: ', ': .* the character between columns"),
        ("{from: list, file: a.txt, only_listed: 1}", r"labels\.only_listed: 1: .* are left out"),
    ],
)
def test_a_wrong_rule_of_labels_is_told_with_what_would_be_right(tmp_path, labels, message):
    (tmp_path / "mine.yaml").write_text(f"source: images\nlabels: {labels}\n")
    with pytest.raises(DliflowError, match=message):
        config.registered(tmp_path, "dataset", "mine", "config.yaml", "dataset")


def keys(schema, prefix=""):
    for key, entry in schema.get("properties", {}).items():
        yield f"{prefix}{key}"
        yield from keys(entry, f"{prefix}{key}.")


def test_every_key_of_the_schema_stands_explained_in_the_default_config():
    """Or, those of tuning, which it does without, in the one that tunes."""
    files = [ROOT / "config/config.yaml", ROOT / "config/tuned.yaml"]
    text = "\n".join(file.read_text() for file in files)
    value = config.given(files)
    for key in keys(config.schema("config")):
        node = value
        for part in key.split("."):
            assert part in node, f"config/config.yaml lacks {key}"
            node = node[part]
        assert re.search(rf"^\s*{key.split('.')[-1]}:", text, re.MULTILINE)


def test_the_schema_s_defaults_are_those_of_the_default_config():
    minimal = config.study({key: default_config()[key] for key in MINIMAL}, "test")
    assert config.study(default_config(), "test") == minimal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": "maybe"}, r"tune: 'maybe': .* Right would be: off, on, or a mapping"),
        ({"tune": {"candidates": 25}}, r"tune\.candidates: 25: .* Right would be: a whole number from 2 to 24"),
        ({"tune": {"buget_s": 3}}, r"tune: unknown key 'buget_s'; did you mean 'budget_s'\?"),
        (
            {"tune": {"frameworks": ["tvm"]}},
            r"tune\.frameworks\[0\]: 'tvm' is not in the study; name some of null",
        ),
        ({"tune": {"batch_sizes": [1, 3]}}, r"tune\.batch_sizes\[1\]: 3 is not in the study; name some of 1, 2, 4, 8"),
        (
            {"variants": {"pytorch": ["compield"]}},
            r"variants\.pytorch\[0\]: 'compield' is unknown; did you mean 'compiled'\?",
        ),
        ({"variants": {"tvm": ["default"]}}, r"variants: 'tvm' is unknown"),
        (
            {"cpp": {"opencv": "no/such"}},
            r"cpp\.opencv: there is no folder no/such; right would be build, or one with ",
        ),
        ({"cpp": {"openvino": "build"}}, r"cpp: unknown key 'openvino'"),
        (
            {"variants": {"tflite": []}},
            r"variants\.tflite: \[\]: .* Right would be: a list of the framework's variants",
        ),
        ({"latency": {"mode": "adaptve"}}, r"latency\.mode: 'adaptve' is unknown; did you mean 'adaptive'\?"),
        ({"latency": {"groups": 0}}, r"latency\.groups: 0: .* Right would be: a whole number of at least 1"),
        ({"latency": {"sessions": 1.5}}, r"latency\.sessions: 1\.5: .* a whole number of at least 1"),
        ({"latency": {"burst_s": 0}}, r"latency\.burst_s: 0: .* a number of seconds above 0"),
        ({"latency": {"budget_s": None}}, r"latency\.budget_s: is empty\. Right would be: a number of seconds above 0"),
        ({"latency": {"repetitions": 3}}, r"latency: unknown key 'repetitions'"),
        ({"throughput": {"in_flight": [2, 0]}}, r"throughput\.in_flight\[1\]: 0: .* whole numbers of at least 1"),
        (
            {"throughput": {"in_flight": 2}},
            r"throughput\.in_flight: 2: .* such as \[1, 2, 4\], or \[\] where it is not",
        ),
        ({"throughput": False}, r"throughput: False: .* in_flight: \[\] where it is not to be measured"),
        ({"throughput": {"p99_ms": 0}}, r"throughput\.p99_ms: 0: .* milliseconds above 0, or null for none"),
        ({"throughput": {"inflight": [1]}}, r"throughput: unknown key 'inflight'; did you mean 'in_flight'"),
        ({"compare": {"groups": 1}}, r"compare\.groups: 1: .* a whole number of at least 2"),
        ({"compare": {"width": 0}}, r"compare\.width: 0: .* a share, above 0 and at most 1"),
    ],
)
def test_how_much_is_measured_must_make_sense(changes, message):
    with pytest.raises(DliflowError, match=message):
        config.study({**MINIMAL, **changes}, "my.yaml")


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({"latency_ms": 0}, r"goal\.latency_ms: 0: .* a number of milliseconds above 0, or null for any"),
        ({"batch_size": 3}, r"goal\.batch_size: 3 is not measured; there are 1, 2, 4, 8"),
        ({"loss": 1}, r"goal\.loss: 1: .* a share from 0 to below 1, such as 0\.01 for one percentage point"),
        ({"loss": 0.01, "disagreement": 0.02}, r"goal\.disagreement: goal\.loss is set, too, .* set the other one to"),
        ({"objective": "throughput"}, r"goal\.objective: throughput is not measured; set throughput\.in_flight"),
        ({"objective": "speed"}, r"goal\.objective: 'speed' is not valid\. Right would be: latency, fps"),
        ({"latency": 5}, r"goal: unknown key 'latency'; did you mean 'latency_ms'\?"),
    ],
)
def test_a_goal_that_cannot_be_is_refused(goal, message):
    with pytest.raises(DliflowError, match=rf"mine\.yaml: {message}"):
        config.study({**MINIMAL, "goal": goal}, "mine.yaml")


def test_a_goal_is_taken():
    goal = {"latency_ms": 4.5, "batch_size": 4, "loss": None, "disagreement": 0.0, "objective": "memory"}
    assert config.study({**MINIMAL, "goal": goal}, "mine.yaml")["goal"] == goal


def test_few_requests_and_one_group_are_taken():
    config.study({**MINIMAL, "latency": {"mode": "fixed", "requests": 1, "groups": 1, "sessions": 1}}, "my.yaml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"openvino": {"nstreams": 1}}, r"openvino\.nstreams: unknown option; did you mean 'streams'\?"),
        ({"openvino": {"streams": 0}}, r"openvino\.streams: 0\. Right would be: a whole number of at least 1 \("),
        ({"openvino": {"streams": True}}, r"openvino\.streams: True\. Right would be: a whole number"),
        ({"openvino": {"streams": None}}, r"openvino\.streams: None\. Right would be: a whole number"),
        ({"tensorflow": {"onednn": 1}}, r"tensorflow\.onednn: 1\. Right would be: true or false, or null for"),
        ({"mxnet": {"backend": "mkldnn"}}, r"mxnet\.backend: 'mkldnn'\. Right would be: MKLDNN, or null for"),
        ({"null": {"x": 1}}, r"null\.x: unknown option; known ones: none"),
        (
            {"opnvino": {}},
            r"opnvino: 'opnvino' is unknown; did you mean 'openvino'\? To add it: docs/add-a-framework\.md$",
        ),
        ({"xyz": {}}, r"xyz: 'xyz' is unknown; known ones: .*, tflite\. To add it: docs/add-a-framework\.md$"),
    ],
)
def test_options_of_frameworks_are_checked_before_anything_runs(options, message):
    """Of all frameworks, whether the study measures them or not."""
    with pytest.raises(DliflowError, match=rf"mine\.yaml: options\.{message}"):
        config.study({**MINIMAL, "options": options}, "mine.yaml")


def test_right_options_of_frameworks():
    options = {"openvino": {"streams": 2}, "tensorflow": {"onednn": False}, "mxnet": {"backend": None}}
    assert config.study({**MINIMAL, "options": options}, "mine.yaml")["options"] == options
    defaults = {key: option.default for key, option in frameworks.options("openvino").items()}
    assert frameworks.take_options("openvino", {}) == defaults
    assert frameworks.take_options("openvino", options["openvino"]) == {**defaults, "streams": 2}


def test_numbers_of_options():
    share = frameworks.Option(float, 0.5, "a share", minimum=0, maximum=1)
    values = (0, 0.5, 1, 1.5, -1, float("nan"), "1", True)
    assert [value for value in values if frameworks.fits(value, share)] == [0, 0.5, 1]
    assert frameworks.right(share) == "a number of at least 0 and of at most 1"


@pytest.mark.parametrize("name", frameworks.names())
def test_every_framework_declares_its_options(name):
    declared = frameworks.load(name).OPTIONS
    for option in declared.values():
        assert option.meaning
        assert frameworks.fits(option.default, option)


def test_one_leader_alone_is_refused():
    with pytest.raises(DliflowError, match=r"compare\.leaders: 1 is not valid. Right would be: a whole number of at"):
        config.study({**MINIMAL, "compare": {"leaders": 1}}, "mine.yaml")


@pytest.mark.parametrize(
    ("wrong", "count"),
    [
        ({"thread": 1, "device": 2, "threads": -1, "devices": ["tpu"]}, 4),
        ({"frameworks": ["a", "null", "b"], "options": {"openvino": {"x": 1, "y": 2}}}, 4),
    ],
)
def test_every_problem_is_told_at_once(wrong, count):
    with pytest.raises(DliflowError) as caught:
        config.study({**MINIMAL, **wrong}, "my.yaml")
    lines = str(caught.value).splitlines()
    assert len(set(lines)) == len(lines) == count
    assert all(line.startswith("my.yaml: ") for line in lines)


def test_each_missing_key_is_told_once():
    with pytest.raises(DliflowError) as caught:
        config.study({"models": ["m"], "latency": None}, "my.yaml")
    assert re.findall(r"the key '(\w+)' is missing", str(caught.value)) == ["dataset", "frameworks", "precisions"]
    assert "my.yaml: latency: is empty" in str(caught.value)


def test_every_unknown_model_is_told(tmp_path):
    (tmp_path / "mine.yaml").write_text(FIVE_LINES)
    with pytest.raises(DliflowError) as caught:
        config.models(tmp_path, ["mien", "mine", "other"], "my.yaml")
    assert [line.partition(" is unknown")[0] for line in str(caught.value).splitlines()] == [
        "my.yaml: models[0]: 'mien'",
        "my.yaml: models[2]: 'other'",
    ]
    assert list(config.models(tmp_path, ["mine"], "my.yaml")) == ["mine"]


@pytest.mark.parametrize("name", [*frameworks.names(), "dliflow"])
def test_every_framework_has_an_environment_that_pins_everything(name):
    described = environments.read(ROOT / f"envs/{name}.yaml")
    assert described["packages"]
    text = (ROOT / f"envs/{name}.yaml").read_text()
    assert "://" not in text


def test_a_comment_does_not_change_an_environment(tmp_path):
    text = (ROOT / "envs/null.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text)
    before = environments.folder(tmp_path / "a.yaml", "envs")
    (tmp_path / "a.yaml").write_text("# a comment\n" + text.replace("channels: [conda-forge]\n", ""))
    assert environments.folder(tmp_path / "a.yaml", "envs") == before
    (tmp_path / "a.yaml").write_text(text.replace("python=3.11", "python=3.12"))
    assert environments.folder(tmp_path / "a.yaml", "envs") != before


def test_a_conda_only_package_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("dependencies: [python=3.11, mkl=2024, {pip: [numpy==2.0.0]}]")
    with pytest.raises(DliflowError, match="'mkl=2024' can be had from conda only"):
        environments.read(tmp_path / "a.yaml")


def test_every_unpinned_package_is_told(tmp_path):
    (tmp_path / "a.yaml").write_text("dependencies: [mkl=2024, {pip: [numpy, scipy, six==1]}]")
    with pytest.raises(DliflowError) as caught:
        environments.read(tmp_path / "a.yaml")
    assert len(str(caught.value).splitlines()) == 4  # and the Python is missing


def locked(path):
    """Pins of a lock; a package has several where its newest version needs a newer Python."""
    return set(re.findall(r"(?m)^([A-Za-z0-9_.-]+==[^ \\;\n]+)", path.read_text()))


def test_locks_pin_with_hashes_and_name_no_address():
    for name, least in (("requirements.lock", 50), ("requirements-dev.lock", 50), ("requirements-slurm.lock", 5)):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index" not in text and "--find-links" not in text
        entries = re.split(r"(?m)^(?=[A-Za-z])", text)[1:]
        assert len(entries) > least
        assert all("--hash=sha256:" in entry for entry in entries)


def test_the_locks_and_the_conda_file_of_the_orchestrator_agree():
    lock = locked(ROOT / "requirements.lock")
    assert lock <= locked(ROOT / "requirements-dev.lock")
    assert {pin for pin in locked(ROOT / "requirements-slurm.lock") if "slurm" not in pin} <= lock
    assert set(environments.read(ROOT / "envs/dliflow.yaml")["packages"]) <= lock


@pytest.mark.parametrize(("given", "wanted"), [("off", False), (False, False), ("on", True), (True, True), ({}, True)])
def test_tuning_is_switched_on_and_off_in_one_word_and_as_the_command_line_gives_it(given, wanted):
    tune = config.study({**default_config(), "tune": given}, "test")["tune"]
    assert bool(tune) == wanted
    assert not wanted or (tune["candidates"], tune["frameworks"]) == (24, None)
