"""A small real installation for carrying migrations out: real archives, rattler's own linking, a real interpreter.

The package `python` is the interpreter that runs the tests, laid out as a virtual environment is (`pyvenv.cfg` and a
link), so that it is small and yet has its own prefix; `pip` is the wheel that comes with that interpreter.
"""

from __future__ import annotations

import asyncio
import ensurepip
import io
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUBDIR = "linux-64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
VERSION = ".".join(str(part) for part in sys.version_info[:3])
SITE = f"lib/python{MINOR}/site-packages"
_REAL = os.path.realpath(sys.executable)


def package(
    channel: Path,
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    *,
    depends: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    programs: Sequence[str] = (),
) -> Path:
    """Write one `.conda` archive into a channel, with the metadata that conda-build would write."""
    stem = f"{name}-{version}-0"
    paths: list[dict[str, Any]] = []
    payload = io.BytesIO()
    with tarfile.open(fileobj=payload, mode="w") as archive:
        for path, content in sorted(files.items()):
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755 if path in programs else 0o644
            archive.addfile(member, io.BytesIO(data))
            paths.append({"_path": path, "path_type": "hardlink", "size_in_bytes": len(data)})
        for path, target in sorted((links or {}).items()):
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
            paths.append({"_path": path, "path_type": "softlink", "size_in_bytes": 0})
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "constrains": [],
        "subdir": SUBDIR,
        "license": "none",
    }
    information = io.BytesIO()
    with tarfile.open(fileobj=information, mode="w") as archive:
        for path, value in {"index.json": index, "paths.json": {"paths": paths, "paths_version": 1}}.items():
            data = json.dumps(value).encode()
            member = tarfile.TarInfo(f"info/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    folder = channel / SUBDIR
    folder.mkdir(parents=True, exist_ok=True)
    target_path = folder / f"{stem}.conda"
    with zipfile.ZipFile(target_path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", zstandard.compress(payload.getvalue(), 1))
        archive.writestr(f"info-{stem}.tar.zst", zstandard.compress(information.getvalue(), 1))
    return target_path


def python_packages(channel: Path) -> None:
    """The packages `python` and `pip`."""
    settings = f"home = {os.path.dirname(_REAL)}\ninclude-system-site-packages = false\nversion = {VERSION}\n"
    package(
        channel,
        "python",
        VERSION,
        {"pyvenv.cfg": settings},
        links={"bin/python": _REAL, f"bin/python{MINOR}": "python"},
    )
    (wheel,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
    version = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        files = {f"{SITE}/{name}": archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    package(channel, "pip", version, files, depends=("python",))


def wheel(folder: Path, name: str, version: str, code: str, requires: Sequence[str] = ()) -> Path:
    """Write one pure wheel with a single module and a console script that calls its `main`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    texts = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        f"{info}/top_level.txt": f"{name}\n",
    }
    texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*texts, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in texts.items():
            archive.writestr(inner, text)
    return path


def index(channel: Path) -> None:
    """Write the channel's repodata with rattler's own indexer."""
    from rattler.index import index_fs

    (channel / "noarch").mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))


def install(prefix: Path, channel: Path, specs: Sequence[str], cache: Path) -> None:
    """Solve and link an environment with rattler, with the history that conda would have written."""
    import rattler

    async def made() -> list[Any]:
        records = await rattler.solve(
            [rattler.Channel(str(channel))], [*specs], platforms=[SUBDIR, "noarch"], virtual_packages=[]
        )
        await rattler.install(records, prefix, cache_dir=cache, show_progress=False)
        return records

    records = asyncio.run(made())
    lines = ["==> 2024-01-01 00:00:00 <==", "# cmd: conda create"]
    lines += [f"+{channel}/{one.subdir}::{one.name.normalized}-{one.version}-{one.build}" for one in records]
    lines.append(f"# update specs: {json.dumps(list(specs))}")
    (prefix / "conda-meta" / "history").write_text("\n".join(lines) + "\n")
