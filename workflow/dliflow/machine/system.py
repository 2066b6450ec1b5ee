"""Small files by which the kernel tells of itself."""

from __future__ import annotations

from pathlib import Path


def read(path: str) -> str | None:
    """A file of /proc or /sys, without blanks around it; None where there is none or it may not be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
