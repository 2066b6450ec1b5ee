"""What `null` keeps of a model."""

from __future__ import annotations

from dliflow.files import read_json, write_json
from dliflow.frameworks.null import CLASSES_FILE


def convert(source, out, precision, calibration):
    """Keep the number of scores; there is nothing else to convert."""
    write_json(out / CLASSES_FILE, read_json(source / "interchange.json")["scores"])
