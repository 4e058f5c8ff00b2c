"""Every environment of the machine at a glance: what `planner envs` shows, read in about ten milliseconds each.

Only names are read of conda-meta: `pytorch-2.5.1-py3.10_cuda12.1_0.json` says all that a table needs, and opening the files
would cost a hundred times as much. Full loading is `planner.load`'s, what refers to an environment `planner.reach`'s.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.discover import stale_notes
from planner.dist_metadata import normalise
from planner.files import read_bytes, reason
from planner.model.installed import LoadProblem
from planner.reach.notes import Notes, Prefixes
from planner.reach.read import cache_links, read_references
from planner.reach.user_site import user_sites

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planner.reach.notes import Places
    from planner.reference import Reference, Setting, UserSite

MOST_FILES = 20_000  # that are measured unasked: more would take longer than everything else together
_FILES_OF_A_PACKAGE = 10  # at least, on the average of an environment; half of all packages have more than 26
_SITE = re.compile(r"^python\d+\.\d+t?$")
_DIST = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*?)-([^-]+)(?:-py[\d.]+)?\.(?:dist-info|egg-info|egg)$")
_NORMAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*$")
_ENDS = ("-info", ".egg")
_CUDA_OF_BUILD = re.compile(r"cuda_?(\d{2})\.?(\d)?")
_CUDNN_OF_BUILD = re.compile(r"cudnn(\d+(?:\.\d+)+)")
_CUDA_OF_TORCH = re.compile(rb"""^cuda(?:\s*:[^=\n]*)?\s*=\s*['"]([\d.]+)['"]""", re.MULTILINE)
# The library that is there before what only asks for one: a pin on 12.6 may stand beside a runtime of 12.1.
_CUDA_PACKAGES = ("cuda-cudart", "cudatoolkit", "cuda-version", "pytorch-cuda")
_CUDNN_PACKAGES = ("cudnn", "libcudnn")
_PIP_CUDA = re.compile(r"^nvidia-cuda-runtime(?:-cu\d+)?$")
_PIP_CUDNN = re.compile(r"^nvidia-cudnn(?:-cu\d+)?$")
_SMALL = 64 * 1024


class EnvironmentRow(Struct, frozen=True):
    """One environment of the table. What is not known, or not there, is None.

    `torch_cuda` is the CUDA that torch was built for ("cpu" where it says none), `cuda` and `cudnn` what is there of these
    (without a package of its own, the cuDNN in torch's build), `packages` counts conda's records and
    `pip_packages` the distributions that conda does not own. `size` is in bytes, each inode once; `own_size` leaves out
    files that have another link somewhere. `leaks_in` are what it takes from elsewhere, `leaks_out` what elsewhere
    refers to it.
    """

    name: str
    prefix: str
    root: str
    python: str | None
    torch: str | None
    torch_cuda: str | None
    cuda: str | None
    cudnn: str | None
    packages: int
    pip_packages: int
    size: int | None
    own_size: int | None
    changed: str | None
    frozen: bool
    pinned: bool
    leaks_in: tuple[str, ...] = ()
    leaks_out: tuple[str, ...] = ()
    problems: tuple[LoadProblem, ...] = ()


class Inventory(Struct, frozen=True):
    """All rows; `total_size` counts what environments share once, None where sizes were not measured."""

    root: str
    environments: tuple[EnvironmentRow, ...]
    total_size: int | None
    problems: tuple[LoadProblem, ...] = ()


def read_inventory(
    root: str,
    prefixes: Sequence[tuple[str, str, str]],
    places: Places,
    *,
    measure: bool = False,
    pkgs_dirs: Sequence[str] = (),
) -> Inventory:
    """The inventory of environments by name, prefix and root. Sizes are measured unasked only where there are few files.

    `pkgs_dirs` are the package caches that files of an environment may be links into.
    """
    problems: dict[str, list[LoadProblem]] = {prefix: [] for _, prefix, _ in prefixes}
    records = {prefix: _records(prefix, problems[prefix]) for prefix in problems}
    few = sum(map(len, records.values())) * _FILES_OF_A_PACKAGE <= MOST_FILES
    sizes = _sizes(tuple(records), None if measure else MOST_FILES) if measure or few else None
    notes = Notes()
    sites = {prefix: _sites(prefix) for _, prefix, _ in prefixes}
    users = user_sites(places, notes)
    pairs = [(name, prefix) for name, prefix, _ in prefixes]
    links = {prefix: _linked(number, one) for prefix, number, one in cache_links(pairs, pkgs_dirs)}
    read_references(
        pairs,
        [(folder, prefix) for prefix, folders in sites.items() for folder in folders],
        Prefixes(pairs, places.home),
        places,
        notes,
    )
    rows = []
    for name, prefix, of in prefixes:
        size = sizes.by_prefix[prefix] if sizes else (None, None)
        leaks_in = _leaks_in(prefix, notes, users, places.environ, links.get(prefix, ()))
        leaks_out = _leaks_out(prefix, notes)
        rows.append(_row(name, prefix, of, sites[prefix], records[prefix], size, leaks_in, leaks_out, problems[prefix]))
    problems_of_all = (*notes.problems, *stale_notes(places.home))
    return Inventory(root, tuple(rows), sizes.total if sizes else None, problems_of_all)


def _row(
    name: str,
    prefix: str,
    root: str,
    sites: Sequence[str],
    records: Mapping[str, tuple[str, str]],
    size: tuple[int | None, int | None],
    leaks_in: Mapping[str | None, tuple[str, ...]],
    leaks_out: tuple[str, ...],
    problems: list[LoadProblem],
) -> EnvironmentRow:
    pip = _pip_dists(prefix, sites, records, problems)
    python = records.get("python", ("", ""))[0] or None
    torch = next((records[key][0] for key in ("pytorch", "libtorch") if key in records), pip.get("torch"))
    meta = os.path.join(prefix, "conda-meta")
    return EnvironmentRow(
        name=name,
        prefix=prefix,
        root=root,
        python=python,
        torch=torch,
        torch_cuda=_torch_cuda(sites, records, torch),
        cuda=_first(records, _CUDA_PACKAGES) or _matching(pip, _PIP_CUDA),
        cudnn=_first(records, _CUDNN_PACKAGES) or _matching(pip, _PIP_CUDNN) or _torch_cudnn(records),
        packages=len(records),
        pip_packages=len(pip),
        size=size[0],
        own_size=size[1],
        changed=_changed(meta),
        frozen=os.path.lexists(os.path.join(meta, "frozen")),
        pinned=_has_pins(os.path.join(meta, "pinned"), problems),
        leaks_in=(*leaks_in.get(_minor(python), ()), *leaks_in[None]),
        leaks_out=leaks_out,
        problems=tuple(problems),
    )


def _minor(version: str | None) -> str | None:
    return ".".join(version.split(".")[:2]) if version else ""


def _records(prefix: str, problems: list[LoadProblem]) -> dict[str, tuple[str, str]]:
    """Version and build of each conda package, by the names of its files in conda-meta."""
    folder = os.path.join(prefix, "conda-meta")
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        problems.append(LoadProblem(folder, reason(error), "which packages are installed is not known"))
        return {}
    split = [name[:-5].rsplit("-", 2) for name in names if name[-5:] == ".json"]
    return {parts[0]: (parts[1], parts[2]) for parts in split if len(parts) == 3}  # noqa: PLR2004 -- name, version, build


def _sites(prefix: str) -> list[str]:
    """The site-packages folders, real ones only: conda-forge's python has a link `lib/python3.1` to its own."""
    folders = []
    for lib in ("lib", "Lib"):
        try:
            with os.scandir(os.path.join(prefix, lib)) as entries:
                found = sorted(entry.path for entry in entries if _SITE.match(entry.name) and not entry.is_symlink())
        except OSError:
            continue
        folders += [os.path.join(path, "site-packages") for path in found]
        folders.append(os.path.join(prefix, lib, "site-packages"))
    return [folder for folder in folders if os.path.isdir(folder)]


def _pip_dists(
    prefix: str, sites: Iterable[str], records: Mapping[str, tuple[str, str]], problems: list[LoadProblem]
) -> dict[str, str]:
    """Name and version of the distributions that conda does not own.

    conda's are told by name and version, or by their INSTALLER; only where neither says anything is conda-meta searched.
    """
    # Names as conda has them are nearly always normal already.
    known = {normalise(name): version for name, (version, _) in records.items() if not _NORMAL.match(name)}
    found = {}
    for site in sites:
        try:
            names = sorted([name for name in os.listdir(site) if name.endswith(_ENDS)])
        except OSError as error:
            problems.append(LoadProblem(site, reason(error), "which Python distributions are in it is not known"))
            continue
        for entry in names:
            match = None if entry.startswith("~") else _DIST.match(entry)
            if match is None:
                continue
            name = normalise(match[1])
            if match[2] in {known.get(name), records.get(name, ("", ""))[0]}:
                continue
            installer = _installer(os.path.join(site, entry, "INSTALLER"))
            if installer == "conda" or (not installer and _named_in_records(prefix, entry)):
                continue
            found[name] = match[2]
    return found


def _installer(path: str) -> str:
    try:
        return read_bytes(path, _SMALL).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


def _named_in_records(prefix: str, entry: str) -> bool:
    wanted = f"site-packages/{entry}".encode()
    folder = os.path.join(prefix, "conda-meta")
    for name in os.listdir(folder):
        if name.endswith(".json"):
            try:
                if wanted in read_bytes(os.path.join(folder, name)):
                    return True
            except OSError:
                continue
    return False


def _torch_cuda(sites: Iterable[str], records: Mapping[str, tuple[str, str]], torch: str | None) -> str | None:
    """What `torch/version.py` says, read as text; else what conda's build string does."""
    if torch is None:
        return None
    for site in sites:
        try:
            text = read_bytes(os.path.join(site, "torch", "version.py"), _SMALL)
        except (OSError, ValueError):
            continue
        match = _CUDA_OF_TORCH.search(text)
        return match[1].decode("ascii") if match else "cpu"
    build = next((records[name][1] for name in ("pytorch", "libtorch") if name in records), "")
    found = _CUDA_OF_BUILD.search(build)
    if found:
        return f"{found[1]}.{found[2] or '0'}"
    return "cpu" if "cpu" in build else None


def _torch_cudnn(records: Mapping[str, tuple[str, str]]) -> str | None:
    """The cuDNN that the pytorch channel's builds bring along, by their build string: `py3.10_cuda12.1_cudnn9.1.0_0`."""
    found = _CUDNN_OF_BUILD.search(records.get("pytorch", ("", ""))[1])
    return found[1] if found else None


def _first(records: Mapping[str, tuple[str, str]], names: Iterable[str]) -> str | None:
    return next((records[name][0] for name in names if name in records), None)


def _matching(pip: Mapping[str, str], pattern: re.Pattern[str]) -> str | None:
    return next((version for name, version in sorted(pip.items()) if pattern.match(name)), None)


def _changed(meta: str) -> str | None:
    """When conda last changed it: the history's time, in UTC."""
    for path in (os.path.join(meta, "history"), meta):
        try:
            moment = os.stat(path).st_mtime
        except OSError:
            continue
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def _has_pins(path: str, problems: list[LoadProblem]) -> bool:
    try:
        text = read_bytes(path, _SMALL).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        problems.append(LoadProblem(path, reason(error), "whether packages are pinned is not known"))
        return False
    return any(line.partition("#")[0].strip() for line in text.splitlines())


# --------------------------------------------------------------------------------------------------------------------
# Leaks


def _leaks_in(
    prefix: str, notes: Notes, users: Iterable[UserSite], environ: Mapping[str, str], links: Iterable[str]
) -> dict[str | None, tuple[str, ...]]:
    """What an environment takes from elsewhere: by the python it would have to be (its X.Y), None: whatever it is."""
    own = [item for item in notes.references if item.holder == prefix != item.prefix]
    found = [*links, *(f"{_what(item)} leads to {item.prefix}" for item in own)]
    for setting in notes.settings:
        everywhere = setting.applies_to is None and setting.scope in {"shell", "process"}
        if setting.leads and (setting.applies_to == prefix or everywhere) and setting.prefix != prefix:
            found.append(f"{setting.variable}: {setting.entry} ({_short(setting)})")
    leaks: dict[str | None, tuple[str, ...]] = {None: tuple(dict.fromkeys(found))}
    if not environ.get("PYTHONNOUSERSITE"):
        for site in users:
            leaks[site.python] = (f"user site: {len(site.dists)} in {site.path}",)
    return leaks


def _leaks_out(prefix: str, notes: Notes) -> tuple[str, ...]:
    refer = [_what(item) for item in notes.references if item.prefix == prefix != item.holder]
    lend = [
        f"{setting.variable} in {_short(setting)}"
        for setting in notes.settings
        if setting.prefix == prefix and setting.applies_to != prefix
    ]
    return tuple(dict.fromkeys((*refer, *lend)))


def _linked(number: int, one: str) -> tuple[str, ...]:
    return (f"links into the package cache: {number}, {one} among them",)


def _what(reference: Reference) -> str:
    return f"{reference.kind} {reference.source}"


def _short(setting: Setting) -> str:
    return setting.where


# --------------------------------------------------------------------------------------------------------------------
# Sizes


class _Sizes(Struct, frozen=True):
    by_prefix: Mapping[str, tuple[int, int]]
    total: int


def _sizes(prefixes: Sequence[str], most: int | None) -> _Sizes | None:
    """The bytes on disk of each environment, and of all; None where there are more than `most` files."""
    inside = {os.path.realpath(prefix) for prefix in prefixes}
    everywhere: set[tuple[int, int]] = set()
    by_prefix, total, count = {}, 0, 0
    for prefix in prefixes:
        size = own = 0
        here: set[tuple[int, int]] = set()
        for status in _files(prefix, inside):
            count += 1
            if most is not None and count > most:
                return None
            on_disk = getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
            if status.st_nlink == 1:
                size, own, total = size + on_disk, own + on_disk, total + on_disk
                continue
            inode = (status.st_dev, status.st_ino)
            size += 0 if inode in here else on_disk
            total += 0 if inode in everywhere else on_disk
            here.add(inode)
            everywhere.add(inode)
        by_prefix[prefix] = (size, own)
    return _Sizes(by_prefix, total)


def _files(prefix: str, prefixes: set[str]) -> Iterator[os.stat_result]:
    """The status of every file below a prefix; environments that lie in it and its package cache are not its own."""
    folders = [prefix]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path not in prefixes and not (folder == prefix and entry.name in {"envs", "pkgs"}):
                            folders.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                        yield status
        except OSError:
            continue
