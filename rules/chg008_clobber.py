"""CHG008 clobber: two planned packages, or a planned package and pip, own the same path.

What it checks:
    The paths of all packages after the change whose lists are known, and of pip's distributions, when at least one of
    the two owners changes.

Why it matters:
    The one linked last wins, and removing either takes the file of both. conda finds that out while it installs; a dry
    run ends before (ContinuumIO/anaconda-issues#13146: llvm-openmp over Intel's libiomp5.so).

How it decides:
    By the file lists: of installed packages from conda-meta, of planned ones from the package itself, of pip's from
    RECORD. Byte code is left out: whoever runs first writes it.

Evidence and limits:
    Only packages whose lists are at hand are compared; with --no-files planned packages are not. What clashed before,
    in the same two owners, is reported as pre-existing.

Example:
    llvm-openmp and intel-openmp both bring lib/libiomp5.so.

What to do:
    Keep one of the two out, or take pip's distribution away before conda brings its own.

References:
    ContinuumIO/anaconda-issues#13146; conda/conda-pypi#3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 10


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each pair of owners that share paths."""
    if ctx.binaries is None or ctx.after is None:
        return
    changed = {f"conda:{change.name}" for change in ctx.changes if change.action != "relink"}
    before = {f"conda:{record.name}": record for record in ctx.environment.records}
    shared: dict[tuple[str, str], list[str]] = {}
    owners: dict[str, str] = {}
    for subject, paths in _owned(ctx):
        for path in paths:
            if path.endswith(".pyc"):
                continue
            other = owners.setdefault(path, subject)
            if other != subject and {other, subject} & changed:
                shared.setdefault((other, subject), []).append(path)
    for (one, other), clash in sorted(shared.items()):
        was_so = all(
            subject.startswith("pip:") or (subject in before and clash[0] in ctx.files(before[subject]).paths)
            for subject in (one, other)
        )
        yield _finding(ctx, one, other, clash, was_so=was_so)


def _owned(ctx: RuleContext) -> Iterator[tuple[str, tuple[str, ...]]]:
    assert ctx.binaries is not None  # noqa: S101 -- asked before
    for record in ctx.after or ():
        paths = ctx.binaries.owned_paths(record.name)
        if paths is not None:
            yield f"conda:{record.name}", paths
    for name, paths in sorted(ctx.binaries.pip_paths().items()):
        yield f"pip:{name}", paths


def _finding(ctx: RuleContext, one: str, other: str, paths: list[str], *, was_so: bool) -> Finding:
    number = f"{len(paths)} path{'' if len(paths) == 1 else 's'}"
    first, second = (subject.replace("conda:", "").replace("pip:", "pip's ") for subject in (one, other))
    return finding(
        ctx,
        "CHG008",
        Severity.WARN,
        other if other.startswith("conda:") else one,
        f"{first} and {second} both own {number}, {paths[0]} for one: the last one linked wins, and removing either "
        "takes the file of both",
        f"keep one of {first} and {second} out of this environment",
        evidence=[Evidence("file", path, f"owned by {first} and by {second}") for path in paths[:_SHOWN]],
        pre_existing=was_so,
    )


RULE = Rule(
    id="CHG008",
    name="clobber",
    title="Two packages, or a package and pip, own the same path",
    severity=Severity.WARN,
    check=check,
)
