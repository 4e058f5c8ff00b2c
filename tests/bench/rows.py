"""The rows of the table: what the planner does, each beside a peer that does the same or less."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from tests.bench import prefixes
from tests.bench.installation import URL
from tests.bench.measure import Command, Measured, alone, paired
from tests.bench.peers import SPEC, Conda, Mamba, serve
from tests.bench.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SAID = frozenset({0, 10, 20, 30, 40})


@dataclass
class Bench:
    """The world that the rows run on, and the programs at hand."""

    world: World
    runs: int
    mamba: str | None
    conda: str | None
    libmamba_python: str | None
    growth: tuple[int, ...]
    say: Callable[[str], None]
    mamba_version: str | None = None
    conda_version: str | None = None
    _peers: dict[World, Mamba] = field(default_factory=dict)

    def peer(self, world: World) -> Mamba | None:
        """mamba on that world, its caches filled; None where it is not at hand."""
        if self.mamba is None:
            return None
        if world not in self._peers:
            url, _server = serve(world.channel)
            self._peers[world] = Mamba(self.mamba, url, world.root, world.work)
            self.mamba_version = self._peers[world].version
        return self._peers[world]

    def conda_peer(self) -> Conda | None:
        """conda on the world of the rows; None where it is not at hand."""
        if self.conda is None:
            return None
        url, _server = serve(self.world.channel)
        peer = Conda(self.conda, url, self.world.root, self.world.work)
        self.conda_version = peer.version
        return peer

    def planner(self, world: World, name: str, *options: str, forget: str = "") -> Command:
        """`planner what-if base python=3.11`, with a cache folder of the benchmark's own.

        What matches `forget`, a pattern below that folder, is taken out of it before each run.
        """
        cache = world.work / "cache"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(world.work / "home"),
            "XDG_CACHE_HOME": str(cache),
            "PYTHONPATH": TOP,
            **({"PLANNER_LIBMAMBA_PYTHON": self.libmamba_python} if self.libmamba_python else {}),
        }
        argv = [sys.executable, "-m", "cli", "--root", str(world.root), "what-if", "base", SPEC]
        argv += ["--override-channels", "-c", URL, "--mirror", f"{URL}={world.channel}", "--offline"]
        argv += ["--cuda", "12.6", "--glibc", "2.36", "--quiet", *options]
        return Command(name, argv, env, partial(_forget, cache, forget), _SAID)

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """The engines at hand."""
        return ("libmamba", "rattler") if self.libmamba_python else ("rattler",)


def _forget(cache: Path, pattern: str) -> None:
    for path in cache.glob(pattern) if pattern else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _row(bench: Bench, command: Command, peer: Command | None) -> list[Measured]:
    bench.say(f"{command.name}{f' beside {peer.name}' if peer else ''}")
    return list(paired(command, peer, bench.runs)) if peer else [alone(command, bench.runs)]


def whole_answer(bench: Bench) -> list[Measured]:
    """The report on base, both solves and every environment looked at, beside mamba's dry run of base alone."""
    found: list[Measured] = []
    mamba = bench.peer(bench.world)
    for engine in bench.engines:
        for tool in ("mamba", "conda"):
            options = ("--as", tool, "--solver", engine)
            command = bench.planner(bench.world, f"what-if as {tool}, {engine}, warm", *options)
            found += _row(bench, command, mamba.warm() if mamba else None)
    first, *_ = bench.engines
    options = ("--as", "mamba", "--solver", first)
    # Channels and environments are known; what was cut out of the channels for this very question is not.
    command = bench.planner(bench.world, f"what-if as mamba, {first}, first asked", *options, forget="*/entries/cut-*")
    found += _row(bench, command, mamba.warm() if mamba else None)
    conda = bench.conda_peer()
    if conda is not None and conda.answers:
        command = bench.planner(bench.world, f"what-if as conda, {first}, warm", "--as", "conda", "--solver", first)
        found += _row(bench, command, conda.warm())
    for engine in bench.engines:
        options = ("--as", "mamba", "--solver", engine)
        command = bench.planner(bench.world, f"what-if as mamba, {engine}, no cache", *options, forget="*")
        found += _row(bench, command, mamba.cold() if mamba else None)
    return found


def growth(bench: Bench) -> list[Measured]:
    """The same question of channels of growing size, the installation of few environments."""
    found: list[Measured] = []
    for records in bench.growth:
        world = World(bench.world.folder, records, 3, bench.say, 150)
        mamba = bench.peer(world)
        options = ("--as", "mamba", "--solver", bench.engines[0])
        command = bench.planner(world, f"what-if, {records:,} records", *options)
        found += [replace(item, amount=records) for item in _row(bench, command, mamba.warm() if mamba else None)]
    return found


PARTS: dict[str, Callable[[Bench], list[Measured]]] = {
    "whole-answer": whole_answer,
    "growth": growth,
    **prefixes.PARTS,
}
