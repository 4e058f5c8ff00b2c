"""Which modules stop importing because of what they import, one from another, until nothing more is found.

Only sources that stay are read, and of them only those that mention a name that fails. A module counts only if it could
be imported before, as far as its own file tells: what already imports a module that is not there never worked. Of
compiled modules only one import is known: that of `_cffi_backend` by those that cffi made.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.abi.extensions import made_by_cffi
from planner.files import read_bytes
from planner.imports.source import Import, Source, read

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from planner.imports.conditions import Setting
    from planner.imports.modules import Module, Modules

_LIMIT = 8 * 1024 * 1024  # bytes; a source of this size is made by a program
_IMPORTED = re.compile(rb"^([ \t]*)(?:from|import)[ \t]+([^\n#(]*(?:\([^)]*)?)", re.MULTILINE)
_FUNCTION = re.compile(rb"(?:async[ \t]+)?def[ \t]")
_BLANKS = re.compile(rb"[ \t]*")
_NO_BLOCK = frozenset({b"", b"\n", b"\r", b"#", b")", b"]", b"}"})
_WORD = re.compile(rb"[A-Za-z_]\w*")
_CFFI = "_cffi_backend"
_OF_CFFI = Source((Import(_CFFI, (), 0, 0),))


class Reason(Struct, frozen=True):
    """Why a module does not import: `line` of its file imports `wanted`, which does not import itself, or is not there.

    A compiled module has no lines: 0.
    """

    module: Module
    line: int
    wanted: str


class Sources:
    """The python files of an environment, each read at most once. `prefix` is where relative paths lie."""

    def __init__(self, prefix: str, setting: Setting) -> None:
        self._prefix = prefix
        self._setting = setting
        self._read: dict[str, Source | None] = {}
        self._words: dict[str, frozenset[bytes]] = {}

    def content(self, module: Module) -> bytes:
        """The bytes of a source; empty where they are not at hand or cannot be read."""
        if module.source is None or module.compiled:
            return b""
        try:
            return read_bytes(self._path(module.source), _LIMIT)
        except (OSError, ValueError):
            return b""

    def source(self, module: Module) -> Source | None:
        """What a module imports at once; None where its file cannot be read, and for an object that cffi did not make."""
        key = module.source or ""
        if key not in self._read and module.compiled:
            self._read[key] = _OF_CFFI if module.source and made_by_cffi(self._path(module.source)) else None
        if key not in self._read:
            content = self.content(module)
            self._read[key] = read(content, self._setting) if content else None
        return self._read[key]

    def words(self, module: Module) -> frozenset[bytes]:
        """Every word of a source's import statements, guarded or not, but for those in functions of the module."""
        key = module.source or ""
        found = self._words.get(key)
        if found is None and module.compiled:
            found = self._words[key] = frozenset({_CFFI.encode()} if self.source(module) else ())
        if found is None:
            content = self.content(module)
            found = self._words[key] = frozenset(
                word
                for match in _IMPORTED.finditer(content)
                if not match[1] or not _in_function(content, match.start())
                for word in _WORD.findall(match[2])
            )
        return found

    def _path(self, source: str) -> str:
        return os.path.join(self._prefix, source)


def _in_function(content: bytes, at: int) -> bool:
    """Whether the line at `at` belongs to the definition of a function, by how the lines above it are indented."""
    indent = _indent(content, at)
    end = at
    while end > 0 and indent:
        start = content.rfind(b"\n", 0, end - 1) + 1
        here = _indent(content, start)
        # Blank lines, comments and what closes a bracket say nothing of the block.
        if here < indent and content[start + here : start + here + 1] not in _NO_BLOCK:
            if _FUNCTION.match(content, start + here):
                return True
            indent = here
        end = start
    return False


def _indent(content: bytes, start: int) -> int:
    """How many blanks the line at `start` begins with."""
    match = _BLANKS.match(content, start)
    return match.end() - start if match is not None else 0


def wanted_by(
    module: Module, item: Import, there: Modules, sources: Sources, among: Container[str] | None = None
) -> Iterator[str]:
    """The modules that an import statement needs, by their dotted names, those that hold others first.

    With `among`, only those are looked for that are there, or are in something that is.
    """
    base = _absolute(module, item)
    if base is None:
        return
    if base:
        yield base
    for name in item.names:
        below = f"{base}.{name}" if base else name
        if below in there.by_name and (among is None or any(one in among for one in ancestry(below))):
            holder = there.by_name.get(base)
            if holder is None or not _gives(holder, name, base, sources):
                yield below


def _gives(holder: Module, name: str, base: str, sources: Sources) -> bool:
    """Whether a package itself has an attribute of that name, so that no module of it is looked for."""
    inside = sources.source(holder)
    return inside is not None and (
        inside.open or any(bound == name and origin != base for bound, origin in inside.defined)
    )


def _absolute(module: Module, item: Import) -> str | None:
    if not item.level:
        return item.module
    parts = module.name.split(".")
    parts = parts[: len(parts) - item.level + module.package]
    return ".".join([*parts, *([item.module] if item.module else [])]) if parts else None


def ancestry(name: str) -> Iterator[str]:
    """A dotted name and those of the packages that it is in, the outermost first."""
    at = name.find(".")
    while at > 0:
        yield name[:at]
        at = name.find(".", at + 1)
    yield name


def failing(
    roots: Iterable[str], candidates: Iterable[Module], before: Modules, sources: Sources
) -> Mapping[str, Reason]:
    """The modules among `candidates` that do not import where `roots` do not, by name."""
    found: dict[str, Reason] = {}
    failed = set(roots)
    # Objects are read only where it matters.
    waiting = {
        module.name: module
        for module in candidates
        if module.name not in failed and (not module.compiled or _CFFI in failed)
    }
    fresh = set(failed)
    while fresh:
        outermost = {name for name in fresh if not any(one in failed for one in ancestry(name) if one != name)}
        fresh = set()
        for module in _mentioning(outermost, waiting.values(), sources):
            reason = _reason(module, failed, before, sources)
            if reason is not None:
                found[module.name] = reason
                fresh.add(module.name)
        failed |= fresh
        for name in fresh:
            waiting.pop(name, None)
    return found


def _mentioning(names: set[str], modules: Iterable[Module], sources: Sources) -> list[Module]:
    """The sources that may import one of `names`: they have its last part, and the one before or lie in that package."""
    holders: dict[bytes, list[tuple[str, bytes]]] = {}
    for name in names:
        holder, _, last = name.rpartition(".")
        holders.setdefault(last.encode(), []).append((holder, holder.rpartition(".")[2].encode()))
    found = []
    for module in modules:
        words = sources.words(module)
        if any(
            not holder or part in words or f"{module.name}.".startswith(f"{holder}.")
            for last in words & holders.keys()
            for holder, part in holders[last]
        ):
            found.append(module)
    return found


def _reason(module: Module, failed: set[str], before: Modules, sources: Sources) -> Reason | None:
    """Why a module does not import any more; None where it does, or where it did not before or may not have."""
    source = sources.source(module)
    for item in source.imports if source is not None else ():
        for wanted in wanted_by(module, item, before, sources, failed):
            first = next((name for name in ancestry(wanted) if name in failed), None)
            # Its own package fails by itself: that is no import of this module's.
            if first is not None and not module.name.startswith(f"{first}."):
                holders = [before.by_name.get(name) for name in ancestry(module.name)]
                worked = all(_worked(holder, before, sources) for holder in holders if holder is not None)
                return Reason(module, item.line, first) if worked else None
    return None


def _worked(module: Module, before: Modules, sources: Sources) -> bool:
    """Whether nothing in a module's own file stands against its having been importable."""
    source = sources.source(module)
    if source is None:
        return True
    return not source.raises and all(
        item.level or before.knows(item.module.partition(".")[0]) for item in source.imports
    )
