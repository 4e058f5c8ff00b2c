"""BASE001 conda-lost: after the change base has no working conda.

What it checks:
    In base, where conda is installed: whether after the change conda is there, with the solver it has now, with everything
    they require, and all of it built for the planned python.

Why it matters:
    Base's conda manages every environment of the installation. Without it there is no tool left to repair
    base, to go back, or to change any other environment.

How it decides:
    From conda, and conda-libmamba-solver where it is installed, along `depends` through all packages after the change:
    each requirement must be met by one of them, and each package must be usable by the planned python. Where binaries are
    read, the compiled modules that the solver brings must still load: conda imports its solver at every start.

Evidence and limits:
    Read from the records after the change. Unverified: requirements that cannot be read, a conda whose record names no
    requirements at all, and packages of which it is not certain which python they were built for. What is unmet today
    is told as such, also where the change mends it or has no solution: it takes a conda that runs to carry anything
    out. Plugins of conda other than its solver are not followed.

Example:
    `micromamba install python=3.10` in a base of 2021 removes conda 4.10.3, which has no build for python 3.10.

What to do:
    Leave base as it is, and make a new environment with the python you need.

References:
    conda/conda#9907, conda/conda#9672, conda/conda#6601, conda/conda-libmamba-solver#442.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from planner.model.plan import Edge, Evidence, Severity
from planner.pyabi import meta_path, mismatch, split_spec
from planner.rule import Rule, finding
from planner.versions import matches, minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from planner.model.installed import PackageRecord, RecordFiles
    from planner.model.plan import EdgeStatus, Finding
    from planner.rule import RuleContext

_SOLVER = "conda-libmamba-solver"
_REMEDY = "leave base as it is and make a new environment for this request"
_MEND = "mend base with a conda or micromamba from elsewhere: this conda can carry out nothing, here or in other environments"
_SHOWN = 3


class _Fault(Struct, frozen=True):
    """One reason why conda would not run, comparable between before and after."""

    text: str
    consumer: str
    provider: str
    kind: Literal["python_abi", "depends"]
    requirement: str
    certain: bool
    evidence: Evidence

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same fault before and after, whatever the versions are."""
        return (self.consumer, self.provider, self.requirement)


def check(ctx: RuleContext) -> Iterator[Finding]:
    """A finding about conda when it leaves or cannot run, and one about its solver when only that leaves."""
    conda = ctx.before_record("conda")
    if not ctx.is_base or conda is None:
        return
    today = _faults(_by_name(ctx.environment.records), ctx.python_minor_before, ctx.files, windows=ctx.on_windows)
    if ctx.after is None:
        yield from _cannot_run_today(ctx, today)
        return
    after = _by_name(ctx.after)
    if "conda" not in after:
        yield _gone(ctx, conda, "conda itself is removed: base would have no conda")
        return
    solver = ctx.before_record(_SOLVER)
    if solver is not None and _SOLVER not in after and not _requires(after["conda"], _SOLVER):
        yield _gone(ctx, solver, f"{_SOLVER}, the solver of this conda, is removed")
    faults = _faults(after, ctx.python_minor_after, _files_of(ctx), windows=ctx.on_windows, would=True)
    known = {fault.key for fault in today}
    fresh = [fault for fault in faults if fault.key not in known]
    if fresh:
        yield _cannot_run(ctx, fresh)
    else:
        yield from _cannot_run_today(ctx, today, stays=bool(faults))
    if not any(fault.certain for fault in fresh):
        yield from _cannot_load(ctx, after)


def _by_name(records: Iterable[PackageRecord]) -> dict[str, PackageRecord]:
    return {record.name: record for record in records}


def _gone(ctx: RuleContext, record: PackageRecord, message: str) -> Finding:
    evidence = Evidence("metadata", meta_path(record), f"{record.label} is unlinked and nothing replaces it")
    return finding(
        ctx,
        "BASE001",
        Severity.BLOCK,
        f"conda:{record.name}",
        message,
        _REMEDY,
        predicts="gone",
        evidence=(evidence, *(edge.evidence[0] for edge in _edges_of_gone(ctx, record))),
        edges=_edges_of_gone(ctx, record),
    )


def _edges_of_gone(ctx: RuleContext, record: PackageRecord) -> tuple[Edge, ...]:
    """What ties the package that leaves to the old python, where the planned one does not meet it."""
    python = ctx.after_record("python")
    return tuple(
        Edge(
            f"conda:{record.name}",
            "conda:python",
            "python_abi",
            spec,
            "removed",
            (Evidence("metadata", meta_path(record), f"depends: {spec}"),),
        )
        for spec in record.depends
        if split_spec(spec)[0] == "python" and python is not None and matches(spec, python) is False
    )


def _cannot_run(ctx: RuleContext, faults: list[_Fault]) -> Finding:
    certain = any(fault.certain for fault in faults)
    texts = _told(faults)
    return finding(
        ctx,
        "BASE001",
        Severity.BLOCK,
        "conda:conda",
        f"conda stays, but cannot run: {texts}" if certain else f"whether conda can still run is not known: {texts}",
        _REMEDY,
        predicts="run",
        certain=certain,
        evidence=[fault.evidence for fault in _certain_first(faults)],
        edges=[
            Edge(fault.consumer, fault.provider, fault.kind, fault.requirement, _status(fault), (fault.evidence,))
            for fault in _certain_first(faults)
        ],
    )


def _cannot_run_today(ctx: RuleContext, faults: list[_Fault], *, stays: bool = False) -> Iterator[Finding]:
    """A finding about what is so already; what is not certain is told only where it `stays`."""
    certain = any(fault.certain for fault in faults)
    if not certain and not stays:
        return
    texts = _told(faults)
    yield finding(
        ctx,
        "BASE001",
        Severity.BLOCK,
        "conda:conda",
        f"conda cannot run as it is: {texts}" if certain else f"whether conda can run is not known: {texts}",
        _MEND,
        certain=certain,
        evidence=[fault.evidence for fault in _certain_first(faults)],
        pre_existing=True,
    )


def _certain_first(faults: list[_Fault]) -> list[_Fault]:
    return sorted(faults, key=lambda fault: not fault.certain)


def _told(faults: list[_Fault]) -> str:
    more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(fault.text for fault in _certain_first(faults)[:_SHOWN]) + more


def _cannot_load(ctx: RuleContext, after: Mapping[str, PackageRecord]) -> Iterator[Finding]:
    """Findings about conda and its solver where a compiled module of the solver's packages no longer loads."""
    if ctx.binaries is None or _SOLVER not in after:
        return
    subjects = {f"conda:{name}" for name in _solver_packages(after)}
    dead = [
        found
        for found in ctx.binaries.breaks
        if found.effect == "import" and found.subject in subjects and found.certain and found.counts
    ]
    if not dead:
        return
    first = min(dead, key=lambda found: found.path)
    for name in ("conda", _SOLVER):
        yield finding(
            ctx,
            "BASE001",
            Severity.BLOCK,
            f"conda:{name}",
            f'{name} stays, but the solver that conda imports does not load: "{first.error}"',
            _REMEDY,
            predicts="import",
            evidence=[Evidence("file", found.path, f"needs {found.wanted}") for found in dead],
        )


def _solver_packages(records: Mapping[str, PackageRecord]) -> set[str]:
    """The solver and what it requires, python and what python requires aside: that is the same for everything."""
    found: set[str] = set()
    waiting = [_SOLVER]
    while waiting:
        name = waiting.pop()
        # conda requires its solver and much else, and the solver requires conda.
        if name in records and name not in found and name not in {"python", "conda"}:
            found.add(name)
            waiting.extend(split_spec(spec)[0] for spec in records[name].depends)
    return found


def _status(fault: _Fault) -> EdgeStatus:
    return "broken" if fault.certain else "unverified"


def _files_of(ctx: RuleContext) -> Callable[[PackageRecord], RecordFiles | None]:
    """The files of what stays; what is new has none yet."""
    kept = {record.name: record for record in ctx.kept}
    return lambda record: ctx.files(kept[record.name]) if record.name in kept else None


def _faults(
    records: Mapping[str, PackageRecord],
    python: str | None,
    files: Callable[[PackageRecord], RecordFiles | None],
    *,
    windows: bool,
    would: bool = False,
) -> list[_Fault]:
    """All reasons why conda does not, or would not, run among `records`, in the order in which requirements lead there."""
    queue = [records[name] for name in ("conda", _SOLVER) if name in records]
    seen = {record.name for record in queue}
    faults: list[_Fault] = []
    if "conda" in records and not records["conda"].depends:
        faults.append(_no_requirements(records["conda"]))
    while queue:
        record = queue.pop(0)
        faults += _misbuilt(record, python, files, windows=windows)
        for spec in record.depends:
            name = split_spec(spec)[0]
            if name.startswith("__"):
                continue
            provider = records.get(name)
            fault = _unmet(record, spec, name, provider, would=would)
            if fault is not None:
                faults.append(fault)
            if provider is not None and name not in seen:
                seen.add(name)
                queue.append(provider)
    return faults


def _misbuilt(
    record: PackageRecord,
    python: str | None,
    files: Callable[[PackageRecord], RecordFiles | None],
    *,
    windows: bool,
) -> Iterator[_Fault]:
    wrong = mismatch(record, python, files(record), windows=windows) if python is not None else None
    if wrong is None:
        return
    verb = "is" if wrong.certain else "looks"
    yield _Fault(
        f"{record.label} {verb} built for python {wrong.built_for}, not {python}",
        f"conda:{record.name}",
        "conda:python",
        "python_abi",
        wrong.requirement,
        wrong.certain,
        wrong.evidence,
    )


def _unmet(
    record: PackageRecord, spec: str, name: str, provider: PackageRecord | None, *, would: bool
) -> _Fault | None:
    met = matches(spec, provider) if provider is not None else False
    if met:
        return None
    if provider is None:
        text = f"{record.name} requires {spec}, and {name} {'would not be' if would else 'is not'} there"
    elif met is None:
        text = f"whether {name} {provider.version} meets {spec}, which {record.name} requires, cannot be read"
    else:
        found = minor(provider.version) if name == "python" else provider.version
        text = f"{record.name} requires {spec}, which {name} {found} does not meet"
    evidence = Evidence("metadata", meta_path(record), f"depends: {spec}")
    kind: Literal["python_abi", "depends"] = "python_abi" if name in {"python", "python_abi"} else "depends"
    return _Fault(text, f"conda:{record.name}", f"conda:{name}", kind, spec, met is False, evidence)


def _no_requirements(conda: PackageRecord) -> _Fault:
    evidence = Evidence("metadata", meta_path(conda), "depends: none")
    text = f"the record of conda {conda.version} names no requirements, though conda has some"
    return _Fault(text, "conda:conda", "conda:python", "depends", "", certain=False, evidence=evidence)


def _requires(record: PackageRecord, name: str) -> bool:
    return any(split_spec(spec)[0] == name for spec in record.depends)


RULE = Rule(
    id="BASE001",
    name="conda-lost",
    title="After the change base has no working conda",
    severity=Severity.BLOCK,
    check=check,
)
