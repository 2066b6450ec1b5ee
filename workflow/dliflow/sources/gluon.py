"""An MXNet network: NAME-symbol.json with NAME-0000.params beside it, or .params and the name of its architecture.

The first is what Gluon's `export` writes, the second what `save_parameters` writes and gluoncv publishes.
"""

from __future__ import annotations

import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np

from dliflow import architectures, sources
from dliflow.errors import DliflowError
from dliflow.interchange import form

FRAMEWORK = "mxnet"
SUFFIXES = ("-symbol.json", ".params")
LAYOUT = "NCHW"

# MXNet exports the operators of ONNX 13, and calls them those of the newest ONNX that is installed.
OPSET = 13


def _parameters(symbol: Path) -> Path:
    """The one file of parameters that belongs to a symbol."""
    name = symbol.name[: -len("-symbol.json")]
    pattern = re.compile(re.escape(name) + r"-\d{4}\.params")
    candidates = sorted(path for path in symbol.parent.iterdir() if pattern.fullmatch(path.name))
    if len(candidates) != 1:
        listed = ", ".join(path.name for path in candidates) or "none"
        raise DliflowError(f"{symbol}: needs one file {name}-0000.params beside it; there: {listed}")
    return candidates[0]


def _input(symbol_file: Path, source: dict, parameters: set[str]) -> str:
    """The name of the network's input: what is no parameter."""
    import mxnet as mx

    symbol = mx.sym.load(str(symbol_file))
    names = [name for name in symbol.list_inputs() if name not in parameters]
    wanted = source.get("input")
    if wanted is not None and wanted not in names:
        raise DliflowError(f"{symbol_file}: source.input: '{wanted}' is not among the inputs {names}")
    if wanted is None and len(names) != 1:
        raise DliflowError(f"{symbol_file}: source.input: name the input; without a parameter are {names}")
    return wanted or names[0]


def load(path: Path, source: dict):
    """Read graph and parameters, which are data only.

    Raises:
        DliflowError: when a file is missing, broken, or does not fit.
    """
    import mxnet as mx

    sources.only_nchw(source)
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    try:
        if "architecture" in source:
            network = architectures.build(source["architecture"], source["options"])
            network.load_parameters(str(path))
        elif path.name.endswith("-symbol.json"):
            parameters = _parameters(path)
            names = {name.partition(":")[2] for name in mx.nd.load(str(parameters))}
            network = mx.gluon.SymbolBlock.imports(str(path), [_input(path, source, names)], str(parameters))
        else:
            raise DliflowError(
                f"{path}: parameters alone are no network: name its architecture (source.architecture), or the "
                "symbol (source.file: NAME-symbol.json)"
            )
    except DliflowError:
        raise
    except (mx.base.MXNetError, AssertionError, ValueError, RuntimeError, UnicodeDecodeError) as error:
        text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        text = text.rpartition("Error: ")[2] if "Stack trace" in text else text
        raise DliflowError(f"{path}: broken, or graph and parameters do not fit: {text}") from error
    network.hybridize()
    return network


def predict(network, batch: np.ndarray) -> np.ndarray:
    """Hybridized forward."""
    import mxnet as mx

    return network(mx.nd.array(batch)).asnumpy().astype(np.float32, copy=False)


def _restore_onnx_mapping() -> None:
    """MXNet 1.9.1 looks dtypes up in `onnx.mapping`, which newer onnx no longer has."""
    import onnx

    numbers = range(1, max(onnx.TensorProto.DataType.values()) + 1)
    mapping: Any = types.ModuleType("onnx.mapping")
    dtypes = {number: np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number)) for number in numbers}
    mapping.TENSOR_TYPE_TO_NP_TYPE = dtypes
    mapping.NP_TYPE_TO_TENSOR_TYPE = {dtype: number for number, dtype in reversed(dtypes.items())}
    onnx.mapping = sys.modules["onnx.mapping"] = mapping


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """MXNet's own export to ONNX, for any batch size.

    Raises:
        DliflowError: when the network has an operation that MXNet does not export.
    """
    import mxnet as mx
    import onnx

    _restore_onnx_mapping()
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, name)) for name in ("network-symbol.json", "network-0000.params", "model.onnx")]
        try:
            network(mx.nd.zeros((2, *shape)))  # what is exported is the graph that ran
            network.export(str(Path(folder, "network")))
            batch = {"dynamic": True, "dynamic_input_shapes": [("batch", *shape)]}
            mx.onnx.export_model(*files[:2], [(2, *shape)], np.float32, files[2], **batch)
        except (mx.base.MXNetError, AttributeError, AssertionError, NotImplementedError) as error:
            text = str(error).strip().splitlines()
            raise DliflowError(f"MXNet cannot export this network to ONNX: {text[-1] if text else error!r}") from error
        model = onnx.load(files[2])
    model.opset_import[0].version = OPSET
    return form.write(model, shape, "NCHW", out)
