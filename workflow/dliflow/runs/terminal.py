"""What Snakemake's own process shows on the terminal: ours last, and not what is told better there."""

from __future__ import annotations

import atexit
import logging
import re
import sys
from pathlib import Path
from typing import Optional

from dliflow.runs.display import Display
from dliflow.study import paths

_last: list[str] = []
_refused: list[str] = []
SUPERVISED = re.compile(r"-m dliflow supervise .*?--log (\S+)")


def last(text: str) -> None:
    """Show this when the process ends, after all that Snakemake has to say."""
    if not _last:
        atexit.register(lambda: print(_last[0], file=sys.stderr, flush=True))
    _last[:] = [text]


def refuse(message: str, text: str) -> None:
    """Show `text`, which has the message in it, last; and do not show what Snakemake makes of the message."""
    _refused.append(message)
    last(text)


def wanted(entry: logging.LogRecord) -> bool:
    """Whether the terminal shows an entry of Snakemake's log. Its log file has them all."""
    if entry.levelno < logging.ERROR:
        return True
    message = entry.getMessage()
    if any(refused in message for refused in _refused):
        return False
    command = SUPERVISED.search(message) if "CalledProcessError" in message else None
    return command is None or not Path(paths.failure(command[1])).exists()  # the job has told why itself


def taken_over(logger: logging.Logger) -> Optional[Display]:
    """Let what goes to the terminal pass `wanted`, and be shown by a display; None where nothing goes there.

    Args:
        logger: Snakemake's.
    """
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(wanted)
            logger.removeHandler(handler)
            display = Display(handler)
            logger.addHandler(display)
            return display
    return None
