"""Compare the interchange graph in ONNX Runtime with the source's scores, in a batch and alone.

Usage: python compare.py OUT-OF-SOURCE.PY
"""

import sys

import numpy
import onnxruntime

folder = sys.argv[1]
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
found = [session.run(["scores"], {"input": numpy.load(f"{folder}/batch.npy")[:size]})[0] for size in (1, 5)]
expected = numpy.load(f"{folder}/scores.npy")
numpy.testing.assert_allclose(found[1], expected, atol=1e-4 * abs(expected).max())
numpy.testing.assert_allclose(found[0], expected[:1], atol=1e-4 * abs(expected).max())
