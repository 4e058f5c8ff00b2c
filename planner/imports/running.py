"""What python surely runs of compiled modules when it starts a script: which it loads, and which functions it calls.

Followed from the script's own statements through the sources of the modules that it imports at once, and through the names
that lead from one to another. What the functions do is in the objects themselves (`planner.abi.calls`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.imports.calls import SCRIPT, Calls, may_end, read_calls
from planner.imports.chains import ancestry, wanted_by
from planner.imports.modules import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planner.imports.calls import Call
    from planner.imports.chains import Sources
    from planner.imports.conditions import Setting
    from planner.imports.modules import Modules

_MOST_LOADED = 3000  # modules that one script is followed through
_MOST_CALLED = 3000  # functions that a call is followed through, to see whether it comes back
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
        self._main = Module(SCRIPT, "", "", "")
        self._noted: set[str] = set()
        self._ends: dict[str, bool] = {}

    def started(self, names: Sequence[str], script: str) -> Run:
        loaded = list(self._loaded(names))
        ended = False
        for module in loaded:
            at_once = () if module.compiled or _is_pythons_own(module.name) else self._read(module).at_once
            ended = ended or any(self._may_end(call.name) for call in at_once)
            self._through(at_once)
        main = self._main = Module(SCRIPT, "", script, script)
        content = self._sources.content(main) if script else b""
        calls = read_calls(content, replace(self._setting, script=True), SCRIPT)
        # Other names may be of modules beside the script.
        self._calls[SCRIPT] = _among({*names, SCRIPT}, calls)
        self._through(() if ended else self._calls[SCRIPT].at_once)
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

    def _through(self, calls: Iterable[Call]) -> None:
        """Note the functions of compiled modules that are surely called, up to a call that may end the process."""
        ways = [iter(calls)]
        while ways:
            call = next(ways[-1], None)
            if call is None:
                ways.pop()
                continue
            if self._may_end(call.name):
                ways.pop()
            if call.sure and call.name not in self._noted:
                self._noted.add(call.name)
                self._note(call.name)
                ways.append(iter(self._behind(call.name)))

    def _behind(self, name: str) -> tuple[Call, ...]:
        """What a function of a python file calls. What the standard library calls is not followed."""
        holder, attribute = self._holder(name)
        if holder is None or holder.compiled or _is_pythons_own(name):
            return ()
        return self._read(holder).names.get(attribute, ())

    def _note(self, name: str) -> None:
        """Note the function of a compiled module, if a dotted name is one."""
        holder, attribute = self._holder(name)
        if holder is not None and holder.compiled:
            self._objects.setdefault(holder.path, {})[attribute] = None

    def _may_end(self, name: str) -> bool:
        """Whether a call by a dotted name may end the process, at once or by what it may call in turn."""
        if name in self._ends:
            return self._ends[name]
        by: dict[str, str] = {name: ""}  # each name with what leads to it
        queue = [name]
        for one in queue:
            if self._ends.get(one) or self._ends_itself(one) or len(queue) > _MOST_CALLED:
                way = one
                while way:
                    self._ends[way] = True
                    way = by[way]
                return True
            for call in self._behind(one):
                if call.name not in by:
                    by[call.name] = one
                    queue.append(call.name)
        self._ends.update(dict.fromkeys(by, False))
        return False

    def _ends_itself(self, name: str) -> bool:
        holder, attribute = self._holder(name)
        if may_end(name) or holder is None or holder.compiled or _is_pythons_own(name):
            return may_end(name)
        calls = self._read(holder)
        return calls.ends and attribute not in calls.names

    def _holder(self, name: str) -> tuple[Module | None, str]:
        """The module that a dotted name is to be found in, and the name there; no module where it is one itself."""
        holder, _, attribute = name.rpartition(".")
        if holder == SCRIPT:
            return self._main, attribute
        return (None if name in self._there.by_name else self._there.by_name.get(holder)), attribute

    def _read(self, module: Module) -> Calls:
        if module.name not in self._calls:
            package = module.name if module.package else module.name.rpartition(".")[0]
            content = self._sources.content(module)
            self._calls[module.name] = read_calls(content, self._setting, module.name, package)
        return self._calls[module.name]


def _is_pythons_own(name: str) -> bool:
    """Whether a dotted name is of the standard library."""
    return name.partition(".")[0] in sys.stdlib_module_names


def _among(tops: set[str], calls: Calls) -> Calls:
    """The same without what is called of other modules than these."""

    def kept(some: tuple[Call, ...]) -> tuple[Call, ...]:
        return tuple(call for call in some if call.name.partition(".")[0] in tops or may_end(call.name))

    return replace(calls, at_once=kept(calls.at_once), names={name: kept(some) for name, some in calls.names.items()})
