"""What the frameworks' profilers tell, read from small records of the real ones (tests/data/profiles)."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from project import ROOT

from dliflow import frameworks, profiling
from dliflow.files import read_json
from dliflow.profiling import mxnet, onnxruntime, opencv, openvino, pytorch, tensorflow, tflite
from dliflow.stages import profile


def recorded(name: str) -> Any:
    return read_json(ROOT / f"tests/data/profiles/{name}.json")


def told(operators):
    """What of operators is the same in every run."""
    return [(one.type, one.name, one.kernel, one.int8) for one in operators]


def test_each_profiler_belongs_to_a_framework_and_says_what_it_is():
    assert set(profiling.names()) <= set(frameworks.names())
    assert all(profiling.load(name).PROFILER for name in profiling.names())
    assert profiling.load("null") is None


def test_onnxruntime():
    first, second = onnxruntime.parsed(recorded("onnxruntime"))
    assert (
        told(first.operators)
        == told(second.operators)
        == [
            ("QuantizeLinear", "input_QuantizeLinear", "CPU float", False),
            ("Transpose", "Transpose", "CPU uint8", True),
            ("QLinearConv", "node_Conv_881_token_1", "CPU uint8", True),
            ("QLinearConv", "node_Conv_882_token_4", "CPU uint8", True),
            ("QGemm", "node_linear", "CPU uint8", True),
            ("DequantizeLinear", "scores_DequantizeLinear", "CPU uint8", False),
        ]
    )
    assert 0 < sum(one.us for one in second.operators) < second.us


def test_openvino():
    counters = [
        SimpleNamespace(
            **{**one, "status": SimpleNamespace(name=one["status"])},
            real_time=timedelta(microseconds=one["real_time_us"]),
        )
        for one in recorded("openvino")
    ]
    operators = openvino.operators(counters)
    kinds = [(one.type, one.kernel, one.int8) for one in operators]
    assert kinds == [
        ("Subgraph", "jit_avx512_f32", False),
        ("Reorder", "jit_uni_I8", False),  # it only takes values from one layout to another
        ("Convolution", "brgconv_avx512_I8", True),
        ("GroupConvolution", "jit_avx512_I8", True),
        ("Convolution", "brgconv_avx512_1x1_I8", True),
        ("GroupConvolution", "brgconv_avx512_dw_I8", True),
        ("ReduceMean", "jit_avx512_I8", True),
        ("FullyConnectedQuantizedLegacy", "brgemm_avx512_I8", True),
    ]
    assert operators[0].us == 107


def test_opencv():
    layers, us = zip(*[(tuple(layer), taken) for layer, taken in recorded("opencv")])
    operators = opencv.operators([*layers, ("ReLU6", "fused")], [*us, 0.0])
    assert "fused" not in [one.name for one in operators]
    assert {one.type for one in operators if one.int8} == {"Conv2Int8", "Eltwise2Int8"}
    assert ("Conv2", "node_Conv_881_quant/conv", "", False) in told(operators)


def test_tflite():
    events = [SimpleNamespace(**{**one, "tag": one["tag"].encode()}) for one in recorded("tflite")]
    events.append(SimpleNamespace(tag=b"TfLiteXNNPackDelegate", kind=2, number=63, us=9))
    assert told(tflite.parsed(events)) == [
        ("Convert", "#0", "NC", None),
        ("Transpose", "#1", "Transpose ND, X8", False),
        ("Convolution", "#2", "IGEMM NHWC, QC8", True),
        ("Convolution", "#3", "DWConv NHWC, QC8", True),
        ("Fully Connected", "#4", "GEMM NC, QS8, QC8W", True),
        ("Add", "#11", "ND", None),
        ("Mean", "#60", "Reduce ND", None),
        ("Static Reshape", "#61", "NC", None),
    ]


def test_mxnet():
    told_of = recorded("mxnet")
    operators = mxnet.parsed(told_of["profile"], set(told_of["eight_bits"]))
    counted = {name: sum(one.type == name for one in operators) for name in {one.type for one in operators}}
    assert counted["_sg_mkldnn_conv"] == 49 and not set(mxnet.OF_THE_ENGINE) & set(counted)
    assert sum(one.us for one in operators if one.int8) == pytest.approx(24980)
    nodes = [("_sg_mkldnn_conv", "true"), ("_sg_mkldnn_conv", "True"), ("_sg_mkldnn_fully_connected", "true")]
    nodes += [("_sg_mkldnn_fully_connected", "false")]
    symbol = {"nodes": [{"op": op, "attrs": {"quantized": value}} for op, value in nodes]}
    assert mxnet.eight_bits(symbol) == {"_sg_mkldnn_conv"}


def test_tensorflow():
    _, second = tensorflow.parsed(map(tuple, recorded("tensorflow")))
    assert told(second.operators) == [
        ("Mean", "PartitionedCall/Mean", "", False),
        ("_MklNativeFusedMatMul", "PartitionedCall/BiasAdd_49", "", False),
    ]
    assert second.us == pytest.approx(73770.626) and second.operators[0].us == pytest.approx(32.409)


def events_of(data: dict) -> SimpleNamespace:
    return SimpleNamespace(**{**data, "cpu_children": [events_of(child) for child in data["cpu_children"]]})


def test_pytorch():
    request = pytorch.parsed([events_of(recorded("pytorch"))])
    kernels = {one.type: one.kernel for one in request.operators}
    assert kernels["aten::conv2d"] == "aten::mkldnn_convolution"
    assert not any(one.int8 for one in request.operators)
    assert 0 < sum(one.us for one in request.operators) < request.us


def test_what_onednn_reports_of_a_compiled_program():
    report = ["onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:2", *recorded("pytorch_compiled")]
    operators = pytorch.primitives(report)
    assert {one.type for one in operators} == {"onednn::convolution", "onednn::matmul"}
    assert all(one.int8 for one in operators)
    assert operators[-1].us == pytest.approx(52.9785) and operators[-1].kernel == "brg_matmul:avx512_core_vnni"


def test_what_c_code_prints_is_caught(capfd):
    with pytorch.caught() as lines:
        pytorch.ctypes.CDLL(None).puts(b"of C")
    assert lines == ["of C"]
    assert capfd.readouterr().out == ""


def test_times_of_an_operator_s_calls_are_added_up_in_each_request():
    def request(*us):
        return profiling.Request(9.0, [profiling.Operator("Conv", "", "", None, one) for one in us])

    add = profiling.Operator("Add", "last", "", False, 2.0)
    (conv, last) = profile.gathered([request(1.0, 2.0), profiling.Request(9.0, [*request(4.0).operators, add])])
    assert (conv["us"], conv["calls"]) == ([3.0, 4.0], 2)
    assert (last["us"], last["calls"], last["name"]) == ([0.0, 2.0], 1, "last")
