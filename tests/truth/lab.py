"""The whole lab: materials, installations, cases by hand and drawn, on as many processes as there are cores."""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.truth import cases, generator, installations, layouts, store
from tests.truth.carry_out import Bench, Result
from tests.truth.prefixes import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from planner.rule import Rule
    from tests.truth.cases import Case
    from tests.truth.installations import Installation
    from tests.truth.store import Materials

# Draws that come to nothing (no solution, no change, the same again) are many in a small channel.
_TRIES = 12
# The generator leaves it alone: every case of it takes minutes.
_NOT_DRAWN = frozenset({"torch"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """All results of a run, what was drawn in vain and why, and what the machine lacks."""

    results: tuple[Result, ...]
    unused: tuple[tuple[str, int], ...]
    missing: tuple[str, ...]
    pythons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Share:
    """One process's part: an installation with its cases."""

    installation: Installation
    by_hand: tuple[Case, ...]
    to_draw: int
    seed: int
    rules: tuple[Rule, ...]
    unread: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """What one process brings back."""

    results: tuple[Result, ...] = ()
    unused: Counter[str] = field(default_factory=Counter)
    missing: tuple[str, ...] = ()


def run(
    *,
    small: bool,
    seed: int,
    drawn: int,
    rules: Sequence[Rule],
    say: Callable[[str], None],
    processes: int | None = None,
    only: frozenset[str] = frozenset(),
    unread: bool = False,
) -> Outcome:
    """Everything. `drawn` is how many cases the generator is to contribute, over all installations (or `only` some).

    `unread`: each case is predicted a second time, with `--no-files`.
    """
    cache = store.cache_folder()
    materials = store.materials(cache, small=small, say=say)
    minors = list(materials.pythons)
    every = (layouts.small(minors[0]),) if small else layouts.FULL
    every = tuple(one for one in every if not only or one.name in only)
    by_hand = cases.small(minors[1]) if small else cases.BY_HAND
    possible = [one for one in every if _possible(one, materials)]
    missing = [*materials.missing, *(f"the installation {one.name}" for one in every if one not in possible)]
    shares = _shares(possible, by_hand, drawn, seed, tuple(rules), unread=unread)
    count = processes or min(len(shares), os.cpu_count() or 1)
    if count == 1:
        parts = [_work(share, materials, cache) for share in shares]
    else:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(_work, shares, [materials] * len(shares), [cache] * len(shares)))
    unused: Counter[str] = Counter()
    for part in parts:
        unused.update(part.unused)
    return Outcome(
        tuple(result for part in parts for result in part.results),
        tuple(sorted(unused.items())),
        (*missing, *(what for part in parts for what in part.missing)),
        tuple(python.version for python in materials.pythons.values()),
    )


def _shares(
    possible: Sequence[Installation],
    by_hand: Sequence[Case],
    drawn: int,
    seed: int,
    rules: tuple[Rule, ...],
    *,
    unread: bool,
) -> list[_Share]:
    to_draw = [one for one in possible if one.name not in _NOT_DRAWN]
    each, more = divmod(drawn, max(1, len(to_draw)))
    quota = {one.name: each + (number < more) for number, one in enumerate(to_draw)}
    return [
        _Share(
            one,
            tuple(case for case in by_hand if case.installation == one.name),
            quota.get(one.name, 0),
            seed,
            rules,
            unread,
        )
        for one in possible
    ]


def _possible(installation: Installation, materials: Materials) -> bool:
    return installation.pythons <= set(materials.pythons) and materials.has_libraries


def _work(share: _Share, materials: Materials, cache: Path) -> _Part:
    with store.locked(cache, f"installation-{share.installation.name}"):
        try:
            place = installations.place(share.installation, materials, cache, _say)
        except LabError as error:
            return _Part(missing=(f"the installation {share.installation.name} ({str(error).splitlines()[0]})",))
        bench = Bench(place, materials, cache, _say)
        results = [bench.run(case, share.rules, unread=share.unread) for case in share.by_hand]
        unused = Counter(f"by hand: {result.outcome}" for result in results if result.judged is None)
        drawn, in_vain = _drawn(bench, materials, share, {result.transaction for result in results})
        return _Part((*results, *drawn), unused + in_vain)


def _drawn(bench: Bench, materials: Materials, share: _Share, known: set[str]) -> tuple[list[Result], Counter[str]]:
    results: list[Result] = []
    unused: Counter[str] = Counter()
    for number, case in enumerate(generator.draws(bench.place, materials, share.seed)):
        if len(results) >= share.to_draw or number >= share.to_draw * _TRIES:
            break
        result = (
            bench.run(case, share.rules, unread=share.unread) if case.specs or case.operation == "update-all" else None
        )
        if result is None or result.judged is None:
            unused[result.outcome if result else "empty"] += 1
        elif result.transaction in known:
            unused["the same transaction again"] += 1
        else:
            known.add(result.transaction)
            results.append(result)
    return results, unused


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
