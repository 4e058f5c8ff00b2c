"""The nearest set of specs that has a solution, when all of them together have none.

Which single spec makes a request impossible is found by asking for it alone with what was asked: only what fails then
is said to stand against the request. What cannot be blamed on one spec is found by adding the specs one after another.
Every set that is returned was solved. Solving itself is the caller's: here it is a function from specs to yes or no.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Nearest(Struct, frozen=True):
    """`kept` solves; each of `lost` is a spec left out, with a sentence that says why."""

    kept: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


def nearest_set(
    asked: Sequence[str], others: Sequence[str], solves: Callable[[tuple[str, ...]], bool]
) -> Nearest | None:
    """`asked` with as many of `others` as can be had, earlier ones first; None when `asked` alone has no solution.

    For n others, of which k are lost, about n + k log n calls of `solves`. The set is maximal: none of the lost ones could
    be added to it.
    """
    kept = tuple(asked)
    if not solves(kept):
        return None
    beside = f"together with {' and '.join(asked)}" if asked else "in these channels"
    alone = {spec for spec in others if not solves((*asked, spec))}
    lost = {spec: f"{spec} is left out: it has no solution {beside}" for spec in alone}
    open_specs = tuple(spec for spec in others if spec not in alone)
    while open_specs:
        fits = _longest(kept, open_specs, solves)
        kept = (*kept, *open_specs[:fits])
        if fits < len(open_specs):
            lost[open_specs[fits]] = (
                f"{open_specs[fits]} is left out: it has no solution together with the specs that are kept"
            )
        open_specs = open_specs[fits + 1 :]
    return Nearest(kept, tuple((spec, lost[spec]) for spec in others if spec in lost))


def _longest(kept: tuple[str, ...], specs: tuple[str, ...], solves: Callable[[tuple[str, ...]], bool]) -> int:
    """How many of `specs`, from the first on, can be added: what fails with few of them fails with more."""
    if solves((*kept, *specs)):
        return len(specs)
    least, most = 0, len(specs) - 1
    while least < most:
        middle = (least + most + 1) // 2
        if solves((*kept, *specs[:middle])):
            least = middle
        else:
            most = middle - 1
    return least
