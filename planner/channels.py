"""Channels made ready to read: one `repodata.json` on this machine for each subdir of each repository.

A channel is named in many ways (`planner.channel_names`) and read from many places: a folder, a server, a cache, or
wherever `--mirror` says. Whatever the place, records keep the channel's own URL. Every file handed out has been opened
once, so that a cut or foreign one is an error here, with its name, and not in the middle of a solve. Local folders are
only read: nothing is written for them, except that a folder with nothing but packed repodata has it unpacked into the
planner's own cache folder. The v3 part of repodata (CEP 48) is py-rattler's to read, or to pass over.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from planner import ahead
from planner.cache import NO_CACHE
from planner.channel_names import Place, canonical_channel, resolve
from planner.config import Config
from planner.credentials import masked
from planner.errors import ChannelError
from planner.model.solve import Repodata
from planner.repodata_cache import cached_copies, known_missing
from planner.repodata_fetch import Wanted, fetch_all
from planner.repodata_folder import repodata_file
from planner.repodata_index import index_of, open_index
from planner.repodata_records import plain_records

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from planner.cache import Cache
    from planner.model.installed import PackageRecord

    Check = Callable[["_Repository", str, str], Repodata]

__all__ = ["canonical_channel", "open_channels", "records_of"]


class _Repository(Struct, frozen=True):
    """One place of one channel; `rank` 0 is the best. `own` is the channel's URL, which the records keep."""

    own: str
    place: Place
    rank: int


def open_channels(
    channels: Sequence[str],
    subdir: str,
    *,
    mirrors: Sequence[tuple[str, str]] = (),
    offline: bool = False,
    cache_dir: str,
    cache: Cache | None = None,
    config: Config | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> tuple[Repodata, ...]:
    """The repodata of the channels, best first: of each repository its `subdir`, then noarch.

    `mirrors` are pairs of a channel and the place it is read from instead; several of one channel are repositories of
    falling priority under its name. A mirror of a name that stands for several channels stands for them all, under the
    first one's URL. `offline` asks no server and takes cached copies. `cache` keeps the indexes of large files. A subdir
    that the server, or the folder, does not have is left out, and so is an empty file, which is legal. Raises
    `ChannelError` for a channel that cannot be read.
    """
    settings = config or Config()
    report = on_progress or (lambda _text: None)
    kept = cache or NO_CACHE
    check = partial(_checked, cache)
    repositories = _repositories(channels, subdir, mirrors, settings, report)
    subdirs = tuple(dict.fromkeys((subdir, "noarch")))
    here = [item for item in repositories if item.place.local]
    ahead.make_indexes(kept, _plain_files(here, subdirs))
    local = {item: _read_folder(item, subdirs, cache_dir, report, check) for item in here}
    remote = [item for item in repositories if not item.place.local]
    if offline or settings.offline:
        ahead.make_indexes(kept, _likely_copies(remote, subdirs, cache_dir, settings))
        cached = {item: _read_cached(item, subdirs, cache_dir, settings, report, check) for item in remote}
        answers = {**local, **cached}
    else:
        answers = {**local, **_fetch(remote, subdirs, cache_dir, kept, report, check)}
    return tuple(repodata for item in repositories for repodata in answers[item])


def places(
    channels: Sequence[str], subdir: str, mirrors: Sequence[tuple[str, str]], config: Config
) -> tuple[tuple[str, str], ...]:
    """The channels' own base URLs, each with the URL that its packages are had from, the best first; mirrors as above.

    The second may hold the login or token that the configuration has. Raises `ChannelError`.
    """
    found = _repositories(channels, subdir, mirrors, config, lambda _text: None)
    return tuple((item.own, item.place.own if item.place.local else item.place.source) for item in found)


def records_of(
    repodata: Repodata, names: Iterable[str], files: Collection[str] | None = None
) -> tuple[PackageRecord, ...]:
    """The records that repodata has of these names, in the order of the names, then of their file names.

    With `files`, only the records of these packages' files.
    """
    asked = tuple(dict.fromkeys(names))
    index = index_of(repodata.path, repodata.digest)
    if not index.plain or "://" not in repodata.channel:
        return _records_by_rattler(repodata, asked, files)
    runs = index.read(name.lower() for name in asked)
    found = plain_records(runs, repodata.channel, repodata.subdir, files)
    if found is None:
        return _records_by_rattler(repodata, asked, files)
    place = {name.lower(): number for number, name in enumerate(asked)}
    return tuple(sorted(found, key=lambda record: (place[record.name], record.fn)))


def names_of(repodata: Repodata) -> tuple[str, ...]:
    """The names of all packages that repodata has, in no particular order."""
    index = index_of(repodata.path, repodata.digest)
    if index.plain:
        return index.names
    return tuple(_opened(repodata.channel, repodata.subdir, repodata.path, repodata.digest).package_names())


def _records_by_rattler(
    repodata: Repodata, names: Iterable[str], files: Collection[str] | None
) -> tuple[PackageRecord, ...]:
    import rattler
    from rattler.exceptions import InvalidPackageNameError

    from planner.solve.rattler_records import record_from_rattler

    try:
        sparse = _opened(repodata.channel, repodata.subdir, repodata.path, repodata.digest)
    except OSError as error:
        raise ChannelError(
            f"the repodata of {repodata.channel} cannot be read: {_fault(repodata.path, error)}"
        ) from None
    found: list[PackageRecord] = []
    for name in names:
        try:
            records = sparse.load_records(rattler.PackageName(name))
        except InvalidPackageNameError:
            continue  # no record can have a name that is none
        except OSError as error:
            raise ChannelError(f"{repodata.path}: a record of {name} cannot be read: {error}") from None
        wanted = (record for record in records if files is None or record.file_name in files)
        found.extend(sorted(map(record_from_rattler, wanted), key=lambda record: record.fn))
    return tuple(found)


# --------------------------------------------------------------------------------------------------------------------
# Which places


def _repositories(
    channels: Sequence[str],
    subdir: str,
    mirrors: Sequence[tuple[str, str]],
    config: Config,
    report: Callable[[str], None],
) -> tuple[_Repository, ...]:
    instead: dict[tuple[str, ...], list[Place]] = {}
    for channel, where in mirrors:
        own = tuple(place.own for place in resolve(channel, config, subdir))
        instead.setdefault(own, []).extend(resolve(where, config, subdir))
    used: set[tuple[str, ...]] = set()
    pairs: dict[tuple[str, Place], None] = {}
    for channel in channels:
        places = resolve(channel, config, subdir)
        own = tuple(place.own for place in places)
        if own in instead:
            used.add(own)
            pairs.update(dict.fromkeys((own[0], place) for place in instead[own]))
            continue
        for place in places:
            used.add((place.own,))
            pairs.update(dict.fromkeys((place.own, source) for source in instead.get((place.own,), [place])))
    for own in sorted(instead.keys() - used):
        report(f"the mirror of {own[0]} is not used: that channel is not among the channels")
    return tuple(_Repository(own, place, rank) for rank, (own, place) in enumerate(pairs))


# --------------------------------------------------------------------------------------------------------------------
# A folder


def _plain_files(items: Iterable[_Repository], subdirs: Sequence[str]) -> Iterator[str]:
    """The files that are read of folders, those left aside that have to be unpacked first."""
    for item in items:
        yield from (os.path.join(item.place.source, subdir, "repodata.json") for subdir in subdirs)


def _read_folder(
    item: _Repository, subdirs: Sequence[str], cache_dir: str, report: Callable[[str], None], check: Check
) -> tuple[Repodata, ...]:
    folder = Path(item.place.source)
    if not folder.is_dir():
        what = "it is not a folder" if folder.exists() else "there is no such folder"
        raise ChannelError(f"the channel {_shown(item)} cannot be read: {what}")
    files = {subdir: repodata_file(folder / subdir, cache_dir, report) for subdir in subdirs}
    if not any(files.values()):
        expected = " nor ".join(str(Path(subdir, "repodata.json")) for subdir in subdirs)
        others = dict.fromkeys(sorted(path.parent.name for path in folder.glob("*/repodata.json*")))
        has = f"; it has packages for {', '.join(others)}" if others else ""
        raise ChannelError(f"the channel {_shown(item)} cannot be read: there is neither {expected}{has}")
    return _present(item, files.items(), report, check)


# --------------------------------------------------------------------------------------------------------------------
# A server, or what is cached of it


def _fetch(
    items: Sequence[_Repository],
    subdirs: Sequence[str],
    cache_dir: str,
    kept: Cache,
    report: Callable[[str], None],
    check: Check,
) -> dict[_Repository, tuple[Repodata, ...]]:
    if not items:
        return {}
    wanted = [Wanted(item.own, item.place.source, subdir) for item in items for subdir in subdirs]
    paths = dict(zip(wanted, fetch_all(wanted, cache_dir, report), strict=True))
    ahead.make_indexes(kept, filter(None, paths.values()))
    answers: dict[_Repository, tuple[Repodata, ...]] = {}
    for item in items:
        found = [(subdir, paths[Wanted(item.own, item.place.source, subdir)]) for subdir in subdirs]
        if not any(path for _, path in found):
            raise ChannelError(
                f"the channel {item.own} is not there: {masked(item.place.source)} has repodata neither for "
                f"{' nor for '.join(subdirs)} (HTTP 404). Check its name, or --subdir"
            )
        answers[item] = _present(item, found, report, check)
    return answers


def _read_cached(
    item: _Repository,
    subdirs: Sequence[str],
    cache_dir: str,
    config: Config,
    report: Callable[[str], None],
    check: Check,
) -> tuple[Repodata, ...]:
    found: list[Repodata] = []
    missing = [subdir for subdir in subdirs if known_missing(cache_dir, f"{item.place.source}/{subdir}")]
    for subdir in subdirs:
        if subdir in missing and len(missing) < len(subdirs):
            continue
        copies = cached_copies(f"{item.place.source}/{subdir}", config.pkgs_dirs, cache_dir)
        good = _first_good(item, subdir, copies, cache_dir, report, check)
        if good is None:
            looked = [str(Path(folder, "cache")) for folder in config.pkgs_dirs] + [cache_dir]
            raise ChannelError(
                f"there is no cached copy of {masked(item.place.source)}/{subdir}/repodata.json (looked in "
                f"{', '.join(looked)}). Run once without --offline, "
                f"or name a folder that has it: --mirror {item.own}=FOLDER"
            )
        found.extend(good)
    return tuple(found)


def _likely_copies(
    items: Iterable[_Repository], subdirs: Sequence[str], cache_dir: str, config: Config
) -> Iterator[str]:
    for item in items:
        for subdir in subdirs:
            yield from islice(cached_copies(f"{item.place.source}/{subdir}", config.pkgs_dirs, cache_dir), 1)


def _first_good(
    item: _Repository,
    subdir: str,
    copies: Iterable[str],
    cache_dir: str,
    report: Callable[[str], None],
    check: Check,
) -> tuple[Repodata, ...] | None:
    """The first copy that opens; a cut one is an error only when no other is left."""
    fault: ChannelError | None = None
    for path in copies:
        try:
            # An empty file is legal repodata when a server sent it; in a cache of conda's it is what an accident left.
            empty = path.startswith(cache_dir) and os.path.getsize(path) == 0
            good = () if empty else (check(item, subdir, path),)
        except ChannelError as error:
            fault = fault or error
            continue
        report(f"reading {item.own}/{subdir} from the cached {path}")
        return good
    if fault is not None:
        raise fault
    return None


# --------------------------------------------------------------------------------------------------------------------
# A file


def _checked(cache: Cache | None, item: _Repository, subdir: str, path: str) -> Repodata:
    """The file as `Repodata`, once it has been seen to open. Raises `ChannelError` when it is cut or no repodata."""
    try:
        index = open_index(path, cache)
        if not index.plain:
            _opened(item.own, subdir, path, index.digest)
    except OSError as error:
        raise ChannelError(
            f"the repodata of the channel {_shown(item)} cannot be read: {_fault(path, error)}"
        ) from None
    return Repodata(item.own, subdir, path, index.digest, item.rank)


def _present(
    item: _Repository, files: Iterable[tuple[str, str | None]], report: Callable[[str], None], check: Check
) -> tuple[Repodata, ...]:
    """What there is of a repository, said aloud where a part of it is not there or empty."""
    found: list[Repodata] = []
    for subdir, path in files:
        if path and os.path.getsize(path):
            found.append(check(item, subdir, path))
        else:
            report(f"the channel {_shown(item)} has nothing for {subdir}")
    return tuple(found)


@lru_cache(maxsize=32)
def _opened(channel: str, subdir: str, path: str, _digest: str) -> Any:
    import rattler

    return rattler.SparseRepoData(rattler.Channel(channel), subdir, path)


def _fault(path: str, error: OSError) -> str:
    if error.errno is not None:
        return f"{path}: {error.strerror}"
    text = str(error)
    if text.startswith("EOF while parsing"):
        inside = text.removeprefix("EOF while parsing ").split(" at line ")[0]
        where = "where a value should begin" if inside == "a value" else f"in the middle of {inside}"
        return f"{path} is cut short: it ends at byte {os.path.getsize(path)} {where}"
    return f"{path} is not repodata: {text}"


def _shown(item: _Repository) -> str:
    """A repository as people know it: a folder by its path, any other by its URL, and where it is mirrored."""
    where = masked(item.place.source)
    if item.own == item.place.own:
        return where if item.place.local else item.own
    return f"{item.own} (mirrored at {where})"
