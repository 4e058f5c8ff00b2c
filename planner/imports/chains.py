"""Which modules stop importing because of what they import, one from another, until nothing more is found.

Only sources that stay are read, and of them only those that mention a name that fails. A module counts only if it could
be imported before, as far as its own file tells: what already imports a module that is not there never worked.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.files import read_bytes
from planner.imports.source import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.imports.modules import Module, Modules
    from planner.imports.source import Import, Setting, Source

_LIMIT = 8 * 1024 * 1024  # bytes; a source of this size is made by a program
_IMPORTED = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([^\n#(]*(?:\([^)]*)?)", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a module does not import: `line` of its file imports `wanted`, which does not import itself, or is not there."""

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
            return read_bytes(os.path.join(self._prefix, module.source), _LIMIT)
        except (OSError, ValueError):
            return b""

    def source(self, module: Module) -> Source | None:
        """What a module imports at once; None for an object, and where its file cannot be read."""
        key = module.source or ""
        if key not in self._read:
            content = self.content(module)
            self._read[key] = read(content, self._setting) if content else None
        return self._read[key]

    def words(self, module: Module) -> frozenset[bytes]:
        """Every word of a source's import statements, guarded or not."""
        key = module.source or ""
        found = self._words.get(key)
        if found is None:
            lines = _IMPORTED.findall(self.content(module))
            found = self._words[key] = frozenset(word for line in lines for word in _WORD.findall(line))
        return found


def wanted_by(module: Module, item: Import, there: Modules, sources: Sources) -> Iterator[str]:
    """The modules that an import statement needs, by their dotted names, those that hold others first."""
    base = _absolute(module, item)
    if base is None:
        return
    if base:
        yield base
    holder = there.by_name.get(base)
    inside = sources.source(holder) if holder is not None else None
    for name in item.names:
        below = f"{base}.{name}" if base else name
        given = inside is not None and (
            inside.open or any(bound == name and origin != base for bound, origin in inside.defined)
        )
        if below in there.by_name and not given:
            yield below


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
    waiting = {module.name: module for module in candidates if not module.compiled and module.name not in failed}
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
    """The sources that may import one of `names`: in the same package, or naming its outermost one."""
    lasts: dict[str, set[bytes]] = {}
    for name in names:
        lasts.setdefault(name.partition(".")[0], set()).add(name.rpartition(".")[2].encode())
    tops = {top.encode(): last for top, last in lasts.items()}
    found = []
    for module in modules:
        words = sources.words(module)
        nearby = lasts.get(module.top)
        if (nearby and words & nearby) or any(words & tops[word] for word in words & tops.keys()):
            found.append(module)
    return found


def _reason(module: Module, failed: set[str], before: Modules, sources: Sources) -> Reason | None:
    """Why a module does not import any more; None where it does, or where it did not before or may not have."""
    source = sources.source(module)
    holders = [before.by_name.get(name) for name in ancestry(module.name)]
    if source is None or not all(_worked(holder, before, sources) for holder in holders if holder is not None):
        return None
    for item in source.imports:
        for wanted in wanted_by(module, item, before, sources):
            first = next((name for name in ancestry(wanted) if name in failed), None)
            # Its own package fails by itself: that is no import of this module's.
            if first is not None and not module.name.startswith(f"{first}."):
                return Reason(module, item.line, first)
    return None


def _worked(module: Module, before: Modules, sources: Sources) -> bool:
    """Whether nothing in a module's own file stands against its having been importable."""
    source = sources.source(module)
    if source is None:
        return True
    return not source.raises and all(
        item.level or before.knows(item.module.partition(".")[0]) for item in source.imports
    )
