"""CHG009 import-lost: a module that stays imports what goes.

What it checks:
    The python sources that stay, conda's and pip's, against the modules that the change takes away: those of packages
    that leave, of another version that no longer has them, and compiled ones that do not load any more.

Why it matters:
    Records and metadata say what a package was meant to need. What its code imports is more: setuptools behind
    numpy.distutils, cffi behind a tool of numpy's. No solver and no `pip check` sees it go.

How it decides:
    By import statements that are executed as soon as the module itself is imported, and from there on from module to
    module. What stands in a `try` that catches the failure, in a function, under TYPE_CHECKING or for another python or
    platform is left out. It blocks where a whole package can no longer be imported, and is a warning where only some
    modules in it cannot. What PIP003 says of a distribution's requirement is not said again.

Evidence and limits:
    Files and lines, read and never run. A module that imports what is not there today is taken not to work today. What
    is imported by a computed name is not seen, nor what a compiled module imports, but for `_cffi_backend` by those that
    cffi made; on Windows nothing is looked at. Unverified: a module of a package that stays in another version,
    whatever may be among the files of planned packages that are not at hand, and, as a warning, what imports a compiled
    module of which it is not known whether it still loads.

Example:
    `conda remove setuptools`: numpy/distutils/msvccompiler.py of numpy 1.26.4 imports it in its first lines.

What to do:
    Keep the package that is imported, or do without the modules that are named.

References:
    Python's language reference, "The import statement".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.pip_unmet import unmet
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.imports.changed import Lost
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 5


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each owner of modules that no longer import, and each that takes away what they import."""
    if ctx.imports is None:
        return
    found: dict[tuple[str, str, bool], list[Lost]] = {}
    for item in ctx.imports.lost:
        # Of an owner's own objects the rules on binaries speak.
        if item.module.owner != item.provider:
            found.setdefault((item.module.owner, item.provider, item.certain), []).append(item)
    stated = {(item.need.consumer, item.provider) for item in unmet(ctx)} if found else set()
    for (owner, provider, certain), items in sorted(found.items()):
        if (owner, provider) not in stated:
            yield _finding(ctx, owner, provider, items, certain=certain)


def _finding(ctx: RuleContext, owner: str, provider: str, items: Sequence[Lost], *, certain: bool) -> Finding:
    whole = sorted({item.module.top for item in items if "." not in item.module.name})
    first = next((item for item in items if item.module.name in whole), items[0])
    others = len(items) - 1
    more = f" and {others} more module{'s' if others > 1 else ''}" if others else ""
    through = f" {first.chain[0]}, which leads to {first.root}" if len(first.chain) > 1 else f" {first.root}"
    fate = f"that goes with {_named(ctx, provider)}"
    if first.broken:
        fate = "that does not load any more" if certain else "whether that still loads is not known"
    verb = "would no longer import" if certain else "may no longer import"
    return finding(
        ctx,
        "CHG009",
        Severity.BLOCK if whole and (certain or not first.broken) else Severity.WARN,
        owner,
        f"{first.module.name}{more} of {_named(ctx, owner)} {verb}: {first.importing}{through}, and {fate}",
        f"keep {_named(ctx, provider)} as it is, or do without {', '.join(whole) or 'these modules'}",
        predicts="import",
        certain=certain,
        evidence=[Evidence("file", item.place, f"imports {item.chain[0]}") for item in items[:_SHOWN]],
    )


def _named(ctx: RuleContext, subject: str) -> str:
    kind, _, name = subject.partition(":")
    record = ctx.before_record(name) if kind == "conda" else None
    return record.label if record is not None else f"pip's {name}"


RULE = Rule(
    id="CHG009",
    name="import-lost",
    title="A module that stays imports what goes",
    severity=Severity.BLOCK,
    check=check,
)
