"""What a migration has made outside of the planner's own folders, and taking exactly that away again."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from planner.errors import MigrationStopped


def missing_parents(path: str) -> list[str]:
    """The folders above `path` that do not exist, the deepest first."""
    missing = []
    above = os.path.dirname(path)
    while not os.path.lexists(above) and os.path.dirname(above) != above:
        missing.append(above)
        above = os.path.dirname(above)
    return missing


def identity(path: str) -> list[int]:
    """Device and inode of what lies at a path: another folder at the same place has another."""
    status = os.lstat(path)
    return [status.st_dev, status.st_ino]


def remove_tree(path: str, known: list[int] | None) -> None:
    """Remove a folder that the journal says was made. `known` is its identity, None where it was never finished.

    Raises `MigrationStopped` where something else lies there, or where it cannot be removed.
    """
    if not os.path.lexists(path):
        return
    if os.path.islink(path) or not os.path.isdir(path) or (known is not None and identity(path) != known):
        raise MigrationStopped(
            f"{path} is not the folder that was made there, and it is left alone: move it away, then run this again"
        )
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise MigrationStopped(
            f"{error.filename or path} cannot be removed ({error.strerror or error}): mend that, then run this again"
        ) from None


def remove_empty(folders: list[str]) -> None:
    """Remove folders that hold nothing, in the order given; one that holds something stays."""
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)
