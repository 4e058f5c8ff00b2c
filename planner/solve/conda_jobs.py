"""The jobs that conda builds for libmamba: a pure function from what is asked, and what was found to conflict so far.

Read from conda 26.7 with conda-libmamba-solver 26.6. Each name gets its jobs once, by the first reason that it is
mentioned for: asked for, pinned, in history, kept fresh, installed. What earlier attempts found to conflict loses its
protection, and a history spec down to the build is loosened to its version. The attempts are `planner.solve.attempts`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.solve import Freeze, Install, Job, Keep, Pin, Remove, Update
from planner.versions import dependency_name, matches, spec_is_bare, spec_name, spec_version, strictness

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from planner.model.installed import PackageRecord
    from planner.solve.asked import Asked

# Protected from removal for reasons of conda's own past; the list cannot be configured.
DO_NOT_REMOVE = ("anaconda", "conda", "conda-build", "python.app", "console_shortcut", "powershell_shortcut")
_TO_THE_BUILD = 3


def conda_jobs(asked: Asked, conflicts: Collection[str] = frozenset()) -> tuple[Job, ...]:
    """The jobs of one attempt; `conflicts` are the names that earlier attempts failed for. Raises `BadSpec`."""
    if asked.request.operation == "remove":
        return tuple(_removal(asked))
    state = _State(asked, conflicts)
    return tuple(job for name in _names(asked) for job in state.jobs(name))


def _removal(asked: Asked) -> Iterator[Job]:
    for name in asked.installed:
        if name in asked.history or name in asked.aggressive_updates:
            yield Keep(name)
    yield from (Remove(spec) for spec in asked.requested.values())


def _names(asked: Asked) -> tuple[str, ...]:
    """Every name with a claim, the first claim first; within one, the stricter spec first."""
    fresh = {name: name for name in asked.aggressive_updates}
    ordered: dict[str, None] = {}
    for group in (asked.requested, asked.pins, asked.history, fresh):
        by_strictness = sorted(((strictness(spec), name) for name, spec in group.items()), reverse=True)
        ordered.update(dict.fromkeys(name for _, name in by_strictness))
    ordered.update(dict.fromkeys(asked.installed))
    return tuple(ordered)


class _State:
    """The lookups of one attempt, made once."""

    def __init__(self, asked: Asked, conflicts: Collection[str]) -> None:
        self.conflicts = conflicts
        self.installed = asked.installed
        self.requested, self.pins, self.history = asked.requested, asked.pins, asked.history
        self.modifier = asked.modifier
        self.python_pin = asked.python_pin
        self.fresh = set(asked.kept_fresh)
        if self.modifier == "update-all":
            self.fresh.update(name for name in self.installed if name != "python" and name not in self.pins)
        self.protected = {*self.history, *asked.aggressive_updates, *self.pins, *DO_NOT_REMOVE} & self.installed.keys()
        self.python_might_move = self._python_might_move()

    def jobs(self, name: str) -> Iterator[Job]:
        """The jobs of one name."""
        present, pin, free = self.installed.get(name), self.pins.get(name), name in self.conflicts
        if name in self.protected and not free:
            yield Keep(name)
        pinned = pin is not None and not spec_is_bare(pin)
        if pin is not None and pinned:
            yield Pin(pin)
        if name in self.requested:
            # The pin is asked for again under a bare name: a failure then says what stands against it.
            spec = pin if pin is not None and pinned and spec_is_bare(self.requested[name]) else self.requested[name]
            yield Update(spec) if present else Install(spec)
            if present and (name not in self.protected or free):
                yield Keep(name)
        elif name in self.fresh:
            yield Update(name)
        elif name == "python" and present and pin is None and self.python_pin:
            yield Pin(self.python_pin)
        elif name in self.history:
            yield Install(_loosened(self.history[name]) if free else self.history[name])
        elif present and not free and self._frozen(present, pin):
            yield Freeze(name)

    def _frozen(self, record: PackageRecord, pin: str | None) -> bool:
        """Whether an installed package that nobody asks for has to stay the build it is.

        Where python might move, what is bound to it is let go at once: else each such package would cost an attempt.
        """
        if self.python_might_move and record.noarch is None:
            bound = any(dependency_name(spec) in {"python", "python_abi"} for spec in record.depends)
            if bound:
                return False
        return self.modifier == "freeze-installed" or pin is not None

    def _python_might_move(self) -> bool:
        python = self.installed.get("python")
        spec = self.requested.get("python") or self.pins.get("python") or self.history.get("python")
        return python is not None and spec is not None and matches(spec, python) is False


def _loosened(spec: str) -> str:
    """A history spec that conflicts, if it names a build: the version stays, and may have more after it."""
    if strictness(spec) < _TO_THE_BUILD:
        return spec
    name, version = spec_name(spec), spec_version(spec) or ""
    if not version or version == "*":
        return name
    # `name 1.2 build` and `name=1.2=build` name a version, which may get more after it; only `==` means it exactly.
    plain = version.lstrip("=").removesuffix(".*")
    if "==" in spec:
        return f"{name} {plain}"
    return f"{name} {version}" if version.startswith(("!=", ">", "<")) else f"{name} {plain}.*"
