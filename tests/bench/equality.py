"""Whether answers are those of the whole channel: every environment, asked on the channel, on what it reaches, pruned, and
with everything taken from a filled cache.

rattler is never pruned for: of it, what is reached and what is pruned are one.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING

from planner import channels, discover, load
from planner.cache import NO_CACHE, Cache
from planner.model.installed import Environment, VirtualPackage
from planner.model.solve import Install, Repodata, Solution, SolveRequest
from planner.solve.closure import Closure
from planner.solve.libmamba import LibmambaSolver
from planner.solve.rattler import RattlerSolver
from planner.solve.worker_process import WorkerProcess
from planner.versions import minor
from tests.bench.installation import URL
from tests.bench.kept import Compared
from tests.bench.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from planner.model.solve import SolveOutcome
    from planner.solve.base import Solver

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


WAYS: dict[str, Callable[[Cache], Closure]] = {
    "cached": lambda kept: Closure(kept=kept),
    "pruned": lambda _: Closure(),
    "closure": lambda _: Unpruned(),
    "whole": lambda _: Closure(whole=True),
}


def ways(engine: str) -> tuple[str, ...]:
    """The ways that are different for an engine."""
    return tuple(way for way in WAYS if engine == "libmamba" or way != "pruned")


def answers(
    world: World, engine: str, python: str | None, number: int, asked: Sequence[str]
) -> tuple[str, dict[str, SolveOutcome], dict[str, float]]:
    """The name of an environment, what each way answers of it, and the seconds of each way's solve.

    `python` is the interpreter that has libmambapy. Only "cached" takes anything from a cache, which is filled before.
    """
    name, prefix = discover.environment_prefixes(str(world.root))[number]
    found: dict[str, SolveOutcome] = {}
    seconds: dict[str, float] = {}
    filled = Cache(str(world.work / "equality"))
    load.load_environment(name, prefix, kept=filled)
    for kept, some in ((filled, ("cached",)), (NO_CACHE, ("pruned", "closure", "whole"))):
        present = request(load.load_environment(name, prefix, kept=kept), _opened(world, kept))
        for way in some:
            if way in asked:
                WAYS[way](kept).prune(present)  # whoever asks again with a cache finds what was cut out
                solver = _solver(engine, python, WAYS[way](kept))
                start = time.perf_counter()
                found[way] = solver.solve(present)
                seconds[way] = time.perf_counter() - start
    return name, found, seconds


def compare(world: World, engine: str, python: str | None, number: int, asked: Sequence[str] | None = None) -> Compared:
    """One environment, in every way that is different for an engine: whether all come to the same records, or to none."""
    name, found, seconds = answers(world, engine, python, number, asked or ways(engine))
    outcomes = [answer.records if isinstance(answer, Solution) else None for answer in found.values()]
    return Compared(name, engine, all(item == outcomes[0] for item in outcomes), seconds)


def compare_all(
    world: World,
    engines: Iterable[str],
    python: str | None,
    say: Callable[[str], None],
    *,
    known: Iterable[Compared] = (),
    most: int | None = None,
    processes: int = 1,
) -> Iterator[Compared]:
    """Every environment, or the first `most`, with every engine; those that are `known` are not asked again.

    Each is handed out as soon as it is there.
    """
    names = [name for name, _ in discover.environment_prefixes(str(world.root))][:most]
    done = {(item.engine, item.environment) for item in known}
    left = [(engine, number) for engine in engines for number, name in enumerate(names) if (engine, name) not in done]
    _opened(world, Cache(str(world.work / "equality")))
    plain = (world.folder, world.records, world.environments, world.packages)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(_compared, plain, engine, python, number) for engine, number in left]
        for at, future in enumerate(as_completed(waiting), start=1):
            item = future.result()
            took = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in item.seconds.items())
            equal = "equal" if item.equal else "DIFFERENT"
            say(f"{at} of {len(left)}: {item.environment}, {item.engine}: {equal} ({took})")
            yield item


def _compared(plain: tuple[Path, int, int, int], engine: str, python: str | None, number: int) -> Compared:
    """What a process for comparing does."""
    folder, records, environments, packages = plain
    return compare(World(folder, records, environments, packages=packages), engine, python, number)


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


def _opened(world: World, kept: Cache) -> tuple[Repodata, ...]:
    return channels.open_channels(
        [URL],
        "linux-64",
        mirrors=[(URL, str(world.channel))],
        offline=True,
        cache_dir=str(world.work / "cache"),
        cache=kept,
    )


def _solver(engine: str, python: str | None, closure: Closure) -> Solver:
    if engine == "rattler":
        return RattlerSolver(closure=closure)
    if python is None:
        raise ValueError("libmamba needs an interpreter that has libmambapy")
    return LibmambaSolver(WorkerProcess(python), python, "the benchmark", closure=closure)
