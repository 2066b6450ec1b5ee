"""Labels of ImageNet's validation images from its development kit (ILSVRC2012_devkit_t12).

The kit numbers the classes in an order of its own: ILSVRC2012_ID 1 is not class 0 of any network. Networks number the
1000 synsets in alphabetical order of their WordNet ids, so each id is translated by way of its synset.
"""

from __future__ import annotations

import re
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.wording import listed

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"


def _only(folder: Path, name: str) -> Path:
    files = sorted(folder.rglob(name))
    if len(files) != 1:
        raise DliflowError(
            f"{folder}: {len(files)} files are called {name}; the unpacked ILSVRC2012_devkit_t12 has one, in data/"
        )
    return files[0]


def classes(path: Path) -> dict[int, int]:
    """The class index of each ILSVRC2012_ID, from `meta.mat`: only leaves of the hierarchy are classes.

    Raises:
        DliflowError: when the file is not what the kit holds.
    """
    import scipy.io

    try:
        synsets = scipy.io.loadmat(path, squeeze_me=True)["synsets"]
        leaves = synsets[synsets["num_children"] == 0]
        synset_of = {int(number): str(synset) for number, synset in zip(leaves["ILSVRC2012_ID"], leaves["WNID"])}
    except (OSError, ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
        raise DliflowError(f"{path}: is not the development kit's list of synsets: {error}") from error
    order = {synset: index for index, synset in enumerate(sorted(synset_of.values()))}
    return {number: order[synset] for number, synset in synset_of.items()}


def labels(folder: Path, names: list[str]) -> list[int]:
    """The class index of each validation image, by the number in its name.

    Args:
        folder: the unpacked development kit.
        names: paths that end like `ILSVRC2012_val_00000001.JPEG`.

    Raises:
        DliflowError: for a broken kit, or an image that it does not know.
    """
    truth = _only(folder, GROUND_TRUTH)
    index = classes(_only(folder, META))
    try:
        lines = truth.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DliflowError(f"{truth}: is no text in UTF-8: {error}") from error
    label_of = {str(number): label for number, label in index.items()}
    wrong = [f"line {place}: {line!r}" for place, line in enumerate(lines, 1) if line.strip() not in label_of]
    if wrong:
        raise DliflowError(f"{truth}: {len(wrong)} lines are the number of no class in {META}:{listed(wrong)}")
    numbers = [_number_of(name) for name in names]
    strange = [name for name, number in zip(names, numbers) if not 1 <= number <= len(lines)]
    if strange:
        raise DliflowError(
            f"{len(strange)} of {len(names)} images are no validation images of the {len(lines):,} that {truth} has "
            f"labels of, whose names are ILSVRC2012_val_00000001.JPEG to {len(lines):08d}:{listed(strange)}"
        )
    return [label_of[lines[number - 1].strip()] for number in numbers]


def _number_of(name: str) -> int:
    """The number in the name of a validation image; 0 where there is none."""
    match = re.search(r"ILSVRC2012_val_(\d{8})\.jpe?g$", name, re.IGNORECASE | re.ASCII)
    return int(match[1]) if match else 0
