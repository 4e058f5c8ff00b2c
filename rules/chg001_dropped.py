"""CHG001 dropped: a package leaves that nobody asked to remove.

What it checks:
    Every installed package that is not there after the change, but for those that a `--remove` names.

Why it matters:
    A solver may drop what stands in the way of a request. micromamba drops conda or pytorch without a word when
    they have no build for the new python; conda drops what its history does not name.

How it decides:
    It blocks when the package was asked for (by this request or, as conda-meta/history records it, earlier), or when
    it holds compiled code, on which things that conda does not know of may rest. Anything else that leaves is a warning.
    Compiled code is told by file names (`.so`, `.pyd`, `.dll`, `.dylib`), and where these say nothing by what the
    package requires (libgcc, libstdcxx, vc and the like).

Evidence and limits:
    That it leaves is read from the solution. Unverified: a package of which neither files nor requirements tell
    whether it holds compiled code. That something outside conda uses the package is not claimed.

Example:
    `micromamba install python=3.10` in a base of 2021: conda 4.10.3 leaves, for it has no build for python 3.10.

What to do:
    Ask for the package by name in the same change: either a way to keep it is found, or the conflict is explained. In a
    removal to name it is to remove it: what needs what goes stays only where that stays, and what is cleaned up can be
    installed again afterwards.

References:
    conda/conda-libmamba-solver (on failure the last attempt lets every package outside the history go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.pyabi import is_compiled, meta_path, split_spec
from planner.rule import Rule, finding
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import Environment, PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package that leaves unasked."""
    removed = frozenset(spec_name(spec) for spec in ctx.request.specs) if ctx.request.operation == "remove" else None
    for change in ctx.changes:
        if change.action == "remove" and change.before is not None and change.name not in (removed or ()):
            yield _finding(ctx, change.before, removed)


def _finding(ctx: RuleContext, record: PackageRecord, removed: frozenset[str] | None) -> Finding:
    asked = record.name in ctx.requested_names
    cause = _needed(ctx.environment, record, removed) if removed is not None else None
    compiled = is_compiled(record, ctx.files(record))
    severity = Severity.BLOCK if asked or compiled is not False else Severity.WARN
    return finding(
        ctx,
        "CHG001",
        severity,
        f"conda:{record.name}",
        f"{record.label} leaves, {_why(cause, removed)}{_weight(asked=asked, compiled=compiled)}",
        f"{_remedy(ctx, record, cause, removed)}; or leave this environment as it is and make a new one",
        predicts="gone",
        certain=asked or compiled is not None,
        evidence=_evidence(ctx, record, asked=asked),
    )


def _remedy(ctx: RuleContext, record: PackageRecord, cause: str | None, removed: frozenset[str] | None) -> str:
    """How to have the package all the same. Naming it in a removal would remove it."""
    if removed is None:
        return f"ask for {record.name} in the same change, to keep it or to learn what stands against it"
    if cause is not None:
        return f"leave {cause} in place as long as {record.name} is needed"
    return (
        f"if something still uses {record.name}, install it again afterwards: {ctx.request.tool} install {record.name}"
    )


def _why(cause: str | None, removed: frozenset[str] | None) -> str:
    if removed is None:
        return "though nobody asked to remove it"
    if cause is not None:
        return f"since it needs {cause}, whose removal was asked for"
    return f"along with what was asked to be removed ({', '.join(sorted(removed))}), though it was not named"


def _needed(environment: Environment, record: PackageRecord, removed: frozenset[str]) -> str | None:
    """The removed package that a record needs, directly or through others."""
    records = {other.name: other for other in environment.records}
    seen, queue = {record.name}, [record]
    while queue:
        for spec in queue.pop(0).depends:
            name = split_spec(spec)[0]
            if name in removed:
                return name
            if name in records and name not in seen:
                seen.add(name)
                queue.append(records[name])
    return None


def _weight(*, asked: bool, compiled: bool | None) -> str:
    if asked:
        return "; it had been asked for"
    if compiled:
        return "; it holds compiled code, which other programs may be linked to"
    return "; whether it holds compiled code is not known" if compiled is None else ""


def _evidence(ctx: RuleContext, record: PackageRecord, *, asked: bool) -> Iterator[Evidence]:
    yield Evidence("metadata", meta_path(record), "installed now, not among the packages after the change")
    spec = dict(ctx.environment.history.specs).get(record.name)
    if asked and spec is not None:
        yield Evidence("metadata", "conda-meta/history", f"asked for: {spec}")


RULE = Rule(
    id="CHG001",
    name="dropped",
    title="A package leaves that nobody asked to remove",
    severity=Severity.WARN,
    check=check,
)
