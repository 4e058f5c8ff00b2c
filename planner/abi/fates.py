"""What becomes of each need of one package for another's library: the edges of the plan, and who answers for them.

Where binaries were read on both sides, they decide. Where they were not, a requirement with an upper bound that is still
met holds the edge, then the table of ABI series; what neither holds is not known. Pure: everything was read before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from planner.abi.series import held_by_requirement, move
from planner.model.plan import Edge, Evidence
from planner.pyabi import declared_python, is_compiled, split_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.abi.comparison import Gap, Link
    from planner.model.installed import PackageRecord
    from planner.model.plan import EdgeStatus, PackageChange
    from planner.rule import RuleContext

# Python's own ABI, and numpy's, are other rules' business; so is what holds no library.
_NOT_LIBRARIES = frozenset({"python", "python_abi", "cpython", "numpy", "pypy", "pip", "setuptools"})


class Held(Struct, frozen=True):
    """Why a need holds, does not, or is not known, by what is written of both, with the line or entry that says so."""

    fate: Literal["holds", "breaks", "unknown"]
    evidence: tuple[Evidence, ...]
    requirement: str = ""


def moves(ctx: RuleContext, subject: str) -> PackageChange | None:
    """The change of the conda package that a subject names, if other files come with it."""
    change = ctx.change(subject.removeprefix("conda:")) if subject.startswith("conda:") else None
    return change if change is not None and change.action != "relink" else None


def by_metadata(ctx: RuleContext, consumer: str, provider: str) -> Held:
    """What becomes of the need of `consumer`, which stays, for `provider`, which changes. Both are subjects."""
    change = moves(ctx, provider)
    record = ctx.before_record(consumer.removeprefix("conda:")) if consumer.startswith("conda:") else None
    if change is None or change.before is None:
        return Held("unknown", ())
    line = ""
    if record is not None and change.after is not None:
        held, line = held_by_requirement(record, change.after)
        if held is not None:
            return Held("holds", (held,), line)
    stated = (_requires(record, line),) if record is not None and line else ()
    if change.after is None:
        return Held("unknown", stated, line)
    moved = move(change.before, change.after)
    if moved is None or moved.fate == "unknown":
        return Held("unknown", (*stated, *((moved.evidence,) if moved else ())), line)
    return Held("holds" if moved.fate == "stays" else "breaks", (*stated, moved.evidence), line)


def edges(ctx: RuleContext) -> tuple[Edge, ...]:
    """Every need for a library whose package the change touches, with what becomes of it, by consumer and library.

    Then the needs, by requirement, of packages that change too: for libraries where binaries were not read, and for
    python's ABI where its minor moves. What stays and needs another python is ABI001's to say.
    """
    found = {(link.consumer, link.provider, link.library): link for link in _links(ctx) if moves(ctx, link.provider)}
    known = tuple(edge_of(ctx, link) for _, link in sorted(found.items(), key=lambda item: item[0]))
    return (*known, *(edge for _, _, edge in unread_needs(ctx)), *_moved(ctx))


def edge_of(ctx: RuleContext, link: Link) -> Edge:
    """The edge of one need that was read in a binary."""
    status, evidence = _status(ctx, link)
    return Edge(link.consumer, link.provider, "soname", link.library, status, evidence)


def unread_needs(ctx: RuleContext) -> Iterator[tuple[PackageRecord, Held, Edge]]:
    """The needs, by requirement alone, of compiled packages that stay and whose binaries were not read."""
    if ctx.after is None:
        return
    for record in ctx.kept:
        files = ctx.files(record)
        if record.noarch is not None or is_compiled(record, files) is False or _was_read(ctx, record):
            continue
        for name in dict.fromkeys(split_spec(line)[0] for line in record.depends):
            change = moves(ctx, f"conda:{name}")
            if change is None or change.before is None or not is_library(ctx, change.before):
                continue
            held = by_metadata(ctx, f"conda:{record.name}", f"conda:{name}")
            status: EdgeStatus = {"holds": "intact", "breaks": "broken", "unknown": "unverified"}[held.fate]  # type: ignore[assignment]
            requirement = held.requirement or name
            yield (
                record,
                held,
                Edge(f"conda:{record.name}", f"conda:{name}", "series", requirement, status, held.evidence),
            )


def _moved(ctx: RuleContext) -> Iterator[Edge]:
    for change in ctx.changes:
        record = change.before
        if record is None or record.noarch is not None or change.action == "relink":
            continue
        status: EdgeStatus = "removed" if change.after is None else "rebuilt"
        bound = declared_python(record) if ctx.python_minor_moves else None
        if bound is not None:
            evidence = (_requires(record, bound[1]),)
            yield Edge(f"conda:{record.name}", "conda:python", "python_abi", bound[1], status, evidence)
        if is_compiled(record, ctx.files(record)) is False or _was_read(ctx, record):
            continue
        for line in record.depends:
            name = split_spec(line)[0]
            provider = moves(ctx, f"conda:{name}")
            if provider is not None and provider.before is not None and is_library(ctx, provider.before):
                evidence = (_requires(record, line),)
                yield Edge(f"conda:{record.name}", f"conda:{name}", "series", line, status, evidence)


def _links(ctx: RuleContext) -> tuple[Link, ...]:
    return ctx.binaries.links if ctx.binaries is not None else ()


def _gaps(ctx: RuleContext) -> tuple[Gap, ...]:
    return ctx.binaries.gaps if ctx.binaries is not None else ()


def _status(ctx: RuleContext, link: Link) -> tuple[EdgeStatus, tuple[Evidence, ...]]:
    seen = Evidence("file", link.path, f"needs {link.library}")
    consumer = moves(ctx, link.consumer)
    if consumer is not None and consumer.after is None:
        return "removed", (seen,)
    breaks = [
        found
        for found in (ctx.binaries.breaks if ctx.binaries is not None else ())
        if (found.consumer, found.library) == (link.consumer, link.library) and not found.pre_existing and not found.new
    ]
    broken = next((found for found in breaks if found.certain), None)
    if broken is not None:
        return "broken", (seen, Evidence("file", broken.path, broken.error))
    if consumer is not None:
        return "rebuilt", (seen,)
    if breaks:
        return "unverified", (seen, *by_metadata(ctx, link.consumer, link.provider).evidence)
    if any((gap.consumer, gap.library) == (link.consumer, link.library) for gap in _gaps(ctx)):
        held = by_metadata(ctx, link.consumer, link.provider)
        return ("intact" if held.fate == "holds" else "unverified"), (seen, *held.evidence)
    return "intact", (seen,)


def _was_read(ctx: RuleContext, record: PackageRecord) -> bool:
    return ctx.binaries is not None and ctx.binaries.was_read(record)


def is_library(ctx: RuleContext, record: PackageRecord) -> bool:
    """Whether a package may hold a library that others link against: compiled, and no module of python's."""
    if record.name in _NOT_LIBRARIES or record.noarch is not None:
        return False
    if any(split_spec(line)[0] in {"python", "python_abi"} for line in record.depends):
        return False
    return is_compiled(record, ctx.files(record)) is not False


def _requires(record: PackageRecord, line: str) -> Evidence:
    return Evidence("metadata", f"conda-meta/{record.dist_name}.json", f"depends: {line}")
