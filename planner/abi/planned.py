"""The tree of an environment after a change: what stays, and what the planned packages bring.

Packages of python's noarch kind are laid out for the planned python, as installers do it. Where the files of a planned
package are not known, what is written of both versions decides whether those it has now come again, unread, or go; where
that says nothing, the tree says so.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner.abi.tree import Entry, Tree, takes_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from planner.abi.archives import Contents
    from planner.model.installed import PackageRecord, RecordFiles
    from planner.model.plan import PackageChange

_INSTALLED_SITE = re.compile(r"^lib/python\d+\.\d+t?/site-packages/")
_SITE, _SCRIPTS = "site-packages/", "python-scripts/"


def planned_tree(
    before: Tree,
    changes: Sequence[PackageChange],
    files: Callable[[PackageRecord], RecordFiles],
    contents: Mapping[str, Contents],
    site_packages: str | None,
    comes_again: Callable[[PackageChange], bool | None],
) -> Tree:
    """The tree after `changes`. `contents` are those of planned packages by name, as far as they are known.

    `site_packages` is the planned python's, relative to the prefix, None without python. `comes_again` says of a package
    whose files are not known whether the file names of its libraries stay, None where nobody knows.
    """
    entries = dict(before.entries)
    incomplete: set[str] = set()
    doubtful: set[str] = set()
    taken = _taken_away(entries, changes, files)
    for change in changes:
        if change.after is None:
            continue
        owner, had = f"conda:{change.name}", taken.get(change.name, ())
        found = contents.get(change.name)
        if found is not None:
            entries.update((entry.path, entry) for entry in _laid_out(found, change.after, owner, site_packages))
        elif change.action == "relink":
            entries.update((entry.path, entry) for entry in _relinked(had, site_packages))
        elif may_hold_binaries(change.after):
            again = comes_again(change)
            if again:
                # The same names, with bytes that nobody has seen.
                entries.update((entry.path, replace(entry, source=None, placeholder="")) for entry in had)
            elif again is None:
                incomplete.add(owner)
                doubtful.update(entry.path for entry in had)
    return Tree(before.prefix, entries, frozenset(incomplete), frozenset(doubtful))


def _taken_away(
    entries: dict[str, Entry], changes: Sequence[PackageChange], files: Callable[[PackageRecord], RecordFiles]
) -> dict[str, list[Entry]]:
    """Take what the changing packages own out of the entries: by name of the package, what was theirs."""
    taken: dict[str, list[Entry]] = {}
    for change in changes:
        for path in files(change.before).paths if change.before is not None else ():
            there = entries.get(path)
            if there is not None and there.owner == f"conda:{change.name}":
                taken.setdefault(change.name, []).append(entries.pop(path))
    return taken


def may_hold_binaries(record: PackageRecord) -> bool:
    """Whether a package may bring compiled files: noarch ones may not, but for abi3 ones (CEP 20)."""
    if record.noarch == "python":
        return record.subdir not in {"", "noarch"}
    return record.noarch is None and record.subdir != "noarch"


def installed_paths(found: Contents, record: PackageRecord, site_packages: str | None) -> tuple[str, ...]:
    """Where the files of a package will lie, relative to the prefix, sorted."""
    paths = (_target(item.path, record, site_packages) for item in found.files)
    return tuple(sorted(path for path in paths if path is not None))


def planned_sources(found: Contents, record: PackageRecord, site_packages: str | None) -> dict[str, str]:
    """The python sources of a package that can be read now, by where they will lie."""
    paths = ((_target(item.path, record, site_packages), item) for item in found.files if item.path.endswith(".py"))
    return {path: item.source for path, item in paths if path is not None and item.source is not None}


def _relinked(entries: Sequence[Entry], site_packages: str | None) -> Iterator[Entry]:
    """What a package that is linked again had, where the planned python looks for it."""
    for entry in entries:
        site = _INSTALLED_SITE.match(entry.path)
        if site is None:
            yield entry
        elif site_packages:
            yield replace(entry, path=f"{site_packages}/{entry.path[site.end() :]}")


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
