"""What is asked, of the planner and by it of an engine, and what an engine answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord, VirtualPackage

Tool: TypeAlias = Literal["conda", "mamba"]
Operation: TypeAlias = Literal["install", "update", "update-all", "remove"]
ChannelPriority: TypeAlias = Literal["strict", "flexible", "disabled"]


class Request(Struct, frozen=True):
    """The change as the admin would type it: operation and specs, and whose command it is."""

    operation: Operation
    specs: tuple[str, ...]
    tool: Tool = "conda"
    channels: tuple[str, ...] = ()
    channel_priority: ChannelPriority = "flexible"
    options: tuple[str, ...] = ()


class Repodata(Struct, frozen=True):
    """One subdir of one channel, ready to read: a `repodata.json` on this machine.

    `channel` is the channel's own URL or name, which records keep; `path` is where this copy lies. Files of one
    channel with a lower `rank` win over those with a higher one, whatever the order of channels.
    """

    channel: str
    subdir: str
    path: str
    digest: str
    rank: int = 0


class Install(Struct, frozen=True):
    """The spec must be satisfied."""

    spec: str


class Update(Struct, frozen=True):
    """Move to the best that fits; a spec with a version must also be satisfied."""

    spec: str


class UpdateAll(Struct, frozen=True):
    """Move everything installed to the best that fits."""


class Remove(Struct, frozen=True):
    """The package must go, and what needs it with it."""

    spec: str


class Keep(Struct, frozen=True):
    """Someone asked for it: cleaning up must not take it. A conflict still may."""

    name: str


class Freeze(Struct, frozen=True):
    """The installed build must stay as it is."""

    name: str


class Pin(Struct, frozen=True):
    """A constraint that installs nothing: if the package is there, it satisfies the spec."""

    spec: str


Job: TypeAlias = Install | Update | UpdateAll | Remove | Keep | Freeze | Pin


class SolveRequest(Struct, frozen=True):
    """All that an engine may look at. Without a job, an installed package is weakly kept: a conflict may take it.

    `channel_names` says what the channel names in the jobs' specs stand for: base URLs, several for `defaults`. Where
    `explained` is False, a failure need not say why.
    """

    installed: tuple[PackageRecord, ...]
    jobs: tuple[Job, ...]
    repodata: tuple[Repodata, ...]
    virtual_packages: tuple[VirtualPackage, ...]
    subdir: str
    channel_priority: ChannelPriority = "flexible"
    add_pip_as_python_dependency: bool = True
    allow_downgrade: bool = True
    allow_uninstall: bool = True
    force_reinstall: bool = False
    channel_alias: str = "https://conda.anaconda.org"
    channel_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    explained: bool = True


class Solution(Struct, frozen=True):
    """The records that would be in the environment, sorted by name; virtual packages not among them."""

    records: tuple[PackageRecord, ...]


class ProblemNode(Struct, frozen=True):
    """What takes part in a conflict: builds of one package, a spec that nothing meets, a constraint, or the request.

    `text` names versions or specs, shortened by the engine where there are many.
    """

    id: int
    kind: Literal["root", "package", "missing", "constraint"]
    name: str
    text: str


class ProblemGraph(Struct, frozen=True):
    """A conflict as a graph: who requires what (`edges` are from, to, spec), and which nodes exclude each other."""

    root: int
    nodes: tuple[ProblemNode, ...]
    edges: tuple[tuple[int, int, str], ...]
    conflicts: tuple[tuple[int, int], ...]


class Unsolvable(Struct, frozen=True):
    """There is no such environment. `explanation` is the engine's own; `against` names what stands against it.

    Those of `against` that are pins are in `pinned` too. `problems` are the engine's single statements and `graph`
    their structure, where it gives any. `refused` says that the tool refuses before it asks a solver at all.
    """

    explanation: str
    against: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    refused: bool = False
    problems: tuple[str, ...] = ()
    graph: ProblemGraph | None = None


SolveOutcome: TypeAlias = Solution | Unsolvable


class SolverInfo(Struct, frozen=True):
    """Which engine answered, and how far its answer is the real tool's."""

    name: Literal["libmamba", "rattler"]
    version: str
    mode: Literal["in-process", "worker"]
    fidelity: Literal["exact", "approximate"]
    reason: str
