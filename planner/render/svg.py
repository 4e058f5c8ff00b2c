"""The report's pictures as inline SVG: where things lie, and nothing of what they mean.

Elements are built as a tree and written by the standard library, so that no text can become markup. A picture is
one or two narrow columns, each wide enough for a phone and scaled up elsewhere; texts are broken and cut by a width estimated on
the safe side, since no font can be measured here. Colours are classes of the page, which knows light from dark.
"""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from planner.render.drawings import Bars, Box, Moves, Radius, Timeline
from planner.render.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.render.blocks import Tone
    from planner.render.drawings import Bar, Drawing, Link, Move, Reached

WIDTH = 420
_FONT = 13
_CHAR = 7.6  # the widest that a letter of the usual fonts is on average, at that size
_LINE = 17
_PAD = 9
_GAP = 10
_LANE = 11  # between two vertical lines
_ARROW = 5
_ONE_COLUMN = 4  # rows that are not worth a second column


def draw(drawing: Drawing) -> tuple[str, ...]:
    """The picture as `<svg>` elements, for a page that has the style classes and lays them side by side or below."""
    match drawing:
        case Radius():
            panels = [_radius(drawing), *([_others(drawing.others)] if drawing.others else [])]
        case Moves(rows):
            half = len(rows) if len(rows) <= _ONE_COLUMN else (len(rows) + 1) // 2
            panels = [_moves(part) for part in (rows[:half], rows[half:]) if part]
        case Timeline():
            panels = [_timeline(drawing)]
        case Bars(bars):
            panels = [_bars(bars)]
    return tuple(panels)


class _Canvas:
    """The elements drawn so far."""

    def __init__(self) -> None:
        self._root = ET.Element("svg")

    def text(self, height: float) -> str:
        self._root.set("viewBox", f"0 0 {WIDTH} {height:g}")
        return ET.tostring(self._root, encoding="unicode")

    def add(self, kind: str, style: str, /, **values: float | str) -> ET.Element:
        named = {key: f"{value:g}" if isinstance(value, (int, float)) else value for key, value in values.items()}
        return ET.SubElement(self._root, kind, {"class": style, **named})

    def write(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        place = {} if anchor == "start" else {"text-anchor": anchor}
        self.add("text", f"t {style}".strip(), x=x, y=y, **place).text = text

    def line(self, tone: Tone, *points: tuple[float, float], broken: bool = False) -> None:
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        self.add("path", f"line {tone}{' broken' if broken else ''}", d=path)

    def arrow(self, tone: Tone, x: float, y: float) -> None:
        """An arrowhead that points to the right and ends at `x`."""
        points = f"{x:g},{y:g} {x - _ARROW - 2:g},{y - _ARROW:g} {x - _ARROW - 2:g},{y + _ARROW:g}"
        self.add("polygon", f"fill {tone}", points=points)

    def box(self, box: Box, x: float, y: float, width: float) -> float:
        """A box with its text; returns its height."""
        titles = broken(box.title, width - 2 * _PAD, 3, bold=True)
        details = broken(box.detail, width - 2 * _PAD, 3)
        height = (len(titles) + len(details)) * _LINE + 2 * _PAD - 3
        self.add("rect", f"box {box.tone}", x=x, y=y, width=width, height=height, rx=4)
        self.add("rect", f"fill {box.tone}", x=x, y=y, width=4, height=height)
        for index, line in enumerate(titles):
            self.write(x + _PAD + 3, y + _PAD + _FONT - 2 + index * _LINE, line, "strong")
        for index, line in enumerate(details, start=len(titles)):
            self.write(x + _PAD + 3, y + _PAD + _FONT - 2 + index * _LINE, line, "soft")
        return height


def broken(text: str, width: float, most: int, *, bold: bool = False) -> list[str]:
    """The text in at most `most` lines that fit into `width`, cut with an ellipsis; none for an empty text."""
    text = visible(text)
    size = max(sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text) / max(len(text), 1), 1)
    columns = max(int(width / (_CHAR * (1.07 if bold else 1) * size)), 4)
    lines = textwrap.wrap(text, columns, max_lines=most, placeholder="\u2026", break_on_hyphens=False)
    return [line if len(line) <= columns else f"{line[: columns - 1]}\u2026" for line in lines]


def _one(text: str, width: float, *, bold: bool = False) -> str:
    return next(iter(broken(text, width, 1, bold=bold)), "")


def _radius(radius: Radius) -> str:
    canvas = _Canvas()
    lanes = sorted({link.source for item in radius.reached for link in item.links})
    left = _PAD + 4 + _LANE * max(len(lanes), 1) + _LANE
    width = WIDTH - left - _PAD - 1
    canvas.write(_PAD, _PAD + _FONT, _one(radius.frame, WIDTH - 2 * _PAD - 220, bold=True), "strong")
    canvas.write(WIDTH - _PAD, _PAD + _FONT, "what is asked, and what moves", "soft", "end")
    y: float = _PAD + _LINE + 10
    starts: list[float] = []
    for box in radius.sources:
        height = canvas.box(box, left, y, width)
        starts.append(y + height / 2)
        y += height + _GAP
    y += 4
    canvas.write(left, y + _FONT, _one(radius.label, width), "soft")
    y += _LINE + 6
    ends: list[tuple[Link, Tone, float]] = []
    for item in radius.reached:
        height = canvas.box(item.box, left, y, width)
        ends.extend(_ends(item, y, height))
        y += height + _GAP
    for source in lanes:
        _lane(
            canvas,
            _PAD + 8 + _LANE * lanes.index(source),
            left,
            starts[source],
            [e for e in ends if e[0].source == source],
        )
    canvas.add("rect", "frame", x=1, y=1, width=WIDTH - 2, height=y - 2, rx=6)
    return canvas.text(y)


def _others(boxes: Sequence[Box]) -> str:
    canvas = _Canvas()
    canvas.write(_PAD, _PAD + _FONT, "other environments", "soft")
    y: float = _PAD + _LINE + 10
    for box in boxes:
        y += canvas.box(box, _PAD, y, WIDTH - 2 * _PAD) + _GAP
    return canvas.text(y)


def _ends(item: Reached, y: float, height: float) -> list[tuple[Link, Tone, float]]:
    """Where each link enters the box: side by side, so that none hides another."""
    step = height / (len(item.links) + 1)
    return [(link, item.box.tone, y + step * number) for number, link in enumerate(item.links, start=1)]


def _lane(canvas: _Canvas, x: float, right: float, start: float, ends: Sequence[tuple[Link, Tone, float]]) -> None:
    # The heaviest come first, and their lines are drawn last: on top.
    for link, tone, y in reversed(ends):
        canvas.line(tone, (right, start), (x, start), (x, y), (right - _ARROW, y), broken=not link.on_record)
        canvas.arrow(tone, right, y)


def _moves(rows: Sequence[Move]) -> str:
    canvas = _Canvas()
    column = (WIDTH - 36) / 2
    y = 2.0
    for row in rows:
        word = row.action
        canvas.write(2, y + _FONT, _one(row.name, WIDTH - len(word) * _CHAR - 24, bold=True), "strong")
        canvas.write(WIDTH - 2, y + _FONT, word, f"tone {row.tone}", "end")
        y += _LINE + 3
        for x, text, tone in ((1.0, row.before, "plain"), (column + 35, row.after, row.tone)):
            canvas.add("rect", f"box {tone}", x=x, y=y, width=column, height=24, rx=4)
            canvas.write(x + _PAD, y + _FONT + 3, _one(text, column - 2 * _PAD))
        canvas.line(row.tone, (column + 4, y + 12), (column + 28, y + 12))
        canvas.arrow(row.tone, column + 32, y + 12)
        y += 24 + 12
    return canvas.text(y - 10)


def _timeline(timeline: Timeline) -> str:
    canvas = _Canvas()
    stops, back = timeline.stops, timeline.back
    x, left = 20.0, 44.0
    y = 2.0
    centres: list[float] = []
    heights: list[tuple[float, list[str], str]] = []
    for stop in stops:
        lines = broken(stop.title, WIDTH - left - 4, 3)
        heights.append((y, lines, _one(stop.detail, WIDTH - left - 4)))
        centres.append(y + 13)
        y += max(len(lines) + bool(stop.detail), 1) * _LINE + 14
    if centres:
        canvas.line("dim", (x, centres[0]), (x, centres[-1]))
    for stop, centre, (top, lines, detail) in zip(stops, centres, heights, strict=True):
        if stop.number:
            canvas.add("circle", f"stop {stop.tone}", cx=x, cy=centre, r=12)
            canvas.write(x, centre + 4.5, stop.number, "strong", "middle")
        else:
            points = " ".join(
                f"{px:g},{py:g}" for px, py in ((x, centre - 14), (x + 14, centre), (x, centre + 14), (x - 14, centre))
            )
            canvas.add("polygon", f"stop {stop.tone}", points=points)
        for index, line in enumerate(lines):
            canvas.write(left, top + 17.5 + index * _LINE, line, "" if stop.number else "strong")
        if detail:
            canvas.write(left, top + 17.5 + len(lines) * _LINE, detail, "soft")
    if back:
        canvas.line("dim", (x, centres[-1] + 14 if centres else y), (x, y + 20), (left - 5, y + 20), broken=True)
        canvas.arrow("dim", left, y + 20)
        y += 4
        y += canvas.box(Box("The way back", "; ".join(back)), left, y, WIDTH - left - 2) + 2
    return canvas.text(y)


def _bars(bars: Sequence[Bar]) -> str:
    canvas = _Canvas()
    most = max((bar.value for bar in bars if bar.value), default=0)
    y = 2.0
    for bar in bars:
        canvas.write(2, y + _FONT, _one(bar.label, WIDTH / 3, bold=True), "strong")
        canvas.write(WIDTH - 2, y + _FONT, _one(bar.text, WIDTH / 2), "", "end")
        y += _LINE + 4
        canvas.add("rect", "box plain", x=1, y=y, width=WIDTH - 2, height=14, rx=3)
        if bar.value and most:
            canvas.add("rect", "fill bar", x=1, y=y, width=max((WIDTH - 2) * bar.value / most, 2), height=14, rx=3)
        y += 14 + 12
    return canvas.text(y - 8)
