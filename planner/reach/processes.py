"""Processes that run from an environment, or have files of it mapped: a change would pull these from under them."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.reference import RunningProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from planner.reach.notes import Prefixes

_MAPS = 4 * 1024 * 1024  # bytes of /proc/PID/maps that are read


def processes(prefixes: Prefixes) -> tuple[RunningProcess, ...]:
    """One for each process and environment, by process number. Those that this user may not look into are left out."""
    import psutil

    found = []
    locate = lru_cache(maxsize=None)(prefixes.locate)  # most processes have the same few libraries mapped
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        seen: dict[str, str] = {}
        for path in _paths(process):
            located = locate(path)
            if located is not None:
                seen.setdefault(located[0], path)
        if seen:
            name, user = _whose(process)
            found += [RunningProcess(process.pid, name, prefix, path, user) for prefix, path in seen.items()]
    return tuple(sorted(found, key=lambda item: (item.pid, item.prefix)))


def _whose(process: psutil.Process) -> tuple[str, str]:
    """Its name and its user; empty where it ended meanwhile."""
    import psutil

    try:
        return process.name(), process.username()
    except psutil.Error:
        return "", ""


def _paths(process: psutil.Process) -> Iterator[str]:
    """The program itself, then the files that are mapped into it."""
    import psutil

    try:
        yield process.exe()
        if sys.platform == "linux":
            with open(f"/proc/{process.pid}/maps", "rb") as file:
                lines = file.read(_MAPS).decode("utf-8", "replace").splitlines()
            # address, permissions, offset, device, inode, path: what is mapped without a file has no path.
            yield from dict.fromkeys(path.removesuffix(" (deleted)") for line in lines if (path := line[73:]))
        else:
            yield from (item.path for item in process.memory_maps())
    except (psutil.Error, OSError):
        return
