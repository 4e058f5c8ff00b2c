"""The two solves of a question: what the tool's own command would do, and a new environment beside the old one.

They go on beside the reading and judging of all else (`planner.solve.beside`), so nothing is imported here that no
engine needs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner import channels
from planner.cache import open_cache
from planner.carry import new_environment_request, new_environment_specs
from planner.model.plan import Alternative, Alternatives
from planner.model.solve import Solution, SolveRequest
from planner.nearest import nearest_set
from planner.nothing_to_remove import nothing_to_remove
from planner.solve.asked import Asked
from planner.solve.choose import choose_solver, named_interpreter
from planner.solve.simulate import simulate
from planner.standing import standing_against
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from planner.model.installed import Environment, PackageRecord
    from planner.model.solve import Job, SolveOutcome
    from planner.nearest import Nearest
    from planner.question import Question
    from planner.situation import Situation
    from planner.solve.base import Solver
    from planner.solve.beside import Begin


class Proposal(Struct, frozen=True):
    """The new environment, None where there is none, and what it lacks; `for_pip` are specs that its pip layer needs."""

    solution: Solution | None
    alternatives: Alternatives = Alternatives()
    for_pip: tuple[str, ...] = ()


def engine_named(question: Question, begin: Begin, report: Callable[[str], None]) -> Callable[[], Solver] | None:
    """The engine where the question names its interpreter: nothing has to be read for that, and a process takes a while."""
    if named_interpreter(question.solver_python, question.environ) is None:
        return None
    return engine(question, None, begin, report)


def engine(
    question: Question, base: Environment | None, begin: Begin, report: Callable[[str], None]
) -> Callable[[], Solver]:
    """The engine, once it has started; the call raises what stands against it."""
    return begin(
        partial(
            choose_solver,
            question.solver,
            report,
            python=question.solver_python,
            environ=question.environ,
            base=base,
            kept=open_cache(question.cache_dir, question.environ),
        )
    )


class Answers:
    """The two answers to one question, begun at once, one after the other. Each call waits, and raises what failed."""

    def __init__(
        self, begin: Begin, situation: Situation, solver: Callable[[], Solver], report: Callable[[str], None]
    ) -> None:
        def would() -> SolveOutcome:
            report(f"solving: what {situation.request.tool} would do")
            return _what_would_happen(situation, solver())

        def should() -> Proposal:
            self.would_happen()  # where that failed, this does
            report("solving: a new environment beside the old one")
            return _what_should_be_done(situation, solver())

        self.solver = solver
        self.would_happen = begin(would)
        self.should_be_done = begin(should)

    def new_environment(self) -> tuple[PackageRecord, ...]:
        """The packages of the new environment; none where there is no such environment."""
        solution = self.should_be_done().solution
        return solution.records if solution is not None else ()


def asked_of(situation: Situation) -> Asked:
    """What is asked for, as the simulated tool takes it."""
    settings = situation.settings
    return Asked(
        environment=situation.target,
        request=situation.request,
        is_base=situation.is_base,
        configured_pins=settings.pinned_packages,
        aggressive_updates=settings.aggressive_update_packages,
        auto_update_conda=settings.auto_update_conda,
        max_attempts=situation.max_attempts,
    )


def candidates(situation: Situation, name: str, files: Collection[str] | None = None) -> tuple[PackageRecord, ...]:
    """Every build of a name that the channels have; with `files`, those of these packages' files alone."""
    return tuple(record for item in situation.repodata for record in channels.records_of(item, (name,), files))


def simulated(situation: Situation, solver: Solver, asked: Asked) -> SolveOutcome:
    """What the tool would do about what is asked for."""
    return simulate(
        asked,
        lambda now, jobs: solver.solve(_solve_request(situation, now, jobs)),
        partial(candidates, situation),
    )


def _what_would_happen(situation: Situation, solver: Solver) -> SolveOutcome:
    """The first question: the transaction that the tool itself would carry out."""
    if situation.listed is not None:
        return Solution(situation.listed)
    asked = asked_of(situation)
    outcome = simulated(situation, solver, asked)
    if isinstance(outcome, Solution) or outcome.refused or outcome.against:
        return outcome

    def solve(jobs: tuple[Job, ...], installed: tuple[PackageRecord, ...]) -> SolveOutcome:
        request = replace(_solve_request(situation, asked, jobs), installed=installed, explained=False)
        return solver.solve(request)

    against, pinned = standing_against(asked, solve)
    return replace(outcome, against=against + pinned, pinned=pinned)


def _what_should_be_done(situation: Situation, solver: Solver) -> Proposal:
    """The second question: a new environment that keeps everything requested, or the nearest one that has a solution."""
    if situation.listed is not None:
        return Proposal(Solution(situation.listed))
    if nothing_to_remove(situation.target, situation.request):
        return Proposal(None)
    specs = new_environment_specs(situation.target, situation.is_base, situation.request)
    outcome = _solve_new(situation, solver, specs)
    if isinstance(outcome, Solution):
        return _with_pips_needs(situation, solver, specs, Proposal(outcome))
    asked = tuple(spec for spec in specs if spec in situation.request.specs)
    others = tuple(spec for spec in specs if spec not in asked)
    found, solution = _nearest(situation, solver, asked, others)
    if found is None:
        return Proposal(None)
    item = Alternative(
        found.kept,
        costs=(
            f"for a new environment only: in {situation.target.name} itself all else that is asked for there would count",
            *(sentence for _, sentence in found.lost),
        ),
        lost=tuple(spec_name(spec) for spec, _ in found.lost),
    )
    return _with_pips_needs(situation, solver, found.kept, Proposal(solution, Alternatives(items=(item,))))


def _with_pips_needs(situation: Situation, solver: Solver, kept: tuple[str, ...], proposal: Proposal) -> Proposal:
    """The new environment with what its pip layer needs of conda, as far as that has a solution beside all else."""
    if proposal.solution is None or not situation.target.pip_dists:
        return proposal

    from planner.pip_from_conda import needed_from_conda

    needed = needed_from_conda(situation.target, situation.request, proposal.solution.records)
    if not needed:
        return proposal
    outcome = _solve_new(situation, solver, (*kept, *needed))
    if isinstance(outcome, Solution):
        return replace(proposal, solution=outcome, for_pip=needed)
    found, solution = _nearest(situation, solver, kept, needed)
    if found is None:
        return proposal
    return replace(proposal, solution=solution, for_pip=tuple(spec for spec in needed if spec in found.kept))


def _nearest(
    situation: Situation, solver: Solver, asked: tuple[str, ...], others: tuple[str, ...]
) -> tuple[Nearest | None, Solution | None]:
    """The nearest set that has a solution, with its solution."""
    solutions: dict[tuple[str, ...], Solution] = {}

    def solves(some: tuple[str, ...]) -> bool:
        answer = _solve_new(situation, solver, some)
        if isinstance(answer, Solution):
            solutions[some] = answer
        return some in solutions

    found = nearest_set(asked, others, solves)
    return found, solutions[found.kept] if found is not None else None


def _solve_request(situation: Situation, asked: Asked, jobs: tuple[Job, ...]) -> SolveRequest:
    request = asked.request
    return SolveRequest(
        installed=asked.environment.records,
        jobs=jobs,
        repodata=situation.repodata,
        virtual_packages=situation.host.virtual_packages,
        subdir=situation.host.subdir,
        channel_priority=request.channel_priority,
        add_pip_as_python_dependency=situation.settings.add_pip_as_python_dependency,
        # Only conda's own update never goes back.
        allow_downgrade=request.tool == "mamba" or request.operation not in {"update", "update-all"},
        force_reinstall="--force-reinstall" in request.options,
        channel_alias=situation.settings.channel_alias,
        channel_names=situation.channel_names,
    )


def _solve_new(situation: Situation, solver: Solver, specs: tuple[str, ...]) -> SolveOutcome:
    """Whether and how these specs are to be had together; where they are not, nobody asks why."""
    return solver.solve(
        new_environment_request(
            specs, situation.repodata, situation.host, situation.host.subdir, situation.request.channel_priority
        )
    )
