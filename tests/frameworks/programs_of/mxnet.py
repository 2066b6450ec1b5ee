"""MXNet; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import mxnet as mx
symbol = mx.sym.load(MODEL + "/model-symbol.json")
{symbol}
network = mx.gluon.SymbolBlock(symbol, mx.sym.Variable("data", dtype="float32"))
network.collect_params().load(MODEL + "/model-0000.params", cast_dtype=True, dtype_source="saved")
network.hybridize(static_alloc=True, static_shape=True)
{network}
scores = network(mx.nd.array(batch)).asnumpy()
"""
OBJECTS = "import mxnet as mx\nnetwork = session.network"
TOLD = {
    "threads": '__import__("ctypes").CDLL("libgomp.so.1").omp_get_max_threads()',
    "backend": '"_sg_mkldnn_conv" in network._cached_graph[1].tojson()',
    "static": "dict(network._flags)",
}
TOGETHER = [{"threads": 2, "backend": "MKLDNN", "static": False}]
DEPLOYED = ("hybrid", {"threads": 2, "backend": "MKLDNN", "static": False})
