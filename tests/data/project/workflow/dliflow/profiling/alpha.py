"""What alpha's requests are made of, which nobody measures: the same times in each."""

from __future__ import annotations

from dliflow.frameworks import alpha as framework
from dliflow.profiling import Operator, Request

PROFILER = "alpha's own figures"


class Profiled:
    """A linear classifier that counts its requests."""

    def __init__(self, session, int8):
        self.session, self.int8, self.made = session, int8, 0

    def predict(self, batch):
        """One request."""
        self.made += 1
        return self.session.predict(batch)

    def requests(self):
        """Each a mean and a product, which takes three times as long in INT8."""
        product = Operator(
            "MatmulInt8" if self.int8 else "Matmul", "scores", "", self.int8, 30.0 if self.int8 else 10.0
        )
        return [Request(50.0, [Operator("Mean", "pixels", "", False, 10.0), product])] * self.made


def profile(model, *, precision, **asked):
    """The session that is loaded."""
    return Profiled(framework.load(model, precision=precision, **asked), precision == "int8")
