"""What a conda package holds, wherever a copy of it is: extracted in a cache, as an archive, or on a server.

The one place of `planner.abi` that asks py-rattler. Paths come from `info/paths.json`; bytes only from what is on this
machine, unpacked below a folder of the caller's, or fetched into it where the caller says so. Nothing of a package is
run, and a copy that does not say it is the package asked for is passed over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from planner.abi.tree import takes_part
from planner.conda_meta import stem
from planner.credentials import masked
from planner.files import path_of_url, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from planner.model.installed import PackageRecord

_AT_ONCE = 16  # requests to servers
_RETRIES = 1
_TIMEOUT_SECONDS = 60  # for all file lists together: what has not answered by then stays unknown


class PackagedFile(Struct, frozen=True):
    """A file of a package by its path in it. `source` and `link` as in `planner.abi.tree.Entry`."""

    path: str
    source: str | None = None
    link: str | None = None
    symlink: bool = False
    placeholder: str = ""


class Contents(Struct, frozen=True):
    """The files of a package; `where` says how they are known. `opened`: the bytes of what takes part are at hand."""

    files: tuple[PackagedFile, ...]
    where: str
    opened: bool


class _Path(msgspec.Struct):
    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    prefix_placeholder: str | None = None
    file_mode: str | None = None
    size_in_bytes: int | None = None


class _Paths(msgspec.Struct):
    paths: list[_Path]


class _Index(msgspec.Struct):
    name: str
    version: str
    build: str


class _Origin(msgspec.Struct):
    sha256: str | None = None
    md5: str | None = None


def extracted(record: PackageRecord, pkgs_dirs: Sequence[str]) -> Contents | None:
    """The package as it lies extracted in a package cache; None where it does not, or where it is another build."""
    for pkgs_dir in pkgs_dirs:
        folder = os.path.join(pkgs_dir, stem(record.fn) if record.fn else record.dist_name)
        if _is_of(folder, record):
            found = _read_folder(folder)
            if found is not None:
                return found
    return None


def archive(record: PackageRecord, folders: Sequence[str]) -> str | None:
    """The path of the package's archive in one of these folders, by its name and size; None where there is none."""
    for folder in folders:
        path = os.path.join(folder, record.fn)
        try:
            size = os.stat(path).st_size
        except OSError:
            continue
        if record.fn and (record.size is None or record.size == size):
            return path
    return None


def open_archives(found: Sequence[tuple[PackageRecord, str]], work: Callable[[], Path]) -> dict[str, Contents]:
    """The contents of archives by package name: listed, and unpacked below `work()` where a file takes part.

    What cannot be read is left out.
    """
    return _asked([(record.name, _opened_archive(record, path, work)) for record, path in found])


def unpacked_bytes(records: Sequence[PackageRecord], pkgs_dirs: Sequence[str]) -> int | None:
    """What packages hold unpacked, as their own lists say: in a package cache or a local channel. None where one is neither."""
    lists: list[_Paths] = []
    packed: list[str] = []
    for record in records:
        found = _cached_list(record, pkgs_dirs)
        path = _local(record) if found is None else None
        if found is not None:
            lists.append(found)
        elif path is not None:
            packed.append(path)
        else:
            return None  # before archives are opened for nothing
    opened = _listed_all(packed) if packed else []
    sizes = [
        item.size_in_bytes
        for found in (*lists, *opened)
        if found
        for item in found.paths
        if item.path_type != "softlink"
    ]
    if None in opened or any(size is None for size in sizes):
        return None
    return sum(size or 0 for size in sizes)


def _cached_list(record: PackageRecord, pkgs_dirs: Sequence[str]) -> _Paths | None:
    for pkgs_dir in pkgs_dirs:
        folder = os.path.join(pkgs_dir, stem(record.fn) if record.fn else record.dist_name)
        if _is_of(folder, record):
            with suppress(OSError):
                return _decoded(read_bytes(os.path.join(folder, "info", "paths.json")))
    return None


def _local(record: PackageRecord) -> str | None:
    path = path_of_url(record.url) if record.url.lower().startswith("file:") else ""
    return path if os.path.isfile(path) else None


def _listed_all(paths: Sequence[str]) -> list[_Paths | None]:
    import asyncio

    from rattler.package_streaming import PackageArchive

    async def one(path: str) -> _Paths | None:
        try:
            return _decoded(await (await PackageArchive.from_path(path)).read_file("info/paths.json"))
        except Exception:  # noqa: BLE001 -- as below
            return None

    async def all_of_them() -> list[_Paths | None]:
        return list(await asyncio.gather(*map(one, paths)))

    return asyncio.run(all_of_them())


def list_remote(records: Sequence[PackageRecord]) -> dict[str, Contents]:
    """The file lists of packages on servers, by name, all asked at once. What does not answer is left out."""
    return _asked([(record.name, _listed(record)) for record in records], _TIMEOUT_SECONDS)


def fetch(records: Sequence[PackageRecord], work: Callable[[], Path]) -> dict[str, Contents]:
    """Whole packages from servers, unpacked below `work()`, by name. What does not arrive is left out."""
    return _asked([(record.name, _fetched(record, work)) for record in records])


def _asked(
    questions: Sequence[tuple[str, Coroutine[None, None, Contents | None]]], timeout: float | None = None
) -> dict[str, Contents]:
    if not questions:
        return {}
    import asyncio

    async def all_of_them() -> dict[str, Contents]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(question: Coroutine[None, None, Contents | None]) -> Contents | None:
            async with gate:
                return await question

        tasks = {asyncio.create_task(one(question)): name for name, question in questions}
        done, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        return {tasks[task]: answer for task in done if (answer := task.result()) is not None}

    return asyncio.run(all_of_them())


async def _opened_archive(record: PackageRecord, path: str, work: Callable[[], Path]) -> Contents | None:
    from rattler.package_streaming import PackageArchive, extract

    try:
        opened = await PackageArchive.from_path(path)
        listed = _decoded(await opened.read_file("info/paths.json"))
        if listed is None:
            return None
        if not any(takes_part(item.path) for item in listed.paths):
            return Contents(tuple(_plain(item) for item in listed.paths), path, opened=True)
        folder = work() / record.dist_name
        if not folder.is_dir():
            extract(path, folder)  # type: ignore[arg-type]  # its annotation forgets the paths it takes
        return _read_folder(str(folder), path)
    except Exception:  # noqa: BLE001 -- rattler raises its own classes; whatever it is, the content stays unknown
        return None


async def _listed(record: PackageRecord) -> Contents | None:
    from rattler.networking.client import Client
    from rattler.package_streaming import PackageArchive

    try:
        client = Client.default_client(max_retries=_RETRIES, timeout=_TIMEOUT_SECONDS)
        opened = await PackageArchive.from_url(client, record.url, sparse="require")
        listed = _decoded(await opened.read_file("info/paths.json"))
    except Exception:  # noqa: BLE001 -- as above
        return None
    if listed is None:
        return None
    return Contents(tuple(_plain(item) for item in listed.paths), masked(record.url), opened=False)


async def _fetched(record: PackageRecord, work: Callable[[], Path]) -> Contents | None:
    from rattler.networking.client import Client
    from rattler.package_streaming import download_and_extract

    try:
        client = Client.default_client(max_retries=_RETRIES)
        folder = work() / record.dist_name
        digest, _ = await download_and_extract(client, record.url, folder)
    except Exception:  # noqa: BLE001 -- as above
        return None
    if record.sha256 and digest.hex() != record.sha256:
        return None
    return _read_folder(str(folder), masked(record.url))


def _is_of(folder: str, record: PackageRecord) -> bool:
    """Whether an extracted package is the record's very build, as far as it says where it came from."""
    try:
        index = msgspec.json.decode(read_bytes(os.path.join(folder, "info", "index.json")), type=_Index)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return False
    if (index.name, index.version, index.build) != (record.name, record.version, record.build):
        return False
    try:
        origin = msgspec.json.decode(read_bytes(os.path.join(folder, "info", "repodata_record.json")), type=_Origin)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return True
    pairs = ((origin.sha256, record.sha256), (origin.md5, record.md5))
    return all(not ours or not theirs or ours == theirs for ours, theirs in pairs)


def _read_folder(folder: str, where: str | None = None) -> Contents | None:
    try:
        listed = _decoded(read_bytes(os.path.join(folder, "info", "paths.json")))
    except OSError:
        return None
    if listed is None:
        return None
    return Contents(tuple(_there(folder, item) for item in listed.paths), where or folder, opened=True)


def _there(folder: str, item: _Path) -> PackagedFile:
    path = os.path.join(folder, item.path)
    if item.path.endswith(".py") and item.path_type == "hardlink":
        return PackagedFile(item.path, path)
    if not takes_part(item.path) and item.path_type != "softlink":
        return _plain(item)
    try:
        link = os.readlink(path)
    except OSError:
        placeholder = item.prefix_placeholder or "" if item.file_mode == "binary" else ""
        return PackagedFile(item.path, path, placeholder=placeholder)
    return PackagedFile(item.path, link=link, symlink=True)


def _plain(item: _Path) -> PackagedFile:
    return PackagedFile(item.path, symlink=item.path_type == "softlink")


def _decoded(content: bytes | None) -> _Paths | None:
    """The list in a paths.json, without paths that would lead out of the package; None where it is no such list."""
    try:
        listed = msgspec.json.decode(content or b"", type=_Paths)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _Paths([item for item in listed.paths if not item.path.startswith("/") and ".." not in item.path.split("/")])
