"""The packages of an explicit lock on this machine: from where each comes, and that it is the one the lock means.

Every file is compared with the hash that the lock has for it before anything of it is used. The lock names each by its
channel's own URL; where that channel is read from, mirrored or with the user's own login, is asked of the configuration.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from msgspec import Struct
from msgspec.structs import replace

from planner import channels, config
from planner.credentials import masked
from planner.errors import InputError, PlannerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from planner.apply.guard import Here
    from planner.model.plan import Plan

_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})|(?:md5:)?([0-9a-f]{32})")
_BLOCK = 1 << 20


class CreateError(Exception):
    """Why the environment could not be made, as one sentence."""


class _NotFetchedError(CreateError):
    """A place did not hand a package out; another may."""


class Locked(Struct, frozen=True):
    """One line of an explicit lock: a package's URL and its hash, either of which hashes may be missing.

    `sources` are the URLs that it may be had from, the best first; they may hold credentials, and `url` never does.
    """

    url: str
    sha256: str | None = None
    md5: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The name of the package's file."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def places(self) -> tuple[str, ...]:
        """The URLs that it may be had from, the best first."""
        return self.sources or (self.url,)


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


def with_sources(
    lock: Iterable[Locked], plan: Plan, here: Here, mirrors: Sequence[tuple[str, str]]
) -> tuple[Locked, ...]:
    """The lock with the places that each package may be had from. Raises `InputError` for a mirror that serves none."""
    wanted = tuple(lock)
    try:
        settings = config.read_config(plan.root, plan.target.prefix, here.environ, here.home)
        asked = (*plan.request.channels, *(channel for channel, _ in mirrors))
        pairs = channels.places(asked, plan.host.subdir, mirrors, settings)
    except PlannerError:
        if mirrors:
            raise
        return wanted
    for channel, _ in mirrors:
        owns = [own for own, _ in channels.places((channel,), plan.host.subdir, (), settings)]
        if not any(locked.url.startswith(f"{own}/") for locked in wanted for own in owns):
            raise InputError(f"--mirror {masked(channel)}: no package of this plan is of that channel")
    return tuple(replace(locked, sources=tuple(_sources(locked.url, pairs))) for locked in wanted)


def _sources(url: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for own, source in pairs:
        if url.startswith(f"{own}/"):
            yield source + url[len(own) :]


def local_path(url: str) -> str | None:
    """The path of a `file:` URL, None for any other."""
    parts = urlsplit(url)
    return url2pathname(parts.path) if parts.scheme == "file" else None


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


def fetched(locked: Locked, folder: str) -> str:
    """The path of a package's archive on this machine, checked. Raises `CreateError`."""
    for place in locked.places:
        local = local_path(place)
        if local is not None and os.path.isfile(local):
            verify(local, locked)
            return local
    servers = [place for place in locked.places if local_path(place) is None]
    if not servers:
        raise CreateError(f"{locked.places[0]} is not there any more")
    key = locked.sha256 or locked.md5 or hashlib.sha256(locked.url.encode()).hexdigest()
    path = os.path.join(folder, key, locked.file_name)
    if _is_kept(path, locked):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    failures = []
    for server in servers:
        try:
            _download_checked(server, path, locked)
        except _NotFetchedError as error:
            failures.append(str(error))
        else:
            return path
    raise CreateError("; ".join(failures))


def _is_kept(path: str, locked: Locked) -> bool:
    """Whether an earlier run has fetched it; what is damaged is removed."""
    if not os.path.isfile(path) or not (locked.sha256 or locked.md5):
        return False
    try:
        verify(path, locked)
    except CreateError:
        os.unlink(path)
        return False
    return True


def _download_checked(url: str, path: str, locked: Locked) -> None:
    part = f"{path}.{os.getpid()}.part"
    try:
        try:
            asyncio.run(_download(url, part))
        except Exception as error:  # rattler's errors have no common ancestor
            raise _NotFetchedError(f"{masked(url)} cannot be fetched: {masked(chain(error))}") from error
        verify(part, locked)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


async def _download(url: str, path: str) -> None:
    from pathlib import Path

    from rattler import Client
    from rattler.package_streaming import download_to_path

    await download_to_path(Client.default_client(), url, Path(path))


def digest_of(path: str) -> str:
    """The sha256 sum of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def chain(error: BaseException) -> str:
    """An error with its causes in one line, as rattler hands them on."""
    words = [" ".join(str(error).split()) or type(error).__name__]
    while (error := error.__cause__ or error.__context__) is not None:  # type: ignore[assignment]
        words.append(" ".join(str(error).split()))
    return ": ".join(dict.fromkeys(word for word in words if word))
