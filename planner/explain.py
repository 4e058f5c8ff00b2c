"""Why a request has no solution, in one sentence that an admin understands, with the engine's own words below it.

What stands against what is known by solving: `against` names specs that have no solution together with the request even
when nothing else is asked for. Through which requirement is read from the channels' records, so that the sentence can
be checked there whatever engine answered. Where no single spec can be blamed, libmamba's graph of the conflict is told
as its two chains; where there is none, no more is said than is known.
"""

from __future__ import annotations

from collections import deque
from functools import cmp_to_key
from typing import TYPE_CHECKING

from planner.near_names import hint
from planner.versions import compare, dependency_name, matches, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.solve import ProblemGraph, ProblemNode, Request, Unsolvable

    Candidates = Callable[[str], Sequence[PackageRecord]]

_DEEPEST = 4
_HOST = "__"


def explain_unsolvable(
    request: Request,
    outcome: Unsolvable,
    history: frozenset[str],
    candidates: Candidates,
    names: Callable[[], Iterable[str]] = tuple,
) -> str:
    """One sentence on what stands against what and through which requirement, then the engine's words.

    `history` are the specs asked for earlier, as written there; `names` are those that a mistyped one may have meant.
    """
    if outcome.refused:
        return outcome.explanation
    return f"{_sentence(request, outcome, history, candidates, names)}\n{outcome.explanation}"


def _sentence(
    request: Request,
    outcome: Unsolvable,
    history: frozenset[str],
    candidates: Candidates,
    names: Callable[[], Iterable[str]],
) -> str:
    asked = " ".join(request.specs) or "updating everything"
    absent = [spec for spec in request.specs if not any(matches(spec, build) for build in candidates(spec_name(spec)))]
    if absent and request.operation != "remove":
        return "; ".join(_absent(spec, candidates, names) for spec in absent)
    if outcome.against:
        against = ", ".join(outcome.against)
        whose = f"{asked} cannot be had together with {against}, which {_by_whom(outcome, request, history)}"
        chains = [chain for spec in outcome.against if (chain := _chain(spec, request.specs, candidates))]
        return f"{whose}: for instance, {'; '.join(chains)}" if chains else whose
    told = _told(outcome.graph) if outcome.graph is not None else None
    if told:
        return f"{asked} has no solution beside all else that {request.tool} asks for here: {told}"
    # Pins and history may be what forbids it, and no single spec could be blamed: no more than that is known.
    return f"{asked} has no solution in these channels beside all else that {request.tool} asks for here"


def _by_whom(outcome: Unsolvable, request: Request, history: frozenset[str]) -> str:
    pinned = set(outcome.pinned)
    if pinned.issuperset(outcome.against):
        return "is pinned" if len(pinned) == 1 else "are pinned"
    if request.tool == "conda" and history.isdisjoint(outcome.against):
        return "conda keeps in base"
    return "the environment's history asks for" if not pinned else "history and pins ask for"


def _absent(spec: str, candidates: Candidates, names: Callable[[], Iterable[str]]) -> str:
    name = spec_name(spec)
    builds = candidates(name)
    if not builds:
        return f"no channel has a package {name}{hint(name, names())}"
    ordered = _by_version(builds)
    oldest, newest = ordered[-1].version, ordered[0].version
    has = newest if oldest == newest else f"{oldest} to {newest}"
    return f"no build of {name} in the channels meets {spec}: they have {has}"


def _chain(spec: str, asked: Sequence[str], candidates: Candidates) -> str | None:
    """How the newest build that meets `spec` comes to exclude what was asked for: `a 1.0 0 requires b >=2, ...`."""
    wanted = {spec_name(text): text for text in asked}
    builds = _by_version(build for build in candidates(spec_name(spec)) if matches(spec, build))
    if not builds:
        return f"no build of {spec_name(spec)} in the channels meets {spec}"
    open_chains: deque[tuple[PackageRecord, tuple[str, ...]]] = deque([(builds[0], ())])
    seen = {builds[0].name}
    while open_chains:
        build, so_far = open_chains.popleft()
        for need in build.depends:
            name = dependency_name(need)
            step = (*so_far, f"{build.label} requires {need}")
            if name in wanted and not _compatible(need, wanted[name], candidates(name)):
                return ", and ".join(step)
            if name not in seen and not name.startswith(_HOST) and len(step) < _DEEPEST:
                seen.add(name)
                following = _by_version(other for other in candidates(name) if matches(need, other))
                if following:
                    open_chains.append((following[0], step))
    return None


def _compatible(need: str, spec: str, builds: Iterable[PackageRecord]) -> bool:
    return any(matches(need, build) is not False and matches(spec, build) is not False for build in builds)


def _by_version(builds: Iterable[PackageRecord]) -> list[PackageRecord]:
    """Newest first."""
    return sorted(builds, key=cmp_to_key(_order), reverse=True)


def _order(left: PackageRecord, right: PackageRecord) -> int:
    a, b = (left.build_number, left.build), (right.build_number, right.build)
    return compare(left.version, right.version) or (a > b) - (a < b)


# --------------------------------------------------------------------------------------------------------------------
# libmamba's graph, told as chains


def _told(graph: ProblemGraph) -> str | None:
    """The first conflict of the graph: the way from the request to each of its two ends, or to what nothing provides."""
    nodes = {node.id: node for node in graph.nodes}
    ways = _ways(graph)
    missing = [node for node in graph.nodes if node.kind == "missing" and node.id in ways]
    if missing:
        return f"{_way(ways[missing[0].id], nodes)}, which no channel has"
    for left, right in graph.conflicts:
        if left in ways and right in ways:
            return f"{_way(ways[left], nodes)}; but {_way(ways[right], nodes)}; the two exclude each other"
    return None


def _ways(graph: ProblemGraph) -> dict[int, tuple[tuple[int, str], ...]]:
    """For each node the shortest way from the request to it, as pairs of the node left and the spec followed."""
    out: dict[int, list[tuple[int, str]]] = {}
    for start, end, spec in graph.edges:
        out.setdefault(start, []).append((end, spec))
    ways: dict[int, tuple[tuple[int, str], ...]] = {graph.root: ()}
    waiting = deque([graph.root])
    while waiting:
        start = waiting.popleft()
        for end, spec in out.get(start, ()):
            if end not in ways:
                ways[end] = (*ways[start], (start, spec))
                waiting.append(end)
    return ways


def _way(way: Sequence[tuple[int, str]], nodes: Mapping[int, ProblemNode]) -> str:
    first, *rest = way
    told = [f"{first[1]} is asked for"]
    told += [f"{nodes[start].text} requires {spec}" for start, spec in rest]
    return ", ".join(told)
