"""conda's attempts: it tries, lets go of what conflicts, and tries again.

conda first freezes what is installed (a plain `install`), then releases what stood in the way, attempt by attempt, and
at last releases everything but what was asked for, now or earlier. Only the last failure is one. This is how packages
that no history names are dropped without a word. The engine is any; one that cannot say what conflicts goes from the
first attempt to the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.solve import Solution, Unsolvable
from planner.near_names import hint
from planner.solve.conda_jobs import conda_jobs
from planner.solve.problems import read_problems
from planner.versions import matches, spec_is_bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planner.model.installed import PackageRecord
    from planner.model.solve import Job, SolveOutcome
    from planner.solve.asked import Asked

_MOST_ATTEMPTS = 10
_TOO_MANY_CONFLICTS = 10


def as_conda(
    asked: Asked,
    solve: Callable[[tuple[Job, ...]], SolveOutcome],
    candidates: Callable[[str], Iterable[PackageRecord]],
) -> SolveOutcome:
    """What conda's attempts come to. `candidates` are the channels' builds of a name. Raises `BadSpec`."""
    refusal = _refused(asked, candidates)
    if refusal is not None:
        return refusal
    conflicts: dict[str, str] = {}
    for _ in range(_most_attempts(asked)):
        outcome = solve(conda_jobs(asked, conflicts))
        if isinstance(outcome, Solution):
            return outcome
        learnt = _learnt(outcome, conflicts)
        if learnt is None:
            break
        conflicts |= learnt
    return solve(conda_jobs(asked, conflicts.keys() | asked.installed.keys()))


def _most_attempts(asked: Asked) -> int:
    installed = len(asked.installed)
    if asked.max_attempts is not None:
        return min(asked.max_attempts, installed) if installed else asked.max_attempts
    if asked.modifier == "freeze-installed" and installed and asked.request.operation != "remove":
        return min(_MOST_ATTEMPTS, installed)
    return 1


def _learnt(outcome: Unsolvable, known: dict[str, str]) -> dict[str, str] | None:
    """The conflicts that an attempt adds; None where conda tries no further but for the last time."""
    problems = read_problems(outcome)
    found = problems.conflicts
    if not found:
        return None
    before, now = set(known.values()), set(found.values())
    added = now - before
    if len(added) > 1 and "python" in found:
        # Others first: releasing python moves everything.
        found = {name: text for name, text in found.items() if name != "python"}
    if (before and before == now) or len(added) >= _TOO_MANY_CONFLICTS:
        return None
    return found


def _refused(asked: Asked, candidates: Callable[[str], Iterable[PackageRecord]]) -> Unsolvable | None:
    """What conda refuses before it asks the solver."""
    operation, installed = asked.request.operation, asked.installed
    for name, spec in asked.requested.items():
        present = installed.get(name)
        meant = hint(name, installed) if present is None else ""
        if operation == "remove" and (present is None or matches(spec, present) is False):
            return Unsolvable(
                f"{spec} is not installed in {asked.environment.name}: conda has nothing to remove{meant}", refused=True
            )
        if operation == "update" and present is None:
            return Unsolvable(
                f"{name} is not installed in {asked.environment.name}: conda update does not install{meant}",
                refused=True,
            )
        pin = asked.pins.get(name)
        if operation == "remove" or pin is None:
            continue
        if spec_is_bare(pin):
            if present is not None and matches(spec, present) is False:
                return Unsolvable(
                    f"{spec} stands against the pin {pin}, which holds {present.label}", (pin,), (pin,), refused=True
                )
            continue
        builds = [*candidates(name), *([present] if present else [])]
        wanted = [build for build in builds if matches(spec, build)]
        if wanted and not any(matches(pin, build) for build in wanted):
            return Unsolvable(
                f"{spec} stands against the pin {pin}: no build in the channels meets both",
                (pin,),
                (pin,),
                refused=True,
            )
    return None
