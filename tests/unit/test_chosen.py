"""Which of a file's inputs or outputs an entry means, in every format alike."""

from __future__ import annotations

import pytest

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen


@pytest.mark.parametrize(
    ("names", "wanted", "name"),
    [
        (["scores"], None, "scores"),
        (["features", "scores"], "scores", "scores"),
        (["features", "scores"], "1", "scores"),
        (["7", "1", "scores"], "1", "1"),  # as PyTorch's exporter once called values: a name stands before a number
    ],
)
def test_by_name_by_number_or_the_only_one(names, wanted, name):
    assert chosen("output", names, wanted) == name


@pytest.mark.parametrize(("wanted", "problem"), [(None, "the"), ("2", "source.output: there is no '2'; the")])
def test_what_is_not_told_or_not_there(wanted, problem):
    with pytest.raises(DliflowError) as caught:
        chosen("output", ["features", "scores"], wanted)
    assert str(caught.value) == f"{problem} model's outputs are features, scores; set source.output to one"
