"""What loads before a change and does not load after it, object by object, and why.

Every program, extension module and shared object that is there after the change is followed through all it pulls in,
as the loader would; the same is done with what it was before (the object itself, or the one that it replaces), so that
what was broken already is told apart. Three things can fail: a library that is not found, a symbol version that the
library found does not define, a symbol that nothing in the process gives. What could not be followed, because bytes or
file lists are not at hand, is a `Gap`, never passed over as sound.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from planner.abi.elf import ElfFacts
from planner.abi.symbols import definitions, gives, undefined_symbols
from planner.abi.system import DRIVERS
from planner.abi.tree import SYSTEM, kin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.abi.loader import Loaded, Loader, Process
    from planner.abi.symbols import Symbol
    from planner.abi.tree import Entry

Effect: TypeAlias = Literal["load", "import", "run"]

_SITE = re.compile(r"^lib/(?:python|pypy)(\d+\.\d+t?)/")
_MODULE = re.compile(r"/(?:site-packages|lib-dynload)/.*\.so$")
_BESIDE = re.compile(r"^/.*\.cpython-(\d)(\d+)t?-[^/]*\.so$")
_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)*)$")


class Break(Struct, frozen=True):
    """An object that does not load after the change. Paths are relative to the prefix, or absolute outside it.

    `subject` owns the object at `path`; `chain` leads from it to the object that lacks something, the last one.
    `wanted` is what is lacking: a library's name, a version, a symbol. `library` is where it should come from, and
    `provider` the subject that gave it before. `found` is the file that is found instead, for a version.
    `error` is what the loader would print. `new` objects have no predecessor that could have worked before. `stray`:
    the library lies in the environment now, where the search does not find it; only who opens it first could use it.
    """

    kind: Literal["library", "version", "symbol"]
    subject: str
    path: str
    effect: Effect
    wanted: str
    error: str
    chain: tuple[str, ...]
    consumer: str
    library: str | None = None
    provider: str | None = None
    found: str | None = None
    certain: bool = True
    pre_existing: bool = False
    new: bool = False
    stray: bool = False

    @property
    def counts(self) -> bool:
        """Whether it breaks something that worked, and that the search really used."""
        return not (self.new or self.stray or self.pre_existing)


class Gap(Struct, frozen=True):
    """A need whose fate is not known: `lists`, since no file list says what the provider will bring, or `contents`."""

    consumer: str
    path: str
    library: str
    provider: str
    missing: Literal["lists", "contents"]


class Link(Struct, frozen=True):
    """A direct need of one owner for another's library, as it is before the change."""

    consumer: str
    provider: str
    library: str
    path: str


def _is_module(path: str) -> bool:
    """Whether python imports the object: one in its folders, or in the source folder of an editable distribution."""
    return bool(_MODULE.search(path) or _BESIDE.match(path))


class Comparison:
    """Two trees and what differs in how they load. `minor` is the planned python's X.Y, `glibc` the host's version."""

    def __init__(self, before: Loader, after: Loader, *, minor: str | None, glibc: str | None) -> None:
        self.before = before
        self.after = after
        self._minor = minor
        self._glibc = _numbers(glibc) if glibc else None
        self._undefined: dict[str, tuple[Symbol, ...]] = {}
        self._given: dict[tuple[str, str], frozenset[Symbol]] = {}
        self._kin: dict[tuple[str, str], str] = {}
        for path, entry in sorted(before.tree.entries.items()):
            if entry.link is None:
                self._kin.setdefault((entry.owner, kin(path)), path)

    def breaks(self) -> tuple[Break, ...]:
        """Everything that does not load after the change, in the order of paths."""
        return tuple(
            found for path, entry in sorted(self.after.tree.entries.items()) for found in self._of(path, entry)
        )

    def gaps(self) -> tuple[Gap, ...]:
        """The direct needs of what stays whose provider changes into something that is not at hand."""
        return tuple(dict.fromkeys(gap for path, _ in self.staying() for gap in self._gaps_of(path)))

    def links(self) -> tuple[Link, ...]:
        """Who needs whom before the change, owner by owner, each library once."""
        found: dict[tuple[str, str, str], Link] = {}
        for path, entry in sorted(self.before.tree.entries.items()):
            if entry.link is None and self.before.facts(entry) is not None:
                for name, provider in _direct(self._process(self.before, path, entry)):
                    if provider.owner not in {SYSTEM, entry.owner}:
                        key = (entry.owner, provider.owner, name)
                        found.setdefault(key, Link(*key, path))
        return tuple(found[key] for key in sorted(found))

    def used(self, *, after: bool) -> dict[str, tuple[str, str]]:
        """The files that python's modules pull in: path to (its owner, one object that needs it)."""
        loader = self.after if after else self.before
        found: dict[str, tuple[str, str]] = {}
        for path, entry in sorted(loader.tree.entries.items()):
            if entry.link is not None or not _MODULE.search(path) or (after and self._unreachable(path)):
                continue
            process = loader.module(path)
            for loaded in process.objects[process.root :]:
                if loaded.by is not None:
                    found.setdefault(loaded.entry.path, (loaded.entry.owner, process.objects[loaded.by].entry.path))
        return found

    def dead(self, path: str, *, alone: bool) -> bool:
        """Whether the object at a path does not load as things are, before any change.

        `alone`: nor does it where nothing was opened before it, that something else could find for it.
        """
        entry = self.before.tree.entries.get(path)
        if entry is None or entry.link is not None or self.before.facts(entry) is None:
            return False
        process = self._process(self.before, path, entry)
        lacking = alone and any(lack.known and lack.name not in DRIVERS for lack in process.lacks)
        return lacking or self._failed_before(process)

    # ----------------------------------------------------------------------------------------------------------------
    # One object

    def _of(self, path: str, entry: Entry) -> Iterator[Break]:
        facts = self.after.facts(entry) if entry.link is None else None
        if facts is None or self._unreachable(path):
            return
        process = self._process(self.after, path, entry)
        was = self._predecessor(path, entry)
        old = self._process(self.before, was, self.before.tree.entries[was]) if was is not None else None
        failures = [*self._libraries(process, old), *self._versions(self.after, process, old)]
        # Where a library or a version is not found nobody gets as far as symbols.
        if not failures:
            failures += self._symbols(process, old)
        if not failures:
            return
        failed = self._failed_before(old)
        effect: Effect = "run" if facts.program else "import" if _is_module(path) else "load"
        for failure in failures:
            chain = tuple(item.path for item in process.chain(failure.consumer))
            yield Break(
                kind=failure.kind,
                subject=entry.owner,
                path=path,
                effect=effect,
                wanted=failure.wanted,
                error=failure.error,
                chain=chain,
                consumer=process.objects[failure.consumer].entry.owner,
                library=failure.library,
                provider=failure.provider,
                found=failure.found,
                certain=failure.certain and was is not None,
                pre_existing=failed,
                new=was is None,
                stray=failure.stray,
            )

    def _process(self, loader: Loader, path: str, entry: Entry) -> Process:
        facts = loader.facts(entry)
        return loader.program(path) if facts is not None and facts.program else loader.module(path)

    def _predecessor(self, path: str, entry: Entry) -> str | None:
        """What the object was before: itself, or the one of the same owner that it replaces."""
        there = self.before.tree.entries.get(path)
        if there is not None and there.link is None and there.owner == entry.owner:
            return path
        return self._kin.get((entry.owner, kin(path)))

    def _unreachable(self, path: str) -> bool:
        """Whether it lies where the planned python does not look: what becomes of it is not the loader's to say."""
        beside = _BESIDE.match(path)
        if beside is not None and self._minor is not None:
            return f"{beside[1]}.{beside[2]}" != self._minor
        site = _SITE.match(path)
        return site is not None and self._minor is not None and site[1].rstrip("t") != self._minor

    def _failed_before(self, old: Process | None) -> bool:
        """Whether the predecessor did not load either, for whatever reason."""
        if old is None:
            return False
        lacks = [lack for lack in old.lacks if lack.name not in DRIVERS]
        if any(not self.before.somewhere(lack.name) for lack in lacks) or self._versions(self.before, old, None):
            return True
        known = not lacks and all(loaded.facts is not None for loaded in old.objects)
        return known and any(self._unresolved(old, place) for place in range(old.root, len(old.objects)))

    # ----------------------------------------------------------------------------------------------------------------
    # The three ways to fail

    def _libraries(self, process: Process, old: Process | None) -> list[_Failure]:
        found = []
        for lack in process.lacks:
            consumer = process.objects[lack.consumer].entry
            if lack.name in DRIVERS or consumer.owner == SYSTEM:
                continue
            gave = _provider(old, lack.name)
            if gave is None and self.after.somewhere(lack.name):
                # It lies there and is not found: whoever uses the object opens the library first, as before.
                continue
            error = f"{lack.name}: cannot open shared object file: No such file or directory"
            stray = gave is None and self.before.somewhere(lack.name)
            certain = not stray and (lack.known or (gave is not None and gave not in self.after.tree.incomplete))
            found.append(_Failure("library", lack.consumer, lack.name, error, lack.name, gave, None, certain, stray))
        return found

    def _versions(self, loader: Loader, process: Process, old: Process | None) -> list[_Failure]:
        names = dict(process.names)
        found = []
        for place, consumer in enumerate(process.objects):
            for need in consumer.facts.version_needs if consumer.facts else ():
                at = names.get(need.library)
                if need.weak or at is None:
                    continue
                provider = process.objects[at]
                if provider.entry.owner == SYSTEM == consumer.entry.owner or self._defines(provider, need.version):
                    continue
                # What of the system is not at hand has a name and no place.
                where = provider.found if provider.entry.owner == SYSTEM else loader.tree.absolute(provider.found)
                required = loader.tree.absolute(consumer.found)
                error = f"{where}: version `{need.version}' not found (required by {required})"
                gave = _provider(old, need.library)
                found.append(
                    _Failure("version", place, need.version, error, need.library, gave, provider.found, certain=True)
                )
        return found

    def _defines(self, provider: Loaded, version: str) -> bool:
        glibc = _GLIBC.match(version)
        if glibc is not None and self._glibc is not None and provider.entry.owner == SYSTEM:
            return _numbers(glibc[1]) <= self._glibc
        facts = provider.facts
        return facts is None or not facts.versioned or any(name == version for _, name in facts.version_defs)

    def _symbols(self, process: Process, old: Process | None) -> list[_Failure]:
        found = []
        kept = {loaded.entry.source: place for place, loaded in enumerate(old.objects)} if old is not None else {}
        unread = [loaded for loaded in process.objects if loaded.facts is None]
        whole = not unread and not process.lacks
        for place in range(process.root, len(process.objects)):
            consumer = process.objects[place]
            if consumer.facts is None or consumer.entry.owner == SYSTEM:
                continue
            lacking: list[tuple[Symbol, Loaded | None]] = []
            if old is not None and consumer.entry.source in kept:
                lacking = self._lost(process, old, consumer)
            elif whole:
                lacking = self._unresolved(process, place)
            where = self.after.tree.absolute(consumer.found)
            for symbol, gave in lacking:
                version = f", version {symbol.version}" if symbol.version else ""
                error = f"{where}: undefined symbol: {symbol.name}{version}"
                library = symbol.library or (posixpath.basename(gave.found) if gave is not None else None)
                provider = gave.entry.owner if gave is not None else None
                # What glibc is not read for, it does not take over from an environment's library.
                certain = all(loaded.entry.owner == SYSTEM for loaded in unread)
                found.append(_Failure("symbol", place, symbol.name, error, library, provider, None, certain))
        return found

    def _lost(self, process: Process, old: Process, consumer: Loaded) -> list[tuple[Symbol, Loaded | None]]:
        """What an object that stays got from something that does not stay, and gets from nothing after the change."""
        there = {loaded.entry.source for loaded in process.objects}
        gone = [loaded for loaded in old.objects if loaded.entry.source not in there]
        wanted: dict[Symbol, Loaded] = {}
        for provider in gone:
            for symbol in self._satisfied(provider, consumer):
                wanted.setdefault(symbol, provider)
        before = {loaded.entry.source for loaded in old.objects}
        # What came in is asked first: it has nearly everything that what it replaces had.
        for provider in sorted(process.objects, key=lambda loaded: loaded.entry.source in before):
            if not wanted:
                break
            for symbol in self._satisfied(provider, consumer):
                wanted.pop(symbol, None)
        # Where the successor's content is not at hand there is a gap, and no more can be said.
        unread = {loaded.entry.owner for loaded in process.objects if loaded.facts is None}
        unread |= self.after.tree.incomplete
        return [(symbol, gave) for symbol, gave in wanted.items() if gave.entry.owner not in unread]

    def _unresolved(self, process: Process, place: int) -> list[tuple[Symbol, Loaded | None]]:
        """What an object needs and nothing in its process gives."""
        consumer = process.objects[place]
        if consumer.facts is None or consumer.entry.owner == SYSTEM:
            return []
        wanted = dict.fromkeys(self._needs(consumer))
        for provider in (*process.objects[process.root :], *process.objects[: process.root]):
            if not wanted:
                break
            for symbol in self._satisfied(provider, consumer):
                wanted.pop(symbol, None)
        return [(symbol, None) for symbol in wanted]

    def _needs(self, consumer: Loaded) -> tuple[Symbol, ...]:
        source = consumer.entry.source
        assert source is not None  # noqa: S101 -- its facts were read from there
        if source not in self._undefined:
            found = undefined_symbols(source)
            self._undefined[source] = (
                tuple(symbol for symbol in found if not symbol.weak) if isinstance(found, tuple) else ()
            )
        return self._undefined[source]

    def _satisfied(self, provider: Loaded, consumer: Loaded) -> frozenset[Symbol]:
        """The needs of one object that another one gives."""
        wanted, source = self._needs(consumer), provider.entry.source
        if provider.facts is None or source is None or consumer.entry.source is None:
            return frozenset()
        key = (source, consumer.entry.source)
        if key not in self._given:
            found = definitions(source, dict.fromkeys(symbol.name for symbol in wanted))
            there = found if isinstance(found, dict) else {}
            self._given[key] = frozenset(symbol for symbol in wanted if gives(there.get(symbol.name, ()), symbol))
        return self._given[key]

    # ----------------------------------------------------------------------------------------------------------------
    # What is not known

    def staying(self) -> Iterable[tuple[str, Entry]]:
        """The objects that stay as they are, in reach of the planned python."""
        for path, entry in sorted(self.after.tree.entries.items()):
            there = self.before.tree.entries.get(path)
            stays = there is not None and there.owner == entry.owner and there.source == entry.source
            if stays and entry.link is None and not self._unreachable(path) and self.after.facts(entry) is not None:
                yield path, entry

    def _gaps_of(self, path: str) -> Iterator[Gap]:
        entry = self.before.tree.entries[path]
        process = self._process(self.after, path, entry)
        after = dict(_direct(process))
        lacks = {lack.name for lack in process.lacks if lack.consumer == process.root}
        for name, provider in _direct(self._process(self.before, path, entry)):
            if provider.owner in {SYSTEM, entry.owner}:
                continue
            there = after.get(name)
            if there is not None and there.owner != SYSTEM and there.source is None:
                yield Gap(entry.owner, path, name, there.owner, "contents")
            elif name in lacks and provider.owner in self.after.tree.incomplete:
                yield Gap(entry.owner, path, name, provider.owner, "lists")


class _Failure(Struct, frozen=True):
    kind: Literal["library", "version", "symbol"]
    consumer: int
    wanted: str
    error: str
    library: str | None
    provider: str | None
    found: str | None
    certain: bool
    stray: bool = False


def _direct(process: Process) -> list[tuple[str, Entry]]:
    """The names that the object asked for needs itself, with what they lead to."""
    if not process.objects:
        return []
    names = dict(process.names)
    facts = process.objects[process.root].facts
    needed = facts.needed if isinstance(facts, ElfFacts) else ()
    return [(name, process.objects[names[name]].entry) for name in needed if name in names]


def _provider(process: Process | None, name: str | None) -> str | None:
    """The owner of what a name led to."""
    places = dict(process.names) if process is not None else {}
    return process.objects[places[name]].entry.owner if process is not None and name in places else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
