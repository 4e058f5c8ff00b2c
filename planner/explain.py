"""Why a request has no solution, in one sentence that an admin understands, with the engine's own words below it.

What stands against what is known by solving: `against` names specs that have no solution together with the request even
when nothing else is asked for. Through which requirement is read from the records (`planner.exclusion`), so that the
sentence can be checked there whatever engine answered, and holds for every build. Where no single cause can be proven,
the sentence says so, with one conflict of libmamba's graph as its two chains, where there is a graph.
"""

from __future__ import annotations

from collections import deque
from functools import cmp_to_key
from typing import TYPE_CHECKING

from planner.exclusion import Exclusion
from planner.near_names import hint
from planner.versions import compare, dependency_name, matches, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.solve import ProblemGraph, ProblemNode, Request, Unsolvable

    Candidates = Callable[[str], Sequence[PackageRecord]]


def explain_unsolvable(
    request: Request,
    outcome: Unsolvable,
    history: frozenset[str],
    candidates: Candidates,
    installed: Sequence[PackageRecord] = (),
    names: Callable[[], Iterable[str]] = tuple,
) -> str:
    """One sentence on what stands against what and through which requirement, then the engine's words.

    `history` are the specs asked for earlier, as written there; `installed` are the records of the environment; `names`
    are those that a mistyped one may have meant.
    """
    if outcome.refused:
        return outcome.explanation
    return f"{_sentence(request, outcome, history, candidates, installed, names)}\n{outcome.explanation}"


def _sentence(
    request: Request,
    outcome: Unsolvable,
    history: frozenset[str],
    candidates: Candidates,
    installed: Sequence[PackageRecord],
    names: Callable[[], Iterable[str]],
) -> str:
    asked = " ".join(request.specs) or "updating everything"
    if request.operation == "remove":
        if outcome.against:
            return _removed(asked, outcome, installed, request)
        return f"removing {asked} has no solution"
    absent = [spec for spec in request.specs if not any(matches(spec, build) for build in candidates(spec_name(spec)))]
    if absent:
        return "; ".join(_absent(spec, candidates, names) for spec in absent)
    if outcome.against:
        against = ", ".join(outcome.against)
        whose = f"{asked} cannot be had together with {against}, which {_by_whom(outcome, request, history)}"
        exclusion = Exclusion(request.specs, candidates, installed)
        chains = [chain for spec in outcome.against if (chain := exclusion.chain(spec))]
        return f"{whose}: for instance, {'; '.join(chains)}" if chains else f"{whose}; no single cause was found"
    for spec in request.specs:
        others = tuple(other for other in request.specs if other != spec)
        chain = Exclusion(others, candidates, installed).chain(spec)
        if chain:
            return f"{asked} has no solution: {chain}"
    beside = f"{asked} has no solution beside all else that {request.tool} asks for here, and no single cause was found"
    told = _told(outcome.graph) if outcome.graph is not None else None
    if told:
        return f"{beside}; one conflict that the solver met: {told}"
    # Pins and history may be what forbids it, and no single spec could be blamed: no more than that is known.
    return beside


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
    versions = sorted({build.version for build in builds}, key=cmp_to_key(compare))
    oldest, newest = versions[0], versions[-1]
    has = newest if oldest == newest else f"{oldest} to {newest}"
    return f"no build of {name} in the channels meets {spec}: they have {has}"


def _removed(asked: str, outcome: Unsolvable, installed: Sequence[PackageRecord], request: Request) -> str:
    """A removal that takes what its tool keeps: whose need of what was to go stands against it."""
    records = {record.name: record for record in installed}
    names = {spec_name(spec) for spec in request.specs}
    against = [name for spec in outcome.against if (name := spec_name(spec)) not in names]
    if not against:
        return f"{request.tool} does not remove {' '.join(outcome.against)} from its own base"
    chains = [chain for name in against if (chain := _needing(name, names, records))]
    told = f"removing {asked} would take {', '.join(against)} along, which {request.tool} does not remove from its own base"
    return f"{told}: {'; '.join(chains)}" if chains else told


def _needing(name: str, wanted: Container[str], records: Mapping[str, PackageRecord]) -> str | None:
    """The shortest chain of installed requirements from a package to one of `wanted`."""
    open_chains: deque[tuple[str, tuple[str, ...]]] = deque([(name, ())])
    seen = {name}
    while open_chains:
        at, so_far = open_chains.popleft()
        for need in records[at].depends if at in records else ():
            other = dependency_name(need)
            step = (*so_far, f"{records[at].label} requires {need}")
            if other in wanted:
                return ", and ".join(step)
            if other not in seen:
                seen.add(other)
                open_chains.append((other, step))
    return None


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
