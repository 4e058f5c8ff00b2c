"""What a rule is, what it may look at, and how it makes findings.

A rule is one file in `rules/`: its module docstring is its page, `check(ctx)` yields findings, `RULE` is its value.
The context is read-only and narrow: values that were loaded and solved before, and the path list of an installed
record on demand. No file, clock, network or solver is within a rule's reach.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from msgspec import Struct, field

from planner.facts import known_facts
from planner.model.plan import Finding, Severity
from planner.reference import Surroundings
from planner.versions import minor, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.abi.binaries import Binaries
    from planner.facts import Facts
    from planner.imports.changed import Imports
    from planner.model.installed import (
        Environment,
        Host,
        Installation,
        PackageRecord,
        PipDist,
        RecordFiles,
        SharedPath,
        TorchLink,
    )
    from planner.model.plan import Edge, Evidence, PackageChange, Prediction
    from planner.model.solve import Request


class RuleContext(Struct, frozen=True):
    """All that a rule may look at.

    `environment` is the target as it is; `after` are the records after the change, None when the request has no
    solution: then `changes` is empty, rules judge the request alone, and their findings carry `basis: request`.
    `planned_python` is the python version after the change (`3.11.9`), or, without a solution, the X.Y that the request
    forces (`3.10`); None when neither is known or there is no python.
    `files` gives the path list of an installed record of the target, `shared` the paths that it and one of pip's
    distributions both list, `torch_link` how such a distribution's objects are tied to torch (None: not known),
    `candidates` all builds of a name that the channels have. `configured_pins` are those of conda's configuration; the
    environment has its own. `at_hand` says whether an installed build lies in conda's package cache, or in a channel
    under its own file name. `binaries` answers what links and what loads, read when first asked; None where there is
    nothing to ask, as without a solution; `imports` does the same for what python finds. `surroundings` is what refers
    to the environments from outside, `new_environment` gives the packages of the one that would be made instead, none if
    there is none. `facts` is what is known of the field at large.
    """

    installation: Installation
    environment: Environment
    is_base: bool
    request: Request
    host: Host
    after: tuple[PackageRecord, ...] | None
    changes: tuple[PackageChange, ...]
    planned_python: str | None
    files: Callable[[PackageRecord], RecordFiles]
    binaries: Binaries | None = None
    imports: Imports | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    new_environment: Callable[[], Sequence[PackageRecord]] = tuple
    shared: Callable[[PackageRecord, PipDist], tuple[SharedPath, ...]] = lambda _record, _dist: ()
    torch_link: Callable[[PipDist], TorchLink | None] = lambda _dist: None
    candidates: Callable[[str], Sequence[PackageRecord]] = lambda _name: ()
    configured_pins: tuple[str, ...] = ()
    at_hand: Callable[[PackageRecord], bool] = lambda _record: True
    facts: Facts = field(default_factory=known_facts)

    @property
    def on_windows(self) -> bool:
        """Whether the target is a Windows environment, whose site-packages has no version in its path."""
        return self.environment.subdir.startswith("win-")

    @property
    def python_minor_before(self) -> str | None:
        """X.Y of the target's python as it is, None without one."""
        return minor(self.environment.python) if self.environment.python else None

    @property
    def python_minor_after(self) -> str | None:
        """X.Y of the planned python, None when not known or when python leaves."""
        return minor(self.planned_python) if self.planned_python else None

    @property
    def python_minor_moves(self) -> bool:
        """Whether python's minor would be another one after the change."""
        before, after = self.python_minor_before, self.python_minor_after
        return before is not None and after is not None and before != after

    @property
    def requested_names(self) -> frozenset[str]:
        """Names asked for: by this request, and earlier by history."""
        return frozenset(spec_name(spec) for spec in self.request.specs) | self.environment.history.names

    def before_record(self, name: str) -> PackageRecord | None:
        """The installed record of that name."""
        return self.environment.record(name)

    def after_record(self, name: str) -> PackageRecord | None:
        """The record of that name after the change; None without one, or without a solution."""
        return next((record for record in self.after or () if record.name == name), None)

    def change(self, name: str) -> PackageChange | None:
        """The change of the package of that name, if it changes."""
        return next((change for change in self.changes if change.name == name), None)

    @property
    def kept(self) -> tuple[PackageRecord, ...]:
        """The installed records whose very build stays (re-linked ones included)."""
        gone = {change.name for change in self.changes if change.action != "relink"}
        return tuple(record for record in self.environment.records if record.name not in gone)


class Rule(Struct, frozen=True):
    """One rule of the catalogue. Ids are permanent; `severity` is the default, which `check` may raise.

    A `late` one is checked after the others: it asks for what an engine may still be working on.
    """

    id: str
    name: str
    title: str
    severity: Severity
    check: Callable[[RuleContext], Iterable[Finding]]
    since: str = "0.1"
    late: bool = False

    @property
    def page(self) -> str:
        """The rule's documentation: the docstring of its module."""
        return (sys.modules[self.check.__module__].__doc__ or "").strip()


def finding(
    ctx: RuleContext,
    rule: str,
    severity: Severity,
    subject: str,
    message: str,
    remedy: str,
    *,
    predicts: Prediction | None = None,
    certain: bool = True,
    evidence: Iterable[Evidence] = (),
    edges: Iterable[Edge] = (),
    pre_existing: bool = False,
    environment: str | None = None,
) -> Finding:
    """A finding with the basis that the context implies; about the target of `ctx` unless `environment` names another."""
    return Finding(
        rule=rule,
        severity=severity,
        subject=subject,
        message=message,
        environment=ctx.environment.name if environment is None else environment,
        remedy=remedy,
        status="certain" if certain else "unverified",
        basis="request" if ctx.after is None else "change",
        predicts=predicts,
        evidence=tuple(evidence),
        edges=tuple(edges),
        pre_existing=pre_existing,
    )
