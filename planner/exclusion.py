"""The proof that a spec cannot be had beside other specs, read from the records: a chain of requirements, or nothing.

A chain through one build of each package shows nothing where another build would do. Here a requirement counts as excluded
only if every build that meets it is: each needs something that is excluded in its turn, down to what the other specs rule
out or no channel has. Of many builds the one is told that it took most to exclude, since the others fail sooner. Not every
conflict is of that form (two requirements of one build may exclude each other), and then there is no proof here.
"""

from __future__ import annotations

from functools import cmp_to_key, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.versions import compare, dependency_name, matches, spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.model.installed import PackageRecord

_DEEPEST = 4
# Where the search ends without a proof, it has cost about a second.
_MOST_BUILDS = 100_000
_HOST = "__"


class _Proof(Struct, frozen=True):
    """Why nothing meets `need`: no build does, or all `number` of them lack something, `build` what `lacks` says."""

    name: str
    need: str
    number: int = 0
    build: PackageRecord | None = None
    lacks: _Proof | None = None

    @property
    def height(self) -> int:
        """Through how many requirements it goes."""
        return 0 if self.lacks is None else 1 + self.lacks.height


class Exclusion:
    """What cannot be had beside `asked`, from the builds that the channels have or that are installed."""

    def __init__(
        self,
        asked: Sequence[str],
        candidates: Callable[[str], Iterable[PackageRecord]],
        installed: Iterable[PackageRecord] = (),
    ) -> None:
        self._asked = tuple(asked)
        self._wanted = {spec_name(spec): spec for spec in asked}
        self._installed = {record.name: record for record in installed}
        self._candidates = candidates
        self._left = _MOST_BUILDS
        self._builds = lru_cache(maxsize=None)(self._all_builds)
        self._proof = lru_cache(maxsize=None)(self._proven)

    def chain(self, spec: str) -> str | None:
        """How every build that meets `spec` is excluded: `a 1.0 0 requires b >=2, and ...`; None without a proof."""
        for depth in range(_DEEPEST + 1):  # the shortest chain there is
            proof = self._proof(spec_name(spec), spec, depth)
            if proof is not None:
                return self._told(proof)
        return None

    def _proven(self, name: str, need: str, depth: int) -> _Proof | None:
        """The proof that `need` is excluded, through at most `depth` requirements."""
        wanted, every = self._wanted.get(name), self._builds(name)
        self._left -= len(every)
        if self._left < 0:
            return None
        builds = [
            build
            for build in every
            if matches(need, build) is not False and (wanted is None or matches(wanted, build) is not False)
        ]
        if not builds:
            return _Proof(name, need)
        if not depth:
            return None
        hardest: tuple[PackageRecord, _Proof] | None = None
        for build in builds:
            lacks = self._lacking(build, depth - 1)
            if lacks is None:
                return None
            if hardest is None or lacks.height > hardest[1].height:
                hardest = build, lacks
        return _Proof(name, need, len(builds), *hardest) if hardest is not None else None

    def _lacking(self, build: PackageRecord, depth: int) -> _Proof | None:
        """The first requirement of a build that is excluded, by the shortest proof."""
        needs = [(dependency_name(need), need) for need in self._needs(build)]
        for limit in range(depth + 1):
            for name, need in needs:
                proof = self._proof(name, need, limit) if name and not name.startswith(_HOST) else None
                if proof is not None:
                    return proof
        return None

    def _needs(self, build: PackageRecord) -> Iterable[str]:
        """What a build requires; of an installed one only what is there now: what is broken may stay so."""
        if self._installed.get(build.name) is not build:
            return build.depends
        return [
            need
            for need in build.depends
            if (provider := self._installed.get(dependency_name(need))) is not None and matches(need, provider)
        ]

    def _all_builds(self, name: str) -> list[PackageRecord]:
        """Newest first."""
        present = self._installed.get(name)
        builds = [*self._candidates(name), *([present] if present is not None else [])]
        return sorted(builds, key=cmp_to_key(_order), reverse=True)

    def _told(self, proof: _Proof) -> str:
        if proof.lacks is None:
            wanted = self._wanted.get(proof.name)
            also = (
                f"meets both {proof.need} and {wanted}" if wanted is not None else f"in the channels meets {proof.need}"
            )
            return f"no build of {proof.name} {also}"
        steps = []
        step: _Proof | None = proof
        while step is not None and step.build is not None and step.lacks is not None:
            told = f"{step.build.label} requires {step.lacks.need}"
            if step.lacks.build is None:
                if step.lacks.name not in self._wanted:
                    told += ", which nothing in the channels meets"
                if step.number > 1:
                    told = f"{self._none(step, first=step is proof)}: {told}"
            steps.append(told)
            step = step.lacks
        return ", and ".join(steps)

    def _none(self, step: _Proof, *, first: bool) -> str:
        what = f"no build of {step.name}" if first else "no build of it"
        if not spec_is_bare(step.need):
            what += f" that meets {step.need}" if first else " that meets this"
        return f"{what} goes with {' '.join(self._asked)}" if self._asked else f"{what} can be had from these channels"


def _order(left: PackageRecord, right: PackageRecord) -> int:
    a, b = (left.build_number, left.build), (right.build_number, right.build)
    return compare(left.version, right.version) or (a > b) - (a < b)
