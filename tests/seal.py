"""Whether anything at all was touched below a folder, times included: what the tests hold the planner to.

Every entry with its kind, size, mode, time of change and the sha256 of its content. Folders count by their entries and
not by their times, which what is made beside them changes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TypeAlias

Entry: TypeAlias = tuple[str, int, int, int, str]  # kind, mode, bytes, time in ns, sha256 or link target


def seal(prefix: str) -> dict[str, Entry]:
    """Path below the folder -> what is there."""
    found: dict[str, Entry] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(os.path.join(prefix, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                found[path] = _entry(entry)
                if found[path][0] == "folder":
                    folders.append(path)
    return found


def differences(before: dict[str, Entry], after: dict[str, Entry]) -> tuple[str, ...]:
    """One line for each path that is not the same, sorted by path."""
    lines = []
    for path in sorted({*before, *after}):
        if path not in after:
            lines.append(f"{path} is gone")
        elif path not in before:
            lines.append(f"{path} is new")
        elif before[path] != after[path]:
            lines.append(f"{path} has another {_what(before[path], after[path])}")
    return tuple(lines)


def _entry(entry: os.DirEntry[str]) -> Entry:
    status = entry.stat(follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if entry.is_symlink():
        return ("link", mode, 0, status.st_mtime_ns, os.readlink(entry.path))
    if entry.is_dir(follow_symlinks=False):
        return ("folder", mode, 0, 0, "")
    if not stat.S_ISREG(status.st_mode):
        return ("other", mode, 0, status.st_mtime_ns, "")
    with open(entry.path, "rb") as stream:
        content = hashlib.sha256(stream.read()).hexdigest()
    return ("file", mode, status.st_size, status.st_mtime_ns, content)


def _what(before: Entry, after: Entry) -> str:
    names = ("kind", "mode", "size", "time of change", "content")
    return ", ".join(name for name, old, new in zip(names, before, after, strict=True) if old != new)
