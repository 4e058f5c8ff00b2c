"""What the report's pictures show, as frozen data: boxes, links, moves, stops and bars, without a coordinate.

`planner.render.figures` fills these from a plan, `planner.render.svg` lays them out. Texts are plain and still hold
whatever came from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from planner.render.blocks import Tone


class Box(Struct, frozen=True):
    """One thing with its status in words and as a tone: colour alone never carries it."""

    title: str
    detail: str = ""
    tone: Tone = "plain"


class Link(Struct, frozen=True):
    """From the source of that index to the box that holds the link; `on_record` where an ABI edge says so."""

    source: int
    on_record: bool


class Reached(Struct, frozen=True):
    """What breaks or needs a decision, and what it hangs off."""

    box: Box
    links: tuple[Link, ...]


class Radius(Struct, frozen=True):
    """The blast radius: in one environment what changes and what hangs off it, and the other environments.

    `label` says what the things that are reached are.
    """

    frame: str
    label: str
    sources: tuple[Box, ...]
    reached: tuple[Reached, ...]
    others: tuple[Box, ...]


class Move(Struct, frozen=True):
    """One package before and after; `action` is the word for it."""

    name: str
    before: str
    after: str
    action: str
    tone: Tone


class Moves(Struct, frozen=True):
    """Versions before and after."""

    rows: tuple[Move, ...]


class Stop(Struct, frozen=True):
    """One step of the migration; a stop without a number is a gate that somebody must open."""

    number: str
    title: str
    detail: str = ""
    tone: Tone = "plain"


class Timeline(Struct, frozen=True):
    """Steps in their order, from the top; `back` is the way back, from any of them."""

    stops: tuple[Stop, ...]
    back: tuple[str, ...] = ()


class Bar(Struct, frozen=True):
    """A quantity with its text; without a value it is not known, and nothing is drawn for it."""

    label: str
    value: int | None
    text: str


class Bars(Struct, frozen=True):
    """Quantities of one unit, drawn to one scale."""

    bars: tuple[Bar, ...]


Drawing: TypeAlias = Radius | Moves | Timeline | Bars
