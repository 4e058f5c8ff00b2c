"""CHG007 end-of-line: the channel of a package that was asked for has no build for what is planned, and will get none.

What it checks:
    Every package that was asked for, now or earlier, and comes from a channel that has published its last version of it:
    whether that channel has a build for the planned python, and one that the request's own spec allows.

Why it matters:
    The pytorch channel ended with 2.5.1. For a newer python, or a newer torch, it has nothing and never will: the package
    leaves, goes back, or comes from another channel with other builds. Waiting does not help.

How it decides:
    That a channel has ended, and with which version, is a fact with a source. Whether it has a fitting build is read from
    the channel itself. It warns.

Evidence and limits:
    The channel's records are read by name. Where the channel is not among those that were asked, the pythons that its last
    version was made for decide, and it is unverified.

Example:
    base moves to python 3.13; pytorch 2.5.1 of the pytorch channel was built for python 3.9 to 3.12.

What to do:
    Move the package to a channel that lives on, with its partners: pytorch, torchvision and torchaudio of conda-forge, or
    all of them by pip, in a new environment.

References:
    pytorch/pytorch#138506; pytorch/builder@28efbd84.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.origin import channel_name
from planner.pyabi import build_python, declared_python
from planner.rule import Rule, finding
from planner.versions import compare, matches, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.facts import ChannelEnd
    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package whose channel has ended before what is planned."""
    if ctx.request.operation == "remove":
        return
    for record in ctx.environment.records:
        channel = channel_name(record.channel or record.url)
        for end in ctx.facts.ended:
            if (end.package, end.channel) == (record.name, channel) and record.name in ctx.requested_names:
                yield from _judged(ctx, record, end)


def _judged(ctx: RuleContext, record: PackageRecord, end: ChannelEnd) -> Iterator[Finding]:
    builds = [item for item in ctx.candidates(record.name) if channel_name(item.channel or item.url) == end.channel]
    asked = next((spec for spec in ctx.request.specs if spec_name(spec) == record.name and spec_version(spec)), None)
    planned = ctx.python_minor_after
    if ctx.python_minor_moves and planned is not None:
        fitting = any(_python(item) in {None, planned} for item in builds) if builds else _made_for(end, planned)
        if not fitting:
            yield _finding(ctx, record, end, f"no build of {record.name} for python {planned}", known=bool(builds))
            return
    if asked is not None and _is_newer(asked, end.last) and not any(matches(asked, item) for item in builds):
        yield _finding(ctx, record, end, f"no build of {asked}", known=True)


def _python(record: PackageRecord) -> str | None:
    """The one python a build is made for; None for any."""
    declared = declared_python(record)
    return declared[0] if declared else build_python(record)


def _made_for(end: ChannelEnd, planned: str) -> bool:
    """Whether the channel's last version was made for a python, by the table alone; one without pythons is for any."""
    return not end.pythons or planned in end.pythons


def _is_newer(spec: str, last: str) -> bool:
    """Whether a spec names a version above the last, `pytorch=2.6` say; a range is left to the solver."""
    version = (spec_version(spec) or "").lstrip("=").rstrip(".*")
    return bool(version) and version[0].isdigit() and compare(version, last) > 0


def _finding(ctx: RuleContext, record: PackageRecord, end: ChannelEnd, lacks: str, *, known: bool) -> Finding:
    there = f"has {lacks}" if known else f"may have {lacks} (its builds are not among those that were read)"
    return finding(
        ctx,
        "CHG007",
        Severity.WARN,
        f"conda:{record.name}",
        f"{record.label} comes from the channel {end.channel}, which {there} and gets no new ones: {end.last} was its last",
        f"move {record.name} and what belongs to it to a channel that lives on (conda-forge), or to pip, "
        "in a new environment",
        certain=known,
        evidence=(
            Evidence("metadata", f"conda-meta/{record.dist_name}.json", f"channel: {end.channel}"),
            Evidence("catalogue", ctx.facts.cited(end), f"{end.channel}: {end.last} is the last {end.package}"),
        ),
    )


RULE = Rule(
    id="CHG007",
    name="end-of-line",
    title="The channel of a package that was asked for has no fitting build, and will get none",
    severity=Severity.WARN,
    check=check,
)
