"""The rows about environments, objects and starting: what is read of prefixes, beside the least that could be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Command, Measured, Run, alone, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.rows import Bench

TOP = Path(__file__).parents[2]
ENVIRONMENTS = (1, 10, 100, 1000)
OBJECTS = (100, 1000, 10_000)
_REPORTED = frozenset({0, 10, 20, 30, 40})


def environments(bench: Bench) -> list[Measured]:
    """Reading every environment of the installation, beside reading the bytes of their conda-meta."""
    root, home, cache = str(bench.world.root), str(bench.world.work / "home"), bench.world.work / "prefixes"
    raw = partial(_inside, "raw-read", root)
    found = _pairs(bench, "what `planner envs` reads", partial(_inside, "envs", root, home), "raw read", raw)
    name = "what a question loads"
    alone = _cleared(cache, partial(_inside, "once:load", root, ""))
    found += _pairs(bench, f"{name}, no cache, one process", alone, "raw read", raw)
    # Where a cache is to be filled, a second process reads as well.
    two = partial(_inside, "raw-read", root, "2")
    filling = _cleared(cache, partial(_inside, "once:load", root, str(cache)))
    found += _pairs(bench, f"{name}, cache to be filled", filling, "raw read, two processes", two)
    return found + _pairs(bench, f"{name}, warm", partial(_inside, "load", root, str(cache)), "raw read", raw)


def growth_of_environments(bench: Bench) -> list[Measured]:
    """Installations of more and more environments, which are links to those of the benchmark's own."""
    found: list[Measured] = []
    for number in ENVIRONMENTS:
        root = _installation(bench, number)
        cache, home = bench.world.work / f"prefixes-{number}", str(bench.world.work / "home")
        raw = partial(_inside, "raw-read", str(root))
        rows = _pairs(bench, f"{number:,} listed", partial(_inside, "envs", str(root), home), "raw read", raw)
        rows += _pairs(
            bench, f"{number:,} loaded, warm", partial(_inside, "load", str(root), str(cache)), "raw read", raw
        )
        found += [replace(item, amount=number) for item in rows]
    return found


def objects(bench: Bench) -> list[Measured]:
    """Reading ELF objects, beside pyelftools on the same ones; `PLANNER_BENCH_OBJECTS` names a folder of them."""
    found: list[Measured] = []
    there = list(_objects_at_hand())
    for number in OBJECTS:
        listed = bench.world.work / f"objects-{number}"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(there[at % len(there)] for at in range(number)), encoding="utf-8")
        rows = _pairs(
            bench,
            f"{number:,} objects",
            partial(_inside, "elf", str(listed)),
            "pyelftools",
            partial(_inside, "pyelftools", str(listed)),
        )
        found += [replace(item, amount=number) for item in rows]
    return found


def start(bench: Bench) -> list[Measured]:
    """Whole processes: the help beside a python that does nothing, and the demo."""
    env = {"PATH": os.environ["PATH"], "HOME": str(bench.world.work / "home"), "PYTHONPATH": str(TOP)}
    planner = [sys.executable, "-m", "cli"]
    bench.say("starting")
    nothing = Command("python -c pass", [sys.executable, "-c", "pass"], env)
    found = list(paired(Command("planner --help", [*planner, "--help"], env), nothing, 2 * bench.runs))
    return [*found, alone(Command("planner demo", [*planner, "demo", "-q"], env, good=_REPORTED), bench.runs)]


def _pairs(bench: Bench, name: str, one: Callable[[], Run], peer: str, other: Callable[[], Run]) -> list[Measured]:
    bench.say(f"{name} beside {peer}")
    one(), other()
    pairs = tuple((one(), other()) for _ in range(bench.runs))
    return [
        Measured(name, tuple(left for left, _ in pairs), peer, pairs),
        Measured(peer, tuple(right for _, right in pairs)),
    ]


def _inside(job: str, *arguments: str) -> Run:
    """A job in a process of its own, by its own account of time; the memory is the process's."""
    argv = [sys.executable, "-m", "tests.bench.inside", job, *arguments]
    done = subprocess.run(argv, cwd=TOP, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"{job} ended with {done.returncode}")
    told = json.loads(done.stdout)
    return Run(told["wall"], told["cpu"], told["peak"])


def _cleared(folder: Path, job: Callable[[], Run]) -> Callable[[], Run]:
    def run() -> Run:
        shutil.rmtree(folder, ignore_errors=True)
        return job()

    return run


def _installation(bench: Bench, number: int) -> Path:
    """An installation of so many environments, base among them: their conda-meta are links to the world's."""
    root = bench.world.folder / f"environments-{bench.world.records}-{number}"
    if not (root / "whole").exists():
        bench.say(f"making an installation of {number} environments")
        shutil.rmtree(root, ignore_errors=True)
        own = [bench.world.root, *sorted((bench.world.root / "envs").iterdir())]
        for at in range(number):
            prefix = root / "envs" / f"e{at:04}" if at else root
            shutil.copytree(own[at % len(own)] / "conda-meta", prefix / "conda-meta", copy_function=os.link)
        (root / "whole").touch()
    return root


def _objects_at_hand() -> Iterator[str]:
    given = os.environ.get("PLANNER_BENCH_OBJECTS")
    folders = [given] if given else [sysconfig.get_path("platlib"), sysconfig.get_path("stdlib"), "/usr/lib"]
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if ".so" in name and not os.path.islink(path) and _is_object(path):
                    yield path


def _is_object(path: str) -> bool:
    """Whether it is an ELF object with a table of sections, without which pyelftools finds nothing."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return head[:5] == b"\x7fELF\x02" and any(head[40:48])


PARTS: dict[str, Callable[[Bench], list[Measured]]] = {
    "environments": environments,
    "growth-of-environments": growth_of_environments,
    "objects": objects,
    "start": start,
}
TITLES = {
    "environments": "## Environments\n\nWithin a process, start and imports aside. A raw read is every byte of every conda-meta.",
    "growth-of-environments": "## Growth: environments\n\nInstallations of 1 to 1,000 environments, the same ones again and again, within a process.",
    "objects": "## Objects\n\nELF objects read within a process, beside pyelftools reading the same facts of the same files.",
    "start": "## Start\n\nWhole processes.",
}
