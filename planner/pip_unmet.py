"""Which requirements of pip's distributions are not met after a change, or may not be, and how they stood before.

Markers hold for the environment after the change. Conda's packages stand for the distributions they bring. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.pip_after import environment_after, one_owner_each
from planner.pip_requirements import needs
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from planner.model.installed import Environment, PackageRecord, PipDist
    from planner.pip_requirements import Need
    from planner.rule import RuleContext


class Unmet(Struct, frozen=True):
    """A need that is not met after the change; `was` is the same one before, `planned` the environment after it."""

    need: Need
    was: Need | None
    planned: Environment

    @property
    def provider(self) -> str:
        """Who meets it now, else who would have to."""
        return self.was.provider if self.was is not None else self.need.provider


def unmet(ctx: RuleContext) -> Iterator[Unmet]:
    """Each need of a distribution that the planned python sees and that is not met, or is no longer known to be."""
    if ctx.after is None or ctx.planned_python is None or not ctx.environment.pip_dists:
        return
    written = {change.name for change in ctx.changes if change.after is not None}
    before, _ = _needs(ctx.environment, ctx.environment.records, ctx.environment.python, ())
    after, planned = _needs(ctx.environment, ctx.after, ctx.planned_python, written)
    for key, need in after.items():
        was = before.get(key)
        if need.satisfied is False or (need.satisfied is None and was is not None and was.satisfied):
            yield Unmet(need, was, planned)


def unmet_beside(
    environment: Environment, records: Sequence[PackageRecord], python: str | None, carried: Iterable[PipDist]
) -> tuple[Need, ...]:
    """The needs that are not met where pip installs those `carried` again beside these records, for their python."""
    if python is None:
        return ()
    owned = (dist for dist in environment.dists if dist.owner is not None)
    # On Windows a folder is of no python, and is seen by any.
    again = (replace(dist, python=dist.python and minor(python)) for dist in carried)
    found, _ = _needs(replace(environment, dists=(*owned, *again)), records, python, ())
    return tuple(need for need in found.values() if need.satisfied is False)


def _needs(
    environment: Environment, records: Sequence[PackageRecord], python: str | None, written: Collection[str]
) -> tuple[dict[tuple[str, str], Need], Environment]:
    """The needs of pip's distributions beside these records, by who has them and their text; the environment itself."""
    seen = one_owner_each(environment_after(environment, records, python), written)
    found = (need for need in needs(seen) if need.kind == "pip_requires" and need.consumer.startswith("pip:"))
    # Of several copies of pip's under one name the worst counts: which one python sees first is not known.
    ordered = sorted(found, key=lambda need: (need.satisfied is False, need.satisfied is None))
    return {(need.consumer, need.requirement): need for need in ordered}, seen
