"""docs/performance.md: the figures with their ratios and spreads, the day, and the machine without its name or paths."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import prefixes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.measure import Measured
    from tests.bench.world import World

BY_HAND = "<!-- What follows is written by hand. -->"

_INTRO = """# Performance

Written by `make bench` on {date}: {machine}. The channel is generated ([how](../tests/bench/README.md)): {records} records,
and an installation of {environments} environments out of it. {peer}

Each row is a whole process, from start to exit. A ratio is taken pair by pair, both sides run in turn, {runs} times after
one that does not count; behind it stand the least and the most. Memory is the most that the process and all it started
held at one time, pages of shared libraries counted once for each.
"""
_TITLES = {
    "whole-answer": "## The whole answer\n\nmamba solves and prints; the planner solves twice, reads every environment, judges and writes its report.",
    "growth": "## Growth\n\nThe same question of channels of growing size, with an installation of three environments.",
    **prefixes.TITLES,
}


def page(
    parts: Mapping[str, Sequence[Measured]],
    world: World,
    date: str,
    machine_text: str,
    mamba_version: str | None,
    runs: int,
) -> str:
    """The page as Markdown."""
    peer = (
        f"The peer is mamba {mamba_version} asked for a dry run over an HTTP cache on loopback, since it keeps no cache "
        "of a `file://` channel."
        if mamba_version
        else "mamba was not at hand."
    )
    lines = [
        _INTRO.format(
            date=date,
            machine=machine_text,
            records=f"{world.records:,}",
            environments=world.environments,
            peer=peer,
            runs=runs,
        )
    ]
    for name, measured in parts.items():
        lines += [_TITLES[name], "", *_table(measured), ""]
    return "\n".join(lines)


def _table(measured: Sequence[Measured]) -> list[str]:
    lines = ["| | seconds | processor | MB | of the peer's time | of its memory |", "|---|---|---|---|---|---|"]
    for item in measured:
        low, high = item.spread("wall")
        cells = [item.name, f"{item.median('wall'):.2f} ({low:.2f}-{high:.2f})", f"{item.median('cpu'):.2f}"]
        cells += [f"{item.median('peak'):.0f}"]
        cells += [_ratio(item, "wall"), _ratio(item, "peak")] if item.pairs else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _ratio(item: Measured, of: str) -> str:
    median, low, high = item.ratio(of)
    return f"{median:.3f} ({low:.3f}-{high:.3f})"


def machine() -> str:
    """Processor, memory and system, and nothing that names the machine."""
    model = re.search(r"^model name\s*:\s*(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", _text("/proc/meminfo"), re.MULTILINE)
    size = f"{round(int(memory[1]) / (1 << 20))} GiB" if memory else "memory unknown"
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {size}, {platform.system()}, Python {platform.python_version()}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
