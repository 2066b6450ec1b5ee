"""The two ways in which a stage can end early on purpose, and how texts of others are told."""

from __future__ import annotations

import re

LONGEST = 100_000  # characters of a message: more than any of our own has

# What a terminal obeys (controls, but for line breaks and tabs) or turns around (Unicode's marks of direction).
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str, longest: int = LONGEST) -> str:
    """A text in which parts may come from a file or a program of others, as a terminal and a table can bear it.

    What a terminal would obey is shown, and so is what is no Unicode; too long a text is cut, and says so.
    """
    shown = text[:longest].replace("\r\n", "\n")
    shown = OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), shown)
    shown = shown.encode("utf-8", "backslashreplace").decode("utf-8")
    return shown if len(text) <= longest else f"{shown} … and {len(text) - longest:,} characters more"


class DliflowError(Exception):
    """Something the user can act on: shown as one message, without a traceback."""

    def __init__(self, message: str = ""):
        super().__init__(plain(message))


class Skip(Exception):
    """A declared inability of a framework; it becomes a `skipped` row with this reason."""

    def __init__(self, reason: str = ""):
        super().__init__(plain(reason))
