"""The planner's own cache: what was worked out of files once, kept in the user's cache folder, never trusted blindly.

An entry is one file, written beside its place and renamed into it, so that a run that is killed and two runs at once leave
whole entries or none. It names the form it is in, what it is of, its size and its checksum; whatever does not hold is as
good as no entry. A full disk or a folder that cannot be written to is no fault either: then nothing is kept.

Whether a file is still the one that an entry was made of is told by `identity`, and by `settled` whether that can be told
at all: what changed a moment ago may change again without a trace. What the entries mean is up to those who keep them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import stat
import struct
import tempfile
import time
import zlib
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

LIMIT = 1 << 30  # bytes of all entries together; 50 environments and the channels they come from take a tenth of it
_FORM = b"conda-upgrade-planner cache 1\n"
_HEAD = struct.Struct("<QII")  # bytes of the content, its checksum, bytes of the name
_NEW = ".new-"  # what is being written; what a killed run left of it goes with the entries that nobody uses
_ENTRIES = "entries"
# What other parts keep in the same folder: fetched and unpacked repodata, fetched packages and these unpacked.
_OTHERS = ("repodata", "unpacked", "archives", "pkgs")
_TICK = 3_000_000_000  # nanoseconds; the coarsest clock of a file system is FAT's, with two seconds
_SLACK = 16  # the part of the limit by which entries may be over it for a while: looking at all of them takes time
_ABANDONED = 3600  # seconds after which nobody writes a new entry any more
_FRESH = 3600  # seconds for which an entry that is used counts as just used
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """What tells one content of a file from another: device, inode, size, and both times in nanoseconds.

    The time of the change (`ctime`) cannot be set by anyone, as the time of the content can.
    """
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def settled(status: os.stat_result, now: int | None = None) -> bool:
    """Whether a change from now on would show in the file's identity: its last one is longer ago than a clock's tick.

    `now` is `time.time_ns()` of before the file was read.
    """
    return max(status.st_mtime_ns, status.st_ctime_ns) + _TICK < (time.time_ns() if now is None else now)


@lru_cache(maxsize=64)
def made_by(*modules: ModuleType) -> str:
    """A version for entries that only the same source of these modules can have made, and can read."""
    digest = hashlib.sha256(__version__.encode())
    for module in modules:
        try:
            with open(module.__file__ or "", "rb") as source:
                digest.update(source.read())
        except OSError:
            continue  # in an archive, or without its source: then the planner's version has to do
    return digest.hexdigest()[:16]


class Usage(Struct, frozen=True):
    """How much lies in the cache folder: files and bytes of each part of it that is there."""

    folder: str
    parts: tuple[tuple[str, int, int], ...]


class Cache:
    """The entries in one cache folder; without a folder it keeps nothing and has nothing."""

    def __init__(self, folder: str | None, limit: int = LIMIT) -> None:
        self.folder = folder
        self._folder = os.path.join(folder, _ENTRIES) if folder else None
        self._limit = limit
        self._written = limit  # bytes since it was last seen to that all are within the limit; it is seen to at once

    def get(self, kind: str, version: str, key: str) -> memoryview | None:
        """What was kept under this name in this version, mapped and not copied; None where nothing whole is there."""
        if self._folder is None:
            return None
        path = self._path(kind, key)
        try:
            content = _mapped(path)
        except (OSError, ValueError):
            return None
        found = None if content is None else _payload(content, _name(kind, version, key))
        if found is not None:
            _used(path)
        return found

    def holds(self, kind: str, version: str, key: str) -> bool:
        """Whether there is an entry under this name in this version, whole or not."""
        if self._folder is None:
            return False
        name = _name(kind, version, key)
        start = len(_FORM) + _HEAD.size
        try:
            descriptor = os.open(self._path(kind, key), _OPEN)
        except OSError:
            return False
        try:
            head = os.read(descriptor, start + len(name))
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return head.startswith(_FORM) and head[start:] == name

    def put(self, kind: str, version: str, key: str, *parts: bytes | memoryview) -> bool:
        """Keep the parts as one content, in place of what lies there; whether that could be done."""
        if self._folder is None:
            return False
        name = _name(kind, version, key)
        size = sum(map(len, parts))
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        head = _FORM + _HEAD.pack(size, checksum, len(name)) + name
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._write(self._path(kind, key), (head, *parts))
        except OSError:
            return False
        self._written += size
        if self._written > self._limit // _SLACK:
            self._trim()
        return True

    def _path(self, kind: str, key: str) -> str:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return os.path.join(self._folder or "", f"{kind}-{digest}")

    def _write(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        descriptor, fresh = tempfile.mkstemp(prefix=_NEW, dir=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.writelines(parts)
            os.replace(fresh, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(fresh)
            raise

    def _trim(self) -> None:
        """Take away what was not used for longest until the rest is within the limit."""
        self._written = 0
        now = time.time()
        left, total = [], 0
        for path, status in _files(self._folder or ""):
            abandoned = os.path.basename(path).startswith(_NEW) and status.st_mtime + _ABANDONED < now
            left.append((0.0 if abandoned else status.st_mtime, status.st_size, path))
            total += status.st_size
        for used, size, path in sorted(left):
            if used and total <= self._limit:
                break
            with suppress(OSError):
                os.unlink(path)
            total -= size


NO_CACHE = Cache(None)


def open_cache(folder: str, environ: Mapping[str, str]) -> Cache:
    """The cache in a folder; one that keeps nothing where `PLANNER_NO_CACHE` is set."""
    return NO_CACHE if environ.get("PLANNER_NO_CACHE") else Cache(folder)


def usage(folder: str) -> Usage:
    """What lies in the cache folder of this user, the planner's own parts only."""
    parts = []
    for name in (_ENTRIES, *_OTHERS):
        sizes = [status.st_size for _, status in _files(os.path.join(folder, name))]
        if sizes:
            parts.append((name, len(sizes), sum(sizes)))
    return Usage(folder, tuple(parts))


def clear(folder: str) -> tuple[str, ...]:
    """Remove every part of the cache, and the folder where nothing else is in it; the paths that could not be removed.

    Links are removed and not followed.
    """
    stuck: list[str] = []
    for name in (_ENTRIES, *_OTHERS):
        path = os.path.join(folder, name)
        if os.path.islink(path):
            with suppress(OSError):
                os.unlink(path)
        elif os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        if os.path.lexists(path):
            stuck.append(path)
    with suppress(OSError):
        os.rmdir(folder)
    return tuple(stuck)


def _name(kind: str, version: str, key: str) -> bytes:
    """What an entry is of, in full: the file's name is only a digest of it."""
    return f"{kind}\0{version}\0{key}".encode("utf-8", "surrogatepass")


def _mapped(path: str) -> memoryview | None:
    """The bytes of a file of this user's; None for anything else under that name, or an empty one."""
    descriptor = os.open(path, _OPEN)
    try:
        status = os.fstat(descriptor)
        ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not stat.S_ISREG(status.st_mode) or not status.st_size or not ours:
            return None
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(descriptor)


def _payload(content: memoryview, name: bytes) -> memoryview | None:
    start = len(_FORM) + _HEAD.size
    if bytes(content[: len(_FORM)]) != _FORM or len(content) < start:
        return None
    size, checksum, length = _HEAD.unpack_from(content, len(_FORM))
    payload = content[start + length :]
    if bytes(content[start : start + length]) != name or len(payload) != size or zlib.crc32(payload) != checksum:
        return None
    return payload


def _used(path: str) -> None:
    """Note that an entry is in use, at most once an hour: reading must not turn into writing."""
    with suppress(OSError):
        if os.stat(path).st_mtime + _FRESH < time.time():
            os.utime(path)


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below a folder, with its status; what cannot be looked into has none."""
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.path, entry.stat(follow_symlinks=False)
