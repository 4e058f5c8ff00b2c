"""The tree of an environment as it lies on disk: conda's files, pip's, and those that nobody owns.

The prefix is walked once, since a file that no list names can break as well as any other. Who owns what is taken from
the records' path lists and the distributions' RECORD files. Nothing is opened here but those.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.abi.tree import Entry, Tree, takes_part
from planner.dist_files import read_list
from planner.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.model import Environment, PackageRecord, PipDist, RecordFiles

# Of a prefix: what conda keeps for itself, and other environments.
_NOT_ITS_OWN = frozenset({"conda-meta", "envs", "pkgs"})


def installed_tree(environment: Environment, files: Callable[[PackageRecord], RecordFiles]) -> Tree:
    """The tree of what is there now. What cannot be listed is left out, as the loader could not use it either."""
    prefix = environment.prefix
    owners = _owners(environment, files)
    entries = {path: _entry(prefix, path, owners) for path in _walk(prefix)}
    return Tree(prefix, entries)


def pip_paths(prefix: str, dist: PipDist) -> tuple[str, ...]:
    """The files that a distribution's RECORD names, relative to the prefix, sorted; empty without one."""
    try:
        content = read_bytes(os.path.join(prefix, dist.metadata_path, "RECORD"))
    except OSError:
        return ()
    listed = read_list(content.decode("utf-8", "replace"))
    return tuple(sorted(os.path.normpath(f"{dist.location}/{path}") for path in listed if not os.path.isabs(path)))


def _owners(environment: Environment, files: Callable[[PackageRecord], RecordFiles]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for dist in environment.pip_dists:
        owners.update((path, f"pip:{dist.name}") for path in pip_paths(environment.prefix, dist) if takes_part(path))
    # Where both name a path, conda takes it away with its package.
    for record in environment.records:
        owners.update((path, f"conda:{record.name}") for path in files(record).paths if takes_part(path))
    return owners


def _entry(prefix: str, path: str, owners: dict[str, str]) -> Entry:
    whole = os.path.join(prefix, path)
    owner = owners.get(path, f"file:{path}")
    try:
        return Entry(path, owner, link=os.readlink(whole))
    except OSError:
        return Entry(path, owner, source=whole)


def _walk(prefix: str) -> Iterator[str]:
    """Every path that may take part in linking, and every symlink to a folder, relative to the prefix."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(os.path.join(prefix, folder)), key=lambda entry: entry.name)
        except OSError:
            continue
        if folder and any(entry.name == "conda-meta" for entry in entries):
            continue  # another environment
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if path not in _NOT_ITS_OWN:
                    folders.append(path)
            elif takes_part(path) or (entry.is_symlink() and entry.is_dir()):
                yield path
