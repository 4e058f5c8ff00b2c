"""How settings of several sources come together: conda's rules, with its flags.

A later source wins over an earlier one, lists come together with the later first, maps key by key. A comment beside a
setting, an entry of a list or a key of a map changes that: `#!final` on a setting ends the search there, `#!top` and
`#!bottom` put a list's entry before or behind all others (conda/common/configuration.py of conda 26.7). What a setting
means is `planner.config`'s; which sources there are, `planner.config_files`'s.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct, field

from planner.model.installed import LoadProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Flag: TypeAlias = Literal["final", "top", "bottom"]

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


class Source(Struct, frozen=True):
    """One place that sets something: a file, or the environment.

    `flags` are the flags beside its settings: by `(name,)` that of the setting, by `(name, n)` that of the n-th entry
    of its list, by `(name, key)` that of a key of its map.
    """

    name: str
    values: Mapping[str, Any]
    flags: Mapping[tuple[str | int, ...], Flag] = field(default_factory=dict)


class _Found(Struct, frozen=True):
    """Where a setting is set, under which of its names, and to what."""

    source: Source
    name: str
    value: Any

    def flag(self, *at: str | int) -> Flag | None:
        return self.source.flags.get((self.name, *at))


class Merger:
    """Merges sources, the weakest first. A value of the wrong kind is left out and becomes a problem."""

    def __init__(self, sources: Sequence[Source], environ: Mapping[str, str], problems: list[LoadProblem]) -> None:
        self._sources = tuple(sources)
        self._environ = environ
        self._problems = problems

    def scalar(self, name: str, parse: Callable[[Any], Any], *aliases: str, expand: bool = False) -> Any:
        """The value of the first source that calls it final, else of the last; None when nothing sets it."""
        for found in reversed(self._found(name, *aliases)):
            parsed = parse(found.value)
            if parsed is not None:
                return self._expand(parsed) if expand else parsed
            self._refuse(found, name, found.value)
        return None

    def strings(self, name: str, *aliases: str, expand: bool = False) -> tuple[str, ...] | None:
        """All the lists as one, the last source's first, each entry once; None when nothing sets it."""
        lists: list[tuple[_Found, tuple[str, ...]]] = []
        for found in self._found(name, *aliases):
            items = texts(found.value)
            if items is None:
                self._refuse(found, name, found.value)
            else:
                lists.append((found, items))
        if not lists:
            return None
        top = [item for found, items in lists for n, item in enumerate(items) if found.flag(n) == "top"]
        bottom = [item for found, items in reversed(lists) for n, item in enumerate(items) if found.flag(n) == "bottom"]
        everything = dict.fromkeys((*top, *(item for _, items in reversed(lists) for item in items)))
        behind = dict.fromkeys((*reversed(bottom), *reversed(everything)))
        merged = reversed(behind)
        return tuple(dict.fromkeys(self._expand(item) if expand else item for item in merged))

    def mapping(self, name: str, parse: Callable[[Any], Any]) -> dict[str, Any] | None:
        """All the maps as one; of a key set twice the last source counts, or the first that calls it final."""
        merged: dict[str, Any] = {}
        final: set[str] = set()
        maps = 0
        for found in self._found(name):
            if not isinstance(found.value, dict):
                self._refuse(found, name, found.value)
                continue
            maps += 1
            for key, entry in found.value.items():
                parsed = parse(entry)
                if parsed is None:
                    self._refuse(found, f"{name}: {key}", entry)
                elif str(key) not in final:
                    merged[str(key)] = (
                        self._expand(parsed) if isinstance(parsed, str) else tuple(map(self._expand, parsed))
                    )
                    final |= {str(key)} if found.flag(str(key)) == "final" else set()
        return merged if maps else None

    def _found(self, *names: str) -> tuple[_Found, ...]:
        """Where one of the names is set, the weakest first, up to the first that calls it final.

        A setting without a value sets nothing.
        """
        found = []
        for source in self._sources:
            name = next((name for name in names if source.values.get(name) is not None), None)
            if name is not None:
                found.append(_Found(source, name, source.values[name]))
                if found[-1].flag() == "final":
                    break
        return tuple(found)

    def _refuse(self, found: _Found, name: str, value: Any) -> None:
        # Channels may hold a password, so what stands there is described, not quoted.
        self._problems.append(
            LoadProblem(
                found.source.name, f"{name} has a value of the wrong kind ({_kind(value)})", "that setting was left out"
            )
        )

    def _expand(self, value: str) -> str:
        return _VARIABLE.sub(lambda found: self._environ.get(found[1] or found[2], found[0]), value)


def text(value: Any) -> str | None:
    """A setting that is a text; None for what is none."""
    if isinstance(value, (dict, list, bool)):
        return None
    return str(value).strip()


def texts(value: Any) -> tuple[str, ...] | None:
    """A setting that is a list of texts; None for what is none. Entries without a value are empty texts' equals."""
    if not isinstance(value, list):
        return None
    items = [text(item) for item in value if item is not None]
    return None if None in items else tuple(item for item in items if item)


def _kind(value: Any) -> str:
    return {dict: "a map", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number or a date")


def flags_of(document: str, root: Any) -> dict[tuple[str | int, ...], Flag]:
    """The flags in a YAML text, found in the comments behind the nodes of its tree (`yaml.compose`)."""
    lines = document.splitlines()
    flags: dict[tuple[str | int, ...], Flag] = {}
    for key, value in getattr(root, "value", None) or ():
        name = str(key.value)
        # Of a setting with a block below it the comment stands behind the colon, of any other behind its value.
        for mark in (key.end_mark, value.end_mark):
            _note(flags, (name,), lines, mark)
        if isinstance(value.value, list) and not value.flow_style:
            for n, item in enumerate(value.value):
                at, node = (str(item[0].value), item[1]) if isinstance(item, tuple) else (n, item)
                _note(flags, (name, at), lines, node.end_mark)
    return flags


def _note(flags: dict[tuple[str | int, ...], Flag], at: tuple[str | int, ...], lines: list[str], mark: Any) -> None:
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    comment = re.fullmatch(r"\s*:?\s*#(.*)", rest)
    word = comment[1].strip().strip("!#") if comment else ""
    for flag in ("final", "top", "bottom"):
        if word == flag:
            flags[at] = flag
