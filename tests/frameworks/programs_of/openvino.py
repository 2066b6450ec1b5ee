"""OpenVINO; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import sys
sys.modules["openvino_telemetry"] = None
import openvino
core = openvino.Core()
network = core.read_model(MODEL + "/model.xml")
network.reshape(batch.shape)
properties = {{"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}}
{properties}
compiled = core.compile_model(network, "CPU", properties)
request = compiled.create_infer_request()
scores = request.infer({{0: batch}})[0]
{request}
"""
OBJECTS = "compiled = session.compiled"
TOLD = {
    "threads": 'compiled.get_property("INFERENCE_NUM_THREADS")',
    "hint": 'compiled.get_property("PERFORMANCE_HINT")',
    "streams": 'compiled.get_property("NUM_STREAMS")',
    "hyper_threading": 'compiled.get_property("ENABLE_HYPER_THREADING")',
    "pinning": 'compiled.get_property("ENABLE_CPU_PINNING")',
    "core_type": 'compiled.get_property("SCHEDULING_CORE_TYPE")',
}
TOGETHER = [
    {"threads": 1, "preset_input": True},
    {"hint": "THROUGHPUT", "streams": 2, "core_type": "PCORE_ONLY", "pinning": False, "shared_outputs": True},
    {"hyper_threading": True, "preset_input": True, "shared_outputs": True},
]
DEPLOYED = ("default", {"streams": 2, "preset_input": True, "shared_outputs": True})
