"""What a migration's steps are written from: the two environments, the tool, and where programs lie."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.belongings import NOTHING_ELSE, Belongings
from planner.errors import BadSpec
from planner.versions import matches, spec_name

if TYPE_CHECKING:
    from planner.model.installed import Environment, PackageRecord
    from planner.model.plan import Argv
    from planner.model.solve import Solution
    from planner.pip_layer import PipLayer


class Tool(Struct, frozen=True):
    """The program that makes environments here: its name, how it is called, and which hash its locks may hold."""

    name: str
    path: str
    sha256: bool


class Move(Struct, frozen=True):
    """All that the steps are written from.

    `again` are the options before and behind `planner what-if` that ask another question of the same installation, channels
    and host. `specs` is what the new environment was asked to have, `solution` what it gets. `root_python` is None where
    base has no python. `fresh` says that there is no old environment: `old` is the new one, before it is made.
    """

    old: Environment
    is_base: bool
    name: str
    prefix: str
    subdir: str
    specs: tuple[str, ...]
    solution: Solution
    pip: PipLayer
    root: str
    root_python: str | None
    tool: Tool
    belongings: Belongings = NOTHING_ELSE
    fresh: bool = False
    again: tuple[Argv, Argv] = ((), ())

    @property
    def pins(self) -> tuple[str, ...]:
        """The old environment's pins that the new one meets."""
        return tuple(pin for pin in self.old.pins if _holds(pin, self.solution))

    @property
    def windows(self) -> bool:
        """Whether the new environment is laid out as on Windows."""
        return self.subdir.startswith("win-")

    def record(self, name: str) -> PackageRecord | None:
        """The record of that name in the new environment."""
        return next((record for record in self.solution.records if record.name == name), None)

    def python(self, *arguments: str) -> Argv:
        """A command of the new environment's python."""
        return (in_prefix(self.prefix, "python", windows=self.windows), *arguments)


def removal(move: Move, prefix: str) -> Argv:
    """The command that removes an environment."""
    return (move.tool.path, "env", "remove", "--yes", "--prefix", prefix)


def in_prefix(prefix: str, program: str, *, windows: bool) -> str:
    """Where an environment has a program."""
    if not windows:
        return join(prefix, "bin", program)
    return join(prefix, "python.exe") if program == "python" else join(prefix, "Scripts", f"{program}.exe")


def join(root: str, *parts: str) -> str:
    """A path below `root`, whose own form tells the separator: plans are also made for other machines."""
    separator = "\\" if "\\" in root or re.match(r"^[A-Za-z]:", root) else "/"
    return separator.join((root.rstrip("\\/"), *parts))


def count(number: int, noun: str) -> str:
    """`1 package`, `2 packages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _holds(pin: str, solution: Solution) -> bool:
    """Whether a pin can be read and nothing in the new environment breaks it."""
    try:
        name = spec_name(pin)
        return all(matches(pin, record) for record in solution.records if record.name == name)
    except BadSpec:
        return False
