"""What can be known to go wrong before anything is made: room, permissions, caches, and whether channels answer."""

from __future__ import annotations

import os
import pwd
import shutil
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from planner.apply.fetch import local_path
from planner.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.apply.fetch import Locked
    from planner.model.plan import Migration

_SECONDS = 20
_GONE = frozenset({404, 410})


def obstacles(migration: Migration, lock: Iterable[Locked], cache_dir: str) -> Iterator[str]:
    """One sentence for each thing that stands in the way. Only looks; one small request to each server."""
    above = first_existing(migration.prefix)
    yield from _not_writable(above, f"the new environment {migration.prefix}")
    cache = first_existing(os.path.join(cache_dir, "pkgs"))
    yield from _not_writable(cache, f"the package cache {cache_dir}")
    # What is known is a lower bound: unpacked, packages are larger than their files.
    least = migration.disk_bytes or migration.download_bytes
    for place in dict.fromkeys((above, cache)):
        free = shutil.disk_usage(place).free
        if free < least:
            yield f"{place} has {free} bytes free, and {least} are needed at the least: make room there"
    yield from _unreachable(lock)


def first_existing(path: str) -> str:
    """The path itself, or the nearest folder above it that exists."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _not_writable(folder: str, what: str) -> Iterator[str]:
    if not os.path.isdir(folder):
        yield f"{what} cannot be made: {folder} is no folder"
    elif not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        yield f"{what} cannot be made: {folder} belongs to {_owner(folder)}, and this user may not write there"


def _owner(folder: str) -> str:
    number = os.stat(folder).st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _unreachable(lock: Iterable[Locked]) -> Iterator[str]:
    """The servers that give no answer, and the local packages that are gone."""
    servers: dict[str, str] = {}
    gone = []
    for locked in lock:
        paths = [path for path in map(local_path, locked.places) if path is not None]
        if any(map(os.path.isfile, paths)):
            continue
        remote = [place for place in locked.places if local_path(place) is None]
        if remote:
            servers.setdefault(urlsplit(without_credentials(remote[0])).netloc, remote[0])
        else:
            gone.append(locked.places[0])
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        yield f"{gone[0]}{more} is not there: the channel was moved or cleaned up since the plan was made"
    for server, place in servers.items():
        url = without_credentials(place)  # whether it answers is asked, not whether it lets this user in
        if urlsplit(url).scheme not in {"http", "https"}:
            continue
        try:
            with urlopen(Request(url, method="HEAD"), timeout=_SECONDS):  # noqa: S310 -- of these two schemes
                pass
        except HTTPError as error:
            if error.code in _GONE and url == place:
                yield f"{url} is not there any more (HTTP {error.code})"
        except (URLError, OSError) as error:
            yield f"{server} cannot be reached: {getattr(error, 'reason', None) or error}"
