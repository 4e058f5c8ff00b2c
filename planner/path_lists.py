"""The path lists of one environment's records: from the planner's cache where their files are still the same.

They are nine tenths of conda-meta, a question needs those of the whole target, and decoding them takes five times as long
as reading back what was decoded. A list is taken from the cache only if its file is still the same by every sign that a
file system gives, and is about the same build; whatever else is the case, it is read as if nothing had been kept.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from planner import cache, conda_meta, load
from planner.files import read_file
from planner.model import installed
from planner.model.installed import RecordFiles

if TYPE_CHECKING:
    from planner.cache import Cache
    from planner.model.installed import PackageRecord

_KIND = "path-lists"
_Identity: TypeAlias = tuple[int, int, int, int, int]
_Build: TypeAlias = tuple[str, str, str]


class _List(msgspec.Struct, array_like=True, frozen=True):
    """What one file of conda-meta says, and by what that file is known again."""

    identity: _Identity
    build: _Build
    paths: tuple[str, ...]
    known: bool


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[str, _List])


class PathLists:
    """The path list of each installed record of a prefix, each read at most once; `keep` is for the next run."""

    def __init__(self, prefix: str, kept: Cache) -> None:
        self._prefix = prefix
        self._folder = os.path.join(prefix, "conda-meta")
        self._cache = kept
        self._version, self._key = cache.made_by(conda_meta, load, installed), os.path.realpath(self._folder)
        self._stored: dict[str, _List] | None = None
        self._fresh: dict[str, _List] = {}
        self._told: dict[PackageRecord, RecordFiles] = {}

    def __call__(self, record: PackageRecord) -> RecordFiles:
        """The paths that a record owns; `known` is False where they cannot be read or surely are not all."""
        found = self._told.get(record)
        if found is None:
            found = self._told[record] = self._from_its_file(record) or load.record_files(self._prefix, record)
        return found

    def keep(self) -> None:
        """Keep what was read for the first time, with what was kept before of files that are still there."""
        if not self._fresh:
            return
        names = set(os.listdir(self._folder)) if os.path.isdir(self._folder) else set()
        stored = {name: item for name, item in (self._stored or {}).items() if name in names}
        try:
            content = _ENCODER.encode(stored | self._fresh)
        except UnicodeEncodeError:
            return  # a path that is no text: read again next time
        self._cache.put(_KIND, self._version, self._key, content)
        self._fresh = {}

    def _from_its_file(self, record: PackageRecord) -> RecordFiles | None:
        """The list in the file that a record should lie in; None where that is not there, or about another build."""
        name = f"{conda_meta.stem(record.fn)}.json"
        if os.path.basename(name) != name:
            return None
        build = (record.name, record.version, record.build)
        path = os.path.join(self._folder, name)
        if self._stored is None:
            self._stored = self._read_back()
        stored = self._stored.get(name)
        now = time.time_ns()
        try:
            if stored is not None and stored.build == build and stored.identity == cache.identity(os.stat(path)):
                return RecordFiles(stored.paths, stored.known)
            content, status = read_file(path)
            found = conda_meta.paths(content, record)
        except (OSError, ValueError):
            return None
        if found is not None and cache.settled(status, now):
            self._fresh[name] = _List(cache.identity(status), build, found.paths, found.known)
        return found

    def _read_back(self) -> dict[str, _List]:
        content = self._cache.get(_KIND, self._version, self._key)
        try:
            return _DECODER.decode(content) if content is not None else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}
