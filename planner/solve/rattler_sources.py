"""What rattler's resolver reads: the repodata of a request without what its own specs rule out, and invented packages.

rattler's gateway leaves the same out, at three to four times the cost of a solve: it fetches each name from each source
by itself. Leaving out changes no answer but the choice among equals, and makes an explanation short: a build that is
ruled out is none to explain.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import rattler
from rattler import PackageFormatSelection

from planner.versions import spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from planner.model.solve import Repodata

_KINDS = ("packages", "packages.conda")


class Sources:
    """The repodata of one request, by rank, opened once. What is made of it lies in `folder`, which is the caller's."""

    def __init__(self, repodata: Iterable[Repodata], folder: str) -> None:
        self.repodata = tuple(sorted(repodata, key=lambda item: item.rank))
        self._opened = [_open(item) for item in self.repodata]
        self._folder = folder
        self._files = 0
        self._less: dict[tuple[int, frozenset[str]], rattler.SparseRepoData] = {}
        self._ruled_out: dict[tuple[str, ...], list[frozenset[str]]] = {}

    def records(self, name: str) -> list[list[Any]]:
        """The builds of a name, for each repodata."""
        return [source.load_records(name) for source in self._opened]

    def without(self, specs: Iterable[str]) -> list[rattler.SparseRepoData]:
        """The repodata without the builds that one of the names in `specs` has and none of its specs is met by."""
        asked: dict[str, list[str]] = {}
        for spec in specs:
            asked.setdefault(spec_name(spec), []).append(spec)
        ruled_out = [self._files_ruled_out(tuple(some)) for some in asked.values() if not any(map(spec_is_bare, some))]
        return [
            self._reduced(number, frozenset().union(*(files[number] for files in ruled_out)))
            for number in range(len(self._opened))
        ]

    def invented(self, packages: Mapping[str, Sequence[Sequence[str]]]) -> rattler.SparseRepoData:
        """A channel of packages that exist nowhere else: of each name a version for each of its needs, the last the highest."""
        records = {
            f"{name}-{version}-0.conda": {
                "name": name,
                "version": str(version),
                "build": "0",
                "build_number": 0,
                "subdir": "noarch",
                "depends": depends,
            }
            for name, needs in packages.items()
            for version, depends in enumerate(needs, start=1)
        }
        document = {"info": {"subdir": "noarch"}, "packages.conda": records}
        return self._written("file:///invented", "noarch", json.dumps(document).encode())

    def _files_ruled_out(self, specs: tuple[str, ...]) -> list[frozenset[str]]:
        """For each repodata the files of a name that meet none of the specs of it."""
        if specs not in self._ruled_out:
            wanted = [rattler.MatchSpec(spec) for spec in specs]
            name = rattler.PackageName(spec_name(specs[0]))
            self._ruled_out[specs] = [
                frozenset(
                    record.file_name
                    for record in source.load_records(name, PackageFormatSelection.BOTH)
                    if not any(spec.matches(record) for spec in wanted)
                )
                for source in self._opened
            ]
        return self._ruled_out[specs]

    def _reduced(self, number: int, gone: frozenset[str]) -> rattler.SparseRepoData:
        if not gone:
            return self._opened[number]
        if (number, gone) not in self._less:
            item = self.repodata[number]
            with open(item.path, "rb") as stream:
                document = _without(stream.read(), gone)
            self._less[number, gone] = (
                self._opened[number] if document is None else self._written(item.channel, item.subdir, document)
            )
        return self._less[number, gone]

    def _written(self, channel: str, subdir: str, document: bytes) -> rattler.SparseRepoData:
        self._files += 1
        path = os.path.join(self._folder, f"{self._files}.json")
        with open(path, "wb") as stream:
            stream.write(document)
        return rattler.SparseRepoData(rattler.Channel(channel), subdir, path)


def _without(document: bytes, gone: frozenset[str]) -> bytes | None:
    """A `repodata.json` without the records of some files; None where only rattler can read it."""
    try:
        parts = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        for kind in _KINDS:
            records = msgspec.json.decode(parts.get(kind, b"{}"), type=dict[str, msgspec.Raw])
            parts[kind] = msgspec.Raw(msgspec.json.encode({fn: text for fn, text in records.items() if fn not in gone}))
    except (msgspec.DecodeError, RecursionError):
        return None
    return msgspec.json.encode(parts)


@lru_cache(maxsize=32)
def _open(repodata: Repodata) -> rattler.SparseRepoData:
    return rattler.SparseRepoData(rattler.Channel(repodata.channel), repodata.subdir, repodata.path)
