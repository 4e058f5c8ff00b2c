"""Requests near one that has no solution, each of which was seen to solve, with what it costs in plain words.

From "keep everything that was asked for" outward: what blocks may take another version, then the channels that strict
priority hides are looked into, then what was asked for takes the newest version that does solve, then a package that
carries the same thing today, then what stands against it is removed first, then the request does without the one spec that
stands against the rest. Every one is the tool's own command, or two, simulated whole. The number of simulations is bounded,
and of one package few versions are tried, so the search may end before it is exhausted, and says so.
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.diff import diff
from planner.model.installed import History
from planner.model.plan import Alternative, Alternatives
from planner.model.solve import Solution
from planner.shell import quoted
from planner.versions import compare, matches, minor, spec_is_bare, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.solve import SolveOutcome, Unsolvable
    from planner.solve.asked import Asked

MOST = 5
_MOST_SIMULATIONS = 16
_MOST_VERSIONS = 4
_MOST_NAMED = 12
_EXACT = re.compile(r"^={0,2}\d[\w.]*(\.\*|\*)?$")

# What carries the CUDA version now that `cudatoolkit` has ended at 11.8: NVIDIA's and PyTorch's channel, conda-forge.
_SUCCESSORS = {"cudatoolkit": ("pytorch-cuda", "cuda-version")}


class _Idea(Struct, frozen=True):
    """A request worth trying, and what it costs whatever the solver makes of it.

    `first` are names that a command of its own removes before it; `left_out` is a spec that is no longer asked for.
    """

    specs: tuple[str, ...]
    costs: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    left_out: str | None = None
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
    tried: set[tuple[tuple[str, ...], tuple[str, ...], bool]] = {(asked.request.specs, (), False)}
    settled: set[str] = set()
    for idea, settles in _ideas(asked, outcome, candidates):
        if len(found) == MOST or len(tried) > _MOST_SIMULATIONS:
            return Alternatives(complete=False, items=tuple(found))
        # Of several versions the newest that solves is the nearest; the others need no trying.
        key = (idea.specs, idea.first, idea.flexible)
        if key in tried or (settles and settles in settled):
            continue
        tried.add(key)
        answer = _answer(asked, idea, simulate)
        if isinstance(answer, Solution):
            settled.update([settles] if settles else [])
            found.append(_alternative(asked, idea, answer))
    untried = any(
        spec_name(spec) not in settled and len(_versions_before(spec, candidates(spec_name(spec)))) > _MOST_VERSIONS
        for spec in asked.request.specs
    )
    return Alternatives(complete=not untried, items=tuple(found))


def _answer(asked: Asked, idea: _Idea, simulate: Callable[[Asked], SolveOutcome]) -> SolveOutcome:
    """What the tool would make of an idea; where something is removed first, of the environment that this leaves."""
    environment = asked.environment
    if idea.first:
        removal = replace(asked.request, operation="remove", specs=idea.first, options=())
        removed = simulate(replace(asked, request=removal))
        if not isinstance(removed, Solution):
            return removed
        left = {record.name for record in removed.records} - set(idea.first)
        specs = tuple((name, spec) for name, spec in environment.history.specs if name in left)
        environment = replace(environment, records=removed.records, history=History(specs))
    priority = "flexible" if idea.flexible else asked.request.channel_priority
    request = replace(asked.request, specs=idea.specs, channel_priority=priority)
    return simulate(replace(asked, environment=environment, request=request))


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
    standing = tuple(sorted(spec_name(spec) for spec in outcome.against if spec not in outcome.pinned))
    if standing:
        yield _Idea(specs, (_removed_first(asked, standing),), first=standing), ""
    if len(specs) > 1:
        for spec in specs:
            yield _Idea(tuple(other for other in specs if other != spec), left_out=spec), ""


def _removed_first(asked: Asked, names: tuple[str, ...]) -> str:
    """The command to give before the request, as one would type it."""
    environment = asked.environment
    named = asked.is_base or environment.prefix.endswith((f"/envs/{environment.name}", f"\\envs\\{environment.name}"))
    where = ("-n", environment.name) if named else ("-p", environment.prefix)
    command = " ".join(quoted((asked.request.tool, "remove", *where, *names), environment.subdir))
    return f"{', '.join(names)} must be removed first, since history asks for {'them' if len(names) > 1 else 'it'}: {command}"


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
    present = {record.name: record for record in answer.records}
    gone = tuple(change.name for change in changes if change.action == "remove")
    back = [change for change in changes if change.action == "downgrade" and change.before and change.after]
    costs = list(idea.costs)
    lost = (*idea.first, *gone)
    if idea.left_out is not None:
        name = spec_name(idea.left_out)
        stays = f", and {name} is at {present[name].version}" if name in present else f", and there is no {name}"
        costs.append(f"{idea.left_out} is left out: the rest of the request solves without it{stays}")
        lost = (*lost, *([] if name in present else [name]))
    also = [name for name in gone if name not in idea.first]
    if also:
        more = f" and {len(also) - _MOST_NAMED} more" if len(also) > _MOST_NAMED else ""
        costs.append(f"removes {', '.join(also[:_MOST_NAMED])}{more}")
    costs += [f"{change.name} goes back from {change.before.version} to {change.after.version}" for change in back]  # type: ignore[union-attr]  # both are there, by the line above
    return Alternative(
        idea.specs,
        costs=tuple(costs),
        lost=tuple(dict.fromkeys(lost)),
        downgraded=tuple(change.name for change in back),
    )
