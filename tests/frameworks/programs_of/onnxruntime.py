"""ONNX Runtime; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import onnxruntime
options = onnxruntime.SessionOptions()
{options}
session = onnxruntime.InferenceSession(MODEL + "/model.onnx", options, providers=["CPUExecutionProvider"])
INPUT, OUTPUT = session.get_inputs()[0].name, session.get_outputs()[0].name
scores = session.run([OUTPUT], {{INPUT: batch}})[0]
{binding}
"""
OBJECTS = "session = session.session"
TOLD = {
    "threads": "session.get_session_options().intra_op_num_threads",
    "parallel_execution": "session.get_session_options().execution_mode",
    "inter_op_threads": "session.get_session_options().inter_op_num_threads",
    "optimization": "session.get_session_options().graph_optimization_level",
    "memory_arena": "session.get_session_options().enable_cpu_mem_arena",
    "memory_pattern": "session.get_session_options().enable_mem_pattern",
    "allow_spinning": 'session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning")',
    "dynamic_block_base": 'session.get_session_options().get_session_config_entry("session.dynamic_block_base")',
    "thread_affinities": (
        'session.get_session_options().get_session_config_entry("session.intra_op_thread_affinities")'
    ),
}
TOGETHER = [
    {
        **{"threads": 2, "parallel_execution": True, "inter_op_threads": 2, "optimization": "ORT_ENABLE_BASIC"},
        **{"memory_arena": False, "memory_pattern": False, "allow_spinning": False, "dynamic_block_base": 4},
        **{"thread_affinities": "2", "io_binding": True},
    },
    {"optimization": "ORT_ENABLE_EXTENDED"},
]
DEPLOYED = ("default", {"threads": 2, "io_binding": True, "allow_spinning": False})
