"""The `conda-meta` of one prefix, file by file: each as a record, or as what is wrong with it.

A file that was read before and is still the same by every sign that a file system gives is not read again: its record is
taken from the planner's cache. A file that changed a moment ago is read each time, and so is one that is no record.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from planner import cache, channel_names, conda_meta, credentials, model
from planner.conda_meta import BadRecordError, python_metadata
from planner.files import read_file, reason
from planner.model import PackageRecord  # noqa: TC001 -- the decoder looks the type up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.cache import Cache

_KIND = "conda-meta"
_Identity: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class RecordFile:
    """One file of conda-meta: its record, or None and what is wrong; `owned` is the Python metadata that it lists."""

    name: str
    record: PackageRecord | None
    owned: tuple[str, ...] = ()
    wrong: str = ""


class _Kept(msgspec.Struct, array_like=True):
    """What the cache holds of one prefix, in the order of the names."""

    names: list[str]
    identities: list[_Identity]
    records: list[PackageRecord]
    owned: list[tuple[str, ...]]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Kept)


def read_folder(prefix: str, kept: Cache) -> tuple[RecordFile, ...]:
    """Every `.json` in the conda-meta of a prefix, by name. Raises `OSError` where the folder cannot be listed."""
    folder = os.path.join(prefix, "conda-meta")
    now = time.time_ns()
    with os.scandir(folder) as entries:
        present = sorted([(entry.name, entry) for entry in entries if entry.name.endswith(".json")])
    version, key = cache.made_by(conda_meta, channel_names, credentials, model), os.path.realpath(folder)
    stored = _stored(kept, version, key)
    identities = [_identity(entry) for _, entry in present]
    files = map(RecordFile, stored.names, stored.records, stored.owned)
    if stored.names == [name for name, _ in present] and stored.identities == identities:
        return tuple(files)
    known = dict(zip(zip(stored.names, stored.identities, strict=True), files, strict=True))
    found: list[RecordFile] = []
    to_keep: list[tuple[_Identity, RecordFile]] = []
    stays: _Identity | None
    for (name, _), identity in zip(present, identities, strict=True):
        if identity is not None and (name, identity) in known:
            file, stays = known[name, identity], identity
        else:
            file, stays = _read(folder, name, now)
        found.append(file)
        if stays is not None:
            to_keep.append((stays, file))
    if [identity for identity, _ in to_keep] != stored.identities:
        _keep(kept, version, key, to_keep)
    return tuple(found)


def _identity(entry: os.DirEntry[str]) -> _Identity | None:
    try:
        return cache.identity(entry.stat())
    except OSError:
        return None


def _read(folder: str, name: str, now: int) -> tuple[RecordFile, _Identity | None]:
    """One file, and by what it is known again; None for one that has to be read each time."""
    content = b""
    try:
        content, status = read_file(os.path.join(folder, name))
        record, owned = conda_meta.read(content)
    except (OSError, BadRecordError) as error:
        what = reason(error) if isinstance(error, OSError) else str(error)
        # What a cut record still says it owns is not pip's.
        return RecordFile(name, None, tuple(python_metadata(content)), what), None
    return RecordFile(name, record, owned), cache.identity(status) if cache.settled(status, now) else None


def _stored(kept: Cache, version: str, key: str) -> _Kept:
    content = kept.get(_KIND, version, key)
    try:
        return _DECODER.decode(content) if content is not None else _Kept([], [], [], [])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Kept([], [], [], [])


def _keep(kept: Cache, version: str, key: str, files: Sequence[tuple[_Identity, RecordFile]]) -> None:
    stored = _Kept(
        [file.name for _, file in files],
        [identity for identity, _ in files],
        [file.record for _, file in files if file.record is not None],
        [file.owned for _, file in files],
    )
    try:
        content = _ENCODER.encode(stored)
    except (UnicodeEncodeError, OverflowError):
        return  # a name that is no text, a number without bounds: read again next time
    kept.put(_KIND, version, key, content)
