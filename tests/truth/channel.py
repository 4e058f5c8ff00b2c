"""Conda packages out of folders: the archive, its metadata, and the channel they make together.

What goes into a package is the business of `cpython`, `wheels` and `clibs`; here it becomes a `.conda` file as
conda-build would write it (`info/index.json`, `info/paths.json`, `info/link.json`). Archives are the same bytes for
the same content, so that the package cache of rattler knows them again.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from pathlib import Path

SUBDIR = "linux-64"
_EPOCH = (2024, 1, 1, 0, 0, 0)
_TIMESTAMP = 1704067200
_SCRIPT = 0o755
_PLAIN = 0o644


@dataclass(frozen=True, slots=True)
class Package:
    """One conda package: its record and the folder that holds its files.

    `noarch` is "python", "generic" or None; a `noarch: python` package of subdir linux-64 is an abi3 one (CEP 20).
    `placeholder` is the prefix written in text files, to be replaced at installation.
    """

    name: str
    version: str
    build: str
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    subdir: str = SUBDIR
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()
    placeholder: str | None = None
    build_number: int = 0
    folder: Path | None = field(default=None, compare=False)

    @property
    def file_name(self) -> str:
        """`NAME-VERSION-BUILD.conda`."""
        return f"{self.name}-{self.version}-{self.build}.conda"


def pack(package: Package, target: Path) -> None:
    """Write the archive of `package` to `target`, whole or not at all."""
    payload, paths = _payload(package)
    stem = package.file_name.removesuffix(".conda")
    fresh = target.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as archive:
        _store(archive, "metadata.json", b'{"conda_pkg_format_version": 2}')
        _store(archive, f"info-{stem}.tar.zst", _compressed(_information(package, paths)))
        _store(archive, f"pkg-{stem}.tar.zst", payload)
    fresh.replace(target)


def index(channel: Path) -> None:
    """Write the channel's repodata with rattler's own indexer."""
    from rattler.index import index_fs

    for subdir in (SUBDIR, "noarch"):
        (channel / subdir).mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))


def link_into(channel: Path, archives: list[tuple[Package, Path]]) -> None:
    """Lay out a channel of archives that lie elsewhere, by hard link where the file system allows it."""
    for package, path in archives:
        folder = channel / package.subdir
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / package.file_name
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def _payload(package: Package) -> tuple[bytes, list[dict[str, Any]]]:
    buffer = io.BytesIO()
    paths = []
    with (
        zstandard.ZstdCompressor(level=1).stream_writer(buffer, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for path in _files(package.folder):
            name = path.relative_to(package.folder).as_posix()
            paths.append(_entry(package, path, name))
            _add(archive, path, name)
    return buffer.getvalue(), paths


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _entry(package: Package, path: Path, name: str) -> dict[str, Any]:
    if path.is_symlink():
        return {"_path": name, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}
    content = path.read_bytes()
    entry: dict[str, Any] = {
        "_path": name,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if package.placeholder and b"\0" not in content and package.placeholder.encode() in content:
        entry |= {"prefix_placeholder": package.placeholder, "file_mode": "text"}
    return entry


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = _TIMESTAMP
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
        archive.addfile(member)
        return
    member.size = path.stat().st_size
    member.mode = _SCRIPT if os.access(path, os.X_OK) else _PLAIN
    with path.open("rb") as content:
        archive.addfile(member, content)


def _information(package: Package, paths: list[dict[str, Any]]) -> bytes:
    record: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "subdir": package.subdir,
        "arch": None if package.subdir == "noarch" else "x86_64",
        "platform": None if package.subdir == "noarch" else "linux",
        "license": "see the package's own metadata",
        "timestamp": _TIMESTAMP * 1000,
    }
    if package.noarch:
        record["noarch"] = package.noarch
    texts = {
        "index.json": record,
        "paths.json": {"paths": paths, "paths_version": 1},
        "about.json": {"summary": "made by the truth lab"},
    }
    if package.noarch == "python":
        texts["link.json"] = {
            "noarch": {"type": "python", "entry_points": list(package.entry_points)},
            "package_metadata_version": 1,
        }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, value in texts.items():
            content = json.dumps(value, indent=1, sort_keys=True).encode()
            member = tarfile.TarInfo(f"info/{name}")
            member.size, member.mtime, member.mode = len(content), _TIMESTAMP, _PLAIN
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _compressed(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(content)


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
