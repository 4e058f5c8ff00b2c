"""The part of large channels that a question can reach: what is installed or asked for, and all that those need.

libmamba loads a whole channel before it thinks: a million records take it seconds, and each question with a pin wants
a database of its own. No package that nothing reaches can be in an answer, so it is given the others, with every build
of each name. rattler reads them out of the files without decoding the rest.

libmamba also puts a lock file beside whatever it reads, and nothing may be written into a channel or a cache of conda's.
So it never gets the channel's own file: what it reads lies in a temporary folder, which goes with the engine.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rattler

from planner.errors import ChannelError
from planner.model import Freeze, Install, Keep, Pin, Remove, Update
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planner.model import Job, Repodata, SolveRequest

# Below this many bytes a channel is loaded faster than it is reduced.
_WORTH_IT = 16 << 20


class Closure:
    """Makes requests ready for libmamba; what was made for one serves each later one that it covers."""

    def __init__(self, worth_it: int = _WORTH_IT) -> None:
        """`worth_it` is the size in bytes from which on channels are reduced."""
        self._worth_it = worth_it
        self._discard: Callable[[], object] = lambda: None
        self._made_from: tuple[Repodata, ...] = ()
        self._covers: frozenset[str] | None = frozenset()  # None: everything, the channels are whole
        self._made: tuple[Repodata, ...] = ()

    def reduce(self, request: SolveRequest) -> SolveRequest:
        """The same request on copies of its repodata: of large channels what it can reach, small ones whole."""
        repodata = request.repodata
        same = self._made_from == repodata
        if sum(os.path.getsize(item.path) for item in repodata) < self._worth_it:
            if not (same and self._covers is None):
                self._made, self._made_from, self._covers = self._linked(repodata), repodata, None
        else:
            names = _names(request)
            known = self._covers or frozenset()
            if not (same and names <= known):
                covers = names | known if same else names
                self._made, self._made_from, self._covers = self._written(repodata, covers), repodata, covers
        return replace(request, repodata=self._made)

    def _linked(self, repodata: tuple[Repodata, ...]) -> tuple[Repodata, ...]:
        folder = self._new_folder()
        for position, item in enumerate(repodata):
            # What is behind a link is not locked, the link is.
            os.symlink(os.path.abspath(item.path), os.path.join(folder, f"{position}.json"))
        return _in(folder, repodata)

    def _written(self, repodata: tuple[Repodata, ...], names: frozenset[str]) -> tuple[Repodata, ...]:
        sources = [rattler.SparseRepoData(rattler.Channel(item.channel), item.subdir, item.path) for item in repodata]
        try:
            found = rattler.SparseRepoData.load_records_recursive(
                sources, [rattler.PackageName(name) for name in names]
            )
        except OSError as error:
            places = ", ".join(item.path for item in repodata)
            raise ChannelError(f"a record in the repodata cannot be read ({error}); it is in one of {places}") from None
        folder = self._new_folder()
        for position, (item, records) in enumerate(zip(repodata, found, strict=True)):
            with open(os.path.join(folder, f"{position}.json"), "w", encoding="utf-8") as file:
                json.dump(_document(item, records), file)
        return _in(folder, repodata)

    def _new_folder(self) -> str:
        self._discard()
        folder = tempfile.mkdtemp(prefix="planner-solve-")
        self._discard = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder


def _in(folder: str, repodata: tuple[Repodata, ...]) -> tuple[Repodata, ...]:
    return tuple(replace(item, path=os.path.join(folder, f"{position}.json")) for position, item in enumerate(repodata))


def _names(request: SolveRequest) -> frozenset[str]:
    names = {record.name for record in request.installed} | {name for job in request.jobs for name in _named(job)}
    if request.add_pip_as_python_dependency:
        names.add("pip")
    # Names that no channel can have, a glob in a spec say, lead nowhere.
    return frozenset(name for name in names if _is_name(name))


def _named(job: Job) -> tuple[str, ...]:
    match job:
        case Install(spec) | Update(spec) | Remove(spec) | Pin(spec):
            return (spec_name(spec),)
        case Keep(name) | Freeze(name):
            return (name,)
        case _:
            return ()


def _is_name(text: str) -> bool:
    try:
        rattler.PackageName(text)
    except Exception:  # noqa: BLE001 -- rattler raises its own classes, which move between releases
        return False
    return True


def _document(item: Repodata, records: Iterable[Any]) -> dict[str, Any]:
    """A `repodata.json` of some records, in the order that a channel's own has: by kind of file, then by its name."""
    kinds: dict[str, dict[str, Any]] = {"packages": {}, "packages.conda": {}}
    for record in sorted(records, key=lambda record: str(record.file_name)):
        values = record.to_json()
        values = json.loads(values) if isinstance(values, str) else values
        name = str(record.file_name)
        kinds["packages.conda" if name.endswith(".conda") else "packages"][name] = values
    return {"info": {"subdir": item.subdir}, **kinds}
