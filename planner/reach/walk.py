"""Walks through folders that are not ours, which come to an end whatever lies there.

Links are not followed, so that loops do no harm; a device is not left; depth and number are bounded, and what was left
out is a problem with its name. Conda environments and package caches inside are not entered: they are read elsewhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from planner.reach.notes import Notes

_SKIPPED = frozenset({".cache", ".cargo", ".git", ".hg", ".npm", ".rustup", ".svn", "__pycache__", "node_modules"})
_UNKNOWN = "what in it refers to an environment is not known"


def walk(
    top: str, notes: Notes, *, depth: int, most: int, also_hidden: bool = True
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder at or below `top`, the nearest first, with its entries by name.

    At most `depth` levels deep, and until `most` entries were seen: then the rest is left out and noted.
    """
    queue = deque([(top, 0)])
    seen = 0
    while queue:
        folder, level = queue.popleft()
        entries = notes.entries(folder, _UNKNOWN)
        seen += len(entries)
        names = {entry.name for entry in entries}
        if level and ("conda-meta" in names or "urls.txt" in names):
            continue
        yield folder, entries
        if seen > most:
            if queue or level < depth:
                notes.problem(top, f"it holds more than {most} files", "the rest of it was not looked at")
            return
        if level >= depth or "pyvenv.cfg" in names:
            continue
        queue.extend(
            (entry.path, level + 1)
            for entry in entries
            if _is_folder(entry) and entry.name not in _SKIPPED and (also_hidden or not entry.name.startswith("."))
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
