"""The tree of an environment after a change: what stays, and what the planned packages bring.

Packages of python's noarch kind are laid out for the planned python, as installers do it. Where the files of a planned
package are not known, the tree says so.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from planner.abi.tree import Entry, Tree, takes_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from planner.abi.archives import Contents
    from planner.model import PackageChange, PackageRecord, RecordFiles

_SITE, _SCRIPTS = "site-packages/", "python-scripts/"


def planned_tree(
    before: Tree,
    changes: Sequence[PackageChange],
    files: Callable[[PackageRecord], RecordFiles],
    contents: Mapping[str, Contents],
    site_packages: str | None,
) -> Tree:
    """The tree after `changes`. `contents` are those of planned packages by name, as far as they are known.

    `site_packages` is the planned python's, relative to the prefix, None without python.
    """
    entries = dict(before.entries)
    incomplete = set()
    for change in changes:
        if change.before is not None:
            for path in files(change.before).paths:
                there = entries.get(path)
                if there is not None and there.owner == f"conda:{change.name}":
                    del entries[path]
    for change in changes:
        if change.after is None:
            continue
        owner = f"conda:{change.name}"
        found = contents.get(change.name)
        if found is None:
            if may_hold_binaries(change.after):
                incomplete.add(owner)
            continue
        entries.update((entry.path, entry) for entry in _laid_out(found, change.after, owner, site_packages))
    return Tree(before.prefix, entries, frozenset(incomplete))


def may_hold_binaries(record: PackageRecord) -> bool:
    """Whether a package may bring compiled files: noarch ones may not, but for abi3 ones (CEP 20)."""
    if record.noarch == "python":
        return record.subdir not in {"", "noarch"}
    return record.noarch is None and record.subdir != "noarch"


def installed_paths(found: Contents, record: PackageRecord, site_packages: str | None) -> tuple[str, ...]:
    """Where the files of a package will lie, relative to the prefix, sorted."""
    paths = (_target(item.path, record, site_packages) for item in found.files)
    return tuple(sorted(path for path in paths if path is not None))


def _laid_out(found: Contents, record: PackageRecord, owner: str, site_packages: str | None) -> Iterator[Entry]:
    for item in found.files:
        path = _target(item.path, record, site_packages)
        if path is None or not (takes_part(path) or item.symlink):
            continue
        link = posixpath.normpath(item.link) if item.link is not None else None
        yield Entry(path, owner, item.source, link, unread=item.symlink and link is None, placeholder=item.placeholder)


def _target(path: str, record: PackageRecord, site_packages: str | None) -> str | None:
    if record.noarch != "python":
        return path
    if path.startswith(_SITE):
        return f"{site_packages}/{path.removeprefix(_SITE)}" if site_packages else None
    if path.startswith(_SCRIPTS):
        return f"bin/{path.removeprefix(_SCRIPTS)}"
    return path
