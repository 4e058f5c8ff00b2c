"""The first question, "what would happen": a tool's own command carried out on an engine, from jobs to the last option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.solve import Solution, Unsolvable
from planner.solve.attempts import as_conda
from planner.solve.deps import reduced, with_dependencies
from planner.solve.mamba_jobs import mamba_jobs
from planner.versions import dependency_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planner.model.installed import PackageRecord
    from planner.model.solve import Job, SolveOutcome
    from planner.solve.asked import Asked


def simulate(
    asked: Asked,
    solve: Callable[[Asked, tuple[Job, ...]], SolveOutcome],
    candidates: Callable[[str], Iterable[PackageRecord]],
) -> SolveOutcome:
    """What the environment would be after the command, or why there is no such environment.

    `solve` answers one set of jobs, `candidates` gives the channels' builds of a name. Raises `BadSpec`.
    """
    if asked.request.tool == "mamba":
        outcome = solve(asked, mamba_jobs(asked))
    else:
        outcome = as_conda(asked, lambda jobs: solve(asked, jobs), candidates)
    if isinstance(outcome, Unsolvable):
        return outcome
    second = with_dependencies(asked, outcome)
    if second is not None:
        return simulate(second, solve, candidates)
    answer = reduced(asked, outcome)
    return _unless_conda_goes(asked, answer) if asked.request.tool == "conda" and asked.is_base else answer


def _unless_conda_goes(asked: Asked, answer: Solution) -> SolveOutcome:
    """Conda's check of a transaction on its own prefix: neither it nor what it depends on is removed from there."""
    after = {record.name: record for record in answer.records}
    installed = asked.installed
    if "conda" not in installed:
        return answer
    if "conda" not in after:
        return Unsolvable(
            "the solver has an answer without conda, and conda carries out none that removes conda from base",
            against=("conda",),
        )
    needs = {dependency_name(spec) for spec in after["conda"].depends}
    lost = sorted(name for name in needs if name in installed and name not in after)
    if lost:
        return Unsolvable(
            f"{', '.join(lost)} would be removed, which conda depends on, and conda carries out nothing that does so",
            refused=True,
        )
    return answer
