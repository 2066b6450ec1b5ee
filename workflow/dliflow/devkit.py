"""Labels of ImageNet's validation images from its development kit (ILSVRC2012_devkit_t12).

The kit numbers the classes in an order of its own: ILSVRC2012_ID 1 is not class 0 of any network. Networks number the
1000 synsets in alphabetical order of their WordNet ids, so each id is translated by way of its synset.
"""

from __future__ import annotations

import re
from pathlib import Path

from dliflow.errors import DliflowError

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise DliflowError(
            f"{folder}: {len(found)} files are called {name}; the unpacked ILSVRC2012_devkit_t12 has one, in data/"
        )
    return found[0]


def classes(path: Path) -> dict[int, int]:
    """The class index of each ILSVRC2012_ID, from `meta.mat`: only leaves of the hierarchy are classes.

    Raises:
        DliflowError: when the file is not what the kit holds.
    """
    import scipy.io

    try:
        synsets = scipy.io.loadmat(path, squeeze_me=True)["synsets"]
        leaves = synsets[synsets["num_children"] == 0]
        known = {int(number): str(synset) for number, synset in zip(leaves["ILSVRC2012_ID"], leaves["WNID"])}
    except (OSError, ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
        raise DliflowError(f"{path}: is not the development kit's list of synsets: {error}") from error
    order = {synset: index for index, synset in enumerate(sorted(known.values()))}
    return {number: order[synset] for number, synset in known.items()}


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
        found = [index[int(line)] for line in truth.read_text(encoding="utf-8").split()]
    except (ValueError, KeyError) as error:
        raise DliflowError(f"{truth}: {error} is the number of no class in {META}") from error
    result = []
    for name in names:
        match = re.search(r"ILSVRC2012_val_(\d{8})\.jpe?g$", name, re.IGNORECASE)
        number = int(match[1]) if match else 0
        if not 1 <= number <= len(found):
            raise DliflowError(
                f"{name}: is no validation image of the {len(found):,} that {truth} has labels of; their names are "
                f"ILSVRC2012_val_00000001.JPEG to {len(found):08d}"
            )
        result.append(found[number - 1])
    return result
