"""ENV002 python-path: PYTHONPATH or PYTHONHOME points into an environment that changes.

What it checks:
    Every entry of PYTHONPATH and PYTHONHOME that activation scripts, conda-meta/state, env_vars.d, kernelspecs, units,
    cron tables, shell start-up files or the planner's own environment set, and that lies in the environment that changes. And
    entries elsewhere that hold for it: whether compiled modules lie there that were built for its python alone.

Why it matters:
    Whoever has such a variable imports from that environment, in whatever environment they are. When python's minor moves,
    the folder is emptied of what conda installed, and what is left there was made for the old python.

How it decides:
    It fires when python's minor moves (or python leaves) and the entry is bound to the python that goes, or is the
    environment itself; or when the package that owns the entry leaves. Where python's minor moves, an entry elsewhere fires
    by the names of the modules right in it (`ext.cpython-310-x86_64-linux-gnu.so`), if no other file is that module too.

Evidence and limits:
    The line that sets it. Scripts are read and not run: a value that is put together when they run is not seen. Who starts
    a python with that variable is not known, so what exactly stops is not foretold.

Example:
    ~/.bashrc has `export PYTHONPATH=/opt/conda/lib/python3.10/site-packages`, and base moves to python 3.11.

What to do:
    Take the entry out, and install what is needed where it is used.

References:
    conda drops both variables for its own subprocesses (conda/gateways/subprocess.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.afterwards import lost_beside, new_python, path_afterwards
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.reference import Setting
    from planner.rule import RuleContext

_VARIABLES = frozenset({"PYTHONHOME", "PYTHONPATH"})


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each place that sets such an entry."""
    names = {environment.prefix: environment.name for environment in ctx.installation.environments}
    for setting in ctx.surroundings.settings:
        if setting.prefix != ctx.environment.prefix and setting.applies_to in {None, ctx.environment.prefix}:
            yield from _built_for_it(ctx, setting)
        if setting.variable not in _VARIABLES or setting.prefix != ctx.environment.prefix:
            continue
        then = path_afterwards(ctx, setting.path)
        if then.fate == "stays":
            continue
        yield finding(
            ctx,
            "ENV002",
            Severity.WARN,
            f"file:{setting.source}",
            f"{setting.source} puts {setting.entry} on {setting.variable}: {then.why or f'there would be {new_python(ctx)}'}",
            f"take {setting.entry} out of {setting.variable}, and install what is needed where it is used",
            certain=then.certain,
            evidence=(Evidence("file", setting.where, setting.text), *then.evidence),
            environment=names.get(setting.applies_to or ""),
        )


def _built_for_it(ctx: RuleContext, setting: Setting) -> Iterator[Finding]:
    """A folder of somebody's own, with compiled modules that only the python of today loads."""
    lost = lost_beside(ctx, setting.bound)
    if lost:
        names = ", ".join(name for name, _ in lost)
        yield finding(
            ctx,
            "ENV002",
            Severity.WARN,
            f"file:{setting.source}",
            f"{setting.source} puts {setting.entry} on {setting.variable}: {names} in it would not be found by "
            f"{new_python(ctx)}, being built for python {ctx.python_minor_before}",
            f"build {names} again for {new_python(ctx)}",
            evidence=(Evidence("file", setting.where, setting.text), *(where for _, where in lost)),
        )


RULE = Rule(
    id="ENV002",
    name="python-path",
    title="PYTHONPATH or PYTHONHOME points into an environment that changes",
    severity=Severity.WARN,
    check=check,
)
