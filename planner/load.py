"""From a prefix on disk to an `Environment`: records, history, pins, state and Python distributions.

Nothing is written, run or fetched. Every file that cannot be used becomes a `LoadProblem` with its name, and none
stops the rest. Where environments lie is `planner.discover`'s, single records are `planner.conda_meta`'s, Python
distributions `planner.dists`'s.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from planner import ahead
from planner.cache import NO_CACHE
from planner.channel_names import KNOWN_SUBDIRS
from planner.conda_meta import paths, stem
from planner.conda_meta_folder import read_folder
from planner.dist_metadata import normalise
from planner.dists import read_dists
from planner.errors import BadSpec
from planner.files import read_bytes, reason
from planner.history import read_history, unreadable_lines
from planner.model.installed import Environment, History, Installation, LoadProblem, PackageRecord, RecordFiles
from planner.serialize import digest
from planner.versions import check_spec, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from planner.cache import Cache
    from planner.model.installed import PipDist

_UNSET = "***unset***"  # conda's mark in `state` for a variable that activation takes away


def load_installation(
    root: str,
    prefixes: Sequence[tuple[str, str]],
    on_progress: Callable[[str], None] | None = None,
    *,
    asked: str | None = None,
    kept: Cache = NO_CACHE,
    known: Iterable[Environment] = (),
) -> Installation:
    """Load every environment, base first, then by prefix. `on_progress` is told what is being read.

    Where one prefix is `asked` about, the others are loaded with as much as a neighbour's part needs: see
    `load_environment`. What is `known` is not loaded again.
    """
    real_root = os.path.realpath(root)
    ordered = sorted(prefixes, key=lambda item: (os.path.realpath(item[1]) != real_root, item[1]))
    loaded = {environment.prefix: environment for environment in known}
    environments = []
    others = ahead.environments(kept, [prefix for _, prefix in ordered])
    for number, (name, prefix) in enumerate(ordered, start=1):
        if prefix in loaded:
            environments.append(loaded[prefix])
            continue
        if on_progress is not None:
            on_progress(f"reading environment {name} ({number} of {len(ordered)})")
        environments.append(load_environment(name, prefix, kept=kept, in_full=asked in {None, prefix}))
    others.close()
    return Installation(root, tuple(environments), problems=tuple(_unlisted(root)))


def load_environment(name: str, prefix: str, *, kept: Cache = NO_CACHE, in_full: bool = True) -> Environment:
    """Load one environment. What could not be read is in its `problems`; this never raises for what lies on disk.

    If not `in_full`, the dists that conda owns and what was asked for earlier are left out, and it has no fingerprint.
    """
    problems: list[LoadProblem] = []
    records, owned = _records(prefix, kept, problems)
    also = [record.python_site_packages_path for record in records if record.name == "python"]
    dists, sites, unread = read_dists(prefix, owned, [site for site in also if site], owned_too=in_full)
    dists = _claimed(dists, records)
    problems += unread
    return Environment(
        name=name,
        prefix=prefix,
        subdir=_subdir(records),
        records=records,
        dists=dists,
        sites=sites,
        history=_history(prefix, records if in_full else (), problems),
        pins=_pins(prefix, problems),
        frozen=_frozen(prefix, problems),
        env_vars=_env_vars(prefix, problems),
        problems=tuple(problems),
        fingerprint=fingerprint(records, dists) if in_full else "",
    )


def record_files(prefix: str, record: PackageRecord) -> RecordFiles:
    """The paths that an installed record owns; `known` is False where they cannot be read or surely are not all."""
    for content in record_contents(prefix, record):
        try:
            found = paths(content, record)
        except ValueError:
            continue
        if found is not None:
            return found
    return RecordFiles((), known=False)


def record_contents(prefix: str, record: PackageRecord) -> Iterator[bytes]:
    """The conda-meta files that may be about an installed record, the likeliest first; those of others among them."""
    folder = os.path.join(prefix, "conda-meta")
    likely = dict.fromkeys((f"{stem(record.fn)}.json", f"{record.dist_name}.json"))
    # The folder is listed only when none of the likely ones was it.
    for names in (likely, _others(folder, record.name, likely)):
        for name in names:
            if os.path.basename(name) == name:
                with suppress(OSError):
                    yield read_bytes(os.path.join(folder, name))


def fingerprint(records: Iterable[PackageRecord], dists: Iterable[PipDist]) -> str:
    """A digest of what is installed, the same in whatever order it was read."""
    return digest(
        [
            sorted(
                [record.name, record.version, record.build, record.sha256 or record.md5 or ""] for record in records
            ),
            sorted([dist.name, dist.version, dist.location] for dist in dists),
        ]
    )


def _others(folder: str, name: str, likely: Iterable[str]) -> Iterator[str]:
    """Further files that may be about the package, where its record does not lie under its own name."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for entry in names:
        if entry.startswith(f"{name}-") and entry.endswith(".json") and entry not in likely:
            yield entry


def _unlisted(root: str) -> Iterable[LoadProblem]:
    folder = os.path.join(root, "envs")
    try:
        os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield LoadProblem(folder, reason(error), "which environments lie in it is not known")


def _records(prefix: str, kept: Cache, problems: list[LoadProblem]) -> tuple[tuple[PackageRecord, ...], dict[str, str]]:
    """The installed records by name, and which of them owns which Python metadata."""
    folder = os.path.join(prefix, "conda-meta")
    try:
        files = read_folder(prefix, kept)
    except OSError as error:
        problems.append(LoadProblem(folder, reason(error), "which packages are installed is not known"))
        return (), {}
    found: dict[str, tuple[PackageRecord, str]] = {}
    owned: dict[str, str] = {}
    for file in files:
        record = file.record
        if record is None:
            path = os.path.join(folder, file.name)
            left_out = file.name.removesuffix(".json")
            problems.append(LoadProblem(path, file.wrong, f"the package {left_out} is left out"))
            owned.update(dict.fromkeys(file.owned, file.name.rsplit("-", 2)[0]))
            continue
        for metadata in file.owned:
            owned[metadata] = record.name
        known = found.get(record.name)
        found[record.name] = (
            (record, file.name) if known is None else _newer(known, (record, file.name), folder, problems)
        )
    return tuple(found[name][0] for name in sorted(found)), owned


def _newer(
    first: tuple[PackageRecord, str], second: tuple[PackageRecord, str], folder: str, problems: list[LoadProblem]
) -> tuple[PackageRecord, str]:
    """One of two records of one name, each with its file: an update that broke off leaves both."""
    one, two = first[0], second[0]
    order = compare(one.version, two.version)
    older = order < 0 or (order == 0 and (one.build_number, one.build) < (two.build_number, two.build))
    kept, left = (second, first) if older else (first, second)
    problems.append(
        LoadProblem(
            os.path.join(folder, left[1]),
            f"it is a second record of {one.name}, beside {kept[1]}",
            f"{kept[0].label} is taken as installed; which of them really is, is not known",
        )
    )
    return kept


def _claimed(dists: tuple[PipDist, ...], records: Iterable[PackageRecord]) -> tuple[PipDist, ...]:
    """Give to conda what says that conda installed it, where a record of that name and version has lost its path list."""
    if not any(dist.owner is None and dist.installer == "conda" for dist in dists):
        return dists
    known = {(normalise(record.name), record.version): record.name for record in records}
    return tuple(
        replace(dist, owner=known[dist.name, dist.version])
        if dist.owner is None and dist.installer == "conda" and (dist.name, dist.version) in known
        else dist
        for dist in dists
    )


def _subdir(records: Iterable[PackageRecord]) -> str:
    """The platform that most records are for; this machine's where none says."""
    counted = Counter(
        record.subdir for record in records if record.subdir in KNOWN_SUBDIRS and record.subdir != "noarch"
    )
    if counted:
        return min(counted, key=lambda subdir: (-counted[subdir], subdir))
    from planner.host import native_subdir

    return native_subdir()


def _history(prefix: str, records: Iterable[PackageRecord], problems: list[LoadProblem]) -> History:
    path = os.path.join(prefix, "conda-meta", "history")
    # Specs are ASCII; the command lines beside them are in whatever encoding the machine had.
    text = _text(path, problems, "what was asked for earlier is not known", errors="replace")
    if text is None:
        return History()
    problems += [
        LoadProblem(path, f"the line {line!r} cannot be read", "what it asks for is left out")
        for line in unreadable_lines(text)
    ]
    return read_history(text, {record.name for record in records}) if records else History()


def _pins(prefix: str, problems: list[LoadProblem]) -> tuple[str, ...]:
    path = os.path.join(prefix, "conda-meta", "pinned")
    text = _text(path, problems, "pins are not applied")
    pins = []
    for line in (text or "").splitlines():
        spec = line.partition("#")[0].strip()
        if not spec:
            continue
        try:
            pins.append(check_spec(spec))
        except BadSpec as error:
            problems.append(LoadProblem(path, str(error), "this pin is not applied"))
    return tuple(pins)


def _frozen(prefix: str, problems: list[LoadProblem]) -> str | None:
    """CEP 22: the file itself freezes the environment; it may hold a message."""
    path = os.path.join(prefix, "conda-meta", "frozen")
    content = (
        _json(path, problems, "the environment counts as frozen, without a message") if os.path.lexists(path) else None
    )
    if isinstance(content, dict) and isinstance(content.get("message"), str):
        return str(content["message"])
    return "" if os.path.lexists(path) else None


def _env_vars(prefix: str, problems: list[LoadProblem]) -> tuple[tuple[str, str], ...]:
    """The variables that activation sets, by name."""
    path = os.path.join(prefix, "conda-meta", "state")
    consequence = "which variables activation sets is not known"
    content = _json(path, problems, consequence)
    if content is None:
        return ()
    variables = content.get("env_vars", {}) if isinstance(content, dict) else None
    if not isinstance(variables, dict):
        problems.append(LoadProblem(path, "it does not hold an object with env_vars", consequence))
        return ()
    return tuple(sorted((name, str(value)) for name, value in variables.items() if value not in (None, _UNSET)))


def _json(path: str, problems: list[LoadProblem], consequence: str) -> Any:
    """The JSON value in a file that may be missing or empty: then None."""
    text = _text(path, problems, consequence)
    if not text or not text.strip():
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        problems.append(LoadProblem(path, "it is not valid JSON", consequence))
        return None


def _text(path: str, problems: list[LoadProblem], consequence: str, errors: str = "strict") -> str | None:
    """The text of a file; None when there is none, or when it cannot be read."""
    try:
        return read_bytes(path).decode("utf-8-sig", errors)
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(LoadProblem(path, reason(error), consequence))
    except UnicodeDecodeError as error:
        problems.append(LoadProblem(path, f"it is not UTF-8 (byte {error.start})", consequence))
    return None
