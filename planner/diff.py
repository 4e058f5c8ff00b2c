"""The one comparison of before and after, for whatever engine made the after.

Engines answer with records; what was installed, removed, moved or only linked again is decided here alone. Why it
happened is `planner.reasons`'s business, whether it hurts the rules'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import PackageChange
from planner.versions import compare, minor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.installed import PackageRecord
    from planner.model.plan import Action


def diff(
    before: Iterable[PackageRecord],
    after: Iterable[PackageRecord],
    requested: frozenset[str],
    again: frozenset[str] = frozenset(),
) -> tuple[PackageChange, ...]:
    """The changes, sorted by name. Equal builds are no change, unless a noarch python package must be linked again.

    `again` names what is to be linked again in any case (`--force-reinstall`). A record whose very file merely lies in
    another place is no change of channel: same build, and no hash that contradicts.
    """
    old = {record.name: record for record in before}
    new = {record.name: record for record in after}
    relinks = _python_minor(old) != _python_minor(new)
    changes = []
    for name in sorted(old.keys() | new.keys()):
        action = _action(old.get(name), new.get(name), relinks=relinks, again=name in again)
        if action is not None:
            changes.append(PackageChange(name, action, old.get(name), new.get(name), requested=name in requested))
    return tuple(changes)


def same_file(left: PackageRecord, right: PackageRecord) -> bool:
    """Whether two records are one build, and no hash that both have for one file name contradicts it."""
    if not left.same_build(right):
        return False
    hashes = ((left.sha256, right.sha256), (left.md5, right.md5))
    return left.fn != right.fn or all(not a or not b or a == b for a, b in hashes)


def _action(old: PackageRecord | None, new: PackageRecord | None, *, relinks: bool, again: bool) -> Action | None:
    if old is None:
        return "install"
    if new is None:
        return "remove"
    if same_file(old, new):
        return "relink" if again or (relinks and new.noarch == "python") else None
    if old.same_build(new):
        return "channel"
    order = compare(new.version, old.version)
    return "upgrade" if order > 0 else "downgrade" if order < 0 else "rebuild"


def _python_minor(records: dict[str, PackageRecord]) -> str | None:
    return minor(records["python"].version) if "python" in records else None
