"""The paths of an environment that may be modules, before a change and after it, each with its owner.

Told on first use: most changes take no path away, and then no other is looked at.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from planner.abi.installed import pip_paths
from planner.pip_after import seen_by
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from planner.model.installed import Environment, PackageRecord, RecordFiles

_ENDINGS = (".py", ".so", ".pyd", ".pth")


class Paths:
    """Path to owner of what may be a module, before and after, each told on first use; the paths of packages that leave."""

    def __init__(
        self,
        environment: Environment,
        files: Callable[[PackageRecord], RecordFiles],
        coming: Mapping[str, tuple[str, ...] | None],
        removed: frozenset[str],
        sources: Callable[[str], Mapping[str, str]],
        python: tuple[str | None, str | None],
    ) -> None:
        self.removed = removed
        self.moves = folder_of(python[0]) != folder_of(python[1])
        self._environment = environment
        self._files = files
        self._coming = coming
        self._sources = sources
        self._pythons = python

    @cached_property
    def there(self) -> Mapping[str, str]:
        """Those that are there now. Where conda and pip list the same path, pip wrote it last."""
        owners: dict[str, str] = {}
        for record in self._environment.records:
            subject = f"conda:{record.name}"
            owners.update((path, subject) for path in self._files(record).paths if path.endswith(_ENDINGS))
        return {**owners, **self._of_pip}

    @cached_property
    def later(self) -> Mapping[str, str]:
        """Those that will be there."""
        found = {path: owner for path, owner in self.there.items() if path not in self.removed}
        if self.moves:
            # What pip put there is out of sight; what conda owns and nobody lists anew is taken to come again.
            found = {path: owner for path, owner in found.items() if owner.startswith("conda:")}
            found.update(_of_pip(self._environment, self._pythons[1]))
        for name, paths in self._coming.items():
            found.update((path, f"conda:{name}") for path in paths or ())
        return found

    @cached_property
    def lost(self) -> Mapping[str, str]:
        """Those that are there now and will not be."""
        if not self.removed and not (self.moves and self._of_pip):
            return {}
        return {path: owner for path, owner in self.there.items() if path not in self.later}

    @cached_property
    def at_hand(self) -> Mapping[str, str | None]:
        """Where paths that come can be read now, None where they cannot; all others lie where they are."""
        found: dict[str, str | None] = {}
        for name, paths in self._coming.items():
            readable = self._sources(name) if paths else {}
            found.update((path, readable.get(path)) for path in paths or ())
        return found

    @cached_property
    def _of_pip(self) -> Mapping[str, str]:
        return dict(_of_pip(self._environment, self._pythons[0]))


def folder_of(python: str | None) -> str:
    """The folder of a python's own modules; "" without one."""
    return f"lib/python{minor(python)}/" if python else ""


def _of_pip(environment: Environment, python: str | None) -> Iterator[tuple[str, str]]:
    for dist in seen_by(environment.pip_dists, python):
        subject = f"pip:{dist.name}"
        yield from ((path, subject) for path in pip_paths(environment.prefix, dist) if path.endswith(_ENDINGS))
