"""What a change does to imports: which modules go, which of those that stay import them at once, and what shows it.

Computed when a rule first asks. A module goes where its package leaves, where another
version no longer has it, or where it is an object that does not load any more. Sources are read only if there is such
a module, and only where they stay as they are.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.imports.chains import Sources, ancestry, failing
from planner.imports.conditions import Setting
from planner.imports.modules import Both, both
from planner.imports.running import run
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from planner.abi.binaries import Binaries
    from planner.imports.chains import Reason
    from planner.imports.modules import Module
    from planner.imports.running import Run
    from planner.model.installed import Environment, PackageRecord, PipDist, RecordFiles
    from planner.model.plan import PackageChange
    from planner.reference import Reference, Surroundings

_PLATFORMS = {"win": "win32", "osx": "darwin"}
_FOR_ITSELF = frozenset({"__main__", "_vendor", "conftest", "setup", "test", "tests"})


class Lost(Struct, frozen=True):
    """A module that does not import after the change: `module` imports at `line` what leads to `root`.

    `line` is 0 for a compiled module, and for one that fails by itself.
    `chain` are the names from what it imports to `root`, which is there before and not after (`broken` False), or is
    an object that does not load (`broken` True), or may not. `provider` is whose that is. `certain` is False where the name may
    come again from what is not at hand, or the object may load.
    """

    module: Module
    line: int
    chain: tuple[str, ...]
    provider: str
    broken: bool
    certain: bool

    @property
    def root(self) -> str:
        """What everything goes back to."""
        return self.chain[-1]

    @property
    def place(self) -> str:
        """Where it says so, as evidence has it: the file, and the line of a source."""
        return f"{self.module.path}:{self.line}" if self.line else self.module.path

    @property
    def importing(self) -> str:
        """The beginning of a sentence about what it imports: "line 3 of lib/a.py imports"."""
        if self.line:
            return f"line {self.line} of {self.module.path} imports"
        return f"{self.module.path}, which cffi made, imports"


class Imports:
    """The answers about one change. Every property is computed on first use and stays."""

    def __init__(
        self,
        environment: Environment,
        after: tuple[PackageRecord, ...] | None,
        changes: tuple[PackageChange, ...],
        files: Callable[[PackageRecord], RecordFiles],
        binaries: Binaries,
        surroundings: Surroundings,
        report: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._environment = environment
        self._changes = changes
        self._files = files
        self._binaries = binaries
        self._surroundings = surroundings
        self._after = after
        self._report = report
        python = next((record.version for record in after or () if record.name == "python"), None)
        self._pythons = (environment.python, python)
        # On Windows modules lie elsewhere, and so do those of python itself.
        self._look = not environment.subdir.startswith("win-")
        self.readable = self._look and after is not None and None not in self._pythons and bool(changes)

    @cached_property
    def lost(self) -> tuple[Lost, ...]:
        """Every module that stays and does not import any more, in the order of names.

        What is there for its owner alone is left out: tests, programs, copies of others' packages.
        """
        return tuple(
            self._lost(reason)
            for name, reason in sorted(self._reasons.items())
            if _FOR_ITSELF.isdisjoint(name.split("."))
        )

    def why(self, name: str) -> Lost | None:
        """Why a module is not to be had after the change: itself gone or broken, or by what it imports; None if it is."""
        for one in ancestry(name):
            if one in self._reasons:
                return self._lost(self._reasons[one])
            if one in self._roots:
                module = self._roots[one]
                return Lost(module, 0, (one,), module.owner, one not in self._both.gone, self._is_certain(one))
        return None

    def dead(self, dist: PipDist) -> bool:
        """Whether nothing of a distribution can be imported even now, since objects of it do not load.

        An object that needs a library that only others could have opened before does not load by itself, if neither the
        distribution's sources open libraries nor anything that they import may.
        """
        if not self._look or not dist.top_level:
            return False
        location = f"{dist.location}/"
        alone = [path for path in dist.extensions if self._binaries.dead(location + path, alone=True)]
        if not alone:
            return False
        before, sources = self._both.before, self._sources(0)
        mine = [module for module in before.by_name.values() if module.owner == f"pip:{dist.name}"]
        if any(self._may_open(module, sources) for module in mine):
            alone = [path for path in alone if self._binaries.dead(location + path)]
        roots = {module.name for module in mine if module.path.removeprefix(location) in alone}
        found = failing(roots, mine, before, sources).keys() | roots
        return all(any(name in found for name in ancestry(top)) for top in dist.top_level)

    def _may_open(self, module: Module, sources: Sources) -> bool:
        """Whether importing a module may open libraries for others: by its own code, or by what it imports."""
        if module.compiled:
            return False
        words = {word.decode() for word in sources.words(module)}
        there = self._both.before.by_name
        others = {name for name in words if name in there and there[name].owner not in {module.owner, "conda:python"}}
        return bool(others) or any(word in sources.content(module) for word in (b"ctypes", b"dlopen", b"CDLL"))

    def run(self, reference: Reference, *, after: bool) -> Run:
        """What python surely runs of compiled modules when it is started as a reference says, before or after."""
        there = self._both.after if after else self._both.before
        return run(reference.modules, reference.script, there, self._sources(after), self._setting(after))

    def name(self, word: str, run: Run) -> bool:
        """Whether one of the sources that have a say in a run names a word, in whatever way."""
        sources = self._sources(1)
        return any(word.encode() in sources.content(module) for module in run.sources)

    # ----------------------------------------------------------------------------------------------------------------

    @cached_property
    def _both(self) -> Both:
        self._report("comparing which modules python finds")
        before, after = (self._user_site(python) for python in self._pythons)
        return both(
            self._environment,
            self._changes,
            self._files,
            self._binaries.owned_paths,
            self._binaries.python_sources,
            self._pythons,
            (before, after),
        )

    @cached_property
    def _roots(self) -> Mapping[str, Module]:
        """What fails by itself: modules that are gone, and objects that do not load."""
        if not self.readable:
            return {}
        return {**self._doubtful, **self._both.gone, **self._unloadable}

    @cached_property
    def _reasons(self) -> Mapping[str, Reason]:
        if not self._roots:
            return {}
        self._report("looking for what imports the modules that go")
        before = self._both.before.by_name
        staying = [
            module
            for name, module in self._both.after.by_name.items()
            if name in before and before[name].owner == module.owner and self._stays(module)
        ]
        sources = self._sources(1)
        sure = failing({**self._both.gone, **self._unloadable}, staying, self._both.before, sources)
        # What fails for certain is not said to be in doubt for another reason.
        rest = (module for module in staying if module.name not in sure)
        return {**failing(self._doubtful, rest, self._both.before, sources), **sure}

    def _stays(self, module: Module) -> bool:
        kind, _, name = module.owner.partition(":")
        return kind != "conda" or name not in self._rewritten

    @cached_property
    def _rewritten(self) -> frozenset[str]:
        return frozenset(change.name for change in self._changes if change.action != "relink")

    @cached_property
    def _doubtful(self) -> Mapping[str, Module]:
        """The extension modules that stay and of which nobody knows whether they will load."""
        breaks = [found for found in self._binaries.breaks if found.counts]
        paths = {found.path for found in breaks} - {found.path for found in breaks if found.certain}
        there = self._both.after.by_name.values() if paths else ()
        found = (module for module in there if module.compiled and module.path in paths)
        return {module.name: module for module in found if module.name not in self._unloadable}

    @cached_property
    def _unloadable(self) -> Mapping[str, Module]:
        return {module.name: module for module in self._not_loading()}

    def _not_loading(self) -> Iterator[Module]:
        """The extension modules that stay and do not load after the change, though they do now."""
        paths = {found.path for found in self._binaries.breaks if found.counts and found.certain}
        unfit = self._unfit_for_numpy()
        if not paths and not unfit:
            return
        for module in self._both.after.by_name.values():
            if module.compiled and (
                module.path in paths
                # numpy may be used by a library that several modules of one package share.
                or (module.owner in unfit and not unfit[module.owner].isdisjoint(self._binaries.pulled_in(module.path)))
            ):
                yield module

    def _unfit_for_numpy(self) -> Mapping[str, set[str]]:
        """The objects, by owner, that run with the numpy that is there and not with the planned one (ABI006)."""
        before, after = (
            next((record.version for record in records or () if record.name == "numpy"), None)
            for records in (self._environment.records, self._after)
        )
        found: dict[str, set[str]] = {}
        if before is not None and after is not None and before != after:
            for owner, path, use in self._binaries.numpy_users:
                fits = use.serves(after) or not use.serves(before) or not use.stops
                if owner.partition(":")[2] != "numpy" and not fits:
                    found.setdefault(owner, set()).add(path)
        return found

    def _lost(self, reason: Reason) -> Lost:
        chain = [reason.wanted]
        while chain[-1] in self._reasons:
            chain.append(self._reasons[chain[-1]].wanted)
        root = chain[-1]
        gone = root in self._both.gone
        return Lost(reason.module, reason.line, tuple(chain), self._roots[root].owner, not gone, self._is_certain(root))

    def _is_certain(self, root: str) -> bool:
        if root not in self._both.gone:
            return root not in self._doubtful
        # Of a package that stays in another version, a name may be given in another way than by a file.
        return not self._both.unlisted and root.partition(".")[0] not in self._both.after.tops

    def _sources(self, after: int) -> Sources:
        return Sources(self._environment.prefix, self._setting(after))

    def _setting(self, after: int) -> Setting:
        version = self._pythons[after] or self._pythons[0] or "3"
        numbers = [int(part) for part in minor(version).split(".") if part.isdigit()]
        platform = _PLATFORMS.get(self._environment.subdir.partition("-")[0], "linux")
        return Setting((numbers[0], numbers[1] if len(numbers) > 1 else 0), platform)

    def _user_site(self, python: str | None) -> frozenset[str]:
        site = None
        if python is not None and not self._surroundings.user_site_off:
            site = self._surroundings.user_site(minor(python))
        return frozenset(name for dist in site.dists for name in dist.top_level) if site else frozenset()
