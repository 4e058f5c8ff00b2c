"""docs/performance.md: the figures with their ratios and spreads, the day, and the machine without its name or paths."""

from __future__ import annotations

import os
import platform
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.bench import prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.kept import Equality, Results, Setting
    from tests.bench.measure import Measured

BY_HAND = "<!-- What follows is written by hand. -->"

_INTRO = """# Performance

Written by `make bench`, last on {date}: {machine}. The channel is generated ([how](../tests/bench/README.md)): {records:,}
records, and an installation of {environments} environments out of it. {peer}

Each row is a whole process, from start to exit, where nothing else is said. A ratio is taken pair by pair, both sides run in
turn, {runs} times after one that does not count; behind it stand the least and the most. Memory is the most that the process
and all it started held at one time, pages of shared libraries counted once for each, in a run that is not timed.
"""
_PEER = "The peer is mamba {} asked for a dry run over an HTTP cache on loopback, since it keeps no cache of a `file://` channel."
_CONDA = " Beside it stands conda {}, asked likewise."
_NO_PEER = "mamba was not at hand."
_TITLES = {
    "whole-answer": "## The whole answer\n\nmamba solves and prints; the planner solves twice, reads every environment, judges and writes its report.",
    "growth": "## Growth\n\nThe same question of channels of growing size, with an installation of three environments.",
    **prefixes.TITLES,
}


def page(results: Results) -> str:
    """The page as Markdown. What was not measured with the newest part says when and where it was."""
    settings = [part.setting for part in results.parts.values()]
    settings += [results.equality.setting] if results.equality else []
    if not settings:
        return "# Performance\n\nNothing was measured yet.\n\n"
    newest = max(settings, key=lambda setting: setting.date)
    mamba = newest.mamba or next((setting.mamba for setting in settings if setting.mamba), None)
    conda = newest.conda or next((setting.conda for setting in settings if setting.conda), None)
    peers = (_PEER.format(mamba) if mamba else _NO_PEER) + (_CONDA.format(conda) if conda else "")
    lines = [_INTRO.format(**msgspec.structs.asdict(newest), peer=peers)]
    for name, title in _TITLES.items():
        part = results.parts.get(name)
        if part is not None:
            lines += [title, "", *_measured_at(part.setting, newest), *_table(part.rows), ""]
    if results.equality is not None:
        lines += _equality(results.equality, newest)
    return "\n".join(lines) + "\n"


def _measured_at(setting: Setting, newest: Setting) -> list[str]:
    if (setting.date, setting.machine, setting.runs) == (newest.date, newest.machine, newest.runs):
        return []
    where = f" on {setting.machine}" if setting.machine != newest.machine else ""
    return [f"Measured on {setting.date}{where}, {setting.runs} times.", ""]


def _table(measured: Sequence[Measured]) -> list[str]:
    grows = any(item.amount for item in measured)
    heads = ["", "seconds", "processor", "MB", "of the peer's time", "of its memory"]
    heads += ["beside the smallest"] if grows else []
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    smallest: dict[str, Measured] = {}
    for item in measured:
        low, high = item.spread("wall")
        digits = 2 if item.median("wall") >= 1 else 3
        cells = [
            item.name,
            f"{item.median('wall'):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})",
            f"{item.median('cpu'):.{digits}f}",
            f"{item.median('peak'):.0f}",
        ]
        cells += [_ratio(item, "wall"), _ratio(item, "peak")] if item.pairs else ["", ""]
        if grows:
            first = smallest.setdefault(re.sub(r"[\d,]+", "", item.name), item)
            cells.append(_growth(first, item) if item is not first else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _growth(first: Measured, item: Measured) -> str:
    """How many times as much there was, and what it took."""
    seconds, memory = (item.median(of) / first.median(of) for of in ("wall", "peak"))
    return f"{item.amount / first.amount:,.0f} x: {seconds:,.1f} x the seconds, {memory:.1f} x the memory"


def _equality(equality: Equality, newest: Setting) -> list[str]:
    lines = [
        "## Equal answers",
        "",
        "Each environment asked for the next python: on the whole channel, on what it reaches, without the builds for other",
        "pythons where the engine is pruned for, and so with everything from a filled cache. The seconds are those of one solve.",
        "",
        *_measured_at(equality.setting, newest),
        "| engine | environments | equal | different | seconds: median of each way |",
        "|---|---|---|---|---|",
    ]
    for engine in dict.fromkeys(item.engine for item in equality.compared):
        found = [item for item in equality.compared if item.engine == engine]
        different = ", ".join(sorted(item.environment for item in found if not item.equal)) or "none"
        ways = dict.fromkeys(way for item in found for way in item.seconds)
        medians = {way: statistics.median(item.seconds[way] for item in found if way in item.seconds) for way in ways}
        seconds = ", ".join(f"{way} {median:.2f}" for way, median in medians.items())
        lines.append(f"| {engine} | {len(found)} | {sum(item.equal for item in found)} | {different} | {seconds} |")
    return [*lines, ""]


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
