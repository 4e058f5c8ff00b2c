"""ENV003 library-path: LD_LIBRARY_PATH or LD_PRELOAD brings a library that the plan also has.

What it checks:
    Every entry of LD_LIBRARY_PATH and LD_PRELOAD that holds for the environment that changes: whether a shared library that
    lies there has the name of one that the environment's packages bring. And every entry that lies in the environment that
    changes and holds for others.

Why it matters:
    The loader takes these before a program's own RUNPATH: the environment's library is there, and another one is loaded. A
    plan that changes the environment's copy then changes nothing, or brings half of a pair. The other way round, programs
    that load the environment's libraries get others without being asked.

How it decides:
    By file name, against the path lists of the packages that change: those that stay are shadowed today and the change is
    not the cause. An entry in the environment fires where one of its changing packages owns a library in that folder.

Evidence and limits:
    The line that sets it, and the folder's list. Symbols are not compared here. The names of libraries that a new build
    will bring are taken from the build that is installed. What the loader's own configuration (ld.so.conf) adds is not read.

Example:
    An activation script sets LD_LIBRARY_PATH=/usr/local/cuda/lib64, which holds libcudart.so.12, and the change brings
    another cuda-cudart.

What to do:
    Take the entry out of the environment's activation; conda's builds find their libraries by themselves.

References:
    ld.so(8); conda/conda-build's documentation on LD_LIBRARY_PATH.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.reference import Setting
    from planner.rule import RuleContext

_VARIABLES = frozenset({"LD_LIBRARY_PATH", "LD_PRELOAD"})
_LIBRARY = re.compile(r"(?:^|/)(lib[^/]+\.(?:so(?:\.[^/]*)?|dylib))$")
_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each entry that shadows, or lends, a library of a package that changes."""
    settings = [setting for setting in ctx.surroundings.settings if setting.variable in _VARIABLES]
    libraries = _libraries(ctx) if settings else {}
    if not libraries:
        return
    for setting in settings:
        if setting.prefix == ctx.environment.prefix:
            yield from _lent(ctx, setting, libraries)
        elif setting.applies_to in {None, ctx.environment.prefix} and setting.scope != "service":
            yield from _shadowing(ctx, setting, libraries)


def _libraries(ctx: RuleContext) -> Mapping[str, tuple[PackageRecord, str]]:
    """The shared libraries of the packages that change and stay, as they are installed: file name to package and path."""
    found = {}
    for change in ctx.changes:
        if change.before is None or change.action == "relink":
            continue
        for path in ctx.files(change.before).paths:
            match = _LIBRARY.search(path)
            if match:
                found[match[1]] = (change.before, path)
    return found


def _shadowing(
    ctx: RuleContext, setting: Setting, libraries: Mapping[str, tuple[PackageRecord, str]]
) -> Iterator[Finding]:
    kept = {change.name for change in ctx.changes if change.after is not None}
    both = [name for name in setting.libraries if name in libraries and libraries[name][0].name in kept]
    if both:
        packages = ", ".join(sorted({libraries[name][0].name for name in both}))
        yield finding(
            ctx,
            "ENV003",
            Severity.WARN,
            f"file:{setting.source}",
            f"{setting.source} puts {setting.entry} on {setting.variable}: {_named(both)} would be loaded from there "
            f"instead of what the change brings ({packages})",
            f"take {setting.entry} out of {setting.variable} for this environment",
            evidence=(
                _set(setting),
                *(
                    Evidence("file", _file(setting, name), f"stands before {libraries[name][1]}")
                    for name in both[:_SHOWN]
                ),
            ),
        )


def _lent(ctx: RuleContext, setting: Setting, libraries: Mapping[str, tuple[PackageRecord, str]]) -> Iterator[Finding]:
    if setting.applies_to == ctx.environment.prefix:
        return
    folder = setting.path if setting.variable == "LD_LIBRARY_PATH" else setting.path.rpartition("/")[0]
    lent = [name for name in setting.libraries if name in libraries and libraries[name][1].rpartition("/")[0] == folder]
    if lent:
        names = {environment.prefix: environment.name for environment in ctx.installation.environments}
        packages = ", ".join(sorted({libraries[name][0].name for name in lent}))
        yield finding(
            ctx,
            "ENV003",
            Severity.WARN,
            f"file:{setting.source}",
            f"{setting.source} puts {setting.entry} on {setting.variable}: whatever starts with it loads {_named(lent)} "
            f"from the environment that changes ({packages})",
            f"take {setting.entry} out of {setting.variable}",
            evidence=(
                _set(setting),
                *(
                    Evidence("file", libraries[name][1], f"of {libraries[name][0].label}, which changes")
                    for name in lent[:_SHOWN]
                ),
            ),
            environment=names.get(setting.applies_to or ""),
        )


def _set(setting: Setting) -> Evidence:
    return Evidence("file", setting.where, setting.text)


def _file(setting: Setting, name: str) -> str:
    return setting.entry if setting.variable == "LD_PRELOAD" else f"{setting.entry}/{name}"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


RULE = Rule(
    id="ENV003",
    name="library-path",
    title="LD_LIBRARY_PATH or LD_PRELOAD brings a library that the plan also has",
    severity=Severity.WARN,
    check=check,
)
