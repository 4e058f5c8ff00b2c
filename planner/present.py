"""What is wrong in an environment today, in the rules' own terms: for `planner audit`.

The rules judge a change, and say of the present what a change brings to light: a package twice, files overwritten,
requirements that are not met. Here is what they have no reason to say: libraries that are not found today, and variables
that bring something from elsewhere. Where a rule says the same of the same subject, its word stands (`planner.audit`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.abi.installed import pip_paths
from planner.afterwards import evidence_of
from planner.model.plan import Evidence, Severity
from planner.rule import finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.abi.comparison import Break
    from planner.model.plan import Finding
    from planner.reference import Setting
    from planner.rule import RuleContext

_SHOWN = 5
_RULES = {"library": "ABI003", "version": "ABI004"}
_LIBRARY = re.compile(r"^lib/(lib[^/]+\.(?:so(?:\.[^/]*)?|dylib))$")


def overlapping(ctx: RuleContext) -> frozenset[str]:
    """The paths that both a package of conda's and a distribution of pip's list: the likeliest to be overwritten."""
    owned = {path for record in ctx.environment.records for path in ctx.files(record).paths}
    return frozenset(
        path for dist in ctx.environment.pip_dists for path in pip_paths(ctx.environment.prefix, dist) if path in owned
    )


def present_findings(ctx: RuleContext) -> Iterator[Finding]:
    """Everything, in no particular order."""
    yield from _missing(ctx)
    yield from _leaks(ctx)


def _missing(ctx: RuleContext) -> Iterator[Finding]:
    """ABI003 and ABI004: libraries and symbol versions that the dynamic loader does not find today.

    What only a plugin lacks is a warning: nobody may use it.
    """
    if ctx.binaries is None or not ctx.binaries.readable:
        return
    lacking: dict[tuple[str, str, str], list[Break]] = {}
    for found in ctx.binaries.comparison.breaks():
        if found.kind in _RULES:
            lacking.setdefault((found.kind, found.subject, found.wanted), []).append(found)
    for (kind, subject, wanted), breaks in sorted(lacking.items()):
        certain = any(found.certain and not found.stray for found in breaks)
        serious = certain and any(found.effect in {"import", "run"} for found in breaks)
        name = subject.partition(":")[2]
        more = f" and {len(breaks) - 1} more" if len(breaks) > 1 else ""
        library = wanted if kind == "library" else breaks[0].library or wanted
        lack = "which is not found" if kind == "library" else f"which the {library} that is found does not define"
        bring = f"brings {library}" if kind == "library" else f"brings a {library} with it"
        yield finding(
            ctx,
            _RULES[kind],
            Severity.BLOCK if serious else Severity.WARN,
            subject,
            f'{name} needs {wanted}, {lack}: "{breaks[0].error}" ({breaks[0].path}{more})',
            f"install the package that {bring}, or take {name} away",
            certain=certain,
            evidence=[Evidence("file", found.path, f"needs {found.wanted}") for found in breaks[:_SHOWN]],
        )


def _leaks(ctx: RuleContext) -> Iterator[Finding]:
    """ENV002, ENV003 and ENV005: variables that hold for the environment, and what in it leads to another one."""
    here = ctx.environment.prefix
    ours = _libraries(ctx)
    for setting in ctx.surroundings.settings:
        everywhere = setting.applies_to is None and setting.scope in {"process", "shell"}
        if setting.prefix == here or not (everywhere or setting.applies_to == here):
            continue
        if setting.variable in {"PYTHONHOME", "PYTHONPATH"}:
            yield _leak(ctx, setting, "ENV002", f"is before everything that python imports here ({setting.variable})")
        elif both := [name for name in setting.libraries if name in ours]:
            more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
            names = ", ".join(both[:_SHOWN]) + more
            yield _leak(ctx, setting, "ENV003", f"brings {names} before the environment's own ({setting.variable})")
    for reference in ctx.surroundings.references:
        if reference.holder == here != reference.prefix:
            there = f"{reference.prefix}/{reference.path}" if reference.path else reference.prefix
            lack = ", which is not there" if reference.broken else ", so that changes there reach it"
            yield finding(
                ctx,
                "ENV005",
                Severity.WARN,
                f"file:{reference.source}",
                f"{reference.source} leads to {there}{lack}",
                "let it lead to the environment's own files, or to one that nobody changes",
                evidence=(evidence_of(reference),),
            )


def _leak(ctx: RuleContext, setting: Setting, rule: str, what: str) -> Finding:
    return finding(
        ctx,
        rule,
        Severity.WARN,
        f"file:{setting.source}",
        f"{setting.entry}, set in {setting.source}, {what}",
        f"take {setting.entry} out of {setting.variable} for this environment",
        evidence=(Evidence("file", setting.where, setting.text),),
    )


def _libraries(ctx: RuleContext) -> frozenset[str]:
    paths: Iterable[str] = (path for record in ctx.environment.records for path in ctx.files(record).paths)
    return frozenset(match[1] for path in paths if (match := _LIBRARY.match(path)))
