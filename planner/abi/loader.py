"""What the dynamic loader of glibc would do: from a program or extension module to all it pulls in, or what it lacks.

The order of search is ld.so(8)'s: RPATH of the object and of whoever brought it in (unless it has a RUNPATH), the
LD_LIBRARY_PATH that activation sets, its RUNPATH, the system. A name that is already loaded, or is the SONAME of what
is, is not looked for again. Extension modules are opened in a process of the environment's own python, whose libraries
are there first and whose RPATH counts too. One that is made of torch finds torch's libraries without a path to them: torch
is imported before it. Nothing is loaded; symbols are `planner.abi.symbols`'s.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.abi.elf import ElfFacts, read_elf
from planner.abi.library_path import LibraryPath
from planner.abi.system import GLIBC
from planner.abi.tree import SYSTEM, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.abi.system import System
    from planner.abi.tree import Tree

_ORIGIN = re.compile(r"\$(?:ORIGIN\b|\{ORIGIN\})")
_PYTHON = "bin/python"
# torch's own libraries, which its extensions are built to be opened after (torch.utils.cpp_extension sets no run path).
_OF_TORCH = re.compile(r"lib(?:torch|c10|shm)(?:_[a-z0-9_]+)?\.so")
_TORCH = "/site-packages/torch/lib/"
_INTERPRETER = re.compile(r"libpython\d+\.\d+[a-z]*\.so")


class Loaded(Struct, frozen=True):
    """An object in a process: the file, what is read of it (None: not at hand), the path it was found under.

    `by` is the place, in the same sequence, of the object that brought it in; None for what the process begins with.
    """

    entry: Entry
    facts: ElfFacts | None
    found: str
    by: int | None = None


class Lack(Struct, frozen=True):
    """A name that leads nowhere. `known` is False where something that is not at hand might still give it."""

    consumer: int
    name: str
    known: bool = True


class Process(Struct, frozen=True):
    """The objects of a process in the order in which they were brought in, and the names that led nowhere.

    `root` is the place of the object that was asked for: 0 for a program, later for a module in python's process.
    """

    objects: tuple[Loaded, ...]
    lacks: tuple[Lack, ...]
    root: int = 0
    names: tuple[tuple[str, int], ...] = ()

    def chain(self, place: int) -> tuple[Entry, ...]:
        """How an object came in: from the one asked for down to it."""
        found = []
        at: int | None = place
        while at is not None:
            found.append(self.objects[at].entry)
            at = None if at == self.root else self.objects[at].by
        return tuple(reversed(found))


class Loader:
    """Answers for one tree. `system` is None where the machine is another one: its libraries are then not known."""

    def __init__(self, tree: Tree, system: System | None, library_path: LibraryPath = LibraryPath()) -> None:  # noqa: B008 -- it is frozen
        self.tree = tree
        self._system = system
        self._library_path = library_path
        self._facts: dict[str, ElfFacts | None] = {}
        self._found: dict[tuple[object, ...], tuple[Entry, str] | None] = {}
        self._python: Process | None = None
        self._basenames = {posixpath.basename(path) for path in tree.entries}
        self._torch = sorted(path for path in tree.entries if _TORCH in path)

    def facts(self, entry: Entry) -> ElfFacts | None:
        """What is read of a file; None where its bytes are not at hand or are no object."""
        if entry.source is None:
            return None
        if entry.path not in self._facts:
            read = read_elf(entry.source)
            self._facts[entry.path] = _installed(read, entry, self.tree.prefix) if isinstance(read, ElfFacts) else None
        return self._facts[entry.path]

    def program(self, path: str) -> Process:
        """The process that running the program at `path` would make."""
        entry = self.tree.final(path)
        if entry is None:
            return Process((), ())
        # A program's $ORIGIN is where its file really lies.
        return self._load(Process((), ()), Loaded(entry, self.facts(entry), entry.path))

    def module(self, path: str) -> Process:
        """The process of the environment's python after it has opened the object at `path`."""
        if self._python is None:
            self._python = self.program(_PYTHON)
        entry = self.tree.final(path)
        if entry is None:
            return self._python
        # Modules are opened by the object that holds the interpreter: the program itself, or its library.
        libraries = (at for name, at in self._python.names if _INTERPRETER.match(name))
        by = next(libraries, 0) if self._python.objects else None
        return self._load(self._python, Loaded(entry, self.facts(entry), path, by))

    def somewhere(self, name: str) -> bool:
        """Whether any file of that name lies in the environment, found by the search or not."""
        return name in self._basenames

    def _load(self, process: Process, root: Loaded) -> Process:
        objects, lacks = list(process.objects), list(process.lacks)
        names = dict(process.names)
        places = {loaded.entry.path: place for place, loaded in enumerate(objects)}
        if root.entry.path in places:
            return replace(process, root=places[root.entry.path])
        start = at = len(objects)
        objects.append(root)
        places[root.entry.path] = start
        _name(names, root, start)
        while at < len(objects):
            consumer = objects[at]
            for name in consumer.facts.needed if consumer.facts else ():
                if name in names:
                    continue
                found = self._search(name, objects, at)
                if isinstance(found, Lack):
                    lacks.append(found)
                    continue
                entry, where = found
                names[name] = places.setdefault(entry.path, len(objects))
                if names[name] == len(objects):
                    objects.append(Loaded(entry, self.facts(entry), where, at))
                    _name(names, objects[-1], names[name])
            at += 1
        return Process(tuple(objects), tuple(lacks), start, tuple(names.items()))

    def _search(self, name: str, objects: Sequence[Loaded], at: int) -> tuple[Entry, str] | Lack:
        consumer = objects[at]
        facts = consumer.facts
        assert facts is not None  # noqa: S101 -- a name is needed by what was read
        if "/" in name:
            entry = self.tree.final(name)
            return (entry, name) if entry is not None else Lack(at, name)
        if consumer.entry.owner == SYSTEM:
            # The system's own libraries find each other; what they need is not the environment's business.
            return self._outside(name, facts) or Lack(at, name, known=False)
        folders, known = self._folders(objects, at)
        key = (name, folders, facts.architecture, facts.no_default_paths)
        if any(self._is_doubtful(f"{folder}/{name}") for folder in folders):
            return Lack(at, name, known=False)
        if key not in self._found:
            self._found[key] = self._in_folders(name, folders, facts) or (
                None if facts.no_default_paths else self._outside(name, facts)
            )
        found = self._found[key] or self._opened_first(name, consumer)
        if found is not None:
            return found
        elsewhere = (self._system is None and not facts.no_default_paths) or not self._library_path.known
        return Lack(at, name, known=not self.tree.incomplete and not elsewhere and (known or not self.somewhere(name)))

    def _opened_first(self, name: str, consumer: Loaded) -> tuple[Entry, str] | None:
        """A library of torch's that a module needs: the one of its own site-packages, else of any."""
        if not _OF_TORCH.fullmatch(name) or (consumer.facts is not None and consumer.facts.program):
            return None
        site, inside, _ = consumer.found.partition("/site-packages/")
        for path in self._torch:
            if posixpath.basename(path) == name and (not inside or path.startswith(f"{site}{_TORCH}")):
                entry = self.tree.final(path)
                if entry is not None:
                    return entry, path
        return None

    def _folders(self, objects: Sequence[Loaded], at: int) -> tuple[tuple[str, ...], bool]:
        """Where an object's needs are looked for before the system, and whether all that decides it is known."""
        consumer = objects[at]
        facts = consumer.facts
        found: list[str] = []
        known = True
        if facts is not None and not facts.runpath:
            place: int | None = at
            while place is not None:
                bringer = objects[place]
                known = known and bringer.facts is not None
                if bringer.facts is not None and not bringer.facts.runpath:
                    found += _expanded(bringer.facts.rpath, bringer.found)
                place = bringer.by
        found += self._library_path.folders
        if facts is not None:
            found += _expanded(facts.runpath, consumer.found)
        return tuple(dict.fromkeys(found)), known

    def _is_doubtful(self, path: str) -> bool:
        """Whether a package of which nobody knows the files had one at that path: nothing behind it is sure to be found."""
        inside = self.tree.inside(posixpath.normpath(path)) if self.tree.doubtful else None
        return inside in self.tree.doubtful and inside not in self.tree.entries

    def _in_folders(self, name: str, folders: Sequence[str], facts: ElfFacts) -> tuple[Entry, str] | None:
        for folder in folders:
            path = posixpath.normpath(f"{folder}/{name}")
            entry = self.tree.final(path)
            if entry is None:
                continue
            there = self.facts(entry)
            # An object for another machine is passed over; what is not at hand is taken for what it is called.
            if there is not None and there.architecture != facts.architecture:
                continue
            return entry, path
        return None

    def _outside(self, name: str, facts: ElfFacts) -> tuple[Entry, str] | None:
        if self._system is None:
            return (Entry(name, SYSTEM), name) if name in GLIBC else None
        path = self._system.find(name, facts.architecture)
        return (Entry(path, SYSTEM, path), path) if path is not None else None


def _name(names: dict[str, int], loaded: Loaded, place: int) -> None:
    if loaded.facts is not None and loaded.facts.soname:
        names.setdefault(loaded.facts.soname, place)


def _expanded(folders: Sequence[str], found: str) -> list[str]:
    """Folders of a search path with $ORIGIN put in; what has another variable in it leads nowhere we know of."""
    origin = posixpath.dirname(found)
    expanded = [_ORIGIN.sub(lambda _match: origin or ".", folder) for folder in folders]
    return [posixpath.normpath(folder) for folder in expanded if "$" not in folder]


def _installed(facts: ElfFacts, entry: Entry, prefix: str) -> ElfFacts:
    """The facts as they are once the package is installed."""
    if not entry.placeholder:
        return facts
    return replace(
        facts,
        rpath=tuple(folder.replace(entry.placeholder, prefix) for folder in facts.rpath),
        runpath=tuple(folder.replace(entry.placeholder, prefix) for folder in facts.runpath),
    )
