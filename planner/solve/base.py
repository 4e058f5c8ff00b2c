"""The one protocol behind which engines sit.

An engine takes a `SolveRequest` and answers with the records that would be there afterwards, or says that there is no
such environment. It knows nothing of environments, history or command lines: what conda or mamba would ask is built
in `planner.solve.jobs`. Nothing of an engine's own types leaves its module, and only faults raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from planner.model.solve import Job, SolveOutcome, SolveRequest, SolverInfo


class Solver(Protocol):
    """What an engine is to the rest of the program."""

    @property
    def info(self) -> SolverInfo:
        """Name, version, mode and fidelity, as the plan records them."""
        ...

    @property
    def capabilities(self) -> frozenset[type[Job]]:
        """The kinds of job whose meaning in libmamba this engine honours exactly."""
        ...

    def solve(self, request: SolveRequest) -> SolveOutcome:
        """Answer one request. Raises `planner.errors.SolverFailed` when the engine breaks, and `BadSpec`."""
        ...
