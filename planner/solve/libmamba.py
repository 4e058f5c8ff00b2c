"""libmamba as an engine: the solver that conda and mamba use themselves.

The same worker answers in this process, where libmambapy 2.x can be imported, or in another interpreter that has it.
Records go in dependency-first order with all their fields: libsolv's answer, and the time it takes for it, depend on
that. What comes back names files of the channels, which are read again from the repodata, so that a record is the same
whatever engine chose it. Jobs have here the meaning they have in libmamba, because it is libmamba that reads them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Protocol

from planner import channels
from planner.errors import BadSpec, ChannelError, SolverRefused, SolverUnavailable
from planner.model.solve import (
    Freeze,
    Install,
    Keep,
    Pin,
    ProblemGraph,
    ProblemNode,
    Remove,
    Solution,
    SolverInfo,
    Unsolvable,
    Update,
    UpdateAll,
)
from planner.solve import libmamba_worker
from planner.solve.closure import Closure
from planner.solve.order import dependency_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from planner.model.installed import PackageRecord
    from planner.model.solve import Job, Repodata, SolveOutcome, SolveRequest

    _Known: TypeAlias = dict[tuple[Repodata, str], PackageRecord]  # by the package's file


class Transport(Protocol):
    """How a request reaches a worker."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer."""
        ...


class InProcess:
    """The worker's own function, called here: for when this interpreter has libmambapy."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer."""
        return dict(libmamba_worker.answer(request))


class LibmambaSolver:
    """`planner.solve.base.Solver` on libmambapy 2.x. Raises `SolverUnavailable` where there is none."""

    def __init__(
        self,
        transport: Transport,
        where: str,
        reason: str,
        progress: Callable[[str], None] | None = None,
        closure: Closure | None = None,
    ) -> None:
        """`where` names the interpreter for messages; `closure` makes large channels small."""
        self._closure = closure or Closure()
        self._transport = transport
        self._where = where
        self._progress = progress or (lambda _text: None)
        self._known: _Known = {}
        self._failed = False  # whether the last request that wants reasons had no solution
        hello = self._ask({"op": "hello"})
        mode: Literal["in-process", "worker"] = "in-process" if isinstance(transport, InProcess) else "worker"
        self._info = SolverInfo("libmamba", str(hello["version"]), mode, "exact", reason)

    @property
    def info(self) -> SolverInfo:
        """How the plan names this engine."""
        return self._info

    @property
    def capabilities(self) -> frozenset[type[Job]]:
        """All of them: these are libmamba's own jobs."""
        return frozenset({Install, Update, UpdateAll, Remove, Keep, Freeze, Pin})

    def solve(self, request: SolveRequest) -> SolveOutcome:
        """Answer one request."""
        self._progress("solving with libmamba")
        # conda's attempts fail one after the other: after one, the next is not put twice.
        pruned = None if self._failed and request.explained else self._closure.prune(request)
        outcome = self._answered(pruned or self._closure.reduce(request), request)
        if isinstance(outcome, Unsolvable) and request.explained and pruned is not None:
            # What stands against it may lie in what was left out.
            outcome = self._answered(self._closure.reduce(request), request)
        self._failed = isinstance(outcome, Unsolvable) and request.explained
        return outcome

    def _answered(self, reduced: SolveRequest, request: SolveRequest) -> SolveOutcome:
        reply = self._ask({"op": "solve", **_payload(reduced)})
        try:
            if "unsolvable" in reply:
                return _unsolvable(reply["unsolvable"])
            return _solution(reply["actions"], request, self._known)
        except (KeyError, TypeError, ValueError) as error:
            raise SolverRefused(f"the answer of libmamba under {self._where} cannot be read: {error!r}") from error

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        reply = self._transport.ask(message)
        fault = reply.get("fault")
        if fault is None:
            return reply
        kind, text = fault.get("kind"), str(fault.get("message"))
        if kind == "no-libmambapy":
            raise SolverUnavailable(
                f"{self._where} has no libmambapy ({text}). Name a python that has version 2.x with --solver-python, "
                "or let rattler answer: --solver rattler"
            )
        if kind == "wrong-version":
            raise SolverUnavailable(
                f"{self._where} has libmambapy {text}; the planner speaks to 2.x, whose interface is another one. "
                "Name a python that has it with --solver-python, or let rattler answer: --solver rattler"
            )
        if kind == "bad-spec":
            raise BadSpec(*json.loads(text))
        if kind == "bad-repodata":
            raise ChannelError(f"libmamba cannot read the repodata {text}")
        raise SolverRefused(f"libmamba under {self._where} refuses the request: {text}")


# --------------------------------------------------------------------------------------------------------------------
# The question


def _payload(request: SolveRequest) -> dict[str, Any]:
    return {
        "installed": [_record(record) for record in dependency_first(request.installed)],
        "virtual_packages": [
            {"name": package.name, "version": package.version, "build": package.build, "subdir": request.subdir}
            for package in request.virtual_packages
        ],
        "jobs": [_job(job) for job in request.jobs],
        "repodata": [
            {
                "path": item.path,
                "url": f"{item.channel}/{item.subdir}",
                "channel": item.channel,
                "rank": item.rank,
            }
            for item in request.repodata
        ],
        "subdir": request.subdir,
        "channel_priority": request.channel_priority,
        "channel_alias": request.channel_alias,
        "channel_names": [[name, list(urls)] for name, urls in request.channel_names],
        "add_pip": request.add_pip_as_python_dependency,
        "allow_downgrade": request.allow_downgrade,
        "allow_uninstall": request.allow_uninstall,
        "force_reinstall": request.force_reinstall,
        "explain": request.explained,
    }


def _record(record: PackageRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "version": record.version,
        "build": record.build,
        "build_number": record.build_number,
        "channel": record.channel,
        "url": record.url,
        "subdir": record.subdir,
        "fn": record.fn,
        "license": record.license,
        "md5": record.md5,
        "sha256": record.sha256,
        "track_features": list(record.track_features),
        "depends": list(record.depends),
        "constrains": list(record.constrains),
        "noarch": record.noarch,
        "size": record.size,
        "timestamp": record.timestamp,
        "python_site_packages_path": record.python_site_packages_path,
    }


def _job(job: Job) -> tuple[str, str]:
    match job:
        case UpdateAll():
            return "UpdateAll", ""
        case Keep(name) | Freeze(name):
            return type(job).__name__, name
        case Install(spec) | Update(spec) | Remove(spec) | Pin(spec):
            return type(job).__name__, spec


# --------------------------------------------------------------------------------------------------------------------
# The answer


def _solution(actions: Iterable[Mapping[str, Any]], request: SolveRequest, known: _Known) -> Solution:
    records = {record.name: record for record in request.installed}
    added: list[Mapping[str, Any]] = []
    for action in actions:
        new = action["install"]
        if action["remove"] is not None:
            present = records.pop(action["remove"], None)
            if new is not None and present is not None and action["kind"] == "Reinstall":
                records[present.name] = present
                continue
        if new is not None and not new["name"].startswith("__"):
            added.append(new)
    records |= _chosen(added, request, known)
    return Solution(tuple(record for _, record in sorted(records.items())))


def _chosen(identities: Sequence[Mapping[str, Any]], request: SolveRequest, known: _Known) -> dict[str, PackageRecord]:
    """The records in the repodata that libmamba chose, each from the best repository of its channel that has the file.

    Those that are `known` from an earlier answer are not read again: most answers to one question have most in common.
    """
    found: dict[str, PackageRecord] = {}
    for item in sorted(request.repodata, key=lambda item: item.rank):
        wanted = {
            identity["fn"]: identity["name"]
            for identity in identities
            if identity["name"] not in found
            and (identity["channel"], identity["subdir"]) == (item.channel, item.subdir)
        }
        new = {fn: name for fn, name in wanted.items() if (item, fn) not in known}
        if new:
            known.update(((item, record.fn), record) for record in channels.records_of(item, new.values(), new.keys()))
        chosen = (known[item, fn] for fn in wanted if (item, fn) in known)
        found |= {record.name: record for record in chosen}
    for identity in identities:
        if identity["name"] not in found:
            raise SolverRefused(f"libmamba chose {identity['fn']} of {identity['channel']}, which no channel has")
    return found


def _unsolvable(reply: Mapping[str, Any]) -> Unsolvable:
    problems = tuple(str(problem) for problem in reply["problems"])
    graph = reply["graph"]
    nodes = tuple(ProblemNode(key, node["kind"], node["name"], node["text"]) for key, node in graph["nodes"])
    return Unsolvable(
        str(reply["explanation"]).strip() or "\n".join(problems),
        problems=problems,
        graph=ProblemGraph(
            graph["root"],
            nodes,
            tuple((start, end, spec) for start, end, spec in graph["edges"]),
            tuple((left, right) for left, right in graph["conflicts"]),
        )
        if nodes
        else None,
    )
