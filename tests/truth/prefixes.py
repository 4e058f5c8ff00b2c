"""Prefixes made and changed for real: by rattler's solver and installer, and by pip itself.

A change is carried out at the prefix's own path, since paths are written into its files: the prefix is moved aside, a
clone of hard links takes its place, and what is left of the clone is thrown away afterwards. Installers replace files
and write into none but scripts, which are copied; `seal` proves that nothing else happened to the original.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.truth.store import Materials

_WHEN = "2024-01-01 00:00:00"
_APART = ("envs", "pkgs")
_PATIENCE = 600
_SCRIPT = 64 * 1024


class LabError(Exception):
    """The lab itself failed: a step that is no part of what is measured did not work."""


def create(prefix: Path, specs: Sequence[str], channel: str, materials: Materials) -> None:
    """Solve and install `specs` into a new prefix, with the history that conda would have written."""
    import rattler.exceptions

    async def made() -> list[Any]:
        records = await rattler.solve(
            [rattler.Channel(channel)],
            [rattler.MatchSpec(spec) for spec in specs],
            gateway=rattler.Gateway(cache_dir=materials.package_cache.with_name("repodata")),
            platforms=["linux-64", "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
        await rattler.install(records, prefix, cache_dir=materials.package_cache, show_progress=False)
        return records

    try:
        records = asyncio.run(made())
    except rattler.exceptions.SolverError as error:
        raise LabError(f"{' '.join(specs)} cannot be had together in the lab's channel: {error}") from None
    _compile(prefix)
    lines = [f"==> {_WHEN} <==", f"# cmd: conda create -p {prefix} {' '.join(specs)}", "# conda version: 24.5.0"]
    lines += [
        f"+{channel}/{record.subdir}::{record.name.normalized}-{record.version}-{record.build}" for record in records
    ]
    lines += [f"# update specs: {json.dumps(list(specs))}"]
    (prefix / "conda-meta" / "history").write_text("\n".join(lines) + "\n")


def transact(
    prefix: Path, final_state: Sequence[dict[str, Any]], channels: Sequence[str], materials: Materials
) -> None:
    """Install exactly the records of a plan's `final_state`, and nothing else, into an existing prefix."""
    import rattler

    known = {record.url: record for record in _offered(channels)}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        record = rattler.PrefixRecord.from_path(path)
        known.setdefault(record.url, record)
    try:
        records = [known[record["url"]] for record in final_state]
    except KeyError as error:
        raise LabError(f"the plan names {error}, which no channel of the lab offers") from None
    _forget_bytecode(prefix, {record.url for record in records})
    asyncio.run(rattler.install(records, prefix, cache_dir=materials.package_cache, show_progress=False))


def pip(python: Path, home: Path, materials: Materials, *arguments: str, target: Path | None = None) -> None:
    """Run an environment's own pip, without a network; `target` is another python to install into."""
    command = [str(python), "-m", "pip", *(["--python", str(target)] if target else []), "install"]
    folders = [f"--find-links={folder}" for folder in (materials.wheel_folder, materials.own_wheels)]
    options = ["--no-index", *folders, "--no-deps", "--no-build-isolation"]
    run([*command, "--quiet", "--no-warn-script-location", *options, *arguments], home)


def run(command: Sequence[str], home: Path) -> None:
    """Run a step of the lab; raises `LabError` with its output when it fails."""
    done = subprocess.run(
        command, env=clean_environment(home), capture_output=True, text=True, timeout=_PATIENCE, check=False, cwd=home
    )
    if done.returncode:
        raise LabError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's own settings, but for where programs lie."""
    return {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextmanager
def cloned(prefix: Path) -> Iterator[None]:
    """While inside, `prefix` is a clone that may be changed; afterwards the original is back.

    The environments that lie in a root prefix are the originals all the while: what becomes of them is to be seen.
    """
    original = prefix.with_name(prefix.name + ".original")
    restore(prefix)
    prefix.rename(original)
    try:
        _link_tree(original, prefix)
        for name in _APART:
            if (original / name).is_dir():
                (original / name).rename(prefix / name)
        yield
    finally:
        restore(prefix)


def restore(prefix: Path) -> None:
    """Bring the original back, also after a run that was cut short."""
    original = prefix.with_name(prefix.name + ".original")
    if not original.is_dir():
        return
    for name in _APART:
        if (prefix / name).is_dir() and not (original / name).exists():
            (prefix / name).rename(original / name)
    shutil.rmtree(prefix, ignore_errors=True)
    original.rename(prefix)


def seal(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of change of content of every file below a folder: equal seals, equal files."""
    found = {}
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _compile(prefix: Path) -> None:
    """Give `noarch` packages the bytecode that conda gives them when it links them, and rattler does not."""
    paths = [str(prefix / path) for record in _records(prefix) for path in _sources(record)]
    if not paths:
        return
    subprocess.run(
        [prefix / "bin" / "python", "-I", "-m", "compileall", "-q", "-i", "-"],
        input="\n".join(paths),
        text=True,
        stdout=subprocess.DEVNULL,
        check=False,  # sources of templates and of other pythons do not compile, and need not
    )


def _forget_bytecode(prefix: Path, kept: set[str]) -> None:
    """Take the bytecode away with the packages that go or are linked anew, as conda does."""
    records = _records(prefix)
    python_stays = any(record["name"] == "python" and record["url"] in kept for record in records)
    for record in records:
        if python_stays and record["url"] in kept:
            continue
        for path in _sources(record):
            folder = prefix / os.path.dirname(path) / "__pycache__"
            for bytecode in folder.glob(f"{os.path.basename(path)[:-3]}.cpython-*.pyc"):
                bytecode.unlink()
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _records(prefix: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((prefix / "conda-meta").glob("*.json"))]


def _sources(record: dict[str, Any]) -> list[str]:
    if record.get("noarch") != "python":
        return []
    return [path for path in record["files"] if path.endswith(".py")]


def _link_tree(source: Path, target: Path) -> None:
    for place, folders, names in os.walk(source):
        if place == str(source):
            folders[:] = [name for name in folders if name not in _APART]
        there = target / os.path.relpath(place, source)
        there.mkdir()
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*names, *links):
            path = os.path.join(place, name)
            if os.path.islink(path):
                (there / name).symlink_to(os.readlink(path))
            elif os.path.basename(place) == "bin" and os.path.getsize(path) < _SCRIPT:
                shutil.copy2(path, there / name)
            else:
                os.link(path, there / name)


def _offered(channels: Sequence[str]) -> list[Any]:
    import rattler

    found = []
    for place in channels:
        channel = rattler.Channel(place)
        for subdir in ("linux-64", "noarch"):
            path = Path(place, subdir, "repodata.json")
            found += rattler.RepoData.from_path(path).into_repo_data(channel) if path.is_file() else []
    return found
