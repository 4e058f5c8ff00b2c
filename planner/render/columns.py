"""Text in columns: broken between words, folded where a word is too long, side by side in widths that fit a screen.

Widths are cells of a terminal, as rich counts them: a wide character takes two, a combining one none. Of rich no more is
used than that, since its tables take a hundred times as long, and a report has hundreds of rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD = re.compile(r"\s*\S+\s*")


def cells(text: str) -> int:
    """How many columns a line of printable text takes."""
    return len(text) if text.isascii() else cell_len(text)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, none wider than `width` columns (at least 2); blanks at the end of a line are left out."""
    if cells(text) <= width:
        return [text.rstrip()]
    lines: list[str] = []
    line, taken = "", 0
    for word in _WORD.findall(text):
        bare = word.rstrip()
        part = word
        if taken + cells(bare) > width:
            if taken:
                lines.append(line)
            line, taken = "", 0
            if cells(bare) > width:
                *full, rest = chop_cells(bare, width)
                lines += full
                part = rest + word[len(bare) :]
        line += part
        taken += cells(part)
    return [line.rstrip() for line in (*lines, line)]


def side_by_side(texts: Sequence[str], widths: Sequence[int], gap: int) -> list[str]:
    """The lines of one row: each text in its column, `gap` columns between them."""
    columns = [wrapped(text, width) for text, width in zip(texts, widths, strict=True)]
    height = max(map(len, columns))
    blank = " " * gap
    return [
        blank.join(
            _padded(column[number] if number < len(column) else "", width)
            for column, width in zip(columns, widths, strict=True)
        ).rstrip()
        for number in range(height)
    ]


def fitted(widths: Sequence[int], room: int, least: int = 1, words: Sequence[int] = ()) -> list[int]:
    """Widths that fill no more than `room` together, none below `least`: the widest gives way first.

    `words` are the widths of each column's longest word: none is broken while lines can be broken between words.
    """
    found = [max(min(width, room), least) for width in widths]
    floors = [max(least, word) for word in words]
    while sum(found) > room and (
        loose := [width for width, floor in zip(found, floors, strict=False) if width > floor]
    ):
        place = next(i for i, floor in enumerate(floors) if found[i] == max(loose) and found[i] > floor)
        found[place] -= 1
    while sum(found) > room and max(found) > least:
        found[found.index(max(found))] -= 1
    return found


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))
