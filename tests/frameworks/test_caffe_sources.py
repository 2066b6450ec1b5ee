"""Caffe's files as people have them: the interchange graph gives the scores of OpenCV's own reader, or a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cases import answer
from project import python_of

from dliflow.sources.shared import caffe_format

HERE = Path(__file__).parent
GOOD = {
    name: {} for name in ("alexnet", "googlenet", "resnet", "densenet", "squeezenet", "mobilenet", "faces", "shuffle")
}
GOOD["training"] = {"output": "fc", "weights": "weights.caffemodel"}
BAD = {
    "python": "layer 'drop' is of type Python; taken are AbsVal, BatchNorm, Concat",
    "fork": 'has no field named "torch_pooling"',
    "broken": "not a network as Caffe describes it",
    "oldest": "its layers are of Caffe's oldest form",
    "by_batch": "layer 'bn_conv1' (BatchNorm): use_global_stats: false normalises by each batch",
    "transposed": "layer 'fc' (InnerProduct): with transposed weights",
    "wider": "layer 'squeeze' (Convolution): its weights are (8, 16, 1, 1) and (8,), it is described with (9, 16, 1, 1",
    "larger": "the model's input is (any, 3, 224, 224), the entry's input.size and input.layout say (batch, 3, 64, 64)",
    "nameless": "layer 'conv11' (Convolution): the file of weights has none for it",
    "two": "the model's outputs are pool10, prob; set source.output to one",
    "dangling": "takes 'crushed', which no layer before it gives",
    "cut": "not a file of Caffe's weights, or cut off",
    "hdf5": "is HDF5; Caffe writes a .caffemodel",
    "none": "holds no weights",
    "alone": "source.weights: name the file of weights beside it; there: no .caffemodel",
    "nowhere": "there is no such file",
}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with a folder for each case."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def tried(python, outcomes, out, tmp_path_factory):
    """What `source.py` finds of each network."""
    folder = tmp_path_factory.mktemp("networks")
    python("caffe_reader", HERE / "make_caffe.py", folder)

    def asked(name, source):
        path = str(folder / name / "deploy.prototxt")
        return {"path": path, "source": {"format": "caffe", **source}, "out": str(out / name)}

    cases = {name: asked(name, source) for name, source in {**GOOD, **{name: {} for name in BAD}}.items()}
    cases["weights"] = {**asked("alexnet", {}), "path": str(folder / "alexnet/weights.caffemodel")}
    return outcomes("caffe_reader", HERE / "source.py", cases)


@pytest.fixture(scope="module")
def compared(outcomes, tried, out):
    """Whether ONNX Runtime gives the same scores from the interchange graphs."""
    return outcomes("onnxruntime", HERE / "compare.py", {name: {"out": str(out / name)} for name in GOOD})


@pytest.mark.parametrize("name", list(GOOD))
def test_the_interchange_graph_gives_the_scores_of_opencv_s_reader(tried, compared, name):
    assert answer(tried[name]) == {"count": 16, "shape": [5, 16], "dtype": "float32", "ran": False}
    assert answer(compared[name]) == {"same": True}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_refused_with_the_layer_or_the_line(tried, name):
    assert BAD[name] in answer(tried[name])["error"]


PROTO = "lib/python3.11/site-packages/mxnet/tools/caffe_converter/caffe.proto"
FORKS = {  # what they add, and a field of Caffe's own that is newer than MXNet's copy
    "LayerParameter": {"permute_param", "shuffle_channel_param"},
    "PoolingParameter": {"ceil_mode", "round_mode"},
}
AS_BYTES = {("BlobProto", "data"), ("BlobProto", "double_data")}


def test_the_description_is_caffe_s_own(environments):
    """The copy of it that MXNet's package carries."""
    text = (Path(python_of("mxnet", environments)).parents[1] / PROTO).read_text()
    text, place, known = re.sub(r"//.*|(?s:/\*.*?\*/)", "", text), [], {}
    field = r"(?:optional|required|(repeated)) ([\w.]+) (\w+) = (\d+)(?: *\[[^]]*\])? *;"
    for begins, ends, *words in re.findall(rf"(?:message|enum) (\w+) \{{|(\}})|{field}", text):
        if begins:
            place.append(begins)
        elif ends:
            place.pop()
        else:
            repeated, kind, name, number = words
            known[".".join(place), name] = kind, bool(repeated), number
    for message, fields in caffe_format._entries(caffe_format.MESSAGES).items():
        for kind, name, number in fields:
            of_forks = message in ("PermuteParameter", "ShuffleChannelParameter") or name in FORKS.get(message, ())
            if not of_forks and (message, name) not in AS_BYTES:
                assert (kind.rstrip("*").rpartition(".")[2], kind.endswith("*"), number) == known[message, name]


def test_the_text_is_what_an_entry_names(tried):
    assert "holds weights alone; name the .prototxt" in answer(tried["weights"])["error"]
