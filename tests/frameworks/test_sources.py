"""Every PyTorch and MXNet source format: the interchange graph gives the source's scores, and bad files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from cases import answer

from dliflow.sources.shared import torchscript_code

HERE = Path(__file__).parent
SMALL = {"format": "pytorch_state_dict", "architecture": "shufflenet"}
GLUONCV = {"format": "gluon", "architecture": "gluoncv_mobilenet_v2", "options": {"classes": 16}}
GOOD = [
    ("good.pth", SMALL),
    ("good.pt2", {"format": "pytorch_exported"}),
    ("traced.pt", {"format": "torchscript"}),
    ("scripted.pt", {"format": "torchscript"}),
    ("guard.pt2", {"format": "pytorch_exported"}),  # a guard that is code
    ("named.pt2", {"format": "pytorch_exported"}),
    ("best.pth.tar", SMALL),
    ("lightning.ckpt", SMALL),
    ("averaged.pth", SMALL),
    ("parts.pth", SMALL),
    ("ema.pth", {**SMALL, "weights": "model_ema"}),
    ("good.safetensors", SMALL),
    *[(f"one_{kind}.pt2", {"format": "pytorch_exported"}) for kind in ("reshaped", "token", "plain")],
    ("pair.pt2", {"format": "pytorch_exported", "output": "scores"}),
    ("nested.pt2", {"format": "pytorch_exported", "output": "scores.0"}),
    ("pair.pt", {"format": "torchscript"}),
    ("dict.pt", {"format": "torchscript", "output": "1"}),
    ("by_name.pt2", {"format": "pytorch_exported", "output": "logits"}),
    ("pixels.pt2", {"format": "pytorch_exported"}),
    ("pixels.pt", {"format": "torchscript"}),
    ("small-symbol.json", {"format": "gluon"}),
    ("mobilenet.params", GLUONCV),
]
BAD = [
    ("other.pth", SMALL, "the weights do not fit shufflenet: "),
    ("code.pth", SMALL, "holds more than tensors"),
    ("class.pth", SMALL, "holds more than tensors (fractions.Fraction)"),
    ("cut_good.safetensors", SMALL, "no file of safetensors, or cut off: its values end at "),
    ("good.pth", {**SMALL, "weights": "ema"}, "holds the weights under the top; set source.weights"),
    ("ema.pth", SMALL, "holds the weights under model, model_ema.module; set source.weights to one of them"),
    ("best.pth.tar", {**SMALL, "weights": "ema"}, "holds the weights under state_dict.module; set source.weights"),
    ("traced.pt", SMALL, "set source.format: torchscript"),
    ("half.pt2", {"format": "pytorch_exported"}, "the program takes float16; export it for images of float32, or for"),
    (
        "half.pt",
        {"format": "torchscript"},
        "take inputs [5, 3, 64, 64]: RuntimeError: Input type (",
    ),
    ("training.pt2", {"format": "pytorch_exported"}, "was exported in training mode (batch_norm, dropout), where"),
    ("training.pt", {"format": "torchscript"}, "was exported in training mode (batch_norm, dropout), where scores"),
    ("both.pt2", {"format": "pytorch_exported"}, "the program has 2 inputs; image classifiers have one"),
    ("pair.pt2", {"format": "pytorch_exported"}, "the model's outputs are scores, auxiliary; set source.output to one"),
    (
        "pair.pt",
        {"format": "torchscript", "output": "1"},
        "source.output: 1: it is None; the model's outputs are scores",
    ),
    (
        "nested.pt2",
        {"format": "pytorch_exported", "output": "logits"},
        "there is no 'logits'; the model's outputs are feat",
    ),
    ("cut_good.pth", SMALL, "no file of torch.save, or cut off"),
    ("nowhere.pth", SMALL, "there is no such file"),
    ("good.pth", {**SMALL, "options": {"depth": 3}}, "source.options.depth: unknown option of the architecture"),
    ("good.pth", {**SMALL, "layout": "NHWC"}, "input.layout: NHWC"),
    (
        "good.pth",
        {**SMALL, "input": "images"},
        "source.input: images: networks of PyTorch have one input; leave it out",
    ),
    ("pickle.pt2", {"format": "pytorch_exported"}, "reading could run code that it brings: its example inputs"),
    *[
        (f"{kind}.pt2", {"format": "pytorch_exported"}, f"reading could run code that it brings: it has {what}")
        for kind, what in [
            ("size", "expr_str"),
            ("target", "target 'torch.os.system'"),
            ("called", "target '_operator.call'"),
            ("wrapped", "target 'torch.ops.higher_order.wrap'"),
            ("argument", "a function as an argument"),
            ("writes", "target 'torch.ops.aten.save.default'"),
            ("dunder", "target 'torch.ops.aten.__class__.default'"),
            ("value", "name 'x = open("),
            ("framed", "name '__builtins__'"),
            ("parameter", "parameter_name 'a\""),
            ("attribute", "parameter_name 'forward.__globals__.weight'"),
            ("letters", "parameter_name 'forward."),
            ("forward", "forward_arg_names 'x=open("),
            ("keyword", "name 'x=open("),
            ("module", "keys of an input or output that are no texts"),
        ]
    ],
    ("cut_good.pt2", {"format": "pytorch_exported"}, "no file of torch.export.save, or cut off"),
    ("cut_traced.pt", {"format": "torchscript"}, "no TorchScript file, or cut off"),
    ("good.pth", {"format": "torchscript"}, "source.format: pytorch_state_dict"),
    *[
        (f"{kind}.pt", {"format": "torchscript"}, f"refused: it has {what}")
        for kind, what in [
            ("saves", "the operator torch.save"),
            ("maps", "the operator torch.from_file"),
            ("method", "the name from_file"),
            ("getattr", "the name from_file"),
            ("alias", "the operator ops.inductor"),
            ("bare", "the name torch"),
            ("class", "an object of torch.classes.dist_rpc.WorkerInfo"),
            ("remote", "the operator ops.prim.rpc_async"),
            ("broken", "code that cannot be read here"),
            ("twice", "two files of one name"),
            ("shifted", "something before its first file"),
        ]
    ],
    ("alone-symbol.json", {"format": "gluon"}, "needs one file alone-0000.params beside it; there: none"),
    ("cut-symbol.json", {"format": "gluon"}, "broken, or graph and parameters do not fit"),
    ("native-symbol.json", {"format": "gluon"}, "refused: operator _Native"),
    ("inner-symbol.json", {"format": "gluon"}, "refused: operator Activation"),
    ("none-symbol.json", {"format": "gluon"}, "refused: operator None"),
    ("twice-symbol.json", {"format": "gluon"}, "a key stands twice among nodes"),
    ("list-symbol.json", {"format": "gluon"}, "broken, or graph and parameters do not fit"),
    ("mobilenet.params", {"format": "gluon"}, "name its architecture (source.architecture)"),
    ("small-0000.params", GLUONCV, "broken, or graph and parameters do not fit"),
]


NAMES = [name for name, _ in GOOD]
GRAPH_ALONE = ("one_reshaped.pt2", "one_token.pt2")  # programs with a batch size built in
BAD_NAMES = [f"{name}-{source['format']}-{index}" for index, (name, source, _) in enumerate(BAD)]


@pytest.fixture(scope="module")
def files(python, tmp_path_factory):
    """All files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    python("pytorch", HERE / "make_sources.py", "shufflenet", folder)
    python("mxnet", HERE / "make_gluon.py", folder)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with a folder for each case."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def tried(outcomes, files, out):
    """What `source.py` finds of each file."""
    asked = {"pytorch": {}, "mxnet": {}}
    for case, (name, source, *_) in zip(NAMES + BAD_NAMES, GOOD + BAD):
        framework = "mxnet" if source["format"] == "gluon" else "pytorch"
        dtype = "uint8" if name.startswith("pixels") else "float32"
        asked[framework][case] = {"path": str(files / name), "source": source, "out": str(out / case), "dtype": dtype}
    return {
        **outcomes("pytorch", HERE / "source.py", asked["pytorch"]),
        **outcomes("mxnet", HERE / "source.py", asked["mxnet"]),
    }


@pytest.fixture(scope="module")
def compared(outcomes, tried, out):
    """Whether ONNX Runtime gives the same scores from the interchange graphs."""
    return outcomes("onnxruntime", HERE / "compare.py", {name: {"out": str(out / name)} for name in NAMES})


@pytest.mark.parametrize(("name", "source"), GOOD, ids=NAMES)
def test_the_interchange_graph_gives_the_scores_of_the_source(tried, compared, out, name, source):
    assert answer(tried[name]) == {"count": 16, "shape": [5, 16], "dtype": "float32", "ran": False}
    assert answer(compared[name]) == {"same": True}
    program = out / name / "model.pt2"
    assert program.exists() == (source["format"] != "gluon" and name not in GRAPH_ALONE)
    if program.exists():
        assert b"site-packages" not in program.read_bytes()  # no folder of this machine goes with a model


WEIGHTS = [
    *("best.pth.tar", "lightning.ckpt", "averaged.pth", "parts.pth", "ema.pth", "good.safetensors"),
    *("pair.pt2", "dict.pt", "by_name.pt2"),
]


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weights_of_a_checkpoint_and_the_output_that_is_named_are_those_of_the_network(tried, out, name):
    assert answer(tried[name])["count"] == 16
    numpy.testing.assert_allclose(numpy.load(out / name / "scores.npy"), numpy.load(out / "good.pth/scores.npy"), 1e-4)


@pytest.mark.parametrize(("case", "message"), [(name, bad[2]) for name, bad in zip(BAD_NAMES, BAD)], ids=BAD_NAMES)
def test_a_bad_file_is_refused(tried, case, message):
    outcome = answer(tried[case])
    assert message in outcome["error"]
    assert not outcome["ran"]  # the code that the file brings


FILES_OF_TORCH = """
import torch

def opens(argument):
    text = str(argument.type) in ("str", "Optional[str]")
    return text and any(word in argument.name for word in ("file", "path", "dir"))

schemas = torch._C._jit_get_all_schemas()
print(*{schema.name for schema in schemas if any(map(opens, schema.arguments)) and schema.name.startswith("aten::")})
"""


def test_the_operators_that_open_files_are_known(python):
    """All others of `aten` are taken: an upgrade of torch that brings another one must be seen."""
    opening = set(python("pytorch", "-c", FILES_OF_TORCH).split())
    assert opening == {f"aten::{name}" for name in torchscript_code.FILES}
