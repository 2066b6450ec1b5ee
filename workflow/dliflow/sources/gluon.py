"""An MXNet network: NAME-symbol.json with NAME-0000.params beside it, or .params and the name of its architecture.

The first is what Gluon's `export` writes, the second what `save_parameters` writes and gluoncv publishes.
"""

from __future__ import annotations

import json
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


# Operators that compute. Others run code that was given in another way: `Custom` Python's, `_Native` what lies at an
# address that the file tells; and there are new ones in each version.
_OPERATORS = """
null Convolution Convolution_v1 Deconvolution FullyConnected BatchNorm BatchNorm_v1 SyncBatchNorm LayerNorm
GroupNorm InstanceNorm L2Normalization LRN Activation LeakyReLU Pooling Pooling_v1 Dropout softmax log_softmax
softmin Softmax SoftmaxOutput SoftmaxActivation LinearRegressionOutput LogisticRegressionOutput
MAERegressionOutput SVMOutput MakeLoss BlockGrad identity _copy _identity_with_attr_like_rhs Embedding
_contrib_BatchNormWithReLU _contrib_AdaptiveAvgPooling2D _contrib_BilinearResize2D _contrib_quadratic
_contrib_div_sqrt_dim _contrib_arange_like _contrib_DeformableConvolution _contrib_ROIAlign
_contrib_interleaved_matmul_selfatt_qk _contrib_interleaved_matmul_selfatt_valatt

elemwise_add elemwise_sub elemwise_mul elemwise_div _Plus _plus _add _Minus _minus _sub _Mul _mul _Div _div _grad_add
_PlusScalar _plus_scalar _MinusScalar _minus_scalar _RMinusScalar _rminus_scalar _MulScalar _mul_scalar _DivScalar
_div_scalar _RDivScalar _rdiv_scalar _PowerScalar _power_scalar _RPowerScalar _rpower_scalar _Power _power
_MaximumScalar _maximum_scalar _MinimumScalar _minimum_scalar _Maximum _maximum _Minimum _minimum _mod _mod_scalar
_equal _not_equal _greater _greater_equal _lesser _lesser_equal _equal_scalar _not_equal_scalar _greater_scalar
_greater_equal_scalar _lesser_scalar _lesser_equal_scalar _hypot
broadcast_add broadcast_plus broadcast_sub broadcast_minus broadcast_mul broadcast_div broadcast_mod
broadcast_power broadcast_maximum broadcast_minimum broadcast_equal broadcast_not_equal broadcast_greater
broadcast_greater_equal broadcast_lesser broadcast_lesser_equal broadcast_to broadcast_like broadcast_axis
broadcast_axes add_n ElementWiseSum
relu sigmoid hard_sigmoid softsign tanh erf exp expm1 log log1p log2 log10 sqrt rsqrt cbrt rcbrt square reciprocal
negative abs sign round rint ceil floor trunc fix sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh
arctanh gamma gammaln clip smooth_l1 logical_not
sum mean prod max min nansum nanprod norm argmax argmin argmax_channel sum_axis max_axis min_axis topk sort argsort
dot batch_dot _linalg_gemm _linalg_gemm2 khatri_rao cumsum _np_sum

Reshape reshape Flatten flatten transpose expand_dims squeeze swapaxes SwapAxis Concat concat _rnn_param_concat stack
split SliceChannel _split_v2 slice slice_axis slice_like crop Crop Pad pad tile repeat reverse flip take batch_take
pick gather_nd one_hot where UpSampling depth_to_space space_to_depth shape_array size_array reshape_like Cast cast
amp_cast amp_multicast diag _zeros _ones _full _arange _linspace zeros_like ones_like ravel_multi_index

_npx_convolution _npx_batch_norm _npx_fully_connected _npx_pooling _npx_activation _npx_relu _npx_sigmoid
_npx_softmax _npx_reshape _np_reshape _npi_add _npi_add_scalar _npi_multiply _npi_multiply_scalar _npi_mean
"""
OPERATORS = frozenset(_OPERATORS.split())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Readers differ in which of two equal keys counts, so what is checked may not be what runs."""
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(read)}")
    return read


def _refuse_others(symbol: Path) -> None:
    """Refuse a graph with operators that are not known to compute only, or with graphs inside of them.

    Raises:
        DliflowError: naming the operator.
        ValueError: when the file holds no graph.
    """
    described = json.loads(symbol.read_text(encoding="utf-8"), object_pairs_hook=_once)
    try:
        nodes = [(node["op"], node["name"], node.get("subgraphs")) for node in described["nodes"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no graph of MXNet: {error!r} is missing") from error
    for operator, name, inner in nodes:
        if operator not in OPERATORS or inner:
            raise DliflowError(
                f"{symbol}: refused: operator {operator} '{name}' is not known to be one that only computes"
            )


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
    """Read graph and parameters, once the graph is seen to compute only.

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
            _refuse_others(path)
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
    except (mx.base.MXNetError, AssertionError, ValueError, RuntimeError) as error:
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
