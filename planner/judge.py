"""Runs the rules over one situation, puts what they say into one fixed order, and draws the verdict from it.

The rules decide what is true of one subject; here is decided only what stands first, and which single word sums it
up. Both are pure: the same findings in any order give the same ids and the same verdict. A rule that raises is a
fault of ours and is not caught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace

from planner.flavour import FRAMEWORKS
from planner.model.plan import Edge, Finding, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.rule import Rule, RuleContext

Recommendation: TypeAlias = Literal["in-place", "migrate", "do-not-proceed"]

_SEVERITIES = (Severity.BLOCK, Severity.WARN, Severity.NOTE)
# What hurts most first: no conda, then losses of what people work with, then what stops importing.
_RULES = ("BASE001", "CHG001", "GPU001", "CHG002", "ABI", "PIP001")
_LOSSES = frozenset({"CHG001", "CHG002"})
_LAST = len(_RULES)


def judge(
    rules: Sequence[Rule], ctx: RuleContext, reached: Iterable[Edge] = ()
) -> tuple[tuple[Finding, ...], tuple[Edge, ...]]:
    """The findings of all rules and the edges they rest on: each once, in a fixed order, numbered F1.. and E1..

    Edges are numbered in the order in which findings name them, then come those that the change only reaches. Raises
    whatever a rule raises.
    """
    cared_for = ctx.requested_names | FRAMEWORKS
    found = (finding for rule in sorted(rules, key=lambda rule: rule.late) for finding in rule.check(ctx))
    ordered = _once(sorted(found, key=lambda finding: _order(finding, cared_for)))
    edges: dict[tuple[str, ...], Edge] = {}
    for edge in (edge for finding in ordered for edge in finding.edges):
        edges.setdefault(_edge_identity(edge), replace(edge, id=f"E{len(edges) + 1}"))
    numbered = tuple(
        _numbered(finding, f"F{number}", [edges[_edge_identity(edge)] for edge in finding.edges])
        for number, finding in enumerate(ordered, start=1)
    )
    named = {_need(edge) for edge in edges.values()}
    for edge in reached:
        if _need(edge) not in named:
            edges.setdefault(_edge_identity(edge), replace(edge, id=f"E{len(edges) + 1}"))
    return numbered, tuple(edges.values())


def verdict(outcome_unsolvable: bool, findings: Iterable[Finding], target_readable: bool) -> Verdict:  # noqa: FBT001 -- the three inputs of the contract's table, in its order
    """The first that applies: unsolvable, unsafe, unknown, review, safe. Notes and what was so before never count.

    Args:
        outcome_unsolvable: whether the request has no solution.
        findings: what the rules said.
        target_readable: False when an input of the target could not be read.
    """
    if outcome_unsolvable:
        return Verdict.UNSOLVABLE
    counted = [finding for finding in findings if not finding.pre_existing]
    blocks = [finding for finding in counted if finding.severity is Severity.BLOCK]
    if any(finding.status == "certain" for finding in blocks):
        return Verdict.UNSAFE
    if blocks or not target_readable:
        return Verdict.UNKNOWN
    if any(finding.severity is Severity.WARN for finding in counted):
        return Verdict.REVIEW
    return Verdict.SAFE


def recommendation(
    verdict: Verdict,
    migration_available: bool,  # noqa: FBT001 -- a fact about the situation, not a switch of behaviour
    outcome: Literal["no-change", "change", "unsolvable"],
) -> Recommendation:
    """What to do: in place where nothing stands against it, else the migration if there is one, else nothing."""
    if outcome != "unsolvable" and verdict in {Verdict.SAFE, Verdict.REVIEW}:
        return "in-place"
    return "migrate" if migration_available else "do-not-proceed"


def _order(finding: Finding, cared_for: frozenset[str]) -> tuple[object, ...]:
    return (
        finding.pre_existing,
        _SEVERITIES.index(finding.severity),
        finding.status != "certain",
        _rank(finding, cared_for),
        finding.rule,
        finding.subject,
        finding.message,
        tuple((evidence.kind, evidence.where, evidence.what) for evidence in finding.evidence),
    )


def _rank(finding: Finding, cared_for: frozenset[str]) -> int:
    """A loss of something that was asked for, or of a GPU framework, stands before other losses."""
    place = next((place for place, rule in enumerate(_RULES) if finding.rule.startswith(rule)), _LAST)
    loses_other = finding.rule in _LOSSES and finding.subject.removeprefix("conda:") not in cared_for
    return _LAST + 1 + place if loses_other else place


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """The first of those that say the same of the same subject: the weightiest, as they are sorted."""
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.rule, finding.environment, finding.subject, finding.message), finding)
    return list(kept.values())


def _need(edge: Edge) -> tuple[str, ...]:
    """An edge whatever becomes of it."""
    return _edge_identity(edge)[:-1]


def _edge_identity(edge: Edge) -> tuple[str, ...]:
    return (edge.consumer, edge.provider, edge.kind, edge.requirement, edge.status)


def _numbered(finding: Finding, number: str, edges: Sequence[Edge]) -> Finding:
    return replace(finding, id=number, edges=tuple(edges), edge_ids=tuple(edge.id for edge in edges))
