"""`planner audit`: the rules on the present state of one environment, without any change.

The rules run on a change of nothing. What they then mark as there before is exactly what an audit is after, and counts.
Beside them stands what needs no change to be seen (`planner.present`), and the state of conda's own files.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner import judge
from planner.abi.binaries import Binaries, Sources
from planner.abi.system import is_this_machine
from planner.around import read_around
from planner.integrity import check_files
from planner.model.plan import Finding, Severity, Target, Verdict
from planner.present import overlapping, present_findings
from planner.rule import Rule, RuleContext
from planner.shared_paths import shared_paths
from planner.situation import read_present
from planner.torch_links import torch_link
from planner.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from planner.around import Around
    from planner.integrity import Integrity
    from planner.model.installed import Host, LoadProblem
    from planner.question import Question
    from planner.situation import Situation


class Audit(Struct, frozen=True):
    """The whole answer. `deep` says that every file was hashed; `outside` is what refers to the environment."""

    planner_version: str
    created: str
    root: str
    target: Target
    host: Host
    deep: bool
    verdict: Verdict
    findings: tuple[Finding, ...]
    integrity: Integrity
    outside: tuple[str, ...]
    problems: tuple[LoadProblem, ...]
    not_looked_at: tuple[LoadProblem, ...]


def audit(
    question: Question, rules: Sequence[Rule], *, deep: bool, progress: Callable[[str], None] | None = None
) -> Audit:
    """Audit `question.env` as it is; specs and channels of the question do not count. Raises `InputError` and its kin."""
    report = progress or (lambda _text: None)
    situation = read_present(question, report)
    around = read_around(question, situation, report)
    ctx = _context(situation, around, report)
    report("judging what is there")
    found = _combined((finding for rule in rules for finding in rule.check(ctx)), present_findings(ctx))
    integrity = check_files(situation.target, deep=deep, also_hash=overlapping(ctx), progress=report)
    findings, _ = judge.judge((_as_rule(found),), ctx)
    target = situation.target
    return Audit(
        planner_version=__version__,
        created=question.created,
        root=situation.root,
        target=Target(target.name, target.prefix, target.python, len(target.records), len(target.pip_dists)),
        host=situation.host,
        deep=deep,
        verdict=_verdict(findings, integrity, readable=not target.problems),
        findings=findings,
        integrity=integrity,
        outside=tuple(
            f"{item.where} ({item.path or 'the environment'})" for item in ctx.surroundings.to(target.prefix)
        ),
        problems=target.problems,
        not_looked_at=ctx.surroundings.problems,
    )


def _context(situation: Situation, around: Around, report: Callable[[str], None]) -> RuleContext:
    """A change of nothing."""
    target = situation.target
    files = around.files
    return RuleContext(
        installation=around.installation,
        environment=target,
        is_base=situation.is_base,
        request=situation.request,
        host=situation.host,
        after=target.records,
        changes=(),
        planned_python=target.python,
        files=files,
        shared=lru_cache(maxsize=None)(partial(shared_paths, target.prefix)),
        torch_link=lru_cache(maxsize=None)(partial(torch_link, target.prefix)),
        binaries=Binaries(
            target,
            target.records,
            (),
            files,
            Sources(
                look=True,
                deep=False,
                pkgs_dirs=(),
                folders=(),
                remote=lambda _record: False,
                work=_no_folder,
                report=report,
            ),
            glibc=situation.host.virtual("__glibc"),
            this_machine=is_this_machine(situation.host),
        ),
        surroundings=around.surroundings,
    )


def _no_folder() -> Path:
    raise AssertionError("nothing is unpacked for an audit")


def _combined(by_rules: Iterable[Finding], present: Iterable[Finding]) -> tuple[Finding, ...]:
    """The rules' findings, and those of the present state of which no rule speaks already; all of them count."""
    ours = list(by_rules)
    told = {(finding.rule, finding.environment, finding.subject) for finding in ours}
    added = (item for item in present if (item.rule, item.environment, item.subject) not in told)
    return tuple(replace(item, pre_existing=False, predicts=None) for item in (*ours, *added))


def _as_rule(findings: tuple[Finding, ...]) -> Rule:
    """What was found, for `judge` to put in order and number."""
    return Rule("AUDIT", "audit", "What was found", Severity.NOTE, check=lambda _ctx: findings)


def _verdict(findings: Sequence[Finding], integrity: Integrity, *, readable: bool) -> Verdict:
    """As for a change; damaged files ask for a review, files that could not be read leave it unknown."""
    states = {damage.state for damage in integrity.damage}
    verdict = judge.verdict(
        outcome_unsolvable=False, findings=findings, target_readable=readable and "unreadable" not in states
    )
    return Verdict.REVIEW if verdict is Verdict.SAFE and states else verdict
