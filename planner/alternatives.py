"""Requests near one that has no solution, each of which was seen to solve, with what it costs in plain words.

From "keep everything that was asked for" outward: what blocks may take another version, then the channels that strict
priority hides are looked into, then what was asked for takes the newest version that does solve, then a package that
carries the same thing today, then the request does without the one spec that stands against the rest. Every one is the
tool's own command, simulated whole. The number of simulations is bounded, and of one package few versions are tried, so
the search may end before it is exhausted, and says so.
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.diff import diff
from planner.model.plan import Alternative, Alternatives
from planner.model.solve import Solution
from planner.versions import compare, matches, minor, spec_is_bare, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.solve import SolveOutcome, Unsolvable
    from planner.solve.asked import Asked

MOST = 5
_MOST_SIMULATIONS = 16
_MOST_VERSIONS = 4
_EXACT = re.compile(r"^={0,2}\d[\w.]*(\.\*|\*)?$")

# What carries the CUDA version now that `cudatoolkit` has ended at 11.8: NVIDIA's and PyTorch's channel, conda-forge.
_SUCCESSORS = {"cudatoolkit": ("pytorch-cuda", "cuda-version")}


class _Idea(Struct, frozen=True):
    """A request worth trying, and what it costs whatever the solver makes of it."""

    specs: tuple[str, ...]
    costs: tuple[str, ...]
    lost: tuple[str, ...] = ()
    flexible: bool = False


def nearest_requests(
    asked: Asked,
    outcome: Unsolvable,
    simulate: Callable[[Asked], SolveOutcome],
    candidates: Callable[[str], Sequence[PackageRecord]],
) -> Alternatives:
    """At most five requests that solve, nearest first; none for a removal or for an update of everything."""
    if asked.request.operation not in {"install", "update"}:
        return Alternatives(complete=True)
    found: list[Alternative] = []
    tried: set[tuple[tuple[str, ...], bool]] = {(asked.request.specs, False)}
    settled: set[str] = set()
    for idea, settles in _ideas(asked, outcome, candidates):
        if len(found) == MOST or len(tried) > _MOST_SIMULATIONS:
            return Alternatives(complete=False, items=tuple(found))
        # Of several versions the newest that solves is the nearest; the others need no trying.
        if (idea.specs, idea.flexible) in tried or (settles and settles in settled):
            continue
        tried.add((idea.specs, idea.flexible))
        priority = "flexible" if idea.flexible else asked.request.channel_priority
        request = replace(asked.request, specs=idea.specs, channel_priority=priority)
        answer = simulate(replace(asked, request=request))
        if isinstance(answer, Solution):
            settled.update([settles] if settles else [])
            found.append(_alternative(asked, idea, answer))
    untried = any(
        spec_name(spec) not in settled and len(_versions_before(spec, candidates(spec_name(spec)))) > _MOST_VERSIONS
        for spec in asked.request.specs
    )
    return Alternatives(complete=not untried, items=tuple(found))


def _ideas(
    asked: Asked, outcome: Unsolvable, candidates: Callable[[str], Sequence[PackageRecord]]
) -> Iterator[tuple[_Idea, str]]:
    """What to try, nearest first; with each the name it settles once it solves, or ""."""
    specs = asked.request.specs
    blocking = [spec for spec in outcome.against if spec not in outcome.pinned and not spec_is_bare(spec)]
    if blocking:
        names = tuple(spec_name(spec) for spec in blocking)
        cost = f"lets {' and '.join(names)} move, though history asks for {' and '.join(blocking)}"
        yield _Idea((*specs, *names), (cost,)), ""
    if asked.request.channel_priority == "strict":
        cost = (
            "with --channel-priority flexible: the first channel that has a package no longer hides the others' builds"
        )
        yield _Idea(specs, (cost,), flexible=True), ""
    for spec in specs:
        name = spec_name(spec)
        others = tuple(other for other in specs if other != spec)
        for version in _versions_before(spec, candidates(name))[:_MOST_VERSIONS]:
            present = asked.installed.get(name)
            stays = present is not None and matches(f"{name}={version}", present)
            verb = "stays at" if stays else "goes to"
            cost = f"{name} {verb} {version} instead of {spec}: the newest before it that solves"
            yield _Idea((*others, f"{name}={version}"), (cost,)), name
        for successor in _SUCCESSORS.get(name, ()):
            instead = _same_version(successor, spec, candidates(successor))
            if instead:
                cost = f"{instead} instead of {spec}: the package that carries the CUDA version today"
                yield _Idea((*others, instead), (cost,)), ""
    if len(specs) > 1:
        for spec in specs:
            rest = tuple(other for other in specs if other != spec)
            yield (
                _Idea(rest, (f"{spec} is left out: the rest of the request solves without it",), (spec_name(spec),)),
                "",
            )


def _versions_before(spec: str, builds: Sequence[PackageRecord]) -> list[str]:
    """The versions before an exact one, newest first: of python the minors, of any other package the versions.

    Only versions before the one asked for: after it the request would ask for more than it did.
    """
    wanted = spec_version(spec)
    if wanted is None or not _EXACT.match(wanted):
        return []
    bound = wanted.strip("=*").rstrip(".")
    short = minor if spec_name(spec) == "python" else str
    versions = {short(build.version) for build in builds if matches(spec, build) is not True}
    before = [version for version in versions if compare(version, bound) < 0]
    return sorted(before, key=cmp_to_key(compare), reverse=True)


def _same_version(name: str, spec: str, builds: Sequence[PackageRecord]) -> str | None:
    wanted = spec_version(spec)
    if wanted is None or not _EXACT.match(wanted):
        return name if builds else None
    version = wanted.strip("=*").rstrip(".")
    alike = f"{name}={version}"
    return alike if any(matches(alike, build) for build in builds) else None


def _alternative(asked: Asked, idea: _Idea, answer: Solution) -> Alternative:
    changes = diff(asked.environment.records, answer.records, frozenset())
    gone = tuple(change.name for change in changes if change.action == "remove")
    back = [change for change in changes if change.action == "downgrade" and change.before and change.after]
    costs = list(idea.costs)
    if gone:
        costs.append(f"removes {', '.join(gone)}")
    costs += [f"{change.name} goes back from {change.before.version} to {change.after.version}" for change in back]  # type: ignore[union-attr]  # both are there, by the line above
    return Alternative(
        idea.specs,
        costs=tuple(costs),
        lost=tuple(dict.fromkeys((*idea.lost, *gone))),
        downgraded=tuple(change.name for change in back),
    )
