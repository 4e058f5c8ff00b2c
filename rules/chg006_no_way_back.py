"""CHG006 no-way-back: packages that the change takes away could not be put back.

What it checks:
    Every installed package that leaves or is replaced: whether its very build lies in conda's package cache, or is still
    in one of the channels.

Why it matters:
    `conda install --revision` needs every old build. One that its channel no longer has ("is not in repodata") stops the
    way back as a whole, and `conda clean` has emptied many a cache. What pip installed is not in conda's history at all.

How it decides:
    By the cache's folders and the records of the channels that were asked, by name, version, build and hash. One warning
    for the environment, with each package as evidence.

Evidence and limits:
    Whether a file in the cache is whole is not checked, nor whether the channel still serves the file. Unverified, and
    a note: where only packages are concerned whose channel is not among those that were asked. pip's distributions are not counted: the
    snapshot of the migration keeps them.

Example:
    certifi 2018.10.15 leaves, is in no cache, and conda-forge no longer has it.

What to do:
    Make a new environment instead and keep this one, or keep its packages first (`conda-pack`, a copy of the cache).

References:
    conda/conda#10056, conda/conda#8081, conda/conda#5435, conda/conda#4909.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.diff import same_file
from planner.model.plan import Evidence, Severity
from planner.origin import same_channel
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding, about the way back of the whole change."""
    taken = [change.before for change in ctx.changes if change.before is not None and change.action != "relink"]
    lost = [record for record in taken if not _can_return(ctx, record)]
    known = [record for record in lost if _asked(ctx, record)]
    if not lost:
        return
    shown = known or lost
    names = ", ".join(record.label for record in shown[:_SHOWN])
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    where = "in a channel that was asked" if known else "in a channel that was asked, and their own was not"
    yield finding(
        ctx,
        "CHG006",
        Severity.WARN if known else Severity.NOTE,
        f"env:{ctx.environment.name}",
        f"{_counted(len(shown), len(taken))} could not be put back: neither in the package cache nor {where} "
        f"({names}{more})",
        "make a new environment and keep this one, or keep its packages before the change",
        certain=bool(known),
        evidence=[
            Evidence("metadata", f"conda-meta/{record.dist_name}.json", f"file name: {record.fn or record.dist_name}")
            for record in shown
        ],
    )


def _counted(lost: int, taken: int) -> str:
    if taken == 1:
        return "the package that the change takes away"
    return f"{lost} of the {taken} packages that the change takes away"


def _can_return(ctx: RuleContext, record: PackageRecord) -> bool:
    return ctx.at_hand(record) or any(same_file(record, item) for item in ctx.candidates(record.name))


def _asked(ctx: RuleContext, record: PackageRecord) -> bool:
    """Whether the record's own channel is among those that were asked, so that its absence there means something."""
    own = record.channel or record.url
    return any(same_channel(own, channel) for channel in ctx.request.channels)


RULE = Rule(
    id="CHG006",
    name="no-way-back",
    title="Packages that the change takes away could not be put back",
    severity=Severity.WARN,
    check=check,
)
