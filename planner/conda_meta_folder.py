"""The `conda-meta` of one prefix, file by file: each as a record, or as what is wrong with it.

A file that was read before and is still the same by every sign that a file system gives is not read again: its record is
taken from the planner's cache. A file that changed a moment ago is read each time, and so is one that is no record.
"""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from planner import cache, channel_names, conda_meta, credentials
from planner.conda_meta import BadRecordError, python_metadata
from planner.files import LIMIT, read_file, reason
from planner.model import installed
from planner.model.installed import PackageRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.cache import Cache

_KIND = "conda-meta"
_MAKERS = (sys.modules[__name__], conda_meta, channel_names, credentials, installed)
_Identity: TypeAlias = tuple[int, int, int, int, int]


class RecordFile(msgspec.Struct, frozen=True, gc=False):
    """One file of conda-meta: its record, or None and what is wrong; `owned` is the Python metadata that it lists."""

    name: str
    record: PackageRecord | None
    owned: tuple[str, ...] = ()
    wrong: str = ""


class _Kept(msgspec.Struct, array_like=True):
    """What the cache holds of one prefix, in the order of the names; a record is msgpack in turn."""

    names: list[str]
    identities: list[_Identity]
    records: list[bytes]
    owned: list[tuple[str, ...]]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Kept)
_RECORD = msgspec.msgpack.Decoder(PackageRecord)
# The environments of an installation have most of their builds in common.
_decoded = lru_cache(maxsize=16_384)(_RECORD.decode)


def read_folder(prefix: str, kept: Cache) -> tuple[RecordFile, ...]:
    """Every `.json` in the conda-meta of a prefix, by name. Raises `OSError` where the folder cannot be listed."""
    folder = os.path.join(prefix, "conda-meta")
    now = time.time_ns()
    present = _present(folder)
    version, key = cache.made_by(*_MAKERS), os.path.realpath(folder)
    stored_names, stored_identities, stored = _stored(kept, version, key)
    names = [name for name, _ in present]
    identities = [status and cache.identity(status) for _, status in present]
    if stored_names == names and stored_identities == identities:
        return tuple(stored)
    known = dict(zip(zip(stored_names, stored_identities, strict=True), stored, strict=True))
    found: list[RecordFile] = []
    to_keep: list[tuple[_Identity, RecordFile]] = []
    stays: _Identity | None
    for (name, status), identity in zip(present, identities, strict=True):
        if identity is not None and (name, identity) in known:
            file, stays = known[name, identity], identity
        else:
            file, stays = _read(folder, name, status, now)
        found.append(file)
        if stays is not None:
            to_keep.append((stays, file))
    if [identity for identity, _ in to_keep] != stored_identities:
        _keep(kept, version, key, to_keep)
    return tuple(found)


def is_kept(prefix: str, kept: Cache) -> bool:
    """Whether something was kept of a prefix; `read_folder` sees whether it is still true."""
    return kept.holds(_KIND, cache.made_by(*_MAKERS), os.path.realpath(os.path.join(prefix, "conda-meta")))


def _present(folder: str) -> list[tuple[str, os.stat_result | None]]:
    """The files and their status, by name."""
    # Looked up in an open folder a file costs three quarters of what it does by its whole path.
    opened = os.open(folder, os.O_RDONLY) if os.scandir in os.supports_fd else None
    try:
        with os.scandir(folder if opened is None else opened) as entries:
            found = [(entry.name, _status(entry)) for entry in entries if entry.name.endswith(".json")]
    finally:
        if opened is not None:
            os.close(opened)
    return sorted(found, key=itemgetter(0))


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def _read(folder: str, name: str, known: os.stat_result | None, now: int) -> tuple[RecordFile, _Identity | None]:
    """One file, and by what it is known again; None for one that has to be read each time."""
    content = b""
    try:
        content, status = read_file(os.path.join(folder, name), LIMIT, known)
        record, owned = conda_meta.read(content)
    except (OSError, BadRecordError) as error:
        what = reason(error) if isinstance(error, OSError) else str(error)
        # What a cut record still says it owns is not pip's.
        return RecordFile(name, None, tuple(python_metadata(content)), what), None
    return RecordFile(name, record, owned), cache.identity(status) if cache.settled(status, now) else None


def _stored(kept: Cache, version: str, key: str) -> tuple[list[str], list[_Identity], list[RecordFile]]:
    content = kept.get(_KIND, version, key)
    if content is None:
        return [], [], []
    try:
        stored = _DECODER.decode(content)
        files = list(map(RecordFile, stored.names, map(_decoded, stored.records), stored.owned))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [], [], []
    return stored.names, stored.identities, files


def _keep(kept: Cache, version: str, key: str, files: Sequence[tuple[_Identity, RecordFile]]) -> None:
    try:
        content = _ENCODER.encode(
            _Kept(
                [file.name for _, file in files],
                [identity for identity, _ in files],
                [_ENCODER.encode(file.record) for _, file in files],
                [file.owned for _, file in files],
            )
        )
    except (UnicodeEncodeError, OverflowError):
        return  # a name that is no text, a number without bounds: read again next time
    kept.put(_KIND, version, key, content)
