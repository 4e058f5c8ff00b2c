"""ABI003 soname-lost: an object needs a shared library that nothing provides after the change.

What it checks:
    Every program, extension module and shared object of the environment after the change, conda's, pip's and
    nobody's: whether each library it needs (DT_NEEDED), and each that those need, is found.

Why it matters:
    The solver knows names and versions of packages. A library's file name is its ABI: `libfoo.so.1` goes when `libfoo.so.2`
    comes, and whatever was linked against it no longer loads, unless its package said so (conda-libmamba-solver#442:
    after an update of base, `libarchive.so.19` could not be opened, and conda could not repair itself).

How it decides:
    The search is the dynamic loader's: RPATH of the object and of whoever loads it, the LD_LIBRARY_PATH that activation
    sets in plain words, RUNPATH, then this machine's libraries. The same is done for the environment as it is; an object that
    did not load before is reported as pre-existing. File names decide, as they do for the loader; symlinks are followed
    to whichever package owns them after the change.

Evidence and limits:
    Certain where the objects and the file lists of the planned packages were read. Where a list is not at hand, the table
    of ABI series decides: within a series the file comes again, and it goes where the name of the file changes with the
    series. Where the table says nothing it is unverified, and only a warning if the packager's own requirement, with its
    upper bound, is still met. An object that is new, and so never
    worked here, is a warning: parts of a package may be for libraries that only some machines have. What a program
    opens by name at run time (dlopen) is not in its headers; where an object needs a library that lies in the
    environment and no search finds, somebody may open it first, so its going is an unverified warning. Unverified, too,
    where a file of that name lies in a folder of an LD_LIBRARY_PATH that is set outside the environment.

Example:
    labtool needs liblabzip.so.1, and labzip 2.0 brings liblabzip.so.2.

What to do:
    Let the package move in the same change, keep the library at its series, or make a new environment.

References:
    conda/conda-libmamba-solver#442, #297; conda/conda#14295; ld.so(8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.abi.fates import by_metadata, moves
from planner.abi.told import becomes, edges_of, grouped, needs, remedy, strongest
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.abi.comparison import Break
    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each owner of objects and each library that those lack."""
    if ctx.binaries is None:
        return
    lost = [found for found in ctx.binaries.breaks if found.kind == "library"]
    for (subject, library), breaks in grouped(lost, lambda found: (found.subject, found.wanted)).items():
        # A planned package whose requirements were solved is promised what it needs by whatever is not listed.
        if any(found.certain or moves(ctx, found.consumer) is None for found in breaks):
            yield _finding(ctx, subject, library, breaks)


def _is_held(ctx: RuleContext, breaks: Sequence[Break]) -> bool:
    """Whether what is only not listed is promised by what is written of both packages."""
    return all(
        not found.certain
        and found.provider is not None
        and by_metadata(ctx, found.consumer, found.provider).fate == "holds"
        for found in breaks
    )


def _written(ctx: RuleContext, breaks: Sequence[Break]) -> Iterator[Evidence]:
    """What is written of the libraries of packages whose files are not known."""
    for found in breaks:
        name = (found.provider or "").removeprefix("conda:")
        if ctx.binaries is not None and found.provider and moves(ctx, found.provider) and not ctx.binaries.listed(name):
            yield from by_metadata(ctx, found.consumer, found.provider).evidence


def _finding(ctx: RuleContext, subject: str, library: str, breaks: Sequence[Break]) -> Finding:
    new = all(found.new for found in breaks)
    stray = all(found.stray for found in breaks)
    held = _is_held(ctx, breaks)
    elsewhere = _elsewhere(ctx, library)
    certain = any(found.certain for found in breaks) and not new and not elsewhere
    provider = next((found.provider for found in breaks if found.provider is not None), None)
    gone = f", given by {becomes(ctx, provider)}" if provider is not None else ""
    error = min(breaks, key=lambda found: found.path).error
    fate = "nothing provides it after the change" if certain or new else "what will provide it is not known"
    option = (
        "" if certain or new else "; without --no-files and --offline, or with --deep, planned packages are looked into"
    )
    if held:
        fate = "what is required of it is still met, but whether the file comes again is not known"
    if stray:
        fate = "the copy that lies in the environment goes"
        option = (
            "; no search finds it now either, so whoever uses the object opens the library first, or nobody uses it"
        )
    if elsewhere:
        fate = "nothing in the environment provides it after the change"
        option = "; a file of that name lies where LD_LIBRARY_PATH is set to, and who starts with that is not known"
    return finding(
        ctx,
        "ABI003",
        Severity.WARN if new or stray or held else Severity.BLOCK,
        subject,
        f'{needs(subject, breaks)} {library}{gone}, and {fate}: "{error}"{option}',
        remedy(ctx, subject, provider),
        predicts=strongest(breaks) if certain else None,
        certain=certain,
        evidence=[
            *(Evidence("file", found.path, f"needs {found.wanted}{_through(found)}") for found in breaks),
            *dict.fromkeys(_written(ctx, breaks)),
            *elsewhere,
        ],
        edges=edges_of(ctx, breaks),
        pre_existing=all(found.pre_existing for found in breaks),
    )


def _elsewhere(ctx: RuleContext, library: str) -> list[Evidence]:
    """Where else the library is found by whoever starts with an LD_LIBRARY_PATH that is set outside the environment."""
    return [
        Evidence("file", setting.where, f"{setting.text}: {library} lies there, too")
        for setting in ctx.surroundings.settings
        if setting.variable == "LD_LIBRARY_PATH"
        and setting.prefix != ctx.environment.prefix
        and library in setting.libraries
    ]


def _through(found: Break) -> str:
    return f" through {' and '.join(found.chain[1:])}" if len(found.chain) > 1 else ""


RULE = Rule(
    id="ABI003",
    name="soname-lost",
    title="An object needs a shared library that nothing provides after the change",
    severity=Severity.BLOCK,
    check=check,
)
