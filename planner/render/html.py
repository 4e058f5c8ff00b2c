"""The report as one HTML file: no scripts, no outside reference, light and dark, for screen, phone and A4 paper.

The template holds the page, `planner.render.svg` draws the pictures. Every text passes through `visible` and is
escaped by the template engine, whatever it is made of; only the pictures, built as trees, go in as they are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from planner.render import svg
from planner.render.escape import visible, visible_lines

if TYPE_CHECKING:
    from jinja2 import Template

    from planner.render.blocks import Block, Figure, ReportView

_WORD = 26  # letters of the longest word that a column of a table has room for: a build, say


def render(view: ReportView) -> str:
    """The whole page, ending in one line feed."""
    return _template().render(view=view) + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("planner.render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"kind": _kind, "picture": _picture, "lines": visible_lines, "fits": _fits}
    return environment.get_template("report.html.j2")


def _visible(value: Any) -> Any:
    """What the template puts out: untrusted text made visible before it is escaped; markup of our own as it is."""
    return value if isinstance(value, Markup) else visible(value) if isinstance(value, str) else value


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _picture(figure: Figure) -> Markup:
    return Markup("\n".join(svg.draw(figure.drawing)))  # noqa: S704 -- trees written by ElementTree, which escapes


def _fits(cell: str) -> bool:
    """Whether no word of a cell needs breaking: a narrow column then keeps its words whole."""
    return max(map(len, cell.split()), default=0) <= _WORD
