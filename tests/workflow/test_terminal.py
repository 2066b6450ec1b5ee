"""What a run shows while it goes on, on a terminal and elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from dliflow.machine import lock
from dliflow.progress import CLEAR


def on_a_terminal(project, *arguments: str) -> str:
    """All that a run writes on a terminal of 90 columns and 30 lines."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    variables = {**os.environ, "TERM": "xterm", lock.TEST_LOCK_FOLDER: str(project.folder)}
    process = subprocess.Popen(command, cwd=project.folder, env=variables, stdin=end, stdout=end, stderr=end)
    os.close(end)
    written = b""
    try:
        while part := os.read(terminal, 65536):
            written += part
    except OSError:  # the last process has closed it
        pass
    os.close(terminal)
    assert process.wait(600) == 0, written.decode()
    return written.decode()


def test_a_run_tells_what_goes_on_and_how_far_it_is(finished):
    """Seen: 2,609 lines, of which none named a framework or the time that was left."""
    finished.configure(latency={"groups": 3})
    text = finished.run("all")
    line = r"^\d\d:\d\d:\d\d  (.+): [\d.]+ \w+; (\d+) of (\d+) jobs, (\d+) % of the time(.*)$"
    ended = re.findall(line, text, re.MULTILINE)
    assert {name for name, *_ in ended[:2]} == {"sweep alpha fp32, group 3", "sweep beta fp32, group 3"}
    assert [int(number) for _, number, *_ in ended] == list(range(1, int(ended[-1][2]) + 1))
    assert "about" in ended[0][4] and ended[-1][3:] == ("100", "")
    assert not re.search(r"Select jobs|Finished jobid|steps \(|\x1b", text)

    finished.configure(latency={"groups": 4})
    shown = on_a_terminal(finished, "all")
    drawn = [part.replace("\r\n", "\n") for part in shown.split(CLEAR) if "of the time" in part]
    first = next(part for part in drawn if "sweep alpha fp32, group 4, " in part)
    assert re.search(r"\nmeasuring  [━╌]{30}  [01] of 2  about .+ left\nreporting  ╌{30}  0 of 5  about ", first)
    assert re.search(r"\n\d+ % of the time, .+ so far, about .+ left\n", first)
    assert all(len(line) < 90 for part in drawn for line in part.splitlines())
    assert re.search(r"measuring  ━{30}  2 of 2\n", drawn[-1])
    after = shown.rpartition(CLEAR)[2]  # nothing is drawn any more
    assert "Report: results/report/index.html" in after and "of the time" not in after
