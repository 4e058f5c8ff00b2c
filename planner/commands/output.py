"""What every command ends with: a report in the form that was asked for, a file, an exit code by the verdict."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from planner.errors import InputError

if TYPE_CHECKING:
    from planner.model.plan import Plan
    from planner.render.blocks import ReportView

VERDICT_CODES = {"safe": 0, "review": 10, "unsafe": 20, "unsolvable": 30, "unknown": 40}
DIFFERENT = 10
_NARROWEST = 80


def plain(text: str) -> str:
    """A text whose control characters are written as escapes, but for its line ends."""
    from planner.render.escape import visible

    return "\n".join(visible(line) for line in text.splitlines())


def write(plan: Plan, form: str, output: str | None) -> None:
    """Write a plan in one of the forms of `report_options`, to a file or to stdout."""
    put(_rendered(plan, form, output), output)


def put(text: str, output: str | None) -> None:
    """Write a text to a file, or to stdout where none is named."""
    if output:
        save_text(output, text)
    else:
        print_out(text)


def print_out(text: str) -> None:
    """Print the report; what the terminal's encoding cannot show is written as an escape, never a crash."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def _rendered(plan: Plan, form: str, output: str | None) -> str:
    if form == "json":
        from planner.serialize import dumps

        return dumps(plan)
    if form == "sarif":
        from planner.render import sarif
        from rules import RULES

        return sarif.render(plan, RULES)
    if form == "junit":
        from planner.render import junit

        return junit.render(plan)
    from planner.render.view import build_view

    return as_text(build_view(plan, pictures=form == "html"), form, output)


def as_text(view: ReportView, form: str, output: str | None) -> str:
    """A view as HTML, Markdown, or text for the terminal, where it goes there."""
    if form == "html":
        from planner.render import html

        return html.render(view)
    if form == "markdown":
        from planner.render import markdown

        return markdown.render(view)
    import shutil

    from planner.render import terminal

    on_terminal = sys.stdout.isatty() and output is None
    width = max(_NARROWEST, shutil.get_terminal_size((100, 24)).columns) if on_terminal else 100
    return terminal.render(view, width=width, colour=on_terminal and not os.environ.get("NO_COLOR"))


def save_text(path: str, text: str) -> None:
    """Write a file. Raises `InputError` naming it where that cannot be."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
