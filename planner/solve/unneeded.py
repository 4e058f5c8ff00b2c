"""What a removal or an update takes with it: above what needs what goes, below what was there only for it.

libsolv does this by itself; for an engine that does not, it is read off the records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.versions import dependency_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from planner.model.installed import PackageRecord


def unneeded(
    before: Iterable[PackageRecord],
    after: Iterable[PackageRecord],
    kept: Collection[str],
    updated: Collection[str] = (),
) -> frozenset[str]:
    """Names of `after` that only what is gone, or the old builds of what is `updated`, needed, directly or through others.

    `kept` and what is `updated` are never among them.
    """
    left = {record.name: record for record in after}
    waiting = [record for record in before if record.name not in left or record.name in updated]
    found: set[str] = set()
    while waiting:
        for name in _needs(waiting.pop()) & left.keys() - {*kept, *updated}:
            if not any(name in _needs(other) for other in left.values() if other.name != name):
                found.add(name)
                waiting.append(left.pop(name))
    return frozenset(found)


def needing(installed: Iterable[PackageRecord], gone: Collection[str]) -> frozenset[str]:
    """The names of what needs one of `gone`, directly or through others; those of `gone` are not among them."""
    users: dict[str, list[str]] = {}
    for record in installed:
        for name in _needs(record):
            users.setdefault(name, []).append(record.name)
    waiting, found = list(gone), set(gone)
    while waiting:
        new = set(users.get(waiting.pop(), ())) - found
        found |= new
        waiting.extend(new)
    return frozenset(found - set(gone))


def _needs(record: PackageRecord) -> set[str]:
    return {dependency_name(spec) for spec in record.depends}
