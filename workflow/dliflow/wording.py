"""Pieces of messages: lists that fit on a screen, and what a mistyped word may stand for."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

SHOWN = 20  # lines of a list: a screenful
FEW = 3  # items of a list within a line


def suggestion(word: str, known: Iterable[str], adding: str = "") -> str:
    """The known word that is most like another, or all of them, as the end of a message.

    Args:
        adding: how another one is added.
    """
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    end = f"; did you mean '{close[0]}'?" if close else f"; known ones: {', '.join(known) or 'none'}"
    return f"{end}{'' if close else '.'} To add it: {adding}" if adding else end


def some(items: Sequence[str]) -> str:
    """The first few items in a line, and how many more there are."""
    more = f" and {len(items) - FEW:,} more" if len(items) > FEW else ""
    return ", ".join(items[:FEW]) + more


def listed(items: Collection[str]) -> str:
    """A line for each item, a screenful at most, and how many more there are; begins with a line break."""
    lines = [f"\n  {item}" for _, item in zip(range(SHOWN), items)]
    more = f"\n  and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return "".join(lines) + more


def settings(chosen: Mapping[str, Any]) -> str:
    """Launch settings in a line: `threads=2, pinning=false, hint=LATENCY`."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in chosen.items()}
    return ", ".join(f"{name}={text}" for name, text in texts.items())
