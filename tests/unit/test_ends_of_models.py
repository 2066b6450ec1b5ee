"""Which of a file's inputs or outputs an entry means, and what is said of its shape, in every format alike."""

from __future__ import annotations

import pytest

from dliflow.errors import DliflowError
from dliflow.interchange.form import check_input, chosen


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


def test_a_network_of_grey_images_is_told_as_such():
    with pytest.raises(DliflowError, match=r"input is \(any, 1, 28, 28\), .* networks of grey images are not taken"):
        check_input([0, 1, 28, 28], (3, 28, 28), "NCHW")
    with pytest.raises(DliflowError, match=r"say \(batch, 3, 28, 28\)$"):
        check_input([0, 3, 32, 32], (3, 28, 28), "NCHW")
