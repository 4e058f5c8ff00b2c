"""Whether answers are those of the whole channel: every environment, asked on the channel, on what it reaches, and pruned.

rattler is never pruned for: of it, the first two of these are one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner import channels, discover, load
from planner.model import Environment, Install, Repodata, Solution, SolveRequest, VirtualPackage
from planner.solve.closure import Closure
from planner.solve.libmamba import LibmambaSolver
from planner.solve.rattler import RattlerSolver
from planner.solve.worker_process import WorkerProcess
from planner.versions import minor
from tests.bench.installation import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planner.model import SolveOutcome
    from planner.solve.base import Solver
    from tests.bench.world import World

_VIRTUAL = (
    VirtualPackage("__cuda", "12.6"),
    VirtualPackage("__glibc", "2.36"),
    VirtualPackage("__linux", "6.1"),
    VirtualPackage("__unix", "0"),
)


class Unpruned(Closure):
    """What a question reaches, with the builds for every python."""

    def prune(self, request: SolveRequest) -> SolveRequest | None:
        """Never."""
        del request


WAYS: dict[str, Callable[[], Closure]] = {
    "pruned": Closure,
    "closure": Unpruned,
    "whole": lambda: Closure(whole=True),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One environment asked for the next python: what each way answered, and how long it took."""

    environment: str
    engine: str
    answers: dict[str, SolveOutcome]
    seconds: dict[str, float]

    @property
    def equal(self) -> bool:
        """Whether all ways came to the same records, or all to none."""
        found = [answer.records if isinstance(answer, Solution) else None for answer in self.answers.values()]
        return all(item == found[0] for item in found)


def compare(
    world: World, engine: str, python: str | None, ways: tuple[str, ...] = tuple(WAYS), first: int = 0, most: int = 1000
) -> list[Compared]:
    """Ask an engine of every environment; `python` is the interpreter that has libmambapy."""
    repodata = channels.open_channels(
        [URL], "linux-64", mirrors=[(URL, str(world.channel))], offline=True, cache_dir=str(world.work / "cache")
    )
    found = []
    for name, prefix in list(discover.environment_prefixes(str(world.root), (), None))[first : first + most]:
        environment = load.load_environment(name, prefix)
        answers: dict[str, SolveOutcome] = {}
        seconds: dict[str, float] = {}
        for way in ways:
            solver = _solver(engine, python, WAYS[way]())
            start = time.perf_counter()
            answers[way] = solver.solve(request(environment, repodata))
            seconds[way] = time.perf_counter() - start
        found.append(Compared(name, engine, answers, seconds))
    return found


def section(world: World, engines: Iterable[str], python: str | None, say: Callable[[str], None]) -> str:
    """What comes of it over all environments, as Markdown. Those that differ are named."""
    lines = ["## Equal answers", "", "| engine | ways | environments | equal | different |", "|---|---|---|---|---|"]
    for engine in engines:
        ways = tuple(way for way in WAYS if engine == "libmamba" or way != "pruned")
        found = []
        for number in range(world.environments):
            found += compare(world, engine, python, ways, number, 1)
            say(f"{found[-1].environment}, {engine}: {'equal' if found[-1].equal else 'DIFFERENT'}")
        different = ", ".join(item.environment for item in found if not item.equal) or "none"
        lines.append(
            f"| {engine} | {', '.join(ways)} | {len(found)} | {sum(item.equal for item in found)} | {different} |"
        )
    return "\n".join([*lines, ""])


def request(environment: Environment, repodata: tuple[Repodata, ...]) -> SolveRequest:
    """The next python, and pip beside it, as mamba asks for it."""
    major, small = minor(environment.python or "3.10").split(".")
    return SolveRequest(
        installed=environment.records,
        jobs=(Install(f"python={major}.{int(small) + 1}"), Install("pip")),
        repodata=repodata,
        virtual_packages=_VIRTUAL,
        subdir="linux-64",
    )


def _solver(engine: str, python: str | None, closure: Closure) -> Solver:
    if engine == "rattler":
        return RattlerSolver(closure=closure)
    if python is None:
        raise ValueError("libmamba needs an interpreter that has libmambapy")
    return LibmambaSolver(WorkerProcess(python), python, "the benchmark", closure=closure)
