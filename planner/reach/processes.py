"""Processes that run from an environment, or have files of it mapped: a change would pull these from under them."""

from __future__ import annotations

import os
import sys
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
    for process in psutil.process_iter(["pid", "name", "username"]):
        if process.pid == os.getpid():
            continue
        seen: dict[str, str] = {}
        for path in _paths(process):
            located = prefixes.locate(path)
            if located is not None:
                seen.setdefault(located[0], path)
        found += [
            RunningProcess(process.pid, process.info["name"] or "", prefix, path, process.info["username"] or "")
            for prefix, path in seen.items()
        ]
    return tuple(sorted(found, key=lambda item: (item.pid, item.prefix)))


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
