"""The new environment from the explicit lock without any conda: fetched, checked and linked by rattler in this process.

Every file is compared with the hash that the lock has for it before anything of it is used. What a package depends on is
read from the package itself, so that the records in the new prefix are as whole as conda's own. Link scripts are found
here and run by `planner.apply.steps`, since rattler would pass over one that fails.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from planner.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from planner.model import Argv

_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})|(?:md5:)?([0-9a-f]{32})")
_STEM = re.compile(r"\.(?:conda|tar\.bz2)$")
_BLOCK = 1 << 20


class CreateError(Exception):
    """Why the environment could not be made, as one sentence."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of an explicit lock: a package's URL and its hash, either of which hashes may be missing."""

    url: str
    sha256: str | None = None
    md5: str | None = None

    @property
    def file_name(self) -> str:
        """The name of the package's file."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def local(self) -> str | None:
        """The path of a `file:` URL, None for any other."""
        parts = urlsplit(self.url)
        return url2pathname(parts.path) if parts.scheme == "file" else None


def read_lock(text: str) -> tuple[Locked, ...]:
    """The packages of an explicit lock. Raises `InputError` for one that names a package without its URL."""
    found = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("# MISSING"):
            raise InputError(
                f"explicit.txt: {line[2:]}; add it by hand with its URL, or make the plan with its channel"
            )
        if not line or line.startswith(("#", "@")):
            continue
        url, _, fragment = line.partition("#")
        match = _HASH.fullmatch(fragment)
        if fragment and not match:
            raise InputError(f"explicit.txt: {fragment!r} is no sha256 or md5 sum")
        found.append(Locked(url, match[1] if match else None, match[2] if match else None))
    return tuple(found)


def create(
    prefix: str, lock: Sequence[Locked], cache_dir: str, requested: Iterable[str], report: Callable[[str], None]
) -> None:
    """Make the environment at `prefix`, which must not exist. Raises `CreateError`."""
    paths = []
    for number, locked in enumerate(lock, start=1):
        report(f"fetching {number} of {len(lock)}: {locked.file_name}")
        paths.append(_fetched(locked, os.path.join(cache_dir, "archives")))
    report(f"linking {len(lock)} packages into {prefix}")
    os.mkdir(prefix)
    try:
        asyncio.run(_install(prefix, lock, paths, os.path.join(cache_dir, "pkgs")))
    except Exception as error:  # rattler's errors have no common ancestor
        raise CreateError(f"the packages cannot be installed: {_chain(error)}") from error
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


def verify(path: str, locked: Locked) -> None:
    """Raise `CreateError` when a file is not the one that the lock means."""
    wanted = locked.sha256 or locked.md5
    if wanted is None:
        return
    digest = hashlib.sha256() if locked.sha256 else hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != wanted:
        kind = "sha256" if locked.sha256 else "md5"
        raise CreateError(
            f"{locked.url} is not the file that the plan was made with: its {kind} sum is {digest.hexdigest()}, and "
            f"the lock says {wanted}. Nothing of it was used; make a new plan if the channel has replaced it"
        )


def _fetched(locked: Locked, folder: str) -> str:
    """The path of a package's archive on this machine, checked."""
    local = locked.local
    if local is not None:
        if not os.path.isfile(local):
            raise CreateError(f"{locked.url} is not there any more")
        verify(local, locked)
        return local
    key = locked.sha256 or locked.md5 or hashlib.sha256(locked.url.encode()).hexdigest()
    path = os.path.join(folder, key, locked.file_name)
    if os.path.isfile(path) and (locked.sha256 or locked.md5):
        try:
            verify(path, locked)
        except CreateError:
            os.unlink(path)
        else:
            return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}.part"
    try:
        asyncio.run(_download(locked.url, part))
        verify(part, locked)
        os.replace(part, path)
    except CreateError:
        raise
    except Exception as error:  # as above
        raise CreateError(f"{locked.url} cannot be fetched: {_chain(error)}") from error
    finally:
        if os.path.exists(part):
            os.unlink(part)
    return path


async def _download(url: str, path: str) -> None:
    from pathlib import Path

    from rattler import Client
    from rattler.package_streaming import download_to_path

    await download_to_path(Client.default_client(), url, Path(path))


async def _install(prefix: str, lock: Sequence[Locked], paths: Sequence[str], cache: str) -> None:
    from pathlib import Path

    import rattler

    records = []
    for locked, path in zip(lock, paths, strict=True):
        record = await rattler.RepoDataRecord.from_package_archive(path)
        # A hash makes the cache tell builds of one name apart.
        record.sha256 = bytes.fromhex(locked.sha256 or _sha256(path))
        records.append(record)
    os.makedirs(cache, exist_ok=True)
    await rattler.install(
        records, prefix, cache_dir=Path(cache), execute_link_scripts=False, show_progress=False, installed_packages=[]
    )


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


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


def _chain(error: BaseException) -> str:
    """An error with its causes in one line, as rattler hands them on."""
    words = [" ".join(str(error).split()) or type(error).__name__]
    while (error := error.__cause__ or error.__context__) is not None:  # type: ignore[assignment]
        words.append(" ".join(str(error).split()))
    return ": ".join(dict.fromkeys(word for word in words if word))
