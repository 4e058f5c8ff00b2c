"""From the first answer to a plan: what changes and why, what that breaks, and the way to the new environment.

Nothing of it is needed before an engine has begun, and all of it is imported while one works.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner import channels, judge, migrate
from planner.abi import archives, fates
from planner.abi.binaries import Binaries, Sources, work_folder
from planner.abi.system import is_this_machine
from planner.alternatives import MOST, nearest_requests
from planner.diff import diff, same_file
from planner.explain import explain_unsolvable
from planner.fingerprint import fingerprint
from planner.held_back import held_back
from planner.imports.changed import Imports
from planner.isolation import environment_reports
from planner.model.plan import Alternatives, Plan, Target
from planner.model.solve import Solution
from planner.nothing_to_remove import pip_has
from planner.package_cache import is_cached
from planner.question import asked_again
from planner.reasons import explain_changes
from planner.rule import RuleContext
from planner.shared_paths import shared_paths
from planner.solve.asked import FIRST_WITH_LIBMAMBA
from planner.solving import asked_of, candidates, simulated
from planner.torch_links import torch_link
from planner.version import __version__
from planner.versions import compare, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from planner.around import Around
    from planner.model.installed import PackageRecord
    from planner.model.plan import Migration, PackageChange
    from planner.model.solve import SolveOutcome, SolverInfo
    from planner.question import Question
    from planner.rule import Rule
    from planner.situation import Situation
    from planner.solve.base import Solver
    from planner.solving import Answers, Proposal

_FORCED_MINOR = re.compile(r"^={0,2}(\d+\.\d+)(\.\d+)*(\.\*)?$")


def plan_of(
    question: Question,
    situation: Situation,
    around: Around,
    answers: Answers,
    rules: Sequence[Rule],
    report: Callable[[str], None],
) -> Plan:
    """The whole plan. Waits for the second answer where it is first asked for."""
    outcome = answers.would_happen()
    with work_folder(question.cache_dir) as work:
        sources = _sources(situation, question, work, report)
        plan = _judged(situation, around, answers, rules, sources, created=question.created)
    proposal = answers.should_be_done()
    migration = _migration(situation, around, proposal, question)
    alternatives = _alternatives(situation, answers.solver(), outcome, proposal.alternatives, report)
    return replace(
        plan,
        recommendation=judge.recommendation(plan.verdict, migration is not None, plan.outcome),
        alternatives=alternatives,
        migration=migration,
    )


def _judged(
    situation: Situation,
    around: Around,
    answers: Answers,
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
    files = around.files
    binaries = Binaries(
        target,
        after,
        changes,
        files,
        sources,
        glibc=situation.host.virtual("__glibc"),
        this_machine=is_this_machine(situation.host),
    )
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
        imports=Imports(target, after, changes, files, binaries, around.surroundings, report=sources.report),
        surroundings=around.surroundings,
        new_environment=answers.new_environment,
        torch_link=lru_cache(maxsize=None)(partial(torch_link, target.prefix)),
        candidates=partial(candidates, situation),
        configured_pins=situation.settings.pinned_packages,
        at_hand=partial(_at_hand, situation),
    )
    findings, edges = judge.judge(rules, ctx, reached=fates.edges(ctx))
    files.keep()
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
        held_back=held_back(asked_of(situation), after, partial(candidates, situation)) if after is not None else (),
        environments=environment_reports(around.installation, target, changes, findings, around.surroundings),
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
    if outcome.refused:
        return f"{outcome.explanation}{pip_has(situation.target, situation.request)}"
    history = frozenset(spec for _, spec in situation.target.history.specs)
    records, names = situation.target.records, partial(_known_names, situation)
    return explain_unsolvable(situation.request, outcome, history, partial(candidates, situation), records, names)


def _known_names(situation: Situation) -> Iterator[str]:
    """Of all packages that are installed or to be had."""
    yield from (record.name for record in situation.target.records)
    for item in situation.repodata:
        yield from channels.names_of(item)


def _at_hand(situation: Situation, record: PackageRecord) -> bool:
    """Whether a build can be had again as that very file; most can, and then no other builds need to be looked at."""
    if is_cached(situation.settings.pkgs_dirs, record):
        return True
    files = {record.fn or f"{record.dist_name}.conda"}
    return any(same_file(record, item) for item in candidates(situation, record.name, files))


def _changes(situation: Situation, after: tuple[PackageRecord, ...] | None) -> tuple[PackageChange, ...]:
    if after is None:
        return ()
    asked = asked_of(situation)
    requested = frozenset(asked.requested) | situation.target.history.names
    again = frozenset(asked.requested) if "--force-reinstall" in situation.request.options else frozenset()
    return explain_changes(
        diff(situation.target.records, after, requested, again),
        situation.target.records,
        after,
        situation.request,
        kept_fresh=asked.kept_fresh if situation.request.tool == "conda" else (),
        candidates=partial(candidates, situation),
    )


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
        asked_of(situation), outcome, partial(simulated, situation, solver), partial(candidates, situation)
    )
    items = (*near.items, *elsewhere.items)
    return Alternatives(near.complete and len(items) <= MOST, items[:MOST])


def _migration(situation: Situation, around: Around, proposal: Proposal, question: Question) -> Migration | None:
    solution = proposal.solution
    if solution is None:
        return None
    return migrate.plan_migration(
        environment=situation.target,
        installation=around.installation,
        is_base=situation.is_base,
        request=situation.request,
        host=situation.host,
        solution=solution,
        name=question.name,
        again=asked_again(question, situation.root, situation.request.channels),
        planned_python=next((record.version for record in solution.records if record.name == "python"), None),
        belongings=around.belongings,
        for_pip=proposal.for_pip,
        asked_of_pip=situation.asked_of_pip,
        disk_bytes=archives.unpacked_bytes(solution.records, situation.settings.pkgs_dirs),
    )
