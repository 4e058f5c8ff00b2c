"""What is made of an answer: changes, findings, a verdict, a migration, and the plan that holds all of it."""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Struct, field

from planner.model.installed import Host, PackageRecord  # noqa: TC001 -- `planner.serialize` asks for the types of a plan
from planner.model.solve import Request, SolverInfo  # noqa: TC001 -- as above

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
