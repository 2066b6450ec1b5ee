"""Lines of progress."""

from __future__ import annotations

import os

from dliflow import progress


def test_a_line_every_ten_seconds_in_the_log_and_on_the_terminal(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    read, write = os.pipe()
    monkeypatch.setenv(progress.DESCRIPTOR, str(write))
    report = progress.meter("accuracy mobilenet_v2 openvino fp32", 50_000, done=2_000)
    for second in range(1, 26):
        now[0] = 100.0 + second
        report(2_000 + 200 * second)
    os.close(write)
    lines = [
        "accuracy mobilenet_v2 openvino fp32: 4,000 of 50,000 images, 200/s, 4 min left",
        "accuracy mobilenet_v2 openvino fp32: 6,000 of 50,000 images, 200/s, 4 min left",
    ]
    assert capsys.readouterr().out.splitlines() == lines
    with os.fdopen(read) as stream:
        assert stream.read().splitlines() == lines


def test_a_total_that_is_not_known(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    report = progress.meter("download a.tar", None, 100, "MiB")
    now[0] = 20.0
    report(140)
    assert capsys.readouterr().out == "download a.tar: 140 MiB, 2/s\n"


def test_a_terminal_that_is_gone_ends_nothing(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setenv(progress.DESCRIPTOR, str(write))
    report = progress.meter("prepare photographs", 100)
    now[0] = 11.0
    report(10)
    os.close(write)
    assert "10 of 100 images" in capsys.readouterr().out


def test_durations():
    assert [progress.duration(seconds) for seconds in (5, 59, 200, 7300)] == ["5 s", "59 s", "3 min", "2 h 2 min"]
