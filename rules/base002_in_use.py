"""BASE002 in-use: processes run from the environment that would change.

What it checks:
    Running processes whose program, or a file that is mapped into them, lies in the environment, when the change does
    anything.

Why it matters:
    A running program imports modules and opens files as it goes. When these are replaced under it, it may fail hours later
    with an error that nobody connects to the change; on Windows its files cannot be replaced, and the change breaks off.

How it decides:
    From the process table: the program itself, and the files mapped into it.

Evidence and limits:
    Only the processes of this machine, at this moment, that this user may look into. A job on another machine that
    uses the same file system is not seen.

Example:
    A notebook server runs from base's python while base is updated.

What to do:
    Stop them before the change, or make the change in a new environment.

References:
    proc(5); psutil's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.reference import RunningProcess
    from planner.rule import RuleContext

_SHOWN = 10


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding, about the environment."""
    running = [item for item in ctx.surroundings.processes if item.prefix == ctx.environment.prefix]
    if not running or not ctx.changes:
        return
    number = "a process runs" if len(running) == 1 else f"{len(running)} processes run"
    names = ", ".join(sorted({item.name or str(item.pid) for item in running})[:3])
    yield finding(
        ctx,
        "BASE002",
        Severity.WARN,
        f"env:{ctx.environment.name}",
        f"{number} from this environment now ({names})",
        "stop them before the change, or make a new environment",
        evidence=[Evidence("file", item.path, _used(item)) for item in running[:_SHOWN]],
    )


def _used(process: RunningProcess) -> str:
    name = f" {process.name}" if process.name else ""
    return f"in use by process {process.pid}{name}{f' of {process.user}' if process.user else ''}"


RULE = Rule(
    id="BASE002",
    name="in-use",
    title="Processes run from the environment that would change",
    severity=Severity.WARN,
    check=check,
)
