"""What is deployed: programs that prepare images as the study did, whatever things are called; what is refused."""

from __future__ import annotations

import argparse
import ast
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import converted
from study_rows import called, in_flight, in_rounds, point, quality, tables_of

from dliflow import frameworks
from dliflow.analysis import columns
from dliflow.analysis.recommendation import Goal
from dliflow.configuration import Configuration
from dliflow.deployment import choice, figures, pins, program, readme, words
from dliflow.errors import DliflowError
from dliflow.files import read_json, sha256
from dliflow.images import inputs
from dliflow.images.preprocess import decode, preprocess
from dliflow.machine.facts import Processors
from dliflow.report import answer
from dliflow.stages import deploy

PLAIN = {"height": 24, "width": 20, "layout": "NCHW", "channel_order": "RGB", "dtype": "float32"}
PLAIN |= {"mean": [127.5] * 3, "scale": [127.5] * 3, "resize": {"short_side": 31}, "interpolation": "bicubic"}
ENTRIES = {
    "usual": {},
    "a mean for each channel": {"mean": [123.675, 116.28, 103.53], "scale": [58.395, 57.12, 57.375]},
    "BGR": {"channel_order": "BGR", "mean": [103.939, 116.779, 123.68], "scale": [1, 1, 1]},
    "pixels as they are": {"mean": [0, 0, 0], "scale": [1, 1, 1]},
    "NHWC": {"layout": "NHWC", "resize": "squash", "interpolation": "lanczos"},
    "uint8": {"layout": "NHWC", "dtype": "uint8", "resize": {"central_fraction": 0.875}, "interpolation": "bilinear"},
    "int8": {"layout": "NHWC", "dtype": "int8", "mean": [128] * 3, "scale": [1] * 3},
    "int16": {"dtype": "int16", "scale": [127.5 / 32767] * 3, "channel_order": "BGR"},
}
TEMPLATES = sorted(path.name.removesuffix(".py.j2") for path in program.FOLDER.glob("*.py.j2"))
FRAMEWORKS = [name for name in TEMPLATES if name != "predict"]
EVIL = ['quote\' " """ backslash \\', "line\nimport os; os.abort()", "{{ 7 * 7 }} {% raw %}", "猫\u2028#\0\r", "'''"]
LAUNCH = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}


def deployed(
    framework="onnxruntime", variant="default", precision="fp32", size=2, settings=None, variables=None, device="cpu",
    **entry,
):  # fmt: skip
    """A configuration of a network of 3 scores."""
    configuration = Configuration("tiny", framework, "python", variant, precision, device)
    launch = program.launched(framework, settings or {}, variables or {})
    return program.Deployed(configuration, size, {**PLAIN, **entry}, 3, launch, ["model.onnx"])


def loaded(text: str, folder: Path, monkeypatch):
    """A program as a module, with a framework that is not there; it is not run."""

    class Anything:
        def __getattr__(self, name):
            return self

        def __call__(self, *arguments, **named):
            return self

        __getitem__ = __iter__ = __call__

    monkeypatch.setitem(
        sys.modules, "onnxruntime", types.SimpleNamespace(SessionOptions=Anything(), InferenceSession=Anything())
    )
    (folder / "classes.txt").write_text("a\nb\nc\n")
    module = types.ModuleType("predict")
    module.__dict__["__file__"] = str(folder / "predict.py")
    exec(compile(text, "predict.py", "exec"), module.__dict__)
    return module


def photographs(folder: Path) -> list[Path]:
    """Images of all kinds that a program has to read as the study does: turned, grey, with a palette."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (57, 83, 3), np.uint8)
    image, made = Image.fromarray(pixels), {}
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[274] = turn
        made[f"turned{turn}.jpg"] = (image, {"exif": exif})
    made |= {
        "grey.png": (image.convert("L"), {}),
        "palette.gif": (image.convert("P"), {}),
        "tall.png": (image.rotate(90, expand=True), {}),
    }
    made |= {
        "clear.png": (Image.fromarray(rng.integers(0, 256, (40, 31, 4), np.uint8), "RGBA"), {}),
        "cmyk.jpg": (image.convert("CMYK"), {}),
    }
    for name, (one, options) in made.items():
        one.save(folder / name, **options)
    return [folder / name for name in made]


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_program_makes_the_studys_own_inputs_to_the_bit(entry, tmp_path, monkeypatch):
    files = photographs(tmp_path)
    made = loaded(program.render(deployed(**entry), "x"), tmp_path, monkeypatch).input_of(files)
    entry = PLAIN | entry
    pixels = np.stack([preprocess(decode(file), entry) for file in files])
    expected = inputs.make(pixels, entry)
    assert (made.dtype, made.shape, made.flags.c_contiguous) == (expected.dtype, expected.shape, True)
    assert np.array_equal(made, expected)


def test_more_than_8_bits_are_refused_rather_than_read_otherwise(tmp_path, monkeypatch):
    file = tmp_path / "deep.png"
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(file)
    module = loaded(program.render(deployed(), "x"), tmp_path, monkeypatch)
    with pytest.raises(SystemExit, match="save it as PNG or JPEG with 8"):
        module.pixels_of(file)


def test_what_is_no_image_is_told_in_a_line(tmp_path, monkeypatch):
    """Seen: tracebacks of Pillow's."""
    (tmp_path / "text.jpg").write_text("no image")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    broken = bytearray((tmp_path / "whole.png").read_bytes())
    broken[36:40] = b"\0\xff\0\xff"  # the name of its second part
    (tmp_path / "broken.png").write_bytes(broken)
    module = loaded(program.render(deployed(), "x"), tmp_path, monkeypatch)
    for name in ("none.jpg", "text.jpg", "cut.png", "broken.png"):
        with pytest.raises(SystemExit, match=rf"{name}: cannot be read as an image: "):
            module.main([str(tmp_path / name)])


def test_a_last_batch_is_filled_up_and_only_its_own_images_are_printed(tmp_path, monkeypatch, capsys):
    files = [str(file) for file in photographs(tmp_path)[:3]]
    module, asked = loaded(program.render(deployed(size=2), "x"), tmp_path, monkeypatch), []

    def predict(batch):
        asked.append(len(batch))
        return np.array([[0.5, 2.0, 2.0]] * len(batch), np.float32)

    module.predict = predict
    module.main(files)
    lines = capsys.readouterr().out.splitlines()
    assert asked == [2, 2]
    assert [line for line in lines if line in files] == files
    assert [line.split() for line in lines[1:4]] == [["2", "b"], ["2", "c"], ["0.5", "a"]]


def settings_of(framework):
    """Each that can be tried, alone; on a machine that has everything."""
    machine = Processors(8, 16, frozenset({"avx2", "avx512_vnni", "amx_int8"}), True)
    more = frameworks.more_variants(framework)
    for variant in (*frameworks.variants(framework), *more):
        for precision in more.get(variant, ("fp32", "int8", "bf16")):
            if frameworks.load(framework).supports(precision, "cpu") is None:
                for chosen in frameworks.candidates(framework, precision, variant, 2, machine):
                    yield variant, precision, chosen


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_program_makes_every_setting(framework):
    """All lines that the framework declares are in it, as Python, or the template obeys the setting itself."""
    template = program.template(framework).read_text()
    for variant, precision, chosen in settings_of(framework):
        text = program.render(deployed(framework, variant, precision, settings=chosen), "x")
        ast.parse(text)
        for key, value in chosen.items():
            block = "\n".join(frameworks.code(framework, {key: value}))
            assert f"{block}\n" in text or f"settings.{key} " in template, (variant, precision, chosen)
            if "os.environ" in block:
                assert text.index(block) < text.index("import numpy as np")


def test_a_program_for_a_gpu_asks_for_the_provider_that_was_measured_and_makes_sure_of_it():
    text = program.render(deployed("onnxruntime", settings={"gpu_provider": "TensorRT"}, device="gpu"), "x")
    ast.parse(text)
    line = 'providers.insert(0, "TensorrtExecutionProvider")\n'
    assert text.index('providers = [("CUDAExecutionProvider"') < text.index(line) < text.index("InferenceSession(")
    assert "assert session.get_providers()[0] == 'TensorrtExecutionProvider'" in text
    assert "Tensorrt" not in program.render(deployed("onnxruntime", device="gpu"), "x")


@pytest.mark.parametrize(
    ("framework", "off", "on"),
    [
        ("onnxruntime", '"use_tf32": "0"', '"use_tf32": "1"'),
        ("pytorch", 'fp32_precision = "ieee"', 'fp32_precision = "tf32"'),
        ("tensorflow", "enable_tensor_float_32_execution(False)", "enable_tensor_float_32_execution(True)"),
    ],
)
def test_a_program_for_a_gpu_computes_as_was_measured(framework, off, on):
    text = program.render(deployed(framework, device="gpu"), "x")
    assert off in text and on not in text
    asked = program.render(deployed(framework, settings={"tf32": True}, device="gpu"), "x")
    ast.parse(asked)
    assert asked.index(off) < asked.index(on)
    assert off not in program.render(deployed(framework), "x")  # on a CPU nobody rounds factors


def test_variables_of_the_config_are_set_first_and_are_texts_only():
    text = program.render(deployed("mxnet", "hybrid", variables={"A_B": EVIL[0]}), "x")
    body = ast.parse(text).body
    set_ = {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("os.environ")}  # fmt: skip
    assert set_ == {"os.environ['MXNET_CPU_WORKER_NTHREADS']": "1", "os.environ['A_B']": EVIL[0]}


@pytest.mark.parametrize("name", EVIL)
def test_no_name_becomes_code(name):
    usual = ast.dump(ast.parse(program.render(deployed(), "x")))
    text = program.render(deployed(), f"{name} fp32")
    assert ast.dump(ast.parse(text)) == usual
    assert max(map(len, text.splitlines())) <= 120


def test_what_is_no_name_is_no_attribute():
    with pytest.raises(ValueError, match="is no name"):
        program.render(deployed(interpolation="bicubic)\nimport os"), "x")


def test_a_framework_without_a_template_has_no_program():
    assert program.render(deployed("null"), "x") is None


def test_what_a_model_takes_is_said_in_words():
    assert words.taken(PLAIN, 8) == (
        "float32 (8, 3, 24, 20): images, channels, rows, columns (NCHW, channels first). The channels are red, green, "
        "blue. The values go from -1 to 1: (pixel - 127.5) / 127.5, of pixels from 0 to 255."
    )
    entry = PLAIN | ENTRIES["a mean for each channel"]
    assert "(pixel - (123.7, 116.3, 103.5)) / (58.4, 57.12, 57.38)" in words.taken(entry, 1)
    assert "from -2.118 to 2.64" in words.taken(entry, 1)
    assert "The values are those of the pixels, from 0 to 255." in words.taken(PLAIN | ENTRIES["uint8"], 1)
    assert "rounded to whole numbers" in words.taken(PLAIN | ENTRIES["int8"], 1)
    assert "0.875 of each side, is resized (bilinear) to 24 rows" in words.geometry(PLAIN | ENTRIES["uint8"])


# Packages.


def environment(folder: Path) -> Path:
    """An environment in which `runs` needs `base`, and on Windows alone `wind`; `converts` needs nothing."""
    site = folder / "lib/python3.11/site-packages"
    needs = {
        "runs": ["Base.Part>=1", 'wind; sys_platform == "win32"', 'more; extra == "all"'],
        "base-part": [],
        "converts": [],
    }
    for name, requires in needs.items():
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {one}" for one in requires),
        ]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "RECORD").write_text(f"{name}_module/__init__.py,,\n")
    (folder / "environment.json").write_text('{"python": "3.11.7"}')
    return folder / "environment.json"


def pinned(folder: Path) -> Path:
    file = folder / "any.yaml"
    file.write_text(
        "dependencies: [python=3.11, pip, {pip: [runs==1.0, base-part==1.0, converts==1.0, Pillow==1.0]}]\n"
    )
    return file


def test_only_what_running_needs_is_pinned_and_the_studys_own_pillow(tmp_path):
    text = pins.requirements(pinned(tmp_path), "import runs_module.part", environment(tmp_path / "env"))
    assert [line for line in text.splitlines() if line[0] != "#"] == [
        "base-part==1.0",
        f"pillow=={pins.PIL.__version__}",
        "runs==1.0",
    ]
    assert "Python 3.11" in text


def test_where_the_environment_is_not_known_all_is_pinned(tmp_path):
    text = pins.requirements(pinned(tmp_path), "import runs_module", None)
    assert "converts==1.0" in text and "Pillow==1.0" not in text


def test_an_environment_that_is_gone_is_told(tmp_path):
    marker = environment(tmp_path / "env")
    for path in sorted(tmp_path.glob("env/lib/**/*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(DliflowError, match="the environment is gone; delete"):
        pins.requirements(pinned(tmp_path), "import runs_module", marker)


# Which rows, and what is told of them.


@pytest.fixture
def tables(tmp_path):
    """onnxruntime and a user's beta are level at batch size 1, the first leads at 8; gamma broke."""
    points = [
        *(point(name, 1, [2.0, 2.1, 2.2]) for name in ("onnxruntime", "beta")),
        point("onnxruntime", 8, [8.0, 8.1, 8.2], warnings="noisy"),
        point("beta", 8, [9.0, 9.1, 9.2]),
        point("gamma", 1, [], status="failed", reason="it broke"),
    ]
    compared = [
        in_rounds(1, {called("onnxruntime"): 2.0, called("beta"): 2.0}),
        in_rounds(8, {called("onnxruntime"): 8.0, called("beta"): 9.0}),
    ]
    accuracy = [quality("onnxruntime"), quality("beta", change=(-0.1, -0.05, 0.0), changed=(0.02, 0.05))]
    pairs, rounds = ([row for both in compared for row in both[part]] for part in (0, 1))
    return tables_of(points, accuracy, tmp_path / "tables", pairs, rounds)


def place(framework, size):
    """The values that name a row."""
    named = {"model": "tiny", "framework": framework, "api": "python", "variant": "default", "precision": "fp32"}
    return named | {"device": "cpu",
        "node": "local", "parameters": "default", "batch_size": size}  # fmt: skip


def setting(tables):
    """The only one of the tables."""
    (of,) = answer.recommendations(tables).values()
    return of


def test_what_is_recommended_is_named_with_what_for(tables):
    chosen = choice.recommended(setting(tables), Goal(latency_ms=20.0, batch_size=8, loss=0.01))
    best = "results/deploy/local/tiny-onnxruntime-python-default-fp32-cpu-default-batch8/manifest.json"
    assert chosen[best][:2] == [
        "your goal",
        "highest FPS",
    ]
    (latency,) = [name for name in chosen if "lowest latency" in chosen[name]]
    assert latency.endswith("-batch1/manifest.json")


def test_a_row_without_figures_is_refused_with_its_reason(tables):
    with pytest.raises(DliflowError, match=r"tiny gamma .* failed, so there is nothing to deploy: it broke"):
        choice.row_of(tables, place("gamma", 1))
    with pytest.raises(DliflowError, match="no such row"):
        choice.row_of(tables, place("onnxruntime", 3))


def text_of(tables, framework, size, title="A network", launch=None, settings=None, **changes):
    """A README."""
    row = figures.standing(setting(tables).of, choice.row_of(tables, place(framework, size)))
    record = {"finished_at": "2026-01-02T03:04:05", "machine": {"cpu": "a CPU", "usable_cpus": 4, "physical_cores": 2}}
    record["machine"] |= {"virtualised": True, "flags": ["avx2"], "os": "Linux", "kernel": "6"}
    origin = readme.Origin(title, "NHWC", ["the model, A network: CC0-1.0"])
    given = {
        "best": ["the highest FPS"],
        "loads": [],
        "record": record,
        "launch": LAUNCH | (launch or {}),
        "python": "3.11",
        "pins": "",
        "compiled": [],
    }
    what = deployed("onnxruntime", size=size, settings={"threads": 3} if settings is None else settings)
    return readme.render(what, origin, tables, row, **{**given, **changes})


def test_a_readme_has_the_tables_figures(tables):
    text = text_of(tables, "beta", 8)
    assert text.startswith("# A network: beta 1.0 fp32, batch size 8\n\n")
    assert "When this folder was made, the study recommended it for\n\n- the highest FPS.\n" in text
    assert "| latency of a batch as measured, median | 9.10 [9.00, 9.20] ms |" in text
    assert "| top-1 | 90.0 % [70.0, 97.0] of 20 images of few |" in text
    assert "| change of top-1 | −5.0 pp [−10.0, ±0.0] against beta fp32, on the same images |" in text
    assert "| same class as FP32 | 98.0 % [95.0, 100.0] of 500 images of many |" in text
    assert "| top-1 lost, at most | 0.0 %, by parity; by the images alone 5.0 % |" in text
    assert "| machine | a CPU (4 processors, 2 cores; a virtual machine; Linux 6) |" in text
    assert "options.intra_op_num_threads = 3" in text
    assert "The original file takes NHWC" in text
    assert "- the model, A network: CC0-1.0" in text
    standing, _ = figures.standing(setting(tables).of, choice.row_of(tables, place("beta", 8)))
    low, high = standing.fps.interval
    (fps,) = [line for line in text.splitlines() if "images per second" in line]
    assert [float(word) for word in fps.translate(str.maketrans("[],|", "    ")).split()[-3:]] == pytest.approx(
        [standing.fps.value, low, high], rel=0.01
    )


def test_a_readme_says_ties_and_doubts(tables):
    assert "No difference was shown to beta fp32 at this batch size." in text_of(tables, "onnxruntime", 1)
    assert "**In doubt**: noisy." in text_of(tables, "onnxruntime", 8)


def test_a_readme_runs_it_as_it_was_launched(tables):
    text = text_of(tables, "onnxruntime", 8, launch={"cpus": "0-3", "priority": -5}, pins="torch==2+cpu")
    assert "nice -n -5 taskset -c 0-3 .venv/bin/python predict.py PHOTO.jpg" in text
    assert "--torch-backend cpu" in text


def test_a_throughput_is_quoted_as_it_was_measured_and_the_readme_says_how_it_is_reached(tmp_path):
    """Seen: recommended for the highest throughput, with the figures of one request after another alone."""
    rows = [in_flight("onnxruntime", 2, 400.0, 4.9), in_flight("beta", 4, 300.0, 9.0, mode="queue")]
    points = [point(name, 1, [3.9, 4.1]) for name in ("onnxruntime", "beta")]
    accuracy = [quality(name) for name in ("onnxruntime", "beta")]
    tables = tables_of(points, accuracy, tmp_path / "tables", throughput=rows)
    of, goal = setting(tables), Goal(objective="throughput")
    (load,) = choice.loads(of, goal, choice.row_of(tables, place("onnxruntime", 1)))
    assert choice.loads(of, goal, choice.row_of(tables, place("beta", 1))) == []
    text = text_of(tables, "onnxruntime", 1, loads=[load])
    assert "| images per second with 2 requests in flight, at the reference state | 400 [380, 420] |" in text
    assert "| how so many are in flight | as many threads that call one session |" in text
    assert (
        "\nThe images per second with several requests in flight need as many threads that call one session; "
        "`predict.py` makes one request after another.\n\nIntervals" in text
    )
    assert "predict.cpp` makes one request" in text_of(tables, "onnxruntime", 1, loads=[load], compiled=["c++"])
    assert "in flight" not in text_of(tables, "onnxruntime", 1)


def test_every_way_to_have_requests_in_flight_has_words():
    (mode,) = (column for column in columns.TABLES["throughput"] if column.name == "mode")
    assert re.findall(r"`(\w+)`:", mode.meaning) == list(figures.MODES)


def test_default_settings_are_the_studys_and_stand_in_the_program(tables):
    """Seen: “the framework's defaults”, of a program that sets three hints of its own."""
    text = text_of(tables, "onnxruntime", 1, settings={})
    assert "\n\nThe study's default settings for onnxruntime, which stand in `predict.py`.\n" in text
    assert "for beta.\n" in text_of(tables, "beta", 1, settings={}, runs=False)


def test_titles_are_no_markup(tables):
    text = text_of(tables, "beta", 8, title="<script>alert(1)</script>\n# [a](b) `x` | y")
    assert text.splitlines()[0] == r"# \<script>alert(1)\</script> # [a\](b) \`x\` \| y: beta 1.0 fp32, batch size 8"


# The stage.


def asked(folder: Path, out: Path, **changes) -> argparse.Namespace:
    """The stage's options for a row of the tables, of a framework without a template."""
    (folder / "names.txt").write_text("red\n\ngreen\n", encoding="utf-8")
    given = {**place("beta", 8), "scores": 4, "threads": None, "options": {}, "input": PLAIN, "title": "A network"}
    given |= {
        "layout": "NCHW",
        "classes": folder / "names.txt",
        "label_offset": 1,
        "licences": [],
        "launch": LAUNCH,
        "goal": None,
    }
    given |= {"file": pinned(folder), "environment": None, "tables": folder / "tables", "out": out}
    given |= {"converted": folder / "beta.json", "built": None}
    return argparse.Namespace(**given | changes)


@pytest.fixture
def beta(monkeypatch, tables, tmp_path):
    """A framework of the user's, and a model that was converted to it."""
    beta = types.SimpleNamespace(OPTIONS={}, THREADS=frameworks.Option(int, None, "threads"))
    monkeypatch.setattr(frameworks, "load", lambda name: beta)
    monkeypatch.setattr(figures, "last_record", lambda tables, row: None)
    return converted(tmp_path / "beta.json", {"weights": "1 2 3"})


def test_a_framework_of_the_users_gets_everything_but_a_program(beta, tmp_path, capsys):
    out = tmp_path / "deployed/manifest.json"
    deploy.run(asked(tmp_path, out))
    manifest = read_json(out)
    assert sorted(manifest["files"]) == ["README.md", "classes.txt", "model/weights", "requirements.txt"]
    for name, entry in manifest["files"].items():
        assert sha256(out.parent / name) == entry["sha256"]
    assert "there is no template for beta" in capsys.readouterr().out
    assert "There is no `predict.py`" in (out.parent / "README.md").read_text()
    assert (out.parent / "classes.txt").read_text() == "(none of the classes)\nred\n\ngreen\n"
    assert (out.parent / "model/weights").samefile(beta.with_suffix("") / "weights")  # one file, no copy


def test_what_a_user_adds_to_the_folder_stays(beta, tmp_path):
    out = tmp_path / "deployed/manifest.json"
    deploy.run(asked(tmp_path, out))
    (out.parent / "mine.txt").touch()
    deploy.run(asked(tmp_path, out))
    assert (out.parent / "mine.txt").exists()


def test_where_there_are_no_hard_links_files_are_copied_and_that_is_told(beta, tmp_path, monkeypatch, capsys):
    def link(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(deploy.os, "link", link)
    deploy.run(asked(tmp_path, tmp_path / "deployed/manifest.json"))
    assert (tmp_path / "deployed/model/weights").read_text() == "1 2 3"
    assert "weights is copied, since it could not be linked: Invalid cross-device link" in capsys.readouterr().out


def test_a_damaged_model_is_not_deployed(beta, tmp_path):
    (beta.with_suffix("") / "weights").write_text("3 2 1")
    with pytest.raises(DliflowError, match="is damaged"):
        deploy.run(asked(tmp_path, tmp_path / "deployed/manifest.json"))
    assert not (tmp_path / "deployed/manifest.json").exists()
