"""The report for a screen of 80 columns and more, by rich.

Imported only when a report is printed: rich costs start-up time. Texts reach rich as `Text`, never as its markup, and
after `visible`, so that nothing from outside can style the report or drive the terminal. Long tables are shortened
here and say so; prose is kept to a width that can be read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from planner.render.blocks import Bullets, Commands, Facts, Figure, Form, Heading, Lines, Paragraph, Table
from planner.render.escape import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from planner.render.blocks import Block, ReportView, Tone

NARROWEST = 40
_ITEMS = 24  # of a list
_PROSE = 110
_GAP = 2
_BLANK = 24  # columns to write on
_READABLE = 45  # columns that a long text needs beside others
_STYLES: dict[Tone, str] = {
    "plain": "",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "unknown": "magenta",
    "dim": "dim",
}


def render(view: ReportView, *, width: int, colour: bool) -> str:
    """The whole report, no line wider than `width` columns (at least `NARROWEST`), ending in one line feed."""
    width = max(width, NARROWEST)
    screen = _Screen(width, colour=colour)
    screen.show(_text(view.title, "bold"))
    screen.gap()
    screen.show(_text(view.headline, f"bold {_STYLES[view.tone]}"), prose=True)
    for section in view.sections:
        screen.gap()
        screen.show(_text(section.heading.upper(), "bold"))
        screen.show(_text("─" * min(width, _PROSE), "dim"))
        previous: Block | None = None
        for block in section.blocks:
            if isinstance(block, Figure):  # its content is in the words as well
                continue
            if _apart(previous, block):
                screen.gap()
            _block(screen, block)
            previous = block
    return screen.result()


def _apart(previous: Block | None, block: Block) -> bool:
    """Whether an empty line stands between two blocks: not under a heading, nor between a step's commands."""
    if isinstance(previous, Heading):
        return isinstance(block, Heading)
    return previous is not None and not (isinstance(previous, Commands) and isinstance(block, Commands))


class _Screen:
    """A rich console that writes to a string, whatever the real terminal and its variables are."""

    def __init__(self, width: int, *, colour: bool) -> None:
        self.width = width
        self._prose = min(width, _PROSE)
        self._out = io.StringIO()
        self._console = Console(
            file=self._out,
            width=width,
            color_system="standard" if colour else None,
            force_terminal=colour,
            no_color=not colour,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )

    def show(self, what: RenderableType, *, prose: bool = False) -> None:
        self._console.print(what, width=self._prose if prose else self.width, overflow="fold")

    def gap(self) -> None:
        self._console.print()

    def result(self) -> str:
        return "\n".join(line.rstrip() for line in self._out.getvalue().rstrip().split("\n")) + "\n"


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style, overflow="fold")


def _indented(text: Text, by: int = 2) -> Padding:
    return Padding(text, (0, 0, 0, by))


def _block(screen: _Screen, block: Block) -> None:  # noqa: C901 -- one case per kind of block, none nested
    match block:
        case Heading(text, tone):
            screen.show(_text(text, f"bold {_STYLES[tone]}".strip()), prose=True)
        case Paragraph(text, tone):
            screen.show(_text(text, _STYLES[tone]), prose=True)
        case Facts(pairs):
            screen.show(_facts(pairs), prose=True)
        case Form(labels):
            screen.show(_facts(tuple((label, "_" * _BLANK) for label in labels)), prose=True)
        case Bullets(items, label):
            _label(screen, label)
            screen.show(_bullets(items[:_ITEMS]), prose=True)
            _left(screen, len(items) - _ITEMS, "like these")
        case Table():
            _table(screen, block)
        case Commands(label, commands, continuation):
            _label(screen, label)
            for command in commands:
                for line in _command_lines(command, continuation, screen.width - 4):
                    screen.show(_indented(Text(line, overflow="fold"), 4))
        case Lines(text, short):
            lines = visible_lines(text)
            for line in lines[:short]:
                screen.show(_indented(Text(line, overflow="fold")))
            _left(screen, len(lines) - short, "lines")


def _label(screen: _Screen, label: str) -> None:
    if label:
        screen.show(_text(f"{label}:"), prose=True)


def _left(screen: _Screen, number: int, what: str) -> None:
    if number > 0:
        screen.show(_text(f"... and {number} more {what}: --format markdown or json has them all", "dim"))


def _facts(pairs: Sequence[tuple[str, str]]) -> Grid:
    grid = Grid.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, value in pairs:
        grid.add_row(_text(label), _text(value))
    return grid


def _bullets(items: Sequence[str]) -> Grid:
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, width=3)
    grid.add_column(overflow="fold")
    for item in items:
        grid.add_row(Text("  -"), _text(item))
    return grid


def _table(screen: _Screen, table: Table) -> None:
    rows = [tuple(visible(cell) for cell in row) for row in table.rows[: table.short]]
    widths = [max(cell_len(cell) for cell in column) for column in zip(table.headers, *rows, strict=True)]
    if table.below is not None and _room(widths, table.below, screen.width) < _wanted(rows, table.below):
        _stacked(screen, table.headers, rows, widths, table.below)
    else:
        grid = _grid(table.headers)
        for row in rows:
            grid.add_row(*(Text(cell, overflow="fold") for cell in row))
        screen.show(grid)
    _left(screen, len(table.rows) - table.short, "rows")


def _wanted(rows: Sequence[tuple[str, ...]], column: int) -> int:
    """The width in which a column of text can be read: no path in it broken, nor lines too short."""
    longest = max((cell_len(row[column]) for row in rows), default=0)
    words = max((cell_len(word) for row in rows for word in row[column].split()), default=0)
    return min(longest, max(words, _READABLE))


def _room(widths: Sequence[int], below: int, width: int) -> int:
    """What the other columns leave of the width."""
    return width - sum(size + _GAP + 1 for index, size in enumerate(widths) if index != below)


def _grid(headers: Sequence[str], widths: Sequence[int] = (), *, show_header: bool = True) -> Grid:
    grid = Grid(
        box=box.SIMPLE_HEAD if show_header and not widths else None,
        pad_edge=False,
        show_edge=False,
        show_header=show_header,
        header_style="bold",
        padding=(0, _GAP, 0, 0),
    )
    for index, header in enumerate(headers):
        width = widths[index] if widths else None
        grid.add_column(_text(header), overflow="fold", width=width, min_width=None if width else 4)
    return grid


def _stacked(
    screen: _Screen, headers: Sequence[str], rows: Sequence[tuple[str, ...]], widths: Sequence[int], below: int
) -> None:
    """Each row on its own, and the long column under it: five columns do not fit into 80."""
    kept = [index for index in range(len(headers)) if index != below]
    fitted = _fit([widths[index] for index in kept], screen.width - _GAP * len(kept))
    head = _grid([headers[index] for index in kept], fitted)
    screen.show(head)
    screen.show(_text("─" * (sum(fitted) + _GAP * (len(kept) - 1)), "dim"))
    for row in rows:
        grid = _grid([headers[index] for index in kept], fitted, show_header=False)
        grid.add_row(*(Text(row[index], overflow="fold") for index in kept))
        screen.show(grid)
        if row[below]:
            screen.show(Padding(Text(row[below], style="dim", overflow="fold"), (0, 0, 0, 4)), prose=True)


def _fit(widths: Sequence[int], room: int) -> list[int]:
    """Column widths that fill no more than `room`: the widest gives way first."""
    fitted = list(widths)
    while sum(fitted) > room and max(fitted) > 1:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _command_lines(command: Sequence[str], continuation: str, room: int) -> list[str]:
    """A command broken between words, each line but the last ending so that the shell reads on."""
    lines: list[str] = []
    line = ""
    for word in map(visible, command):
        if line and cell_len(line) + 1 + cell_len(word) + 2 > room:
            lines.append(f"{line} {continuation}")
            line = f"  {word}"
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
