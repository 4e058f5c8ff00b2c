"""The frozen values that flow from loading to rendering.

Everything here is plain data on the standard library alone, so that any module may import it and none depends on an
engine, a file or a clock. Values compare by content; collections are tuples in a fixed order, so that equal inputs
give equal bytes. Behaviour lives with whoever computes it: versions in `planner.versions`, files in `planner.load`.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Struct, field

# --------------------------------------------------------------------------------------------------------------------
# What is installed


class PackageRecord(Struct, frozen=True):
    """A conda package as repodata or conda-meta records it: what solving and judging need, without its path lists.

    `channel` is the channel's base URL or name as recorded, without the subdir. `size` is in bytes, `timestamp` in
    milliseconds since the epoch. `noarch` is "python", "generic" or None.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    channel: str = ""
    subdir: str = ""
    fn: str = ""
    url: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    timestamp: int | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    license: str | None = None
    track_features: tuple[str, ...] = ()
    features: str | None = None
    python_site_packages_path: str | None = None

    @property
    def dist_name(self) -> str:
        """The canonical `name-version-build`, which is also the stem of its file names."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def label(self) -> str:
        """`name version build`, as people read it."""
        return f"{self.name} {self.version} {self.build}"

    def same_build(self, other: PackageRecord) -> bool:
        """Whether both are one build, wherever it was downloaded from: same name, version, build and subdir."""
        return (self.name, self.version, self.build, self.build_number) == (
            other.name,
            other.version,
            other.build,
            other.build_number,
        ) and (not self.subdir or not other.subdir or self.subdir == other.subdir)


PathType: TypeAlias = Literal["hardlink", "softlink", "directory", "other"]


class RecordFiles(Struct, frozen=True):
    """The path list of one installed record, loaded on demand: it is nine tenths of conda-meta.

    `paths` are relative to the prefix with forward slashes, sorted. `known` is False where the record names no files
    at all although its package surely has some (records completed by hand, cut ones): then nothing follows from the
    absence of a path.
    """

    paths: tuple[str, ...]
    known: bool = True


class DirectUrl(Struct, frozen=True):
    """Where pip was told to take a distribution from (PEP 610): a local folder or archive, a VCS, or a URL.

    `vcs` is the program of a repository and `commit` what was built of it, `subdirectory` where in it; each may be empty.
    """

    url: str
    editable: bool = False
    kind: Literal["dir", "archive", "vcs"] = "archive"
    vcs: str = ""
    commit: str = ""
    subdirectory: str = ""


DistKind: TypeAlias = Literal["pure", "abi3", "tagged", "editable", "local"]


class PipDist(Struct, frozen=True):
    """A Python distribution found in a site-packages folder, by whatever installed it.

    `name` is normalised (PEP 503), `display_name` as its metadata writes it. `location` is the site-packages folder
    and `metadata_path` the `.dist-info` or `.egg-info`, both relative to the prefix with forward slashes.
    `python` is the X.Y of the folder (`lib/python3.9/...`), None on Windows, whose folder has no version.
    `tags` are the WHEEL file's tags, `extensions` the compiled modules its RECORD names, relative to `location`.
    `owner` is the name of the conda record that owns its metadata, None when conda does not know of it: only those
    are pip's. `files_known` is False when there is no RECORD: then `extensions` proves nothing by being empty.
    """

    name: str
    version: str
    display_name: str
    location: str
    metadata_path: str
    python: str | None = None
    installer: str | None = None
    tags: tuple[str, ...] = ()
    requires_python: str | None = None
    requires_dist: tuple[str, ...] = ()
    direct_url: DirectUrl | None = None
    top_level: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    owner: str | None = None
    files_known: bool = True

    @property
    def kind(self) -> DistKind:
        """Its class when python's minor moves: editable, local, tagged (bound to one python), abi3, or pure.

        A dist with a compiled module that carries neither a cpython tag nor abi3 is bound to the python it was built
        for as far as anyone can know, hence tagged.
        """
        if self.direct_url is not None and self.direct_url.editable:
            return "editable"
        if self.compiled:
            return "abi3" if self._is_abi3() else "tagged"
        # What conda owns was built from a folder of the build machine, which says nothing here.
        if self.owner is None and self.direct_url is not None and self.direct_url.url.startswith("file:"):
            return "local"
        return "pure"

    @property
    def compiled(self) -> bool:
        """Whether it brings compiled code, by its files, or by its wheel tags where its files are not known."""
        if self.files_known:
            return bool(self.extensions)
        return any(not tag.endswith("-none-any") for tag in self.tags)

    def _is_abi3(self) -> bool:
        if self.tags:
            return all(tag.split("-")[1:2] == ["abi3"] or tag.endswith("-none-any") for tag in self.tags)
        return bool(self.extensions) and all(".abi3." in path for path in self.extensions)


class SharedPath(Struct, frozen=True):
    """A path, relative to the prefix, that a conda record and one of pip's distributions both list as theirs.

    `same` says whether both list the same content, `holds` whose content lies there; None where that is not known.
    """

    path: str
    same: bool | None
    holds: Literal["conda", "pip", "neither"] | None = None


class TorchLink(Struct, frozen=True):
    """How a distribution's objects are tied to torch: linked to its C++ interface, to its stable one alone, or not at all.

    `path` is the object that shows it, relative to the prefix, `libraries` those of torch that it needs, `symbol` a name
    of torch's among those it leaves undefined.
    """

    kind: Literal["linked", "stable", "none"]
    path: str = ""
    libraries: tuple[str, ...] = ()
    symbol: str | None = None


class LoadProblem(Struct, frozen=True):
    """An input that could not be read: which file, what is wrong, and what was done without it."""

    path: str
    what: str
    consequence: str


class History(Struct, frozen=True):
    """What people asked for, folded from `conda-meta/history`: name -> last spec, of names still installed."""

    specs: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names that were asked for."""
        return frozenset(name for name, _ in self.specs)


class Environment(Struct, frozen=True):
    """One conda environment as it lies on disk. Records and dists are sorted by name.

    `sites` are its site-packages folders, relative to the prefix with forward slashes.
    """

    name: str
    prefix: str
    subdir: str
    records: tuple[PackageRecord, ...] = ()
    dists: tuple[PipDist, ...] = ()
    history: History = History()
    pins: tuple[str, ...] = ()
    frozen: str | None = None  # the message of conda-meta/frozen ("" when it has none); None: not frozen
    env_vars: tuple[tuple[str, str], ...] = ()
    problems: tuple[LoadProblem, ...] = ()
    fingerprint: str = ""
    sites: tuple[str, ...] = ()

    @property
    def pip_dists(self) -> tuple[PipDist, ...]:
        """The dists that conda does not own: what pip, or a person, put there."""
        return tuple(dist for dist in self.dists if dist.owner is None)

    def record(self, name: str) -> PackageRecord | None:
        """The installed record of that name, if any."""
        return next((record for record in self.records if record.name == name), None)

    @property
    def python(self) -> str | None:
        """The version of its own python, None when it has none (or its record could not be read)."""
        record = self.record("python")
        return record.version if record else None


class Installation(Struct, frozen=True):
    """A conda installation: its root prefix and every environment found, base first, then by prefix.

    Environments that nobody asked about may be known without the dists that conda owns, and without a fingerprint.
    `problems` are about finding environments, not about what is in one.
    """

    root: str
    environments: tuple[Environment, ...]
    problems: tuple[LoadProblem, ...] = ()


class VirtualPackage(Struct, frozen=True):
    """A fact of the host that packages depend on, `__cuda 12.4` say."""

    name: str
    version: str
    build: str = "0"


class Host(Struct, frozen=True):
    """The machine the change is meant for: detected here, given by options or a file, or assumed."""

    subdir: str
    virtual_packages: tuple[VirtualPackage, ...] = ()
    driver: str | None = None
    compute_capabilities: tuple[str, ...] | None = None
    source: Literal["detected", "given", "assumed"] = "detected"
    gpu_known: bool = False  # the GPU was given (--cuda VERSION or none, --driver) or found; not merely not found

    def virtual(self, name: str) -> str | None:
        """The version of a virtual package (`__cuda`), None when the host has none."""
        return next((package.version for package in self.virtual_packages if package.name == name), None)


# --------------------------------------------------------------------------------------------------------------------
# What is asked


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


# --------------------------------------------------------------------------------------------------------------------
# What an engine answers


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


# --------------------------------------------------------------------------------------------------------------------
# What we make of it


Action: TypeAlias = Literal["install", "remove", "upgrade", "downgrade", "rebuild", "relink", "channel"]


class PackageChange(Struct, frozen=True):
    """One package before and after. `reason` is for readers only: nothing decides by it."""

    name: str
    action: Action
    before: PackageRecord | None
    after: PackageRecord | None
    requested: bool = False
    reason: str = ""


class HeldBack(Struct, frozen=True):
    """A package that was meant to move and stays at `version`, though a channel has `newest`; `reason` as above."""

    name: str
    version: str
    newest: str
    reason: str


EvidenceKind: TypeAlias = Literal["file", "metadata", "catalogue"]


class Evidence(Struct, frozen=True):
    """Where to look to check a sentence of the report, and what stands there."""

    kind: EvidenceKind
    where: str
    what: str


EdgeStatus: TypeAlias = Literal["intact", "rebuilt", "removed", "broken", "unverified"]


class Edge(Struct, frozen=True):
    """An ABI edge that the change reaches: consumer needs provider, and what becomes of that.

    Consumers and providers are subjects: `conda:NAME`, `pip:NAME`, `file:PATH`, `env:NAME`, `host:WHAT`.
    """

    consumer: str
    provider: str
    kind: str
    requirement: str
    status: EdgeStatus
    evidence: tuple[Evidence, ...] = ()
    id: str = ""


Prediction: TypeAlias = Literal["load", "import", "run", "gone"]


class Severity(str, Enum):
    """How much a finding weighs: a block makes the verdict unsafe, a warning review, a note nothing."""

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"


class Finding(Struct, frozen=True):
    """One thing that a rule has to say about one subject.

    `predicts` names what would be seen to break when the change is carried out: a load or import error, a program
    that no longer runs, something gone; None where nothing can be seen at once. `edges` are the ABI edges it rests
    on; `planner.judge` numbers them and puts the ids into `edge_ids`.
    """

    rule: str
    severity: Severity
    subject: str
    message: str
    environment: str
    remedy: str
    status: Literal["certain", "unverified"] = "certain"
    basis: Literal["change", "request"] = "change"
    predicts: Prediction | None = None
    evidence: tuple[Evidence, ...] = ()
    edges: tuple[Edge, ...] = ()
    pre_existing: bool = False
    id: str = ""
    edge_ids: tuple[str, ...] = ()


class Verdict(str, Enum):
    """The answer in one word."""

    SAFE = "safe"
    REVIEW = "review"
    UNSAFE = "unsafe"
    UNSOLVABLE = "unsolvable"
    UNKNOWN = "unknown"


class EnvironmentReport(Struct, frozen=True):
    """What the change does to one environment of the installation, and how that is known.

    Where `readable` is False, `evidence` begins with what could not be read and what was done without it.
    """

    name: str
    prefix: str
    affected: bool
    readable: bool
    via: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


Argv: TypeAlias = tuple[str, ...]


class Step(Struct, frozen=True):
    """One step of the migration: commands, how to check that it worked, and how to take it back (argv lists)."""

    id: str
    kind: str
    title: str
    commands: tuple[Argv, ...] = ()
    check: tuple[Argv, ...] = ()
    undo: tuple[Argv, ...] = ()


class Migration(Struct, frozen=True):
    """The new environment beside the old one: its steps, and the texts of the files they need."""

    name: str
    prefix: str
    steps: tuple[Step, ...]
    artifacts: tuple[tuple[str, str], ...]
    follow_up: tuple[Step, ...] = ()
    rollback: tuple[Step, ...] = ()
    download_bytes: int = 0
    disk_bytes: int | None = None


class Alternative(Struct, frozen=True):
    """A request near the one that was made, which does solve, and what it costs in plain sentences."""

    specs: tuple[str, ...]
    costs: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    downgraded: tuple[str, ...] = ()


class Alternatives(Struct, frozen=True):
    """The nearest requests that solve, nearest first; `complete` when nothing nearer was left untried."""

    complete: bool = False
    items: tuple[Alternative, ...] = ()


class Target(Struct, frozen=True):
    """The environment that the question is about."""

    name: str
    prefix: str
    python: str | None
    packages: int
    pip_packages: int


class Fingerprint(Struct, frozen=True):
    """Digests of what the plan rests on; `planner apply` refuses when target or host have moved."""

    target: str
    host: str
    request: str
    repodata: str


class Plan(Struct, frozen=True):
    """The whole answer: what renderers show, what is saved, what is carried out."""

    planner_version: str
    created: str
    fingerprint: Fingerprint
    root: str
    target: Target
    request: Request
    host: Host
    solver: SolverInfo
    outcome: Literal["no-change", "change", "unsolvable"]
    verdict: Verdict
    recommendation: Literal["in-place", "migrate", "do-not-proceed"]
    explanation: str | None = None
    changes: tuple[PackageChange, ...] = ()
    final_state: tuple[PackageRecord, ...] = ()
    edges: tuple[Edge, ...] = ()
    findings: tuple[Finding, ...] = ()
    environments: tuple[EnvironmentReport, ...] = ()
    alternatives: Alternatives = field(default_factory=Alternatives)
    migration: Migration | None = None
    held_back: tuple[HeldBack, ...] = ()
