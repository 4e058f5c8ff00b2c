"""The result of a GPU verification as a section of a plan's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.render.blocks import Bullets, Facts, Paragraph, Section
from planner.verify.result import facts, headline

if TYPE_CHECKING:
    from planner.model.plan import Plan
    from planner.render.blocks import Block, Tone
    from planner.verify.result import VerifyResult

_TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "no-gpu": "warn", "no-framework": "plain"}


def section(result: VerifyResult, plan: Plan) -> Section:
    """What was found, and where it was not the plan's new environment that was looked at."""
    blocks: list[Block] = [Paragraph(headline(result), _TONES[result.status])]
    expected = plan.migration.prefix if plan.migration is not None else plan.target.prefix
    if result.prefix != expected:
        blocks.append(
            Paragraph(f"This is the result of {result.prefix}, not of {expected}, which this plan is about.", "warn")
        )
    blocks.append(Facts(tuple(facts(result))))
    if result.leaks:
        blocks.append(Bullets(result.leaks, "Leaks from outside the environment"))
    return Section("verification", "GPU verification", tuple(blocks))
