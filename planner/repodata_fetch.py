"""Fetching repodata: what a server has, brought into the planner's own cache folder, whole or not at all.

py-rattler does the work: zstd, redirects, retries, and asking a server whether a copy is still the newest. It works in
a folder of its own for each subdir URL and keeps there what it cannot read, too; so what arrived whole is put beside
that folder, and only there is it looked for later. Credentials are part of the URLs that go in and of nothing that
comes out: no message and no file holds them.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.credentials import has_credentials, masked
from planner.errors import ChannelError, InputError
from planner.repodata_cache import COPY, MISSING, own_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_RETRIES = 2
# For one file from the first byte to the last; the largest (40 MB packed) takes this long at 1 Mbit/s.
_TIMEOUT_SECONDS = 300


class Wanted(Struct, frozen=True):
    """One subdir of a channel on a server. `source` may hold credentials, `own` never does."""

    own: str
    source: str
    subdir: str

    @property
    def url(self) -> str:
        """Where it is read from, subdir included."""
        return f"{self.source}/{self.subdir}"


def fetch_all(wanted: Sequence[Wanted], cache_dir: str, report: Callable[[str], None]) -> tuple[str | None, ...]:
    """The local file of each, all fetched at once; None where the server says that there is none (HTTP 404).

    Raises `ChannelError` for the first, in the order given, that could not be had for another reason.
    """
    import asyncio

    for item in wanted:
        report(f"fetching {masked(item.url)}")
    return tuple(asyncio.run(_fetch_all(wanted, cache_dir)))


async def _fetch_all(wanted: Sequence[Wanted], cache_dir: str) -> list[str | None]:
    import asyncio

    answers = await asyncio.gather(*(_fetch(item, cache_dir) for item in wanted), return_exceptions=True)
    paths: list[str | None] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        paths.append(answer)
    return paths


async def _fetch(wanted: Wanted, cache_dir: str) -> str | None:
    import rattler
    from rattler.networking.client import Client

    folder = own_folder(cache_dir, wanted.url)
    work = folder / "work"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache folder {cache_dir} cannot be written to: {error.strerror or error}") from None
    try:
        opened = await rattler.fetch_repo_data(
            channels=[rattler.Channel(wanted.source)],
            platforms=[rattler.Subdir(wanted.subdir)],
            cache_path=work,
            callback=None,
            client=Client.default_client(max_retries=_RETRIES, timeout=_TIMEOUT_SECONDS),
        )
    except Exception as error:  # noqa: BLE001 -- rattler raises its own classes and OSError, told apart by their text
        return _failed(wanted, folder, error)
    for sparse in opened:
        sparse.close()
    return _keep(wanted, folder)


def _failed(wanted: Wanted, folder: Path, error: Exception) -> str | None:
    text = str(error)
    if text.startswith("repodata not found") and "404" in text:
        shutil.rmtree(folder / "work", ignore_errors=True)
        (folder / COPY).unlink(missing_ok=True)
        (folder / MISSING).touch()
        return None
    arrived = _fetched(folder)
    if isinstance(error, OSError) and arrived is not None:
        if arrived.stat().st_size == 0:  # a legal repodata, which rattler does not take
            return _keep(wanted, folder)
        text = f"it did not arrive whole, or is no repodata: {text}"
    shutil.rmtree(folder / "work", ignore_errors=True)
    raise ChannelError(
        f"the repodata of the channel {wanted.own} for {wanted.subdir} could not be fetched from {masked(wanted.source)}: "
        f"{_reason(text)}. Try again later, use what was cached earlier, if anything was (--offline), "
        f"or read the channel from elsewhere (--mirror {wanted.own}=FOLDER_OR_URL)"
    )


def _fetched(folder: Path) -> Path | None:
    """What rattler has brought."""
    found = (path for path in (folder / "work").glob("*.json") if not path.name.endswith(".info.json"))
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _keep(wanted: Wanted, folder: Path) -> str:
    """Put what arrived whole where it is looked for later, in one step."""
    fetched, kept = _fetched(folder), folder / COPY
    if fetched is None:
        raise ChannelError(f"the fetched repodata of the channel {wanted.own} is gone from {folder}")
    (folder / MISSING).unlink(missing_ok=True)
    if not (kept.exists() and os.path.samefile(fetched, kept)):
        fresh = folder / f"fresh-{os.getpid()}"
        try:
            os.link(fetched, fresh)
        except OSError:  # a file system without hard links
            shutil.copyfile(fetched, fresh)
        fresh.replace(kept)
    if has_credentials(wanted.source):
        # rattler's state holds the URL as it was given; without it the next run fetches anew.
        shutil.rmtree(folder / "work", ignore_errors=True)
    return str(kept)


def _reason(text: str) -> str:
    """The innermost of the causes that rattler strings together, without the URL it repeats."""
    lines = [line.removeprefix("Caused by: ").strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else "no reason given"
    return masked(last.split(" for url (")[0].rstrip("."))
