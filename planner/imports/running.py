"""What python surely runs of compiled modules when it starts a script: which it loads, and which functions it calls.

Followed from the script's own statements through the sources of the modules that it imports at once, and through the names
that lead from one to another. What the functions do is in the objects themselves (`planner.abi.calls`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.imports.calls import Calls, read_calls
from planner.imports.chains import ancestry, wanted_by
from planner.imports.modules import Module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.imports.chains import Sources
    from planner.imports.conditions import Setting
    from planner.imports.modules import Modules

_MOST_LOADED = 3000  # modules that one script is followed through
_SITE = ("sitecustomize", "usercustomize")  # which python imports before any script


class Run(Struct, frozen=True):
    """The extension modules, by path, that are surely loaded, each with functions of it that are surely called.

    `sources` are the python files that have a say in it: the script, and each module that it imports at once.
    """

    objects: Mapping[str, tuple[str, ...]]
    sources: tuple[Module, ...]


def run(names: Sequence[str], script: str, there: Modules, sources: Sources, setting: Setting) -> Run:
    """What a python runs that imports the modules `names`, at once, from the file `script` (empty: not known)."""
    return _Running(there, sources, setting).started(names, script)


class _Running:
    def __init__(self, there: Modules, sources: Sources, setting: Setting) -> None:
        self._there = there
        self._sources = sources
        self._setting = setting
        self._calls: dict[str, Calls] = {}
        self._objects: dict[str, dict[str, None]] = {}
        self._followed: set[str] = set()

    def started(self, names: Sequence[str], script: str) -> Run:
        loaded = list(self._loaded(names))
        for module in loaded:
            for name in () if module.compiled else self._read(module).at_once:
                self._follow(name)
        main = Module("__main__", "", script, script)
        content = self._sources.content(main) if script else b""
        for name in read_calls(content, replace(self._setting, script=True)).at_once:
            # Other names may be of modules beside the script.
            if name.partition(".")[0] in names:
                self._follow(name)
        first = (self._there.by_name[name] for name in _SITE if name in self._there.by_name)
        read = [*first, *(module for module in loaded if not module.compiled), *([main] if script else [])]
        return Run({path: tuple(called) for path, called in self._objects.items()}, tuple(read))

    def _loaded(self, names: Sequence[str]) -> Iterator[Module]:
        """The modules that are surely imported, the objects among them noted."""
        queue = [one for name in names for one in ancestry(name)]
        seen: set[str] = set(queue)
        for name in queue:
            module = self._there.by_name.get(name)
            if module is None:
                continue
            yield module
            if module.compiled:
                self._objects.setdefault(module.path, {})
                continue
            source = self._sources.source(module)
            for item in source.imports if source is not None else ():
                for wanted in wanted_by(module, item, self._there, self._sources):
                    fresh = [one for one in ancestry(wanted) if one not in seen]
                    seen.update(fresh)
                    queue.extend(fresh)
            if len(queue) > _MOST_LOADED:
                break

    def _follow(self, name: str) -> None:
        """Note the function of a compiled module that a dotted name leads to, if it does."""
        if name in self._followed:
            return
        self._followed.add(name)
        holder, _, attribute = name.rpartition(".")
        module = self._there.by_name.get(holder)
        if module is None or name in self._there.by_name:
            return
        if module.compiled:
            self._objects.setdefault(module.path, {})[attribute] = None
            return
        for behind in self._read(module).names.get(attribute, ()):
            self._follow(behind)

    def _read(self, module: Module) -> Calls:
        if module.name not in self._calls:
            package = module.name if module.package else module.name.rpartition(".")[0]
            self._calls[module.name] = read_calls(self._sources.content(module), self._setting, package)
        return self._calls[module.name]
