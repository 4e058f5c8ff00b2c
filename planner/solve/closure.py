"""The part of the channels that a question can reach: what is installed or asked for, and all that those need.

An engine loads a whole channel before it thinks: a million records take it seconds, and each question with a pin wants
a database of its own. No package that nothing reaches can be in an answer, so engines are given the others: every build
of each name, as the channel's own text in the channel's own order, cut out of the file by its index. Where the request
leaves python but one minor, an engine may leave the builds for others out as well (`planner.solve.prune`).

libmamba also puts a lock file beside whatever it reads, and nothing may be written into a channel or a cache of conda's.
So no engine gets the channel's own file: what is read lies in a temporary folder, which goes with the engine. Files that
have no index are linked there whole.

What was cut out for a question that names its python is kept in the planner's cache, since the same is asked again: for
another form of the report, say, or before each step of an upgrade.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import weakref
from typing import TYPE_CHECKING, TypeVar

import msgspec
import rattler
from msgspec import Struct
from msgspec.structs import replace

from planner import repodata_index, versions
from planner.cache import NO_CACHE, made_by
from planner.errors import ChannelError
from planner.model import installed, solve
from planner.model.installed import PackageRecord
from planner.model.solve import Freeze, Install, Keep, Pin, Remove, Update
from planner.repodata_index import index_of
from planner.solve import prune
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from planner.cache import Cache
    from planner.model.solve import Job, Repodata, SolveRequest
    from planner.repodata_index import RepodataIndex, Run
    from planner.solve.prune import AskedOfPython

# What stands before a name in a dependency (its channel), and the name; what follows may stand close to it.
_NAMED = re.compile(r"^\s*(?:[^\s\[]*::)?([^\s<>=!~;,@\[|*]+)")


_BOUND = frozenset({prune.PYTHON, prune.ABI})
_KIND = "cut"
_MAKERS = (sys.modules[__name__], prune, versions, repodata_index, installed, solve)
_WORTH_KEEPING = 1 << 18  # bytes; less is cut anew in no time


class _Needs(msgspec.Struct, gc=False):
    depends: list[str] | None = None


class _Python(msgspec.Struct):
    version: str
    build: str
    build_number: int = 0
    depends: list[str] | None = None
    constrains: list[str] | None = None


_Decoded = TypeVar("_Decoded")
_NEEDS = msgspec.json.Decoder(dict[str, _Needs])
_PYTHONS = msgspec.json.Decoder(dict[str, _Python])


class _Cut(Struct, frozen=True):
    """A run of records, with what each of them needs by its file name."""

    run: Run
    needs: dict[str, _Needs]


class _Reached(Struct, frozen=True):
    """What lies in reach of some names: the records of each repodata, and every line of what they need."""

    names: frozenset[str]
    cuts: tuple[tuple[_Cut, ...], ...]
    needs: frozenset[str]


class Closure:
    """Makes requests ready for an engine; what was made for one serves each later one that it covers."""

    def __init__(self, *, whole: bool = False, kept: Cache = NO_CACHE) -> None:
        """`whole` leaves the channels as they are, for comparison; in `kept` is what was cut out for earlier questions."""
        self._whole = whole
        self._kept = kept
        self._folder: str | None = None
        self._files = 0
        self._made_from: tuple[Repodata, ...] = ()
        self._linked: tuple[Repodata, ...] | None = None
        self._reached: _Reached | None = None
        self._whole_reach: tuple[Repodata, ...] | None = None
        self._pruned: dict[AskedOfPython, tuple[Repodata, ...] | None] = {}
        self._left: dict[tuple[frozenset[str], frozenset[PackageRecord]], tuple[Repodata, ...] | None] = {}
        self._again: dict[str, tuple[Repodata, ...]] = {}

    def reduce(self, request: SolveRequest) -> SolveRequest:
        """The same request on copies of its repodata that hold what it can reach."""
        reached = self._reach(request)
        if reached is None:
            return replace(request, repodata=self._links(request.repodata))
        if self._whole_reach is None:
            runs = [[cut.run for cut in cuts] for cuts in reached.cuts]
            self._whole_reach = self._written(request.repodata, runs)
        return replace(request, repodata=self._whole_reach)

    def prune(self, request: SolveRequest) -> SolveRequest | None:
        """The request on what it can reach without the builds for other pythons; None where it leaves python a choice."""
        self._start_from(request.repodata)
        asked = prune.asked_of_python(request)
        key = self._key(request, asked)
        made = self._cut_before(key, request.repodata) if key else None
        if made is not None:
            return replace(request, repodata=made)
        reached = self._reach(request)
        if reached is None:
            return None
        if asked not in self._pruned:
            pythons, abis = (self._records(reached, name) for name in (prune.PYTHON, prune.ABI))
            left_out = prune.impossible(asked, pythons, abis, reached.needs)
            if left_out not in self._left:
                self._left[left_out] = self._without(request.repodata, reached, *left_out) if any(left_out) else None
            self._pruned[asked] = self._left[left_out]
        made = self._pruned[asked]
        if made is None:
            return None
        self._keep(key, made)
        return replace(request, repodata=made)

    def _start_from(self, repodata: tuple[Repodata, ...]) -> None:
        if self._made_from != repodata:
            self._made_from, self._linked, self._reached = repodata, None, None
            self._again.clear()
            self._forget()

    def _reach(self, request: SolveRequest) -> _Reached | None:
        """What lies in reach, None where that cannot be told. Raises `ChannelError` for a record that cannot be read."""
        self._start_from(request.repodata)
        if self._whole:
            return None
        names = _names(request)
        if self._reached is None or not names <= self._reached.names:
            indexes = [index_of(item.path, item.digest) for item in request.repodata]
            if not all(index.plain for index in indexes):
                return None
            known = self._reached.names if self._reached is not None else frozenset()
            self._forget()
            self._reached = self._read(indexes, names | known)
        return self._reached

    def _forget(self) -> None:
        self._whole_reach = None
        self._pruned.clear()
        self._left.clear()

    def _read(self, indexes: Sequence[RepodataIndex], names: frozenset[str]) -> _Reached:
        cuts: list[list[_Cut]] = [[] for _ in indexes]
        needs: set[str] = set()
        seen: set[str] = set()
        waiting = set(names)
        while waiting:
            seen |= waiting
            lines: set[str] = set()
            for index, found in zip(indexes, cuts, strict=True):
                for run in index.read(sorted(waiting)):
                    cut = _Cut(run, _decoded(index.path, run, _NEEDS))
                    found.append(cut)
                    for record in cut.needs.values():
                        lines.update(record.depends or ())
            lines -= needs
            needs |= lines
            waiting = {name for line in lines if (name := _name_in(line))} - seen
        # Every name that was looked for is covered, there or not.
        return _Reached(frozenset(seen), tuple(map(tuple, cuts)), frozenset(needs))

    def _without(
        self,
        repodata: Sequence[Repodata],
        reached: _Reached,
        unmet: frozenset[str],
        dropped: frozenset[PackageRecord],
    ) -> tuple[Repodata, ...]:
        kept: list[list[Run]] = []
        for item, cuts in zip(repodata, reached.cuts, strict=True):
            gone = {record.fn for record in dropped if (record.channel, record.subdir) == (item.channel, item.subdir)}
            runs = (_left(cut, unmet, gone if cut.run.name in _BOUND else frozenset()) for cut in cuts)
            kept.append([run for run in runs if run is not None])
        return self._written(repodata, kept)

    def _records(self, reached: _Reached, name: str) -> list[PackageRecord]:
        """The records of a name, with no more in them than pruning looks at."""
        return [
            PackageRecord(
                name,
                record.version,
                record.build,
                record.build_number,
                channel=item.channel,
                subdir=item.subdir,
                fn=fn,
                depends=tuple(record.depends or ()),
                constrains=tuple(record.constrains or ()),
            )
            for item, cuts in zip(self._made_from, reached.cuts, strict=True)
            for cut in cuts
            if cut.run.name == name
            for fn, record in _decoded(item.path, cut.run, _PYTHONS).items()
        ]

    # ----------------------------------------------------------------------------------------------------------------

    def _key(self, request: SolveRequest, asked: AskedOfPython) -> str:
        """What a question's cut is kept under; empty where none is kept, or the question says nothing of python."""
        kept = not self._whole and self._kept is not NO_CACHE and (asked.specs or asked.locked)
        return _question(request, asked) if kept else ""

    def _cut_before(self, key: str, repodata: tuple[Repodata, ...]) -> tuple[Repodata, ...] | None:
        """What was cut out for the same question earlier; None where it was not, or not all of that is there."""
        if key not in self._again:
            version = made_by(*_MAKERS)
            documents = [self._kept.get(_KIND, version, f"{key} {number}") for number in range(len(repodata))]
            found = [document for document in documents if document is not None]
            if len(found) < len(documents):
                return None
            self._again[key] = self._placed(repodata, [[document] for document in found])
        return self._again[key]

    def _keep(self, key: str, made: tuple[Repodata, ...]) -> None:
        if not key or sum(os.path.getsize(item.path) for item in made) < _WORTH_KEEPING:
            return
        self._again[key] = made
        for number, item in enumerate(made):
            with open(item.path, "rb") as file:
                self._kept.put(_KIND, made_by(*_MAKERS), f"{key} {number}", file.read())

    def _links(self, repodata: tuple[Repodata, ...]) -> tuple[Repodata, ...]:
        if self._linked is None:
            made = []
            for item in repodata:
                path = self._new_file()
                # What is behind a link is not locked, the link is.
                os.symlink(os.path.abspath(item.path), path)
                made.append(replace(item, path=path))
            self._linked = tuple(made)
        return self._linked

    def _written(self, repodata: Sequence[Repodata], runs: Sequence[Iterable[Run]]) -> tuple[Repodata, ...]:
        documents = (index_of(item.path, item.digest).document(some) for item, some in zip(repodata, runs, strict=True))
        return self._placed(repodata, documents)

    def _placed(
        self, repodata: Sequence[Repodata], documents: Iterable[Iterable[bytes | memoryview]]
    ) -> tuple[Repodata, ...]:
        made = []
        for item, parts in zip(repodata, documents, strict=True):
            path = self._new_file()
            with open(path, "wb") as file:
                file.writelines(parts)
            made.append(replace(item, path=path))
        return tuple(made)

    def _new_file(self) -> str:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="planner-solve-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._files += 1
        return os.path.join(self._folder, f"{self._files}.json")


def _question(request: SolveRequest, asked: AskedOfPython) -> str:
    """A digest of all that decides what is cut out: the channels' content, where reach begins, what python may be."""
    sources = [(item.channel, item.subdir, item.digest) for item in request.repodata]
    content = msgspec.json.encode((rattler.__version__, sources, sorted(_names(request)), asked))
    return hashlib.sha256(content).hexdigest()


def _left(cut: _Cut, unmet: frozenset[str], gone: Collection[str]) -> Run | None:
    """What is left of a run without the records that need what nothing meets, and those that are gone themselves."""
    files = [fn for fn, record in cut.needs.items() if fn not in gone and unmet.isdisjoint(record.depends or ())]
    return cut.run if len(files) == len(cut.needs) else cut.run.only(files) if files else None


def _decoded(path: str, run: Run, decoder: msgspec.json.Decoder[_Decoded]) -> _Decoded:
    try:
        return decoder.decode(b"{" + run.text + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChannelError(f"{path}: a record of {run.name} cannot be read: {error}") from None


def _name_in(line: str) -> str | None:
    match = _NAMED.match(line)
    return match[1].lower() if match else None


def _names(request: SolveRequest) -> frozenset[str]:
    """Where reach begins. What an installed record needs is in it though no build in the channels may need it."""
    names = {record.name.lower() for record in request.installed}
    names |= {name for job in request.jobs for name in _named(job)}
    names |= {name for record in request.installed for line in record.depends if (name := _name_in(line))}
    if request.add_pip_as_python_dependency:
        names.add("pip")
    return frozenset(names)


def _named(job: Job) -> tuple[str, ...]:
    match job:
        case Install(spec) | Update(spec) | Remove(spec) | Pin(spec):
            return (spec_name(spec),)
        case Keep(name) | Freeze(name):
            return (name.lower(),)
        case _:
            return ()
