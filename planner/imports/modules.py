"""The modules that python finds in an environment, before a change and after it, by their dotted names.

Told from file lists: conda's records, the RECORDs of pip, the file lists of planned packages, and the source folders of
editable distributions. What else python may find (the user site, folders of `.pth` files) is known by name alone. What
nobody lists is asked of the disk only where it decides whether a name is really gone.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct, field

from planner.files import path_of_url, read_bytes
from planner.imports.paths import Paths, folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from planner.model.installed import Environment, PackageRecord, PipDist, RecordFiles
    from planner.model.plan import PackageChange

_NAME = re.compile(
    r"^([A-Za-z_]\w*)(?:(\.py)|(?:\.(?:cpython-\d+[a-z]*(?:-[^.]+)?|abi3t?|pypy[^.]*|cp\d+[^.]*))?\.(?:so|pyd))$"
)
_PYTHON = "conda:python"
_SEARCHED = ("lib-dynload/", "site-packages/")  # below the folder of a python that is searched itself
_DISTUTILS = "distutils-precedence.pth"  # by which setuptools lets its own copy be found under that name
_LIMIT = 4 * 1024 * 1024  # bytes of a `.pth` file
_MOST_FILES = 4000  # of a source folder


class Module(Struct, frozen=True):
    """A module by its dotted `name`, whose it is (a subject), and where it lies: below the prefix, or absolute.

    `source` is where its bytes can be read now, in the same way, None where they are not at hand. `compiled` says that it
    is an object, `package` that others are in it.
    """

    name: str
    owner: str
    path: str
    source: str | None = None
    compiled: bool = False
    package: bool = False

    @property
    def top(self) -> str:
        """The first part of its name."""
        return self.name.partition(".")[0]


class Modules(Struct, frozen=True):
    """All modules by name. `elsewhere` are top-level names that python finds in places of which no list is at hand."""

    by_name: Mapping[str, Module]
    elsewhere: frozenset[str] = frozenset()
    tops: frozenset[str] = field(default=frozenset())

    def knows(self, top: str) -> bool:
        """Whether a top-level name is there, as far as anyone can tell."""
        return top in self.tops or top in self.elsewhere or top in sys.builtin_module_names or top == "__future__"


class Both:
    """The modules before and after. Each table is made on first use: most changes take no module away, and need none.

    `unlisted`: packages come whose files are not known, and any name may be theirs.
    """

    def __init__(
        self,
        environment: Environment,
        paths: Paths,
        python: tuple[str | None, str | None],
        elsewhere: tuple[frozenset[str], frozenset[str]],
        *,
        unlisted: bool,
    ) -> None:
        self._environment = environment
        self._paths = paths
        self._pythons = python
        self._elsewhere = elsewhere
        self._moves = paths.moves
        self.unlisted = unlisted

    @cached_property
    def before(self) -> Modules:
        """Those that are there now."""
        found = _named(self._paths.there, {}, self._pythons[0])
        lying = _lying(self._environment.prefix, self._pythons[0])
        return _modules({**found, **self._beside}, self._elsewhere[0].union(lying, *self._added.values()))

    @cached_property
    def after(self) -> Modules:
        """Those that will be there."""
        later, at_hand = self._paths.later, self._paths.at_hand
        beside = {} if self._moves else self._beside
        lasting = {os.path.basename(path) for path in later if path.endswith(".pth")}
        if not self._moves:
            lasting.update(os.path.basename(path) for path in self._added if path not in self._paths.there)
        stays = (names for path, names in self._added.items() if os.path.basename(path) in lasting)
        found = _named(later, at_hand, self._pythons[1], self._pythons[0])
        return _modules({**found, **beside}, self._elsewhere[1].union(*stays))

    @cached_property
    def gone(self) -> Mapping[str, Module]:
        """The names that are there before and not after, each with its module."""
        # A path that stays keeps its name: in the folder of the old python, too, if it lies there.
        candidates = {**_named(self._paths.lost, {}, self._pythons[0]), **(self._beside if self._moves else {})}
        if not candidates:
            return {}
        after = self.after
        gone = {
            name: module
            for name, module in candidates.items()
            if name not in after.by_name and module.top not in after.elsewhere and not after.knows(name)
        }
        return gone if self._moves else _really(self._environment.prefix, gone, self._paths.removed)

    @cached_property
    def _beside(self) -> Mapping[str, Module]:
        return dict(_editable(self._environment))

    @cached_property
    def _added(self) -> Mapping[str, frozenset[str]]:
        return _added(self._environment, self._pythons[0])


def both(
    environment: Environment,
    changes: tuple[PackageChange, ...],
    files: Callable[[PackageRecord], RecordFiles],
    planned: Callable[[str], tuple[str, ...] | None],
    sources: Callable[[str], Mapping[str, str]],
    python: tuple[str | None, str | None],
    elsewhere: tuple[frozenset[str], frozenset[str]],
) -> Both:
    """The modules of an environment before and after `changes`.

    `planned` gives the paths that a package will own, None where they are not known, and `sources` where those of python
    can be read now. `python` is the version before and after, `elsewhere` what the user site brings, before and after.
    """
    coming = {change.name: planned(change.name) for change in changes if change.action != "relink" and change.after}
    removed = frozenset(
        path
        for change in changes
        if change.before is not None and change.action != "relink" and coming.get(change.name, ()) is not None
        for path in files(change.before).paths
    )
    paths = Paths(environment, files, coming, removed, sources, python)
    return Both(environment, paths, python, elsewhere, unlisted=None in coming.values())


def _named(owners: Mapping[str, str], at_hand: Mapping[str, str | None], *pythons: str | None) -> dict[str, Module]:
    """The modules among paths, for the first of `pythons`; what lies in the folder of the others counts as well.

    A path that is not in `at_hand` lies where it is.
    """
    found: dict[str, Module] = {}
    for folder in dict.fromkeys(folder_of(python) for python in reversed(pythons)):
        start = folder or "Lib/site-packages/"
        for path, owner in owners.items():
            if not path.startswith(start):
                continue
            below = path[len(start) :]
            for inner in _SEARCHED if folder else ():
                below = below.removeprefix(inner)
            module = _module(path, below, owner, at_hand.get(path, path))
            if module is not None:
                found[module.name] = module
    return found


def _module(path: str, below: str, owner: str, source: str | None) -> Module | None:
    folder, _, last = below.rpartition("/")
    match = _NAME.match(last)
    parent = _dotted(folder) if match is not None else None
    if match is None or parent is None:
        return None
    package = match[1] == "__init__"
    name = parent if package else f"{parent}.{match[1]}" if parent else match[1]
    return Module(name, owner, path, source, match[2] is None, package) if name else None


@lru_cache(maxsize=1 << 14)
def _lying(prefix: str, python: str | None) -> frozenset[str]:
    """The top-level names of all that lies in site-packages, whoever brought it."""
    folder = f"{folder_of(python)}site-packages" if python else "Lib/site-packages"
    return frozenset(name.partition(".")[0] for name in _listed(os.path.join(prefix, folder)))


def _dotted(folder: str) -> str | None:
    """The package that a folder is, "" for none; None for a folder that cannot be one. Many modules lie in each."""
    parts = folder.split("/") if folder else []
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def _modules(found: Mapping[str, Module], elsewhere: frozenset[str]) -> Modules:
    if not any(module.owner == _PYTHON for module in found.values()):
        elsewhere |= sys.stdlib_module_names  # its record names no files
    return Modules(found, elsewhere, frozenset(module.top for module in found.values()))


def _really(prefix: str, gone: Mapping[str, Module], removed: frozenset[str]) -> dict[str, Module]:
    """Those that leave no folder behind: a folder with anything in it is a package of that name, if an empty one.

    Bytecode does not count: installers take it away with its source.
    """
    kept: set[str] = set()
    for name, module in gone.items():
        if module.package and name.rpartition(".")[0] not in gone:
            folder = os.path.dirname(module.path)
            if any(path not in removed for path in _files(prefix, folder)):
                kept.add(name)
    return {name: module for name, module in gone.items() if name not in kept}


def _files(prefix: str, folder: str) -> Iterator[str]:
    for where, _, names in os.walk(os.path.join(prefix, folder)):
        below = os.path.relpath(where, prefix).replace(os.sep, "/")
        yield from (f"{below}/{name}" for name in names if not name.endswith(".pyc"))


def _editable(environment: Environment) -> Iterator[tuple[str, Module]]:
    """The modules in the source folders of editable distributions, by name."""
    for dist in environment.pip_dists:
        for top in _source_folders(environment.prefix, dist):
            for path in _sources(top):
                module = _module(path, path[len(top) + 1 :], f"pip:{dist.name}", path)
                if module is not None:
                    yield module.name, module


def _source_folders(prefix: str, dist: PipDist) -> Iterator[str]:
    direct = dist.direct_url
    if direct is None or not direct.editable or not direct.url.startswith("file:"):
        return
    top = path_of_url(direct.url)
    if os.path.isabs(top) and not f"{top}/".startswith(f"{prefix}/"):
        yield from (folder for folder in (os.path.join(top, "src"), top) if os.path.isdir(folder))


def _sources(top: str) -> Iterator[str]:
    """The files of the packages that lie in a source folder, and the modules beside them."""
    count = 0
    for where, folders, names in os.walk(top):
        inside = where != top
        folders[:] = sorted(
            name for name in folders if name.isidentifier() and os.path.isfile(os.path.join(where, name, "__init__.py"))
        )
        for name in sorted(names):
            if inside or name.endswith(".py"):
                yield os.path.join(where, name)
                count += 1
        if count > _MOST_FILES:
            return


def _added(environment: Environment, python: str | None) -> dict[str, frozenset[str]]:
    """The top-level names that each `.pth` file of the environment adds: those in its folders, and what it makes by code."""
    folder = f"{folder_of(python)}site-packages" if python else "Lib/site-packages"
    site = os.path.join(environment.prefix, folder)
    found = {}
    for name in _listed(site):
        if not name.endswith(".pth"):
            continue
        try:
            text = read_bytes(os.path.join(site, name), _LIMIT).decode("utf-8", "replace")
        except OSError:
            continue
        lines = (line.strip() for line in text.splitlines())
        folders = (line for line in lines if line and not line.startswith(("#", "import ", "import\t")))
        names = {top for line in folders for top in _top_names(_listed(os.path.join(site, line)))}
        if name == _DISTUTILS:
            names.add("distutils")
        found[f"{folder}/{name}"] = frozenset(names)
    return found


def _listed(folder: str) -> Iterable[str]:
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return ()


def _top_names(entries: Iterable[str]) -> Iterator[str]:
    for entry in entries:
        match = _NAME.match(entry)
        if match is not None or entry.isidentifier():
            yield match[1] if match is not None else entry
