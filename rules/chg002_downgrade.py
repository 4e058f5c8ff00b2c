"""CHG002 downgrade: a package goes back to an older version.

What it checks:
    Every package whose version after the change is older than the one installed, in conda's order of versions.

Why it matters:
    Code and data made for the newer version may not work with the older: to make room for one request a solver may
    take another package back years (pandas 2.0.3 to 1.5.3, pytorch 2.5.1 to 2.1.0).

How it decides:
    A step back is a warning. It blocks when the package had been asked for and goes back by a major version, the
    first component. Years do not count as major versions (certifi 2024.8 to 2023.7 is a warning). Where this very
    request asks for a version that excludes the installed one, the step back is what was wanted, and a warning.

Evidence and limits:
    Both versions are read from records. Whether the environment's own code minds is not known, so nothing is
    predicted to fail.

Example:
    python=3.11 on Windows with the main channel of June 2023: pandas 2.0.3, asked for earlier, goes back to 1.5.3.

What to do:
    Ask for the package with the version you need in the same change, or make a new environment.

References:
    CEP 33 (version order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.pyabi import meta_path
from planner.rule import Rule, finding
from planner.versions import major, matches, spec_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_FIRST_YEAR = 1990


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package that goes back."""
    for change in ctx.changes:
        if change.action == "downgrade" and change.before is not None and change.after is not None:
            yield _finding(ctx, change.before, change.after)


def _finding(ctx: RuleContext, before: PackageRecord, after: PackageRecord) -> Finding:
    wanted = _wanted(ctx, before)
    asked = before.name in ctx.requested_names
    by_major = _major_moves(before.version, after.version)
    facts = [f"{before.name} goes back from {before.version} to {after.version}"]
    if by_major:
        facts.append("a major version")
    if wanted is not None:
        facts.append(f"as this request asks ({wanted})")
    elif asked:
        facts.append("though it had been asked for")
    return finding(
        ctx,
        "CHG002",
        Severity.BLOCK if asked and by_major and wanted is None else Severity.WARN,
        f"conda:{before.name}",
        ", ".join(facts),
        "leave this environment as it is and make a new one"
        if ctx.request.operation == "remove"  # which takes no spec to hold a version by
        else f"ask for {before.name} >={before.version} in the same change, to keep it or to learn what stands against it; "
        "or make a new environment",
        evidence=_evidence(ctx, before, after),
    )


def _wanted(ctx: RuleContext, before: PackageRecord) -> str | None:
    """The spec of this request that the installed version does not meet."""
    return next(
        (spec for spec in ctx.request.specs if spec_name(spec) == before.name and matches(spec, before) is False), None
    )


def _major_moves(before: str, after: str) -> bool:
    old, new = major(before), major(after)
    return old != new and not (_is_year(old) and _is_year(new))


def _is_year(component: str) -> bool:
    digits = component.rpartition("!")[2]
    return digits.isascii() and digits.isdigit() and int(digits) >= _FIRST_YEAR


def _evidence(ctx: RuleContext, before: PackageRecord, after: PackageRecord) -> Iterator[Evidence]:
    yield Evidence("metadata", meta_path(before), f"version: {before.version}")
    yield Evidence("metadata", after.url or after.dist_name, f"version: {after.version}")
    spec = dict(ctx.environment.history.specs).get(before.name)
    if spec is not None:
        yield Evidence("metadata", "conda-meta/history", f"asked for: {spec}")


RULE = Rule(
    id="CHG002",
    name="downgrade",
    title="A package goes back to an older version",
    severity=Severity.WARN,
    check=check,
)
