"""What becomes of a path or a module of the target on this change, for those who name it from outside.

Pure, and careful with what is not known: a package's future files are not known before they are fetched, so a path is
called gone only where it is bound to the python that goes, or where its package leaves and nothing new comes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from planner.abi.planned import may_hold_binaries
from planner.model.plan import Evidence
from planner.pyabi import flavour, meta_path, tagged_for
from planner.reference import PLAINLY
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.imports.changed import Lost
    from planner.model.installed import PackageRecord, PipDist
    from planner.reference import Reference, Started
    from planner.rule import RuleContext

Fate: TypeAlias = Literal["gone", "moves", "stays"]
# `bin/python3.9`, `bin/pydoc3.9`, `lib/python3.9/...`, `lib/libpython3.9.so.1.0`, `include/python3.9/...`
_BOUND = re.compile(r"^(?:bin/(?:python|pydoc|idle|2to3-|pip)|lib/(?:lib)?python|include/python)(\d+\.\d+)(?!\d)")
_SITE = re.compile(r"^lib/python[\d.]+t?/site-packages(?:/|$)")
_PYTHON = re.compile(r"^(?:bin/python3?|python\.exe)$")


class Afterwards(Struct, frozen=True):
    """What becomes of a path: gone, moves (the same name starts another python), or stays; why, and how sure that is."""

    fate: Fate
    why: str = ""
    certain: bool = True
    evidence: tuple[Evidence, ...] = ()


STAYS = Afterwards("stays")


def python_leaves(ctx: RuleContext) -> bool:
    """Whether the target has a python and none after the change."""
    return ctx.after is not None and ctx.environment.python is not None and ctx.after_record("python") is None


def python_goes(ctx: RuleContext) -> bool:
    """Whether the python that is there now, as X.Y, is not there after the change."""
    return ctx.python_minor_moves or python_leaves(ctx)


def flips(ctx: RuleContext) -> tuple[tuple[str, PackageRecord], tuple[str, PackageRecord]] | None:
    """The ABI of python before and after, each with the record that shows it, where it differs at the same X.Y."""
    before, after = ctx.before_record("python"), ctx.after_record("python")
    if before is None or after is None or minor(before.version) != minor(after.version):
        return None
    old = flavour(before, ctx.before_record("python_abi"))
    new = flavour(after, ctx.after_record("python_abi"))
    return (old, new) if old is not None and new is not None and old[0] != new[0] else None


def new_python(ctx: RuleContext) -> str:
    """The python after the change, for a sentence."""
    return f"python {ctx.python_minor_after}" if ctx.python_minor_after and not python_leaves(ctx) else "no python"


def path_afterwards(ctx: RuleContext, path: str) -> Afterwards:
    """What becomes of a path below the target's prefix; `path` empty: of the environment as a whole."""
    if python_goes(ctx):
        found = _with_python(ctx, path)
        if found is not None:
            return found
    owner = _owner(ctx, path) if path else None
    change = ctx.change(owner.name) if owner else None
    if owner is None or change is None or change.action != "remove":
        return STAYS
    others_come = any(item.action == "install" for item in ctx.changes)
    evidence = Evidence("metadata", meta_path(owner), f"{owner.label} owns {path}, and leaves")
    return Afterwards("gone", f"its package {owner.name} leaves", not others_come, (evidence,))


def _with_python(ctx: RuleContext, path: str) -> Afterwards | None:
    before = ctx.python_minor_before
    evidence = _python_evidence(ctx)
    bound = _BOUND.match(path)
    if bound and bound[1] == before:
        if _SITE.match(path) and (path.endswith("site-packages") or _owner(ctx, path) is None):
            why = f"what conda installed there leaves, and {new_python(ctx)} does not read it"
            return Afterwards("moves", why, certain=True, evidence=evidence)
        return Afterwards(
            "gone", f"it belongs to python {before}, which is replaced by {new_python(ctx)}", evidence=evidence
        )
    if path and not _PYTHON.match(path):
        return None
    if python_leaves(ctx):
        return Afterwards("gone" if path else "moves", f"python {before} leaves", evidence=evidence)
    return Afterwards("moves", f"it starts {new_python(ctx)} instead of python {before}", evidence=evidence)


def _python_evidence(ctx: RuleContext) -> tuple[Evidence, ...]:
    record = ctx.before_record("python")
    if record is None:
        return ()
    after = ctx.after_record("python")
    what = f"{record.label} is replaced by {after.label}" if after else f"{record.label} would be gone"
    return (Evidence("metadata", meta_path(record), what),)


def _owner(ctx: RuleContext, path: str) -> PackageRecord | None:
    """The installed package that owns a path, or a folder; None where no path list names it."""
    if not any(change.before is not None for change in ctx.changes):
        return None
    for record in ctx.environment.records:
        if path in ctx.files(record).paths:
            return record
    return None


def lost_modules(
    ctx: RuleContext, names: Iterable[str], started: Started = PLAINLY
) -> tuple[tuple[str, Evidence], ...]:
    """Those of the top-level modules `names` that python finds now and would not find then, each with what shows it.

    `started` says where that python looks for modules besides its own site-packages.

    A name that no distribution is known to bring (the standard library's, say) is not among them, nor one that a package
    of that name still brings.
    """
    return tuple((name, where) for name in names if (where := _lost(ctx, name, started)) is not None)


def _lost(ctx: RuleContext, name: str, started: Started) -> Evidence | None:
    why = ctx.imports.why(name) if ctx.imports is not None else None
    if why is not None and why.certain:
        return _imported(name, why)
    gone = None
    for dist, site in _providers(ctx, name, started):
        where = f"{site}/{dist.metadata_path}" if site else dist.metadata_path
        if dist.owner is not None:
            change = ctx.change(dist.owner)
            if change is None or change.action != "remove":
                return None
            gone = Evidence("metadata", where, f"{dist.owner} brings {name}, and leaves")
        elif not python_goes(ctx) or (ctx.on_windows and not site):
            return None
        else:
            gone = Evidence("file", where, f"brings {name}, in a folder that {new_python(ctx)} does not read")
    if gone is None or ctx.after_record(name) is not None or ctx.after_record(name.replace("_", "-")) is not None:
        return None
    reads = python_goes(ctx) and _reads_user_site(ctx, started)
    later = ctx.surroundings.user_site(ctx.python_minor_after) if reads else None
    return None if later and any(name in dist.top_level for dist in later.dists) else gone


def lost_beside(ctx: RuleContext, files: Iterable[str]) -> tuple[tuple[str, Evidence], ...]:
    """Those of the compiled modules beside a script that the python after the change does not load, with their files."""
    if not ctx.python_minor_moves:
        return ()
    what = f"is built for python {ctx.python_minor_before}, and {new_python(ctx)} does not load it"
    now = [file for file in files if tagged_for(file) == ctx.python_minor_before]
    then = {_module(file) for file in files if tagged_for(file) == ctx.python_minor_after}
    return tuple((_module(file), Evidence("file", file, what)) for file in now if _module(file) not in then)


def _module(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0]


def comes_unread(ctx: RuleContext, name: str) -> bool:
    """Whether a top-level module comes in another build of its package, compiled, that nobody has looked into."""
    inside = re.compile(rf"/site-packages/{re.escape(name)}[/.]")
    return ctx.binaries is not None and any(
        change.before is not None
        and change.after is not None
        and may_hold_binaries(change.after)
        and not ctx.binaries.listed(change.name)
        and any(inside.search(path) for path in ctx.files(change.before).paths)
        for change in ctx.changes
    )


def _imported(name: str, why: Lost) -> Evidence:
    """What shows that a module does not import after the change."""
    if why.line:
        return Evidence("file", f"{why.module.path}:{why.line}", f"{name} imports {why.chain[0]}, which fails")
    what = "does not load any more" if why.broken else f"goes with {why.provider.partition(':')[2]}"
    return Evidence("file", why.module.path, f"{name} {what}")


def _reads_user_site(ctx: RuleContext, started: Started) -> bool:
    """With `-E`, python does not heed the PYTHONNOUSERSITE that switches the user site off, either."""
    return started.user_site and not (started.variables and ctx.surroundings.user_site_off)


def _providers(ctx: RuleContext, name: str, started: Started) -> Iterator[tuple[PipDist, str]]:
    """The distributions that bring a module to the target's python as it is; with the user's folder where it is that."""
    before = ctx.python_minor_before
    for dist in ctx.environment.dists:
        if name in dist.top_level and (dist.python is None or dist.python.rstrip("t") == before):
            yield dist, ""
    site = ctx.surroundings.user_site(before) if _reads_user_site(ctx, started) else None
    for dist in site.dists if site else ():
        if name in dist.top_level and site is not None:
            yield dist, site.path.removesuffix(f"/{dist.location}")


def evidence_of(reference: Reference) -> Evidence:
    """Where the reference itself stands, and what it says."""
    return Evidence("file", reference.where, reference.text)
