"""The embedded engine: py-rattler's resolver, asked so that its answer comes as near to libmamba's as it can.

rattler keeps nothing that it is not asked to keep, and has no weak requests. libmamba keeps what is installed unless a
job or a conflict says otherwise. The gap is closed in two steps. First everything installed is asked for by name, with
the installed builds as the preferred ones. Where that has no solution, every installed package becomes a choice: an
invented package of our own, `planner-keep--NAME`, exists in versions that need the installed build, any build, or
nothing, and the resolver prefers the highest that fits. What comes back is then asked for, the rest is offered again,
until nothing more can be kept; of the two ladders tried the one that lets fewer packages go wins. A removal moves what
does not need what goes only where fewer packages go then.

That is a good approximation and no more: rattler prefers other builds, and it has no flexible channel priority. Hence
`fidelity: approximate`, always.
"""

from __future__ import annotations

import asyncio
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import rattler
from msgspec import Struct
from msgspec.structs import replace
from rattler.exceptions import SolverError

from planner import specs
from planner.diff import same_file
from planner.errors import BadSpec, ChannelError, SolverFailed
from planner.model.installed import PackageRecord
from planner.model.solve import Freeze, Install, Keep, Pin, Remove, Solution, SolverInfo, Unsolvable, Update, UpdateAll
from planner.origin import channel_name, same_channel
from planner.solve.closure import Closure
from planner.solve.rattler_records import record_from_rattler, record_to_rattler, virtual_to_rattler
from planner.solve.rattler_sources import Sources
from planner.solve.unneeded import needing, unneeded
from planner.versions import check_spec, compare, dependency_name, matches, spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.model.solve import Job, SolveOutcome, SolveRequest

_CHOICE = "planner-keep--"
_REQUEST = "planner-request"
# Enough for what one answer frees to be offered again; real requests settle in two or three rounds.
_MAX_ROUNDS = 6


class _Question(Struct, frozen=True):
    """A request in rattler's terms: what must be, what must not contradict, what is wished for, and what has to go."""

    must: tuple[str, ...]
    constraints: tuple[str, ...]
    wished: tuple[str, ...]
    preferred: tuple[PackageRecord, ...]
    gone: frozenset[str]


class RattlerSolver:
    """`planner.solve.base.Solver` on py-rattler."""

    def __init__(
        self,
        reason: str = "the engine that the planner brings along",
        progress: Progress | None = None,
        closure: Closure | None = None,
    ) -> None:
        """`closure` makes large channels small."""
        self._closure = closure or Closure()
        self._info = SolverInfo("rattler", rattler_version(), "in-process", "approximate", reason)
        self._progress = progress or (lambda _text: None)

    @property
    def info(self) -> SolverInfo:
        """How the plan names this engine."""
        return self._info

    @property
    def capabilities(self) -> frozenset[type[Job]]:
        """What rattler honours exactly: hard requests and constraints. Weak keeping is approximated."""
        return frozenset({Install, Pin, Freeze})

    def solve(self, request: SolveRequest) -> SolveOutcome:
        """Answer one request; see the module's docstring for how."""
        try:
            # On what it reaches, and not pruned: without builds that no answer holds rattler chooses others among equals.
            reduced = self._closure.reduce(request)
            with TemporaryDirectory(prefix="planner-solve-", ignore_cleanup_errors=True) as folder:
                session = _Session(request, Sources(reduced.repodata, folder))
                question = session.placed(_interpret(request, session.has_newer))
                return asyncio.run(_answer(session, question, request, self._progress))
        except (BadSpec, ChannelError, SolverFailed):
            raise
        except OSError as error:  # what rattler raises for a record it cannot decode
            places = ", ".join(item.path for item in request.repodata)
            raise ChannelError(
                f"a record in the repodata cannot be read ({error}); it is in one of {places}"
            ) from error
        except Exception as error:
            raise SolverFailed(f"rattler {self._info.version} broke while solving: {error}") from error


def rattler_version() -> str:
    """The version of py-rattler in use."""
    from importlib.metadata import version

    return version("py-rattler")


def _interpret(request: SolveRequest, has_newer: Callable[[PackageRecord], bool]) -> _Question:  # noqa: C901 -- one case per kind of job, none nested
    installed = {record.name: record for record in request.installed}
    must: dict[str, str] = {}
    constraints: list[str] = []
    unlocked: set[str] = set()
    gone: set[str] = set()
    for job in request.jobs:
        match job:
            case Install(spec):
                must[spec] = spec_name(spec)
            case Update(spec):
                name = spec_name(spec)
                unlocked.add(name)
                if not spec_is_bare(spec) or name not in installed:
                    must[spec] = name
            case UpdateAll():
                unlocked.update(installed)
            case Remove(spec):
                present = installed.get(spec_name(spec))
                if present is not None and matches(spec, present) is not False:
                    gone.add(present.name)
            case Keep():
                pass  # everything installed is wished for anyway
            case Freeze(name):
                if name in installed:
                    must[_exact(installed[name])] = name
            case Pin(spec):
                check_spec(spec)
                constraints.append(spec)
    # A package that must go: no version satisfies both halves, so whatever needs it goes as well.
    constraints.extend(f"{name} <0.0.0a0" for name in sorted(gone))
    asked = set(must.values())
    wished = tuple(sorted(name for name in installed if name not in asked and name not in gone))
    # An update never goes back: the installed build stays the preferred one where the channels have nothing newer.
    moving = {name for name in unlocked if name in installed and has_newer(installed[name])}
    preferred = tuple(
        _as_it_stands(record, request) for record in request.installed if record.name not in moving | gone
    )
    return _Question(tuple(must), tuple(constraints), wished, preferred, frozenset(gone))


def _as_it_stands(record: PackageRecord, request: SolveRequest) -> PackageRecord:
    """The record without the needs that nothing meets even now: like libsolv, what is broken may stay.

    A GPU build that was installed elsewhere must not make every question on a host without a GPU unsolvable, nor a
    package whose need was removed by force every question about its environment.
    """
    installed = {package.name for package in request.installed}
    host = {
        package.name: PackageRecord(package.name, package.version, package.build)
        for package in request.virtual_packages
    }
    met = []
    for spec in record.depends:
        name = dependency_name(spec)
        if (name in host and matches(spec, host[name])) if name.startswith("__") else name in installed:
            met.append(spec)
    return record if len(met) == len(record.depends) else replace(record, depends=tuple(met))


def _exact(record: PackageRecord) -> str:
    return f"{record.name} =={record.version} {record.build}"


async def _answer(session: _Session, question: _Question, request: SolveRequest, progress: Progress) -> SolveOutcome:
    strictly = request.channel_priority == "strict"
    best: Solution | None = None
    if question.gone:
        progress("solving: letting go of what needs what is removed, and moving nothing else")
        unmoved = await _unmoved(session, question, strict=strictly, installed=request.installed)
        if unmoved is not None:
            best = _solution(unmoved, request)
            if unmoved.keys() >= set(question.wished):
                return best
    # rattler knows strict and disabled; flexible lies between, so the strict answer is taken where it loses nothing.
    modes = {"strict": (True,), "flexible": (True, False), "disabled": (False,)}[request.channel_priority]
    for strict in modes:
        progress("solving: keeping everything installed")
        whole = await session.try_solve(question, question.must + question.wished, strict=strict)
        if isinstance(whole, dict):
            return _better(best, _solution(whole, request), question)
        if not question.wished and strict is modes[-1]:
            return Unsolvable(whole)
    progress("solving: what is asked for, alone")
    bare = await session.try_solve(question, question.must, strict=strictly)
    if isinstance(bare, str):
        return Unsolvable(bare)
    for ladder in (_exact_first, _by_name):
        progress("solving: letting as few packages go as possible")
        kept = await _keep_most(session, question, strict=strictly, installed=request.installed, ladder=ladder)
        best = _better(best, _solution(kept, request), question)
    return best or _solution(bare, request)


async def _unmoved(
    session: _Session, question: _Question, *, strict: bool, installed: Sequence[PackageRecord]
) -> dict[str, PackageRecord] | None:
    """The answer to a removal that keeps every build but of what needs what goes; None where these do not go together.

    libmamba moves others only where that lets it keep more, so the other answers have to lose less than this one.
    """
    reached = needing(installed, question.gone)
    still = tuple(_exact(record) for record in installed if record.name not in reached | question.gone)
    held = replace(question, must=question.must + still, wished=tuple(sorted(reached)))
    if isinstance(await session.try_solve(held, held.must, strict=strict), str):
        return None
    return await _keep_most(session, held, strict=strict, installed=installed, ladder=_exact_first)


def _better(best: Solution | None, answer: Solution, question: _Question) -> Solution:
    """The answer that lets fewer packages go, the earlier of two alike."""
    return answer if best is None or _lost(answer, question) < _lost(best, question) else best


def _lost(answer: Solution, question: _Question) -> int:
    """How many installed packages go, those that are cleaned up among them: what will go is no reason to move others."""
    return len(set(question.wished) - {record.name for record in answer.records})


async def _keep_most(
    session: _Session,
    question: _Question,
    *,
    strict: bool,
    installed: Sequence[PackageRecord],
    ladder: Ladder,
) -> dict[str, PackageRecord]:
    by_name = {record.name: record for record in installed}
    must, open_choices = question.must, question.wished
    for _ in range(_MAX_ROUNDS):
        choices = {f"{_CHOICE}{name}": ladder(by_name[name]) for name in open_choices}
        answer = await session.try_solve(question, must, strict=strict, choices=choices)
        if isinstance(answer, str):  # every choice may be declined, so this is the bare request failing
            raise SolverFailed(f"rattler contradicts itself: {answer}")
        records = {name: record for name, record in answer.items() if not name.startswith(_CHOICE)}
        lost = tuple(name for name in open_choices if name not in records)
        if not lost or len(lost) == len(open_choices):
            break
        must = question.must + tuple(name for name in question.wished if name in records)
        open_choices = lost
    return records


def _exact_first(record: PackageRecord) -> tuple[str, ...]:
    """The installed build, any build, nothing: what is installed fits together, so little else has to move."""
    return (_exact(record), record.name)


def _by_name(record: PackageRecord) -> tuple[str, ...]:
    """Any build, or nothing: frees the resolver to move more and lose less."""
    return (record.name,)


def _solution(answer: dict[str, PackageRecord], request: SolveRequest) -> Solution:
    installed = {record.name: record for record in request.installed}
    records = []
    for name, record in sorted(answer.items()):
        present = installed.get(name)
        records.append(present if present is not None and same_file(present, record) else record)
    updated = {spec_name(job.spec) for job in request.jobs if isinstance(job, Update)}
    if updated or any(isinstance(job, Remove) for job in request.jobs):
        kept = {job.name for job in request.jobs if isinstance(job, Keep)}
        below = unneeded(request.installed, records, kept, updated)
        records = [record for record in records if record.name not in below]
    return Solution(tuple(records))


class _Session:
    """One request, and the calls into rattler's resolver."""

    def __init__(self, request: SolveRequest, sources: Sources) -> None:
        self._request = request
        self._sources = sources
        self._virtual = [virtual_to_rattler(package) for package in request.virtual_packages]
        self._add_pip = request.add_pip_as_python_dependency and any(sources.records("pip"))

    def has_newer(self, record: PackageRecord) -> bool:
        """Whether a channel has a newer version of a record, a higher build number of the same, or goes before its own.

        Under channel priority the same version in a channel that goes before the record's own supersedes it, as conda
        says: that is how a CPU build takes the place of a GPU build (ContinuumIO/anaconda-issues#12302).
        """
        for repodata, builds in zip(self._sources.repodata, self._sources.records(record.name), strict=True):
            supersedes = self._goes_before(repodata.channel, record.channel)
            for candidate in builds:
                order = compare(str(candidate.version), record.version)
                if order > 0 or (order == 0 and candidate.build_number > record.build_number):
                    return True
                if order == 0 and supersedes and str(candidate.build) != record.build:
                    return True
        return False

    def placed(self, question: _Question) -> _Question:
        """The question with channels by their URLs: rattler takes every name for one of a channel on anaconda.org."""
        return replace(
            question,
            must=tuple(map(self._placed, question.must)),
            constraints=tuple(map(self._placed, question.constraints)),
        )

    def _placed(self, text: str) -> str:
        spec = specs.parse(text)
        if spec.channel is None:
            return text
        urls = dict(self._request.channel_names).get(spec.channel)
        channels = [item.channel for item in self._sources.repodata]
        named = [n for n, url in enumerate(channels) if (url in urls if urls else same_channel(spec.channel, url))]
        # Of the channels that one name stands for, the first that has the package: rattler takes a single one.
        builds = self._sources.records(spec.name)
        holding = (n for n in named if builds[n])
        best = next(holding, named[0] if named else None)
        return text if best is None else specs.written(replace(spec, channel=channels[best]))

    def _goes_before(self, channel: str, other: str) -> bool:
        """Whether a channel has priority over another one that is asked as well."""
        if self._request.channel_priority == "disabled":
            return False
        order = list(dict.fromkeys(channel_name(item.channel) for item in self._sources.repodata))
        left, right = channel_name(channel), channel_name(other)
        return left in order and right in order and order.index(left) < order.index(right)

    async def try_solve(
        self,
        question: _Question,
        specs: Sequence[str],
        *,
        strict: bool,
        choices: dict[str, tuple[str, ...]] | None = None,
    ) -> dict[str, PackageRecord] | str:
        """The records by name, or rattler's explanation why there are none.

        Of each of the `choices` there is one version for every rung of its ladder, which needs that rung, and one below
        that needs nothing.
        """
        invented: dict[str, list[tuple[str, ...]]] = {
            name: [(), *((rung,) for rung in reversed(rungs))] for name, rungs in (choices or {}).items()
        }
        asked = (*specs, *invented)
        if strict:
            # rattler looks for a directly requested spec past the first channel that has the name; for a dependency
            # it does not. So that strict means strict, the request itself becomes a package.
            invented[_REQUEST] = [asked]
            asked = (_REQUEST,)
        sources = self._sources.without(() if strict else specs)
        try:
            answer = await rattler.solve_with_sparse_repodata(
                [rattler.MatchSpec(spec) for spec in asked],
                [*sources, self._sources.invented(invented)] if invented else sources,
                locked_packages=[record_to_rattler(record) for record in question.preferred],
                virtual_packages=self._virtual,
                channel_priority=rattler.ChannelPriority.Strict if strict else rattler.ChannelPriority.Disabled,
                constraints=[rattler.MatchSpec(spec) for spec in question.constraints],
                add_pip_as_python_dependency=self._add_pip,
            )
        except SolverError as error:
            return str(error).strip()
        found = {record.name.normalized: record_from_rattler(record) for record in answer}
        found.pop(_REQUEST, None)
        return found


if TYPE_CHECKING:
    from typing import TypeAlias

    Progress: TypeAlias = Callable[[str], None]
    Ladder: TypeAlias = Callable[[PackageRecord], tuple[str, ...]]
