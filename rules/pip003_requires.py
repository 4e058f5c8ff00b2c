"""PIP003 requires: what one of pip's distributions requires is not met after the change.

What it checks:
    Requires-Python and Requires-Dist of every distribution that conda does not own and that the planned python still
    sees, against the planned python, conda's packages after the change and pip's other distributions.

Why it matters:
    Conda's solver knows nothing of these requirements: it moves numpy to 2 under a package that says `numpy<2`, or takes
    away what pip's packages import. `pip check` would say so, afterwards.

How it decides:
    Markers are evaluated for the environment after the change; extras are left aside, since nobody records which were
    asked for. Conda's packages stand for the distributions they bring, by the dist-info they have now or by the mapping of
    names. What was met before and is not after the change blocks; what was not met before either is told as such.

Evidence and limits:
    Read from METADATA and records. Unverified, and a warning: a requirement whose provider changes to a version that
    cannot be told. A distribution that the planned python no longer sees is PIP001's, and so is its Requires-Python then.
    That the code fails without what it requires is claimed only where what is required goes altogether, and a source of
    the distribution imports it at once: under no condition, and in no `try` that would catch it (see CHG009).

Example:
    pip's contourpy 1.2.0 requires numpy>=1.20,<2.0, and conda moves numpy from 1.26.4 to 2.0.1.

What to do:
    Let pip upgrade the distribution to a version that allows it, in the same maintenance window, or hold the provider.

References:
    PEP 508 (Requires-Dist), PEP 345 (Requires-Python); pypa/pip, `pip check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Edge, Evidence, Severity
from planner.pip_unmet import unmet
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.imports.changed import Lost
    from planner.model.installed import Environment, PipDist
    from planner.model.plan import EdgeStatus, Finding
    from planner.pip_requirements import Need
    from planner.pip_unmet import Unmet
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each requirement that is not met after the change."""
    for item in unmet(ctx):
        name = item.need.consumer.removeprefix("pip:")
        dist = next((dist for dist in item.planned.pip_dists if dist.name == name), None)
        if dist is not None:
            yield _finding(ctx, dist, item)


def _lost(ctx: RuleContext, item: Unmet) -> tuple[Lost, ...]:
    """The modules of the distribution that import, at once, what is required and goes."""
    found = ctx.imports.lost if ctx.imports is not None else ()
    return tuple(
        lost
        for lost in found
        if (lost.module.owner, lost.provider) == (item.need.consumer, item.provider)
        and lost.certain
        and not lost.broken
    )


def _finding(ctx: RuleContext, dist: PipDist, item: Unmet) -> Finding:
    need, planned = item.need, item.planned
    lost = _lost(ctx, item)
    first = next((one for one in lost if "." not in one.module.name), lost[0] if lost else None)
    imported = f"; {first.importing} {first.chain[0]}" if first is not None else ""
    if first is not None and len(first.chain) > 1:
        imported += ", which leads there"
    certain = need.satisfied is False
    evidence = [Evidence("metadata", f"{dist.metadata_path}/METADATA", _line(dist, need))]
    record = planned.record(need.provider.removeprefix("conda:")) if need.provider.startswith("conda:") else None
    if record is not None:
        evidence.append(Evidence("metadata", record.url or record.dist_name, f"version: {record.version}"))
    evidence += [Evidence("file", one.place, f"imports {one.chain[0]}") for one in lost[:_SHOWN]]
    status: EdgeStatus = "broken" if certain else "unverified"
    was_so = item.was is not None and item.was.satisfied is False
    there = _there(need, planned, would=not was_so)
    goes = "goes with it" if was_so else "goes with it in the same change"
    return finding(
        ctx,
        "PIP003",
        Severity.BLOCK if certain else Severity.WARN,
        need.consumer,
        f"{dist.display_name} {dist.version} (pip) requires {need.requirement}, and {there}{imported}",
        f"install a version of {dist.name} that {goes}, or {'' if was_so else 'hold '}what it requires",
        predicts="import" if lost else None,
        certain=certain,
        evidence=evidence,
        edges=(Edge(need.consumer, need.provider, need.kind, need.requirement, status, tuple(evidence[:1])),),
        pre_existing=was_so,
    )


def _line(dist: PipDist, need: Need) -> str:
    if need.provider == "conda:python" and need.requirement == f"python{dist.requires_python}":
        return f"Requires-Python: {dist.requires_python}"
    return f"Requires-Dist: {need.requirement}"


def _there(need: Need, planned: Environment, *, would: bool) -> str:
    """What would be, or is, there in place of what is required."""
    kind, _, name = need.provider.partition(":")
    if kind == "conda":
        record = planned.record(name)
        there = record.version if record is not None else "another version"
        unsure = "" if need.satisfied is False else ", whose distribution's version is not known"
        return f"{name} {'would be' if would else 'is'} {there}{unsure}"
    dist = next((dist for dist in planned.dists if dist.name == name), None)
    return (
        f"{name} is {dist.version} (pip)"
        if dist is not None
        else f"{name} {'would not be' if would else 'is not'} there"
    )


RULE = Rule(
    id="PIP003",
    name="requires",
    title="What one of pip's distributions requires is not met after the change",
    severity=Severity.BLOCK,
    check=check,
)
