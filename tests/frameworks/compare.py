"""Compare the interchange graph in ONNX Runtime with the source's scores, in a batch and alone; cases.py tells how.

The case is the folder `out` that `source.py` wrote into.
"""

from __future__ import annotations

import numpy
import onnxruntime
from cases import each


def compare(out: str) -> dict:
    """Raises: AssertionError where the scores differ, or the graph does not tell the size of an image."""
    session = onnxruntime.InferenceSession(f"{out}/model.onnx", providers=["CPUExecutionProvider"])
    batch = numpy.load(f"{out}/batch.npy")
    assert session.get_inputs()[0].shape[1:] == list(batch.shape[1:])
    scores = [session.run(["scores"], {"input": batch[:size]})[0] for size in (1, 5)]
    expected = numpy.load(f"{out}/scores.npy")
    numpy.testing.assert_allclose(scores[1], expected, atol=1e-4 * abs(expected).max())
    numpy.testing.assert_allclose(scores[0], expected[:1], atol=1e-4 * abs(expected).max())
    return {"same": True}


if __name__ == "__main__":
    each(compare)
