"""ABI004 symbol-missing: the library is there, but not with the symbol or symbol version that an object needs.

What it checks:
    Every program, extension module and shared object of the environment after the change: whether the libraries that
    the loader finds for it define the symbol versions it asks of them (GLIBCXX_, CXXABI_, OPENSSL_ and the like), and
    whether every plain symbol it needs is given by something in the same process.

Why it matters:
    A library may keep its name and lose a function, or be an older one of the same name: with the name found the loader
    goes on, and stops at the first symbol (pytorch/pytorch#123097: an MKL that metadata allowed,
    `undefined symbol: iJIT_NotifyEvent`; Open3D#5531: `GLIBCXX_3.4.30 not found`).

How it decides:
    As the loader: a version must be defined by the library of that name, unless that knows of no versions at all; a
    symbol may come from any object of the process. Python opens modules with all symbols bound at once, so a missing one
    stops the import; a program may get as far as the first call. What was missing before is reported as pre-existing,
    and weak symbols may be missing.

Evidence and limits:
    Certain where the planned library's bytes were read. Unverified: where only its file list is at hand, and no
    requirement with an upper bound, and no ABI series, holds the need. Versions of glibc itself are ABI009's. A function
    that is there and behaves otherwise cannot be seen.

Example:
    labplug's module needs mv_legacy, which libmoves.so.3 of labmoves 3.2 no longer defines.

What to do:
    Let the package move in the same change, keep the library as it is, or make a new environment.

References:
    pytorch/pytorch#123097, #90673; isl-org/Open3D#5531; conda/conda#11111; pyca/cryptography#6712.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.abi.fates import by_metadata, edge_of
from planner.abi.told import becomes, edges_of, grouped, needs, owner, remedy, strongest
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.abi.comparison import Break, Gap
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each owner of objects and each library that lacks what they need."""
    if ctx.binaries is None:
        return
    lacking = [
        found for found in ctx.binaries.breaks if found.kind != "library" and not found.wanted.startswith("GLIBC_")
    ]
    for (subject, _, library), breaks in grouped(
        lacking, lambda found: (found.subject, found.kind, found.library)
    ).items():
        yield _finding(ctx, subject, library, breaks)
    for (consumer, provider), gaps in _unread(ctx).items():
        yield _unverified(ctx, consumer, provider, gaps)


def _finding(ctx: RuleContext, subject: str, library: str | None, breaks: Sequence[Break]) -> Finding:
    new = all(found.new for found in breaks)
    certain = any(found.certain for found in breaks) and not new
    provider = next((found.provider for found in breaks if found.provider is not None), None)
    gone = f", given by {becomes(ctx, provider)}" if provider is not None else ""
    wanted = sorted({found.wanted for found in breaks})
    names = ", ".join(wanted[:_SHOWN]) + (f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else "")
    of = f" of {library}" if library else ""
    error = min(breaks, key=lambda found: (found.path, found.wanted)).error
    lacks = "nothing gives it" if certain or new else "whether anything gives it is not known"
    return finding(
        ctx,
        "ABI004",
        Severity.WARN if new else Severity.BLOCK,
        subject,
        f'{needs(subject, breaks)} {names}{of}{gone}, and {lacks} after the change: "{error}"',
        remedy(ctx, subject, provider),
        predicts=strongest(breaks) if certain else None,
        certain=certain,
        evidence=[Evidence("file", found.path, found.error) for found in breaks],
        edges=edges_of(ctx, breaks),
        pre_existing=all(found.pre_existing for found in breaks),
    )


def _unread(ctx: RuleContext) -> dict[tuple[str, str], list[Gap]]:
    """The needs whose provider comes with the same file names and unknown symbols, unless what is written holds them."""
    found: dict[tuple[str, str], list[Gap]] = {}
    for gap in ctx.binaries.gaps if ctx.binaries is not None else ():
        if gap.missing == "contents" and by_metadata(ctx, gap.consumer, gap.provider).fate == "unknown":
            found.setdefault((gap.consumer, gap.provider), []).append(gap)
    return found


def _unverified(ctx: RuleContext, consumer: str, provider: str, gaps: Sequence[Gap]) -> Finding:
    wanted = {(gap.consumer, gap.library) for gap in gaps}
    links = ctx.binaries.links if ctx.binaries is not None else ()
    return finding(
        ctx,
        "ABI004",
        Severity.BLOCK,
        consumer,
        f"{owner(consumer)} needs {', '.join(sorted({gap.library for gap in gaps}))}, given by "
        f"{becomes(ctx, provider)}: "
        "the file will be there, but not whether it defines all that is needed; without --no-files, or with --deep, the "
        "package is looked into",
        f"run again without --no-files, or with --deep; or {remedy(ctx, consumer, provider)}",
        certain=False,
        evidence=[Evidence("file", gap.path, f"needs {gap.library}") for gap in gaps],
        edges=[edge_of(ctx, link) for link in links if (link.consumer, link.library) in wanted],
    )


RULE = Rule(
    id="ABI004",
    name="symbol-missing",
    title="A library lacks a symbol or symbol version that an object needs",
    severity=Severity.BLOCK,
    check=check,
)
