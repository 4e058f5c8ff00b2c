"""What every step of one run works with: the plan, its journal, the locks, and what the caller asked for."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.apply import commands
from planner.errors import MigrationStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.apply.guard import Here
    from planner.apply.journal import Journal
    from planner.model.plan import Argv, Migration, Plan, Step


class Wishes(Struct, frozen=True):
    """What the caller wants of this run beside what the plan says.

    `checks` are commands of the user's own for the smoke test; `launcher` runs the GPU verification elsewhere;
    `embedded` makes the environment with rattler although the plan's tool is there. `mirrors` are pairs of a channel and
    the place it is read from instead, as in a question; only rattler can be told of them.
    """

    checks: tuple[Argv, ...] = ()
    cpu_ok: bool = False
    launcher: Argv = ()
    embedded: bool = False
    mirrors: tuple[tuple[str, str], ...] = ()


class Bench(Struct, frozen=True):
    """One run. `tool` is the path of the program that makes environments, None where rattler does it."""

    plan: Plan
    migration: Migration
    journal: Journal
    here: Here
    wishes: Wishes
    tool: str | None
    locks: tuple[int, ...]
    report: Callable[[str], None]

    @property
    def prefix(self) -> str:
        """The new prefix."""
        return self.migration.prefix

    def run(
        self,
        argv: Argv,
        name: str,
        *,
        of_new: bool = False,
        cwd: str | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> commands.Ran:
        """Run a program with its log called `name`, and `more` variables.

        Raises `MigrationStopped` where the log cannot be written.
        """
        log = os.path.join(self.journal.folder, f"{name}.log")
        environ = commands.variables(self.here.environ, self.prefix, of_new=of_new) | dict(more)
        try:
            return commands.run(argv, log=log, cwd=cwd or self.journal.folder, environ=environ, inherited=self.locks)
        except OSError as error:
            raise MigrationStopped(f"{log} cannot be written: {error.strerror or error}") from None

    def all_must_pass(self, step: Step) -> None:
        """Run a step's commands and then its checks. Raises `MigrationStopped` at the first that fails."""
        for word, argvs in (("run", step.commands), ("check", step.check)):
            for number, argv in enumerate(argvs, start=1):
                of_new = argv[0].startswith(self.prefix + os.sep)
                ran = self.run(argv, f"{step.id}-{word}-{number}", of_new=of_new)
                if ran.code:
                    raise failed(ran)


def failed(ran: commands.Ran) -> MigrationStopped:
    """The error for a program that failed."""
    import shlex

    end = f"was ended by signal {-ran.code}" if ran.code < 0 else f"failed with exit code {ran.code}"
    return MigrationStopped(f"{shlex.join(ran.argv)} {end}: {ran.words} (all it said: {ran.log})")
