"""Functions that exporters write as several ONNX operators, recognised however they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np


@dataclass(frozen=True)
class Gelu:
    """`x * (1 + erf(x / sqrt(2))) / 2`, in whatever order the factors stand."""

    x: str
    one_more: str
    """The value `1 + erf(...)`."""
    output: str
    inner: frozenset[str]
    """Values between `x` and `output`, which nothing else reads."""


class Network:
    """Who gives and who takes each value of an ONNX graph (`onnx.GraphProto`)."""

    def __init__(self, graph):
        import onnx

        self.graph = graph
        self.numbers = {
            item.name: onnx.numpy_helper.to_array(item).item() for item in graph.initializer if np.prod(item.dims) == 1
        }
        """Constants of one element."""
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)
        for value in graph.output:
            self.takers.setdefault(value.name, []).append(None)

    def by(self, node, op: str, number: float) -> Optional[str]:
        """The other operand of a node that is `op` with this number; None if it is something else."""
        if node is None or node.op_type != op:
            return None
        first, second = node.input
        if op != "Div" and self.is_number(first, number):
            return second
        return first if self.is_number(second, number) else None

    def is_number(self, name: str, number: float) -> bool:
        """Whether a value is a constant of one element, equal but for rounding."""
        return name in self.numbers and bool(np.isclose(self.numbers[name], number, rtol=1e-4))

    def scaled(self, node, factor: float) -> Optional[str]:
        """The value of which a node is this multiple."""
        return self.by(node, "Mul", factor) or self.by(node, "Div", 1 / factor)

    def only_taker(self, name: str) -> Any:
        """The one node that reads a value; None if there are more, or none."""
        takers = self.takers.get(name, [])
        return takers[0] if len(takers) == 1 else None

    def gelus(self) -> list[Gelu]:
        """All of them."""
        all_of_erf = (self._gelu(node) for node in self.graph.node if node.op_type == "Erf")
        return [gelu for gelu in all_of_erf if gelu]

    def _gelu(self, erf) -> Optional[Gelu]:
        x = self.scaled(self.makers.get(erf.input[0]), 0.5**0.5)
        one_more = self.only_taker(erf.output[0])
        if x is None or self.by(one_more, "Add", 1) is None:
            return None
        inner = [erf.input[0], erf.output[0], one_more.output[0]]
        product = self.only_taker(inner[-1])
        factors = {"x": False, "half": False}
        while product is not None and not all(factors.values()):
            if self.scaled(product, 0.5) == inner[-1] and not factors["half"]:
                factors["half"] = True
            elif product.op_type == "Mul" and not factors["x"]:
                other = next(name for name in reversed(product.input) if name != inner[-1])
                half = self.scaled(self.makers.get(other), 0.5)
                if half == x and not factors["half"] and self.only_taker(other) is not None:
                    factors["half"] = True
                    inner.append(other)
                elif other != x:
                    return None
                factors["x"] = True
            else:
                return None
            inner.append(product.output[0])
            product = self.only_taker(inner[-1])
        if not all(factors.values()):
            return None
        output = inner.pop()
        return Gelu(x, one_more.output[0], output, frozenset(inner))
