"""ncnn; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import ncnn
net = ncnn.Net()
net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
{net}
net.load_param(MODEL + "/model.param")
net.load_model(MODEL + "/model.bin")
with net.create_extractor() as extractor:
    extractor.input("in0", ncnn.Mat(batch, batch_index=0))
    scores = np.array(extractor.extract("out0")[1].numpy(batch_index=0))
"""
OBJECTS = "net = session.net"
TOLD = {
    "threads": "net.opt.num_threads",
    "winograd": "net.opt.use_winograd_convolution",
    "sgemm": "net.opt.use_sgemm_convolution",
    "packing": "net.opt.use_packing_layout",
    "lightmode": "net.opt.lightmode",
}
TOGETHER = [
    {"threads": 1, "winograd": False, "lightmode": False},
    {"sgemm": False, "packing": False},
]
DEPLOYED = ("default", {"threads": 1, "packing": False})
