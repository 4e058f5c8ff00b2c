"""Whether the files of conda's packages are as conda linked them: there, of the recorded size, and, on demand, of the hash.

Fast without hashes: a status for each file. With them, and for the files that pip's lists name as well, every byte is
read. Nothing is repaired and nothing concluded; `planner.present` says whose doing it is.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from planner.conda_meta import Fingerprint, fingerprints, stem
from planner.files import read_bytes, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from planner.model.installed import Environment, PackageRecord

State: TypeAlias = Literal["missing", "altered", "unreadable"]
_CHUNK = 1024 * 1024
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_METADATA = re.compile(r"\.(?:dist|egg)-info(?:/|$)")
# Python writes these itself whenever it runs, and packages rewrite them when they are linked.
_DERIVED = (".pyc", ".pyo")


class Damage(Struct, frozen=True):
    """A file that is not as its package has it: the package's name, the path below the prefix, and how it differs."""

    owner: str
    path: str
    state: State
    what: str


class Integrity(Struct, frozen=True):
    """All damage, by path; how many files were looked at and how many of them hashed; packages without a usable list.

    `only_metadata` says that of all those files at most such as describe Python distributions are there: a copy of an
    installation's metadata, and no installation.
    """

    damage: tuple[Damage, ...]
    looked_at: int
    hashed: int
    unlisted: tuple[str, ...]
    only_metadata: bool = False


def check_files(
    environment: Environment, *, deep: bool, also_hash: Iterable[str] = (), progress: Callable[[str], None]
) -> Integrity:
    """Look at every file that conda-meta lists with its kind; hash those in `also_hash`, or with `deep` all."""
    wanted = frozenset(also_hash)
    listed: list[tuple[str, str, Fingerprint]] = []
    unlisted = []
    for record in environment.records:
        found = _fingerprints(environment.prefix, record)
        if found is None:
            unlisted.append(record.name)
        else:
            listed += [(record.name, path, print_) for path, print_ in found.items() if not path.endswith(_DERIVED)]
    progress(f"looking at {len(listed)} files" + (", and hashing them" if deep else ""))
    hashed = [deep or path in wanted for _, path, _ in listed]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        damage = [
            found
            for found in pool.map(lambda item, read: _look(environment.prefix, *item, read=read), listed, hashed)
            if found is not None
        ]
    missing = {(item.owner, item.path) for item in damage if item.state == "missing"}
    there = ((owner, path) for owner, path, _ in listed if not _METADATA.search(path))
    return Integrity(
        tuple(sorted(damage, key=lambda item: (item.path, item.owner))),
        len(listed),
        sum(hashed),
        tuple(unlisted),
        only_metadata=bool(missing) and missing.issuperset(there),
    )


def _fingerprints(prefix: str, record: PackageRecord) -> dict[str, Fingerprint] | None:
    for name in dict.fromkeys((f"{record.dist_name}.json", f"{stem(record.fn)}.json")):
        try:
            return fingerprints(read_bytes(os.path.join(prefix, "conda-meta", name)))
        except (OSError, ValueError):
            continue
    return None


def _look(prefix: str, owner: str, path: str, recorded: Fingerprint, *, read: bool) -> Damage | None:
    whole = os.path.join(prefix, path)
    try:
        status = os.lstat(whole)
    except (FileNotFoundError, NotADirectoryError):
        return Damage(owner, path, "missing", "it is not there")
    except (OSError, ValueError) as error:
        return Damage(owner, path, "unreadable", reason(error) if isinstance(error, OSError) else str(error))
    if recorded.link or stat.S_ISLNK(status.st_mode):
        # conda may link softly instead of hard: only what leads nowhere is damage.
        return None if os.path.exists(whole) else Damage(owner, path, "missing", "it is a link that leads nowhere")
    if not stat.S_ISREG(status.st_mode):
        return None if stat.S_ISDIR(status.st_mode) else Damage(owner, path, "altered", "it is no longer a file")
    if recorded.size is not None and status.st_size != recorded.size:
        return Damage(owner, path, "altered", f"it has {status.st_size} bytes, and its package's has {recorded.size}")
    if not read or not recorded.sha256:
        return None
    try:
        found = _sha256(whole)
    except OSError as error:
        return Damage(owner, path, "unreadable", reason(error))
    if found != recorded.sha256:
        return Damage(
            owner, path, "altered", f"its SHA-256 is {found[:16]}..., and conda linked {recorded.sha256[:16]}..."
        )
    return None


def _sha256(path: str) -> str:
    hashed = hashlib.sha256()
    for chunk in _chunks(path):
        hashed.update(chunk)
    return hashed.hexdigest()


def _chunks(path: str) -> Iterator[bytes]:
    with open(os.open(path, _OPEN), "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
