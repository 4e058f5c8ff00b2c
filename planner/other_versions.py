"""What of the new environment has a version to look at before moving over: one that goes back, or another major one.

Only what was asked for, and torch's family even where it came as a dependency: a whole environment moves in hundreds of
versions that nobody chose. What goes back, or leaves, in the old environment itself is the rules' business. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.carry import asked_for
from planner.versions import compare, major

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord
    from planner.move import Move

_TORCH_FAMILY = ("pytorch", "torchvision", "torchaudio")


def other_versions(move: Move) -> tuple[str, ...]:
    """`numpy 1.26.4 -> 2.0.1, another major version`: torch's family first, then what goes back, then the others."""
    pairs = list(_pairs(move))
    back = [(old, new) for old, new in pairs if compare(new.version, old.version) < 0]
    far = [pair for pair in pairs if pair not in back and major(pair[1].version) != major(pair[0].version)]
    told = [(old, new, "goes back") for old, new in back] + [(old, new, "another major version") for old, new in far]
    ordered = sorted(told, key=lambda item: item[0].name not in _TORCH_FAMILY)
    return tuple(f"{old.name} {old.version} -> {new.version}, {how}" for old, new, how in ordered)


def _pairs(move: Move) -> Iterator[tuple[PackageRecord, PackageRecord]]:
    """Each package of both environments that counts here, as it is and as it would be, by name."""
    for name in sorted({*asked_for(move.old), *_TORCH_FAMILY}):
        old, new = move.old.record(name), move.record(name)
        if old is not None and new is not None:
            yield old, new
