"""What can go wrong, sorted by who can do something about it.

    PlannerError
    ├── InputError            the user's: a prefix, spec, file or option that cannot be used  -> exit 2
    │   ├── BadSpec           a package spec that does not parse
    │   ├── ChannelError      a channel that is not there, or whose repodata cannot be read
    │   ├── SolverUnavailable an engine that was asked for and cannot be had: none there, or a wrong version
    │   └── StalePlan         a plan that was made for another state than this one
    ├── MigrationStopped      a step of a migration failed; what was done is on record     -> exit 20
    └── SolverFailed          an engine broke: our failure                                     -> exit 1
        ├── SolverCrashed     its process ended without an answer
        ├── SolverTimedOut    it gave none in the time allowed
        └── SolverRefused     it calls the request a bad one, or answers what nobody can read

An unsolvable request is no error: it is a `planner.model.solve.Unsolvable`. A record that cannot be read is none either:
it is a `planner.model.installed.LoadProblem` of its environment, so that one bad file never stops the rest.
"""

from __future__ import annotations

from planner.credentials import masked


class PlannerError(Exception):
    """Anything the planner raises on purpose; `str()` of it is one message a person can act on."""

    exit_code = 1


class InputError(PlannerError):
    """Something the user gave cannot be used; the message names it, says why, and what to do next."""

    exit_code = 2


class BadSpec(InputError):  # noqa: N818 -- named for what it is, as conda names InvalidMatchSpec
    """A package spec that does not parse."""

    def __init__(self, spec: str, reason: str) -> None:
        super().__init__(spec, reason)
        self.spec = spec
        self.reason = reason

    def __str__(self) -> str:
        return masked(f"the spec {self.spec!r} cannot be read: {self.reason}")


class ChannelError(InputError):
    """A channel that is not there or cannot be read; the message names the channel and the place."""


class SolverUnavailable(InputError):  # noqa: N818 -- reads as what it says
    """An engine that was asked for cannot be had; the message says where it was looked for and what is wrong there."""


class StalePlan(InputError):  # noqa: N818 -- reads as what it says
    """A plan that cannot be carried out here any more, or never could; the message says what is different."""


class MigrationStopped(PlannerError):  # noqa: N818 -- reads as what it says
    """A step of a migration failed; the message says which, why, and what to do next. It can be resumed or undone."""

    exit_code = 20


class SolverFailed(PlannerError):  # noqa: N818 -- as above
    """An engine broke: it crashed, timed out, or answered what nobody can read."""


class SolverCrashed(SolverFailed):
    """The engine's process ended without an answer."""


class SolverTimedOut(SolverFailed):
    """The engine gave no answer in the time allowed."""


class SolverRefused(SolverFailed):
    """The engine calls the request a bad one, or its answer cannot be read."""
