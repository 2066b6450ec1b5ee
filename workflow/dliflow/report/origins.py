"""Where models and images came from, in words."""

from __future__ import annotations

from typing import Any, NamedTuple

CHECKSUMS = ("sha256", "sha1", "md5")


class Origin(NamedTuple):
    """A package, an address or a path."""

    name: str
    checksum: str
    """With its kind; empty where there is none."""


def origins(places: list[dict[str, Any]]) -> list[list[Origin]]:
    """For each place, the preferred one first, what is fetched from it.

    Args:
        places: `from` of a registry entry's source, as `workflow/schemas/files.schema.yaml` has it.
    """
    return [[_origin(one) for one in place.get("packages", [place])] for place in places]


def _origin(one: dict[str, Any]) -> Origin:
    name = next(one[key] for key in ("name", "url", "path") if key in one)
    checksum = next((f"{kind} {one[kind]}" for kind in CHECKSUMS if kind in one), "")
    return Origin(f"{name} {one['version']}" if "version" in one else name, checksum)
