"""Whether a function of a library is surely called when python imports an extension module, and calls functions of it.

Followed from what runs for certain: what the loader calls in each object that comes with the module, the module's own
initialisation, and the functions that python is said to call. From there through every object of the process, by the
loader's own rule for which object gives a name. What one function calls is `planner.abi.code`'s; which functions python
calls is `planner.imports`'.
"""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.abi.code import Code
from planner.abi.image import BadElfError, Image, NoElfError
from planner.abi.symbols import Symbol, definitions, gives, undefined_symbols
from planner.abi.tree import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.abi.loader import Loaded, Process

_MOST_FUNCTIONS = 1000  # followed for one question


class Called(Struct, frozen=True):
    """A call that surely happens: of `function` in the library, by `method` of the module (empty: as it is imported)."""

    method: str
    function: str


def surely_called(process: Process, methods: Iterable[str], library: str, names: frozenset[str]) -> Called | None:
    """The first call of one of `names` in the library at path `library`, in the process of an extension module.

    The module is the root of `process`; `methods` are the functions of it that python calls. None: no call is sure.
    """
    root = process.objects[process.root]
    module = posixpath.basename(root.found).partition(".")[0]
    with _Process(process, library, names) as inside:
        for method, place, start in inside.begins(module, methods):
            function = inside.calls(place, start)
            if function is not None:
                return Called(method, function)
    return None


class _Process:
    def __init__(self, process: Process, library: str, names: frozenset[str]) -> None:
        self._process = process
        self._library = library
        self._names = names
        self._open = ExitStack()
        self._codes: dict[int, Code | None] = {}
        self._wanted: dict[int, dict[str, Symbol]] = {}
        self._found: dict[tuple[int, int], str | None] = {}

    def __enter__(self) -> _Process:  # noqa: PYI034 -- `Self` is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begins(self, module: str, methods: Iterable[str]) -> Iterator[tuple[str, int, int | str]]:
        """What runs for certain: for which method (empty: none), the place of its object, and the function."""
        for place in range(self._process.root, len(self._process.objects)):
            code = self._code(place) if self._process.objects[place].entry.path != self._library else None
            try:
                yield from (("", place, start) for start in (code.started() if code is not None else ()))
            except BadElfError:
                self._codes[place] = None
        yield "", self._process.root, f"PyInit_{module}"
        for method in methods:
            code = self._code(self._process.root)
            try:
                start = code.method(module, method) if code is not None else None
            except BadElfError:
                start = None
            if start is not None:
                yield method, self._process.root, start

    def calls(self, place: int, target: int | str) -> str | None:
        """The name of the library's function that is surely called when a function runs; None where none is."""
        if isinstance(target, int):
            return self._through(place, target)
        giver = self._giver(place, target)
        if giver is None:
            return None
        if self._process.objects[giver].entry.path == self._library:
            return target if target in self._names else None
        code = self._code(giver)
        try:
            start = code.function(target) if code is not None else None
        except BadElfError:
            return None
        return self._through(giver, start) if start is not None else None

    def _through(self, place: int, start: int) -> str | None:
        key = (place, start)
        code = self._code(place)
        if key in self._found or code is None or len(self._found) >= _MOST_FUNCTIONS:
            return self._found.get(key)
        self._found[key] = None  # a function that only comes back to itself calls nothing else
        reached: list[str] = []

        def wanted(target: int | str) -> bool:
            name = self.calls(place, target)
            if name is not None:
                reached.append(name)
            return name is not None

        try:
            if code.surely_calls(start, wanted):
                self._found[key] = reached[0]
        except (BadElfError, RecursionError):
            return None
        return self._found[key]

    def _giver(self, place: int, name: str) -> int | None:
        """The place of the object that gives a name to the one at `place`; None where that is not known."""
        symbol = self._needs(place).get(name, Symbol(name))
        for at, loaded in enumerate(self._process.objects):
            source = loaded.entry.source
            if source is None or loaded.facts is None:
                if loaded.entry.owner != SYSTEM:
                    return None
                continue
            found = definitions(source, [name])
            if isinstance(found, dict) and gives(found.get(name, ()), symbol):
                return at if loaded.entry.owner != SYSTEM else None
        return None

    def _needs(self, place: int) -> dict[str, Symbol]:
        if place not in self._wanted:
            source = self._process.objects[place].entry.source
            found = undefined_symbols(source) if source is not None else None
            self._wanted[place] = {symbol.name: symbol for symbol in found} if isinstance(found, tuple) else {}
        return self._wanted[place]

    def _code(self, place: int) -> Code | None:
        """The code of an object of the environment's; None where it cannot be read as such."""
        if place not in self._codes:
            self._codes[place] = self._opened(self._process.objects[place])
        return self._codes[place]

    def _opened(self, loaded: Loaded) -> Code | None:
        if loaded.entry.source is None or loaded.entry.owner == SYSTEM:
            return None
        try:
            return Code(self._open.enter_context(Image(loaded.entry.source)))
        except (BadElfError, NoElfError, OSError):
            return None
