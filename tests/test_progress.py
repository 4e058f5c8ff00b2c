"""Progress on stderr: what a terminal shows while it waits, and what stays."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from planner import progress as module
from planner.errors import InputError
from planner.progress import kind, progress

GONE = "\x1b[2K"  # the line is empty, and the cursor at its start
PLANNER = (sys.executable, str(Path(__file__).parents[1] / "cli.py"))


@pytest.fixture(autouse=True)
def no_dumb_terminal(monkeypatch):
    """Whatever terminal the tests run on: on a dumb one nothing is rewritten."""
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "verbose", "expected"),
    [
        (Terminal(), False, False, "live"),
        (Terminal(), True, False, "none"),
        (Terminal(), False, True, "lines"),
        (Terminal(), True, True, "none"),
        (io.StringIO(), False, False, "none"),
        (io.StringIO(), False, True, "lines"),
    ],
)
def test_what_is_shown_where(stream, quiet, verbose, expected):
    assert kind(stream, quiet=quiet, verbose=verbose) == expected


def test_lines_have_their_time_and_stay():
    stream = io.StringIO()
    with progress(stream, "lines") as tell:
        tell("reading environment base")
        tell("reading environment base")
        tell("\x1b[2Jsolving\n")
    lines = stream.getvalue().splitlines()
    assert [re.sub(r" +\d+\.\d s +", " T s ", line) for line in lines] == [
        "planner: T s reading environment base",
        "planner: T s \\x1b[2Jsolving\\n",
        "planner: T s done",
    ]


def test_the_live_line_is_rewritten_fits_and_is_gone_at_the_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(module, "_A_SECOND", 50)
    monkeypatch.setattr(module, "_PATIENCE", 0)
    stream = Terminal()
    with progress(stream, "live") as tell:
        tell("x" * 100)
        time.sleep(0.2)
        tell("[bold]solving[/]\x1b[2J")
        time.sleep(0.2)
    drawn = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in re.split(r"\r", stream.getvalue())]
    assert any(re.fullmatch(r". x{28} \(0 s\)", line) for line in drawn)
    assert any("[bold]solving[/]\\x1b[2J" in line for line in drawn)
    assert max(map(len, drawn)) <= 40
    assert len(drawn) > 6
    assert stream.getvalue().endswith(GONE)


def test_the_live_line_is_gone_after_an_error():
    stream = Terminal()
    with contextlib.suppress(InputError), progress(stream, "live") as tell:
        tell("solving")
        raise InputError("x")
    assert stream.getvalue().endswith(GONE)


def test_a_dumb_terminal_is_left_alone(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with progress(stream, "live") as tell:
        tell("solving")
    assert stream.getvalue() == ""


def on_a_terminal(*command, **environ):
    """What a command writes to a real terminal, byte by byte."""
    master, slave = pty.openpty()
    done = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env={**os.environ, **environ})
    os.close(slave)
    found = b""
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        found += part
    os.close(master)
    assert done.wait() == 0
    return found.decode()


def test_on_a_real_terminal_the_stages_come_before_the_report_and_leave_no_trace(tmp_path):
    shown = on_a_terminal(*PLANNER, "demo", "--exit-zero", XDG_CACHE_HOME=str(tmp_path), COLUMNS="90", NO_COLOR="")
    stages, _, report = shown.rpartition(GONE)
    for stage in ("reading environment base", "reading the repodata of", "solving", "judging"):
        assert stage in stages
    assert "\x1b[1mWhat " in report
    assert "\x1b[1;31mUNSAFE" in report
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", report).splitlines()) <= 90


def test_no_color_and_quiet_on_a_real_terminal(tmp_path):
    shown = on_a_terminal(*PLANNER, "demo", "--exit-zero", "--quiet", XDG_CACHE_HOME=str(tmp_path), NO_COLOR="1")
    assert "\x1b" not in shown
    assert shown.startswith("What ")


def test_no_stage_is_lost_where_two_threads_tell_of_them():
    stream = Terminal()
    with progress(stream, "live") as show:
        tell = [[f"{name}{number}" for number in range(40)] for name in ("reading", "solving")]
        threads = [threading.Thread(target=lambda stages=stages: [show(stage) for stage in stages]) for stages in tell]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [stage for stages in tell for stage in stages if f"{stage} " not in stream.getvalue()] == []
