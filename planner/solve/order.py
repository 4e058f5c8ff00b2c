"""Installed records in the order in which libmamba wants them: what is needed before what needs it.

libsolv breaks ties by the order in which it met the packages: in another order some answers differ, and some take
minutes. rattler's own sort wants versions that parse, which an old prefix need not have; this one reads names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.versions import dependency_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.installed import PackageRecord


def dependency_first(records: Iterable[PackageRecord]) -> tuple[PackageRecord, ...]:
    """The records, each after those it depends on, by name where that leaves a choice.

    The same for any order of the input. Where packages need each other, as python and pip do, the one that comes
    first by name is met first, and its partner stands before it.
    """
    by_name = {record.name: record for record in sorted(records, key=lambda record: record.name)}
    placed: dict[str, PackageRecord] = {}
    visited: set[str] = set()
    for root in by_name:
        # Depth first without recursion: real chains are short, but nothing in a file promises that.
        stack = [(root, False)]
        while stack:
            name, done = stack.pop()
            if done:
                placed[name] = by_name[name]
            elif name not in visited:
                visited.add(name)
                stack.append((name, True))
                needs = sorted({dependency_name(spec) for spec in by_name[name].depends})
                stack.extend((need, False) for need in reversed(needs) if need in by_name and need not in visited)
    return tuple(placed.values())
