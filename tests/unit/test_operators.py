"""What the profiles say: on the page, on the terminal, and of INT8 beside FP32."""

from __future__ import annotations

from study_rows import CPU

from dliflow.analysis.tables import profile
from dliflow.report import operators, page


def figures(*timed, latency_ms=10.0):
    """Those of a record: a request of these operators (type, name, int8, calls, µs), made twice."""
    of_operators = [
        {"type": kind, "name": name, "kernel": "", "int8": int8, "calls": calls, "us": [us * 0.9, us * 1.1]}
        for kind, name, int8, calls, us in timed
    ]
    latency_ns = [[round(latency_ms * 1e6)]] * 2
    return {"operators": of_operators, "latency_ns": latency_ns, "profiled_us": [11e3] * 2, "profiler": "a profiler"}


def rows_of(precision, *timed, **more):
    row = {**CPU, "framework": "opencv", "precision": precision, "batch_size": 1, "status": "ok", "record": "x.json"}
    return profile.operators(row, figures(*timed, **more))


FP32 = rows_of("fp32", ("Convolution", "a", False, 1, 6000), ("Convolution", "b", False, 1, 2000),
               ("Pooling", "c", False, 1, 1000))  # fmt: skip
INT8 = rows_of("int8", ("ConvolutionInt8", "a", True, 1, 9000), ("ConvolutionInt8", "b", True, 1, 3000),
               ("Pooling", "c", False, 1, 1000), ("Quantize", "d", False, 1, 3000), latency_ms=20.0)  # fmt: skip


def test_rows_hold_medians_shares_and_what_they_add_up_to():
    first, second, third = FP32
    assert [row["name"] for row in FP32] == ["a", "b", "c"]
    assert (first["median_us"], round(first["share"], 6)) == (6000.0, round(6 / 9, 6))
    assert sum(row["share"] for row in FP32) == 1.0
    assert (first["operators_ms"], first["latency_ms"], first["coverage"]) == (9.0, 10.0, 0.9)
    assert second["profiled_ms"] == third["profiled_ms"] == 11.0
    assert profile.operators({"status": "skipped"}, {}) == [{"status": "skipped"}]


def test_the_kind_of_an_operator_is_the_same_in_each_precision():
    called = {"ConvolutionInt8": "Convolution", "QLinearConv": "Conv", "FusedConv": "Conv", "MatMulInteger": "MatMul"}
    called |= {"QGemm": "Gemm", "_sg_mkldnn_conv": "Convolution", "FullyConnectedQuantizedLegacy": "FullyConnected"}
    called |= {"aten::conv2d": "convolution", "onednn::convolution": "convolution"}
    assert {name: profile.kind(name) for name in called} == called
    for name in ("Quantize", "QuantizeLinear", "DequantizeLinear", "Pooling"):
        assert profile.kind(name) == name


def test_operators_of_a_kind_are_added_up():
    (one,) = operators.profiles(INT8)
    assert [(kind.type, kind.calls, kind.ms) for kind in one.kinds] == [
        ("ConvolutionInt8", 2, 12.0),
        ("Quantize", 1, 3.0),
        ("Pooling", 1, 1.0),
    ]
    assert one.int8_share == 0.75
    (unknown,) = operators.profiles(rows_of("fp32", ("Convolution", "", None, 1, 10)))
    assert unknown.int8_share is None and unknown.nodes == []


def test_int8_beside_fp32_says_what_makes_the_difference():
    (pair,) = operators.beside([*INT8, *FP32])
    assert [(one.kind, one.fp32, one.int8) for one in pair.differences] == [
        ("Convolution", 8.0, 12.0),
        ("Quantize", None, 3.0),
        ("Pooling", 1.0, 1.0),
    ]
    assert pair.why == (
        "The operators of INT8 take 16.0 ms, 1.78× the 9.00 ms of those of FP32. Most of the difference is Convolution "
        "(+4.00 ms) and Quantize (+3.00 ms). INT8 computes on integers of 8 bits in 75.0 % of its time; of the rest, "
        "most is Quantize (18.8 %) and Pooling (6.2 %)."
    )
    assert operators.beside(FP32) == []
    other = [{**row, "batch_size": 2} for row in FP32]
    assert operators.beside([*INT8, *other]) == []


def test_the_terminal_shows_each_profile_and_why_there_is_none():
    skipped = {**FP32[0], "framework": "mxnet", "status": "skipped", "reason": "it has no profiler"}
    text = operators.text([*FP32, *INT8, skipped])
    assert "opencv fp32, batch size 1 (tiny · cpu · local): operators take 9.00 ms, 90.0 % of the 10.0 ms" in text
    assert "   75.0 %     12.0 ms    2 × ConvolutionInt8  INT8" in text
    assert "mxnet fp32, batch size 1: it has no profiler" in text


def test_the_page_has_a_section_only_where_something_was_profiled():
    def section(rows):
        of = {"profiles": operators.profiles(rows), "beside": operators.beside(rows)}
        return page.environment().get_template("partials/operators.html.j2").render(of).strip()

    html = section([*FP32, *INT8])
    assert 'id="operators"' in html and "The operators of INT8 take 16.0 ms" in html
    assert html.count('<span class="bar"') == 2 + 3 + 3 + 4  # kinds, then single operators
    assert section([]) == ""
    assert "operators" in page.SECTIONS
