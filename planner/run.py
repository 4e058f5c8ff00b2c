"""The main job as one readable function: load, solve twice, compare, judge, plan.

The engine starts and solves beside all else: what only judging needs is read meanwhile.

`what_if` reads the installation, the channels and the host, and returns a `Plan`. It writes nothing but the planner's
own cache folder, runs nothing of the environments it looks at, and prints nothing: what a person sees is the
renderers' business, progress goes to the function passed in.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from planner import channels, judge, load, migrate
from planner.abi import archives, fates
from planner.abi.binaries import Binaries, Sources, work_folder
from planner.abi.system import is_this_machine
from planner.alternatives import MOST, nearest_requests
from planner.diff import diff
from planner.explain import explain_unsolvable
from planner.fingerprint import fingerprint
from planner.held_back import held_back
from planner.imports.changed import Imports
from planner.isolation import environment_reports
from planner.model import Alternative, Alternatives, Plan, Solution, SolveRequest, Target, Unsolvable
from planner.nearest import nearest_set
from planner.package_cache import is_cached
from planner.question import Question
from planner.reasons import explain_changes
from planner.rule import RuleContext
from planner.shared_paths import shared_paths
from planner.situation import Around, Situation, read_around, read_situations
from planner.solve.asked import FIRST_WITH_LIBMAMBA, Asked
from planner.solve.beside import beside
from planner.solve.choose import choose_solver, named_interpreter
from planner.solve.simulate import simulate
from planner.standing import standing_against
from planner.torch_links import torch_link
from planner.version import __version__
from planner.versions import compare, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from planner.model import (
        Environment,
        Job,
        Migration,
        PackageChange,
        PackageRecord,
        PipDist,
        SolveOutcome,
        SolverInfo,
    )
    from planner.rule import Rule
    from planner.solve.base import Solver
    from planner.solve.beside import Begin

__all__ = ["Question", "what_if", "what_if_each"]

_FORCED_MINOR = re.compile(r"^={0,2}(\d+\.\d+)(\.\d+)*(\.\*)?$")


def what_if(question: Question, rules: Sequence[Rule], progress: Callable[[str], None] | None = None) -> Plan:
    """Answer the question. Raises `InputError` and its kin for what cannot be used, `SolverFailed` for a broken engine."""
    return next(what_if_each((question,), rules, progress))


def what_if_each(
    questions: Sequence[Question], rules: Sequence[Rule], progress: Callable[[str], None] | None = None
) -> Iterator[Plan]:
    """Answer several questions, which differ in what should change and in nothing else; what they share is read once.

    Each plan is what `what_if` would answer. Raises as that does.
    """
    report = progress or (lambda _text: None)
    around: Around | None = None
    with beside() as begin:
        chosen = _early(questions[0], begin, report)
        for question, situation in zip(questions, read_situations(questions, report), strict=True):
            chosen = chosen or begin(partial(_chosen, question, situation.base, report))
            answers = _Answers(begin, situation, chosen, report)
            around = around or read_around(question, situation, report)
            yield _answered(question, situation, around, answers, rules, report)


def _early(question: Question, begin: Begin, report: Callable[[str], None]) -> Callable[[], Solver] | None:
    """The engine, where it can be told without anything that is read first; a process takes a while to start."""
    named = named_interpreter(question.solver_python, question.environ)
    return begin(partial(_chosen, question, None, report)) if named else None


def _chosen(question: Question, base: Environment | None, report: Callable[[str], None]) -> Solver:
    return choose_solver(question.solver, report, python=question.solver_python, environ=question.environ, base=base)


class _Answers:
    """The two answers of an engine, the second begun when the first is there. Each call waits, and raises what failed."""

    def __init__(
        self, begin: Begin, situation: Situation, chosen: Callable[[], Solver], report: Callable[[str], None]
    ) -> None:
        def would() -> SolveOutcome:
            report(f"solving: what {situation.request.tool} would do")
            return _what_would_happen(situation, chosen())

        def should() -> tuple[Solution | None, Alternatives]:
            self.would_happen()  # where that failed, this does
            report("solving: a new environment beside the old one")
            return _what_should_be_done(situation, chosen())

        self.solver = chosen
        self.would_happen = begin(would)
        self.should_be_done = begin(should)


def _answered(
    question: Question,
    situation: Situation,
    around: Around,
    answers: _Answers,
    rules: Sequence[Rule],
    report: Callable[[str], None],
) -> Plan:
    outcome = answers.would_happen()
    with work_folder(question.cache_dir) as work:
        sources = _sources(situation, question, work, report)
        plan = _judged(situation, around, answers, rules, sources, created=question.created)
    new, elsewhere = answers.should_be_done()
    migration = _migration(situation, around, new, question.name) if new else None
    alternatives = _alternatives(situation, answers.solver(), outcome, elsewhere, report)
    return replace(
        plan,
        recommendation=judge.recommendation(plan.verdict, migration is not None, plan.outcome),
        alternatives=alternatives,
        migration=migration,
    )


def _asked(situation: Situation) -> Asked:
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


def _what_would_happen(situation: Situation, solver: Solver) -> SolveOutcome:
    """The first question: the transaction that the tool itself would carry out."""
    if situation.listed is not None:
        return Solution(situation.listed)
    asked = _asked(situation)
    outcome = _simulated(situation, solver, asked)
    if isinstance(outcome, Solution) or outcome.refused or outcome.against:
        return outcome

    def solve(jobs: tuple[Job, ...], installed: tuple[PackageRecord, ...]) -> SolveOutcome:
        request = replace(_solve_request(situation, asked, jobs), installed=installed, explained=False)
        return solver.solve(request)

    against, pinned = standing_against(asked, solve)
    return replace(outcome, against=against + pinned, pinned=pinned)


def _simulated(situation: Situation, solver: Solver, asked: Asked) -> SolveOutcome:
    return simulate(
        asked,
        lambda now, jobs: solver.solve(_solve_request(situation, now, jobs)),
        partial(_candidates, situation),
    )


def _solve_request(situation: Situation, asked: Asked, jobs: tuple[Job, ...]) -> SolveRequest:
    request = asked.request
    return SolveRequest(
        installed=situation.target.records,
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


def _sources(
    situation: Situation, question: Question, work: Callable[[], Path], report: Callable[[str], None]
) -> Sources:
    """Where the contents of planned packages may be had."""
    caches = (question.cache_dir, *situation.settings.pkgs_dirs)
    fetched = {item.channel for item in situation.repodata if item.path.startswith(caches)}
    online = not (question.offline or situation.settings.offline)
    return Sources(
        look=question.look_into_files,
        deep=question.deep,
        pkgs_dirs=situation.settings.pkgs_dirs,
        folders=tuple(dict.fromkeys(os.path.dirname(item.path) for item in situation.repodata)),
        remote=lambda record: online and record.channel in fetched and record.url.startswith(("http://", "https://")),
        work=work,
        report=report,
    )


def _judged(
    situation: Situation,
    around: Around,
    answers: _Answers,
    rules: Sequence[Rule],
    sources: Sources,
    *,
    created: str,
) -> Plan:
    """The plan but for what should be done instead."""
    target, request = situation.target, situation.request
    outcome = answers.would_happen()
    after = outcome.records if isinstance(outcome, Solution) else None
    changes = _changes(situation, after)
    files = lru_cache(maxsize=None)(partial(load.record_files, target.prefix))
    binaries = Binaries(
        target,
        after,
        changes,
        files,
        sources,
        glibc=situation.host.virtual("__glibc"),
        this_machine=is_this_machine(situation.host),
    )
    binaries.read()
    held = held_back(_asked(situation), after, partial(_candidates, situation)) if after is not None else ()
    new, _ = answers.should_be_done()
    sources.report("judging what the change would break")
    ctx = RuleContext(
        installation=around.installation,
        environment=target,
        is_base=situation.is_base,
        request=request,
        host=situation.host,
        after=after,
        changes=changes,
        planned_python=_planned_python(situation, after),
        files=files,
        shared=lru_cache(maxsize=None)(partial(shared_paths, target.prefix)),
        binaries=binaries,
        imports=Imports(
            target, after, changes, files, binaries, around.surroundings, look=sources.look, report=sources.report
        ),
        surroundings=around.surroundings,
        new_environment=new.records if new else (),
        torch_link=lru_cache(maxsize=None)(partial(torch_link if sources.look else _not_looked_at, target.prefix)),
        candidates=partial(_candidates, situation),
        configured_pins=situation.settings.pinned_packages,
        cached=partial(is_cached, situation.settings.pkgs_dirs),
    )
    findings, edges = judge.judge(rules, ctx, reached=fates.edges(ctx))
    return Plan(
        planner_version=__version__,
        created=created,
        fingerprint=fingerprint(situation),
        root=situation.root,
        target=Target(target.name, target.prefix, target.python, len(target.records), len(target.pip_dists)),
        request=request,
        host=situation.host,
        solver=_solver_info(situation, answers.solver()),
        outcome="unsolvable" if after is None else "change" if changes else "no-change",
        verdict=judge.verdict(after is None, findings, not target.problems),
        recommendation="do-not-proceed",  # replaced once the second question is answered
        explanation=_explanation(situation, outcome),
        changes=changes,
        final_state=after or (),
        edges=edges,
        findings=findings,
        held_back=held,
        environments=environment_reports(around.installation, target, changes, findings, around.surroundings),
    )


def _solver_info(situation: Situation, solver: Solver) -> SolverInfo:
    """The engine as the plan records it; conda with libmamba is simulated, and not every conda is that."""
    base = situation.base
    conda = base.record("conda") if base is not None else None
    if situation.request.tool != "conda" or conda is None:
        return solver.info
    if situation.settings.solver == "classic":
        whose = "this installation is configured for conda's classic solver"
    elif situation.settings.solver is None and compare(conda.version, FIRST_WITH_LIBMAMBA) < 0:
        whose = f"this installation's own conda {conda.version} has the classic solver by default"
    else:
        return solver.info
    simulated = "conda 23.10 or newer with its libmamba solver is what is simulated, and the two can answer differently"
    return replace(solver.info, reason=f"{solver.info.reason}; {whose}: {simulated}")


def _explanation(situation: Situation, outcome: SolveOutcome) -> str | None:
    if isinstance(outcome, Solution):
        return None
    history = frozenset(spec for _, spec in situation.target.history.specs)
    return explain_unsolvable(situation.request, outcome, history, partial(_candidates, situation))


def _not_looked_at(_prefix: str, _dist: PipDist) -> None:
    """With `--no-files` nobody knows what an object is tied to."""


def _changes(situation: Situation, after: tuple[PackageRecord, ...] | None) -> tuple[PackageChange, ...]:
    if after is None:
        return ()
    asked = _asked(situation)
    requested = frozenset(asked.requested) | situation.target.history.names
    again = frozenset(asked.requested) if "--force-reinstall" in situation.request.options else frozenset()
    return explain_changes(
        diff(situation.target.records, after, requested, again),
        situation.target.records,
        after,
        situation.request,
        kept_fresh=asked.kept_fresh if situation.request.tool == "conda" else (),
        candidates=partial(_candidates, situation),
    )


def _candidates(situation: Situation, name: str) -> tuple[PackageRecord, ...]:
    return tuple(record for item in situation.repodata for record in channels.records_of(item, (name,)))


def _planned_python(situation: Situation, after: tuple[PackageRecord, ...] | None) -> str | None:
    """Python's version after the change; without a solution the X.Y that the request forces, if it forces one."""
    if after is not None:
        return next((record.version for record in after if record.name == "python"), None)
    for spec in situation.request.specs:
        if spec_name(spec) == "python" and situation.request.operation in {"install", "update"}:
            forced = _FORCED_MINOR.match(spec_version(spec) or "")
            return forced.group(1) if forced else None
    return situation.target.python


def _alternatives(
    situation: Situation,
    solver: Solver,
    outcome: SolveOutcome,
    elsewhere: Alternatives,
    report: Callable[[str], None],
) -> Alternatives:
    """Requests that the tool would carry out instead of an unsolvable one, then what a new environment lacks."""
    if isinstance(outcome, Solution):
        return elsewhere
    report("looking for requests near this one that do solve")
    near = nearest_requests(
        _asked(situation), outcome, partial(_simulated, situation, solver), partial(_candidates, situation)
    )
    items = (*near.items, *elsewhere.items)
    return Alternatives(near.complete and len(items) <= MOST, items[:MOST])


def _what_should_be_done(situation: Situation, solver: Solver) -> tuple[Solution | None, Alternatives]:
    """The second question: a new environment that keeps everything requested, or the nearest one that has a solution."""
    if situation.listed is not None:
        return Solution(situation.listed), Alternatives()
    specs = migrate.new_environment_specs(situation.target, situation.is_base, situation.request)
    outcome = _solve_new(situation, solver, specs)
    if isinstance(outcome, Solution):
        return outcome, Alternatives()
    asked = tuple(spec for spec in specs if spec in situation.request.specs)
    others = tuple(spec for spec in specs if spec not in asked)
    found = nearest_set(asked, others, lambda some: isinstance(_solve_new(situation, solver, some), Solution))
    outcome = _solve_new(situation, solver, found.kept) if found is not None else outcome
    if found is None or isinstance(outcome, Unsolvable):
        return None, Alternatives()
    item = Alternative(
        found.kept,
        costs=tuple(sentence for _, sentence in found.lost),
        lost=tuple(spec_name(spec) for spec, _ in found.lost),
    )
    return outcome, Alternatives(complete=False, items=(item,))


def _solve_new(situation: Situation, solver: Solver, specs: tuple[str, ...]) -> SolveOutcome:
    """Whether and how these specs are to be had together; where they are not, nobody asks why."""
    return solver.solve(
        migrate.new_environment_request(
            specs, situation.repodata, situation.host, situation.host.subdir, situation.request.channel_priority
        )
    )


def _migration(situation: Situation, around: Around, solution: Solution, name: str | None) -> Migration:
    return migrate.plan_migration(
        environment=situation.target,
        installation=around.installation,
        is_base=situation.is_base,
        request=situation.request,
        host=situation.host,
        solution=solution,
        name=name,
        planned_python=next((record.version for record in solution.records if record.name == "python"), None),
        belongings=around.belongings,
        disk_bytes=archives.unpacked_bytes(solution.records, situation.settings.pkgs_dirs),
    )
