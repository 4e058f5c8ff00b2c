"""ABI005 series-moved: a library leaves the ABI series that a package was built for, and the package is not rebuilt.

What it checks:
    Where binaries cannot be read (other platforms, records without files, objects that cannot be opened): each compiled
    package that stays, and each library package it requires that changes. Where planned packages are not looked into
    (`--no-files`, or only a server has them): each that comes in another build, and the libraries it requires.

Why it matters:
    What a library promises to those built against it differs: openssl keeps its ABI for a major, libarrow for a minor,
    libprotobuf for a patch. A requirement without an upper bound lets the solver cross that line.

How it decides:
    A requirement with an upper bound that is still met is the packager's word, and holds. Else the table of series
    (`rules/data/abi_series.toml`, from conda-forge's own pins, each with source and date) decides: within a series newer
    serves older. Outside it, the finding is certain where the library's file name or its symbols' versions change with
    the series; where the pin may be caution, where the table has no such library, or where the library goes, unverified.
    pip's distributions with compiled code state nothing of libraries; those built on the machine itself (a wheel tagged
    `linux_x86_64`, no manylinux) may use any, and so may shared objects that nobody brought: both are unverified when a
    library changes. A build that comes anew is taken to be made for what its bounded requirements allow; where it names
    no bound, that is an unverified warning.

Evidence and limits:
    Metadata and the catalogue only: what links against what was not read. A file that is no object needs nothing. Where it was, ABI003 and ABI004 speak instead.

Example:
    pyarrow stays while libarrow goes from 14 to 15, whose file is libarrow.so.1500.

What to do:
    Ask again where the files can be read, or have planned packages looked into (without --no-files, with --deep); or let
    the package move in the same change.

References:
    conda/conda#11111; conda-forge's pinning and run_exports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.abi.fates import is_library, moves, unread_needs
from planner.abi.planned import may_hold_binaries
from planner.abi.series import held_by_requirement, move
from planner.abi.told import becomes
from planner.model.plan import Edge, Evidence, Severity
from planner.pyabi import is_compiled, split_spec
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord, PipDist
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3  # enough to see what it is about
_BUILT_HERE = re.compile(r"-linux_[a-z0-9_]+$")


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each need of a package that stays and that nothing written holds."""
    if ctx.after is None:
        return
    for record, held, edge in unread_needs(ctx):
        if held.fate != "holds":
            yield _finding(ctx, record, edge, certain=held.fate == "breaks")
    changed = _changed_libraries(ctx)
    if changed:
        unowned = ctx.binaries.unowned if ctx.binaries is not None else ()
        yield from (
            _nobodys(ctx, path, changed) for path in unowned if ctx.binaries is None or ctx.binaries.unread(path)
        )
        yield from (_built_here(ctx, dist, changed) for dist in ctx.environment.pip_dists if _may_link(ctx, dist))
    for record, edge in _unlooked(ctx):
        yield _rebuilt(ctx, record, edge)


def _finding(ctx: RuleContext, record: PackageRecord, edge: Edge, *, certain: bool) -> Finding:
    why = (
        "it was built for the series that this leaves, and does not load with another"
        if certain
        else f"whether it still loads is not known from metadata{_unreadable(ctx)}"
    )
    return finding(
        ctx,
        "ABI005",
        Severity.BLOCK,
        edge.consumer,
        f"{record.label} stays and requires {becomes(ctx, edge.provider)}: {why}",
        f"let {record.name} move in the same change{_by_looking(ctx)}, or make a new environment",
        predicts="load" if certain else None,
        certain=certain,
        evidence=edge.evidence
        or (Evidence("metadata", f"conda-meta/{record.dist_name}.json", f"depends: {edge.requirement}"),),
        edges=(edge,),
    )


def _unreadable(ctx: RuleContext) -> str:
    subdir = ctx.environment.subdir
    return f", and binaries of {subdir} are not read" if subdir.startswith(("osx-", "win-")) else ""


def _by_looking(ctx: RuleContext) -> str:
    return "" if _unreadable(ctx) else ", ask again where its files can be read"


def _built_here(ctx: RuleContext, dist: PipDist, changed: list[str]) -> Finding:
    tag = next(tag for tag in dist.tags if _BUILT_HERE.search(tag))
    return finding(
        ctx,
        "ABI005",
        Severity.BLOCK,
        f"pip:{dist.name}",
        f"pip's {dist.display_name} {dist.version} was built on a machine like this one and may use any library of the "
        f"environment; {_named(changed)} change, its files cannot be read, and whether it still loads is not known",
        "ask again where its files can be read, or build it again after the change",
        certain=False,
        evidence=(Evidence("file", f"{dist.metadata_path}/WHEEL", f"Tag: {tag}"),),
    )


def _nobodys(ctx: RuleContext, path: str, changed: list[str]) -> Finding:
    return finding(
        ctx,
        "ABI005",
        Severity.BLOCK,
        f"file:{path}",
        f"{path} is neither conda's nor pip's and may use any library of the environment; {_named(changed)} change, it "
        "cannot be read, and whether it still loads is not known",
        "ask again where it can be read, or build it again after the change",
        certain=False,
        evidence=(Evidence("file", path, "no package owns it"),),
    )


def _rebuilt(ctx: RuleContext, record: PackageRecord, edge: Edge) -> Finding:
    return finding(
        ctx,
        "ABI005",
        Severity.WARN,
        edge.consumer,
        f"{record.label} comes in a build that was not looked into, and requires {edge.requirement}, without an upper "
        f"bound, {becomes(ctx, edge.provider)}: whether it was built for that is not known",
        "run again without --no-files, or with --deep",
        certain=False,
        evidence=edge.evidence,
        edges=(edge,),
    )


def _named(changed: list[str]) -> str:
    more = len(changed) - _SHOWN
    return ", ".join(changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _may_link(ctx: RuleContext, dist: PipDist) -> bool:
    """Whether a distribution stays in reach of the planned python, was linked where it is used, and cannot be read."""
    reachable = dist.python is None or ctx.python_minor_after is None or dist.python == ctx.python_minor_after
    built_here = dist.compiled and any(_BUILT_HERE.search(tag) for tag in dist.tags)
    return reachable and built_here and (ctx.binaries is None or ctx.binaries.unread_dist(dist))


def _listed(ctx: RuleContext, name: str) -> bool:
    return ctx.binaries is not None and ctx.binaries.listed(name)


def _unlooked(ctx: RuleContext) -> Iterator[tuple[PackageRecord, Edge]]:
    """The needs, by requirement, of packages that come in another build nobody looked into, for libraries that change.

    Only those that state no upper bound: what packages are built for is what they are then required to run with.
    """
    for change in ctx.changes:
        record = change.after
        if record is None or change.before is None or not may_hold_binaries(record) or _listed(ctx, change.name):
            continue
        for line in record.depends:
            name = split_spec(line)[0]
            library = moves(ctx, f"conda:{name}")
            if (
                library is None
                or library.before is None
                or library.after is None
                or not is_library(ctx, library.before)
            ):
                continue
            moved = move(library.before, library.after)
            if held_by_requirement(record, library.after)[0] is None and (moved is None or moved.fate != "stays"):
                evidence = (Evidence("metadata", record.url or record.dist_name, f"depends: {line}"),)
                yield record, Edge(f"conda:{change.name}", f"conda:{name}", "series", line, "unverified", evidence)


def _changed_libraries(ctx: RuleContext) -> list[str]:
    """Compiled packages that change and are no python packages: what may hold a library."""
    return [
        change.name
        for change in ctx.changes
        if change.action != "relink"
        and change.before is not None
        and change.before.noarch is None
        and change.name not in {"python", "python_abi"}
        and not any(split_spec(line)[0] in {"python", "python_abi"} for line in change.before.depends)
        and is_compiled(change.before, ctx.files(change.before)) is not False
    ]


RULE = Rule(
    id="ABI005",
    name="series-moved",
    title="A library leaves the ABI series that a package was built for",
    severity=Severity.BLOCK,
    check=check,
)
