"""Python distributions in an environment's site-packages: what pip, conda or a person put there.

Read from `.dist-info`, `.egg-info`, `.egg` and `.egg-link`, never imported. Which of them conda owns is decided by the
caller's table of what its records own. What becomes of a distribution when python moves is the rules' business.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.dist_files import compiled_modules, read_list, top_level_names
from planner.dist_metadata import Metadata, from_folder_name, normalise, parse, required
from planner.files import is_folder, read_bytes, reason
from planner.model.installed import DirectUrl, LoadProblem, PipDist

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Literal

_LIMIT = 64 * 1024 * 1024  # bytes; the RECORD of the largest distributions has a tenth of this
_PYTHON_FOLDER = re.compile(r"^(?:python|pypy)(\d+\.\d+t?)$")
_PYTHON_IN_PATH = re.compile(r"(?:^|/)(?:python|pypy)(\d+\.\d+t?)/")
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)(?!git@)[^/@]*@")
_TAG = re.compile(r"^Tag:\s*(\S+)\s*$", re.MULTILINE)
_UNKNOWN_DISTS = "which Python distributions are in it is not known"
_LEFT_OUT = "this distribution is left out"


class _Site(Struct, frozen=True):
    """A site-packages folder: its path on disk, the same relative to the prefix, and the python in that path."""

    path: str
    location: str
    python: str | None


class _Reader:
    """Reads the files of one distribution's metadata, and keeps what could not be read."""

    def __init__(self, folder: str, problems: list[LoadProblem]) -> None:
        self.folder = folder
        self.problems = problems

    def text(self, name: str, consequence: str) -> str | None:
        """The text of one file (of the metadata itself for ""); None when it is not there or cannot be read."""
        path = os.path.join(self.folder, name) if name else self.folder
        try:
            return read_bytes(path, _LIMIT).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.problem(name, reason(error), consequence)
            return None

    def problem(self, name: str, what: str, consequence: str) -> None:
        self.problems.append(LoadProblem(os.path.join(self.folder, name).rstrip(os.sep), what, consequence))


def read_dists(
    prefix: str, owned: Mapping[str, str], site_packages: Sequence[str] = (), *, owned_too: bool = True
) -> tuple[tuple[PipDist, ...], tuple[str, ...], tuple[LoadProblem, ...]]:
    """Every distribution in every site-packages folder of a prefix, by name; these folders; and what could not be read.

    `owned` maps paths of metadata (the folder, or the file where it is one), relative to the prefix, to the names of
    the conda records that own them; those are left out, and none of their files is opened, if not `owned_too`.
    `site_packages` are further folders, relative to the prefix (CEP 17).
    """
    problems: list[LoadProblem] = []
    folded = {path.lower(): name for path, name in owned.items()}
    sites = tuple(_sites(prefix, site_packages, problems))
    dists = []
    for site in sites:
        for entry in _listed(site.path, problems):
            path = f"{site.location}/{entry}{'/EGG-INFO' * _is_egg_folder(site, entry)}"
            # Where the folder has no python in its path, the file system is Windows's: case does not count.
            owner = owned.get(path) or (None if site.python else folded.get(path.lower()))
            if owner is not None and not owned_too:
                continue
            dist = _read(site, entry, path, owner, problems)
            if dist is not None:
                dists.append(dist)
    dists.sort(key=lambda dist: (dist.name, dist.location, dist.metadata_path))
    return tuple(dists), tuple(site.location for site in sites), tuple(problems)


def _sites(prefix: str, also: Sequence[str], problems: list[LoadProblem]) -> Iterator[_Site]:
    """Each site-packages folder once: conda-forge's python has a link `lib/python3.1` to its own folder."""
    seen = set()
    for location in (*_usual_locations(prefix, problems), *also):
        parts = location.split("/")
        path = os.path.join(prefix, *parts)
        real = os.path.realpath(path)
        if real in seen or ".." in parts or is_folder(path) is False:
            continue
        seen.add(real)
        python = _PYTHON_IN_PATH.search(f"{location}/")
        yield _Site(path, location, python[1] if python else None)


def _usual_locations(prefix: str, problems: list[LoadProblem]) -> Iterator[str]:
    """`lib/pythonX.Y/site-packages`, `Lib/site-packages` on Windows; real folders before links to them."""
    for lib in _names(prefix, problems, links_last=False):
        if lib.lower() != "lib":
            continue
        yield f"{lib}/site-packages"
        for name in _names(os.path.join(prefix, lib), problems, links_last=True):
            if _PYTHON_FOLDER.match(name):
                yield f"{lib}/{name}/site-packages"


def _names(folder: str, problems: list[LoadProblem], *, links_last: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                entry.name
                for entry in sorted(entries, key=lambda entry: (links_last and entry.is_symlink(), entry.name))
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(LoadProblem(folder, reason(error), _UNKNOWN_DISTS))
        return []


def _listed(folder: str, problems: list[LoadProblem]) -> list[str]:
    """The entries that are metadata. What pip renamed (`~umpy-1.20.dist-info`) is on its way out and does not count."""
    endings = (".dist-info", ".egg-info", ".egg", ".egg-link")
    return [
        name
        for name in _names(folder, problems, links_last=False)
        if name.endswith(endings) and not name.startswith(("~", "."))
    ]


def _is_egg_folder(site: _Site, entry: str) -> bool:
    return entry.endswith(".egg") and os.path.isdir(os.path.join(site.path, entry))


def _read(site: _Site, entry: str, path: str, owner: str | None, problems: list[LoadProblem]) -> PipDist | None:
    reader = _Reader(os.path.join(site.path, path[len(site.location) + 1 :]), problems)
    if entry.endswith(".egg-link"):
        return _read_link(site, path, owner, reader)
    core = "METADATA" if entry.endswith(".dist-info") else "PKG-INFO"
    a_file = os.path.isfile(reader.folder)
    metadata = _metadata(reader, "" if a_file else core, entry)
    if metadata is None:
        return None
    text = reader.text("WHEEL", "its wheel tags are not known")
    tags = _expanded(_TAG.findall(text or ""))
    files = _files(reader)
    names = reader.text("top_level.txt", "its import names are read from its file list")
    requires = reader.text("requires.txt", "what it requires is not known") if core == "PKG-INFO" else None
    installer = reader.text("INSTALLER", "who installed it is not known")
    return PipDist(
        name=normalise(metadata.name),
        version=metadata.version,
        display_name=metadata.name,
        location=site.location,
        metadata_path=path,
        python=site.python,
        installer=(installer or "").strip() or None,
        tags=tags,
        requires_python=metadata.requires_python,
        requires_dist=metadata.requires_dist or required(requires or ""),
        direct_url=_direct_url(reader),
        top_level=tuple(sorted(set(names.split()))) if names else top_level_names(files or ()),
        extensions=compiled_modules(files or (), tags),
        owner=owner,
        files_known=bool(files),
    )


def _metadata(reader: _Reader, core: str, entry: str) -> Metadata | None:
    """Name and version from the core metadata, else from the name of the folder; None for what is left of a removal."""
    by_name = from_folder_name(entry)
    if not core and entry.endswith(".egg"):
        return by_name  # an archive: its name says as much as is needed
    before = len(reader.problems)
    text = reader.text(core, "name and version are taken from its folder's name" if by_name else _LEFT_OUT)
    if text is not None:
        metadata = parse(text)
        if metadata is not None:
            return metadata
        consequence = "they are taken from its folder's name" if by_name else _LEFT_OUT
        reader.problem(core, "it does not say name and version", consequence)
    elif len(reader.problems) == before:
        if not os.path.lexists(os.path.join(reader.folder, "RECORD")):
            return None
        reader.problem(
            core, "it is missing", "name and version are taken from its folder's name" if by_name else _LEFT_OUT
        )
    return by_name


def _files(reader: _Reader) -> tuple[str, ...] | None:
    """The file list, relative to site-packages: RECORD, or what pip noted for an `.egg-info`; None without one."""
    text = reader.text("RECORD", "which files it has is not known")
    if text is not None:
        return read_list(text)
    text = reader.text("installed-files.txt", "which files it has is not known")
    if text is None:
        return None
    # These are relative to the metadata folder.
    folder = os.path.basename(reader.folder)
    return tuple(os.path.normpath(f"{folder}/{path}").replace("\\", "/") for path in read_list(text))


def _expanded(tags: Sequence[str]) -> tuple[str, ...]:
    """`py2.py3-none-any` is short for two tags."""
    expanded = []
    for tag in tags:
        parts = tag.split("-")
        if len(parts) == 3:  # noqa: PLR2004 -- python, ABI and platform
            pythons, abis, platforms = (part.split(".") for part in parts)
            expanded += [f"{p}-{a}-{platform}" for p in pythons for a in abis for platform in platforms]
    return tuple(dict.fromkeys(expanded))


def _direct_url(reader: _Reader) -> DirectUrl | None:
    consequence = "where it was installed from is not known"
    text = reader.text("direct_url.json", consequence)
    if text is None:
        return None
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("url"), str):
        reader.problem("direct_url.json", "it is not a JSON object with a url", consequence)
        return None
    info = content.get("dir_info")
    kind: Literal["dir", "archive", "vcs"] = (
        "vcs" if "vcs_info" in content else "dir" if isinstance(info, dict) else "archive"
    )
    editable = isinstance(info, dict) and info.get("editable") is True
    of_vcs = content.get("vcs_info")
    told = of_vcs if isinstance(of_vcs, dict) else {}
    texts = (told.get("vcs"), told.get("commit_id"), content.get("subdirectory"))
    vcs, commit, subdirectory = (text if isinstance(text, str) else "" for text in texts)
    url = _LOGIN.sub(r"\1", content["url"])
    return DirectUrl(url, editable=editable, kind=kind, vcs=vcs, commit=commit, subdirectory=subdirectory)


def _read_link(site: _Site, path: str, owner: str | None, reader: _Reader) -> PipDist | None:
    """An `.egg-link`: `setup.py develop`'s editable install, whose metadata lies in the source tree."""
    text = reader.text("", _LEFT_OUT)
    if text is None:
        return None
    source = text.partition("\n")[0].strip().replace("\0", "")
    if not os.path.isabs(source):
        reader.problem("", "it does not name a source folder", _LEFT_OUT)
        return None
    tree = _source_metadata(source, normalise(os.path.basename(path).removesuffix(".egg-link")))
    metadata = parse(tree.text("PKG-INFO", _LEFT_OUT) or "") if tree else None
    if tree is None or metadata is None:
        reader.problem("", f"its source folder {source} has no metadata of it that can be read", _LEFT_OUT)
        return None
    requires = tree.text("requires.txt", "what it requires is not known")
    names = tree.text("top_level.txt", "its import names are not known")
    reader.problems += tree.problems
    return PipDist(
        name=normalise(metadata.name),
        version=metadata.version,
        display_name=metadata.name,
        location=site.location,
        metadata_path=path,
        python=site.python,
        requires_python=metadata.requires_python,
        requires_dist=metadata.requires_dist or required(requires or ""),
        direct_url=DirectUrl(f"file://{source}", editable=True, kind="dir"),
        top_level=tuple(sorted(set((names or "").split()))),
        owner=owner,
        files_known=False,
    )


def _source_metadata(source: str, wanted: str) -> _Reader | None:
    """The `.egg-info` of a distribution in its source folder."""
    for name in _names(source, [], links_last=False):
        if name.endswith(".egg-info") and normalise(name.removesuffix(".egg-info")) == wanted:
            return _Reader(os.path.join(source, name), [])
    return None
