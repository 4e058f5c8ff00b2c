"""The nearest set of specs that has a solution, when all of them together have none.

Which single spec makes a request impossible is found by asking for it alone with what was asked: only what fails then
is said to stand against the request. What cannot be blamed on one spec is found by adding the specs one after another.
Every set that is returned was solved. Solving itself is the caller's: here it is a function from specs to yes or no.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Nearest:
    """`kept` solves; each of `lost` is a spec left out, with a sentence that says why."""

    kept: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


def standing_against(
    asked: Sequence[str], others: Sequence[str], solves: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...]:
    """Those of `others` that have no solution together with `asked` even when nothing else is asked for."""
    return tuple(spec for spec in others if not solves((*asked, spec)))


def nearest_set(
    asked: Sequence[str], others: Sequence[str], solves: Callable[[tuple[str, ...]], bool]
) -> Nearest | None:
    """`asked` with as many of `others` as can be had, earlier ones first; None when `asked` alone has no solution.

    At most 2n + 2 calls of `solves` for n others. The set is maximal: none of the lost ones could be added to it.
    """
    kept = tuple(asked)
    if not solves(kept):
        return None
    beside = f"together with {' and '.join(asked)}" if asked else "in these channels"
    alone = set(standing_against(asked, others, solves))
    lost = {spec: f"{spec} is left out: it has no solution {beside}" for spec in alone}
    possible = tuple(spec for spec in others if spec not in alone)
    if solves((*kept, *possible)):
        kept = (*kept, *possible)
    else:
        for spec in possible:
            if solves((*kept, spec)):
                kept = (*kept, spec)
            else:
                lost[spec] = f"{spec} is left out: it has no solution together with the specs that are kept"
    return Nearest(kept, tuple((spec, lost[spec]) for spec in others if spec in lost))
