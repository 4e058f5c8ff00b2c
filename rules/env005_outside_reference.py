"""ENV005 outside-reference: something outside the environment refers to what changes in it.

What it checks:
    Kernelspecs, first lines of scripts and links in `bin` folders, systemd units, cron tables, shell scripts in folders of
    programs (~/bin, ~/.local/bin, /usr/local/bin), job scripts in `--scan` folders, activation scripts, start-up files of
    shells, variables that an activation or a kernel sets (CUDA_HOME, say), `.pth` files and editable installs, and stacked
    activation, which name the environment that changes. And of the environment's own: kernelspecs, and scripts in its `bin`
    that no package brought.

Why it matters:
    Whoever wrote them is not asked before the change and finds out when the job does not run. conda knows of none of them.

How it decides:
    What they name is gone when it is bound to the python that goes (`bin/python3.10`, `lib/python3.10`), or when its package
    leaves and no new one comes: a block. It is a block too where the program starts, but a module that it imports at once
    is lost: `-m ipykernel_launcher` of an ipykernel that pip installed, the imports of a script, or a module beside it that
    was built in place for the old python alone. A warning where the same name starts another python, and where a variable
    leads to what a changing package brought. Nothing is said of what names packages that merely get a newer build, nor of
    what `conda init` wrote: BASE001 says what becomes of conda.

Evidence and limits:
    The line itself, with its number. Scripts are read, not run; of their imports only those count that stand at the top,
    under no condition but that it is started as a script; `-m app` counts as an import of `app.__main__`. What lies beside
    the script or in the user site is found there, unless python is started with `-I`, or with `-P` or `-s`. Unverified: a
    path whose package leaves while new packages come, which may bring it again; a module that also lies in a folder of a
    PYTHONPATH that is set where the script may be started (with `-E` or `-I` it does not count); a line of a unit, a table
    or a script that may not be come to, or may only speak of the path: in the branch of a condition, in a function or a
    here-document, behind `exit`, beside `||`, as an argument, in a key that starts nothing; and, as a warning, one of a
    package of which a compiled build comes that was not looked into (`--no-files`, or only a server has it), or that leads
    to what may not load any more.
    Looked for in the usual places of this machine and this user, and in `--scan` folders.

Example:
    ~/.local/share/jupyter/kernels/base/kernel.json starts /opt/conda/bin/python3.10; base moves to python 3.11.

What to do:
    Let it name an environment of its own that nobody changes; for a kernelspec, install it anew from there.

References:
    Jupyter's kernelspec format; systemd.unit(5); crontab(5); CPython's site module (.pth).
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from planner.afterwards import (
    STAYS,
    Afterwards,
    comes_unread,
    evidence_of,
    lost_beside,
    lost_modules,
    new_python,
    path_afterwards,
    python_goes,
)
from planner.model.plan import Evidence, Severity
from planner.pyabi import meta_path
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.reference import Reference
    from planner.rule import RuleContext

    _Lost: TypeAlias = tuple[tuple[str, Evidence], ...]

_WORDS = {
    "activation": "the activation script",
    "cron": "the cron table",
    "editable": "the editable install",
    "job": "the script",
    "kernel": "the kernelspec",
    "link": "the link",
    "path-file": "the path file",
    "shebang": "the script",
    "stack": "stacked activation in",
    "start-up": "the start-up file",
    "unit": "the unit",
    "variable": "a variable in",
}
_REMEDIES = {
    "editable": "install it again in editable mode from a folder that stays",
    "kernel": "install the kernelspec again, from an environment that stays",
    "link": "let the link lead to an environment that stays",
    "path-file": "take the line out, and install what is needed where it is used",
    "stack": "do not stack environments on one that changes",
    "variable": "set it to a folder that stays, or to one of the environment's own",
}
_SHOWN = 3
_RUN = frozenset({"cron", "job", "kernel", "link", "shebang", "unit"})


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each place that names what changes."""
    # A folder full of scripts may name the same few paths and modules a hundred thousand times.
    fate, lost = cache(partial(path_afterwards, ctx)), cache(partial(lost_modules, ctx))
    for reference in ctx.surroundings.to(ctx.environment.prefix):
        if reference.kind == "virtualenv":
            continue
        if reference.broken:
            yield _finding(ctx, reference, "which is not there", Severity.WARN, pre_existing=True)
        elif reference.kind == "variable":
            yield from _variable(ctx, reference, fate(reference.path))
        else:
            yield from _judged(ctx, reference, fate(reference.path), _by(fate, reference), _needs(ctx, lost, reference))
    for reference in ctx.surroundings.own(ctx.environment.prefix):
        # What merely moves with its own environment is meant to.
        then, needs = fate(reference.path), _needs(ctx, lost, reference)
        if not reference.broken and (then.fate == "gone" or needs) and not _leaves(ctx, reference.source):
            yield from _judged(ctx, reference, then, _by(fate, reference), needs)


def _by(fate: Callable[[str], Afterwards], reference: Reference) -> Afterwards:
    return fate(reference.interpreter) if reference.interpreter else STAYS


def _needs(ctx: RuleContext, lost: Callable[..., _Lost], reference: Reference) -> _Lost:
    """What it imports at once that it would not find."""
    if reference.kind not in _RUN:
        return ()
    found = lost(reference.modules, reference.started)
    tops = {name for name, _ in found}
    within = tuple(name for name in reference.within if name.partition(".")[0] not in tops)
    return (*found, *lost(within, reference.started), *lost_beside(ctx, reference.bound))


def _leaves(ctx: RuleContext, path: str) -> bool:
    """Whether a file of the environment goes with the package that brought it, so that nobody misses it."""
    below = path.removeprefix(f"{ctx.environment.prefix}/")
    gone = (change.before for change in ctx.changes if change.action == "remove")
    return any(record is not None and below in ctx.files(record).paths for record in gone)


def _variable(ctx: RuleContext, reference: Reference, then: Afterwards) -> Iterator[Finding]:
    """A variable leads into the environment: what uses it is not known, but what changes there is."""
    if then.fate == "gone":
        yield _finding(ctx, reference, f"which would be gone: {then.why}", Severity.BLOCK, then)
        return
    changed = [
        change.before
        for change in ctx.changes
        if change.before is not None and change.action != "relink" and _lies_in(ctx, change.before, reference.path)
    ]
    if changed:
        names = " and ".join(record.name for record in changed[:_SHOWN])
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        evidence = [Evidence("metadata", meta_path(record), f"{record.label} changes") for record in changed[:_SHOWN]]
        text = f"where files of {names}{more} would be replaced"
        yield _finding(ctx, reference, text, Severity.WARN, evidence=evidence)


def _lies_in(ctx: RuleContext, record: PackageRecord, path: str) -> bool:
    """Whether a package has a file that is at a path below the prefix, or in it."""
    return not path or any(one == path or one.startswith(f"{path}/") for one in ctx.files(record).paths)


def _judged(ctx: RuleContext, reference: Reference, then: Afterwards, by: Afterwards, lost: _Lost) -> Iterator[Finding]:
    if then.fate == "gone":
        yield _finding(ctx, reference, f"which would be gone: {then.why}", Severity.BLOCK, then)
        return
    if by.fate == "gone":
        named = f"{reference.prefix}/{reference.interpreter}"
        text = f"which {named} runs, and that would be gone: {by.why}"
        yield _finding(ctx, reference, text, Severity.BLOCK, by)
        return
    if lost:
        names = ", ".join(name for name, _ in lost)
        text = f"which would start, and not be able to import {names}"
        also = _on_python_path(ctx, reference, {name for name, _ in lost})
        if also:
            by = Afterwards(by.fate, by.why, certain=False, evidence=(*by.evidence, *also))
        yield _finding(ctx, reference, text, Severity.BLOCK, by, evidence=[where for _, where in lost])
    elif unread := _unread(ctx, reference):
        text = f"and imports {', '.join(unread)}: whether that still works is not known"
        yield _finding(ctx, reference, text, Severity.WARN, replace(then, certain=False))
    elif then.fate == "moves" or (by.fate == "moves" and python_goes(ctx)):
        text = then.why or by.why
        if reference.kind == "stack":
            text = f"whose programs stay on PATH behind the others, and would be those of {new_python(ctx)}"
        elif not reference.path:
            text = f"which would have {new_python(ctx)}"
        elif then.fate != "moves":
            text = f"which would be run by {new_python(ctx)}"
        else:
            text = f"and {text}"
        yield _finding(ctx, reference, text, Severity.WARN, then if then.fate == "moves" else by)


def _unread(ctx: RuleContext, reference: Reference) -> list[str]:
    """What it imports that comes in a build that nobody has looked into, or leads to what may not load or be there."""
    names = reference.modules if reference.kind in _RUN else ()
    return [name for name in names if comes_unread(ctx, name) or _in_doubt(ctx, name)]


def _in_doubt(ctx: RuleContext, name: str) -> bool:
    why = ctx.imports.why(name) if ctx.imports is not None else None
    return why is not None and not why.certain


def _on_python_path(ctx: RuleContext, reference: Reference, lost: set[str]) -> list[Evidence]:
    """Where else all that is lost is found, if the script is started with a PYTHONPATH that is set somewhere."""
    found: list[Evidence] = []
    for setting in ctx.surroundings.settings:
        here = reference.started.variables and (
            setting.source == reference.source or setting.scope in {"process", "shell"}
        )
        brought = lost.intersection(setting.modules) if setting.prefix != ctx.environment.prefix and here else ()
        if brought:
            what = f"{setting.text}: {', '.join(sorted(brought))} lies there, too"
            found.append(Evidence("file", setting.where, what))
            lost = lost.difference(brought)
    return [] if lost else found


def _finding(
    ctx: RuleContext,
    reference: Reference,
    text: str,
    severity: Severity,
    then: Afterwards = STAYS,
    *,
    evidence: list[Evidence] | None = None,
    pre_existing: bool = False,
) -> Finding:
    names = {environment.prefix: environment.name for environment in ctx.installation.environments}
    whole = f"{reference.prefix}/{reference.path}" if reference.path else f"the environment {reference.prefix}"
    runs = severity is Severity.BLOCK and reference.kind in _RUN
    in_doubt = runs and not reference.surely
    return finding(
        ctx,
        "ENV005",
        severity,
        f"file:{reference.source}",
        f"{_WORDS[reference.kind]} {reference.source} names {whole}, {text}"
        f"{'; whether it runs that line is not known' if in_doubt else ''}",
        _REMEDIES.get(reference.kind, "let it name an environment that stays"),
        predicts="run" if runs else None,
        certain=then.certain and not in_doubt,
        evidence=(evidence_of(reference), *(evidence or ()), *then.evidence),
        pre_existing=pre_existing,
        environment=names.get(reference.holder or ""),
    )


RULE = Rule(
    id="ENV005",
    name="outside-reference",
    title="Something outside the environment refers to what changes in it",
    severity=Severity.WARN,
    check=check,
)
