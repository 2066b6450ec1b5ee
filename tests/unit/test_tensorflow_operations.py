"""Whatever a graph of TensorFlow can call is looked at; stand-ins of its messages have what is read of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from dliflow.errors import DliflowError
from dliflow.sources.shared.tensorflow_operations import refuse_others

NONE = SimpleNamespace(name="", attr={})


def function(name, **attributes):
    """A `NameAttrList`."""
    return SimpleNamespace(name=name, attr=attributes)


def value(func=NONE, several=(), placeholder=""):
    """An `AttrValue`."""
    return SimpleNamespace(func=func, list=SimpleNamespace(func=several), placeholder=placeholder)


def node(operation, **attributes):
    """A `NodeDef`."""
    return SimpleNamespace(op=operation, name="n", attr=attributes)


def check(start, **bodies):
    """Check what a node calls among functions of these nodes."""
    functions = [SimpleNamespace(signature=SimpleNamespace(name=name), node_def=[bodies[name]]) for name in bodies]
    refuse_others([start], SimpleNamespace(function=functions), Path("model.pb"))


EVIL = value(function("evil"))
HANDED_ON = value(function("outer", g=EVIL))
CALLS = [
    node("evil"),
    node("PartitionedCall", f=EVIL),
    node("Case", branches=value(several=[function("good"), function("evil")])),
    node("PartitionedCall", f=HANDED_ON),
    node("PartitionedCall", f=value(function("outer", g=value(several=[function("outer", g=EVIL)])))),
    node("outer", g=EVIL),
]


@pytest.mark.parametrize("start", CALLS)
def test_functions_of_functions_are_looked_at(start):
    with pytest.raises(DliflowError, match=r"^model\.pb: refused: operation WriteFile 'n' reaches outside"):
        check(start, outer=node("Relu"), good=node("Relu"), evil=node("WriteFile"))
    check(start, outer=node("Relu"), good=node("Relu"), evil=node("Relu"))


def test_functions_that_call_themselves():
    itself = node("PartitionedCall", f=value(function("loop")))
    check(itself, loop=itself)


def test_a_function_that_takes_what_it_calls_from_its_caller_is_refused():
    outer = node("PartitionedCall", f=value(placeholder="g"))
    with pytest.raises(DliflowError, match="refused: operation PartitionedCall 'n' has its 'g' from whatever calls it"):
        check(node("PartitionedCall", f=HANDED_ON), outer=outer, evil=node("Relu"))


def test_a_function_that_is_not_in_the_file_is_refused():
    gradient = value(function("SymbolicGradient", f=value(function("good"))))
    with pytest.raises(DliflowError, match="calls 'SymbolicGradient', which is no function of this file"):
        check(node("PartitionedCall", f=gradient), good=node("Relu"))
