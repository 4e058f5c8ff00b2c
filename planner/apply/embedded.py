"""The new environment from the explicit lock without any conda: linked by rattler in this process.

What a package depends on is read from the package itself, so that the records in the new prefix are as whole as conda's
own. Link scripts are found here and run by `planner.apply.steps`, since rattler would pass over one that fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from planner.apply.fetch import CreateError, chain, digest_of, fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from planner.apply.fetch import Locked
    from planner.model.plan import Argv

_STEM = re.compile(r"\.(?:conda|tar\.bz2)$")


def create(
    prefix: str, lock: Sequence[Locked], cache_dir: str, requested: Iterable[str], report: Callable[[str], None]
) -> None:
    """Make the environment at `prefix`, which must not exist. Raises `CreateError`."""
    paths = []
    for number, locked in enumerate(lock, start=1):
        report(f"fetching {number} of {len(lock)}: {locked.file_name}")
        paths.append(fetched(locked, os.path.join(cache_dir, "archives")))
    report(f"linking {len(lock)} packages into {prefix}")
    os.mkdir(prefix)
    try:
        asyncio.run(_install(prefix, lock, paths, os.path.join(cache_dir, "pkgs")))
    except Exception as error:  # rattler's errors have no common ancestor
        raise CreateError(f"the packages cannot be installed: {chain(error)}") from error
    with suppress(FileNotFoundError):  # an environment is no cache, which backups may pass over
        os.unlink(os.path.join(prefix, "CACHEDIR.TAG"))
    _complete_records(prefix, lock, paths)
    _write_history(prefix, lock, requested)


def link_scripts(prefix: str, lock: Iterable[Locked]) -> Iterator[tuple[Argv, dict[str, str]]]:
    """The scripts that packages want run once they are linked, in the lock's order, with the variables conda sets."""
    for locked in lock:
        name, version, build = _STEM.sub("", locked.file_name).rsplit("-", 2)
        path = os.path.join(prefix, "bin", f".{name}-post-link.sh")
        if os.path.isfile(path):
            number = re.search(r"(\d+)$", build)
            of_package = {"PKG_NAME": name, "PKG_VERSION": version, "PKG_BUILDNUM": number[1] if number else "0"}
            yield (shutil.which("bash") or "/bin/sh", path), {"PREFIX": prefix, "ROOT_PREFIX": prefix, **of_package}


async def _install(prefix: str, lock: Sequence[Locked], paths: Sequence[str], cache: str) -> None:
    from pathlib import Path

    import rattler

    records = []
    for locked, path in zip(lock, paths, strict=True):
        record = await rattler.RepoDataRecord.from_package_archive(path)
        # A hash makes the cache tell builds of one name apart.
        record.sha256 = bytes.fromhex(locked.sha256 or digest_of(path))
        records.append(record)
    os.makedirs(cache, exist_ok=True)
    await rattler.install(
        records, prefix, cache_dir=Path(cache), execute_link_scripts=False, show_progress=False, installed_packages=[]
    )


def _complete_records(prefix: str, lock: Sequence[Locked], paths: Sequence[str]) -> None:
    """Put into the new records where their packages come from: rattler was given files of this machine."""
    folder = os.path.join(prefix, "conda-meta")
    records = records_of(prefix)
    for locked, path in zip(lock, paths, strict=True):
        place = os.path.join(folder, _STEM.sub(".json", locked.file_name))
        record = records[place]
        base, _, _ = locked.url.rpartition("/")
        channel, _, _ = base.rpartition("/")
        record |= {"url": locked.url, "channel": channel, "fn": locked.file_name, "size": os.path.getsize(path)}
        record |= {key: value for key, value in (("sha256", locked.sha256), ("md5", locked.md5)) if value}
        write_record(place, record)


def records_of(prefix: str) -> dict[str, dict[str, Any]]:
    """Path -> content of each record in a prefix that was just made."""
    folder = os.path.join(prefix, "conda-meta")
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                found[os.path.join(folder, name)] = json.load(stream)
    return found


def write_record(place: str, record: dict[str, Any]) -> None:
    """Write a record, in a file that others may read as far as the user's umask says: rattler's is for its owner alone."""
    with open(f"{place}.part", "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2, sort_keys=True)
    os.replace(f"{place}.part", place)


def _write_history(prefix: str, lock: Sequence[Locked], requested: Iterable[str]) -> None:
    """The history that conda keeps: what was linked, and what had been asked for."""
    from datetime import datetime, timezone

    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {now} <==", "# cmd: planner apply"]
    for locked in lock:
        base, _, name = locked.url.rpartition("/")
        stem = _STEM.sub("", unquote(name))
        lines.append(f"+{base}::{stem}")
    lines.append(f"# update specs: {json.dumps(list(requested))}")
    with open(os.path.join(prefix, "conda-meta", "history"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
