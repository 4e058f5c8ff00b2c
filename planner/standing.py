"""Which spec stands against a request that has no solution, found by asking for each alone together with it.

Only what has no solution with the request even when nothing else is asked for is blamed: the words of an engine name
whatever it met on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.solve import Install, Pin, Solution, Unsolvable
from planner.versions import dependency_name, matches, spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.installed import PackageRecord
    from planner.model.solve import Job, SolveOutcome
    from planner.solve.asked import Asked

    Solve = Callable[[tuple[Job, ...], tuple[PackageRecord, ...]], SolveOutcome]


def standing_against(asked: Asked, solve: Solve) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The specs of history, and the pins, that cannot be had together with the request.

    `solve` answers jobs on a set of installed records. Both are empty where none can be blamed by itself.
    """
    if asked.request.operation in {"remove", "update-all"}:
        return (), ()
    request = tuple(Install(spec) for spec in asked.request.specs)
    pins = _blamed_pins(asked, request, solve)
    if asked.request.tool != "conda":
        return (), pins
    forced = solve(request, asked.environment.records)
    if isinstance(forced, Unsolvable):
        return (), pins
    return tuple(spec for spec in _unmet(asked, forced) if not _solves(asked, request, spec, solve)), pins


def _solves(asked: Asked, request: tuple[Job, ...], spec: str, solve: Solve) -> bool:
    return isinstance(solve((*request, Install(spec)), _with_needs(asked, spec_name(spec))), Solution)


def _with_needs(asked: Asked, name: str) -> tuple[PackageRecord, ...]:
    """The installed record of that name with all that it needs: alone, it would be broken already, and stay so."""
    installed = asked.installed
    found: dict[str, PackageRecord] = {}
    waiting = [name]
    while waiting:
        record = installed.get(waiting.pop())
        if record is not None and record.name not in found:
            found[record.name] = record
            waiting.extend(dependency_name(need) for need in record.depends)
    return tuple(record for record in asked.environment.records if record.name in found)


def _blamed_pins(asked: Asked, request: tuple[Job, ...], solve: Solve) -> tuple[str, ...]:
    pins = [pin for pin in asked.pins.values() if not spec_is_bare(pin)]
    if not pins or isinstance(solve(request, ()), Unsolvable):
        return ()
    return tuple(pin for pin in pins if isinstance(solve((*request, Pin(pin)), ()), Unsolvable))


def _unmet(asked: Asked, answer: Solution) -> tuple[str, ...]:
    """The specs asked for earlier that an answer does not meet, those that this request replaces aside."""
    present = {record.name: record for record in answer.records}
    return tuple(
        spec
        for name, spec in asked.environment.history.specs
        if name not in asked.requested and (name not in present or matches(spec, present[name]) is False)
    )
