"""ENV004 venv-on-base: a virtual environment was made from the python that changes.

What it checks:
    Virtual environments (venv, virtualenv, pipx, poetry, tox, pipenv, uv) whose `pyvenv.cfg` or `bin/python` leads into the
    environment that changes, when its python moves to another minor, flips its ABI at the same one, or leaves; and those
    that share its packages, when some leave.

Why it matters:
    A virtual environment has no python of its own. It starts the one it was made from, and keeps its packages in
    `lib/pythonX.Y/site-packages` with the X.Y of the day it was made.

How it decides:
    By what its `bin/python` is. A link to `bin/pythonX.Y` leads nowhere once that file is gone: it no longer starts. A
    copy finds no standard library: it no longer starts. A link to `bin/python` starts the new python, which looks for
    packages in a folder that is not there: all of them are lost. One without packages only changes its python: a warning.
    One that also has the packages of that python (`include-system-site-packages = true`) is told of those that leave: a
    warning. A free-threaded python of the same X.Y has folders of its own (`lib/python3.13t`), so that a flip does the same.

Evidence and limits:
    `pyvenv.cfg` and the links are read, nothing is started. Looked for in the home (a few levels deep), where the tools keep
    theirs, in /srv, in /opt, and in the folders named with --scan; elsewhere they are not found. One that does not work
    today, or was made for another python than the present one, is marked as such.

Example:
    /srv/app/venv was made with /opt/conda/bin/python3.10; base moves to python 3.11.

What to do:
    Make it again with a python that stays (`pipx reinstall-all`, `poetry env remove`, `tox -r` for theirs), best with one
    of an environment that nobody changes.

References:
    PEP 405; CPython's venv module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.afterwards import flips, new_python, python_goes, python_leaves
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding, Prediction
    from planner.reference import Reference
    from planner.rule import RuleContext

_NAMED = 3
_REMEDIES = {
    "nox": "run nox again, which makes it anew",
    "pipenv": "run `pipenv --rm` and `pipenv install --python` with a python that stays",
    "pipx": "run `pipx reinstall-all --python` with a python that stays",
    "poetry": "run `poetry env remove` and `poetry install` with a python that stays",
    "tox": "run `tox -r`, which makes it anew",
    "uv": "make it again with `uv venv --python` and a python that stays",
}


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each virtual environment; those that do not work today when nothing is about to happen to them."""
    for venv in ctx.surroundings.to(ctx.environment.prefix):
        if venv.kind != "virtualenv":
            continue
        dead = _dead(ctx, venv)
        if dead:
            yield _finding(ctx, venv, dead, "run", pre_existing=True)
        elif python_goes(ctx):
            text, predicts = _fate(ctx, venv)
            yield _finding(ctx, venv, text, predicts)
        elif (flipped := flips(ctx)) is not None:
            text, predicts = _flip_fate(ctx, venv, flipped[0][0], flipped[1][0])
            yield _finding(ctx, venv, text, predicts)
        elif venv.shares and (text := _shared(ctx, venv)):
            yield _finding(ctx, venv, text, None)


def _dead(ctx: RuleContext, venv: Reference) -> str:
    """Why it does not work today; empty when it does, as far as can be seen."""
    if venv.broken:
        return "does not start today: its bin/python leads nowhere"
    before = ctx.python_minor_before
    if venv.python is not None and before is not None and venv.python != before:
        return f"was made for python {venv.python}, and {venv.prefix} has python {before}"
    return ""


def _fate(ctx: RuleContext, venv: Reference) -> tuple[str, Prediction | None]:
    if not venv.interpreter:
        return (
            f"would no longer start: its python is a copy, which needs {venv.prefix}/lib/python{venv.python or ctx.python_minor_before}",
            "run",
        )
    link = f"its bin/python leads to {venv.prefix}/{venv.interpreter}"
    if python_leaves(ctx) or venv.interpreter.rstrip("t").endswith(f"python{ctx.python_minor_before}"):
        return f"would no longer start: {link}, which would be gone", "run"
    if not venv.modules:
        return f"would start {new_python(ctx)}: {link}; no packages were found in it that it could lose", None
    lost = f"all its packages ({_named(venv)})"
    return f"would start {new_python(ctx)} and lose {lost}: {link}, and they lie in lib/python{venv.python}", "import"


def _flip_fate(ctx: RuleContext, venv: Reference, old: str, new: str) -> tuple[str, Prediction | None]:
    """The same X.Y with another ABI: its standard library and its site-packages have another folder (`lib/python3.13t`)."""
    if not venv.interpreter:
        return (
            f"would no longer start: its python is a copy with the ABI {old}, and {venv.prefix} has {new} then",
            "run",
        )
    link = f"its bin/python leads to {venv.prefix}/{venv.interpreter}"
    if old.endswith("t") and venv.interpreter.endswith("t"):
        return f"would no longer start: {link}, which would be gone", "run"
    starts = f"{new_python(ctx)} with the ABI {new}"
    if not venv.modules:
        return f"would start {starts}: {link}; no packages were found in it that it could lose", None
    return f"would start {starts} and lose all its packages ({_named(venv)}), which it has for {old}: {link}", "import"


def _shared(ctx: RuleContext, venv: Reference) -> str:
    """What becomes of the packages that it has in common with the environment; empty where none of them leaves."""
    leave = [change.name for change in ctx.changes if change.after is None]
    if not leave:
        return ""
    more = f" and {len(leave) - _NAMED} more" if len(leave) > _NAMED else ""
    return (
        f"has the packages of {venv.prefix} besides its own (include-system-site-packages = true), and {', '.join(leave[:_NAMED])}"
        f"{more} would be gone from there: whether something in it needs them is not known"
    )


def _named(venv: Reference) -> str:
    names = ", ".join(venv.modules[:_NAMED])
    return f"{names} and {len(venv.modules) - _NAMED} more" if len(venv.modules) > _NAMED else names


def _finding(
    ctx: RuleContext, venv: Reference, text: str, predicts: Prediction | None, *, pre_existing: bool = False
) -> Finding:
    names = {environment.prefix: environment.name for environment in ctx.installation.environments}
    made = "" if venv.made_by == "venv" else f" (of {venv.made_by})"
    link = f"a link to {venv.prefix}/{venv.interpreter}" if venv.interpreter else "a copy"
    return finding(
        ctx,
        "ENV004",
        Severity.WARN if pre_existing or predicts is None else Severity.BLOCK,
        f"env:{venv.source}",
        f"{venv.source}{made} {text}",
        _REMEDIES.get(venv.made_by, "make it again with a python that stays, and install its packages anew"),
        predicts=None if pre_existing else predicts,
        certain=not ctx.on_windows,
        evidence=(
            Evidence("file", f"{venv.source}/pyvenv.cfg", venv.text),
            Evidence("file", f"{venv.source}/bin/python", link),
        ),
        pre_existing=pre_existing,
        environment=names.get(venv.holder or ""),
    )


RULE = Rule(
    id="ENV004",
    name="venv-on-base",
    title="A virtual environment was made from the python that changes",
    severity=Severity.BLOCK,
    check=check,
)
