"""What the rules may know of binaries: computed when the first rule asks, once.

Brings the parts together: the installed tree, the contents of planned packages from the nearest place that has them,
the planned tree, and the comparison of how both load. The values it hands out are plain; where a question cannot be
answered they say what is not at hand (`gaps`, `unlisted`) instead of nothing.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.abi import archives
from planner.abi.comparison import Comparison
from planner.abi.elf import ElfFault, read_elf
from planner.abi.extensions import numpy_use
from planner.abi.installed import installed_tree, pip_paths
from planner.abi.library_path import library_path
from planner.abi.loader import Loader
from planner.abi.planned import installed_paths, may_hold_binaries, planned_sources, planned_tree
from planner.abi.series import move
from planner.abi.symbols import undefined_symbols
from planner.abi.system import System
from planner.abi.tree import Tree, is_shared
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from planner.abi.archives import Contents
    from planner.abi.calls import Called
    from planner.abi.comparison import Break, Gap, Link
    from planner.abi.extensions import NumpyUse
    from planner.model.installed import Environment, PackageRecord, PipDist, RecordFiles
    from planner.model.plan import PackageChange


class Sources(Struct, frozen=True):
    """Where contents of packages may be had: caches, folders with archives, and, if allowed, servers.

    `look` is False with `--no-files`: then no planned package is looked into. `deep` fetches what only a server has.
    `remote` says of a record whether its URL may be asked at all. `work` is a folder of ours, made on use.
    """

    look: bool
    deep: bool
    pkgs_dirs: tuple[str, ...]
    folders: tuple[str, ...]
    remote: Callable[[PackageRecord], bool]
    work: Callable[[], Path]
    report: Callable[[str], None] = lambda _text: None


@contextmanager
def work_folder(cache_dir: str) -> Iterator[Callable[[], Path]]:
    """A function that makes a folder below the planner's cache on first use; it is gone afterwards."""
    made: list[tempfile.TemporaryDirectory[str]] = []

    def make() -> Path:
        if not made:
            os.makedirs(cache_dir, exist_ok=True)
            made.append(tempfile.TemporaryDirectory(prefix="packages-", dir=cache_dir))
        return Path(made[0].name)

    try:
        yield make
    finally:
        for folder in made:
            folder.cleanup()


def _comes_again(change: PackageChange) -> bool | None:
    """Whether a package's libraries keep their file names, by the table of ABI series; python's do within a minor."""
    if change.before is None or change.after is None:
        return None
    if change.name == "python":
        return minor(change.before.version) == minor(change.after.version) or None
    moved = move(change.before, change.after)
    return {"stays": True, "leaves": False}.get(moved.fate) if moved is not None else None


class Binaries:
    """The answers about one change. Every property is computed on first use and stays."""

    def __init__(
        self,
        environment: Environment,
        after: tuple[PackageRecord, ...] | None,
        changes: tuple[PackageChange, ...],
        files: Callable[[PackageRecord], RecordFiles],
        sources: Sources,
        *,
        glibc: str | None,
        this_machine: bool,
    ) -> None:
        self._environment = environment
        self._after = after
        self._changes = changes
        self._files = files
        self._sources = sources
        self._glibc = glibc
        self._system = System() if this_machine else None
        self.readable = not environment.subdir.startswith(("win-", "osx-"))

    @cached_property
    def before(self) -> Tree:
        """The environment as it is; empty where it is not looked at."""
        if not self.readable:
            return Tree(self._environment.prefix, {})
        self._sources.report("reading the binaries of the environment")
        return installed_tree(self._environment, self._files)

    @cached_property
    def planned(self) -> Tree:
        """The environment after the change."""
        return planned_tree(self.before, self._changes, self._files, self.contents, self._site_packages, _comes_again)

    @cached_property
    def contents(self) -> Mapping[str, Contents]:
        """The files of planned packages by name, from the nearest place that has them."""
        if not self._sources.look:
            return {}
        wanted = {change.name: change.after for change in self._changes if change.after is not None}
        found: dict[str, Contents] = {}
        for name, record in wanted.items():
            cached = archives.extracted(record, self._sources.pkgs_dirs)
            if cached is not None:
                found[name] = cached
        self._sources.report("reading what the planned packages contain")
        folders = (*self._sources.folders, *self._sources.pkgs_dirs)
        packed = [
            (record, path)
            for name, record in wanted.items()
            if name not in found and (path := archives.archive(record, folders)) is not None
        ]
        found.update(archives.open_archives(packed, self._sources.work))
        left = [
            record
            for name, record in wanted.items()
            if name not in found and may_hold_binaries(record) and self._sources.remote(record)
        ]
        if left and self._sources.deep:
            self._sources.report(f"fetching {len(left)} packages to look into them")
            found.update(archives.fetch(left, self._sources.work))
        elif left:
            self._sources.report(f"asking for the file lists of {len(left)} packages")
            found.update(archives.list_remote(left))
        return found

    @cached_property
    def comparison(self) -> Comparison:
        """How both trees load."""
        path = library_path(self._environment)
        python = self._record("python")
        return Comparison(
            Loader(self.before, self._system, path),
            Loader(self.planned, self._system, path),
            minor=minor(python.version) if python is not None else None,
            glibc=self._glibc,
        )

    @cached_property
    def breaks(self) -> tuple[Break, ...]:
        """What does not load after the change."""
        return self.comparison.breaks() if self.readable and self._changes else ()

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The needs of what stays whose fate is not known, for want of lists or bytes."""
        return self.comparison.gaps() if self.readable and self._changes else ()

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Who links against whom now."""
        return self.comparison.links() if self.readable and self._changes else ()

    @cached_property
    def unowned(self) -> tuple[str, ...]:
        """The shared objects, by name, that neither conda nor pip brought. None of them is opened."""
        entries = installed_tree(self._environment, self._files).entries
        mine = (entry for _, entry in sorted(entries.items()) if entry.link is None and is_shared(entry.path))
        return tuple(entry.path for entry in mine if entry.owner == f"file:{entry.path}")

    def was_read(self, record: PackageRecord) -> bool:
        """Whether every object that an installed package may hold was read, so that all it links against is known."""
        listed = self._files(record)
        if not self.readable or not listed.known:
            return False
        shared = [path for path in listed.paths if is_shared(path)]
        entries = [self.before.entries.get(path) for path in shared]
        return all(
            entry is not None and (entry.link is not None or self.comparison.before.facts(entry) is not None)
            for entry in entries
        )

    def owned_paths(self, name: str) -> tuple[str, ...] | None:
        """The paths that a planned package will own; None where they are not known."""
        change = next((change for change in self._changes if change.name == name), None)
        if change is not None and change.after is not None and name in self.contents:
            return installed_paths(self.contents[name], change.after, self._site_packages)
        record = self._environment.record(name)
        if change is None and record is not None:
            listed = self._files(record)
            return listed.paths if listed.known else None
        return None

    def unread(self, path: str) -> bool:
        """Whether nobody knows what the file at a path of the environment needs; what is no object needs nothing."""
        entry = self.before.entries.get(path)
        if entry is None or entry.source is None:
            return True
        return entry.link is None and isinstance(read_elf(entry.source), ElfFault)

    def unread_dist(self, dist: PipDist) -> bool:
        """Whether nobody knows what one of the compiled modules of a distribution needs, or not even which it has."""
        return not dist.extensions or any(self.unread(f"{dist.location}/{path}") for path in dist.extensions)

    def listed(self, name: str) -> bool:
        """Whether the files of a package are known as they will be after the change."""
        change = next((change for change in self._changes if change.name == name), None)
        return change is None or change.after is None or name in self.contents or change.action == "relink"

    def python_sources(self, name: str) -> Mapping[str, str]:
        """The python sources of a planned package by where they will lie: where they can be read now, if they can."""
        change = next((change for change in self._changes if change.name == name), None)
        if change is None or change.after is None or name not in self.contents:
            return {}
        return planned_sources(self.contents[name], change.after, self._site_packages)

    def pip_paths(self) -> dict[str, tuple[str, ...]]:
        """The files of pip's distributions by name."""
        return {dist.name: pip_paths(self._environment.prefix, dist) for dist in self._environment.pip_dists}

    @cached_property
    def numpy_users(self) -> tuple[tuple[str, str, NumpyUse], ...]:
        """(owner, path, what it says) of each module that stays in reach of the planned python and uses numpy's C API."""
        if not self.readable:
            return ()
        found = []
        for path, entry in self.comparison.staying():
            use = numpy_use(entry.source) if entry.source is not None and path.endswith(".so") else None
            if use is not None:
                found.append((entry.owner, path, use))
        return tuple(found)

    def dead(self, path: str, *, alone: bool = False) -> bool:
        """Whether the object at a path of the environment does not load even now, or not `alone`, unless helped."""
        return self.readable and self.comparison.dead(path, alone=alone)

    def pulled_in(self, path: str, *, after: bool = True) -> tuple[str, ...]:
        """The files, by path, that python loads with the extension module at `path`, itself first; empty: not known."""
        if not self.readable:
            return ()
        loader = self.comparison.after if after else self.comparison.before
        process = loader.module(path)
        return tuple(loaded.entry.path for loaded in process.objects[process.root :])

    def surely_called(
        self, path: str, methods: tuple[str, ...], library: str, names: frozenset[str], *, after: bool
    ) -> Called | None:
        """The first call of one of `names` in the library at a path that is sure, None where none is.

        It is made as python imports the extension module at `path`, or calls one of its functions `methods`.
        """
        from planner.abi.calls import surely_called

        if not self.readable:
            return None
        loader = self.comparison.after if after else self.comparison.before
        return surely_called(loader.module(path), methods, library, names)

    def asks_for(self, path: str, symbol: str, *, after: bool) -> bool:
        """Whether the object at a path needs a symbol of others; False where it cannot be read, or is not there."""
        tree = self.planned if after else self.before
        entry = tree.entries.get(path)
        found = undefined_symbols(entry.source) if entry is not None and entry.source is not None else None
        return isinstance(found, tuple) and any(one.name == symbol for one in found)

    def used_libraries(self, *, after: bool) -> dict[str, tuple[str, str]]:
        """The files that modules of python pull in, symlinks followed: path to (its owner, one object that needs it)."""
        return self.comparison.used(after=after) if self.readable else {}

    @cached_property
    def _site_packages(self) -> str | None:
        python = self._record("python")
        if python is None:
            return None
        return python.python_site_packages_path or f"lib/python{minor(python.version)}/site-packages"

    def _record(self, name: str) -> PackageRecord | None:
        records = self._after if self._after is not None else self._environment.records
        return next((record for record in records if record.name == name), None)
