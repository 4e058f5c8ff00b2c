"""What the formats for machines share: the verdict and the findings as items of a list that a CI gate reads.

SARIF and JUnit have no place for a verdict, and a gate that reads only their items must not take unsolvable or
unknown for a pass. So the verdict is the first item, and a finding that could not be verified keeps its weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from planner.model.plan import Severity, Verdict
from planner.render import words
from planner.render.escape import clip, visible

if TYPE_CHECKING:
    from planner.model.plan import Finding, Plan

Weight: TypeAlias = Literal["error", "unknown", "warning", "note", "pass"]
VERDICT = "verdict"

_VERDICTS: dict[Verdict, Weight] = {
    Verdict.SAFE: "pass",
    Verdict.REVIEW: "warning",
    Verdict.UNSAFE: "error",
    Verdict.UNSOLVABLE: "error",
    Verdict.UNKNOWN: "unknown",
}
_SEVERITIES: dict[Severity, Weight] = {Severity.BLOCK: "error", Severity.WARN: "warning", Severity.NOTE: "note"}


class Item(Struct, frozen=True):
    """One line of a machine's list: the verdict (`finding` is None), or a finding."""

    weight: Weight
    rule: str
    subject: str
    message: str
    finding: Finding | None = None


def items(plan: Plan) -> tuple[Item, ...]:
    """The verdict, then every finding in the order of the plan; texts are visible and cut."""
    verdict = Item(_VERDICTS[plan.verdict], VERDICT, shown(plan.target.name), shown(words.headline(plan)))
    return (verdict, *(_item(finding) for finding in plan.findings))


def _item(finding: Finding) -> Item:
    parts = [finding.message]
    if finding.pre_existing:
        parts.insert(0, "So already today")
    if finding.status == "unverified":
        parts.insert(0, "Not verified")
    return Item(weight(finding), shown(finding.rule), shown(finding.subject), shown(": ".join(parts)), finding)


def weight(finding: Finding) -> Weight:
    """A block or a warning by its severity; not verified, a block is unknown; what was there before is a note."""
    if finding.pre_existing:
        return "note"
    if finding.status == "unverified" and finding.severity is Severity.BLOCK:
        return "unknown"
    return _SEVERITIES[finding.severity]


def shown(text: str) -> str:
    """The text made visible and cut: what may stand in a document for machines."""
    return visible(clip(text))
