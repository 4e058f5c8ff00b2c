"""The report for a screen of 80 columns and more, in plain lines with a little colour.

Texts are shown after `visible`, so that nothing from outside can style the report or drive the terminal. Long tables are
shortened here and say so; prose is kept to a width that can be read.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from planner.render.blocks import Bullets, Commands, Facts, Figure, Form, Heading, Lines, Paragraph, Table
from planner.render.columns import cells, fitted, side_by_side, wrapped
from planner.render.escape import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.render.blocks import Block, ReportView, Tone

NARROWEST = 40
_ITEMS = 24  # of a list
_PROSE = 110
_GAP = 2
_WIDE_GAP = 3  # between the columns of a table
_NARROW = 4  # columns of a table are no narrower
_BLANK = 24  # columns to write on
_READABLE = 45  # columns that a long text needs beside others
_BOLD, _DIM = "1", "2"
_COLOURS: dict[Tone, str] = {  # as SGR parameters (ECMA-48)
    "plain": "",
    "good": "32",
    "warn": "33",
    "bad": "31",
    "unknown": "35",
    "dim": _DIM,
}


def render(view: ReportView, *, width: int, colour: bool) -> str:
    """The whole report, no line wider than `width` columns (at least `NARROWEST`), ending in one line feed."""
    screen = _Screen(max(width, NARROWEST), colour=colour)
    screen.text(view.title, _BOLD)
    screen.gap()
    screen.text(view.headline, _BOLD, _COLOURS[view.tone])
    for section in view.sections:
        screen.gap()
        screen.text(section.heading.upper(), _BOLD)
        screen.text("─" * screen.prose, _DIM)
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
    """Lines of a width, whatever the real terminal and its variables are. `prose` is the width of running text."""

    def __init__(self, width: int, *, colour: bool) -> None:
        self.width = width
        self.prose = min(width, _PROSE)
        self._colour = colour
        self._lines: list[str] = []

    def text(self, text: str, *style: str, indent: int = 0, width: int = 0) -> None:
        """A text, broken to the width of prose or another one."""
        room = (width or self.prose) - indent
        self.lines((" " * indent + line for line in wrapped(visible(text), room)), *style)

    def lines(self, lines: Iterable[str], *style: str) -> None:
        """Lines that fit, and that nothing needs to be done to but colouring them."""
        self._lines += (self._styled(line, *style) for line in lines)

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Labels with their values beside them."""
        shown = [(visible(label), visible(value)) for label, value in pairs]
        first = min(max((cells(label) for label, _ in shown), default=0), self.prose // 2)
        for label, value in shown:
            beside = zip_longest(wrapped(label, first), wrapped(value, self.prose - first - _GAP), fillvalue="")
            for left, right in beside:
                blank = " " * (first + _GAP - cells(left))
                self._lines.append(f"{self._styled(left, _DIM)}{blank}{right}".rstrip())

    def gap(self) -> None:
        self._lines.append("")

    def result(self) -> str:
        return "\n".join(self._lines).rstrip() + "\n"

    def _styled(self, line: str, *style: str) -> str:
        code = ";".join(filter(None, style))
        return f"\x1b[{code}m{line}\x1b[0m" if self._colour and code and line else line


def _block(screen: _Screen, block: Block) -> None:  # noqa: C901 -- one case per kind of block, none nested
    match block:
        case Heading(text, tone):
            screen.text(text, _BOLD, _COLOURS[tone])
        case Paragraph(text, tone):
            screen.text(text, _COLOURS[tone])
        case Facts(pairs):
            screen.pairs(pairs)
        case Form(labels):
            screen.pairs([(label, "_" * _BLANK) for label in labels])
        case Bullets(items, label):
            _label(screen, label)
            for item in items[:_ITEMS]:
                screen.lines(side_by_side(("  -", visible(item)), (3, screen.prose - 4), 1))
            _left(screen, len(items) - _ITEMS, "like these")
        case Table():
            _table(screen, block)
        case Commands(label, commands, continuation):
            _label(screen, label)
            for command in commands:
                for line in _command_lines(command, continuation, screen.width - 4):
                    screen.text(line, indent=4, width=screen.width)
        case Lines(text, short):
            lines = visible_lines(text)
            for line in lines[:short]:
                screen.text(line, indent=2, width=screen.width)
            _left(screen, len(lines) - short, "lines")


def _label(screen: _Screen, label: str) -> None:
    if label:
        screen.text(f"{label}:")


def _left(screen: _Screen, number: int, what: str) -> None:
    if number > 0:
        screen.text(f"... and {number} more {what}: --format markdown or json has them all", _DIM, width=screen.width)


def _table(screen: _Screen, table: Table) -> None:
    headers = tuple(map(visible, table.headers))
    rows = [tuple(map(visible, row)) for row in table.rows[: table.short]]
    widths = [max(map(cells, column)) for column in zip(headers, *rows, strict=True)]
    if table.below is not None and _room(widths, table.below, screen.width) < _wanted(rows, table.below):
        _stacked(screen, headers, rows, widths, table.below)
    else:
        wide = [max(width, _NARROW) for width in widths]
        _rows(screen, headers, rows, fitted(wide, screen.width - _WIDE_GAP * (len(wide) - 1), _NARROW), _WIDE_GAP)
    _left(screen, len(table.rows) - table.short, "rows")


def _wanted(rows: Sequence[tuple[str, ...]], column: int) -> int:
    """The width in which a column of text can be read: no path in it broken, nor lines too short."""
    longest = max((cells(row[column]) for row in rows), default=0)
    words = max((cells(word) for row in rows for word in row[column].split()), default=0)
    return min(longest, max(words, _READABLE))


def _room(widths: Sequence[int], below: int, width: int) -> int:
    """What the other columns leave of the width."""
    return width - sum(size + _WIDE_GAP for index, size in enumerate(widths) if index != below)


def _rows(
    screen: _Screen,
    headers: Sequence[str],
    rows: Iterable[tuple[str, ...]],
    widths: Sequence[int],
    gap: int,
    below: Sequence[str] = (),
) -> None:
    """A table under its headers; with `below`, a text under each of its rows."""
    screen.lines(side_by_side(headers, widths, gap), _BOLD)
    screen.lines(["─" * (sum(widths) + gap * (len(widths) - 1))], _DIM if below else "")
    for number, row in enumerate(rows):
        screen.lines(side_by_side(row, widths, gap))
        if below and below[number]:
            screen.text(below[number], _DIM, indent=4)


def _stacked(
    screen: _Screen, headers: Sequence[str], rows: Sequence[tuple[str, ...]], widths: Sequence[int], below: int
) -> None:
    """Each row on its own, and the long column under it: five columns do not fit into 80."""
    kept = [index for index in range(len(headers)) if index != below]
    beside = [tuple(row[index] for index in kept) for row in rows]
    titles = [headers[index] for index in kept]
    words = [
        max(cells(word) for text in column for word in text.split() or [""])
        for column in zip(titles, *beside, strict=True)
    ]
    fit = fitted([widths[index] for index in kept], screen.width - _GAP * len(kept), words=words)
    _rows(screen, titles, beside, fit, _GAP, [row[below] for row in rows])


def _command_lines(command: Sequence[str], continuation: str, room: int) -> list[str]:
    """A command broken between words, each line but the last ending so that the shell reads on."""
    lines: list[str] = []
    line = ""
    for word in map(visible, command):
        if line and cells(line) + 1 + cells(word) + 2 > room:
            lines.append(f"{line} {continuation}")
            line = f"  {word}"
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
