"""The state of one environment on record: what `planner snapshot` takes and `planner compare` compares.

Conda's records, Python's distributions, pins and variables, and, taken deep, every file with its mode, size and hash.
Reading only: nothing is written but the file that the caller asks for. Values of variables are kept as digests, since
people keep passwords there. How two snapshots differ is `planner.comparison`'s, the file `planner.snapshot_file`'s.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from planner.files import reason
from planner.load import load_environment
from planner.model.installed import LoadProblem
from planner.origin import channel_name
from planner.serialize import digest
from planner.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.model.installed import Environment, PackageRecord, PipDist

FileKind: TypeAlias = Literal["file", "folder", "link", "other"]
PLACE = b"/conda-prefix-placeholder"
_CHUNK = 1024 * 1024
_WHOLE = 64 * 1024 * 1024  # bytes; larger files are not searched for their prefix
_AT_ONCE = 4096  # files that wait to be hashed: what is queued takes more memory than what is found
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NOT_OWN = frozenset({"envs", "pkgs"})


class RecordState(Struct, frozen=True):
    """One conda package. `channel` is its name as people write it; `hash` is sha256, md5 or empty."""

    name: str
    version: str
    build: str
    channel: str
    subdir: str
    hash: str


class DistState(Struct, frozen=True):
    """One Python distribution: where it lies, who installed it, and the URL it was installed from, if that is on record."""

    name: str
    version: str
    location: str
    installer: str
    owner: str
    url: str


class FileState(Struct, frozen=True):
    """One path below the prefix. `mode` are the permission bits, `size` is in bytes.

    `content` is the SHA-256 of a file, the target of a link, empty where it could not be read. `moved` is the SHA-256 of a
    file that holds its own prefix, with the prefix taken out: equal for two copies of one package in different places.
    """

    path: str
    kind: FileKind
    mode: int
    size: int
    content: str
    moved: str = ""


class Snapshot(Struct, frozen=True):
    """An environment at one moment. `files` is None where it was not taken deep."""

    planner_version: str
    created: str
    name: str
    prefix: str
    subdir: str
    python: str
    records: tuple[RecordState, ...]
    dists: tuple[DistState, ...]
    asked_for: tuple[str, ...]
    pins: tuple[str, ...]
    frozen: bool
    variables: tuple[tuple[str, str], ...]
    files: tuple[FileState, ...] | None
    problems: tuple[LoadProblem, ...]


class _Path(NamedTuple):
    """One path as it was found. `inode` is known where it may have other names, which then are not hashed again."""

    name: str
    mode: int
    size: int
    inode: tuple[int, int] | None


def take(
    name: str, prefix: str, *, deep: bool, created: str = "", progress: Callable[[str], None] | None = None
) -> Snapshot:
    """The state of the environment at `prefix`, now. What could not be read is in its `problems`; this never raises for it."""
    environment = load_environment(name, prefix)
    files: tuple[FileState, ...] | None = None
    problems = list(environment.problems)
    if deep:
        files = read_files(prefix, problems, progress or (lambda _text: None))
    return Snapshot(
        planner_version=__version__,
        created=created,
        name=name,
        prefix=prefix,
        subdir=environment.subdir,
        python=environment.python or "",
        records=tuple(_record(record) for record in environment.records),
        dists=tuple(sorted(map(_dist, environment.dists), key=lambda item: (item.name, item.location, item.version))),
        asked_for=tuple(sorted(spec for _, spec in environment.history.specs)),
        pins=environment.pins,
        frozen=environment.frozen is not None,
        variables=_variables(environment),
        files=files,
        problems=tuple(problems),
    )


def _record(record: PackageRecord) -> RecordState:
    found = record.sha256 or record.md5 or ""
    return RecordState(
        record.name, record.version, record.build, channel_name(record.channel or record.url), record.subdir, found
    )


def _dist(dist: PipDist) -> DistState:
    url = "" if dist.direct_url is None else f"{'editable ' if dist.direct_url.editable else ''}{dist.direct_url.url}"
    # What conda owns was built from a folder of the build machine, which says nothing here.
    return DistState(
        dist.name, dist.version, dist.location, dist.installer or "", dist.owner or "", "" if dist.owner else url
    )


def _variables(environment: Environment) -> tuple[tuple[str, str], ...]:
    return tuple((name, digest(value)) for name, value in environment.env_vars)


def read_files(prefix: str, problems: list[LoadProblem], progress: Callable[[str], None]) -> tuple[FileState, ...]:
    """Every path below a prefix, sorted; environments and the package cache in it are not its own.

    What cannot be read has no content and is added to `problems`.
    """
    found = list(_paths(prefix, problems))
    total = sum(path.size for path in found if stat.S_ISREG(path.mode))
    hashed: dict[tuple[int, int], tuple[str, str]] = {}
    states = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(found), _AT_ONCE):
            progress(f"hashed {start} of {len(found)} files, {total // 1_000_000} MB, of {prefix}")
            for state, problem in pool.map(partial(_file, prefix, hashed), found[start : start + _AT_ONCE]):
                states.append(state)
                problems.extend([problem] if problem else [])
    states.sort(key=lambda item: item.path)
    return tuple(states)


def _paths(prefix: str, problems: list[LoadProblem]) -> Iterator[_Path]:
    folders = [prefix]
    below = len(os.path.join(prefix, ""))
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if folder == prefix and entry.name in _NOT_OWN:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    inode = (status.st_dev, status.st_ino) if status.st_nlink > 1 else None
                    yield _Path(entry.path[below:], status.st_mode, status.st_size, inode)
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(entry.path)
        except OSError as error:
            problems.append(LoadProblem(folder, reason(error), "what is in it is not in the snapshot"))


def _file(
    prefix: str, hashed: dict[tuple[int, int], tuple[str, str]], path: _Path
) -> tuple[FileState, LoadProblem | None]:
    whole, mode = os.path.join(prefix, path.name), stat.S_IMODE(path.mode)
    name = path.name.replace(os.sep, "/")
    try:
        if stat.S_ISDIR(path.mode):
            return FileState(name, "folder", mode, 0, ""), None
        if stat.S_ISLNK(path.mode):
            return FileState(name, "link", 0, 0, os.readlink(whole)), None
        if not stat.S_ISREG(path.mode):
            return FileState(name, "other", mode, 0, oct(stat.S_IFMT(path.mode))), None
        found = hashed.get(path.inode) if path.inode else None
        content, moved = found or _hashes(whole, prefix)
        if path.inode:
            hashed[path.inode] = content, moved
    except (OSError, ValueError) as error:
        what = reason(error) if isinstance(error, OSError) else str(error)
        return FileState(name, "file", mode, path.size, ""), LoadProblem(whole, what, "its content is not compared")
    return FileState(name, "file", mode, path.size, content, moved), None


def _hashes(path: str, prefix: str) -> tuple[str, str]:
    """The SHA-256 of a file, and of the same without its prefix, empty where it does not hold it."""
    with open(os.open(path, _OPEN), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no longer a file")
        if status.st_size <= _WHOLE:
            content = file.read()
            moved = without_prefix(content, os.fsencode(prefix))
            return hashlib.sha256(content).hexdigest(), hashlib.sha256(moved).hexdigest() if moved is not None else ""
        hashed = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
        return hashed.hexdigest(), ""


def without_prefix(content: bytes, prefix: bytes) -> bytes | None:
    """The content with its prefix replaced, as conda put it in: in a binary the text ends in NULs that fill its place.

    None where it does not hold the prefix.
    """
    if prefix not in content:
        return None
    if b"\0" not in content:
        return content.replace(prefix, PLACE)
    text = re.compile(re.escape(prefix) + rb"[^\0]*\0+")
    return text.sub(lambda match: match[0].replace(prefix, PLACE).rstrip(b"\0") + b"\0", content)
