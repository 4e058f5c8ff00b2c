"""Files that are one with a file of another environment, beyond what the package cache's rule explains.

conda links a package's files from its cache, so that every environment with the same build shares their inodes. That is
meant: conda itself never writes into such a file, it unlinks it. Where the other environment has no record of that
build, somebody else made the link, and nobody keeps count of it.
"""

from __future__ import annotations

import os
import stat
from functools import cache
from typing import TYPE_CHECKING

from planner.reference import SharedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.model.installed import Environment, PackageRecord, RecordFiles

_MOST = 200  # files of one record


def finder(
    target: Environment, environments: Sequence[Environment], files: Callable[[PackageRecord], RecordFiles]
) -> Callable[[PackageRecord], tuple[SharedFile, ...]]:
    """A function from an installed record of the target to its files that another environment has under the same path."""
    neighbours = [
        (other.prefix, {item.dist_name for item in other.records})
        for other in environments
        if other.prefix != target.prefix
    ]

    @cache
    def holders(folder: str) -> frozenset[str]:
        """The prefixes that have a folder of that path: most files of an environment lie in none that others have."""
        above = folder.rpartition("/")[0]
        there = holders(above) if folder else frozenset(prefix for prefix, _ in neighbours)
        return frozenset(prefix for prefix in there if os.path.isdir(os.path.join(prefix, folder)))

    def shared(record: PackageRecord) -> tuple[SharedFile, ...]:
        others = [prefix for prefix, builds in neighbours if record.dist_name not in builds]
        found: list[SharedFile] = []
        for path in files(record).paths if others else ():
            held = holders(path.rpartition("/")[0])
            own = _status(os.path.join(target.prefix, path)) if held else None
            if own is None or own.st_nlink < 2 or len(found) >= _MOST:  # noqa: PLR2004 -- itself and another
                continue
            for prefix in others:
                place = os.path.join(prefix, path)
                status = _status(place) if prefix in held else None
                if status is not None and (status.st_dev, status.st_ino) == (own.st_dev, own.st_ino):
                    found.append(SharedFile(path, place, prefix, own.st_nlink))
        return tuple(found)

    return shared


def _status(path: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
