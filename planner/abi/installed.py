"""The tree of an environment as it lies on disk: conda's files, pip's, and those that nobody owns.

The prefix is walked once, since a file that no list names can break as well as any other. Who owns what is taken from
the records' path lists and the distributions' RECORD files. The modules of editable distributions lie outside, in the
folder that they were installed from. Nothing is opened here but those lists.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.abi.tree import Entry, Tree, is_shared, takes_part
from planner.dist_files import read_list
from planner.files import path_of_url, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.model.installed import Environment, PackageRecord, PipDist, RecordFiles

# Of a prefix: what conda keeps for itself, and other environments.
_NOT_ITS_OWN = frozenset({"conda-meta", "envs", "pkgs"})
# Of a source folder: where a build puts its modules, and no more of what else may lie there.
_DEEP = 4
_MOST_FOLDERS = 2000


def installed_tree(environment: Environment, files: Callable[[PackageRecord], RecordFiles]) -> Tree:
    """The tree of what is there now. What cannot be listed is left out, as the loader could not use it either."""
    prefix = environment.prefix
    found = tuple(_walk(prefix))
    owners = _owners(environment, files, frozenset(filter(takes_part, found)))
    entries = {path: _entry(prefix, path, owners) for path in found}
    for dist in environment.pip_dists:
        entries.update((path, Entry(path, f"pip:{dist.name}", path)) for path in _editable(prefix, dist))
    return Tree(prefix, entries)


def pip_paths(prefix: str, dist: PipDist) -> tuple[str, ...]:
    """The files that a distribution's RECORD names, relative to the prefix, sorted; empty without one."""
    try:
        content = read_bytes(os.path.join(prefix, dist.metadata_path, "RECORD"))
    except OSError:
        return ()
    listed = read_list(content.decode("utf-8", "replace"))
    return tuple(sorted(os.path.normpath(f"{dist.location}/{path}") for path in listed if not os.path.isabs(path)))


def _owners(
    environment: Environment, files: Callable[[PackageRecord], RecordFiles], found: frozenset[str]
) -> dict[str, str]:
    """Whose each of the paths that were found is."""
    owners: dict[str, str] = {}
    if not found:
        return owners
    for dist in environment.pip_dists:
        owners.update(dict.fromkeys(found.intersection(pip_paths(environment.prefix, dist)), f"pip:{dist.name}"))
    # Where both name a path, conda takes it away with its package.
    for record in environment.records:
        owners.update(dict.fromkeys(found.intersection(files(record).paths), f"conda:{record.name}"))
    return owners


def _editable(prefix: str, dist: PipDist) -> Iterator[str]:
    """The shared objects in the source folder of an editable distribution, absolute, a few levels deep."""
    direct = dist.direct_url
    if direct is None or not direct.editable or not direct.url.startswith("file:"):
        return
    top = path_of_url(direct.url)
    if not os.path.isabs(top) or f"{top}/".startswith(f"{prefix}/"):
        return
    folders = [(top, 0)]
    for folder, depth in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if is_shared(entry.name) and os.path.isfile(entry.path):
                yield entry.path
            elif depth < _DEEP and entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                folders.append((entry.path, depth + 1))
        if len(folders) > _MOST_FOLDERS:
            return


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
            elif takes_part(path) or (entry.is_symlink() and os.path.isdir(entry.path)):  # a link may lead to itself
                yield path
