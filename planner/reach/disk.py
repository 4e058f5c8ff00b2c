"""How much room there is where a change writes, and which packages lie ready in the cache."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from planner.reference import Disk, Room

if TYPE_CHECKING:
    from collections.abc import Sequence


def disk(target: str, pkgs_dirs: Sequence[str], envs_dirs: Sequence[str]) -> Disk:
    """The room for the target, the first package cache that can be written, and the first folder of environments."""
    writable = [folder for folder in pkgs_dirs if os.access(_existing(folder), os.W_OK)]
    return Disk(
        target=_room(target),
        cache=_room(writable[0]) if writable else None,
        new=_room(envs_dirs[0]) if envs_dirs else None,
        cached=frozenset(name for folder in pkgs_dirs for name in _cached(folder)),
    )


def _room(folder: str) -> Room | None:
    place = _existing(folder)
    try:
        return Room(folder, shutil.disk_usage(place).free, os.stat(place).st_dev)
    except (OSError, ValueError):
        return None


def _existing(folder: str) -> str:
    """The folder, or the nearest one above it that exists: the folder itself may only be made by the change."""
    while not os.path.isdir(folder):
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return folder


def _cached(folder: str) -> list[str]:
    """The packages that are unpacked in a cache: there, conda neither fetches nor unpacks."""
    try:
        with os.scandir(folder) as entries:
            return [
                entry.name
                for entry in entries
                if os.path.isfile(os.path.join(entry.path, "info", "repodata_record.json"))
            ]
    except OSError:
        return []
