"""`planner envs`, as a report for readers and as a document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.render.blocks import Bullets, Paragraph, ReportView, Section, Table
from planner.render.groups import plural
from planner.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.inventory import EnvironmentRow, Inventory
    from planner.model.installed import LoadProblem
    from planner.render.blocks import Block

FORMAT = "conda-environments"
_SHOWN = 12  # leaks of one environment that a reader is shown
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def build_view(inventory: Inventory) -> ReportView:
    """The table, then what leaks into and out of each environment, then what could not be read."""
    rows = inventory.environments
    roots = {row.root for row in rows}
    headline = f"{plural(len(rows), 'environment')} in {plural(len(roots), 'installation')}"
    if inventory.total_size is not None:
        headline += f", {size(inventory.total_size)} on disk (what they share counted once)"
    table = Table(
        ("Name", "Python", "torch", "CUDA", "cuDNN", "conda", "pip", "Size", "Changed", "State", "Prefix"),
        tuple(_cells(row) for row in rows),
        short=len(rows),
        below=10,
    )
    blocks: list[Block] = [table]
    if inventory.total_size is None:
        blocks.append(
            Paragraph("Sizes were not measured: there are too many files to do so unasked; --sizes does.", "dim")
        )
    sections = [Section("environments", "Environments", tuple(blocks)), _leaks(rows), _unread(rows, inventory.problems)]
    return ReportView(
        f"Environments of {inventory.root}",
        "",
        headline,
        "plain",
        tuple(section for section in sections if section is not None),
    )


def _cells(row: EnvironmentRow) -> tuple[str, ...]:
    torch = "" if row.torch is None else f"{row.torch} ({row.torch_cuda or 'CUDA not known'})"
    state = [*(["frozen"] if row.frozen else []), *(["pinned"] if row.pinned else [])]
    leaks = [*(["in"] if row.leaks_in else []), *(["out"] if row.leaks_out else [])]
    state += [f"leaks {' and '.join(leaks)}"] if leaks else []
    return (
        row.name,
        row.python or "none",
        torch,
        row.cuda or "",
        row.cudnn or "",
        str(row.packages),
        str(row.pip_packages),
        "" if row.size is None else size(row.size),
        (row.changed or "").partition("T")[0],
        ", ".join(state),
        row.prefix,
    )


def _leaks(rows: Sequence[EnvironmentRow]) -> Section:
    blocks: list[Block] = []
    for row in rows:
        if row.leaks_in:
            blocks.append(Bullets(_some(row.leaks_in), f"Into {row.name}"))
        if row.leaks_out:
            blocks.append(Bullets(_some(row.leaks_out), f"Out of {row.name}: it is referred to by"))
    if not blocks:
        blocks.append(
            Paragraph("Nothing was found that leads from one environment into another, or into one from outside.")
        )
    return Section("leaks", "What leaks in and out", tuple(blocks))


def _some(items: Sequence[str]) -> tuple[str, ...]:
    left = len(items) - _SHOWN
    return (*items[:_SHOWN], *([f"and {left} more: --format json has them all"] if left > 0 else []))


def _unread(rows: Sequence[EnvironmentRow], problems: Sequence[LoadProblem]) -> Section | None:
    every = [*(problem for row in rows for problem in row.problems), *problems]
    told = tuple(f"{problem.path}: {problem.what}; {problem.consequence}" for problem in every)
    return Section("unknown", "What could not be read", (Bullets(_some(told)),)) if told else None


def size(number: int) -> str:
    """`4.3 GB`, in powers of 1000."""
    value = float(number)
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit in {"B", "kB"} else f"{value:.1f} {unit}"
        value /= _STEP
    raise AssertionError


def dumps(inventory: Inventory) -> str:
    """The document: sorted keys, one line feed at the end."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": 1,
        "planner_version": __version__,
        "root": inventory.root,
        "total_size": inventory.total_size,
        "environments": [_row(row) for row in inventory.environments],
        "problems": [_problem(problem) for problem in inventory.problems],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _row(row: EnvironmentRow) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in row.__struct_fields__ if name != "problems"}
    return plain | {"problems": [_problem(problem) for problem in row.problems]}


def _problem(problem: LoadProblem) -> dict[str, str]:
    return {"path": problem.path, "what": problem.what, "consequence": problem.consequence}
