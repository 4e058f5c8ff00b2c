"""Whole processes timed in turn, A B A B, so that a machine whose speed drifts moves both sides of a ratio alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_EVERY = 0.005  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: `before` makes the state that it is to find, and is not timed. `good` are the exit codes of an answer."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    good: frozenset[int] = frozenset({0})


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds on the wall and of processor, and the most megabytes that the process and its children held together."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one command, and those of the one it was paired with; `amount` is what grows from row to row, if any."""

    name: str
    runs: tuple[Run, ...]
    against: str = ""
    pairs: tuple[tuple[Run, Run], ...] = ()
    amount: int = 0

    def ratio(self, of: str) -> tuple[float, float, float]:
        """Median, least and most of the ratio to the other side, pair by pair, of `wall`, `cpu` or `peak`."""
        ratios = [getattr(one, of) / getattr(other, of) for one, other in self.pairs]
        return statistics.median(ratios), min(ratios), max(ratios)

    def median(self, of: str) -> float:
        """The median over the runs."""
        return statistics.median(getattr(run, of) for run in self.runs)

    def spread(self, of: str) -> tuple[float, float]:
        """The least and the most over the runs."""
        values = [getattr(run, of) for run in self.runs]
        return min(values), max(values)


def paired(one: Command, other: Command, runs: int) -> tuple[Measured, Measured]:
    """Both commands, each `runs` times in turn after one run that does not count and one for its memory."""
    held, of_other = _held(one), _held(other)
    pairs = tuple((run(one, held), run(other, of_other)) for _ in range(runs))
    return (
        Measured(one.name, tuple(left for left, _ in pairs), other.name, pairs),
        Measured(other.name, tuple(right for _, right in pairs)),
    )


def alone(command: Command, runs: int) -> Measured:
    """One command, after one run that does not count and one for its memory."""
    held = _held(command)
    return Measured(command.name, tuple(run(command, held) for _ in range(runs)))


def _held(command: Command) -> float:
    """The most megabytes that a command holds, once it has run. To look at that takes time, which a timed run keeps."""
    run(command, 0.0)
    return run(command).peak


def run(command: Command, held: float | None = None) -> Run:
    """One run; its memory is watched unless it is known. Raises `RuntimeError` with what it said for no answer."""
    command.before()
    start = time.perf_counter()
    process = subprocess.Popen(
        command.argv, env=dict(command.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    if held is None:
        watcher.start()
    said = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if held is None:
        watcher.join()
    if process.returncode not in command.good:
        raise RuntimeError(f"{command.name} ended with {process.returncode}: {said[-2000:].decode(errors='replace')}")
    # What the kernel counts as the most includes what this process held when it started that one.
    return Run(wall, usage.ru_utime + usage.ru_stime, held or peak[0] or usage.ru_maxrss / 1024)


def _watch(pid: int, peak: list[float]) -> None:
    """Look at the memory of a process and all below it until it is gone."""
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            held = 0
            for item in (process, *process.children(recursive=True)):
                try:
                    held += item.memory_info().rss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], held / (1 << 20))
            time.sleep(_EVERY)
    except psutil.Error:
        return
