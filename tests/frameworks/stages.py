"""Run stages of the workflow, many in one process; cases.py tells how. A case is a stage's name and options, `argv`."""

from __future__ import annotations

import contextlib
import gc
import io
import os

from cases import each

from dliflow.__main__ import main
from dliflow.machine import process


def run(argv: list[str]) -> dict:
    """As its own process would: the exit status, and what it tells on standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(argv)
    gc.collect()  # a network of gigabytes would stay beside that of the next stage
    process.give_back()
    return {"status": status, "errors": errors.getvalue()}


if __name__ == "__main__":
    each(run)
    os._exit(0)  # as the stages' own processes leave
