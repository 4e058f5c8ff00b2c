"""An environment as a graph of typed edges, from who needs to what is needed.

Nodes are subjects: `conda:NAME`, `pip:NAME`, `host:__glibc`. An edge's key is its kind, its attributes are the
`requirement` as written and whether it is `satisfied` (None: not known). Several requirements of one kind between two
nodes are one edge. This is the only module that knows NetworkX; what an edge means for a change is the rules' business.

    depends       a conda package needs another
    python_abi    it is bound to one minor version of python: by its requirements, or a wheel by its tags
    pip_requires  a Python distribution needs another, or a python (Requires-Dist, Requires-Python)
    virtual       a conda package needs a fact of the host
    constrains    a conda package limits another that is installed; no need of it
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import networkx as nx
from msgspec import Struct

from planner.errors import InputError
from planner.model.installed import PackageRecord
from planner.near_names import hint
from planner.pip_requirements import needs, pip_dists
from planner.pyabi import declared_python, split_spec
from planner.versions import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import Environment, Host

Graph: TypeAlias = "nx.MultiDiGraph[str]"
Direction: TypeAlias = Literal["needed_by", "needs"]

KINDS = ("depends", "python_abi", "pip_requires", "virtual", "constrains")


class WhyNode(Struct, frozen=True):
    """A package in a tree of needs, with the edge that leads to it from the node above it.

    `requirement`, `kind` and `satisfied` are that edge's, empty for the root. Where `repeated`, what comes below it
    stands elsewhere in the tree. `requested` says that somebody asked for it, by history.
    """

    subject: str
    label: str
    requirement: str = ""
    kind: str = ""
    children: tuple[WhyNode, ...] = ()
    repeated: bool = False
    requested: bool = False
    satisfied: bool | None = None


def build_graph(environment: Environment, host: Host | None = None) -> Graph:
    """The graph of one environment. Without a `host`, whether its virtual packages are there is not known.

    Nodes have `label`, `version` (None if not known), `requested` and `missing`: nothing of that name is there. The
    graph itself has the environment's `name` and its `problems`.
    """
    graph: Graph = nx.MultiDiGraph(name=environment.name, problems=environment.problems)
    records = {record.name.lower(): record for record in environment.records}
    requested = environment.history.names
    for record in environment.records:
        asked = record.name in requested
        graph.add_node(
            f"conda:{record.name}", label=record.label, version=record.version, requested=asked, missing=False
        )
    for dist in pip_dists(environment):
        label = f"{dist.display_name} {dist.version} (pip)"
        graph.add_node(f"pip:{dist.name}", label=label, version=dist.version, requested=False, missing=False)
    for package in host.virtual_packages if host else ():
        label = f"{package.name} {package.version} (host)"
        graph.add_node(f"host:{package.name}", label=label, version=package.version, requested=False, missing=False)
    for record in environment.records:
        for edge in _record_edges(record, records, host):
            _add(graph, f"conda:{record.name}", edge, unknown_host=host is None)
    for need in needs(environment):
        _add(graph, need.consumer, _Edge(need.provider, need.kind, need.requirement, need.satisfied))
    return graph


def find_subjects(graph: Graph, package: str) -> tuple[str, ...]:
    """The subjects that a name, or a subject, means; those that are there before those that are only missed.

    Raises `InputError` with the names that look like it.
    """
    wanted = package.strip().lower()
    found = [subject for subject in graph if wanted in _spellings(subject)]
    if found:
        return tuple(sorted(found, key=lambda subject: (bool(graph.nodes[subject]["missing"]), subject)))
    names = {subject.partition(":")[2] for subject in graph}
    meant = hint(wanted.rpartition(":")[2], names)
    raise InputError(f"nothing in environment {graph.graph['name']} is called {package!r}{meant}")


def why(graph: Graph, package: str, direction: Direction) -> WhyNode:
    """The tree of who needs a package, or of what it needs.

    Each package is spelt out once, where it comes up nearest to the root. What constrains is no need: it is told of the
    root alone, and not followed. Raises `InputError` as `find_subjects` does.
    """
    root = find_subjects(graph, package)[0]
    steps: dict[str, list[_Step]] = {}
    # Where each subject comes up first, as the node above it and the kind of edge: there it is spelt out.
    first: dict[str, tuple[str, str]] = {root: ("", "")}
    queue = deque([root])
    while queue:
        subject = queue.popleft()
        steps[subject] = _steps(graph, subject, direction, constraints=subject == root)
        for step in steps[subject]:
            if step.kind != "constrains" and step.subject not in first:
                first[step.subject] = (subject, step.kind)
                queue.append(step.subject)
    trees: dict[str, tuple[WhyNode, ...]] = {}
    for subject in reversed(steps):
        trees[subject] = tuple(
            _node(
                graph,
                step,
                trees[step.subject] if first.get(step.subject) == (subject, step.kind) else (),
                repeated=step.kind != "constrains"
                and first[step.subject] != (subject, step.kind)
                and bool(steps[step.subject]),
            )
            for step in steps[subject]
        )
    return _node(graph, _Step(root, "", "", None), trees[root], repeated=False)


class _Edge(Struct, frozen=True):
    provider: str
    kind: str
    requirement: str
    satisfied: bool | None


class _Step(Struct, frozen=True):
    """One edge as seen from a node: where it leads in the direction that is asked for."""

    subject: str
    kind: str
    requirement: str
    satisfied: bool | None


def _record_edges(record: PackageRecord, records: dict[str, PackageRecord], host: Host | None) -> Iterator[_Edge]:
    for spec in record.depends:
        name, _ = split_spec(spec)
        if name.startswith("__"):
            yield _Edge(f"host:{name}", "virtual", spec, _virtual(name, spec, host))
            continue
        provider = records.get(name)
        satisfied = matches(spec, provider) if provider else False
        kind = "python_abi" if _binds(name, spec) else "depends"
        yield _Edge(f"conda:{provider.name if provider else name}", kind, spec, satisfied)
    for spec in record.constrains:
        name, _ = split_spec(spec)
        if name in records:
            yield _Edge(f"conda:{records[name].name}", "constrains", spec, matches(spec, records[name]))
        elif host is not None and host.virtual(name) is not None:
            yield _Edge(f"host:{name}", "constrains", spec, _virtual(name, spec, host))


def _binds(name: str, spec: str) -> bool:
    """Whether a requirement allows one minor version of python only."""
    if name not in {"python", "python_abi"}:
        return False
    return declared_python(PackageRecord("_", "0", "0", depends=(spec,))) is not None


def _virtual(name: str, spec: str, host: Host | None) -> bool | None:
    if host is None:
        return None
    found = next((package for package in host.virtual_packages if package.name == name), None)
    return matches(spec, PackageRecord(found.name, found.version, found.build)) if found else False


def _add(graph: Graph, consumer: str, edge: _Edge, *, unknown_host: bool = False) -> None:
    if edge.provider not in graph:
        name = edge.provider.partition(":")[2]
        unknown = unknown_host and edge.provider.startswith("host:")
        label = f"{name} (host)" if unknown else f"{name} (not on record)"
        graph.add_node(edge.provider, label=label, version=None, requested=False, missing=not unknown)
    known: dict[str, Any] | None = graph.get_edge_data(consumer, edge.provider, edge.kind)
    if known is None:
        graph.add_edge(consumer, edge.provider, key=edge.kind, requirement=edge.requirement, satisfied=edge.satisfied)
    elif edge.requirement not in known["requirement"].split("; "):
        known["requirement"] += f"; {edge.requirement}"
        known["satisfied"] = _both(known["satisfied"], edge.satisfied)


def _both(left: bool | None, right: bool | None) -> bool | None:  # noqa: FBT001 -- two equal operands, no switches
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _spellings(subject: str) -> set[str]:
    """What people may type for a subject: itself, its name, and for pip's the name in its other spellings."""
    kind, _, name = subject.lower().partition(":")
    return {subject.lower(), name, *({name.replace("-", "_"), name.replace("-", ".")} if kind == "pip" else ())}


def _steps(graph: Graph, subject: str, direction: Direction, *, constraints: bool) -> list[_Step]:
    """The edges of a node in one direction, by kind and name."""
    edges = (
        ((consumer, kind, data) for consumer, _, kind, data in graph.in_edges(subject, keys=True, data=True))
        if direction == "needed_by"
        else ((provider, kind, data) for _, provider, kind, data in graph.out_edges(subject, keys=True, data=True))
    )
    found = [_Step(other, kind, data["requirement"], data["satisfied"]) for other, kind, data in edges]
    wanted = [step for step in found if constraints or step.kind != "constrains"]
    return sorted(wanted, key=lambda step: (KINDS.index(step.kind), step.subject))


def _node(graph: Graph, step: _Step, children: tuple[WhyNode, ...], *, repeated: bool) -> WhyNode:
    attributes = graph.nodes[step.subject]
    return WhyNode(
        step.subject,
        str(attributes["label"]),
        requirement=step.requirement,
        kind=step.kind,
        children=children,
        repeated=repeated,
        requested=bool(attributes["requested"]),
        satisfied=step.satisfied,
    )
