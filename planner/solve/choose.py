"""Which engine answers, and why: the choice is made once and written into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.solve.base import Solver


def choose_solver(wanted: str, progress: Callable[[str], None] | None = None) -> Solver:
    """The engine for `--solver wanted` ("auto" or "rattler"). rattler is imported here and not before."""
    from planner.solve.rattler import RattlerSolver

    reason = "--solver rattler" if wanted == "rattler" else "the engine that the planner brings along"
    return RattlerSolver(
        f"{reason}; it has no weak requests, so builds may differ from those libmamba would choose", progress
    )
