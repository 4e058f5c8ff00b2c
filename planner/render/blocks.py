"""What a report is made of, before it is text: frozen sections of a few kinds of block.

`planner.render.view` fills these, the renderers translate them, and neither knows the other. Texts are plain and
still hold whatever came from outside: escaping them is each renderer's duty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from planner.render.drawings import Drawing

Tone: TypeAlias = Literal["plain", "good", "warn", "bad", "unknown", "dim"]
SHORT = 60  # rows that a rendering for a screen shows before it says how many are left


class Heading(Struct, frozen=True):
    """A heading inside a section."""

    text: str
    tone: Tone = "plain"


class Paragraph(Struct, frozen=True):
    """Running text."""

    text: str
    tone: Tone = "plain"


class Facts(Struct, frozen=True):
    """Labels with their values."""

    pairs: tuple[tuple[str, str], ...]


class Bullets(Struct, frozen=True):
    """A list, under a label where it has one."""

    items: tuple[str, ...]
    label: str = ""


class Table(Struct, frozen=True):
    """Rows under headers, all of one length.

    `short` is how many rows a rendering for a screen shows, saying how many are left; the others show all. `below` is
    the index of the column that goes under its row where the width does not suffice.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    short: int = SHORT
    below: int | None = None


class Commands(Struct, frozen=True):
    """Commands to type: each a tuple of words that are quoted already; `continuation` ends a line that goes on."""

    label: str
    commands: tuple[tuple[str, ...], ...]
    continuation: str = "\\"


class Lines(Struct, frozen=True):
    """Text whose line breaks and indentation count, such as a solver's own explanation."""

    text: str
    short: int = SHORT


class Form(Struct, frozen=True):
    """Labels with room to write beside them by hand."""

    labels: tuple[str, ...]


class Figure(Struct, frozen=True):
    """A picture, for the renderings that can show one; whatever it shows is said in words by other blocks too.

    `text` is what stands for the picture where it cannot be seen. `caption` says how to read it, and what a reduced
    picture leaves out.
    """

    title: str
    text: str
    drawing: Drawing
    caption: str = ""


Block: TypeAlias = Heading | Paragraph | Facts | Bullets | Table | Commands | Lines | Form | Figure


class Section(Struct, frozen=True):
    """One part of the report; `id` is a stable name for links and tests."""

    id: str
    heading: str
    blocks: tuple[Block, ...]


class ReportView(Struct, frozen=True):
    """The whole report: what it is about, the verdict in one sentence, and the sections in their order."""

    title: str
    verdict: str
    headline: str
    tone: Tone
    sections: tuple[Section, ...]
