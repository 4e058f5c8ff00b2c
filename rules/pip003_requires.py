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
    That the code fails without what it requires is not claimed.

Example:
    pip's contourpy 1.2.0 requires numpy>=1.20,<2.0, and conda moves numpy from 1.26.4 to 2.0.1.

What to do:
    Let pip upgrade the distribution to a version that allows it, in the same maintenance window, or hold the provider.

References:
    PEP 508 (Requires-Dist), PEP 345 (Requires-Python); pypa/pip, `pip check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model import Edge, Evidence, Severity
from planner.pip_after import environment_after, one_owner_each
from planner.pip_requirements import needs
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from planner.model import EdgeStatus, Environment, Finding, PackageRecord, PipDist
    from planner.pip_requirements import Need
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each requirement that is not met after the change."""
    if ctx.after is None or ctx.planned_python is None or not ctx.environment.pip_dists:
        return
    written = {change.name for change in ctx.changes if change.after is not None}
    before, _ = _needs(ctx.environment, ctx.environment.records, ctx.environment.python, ())
    after, planned = _needs(ctx.environment, ctx.after, ctx.planned_python, written)
    dists = {f"pip:{dist.name}": dist for dist in planned.pip_dists}
    for key, need in after.items():
        was = before.get(key)
        if need.satisfied is False or (need.satisfied is None and was is not None and was.satisfied):
            was_so = was is not None and was.satisfied is False
            yield _finding(ctx, dists[need.consumer], need, planned, was_so=was_so)


def _needs(
    environment: Environment, records: Sequence[PackageRecord], python: str | None, written: Collection[str]
) -> tuple[dict[tuple[str, str], Need], Environment]:
    """The needs of pip's distributions beside these records, by who has them and their text; the environment itself."""
    seen = one_owner_each(environment_after(environment, records, python), written)
    found = (need for need in needs(seen) if need.kind == "pip_requires" and need.consumer.startswith("pip:"))
    # Of several copies of pip's under one name the worst counts: which one python sees first is not known.
    ordered = sorted(found, key=lambda need: (need.satisfied is False, need.satisfied is None))
    return {(need.consumer, need.requirement): need for need in ordered}, seen


def _finding(ctx: RuleContext, dist: PipDist, need: Need, planned: Environment, *, was_so: bool) -> Finding:
    certain = need.satisfied is False
    evidence = [Evidence("metadata", f"{dist.metadata_path}/METADATA", _line(dist, need))]
    record = planned.record(need.provider.removeprefix("conda:")) if need.provider.startswith("conda:") else None
    if record is not None:
        evidence.append(Evidence("metadata", record.url or record.dist_name, f"version: {record.version}"))
    status: EdgeStatus = "broken" if certain else "unverified"
    return finding(
        ctx,
        "PIP003",
        Severity.BLOCK if certain else Severity.WARN,
        need.consumer,
        f"{dist.display_name} {dist.version} (pip) requires {need.requirement}, and {_there(need, planned)}",
        f"install a version of {dist.name} that goes with it in the same change, or hold what it requires",
        certain=certain,
        evidence=evidence,
        edges=(Edge(need.consumer, need.provider, need.kind, need.requirement, status, tuple(evidence[:1])),),
        pre_existing=was_so,
    )


def _line(dist: PipDist, need: Need) -> str:
    if need.provider == "conda:python" and need.requirement == f"python{dist.requires_python}":
        return f"Requires-Python: {dist.requires_python}"
    return f"Requires-Dist: {need.requirement}"


def _there(need: Need, planned: Environment) -> str:
    """What would be there in place of what is required."""
    kind, _, name = need.provider.partition(":")
    if kind == "conda":
        record = planned.record(name)
        there = record.version if record is not None else "another version"
        unsure = "" if need.satisfied is False else ", whose distribution's version is not known"
        return f"{name} would be {there}{unsure}"
    dist = next((dist for dist in planned.dists if dist.name == name), None)
    return f"{name} is {dist.version} (pip)" if dist is not None else f"{name} would not be there"


RULE = Rule(
    id="PIP003",
    name="requires",
    title="What one of pip's distributions requires is not met after the change",
    severity=Severity.BLOCK,
    check=check,
)
