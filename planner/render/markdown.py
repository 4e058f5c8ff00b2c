"""The report as Markdown (CommonMark with GitHub's tables), for tickets and merge requests.

Every text is escaped so that it reads as itself: a package named like a table cell, a link or an HTML tag stays a
name. All rows are written; nothing is left out here but the pictures, whose content the text has too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.render.blocks import Bullets, Commands, Facts, Figure, Form, Heading, Lines, Paragraph, Table
from planner.render.escape import visible, visible_lines

if TYPE_CHECKING:
    from planner.render.blocks import ReportView

_BLANK = 12  # underscores to write on
_ESCAPED = re.compile(r"[\\`*\[\]~#$]")
_UNDERSCORES = re.compile(r"_+")
# `<` opens a tag or an automatic link only before a letter, `/`, `!` or `?`, or where an e-mail address may follow.
_TAG = re.compile(r"<(?![=\d ])")
_ENTITY = re.compile(r"&(?=[#A-Za-z])")
# A quote, a list item, a rule under or between paragraphs.
_BLOCK_START = re.compile(r"^(?:([=>])|([-+])(?=\s|-|\Z)|(\d{1,9})([.)])(?=\s|\Z))")


def render(view: ReportView) -> str:
    """The whole report, ending in one line feed."""
    parts = [f"# {escape(view.title)}", f"**{escape(view.headline)}**"]
    for section in view.sections:
        parts.append(f"## {escape(section.heading)}")
        parts.extend(_block(block) for block in section.blocks if not isinstance(block, Figure))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """One line of Markdown that shows `text` literally, in a paragraph, a list item, a heading or a table cell."""
    text = visible(text).strip()
    text = _ESCAPED.sub(lambda match: f"\\{match.group()}", text)
    text = _UNDERSCORES.sub(_underscores, text)
    text = _ENTITY.sub("&amp;", text)
    text = text.replace("<", "&lt;") if "@" in text else _TAG.sub("&lt;", text)
    text = _BLOCK_START.sub(_block_start, text)
    # Parsers differ in how many backslashes before a bar they count; none splits a cell at an entity.
    return text.replace("|", "&#124;")


def _underscores(match: re.Match[str]) -> str:
    """Inside a word they mean nothing (`py39h06a4308_0`) and stay readable; at its edges they may open emphasis."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return match.group() if before.isalnum() and after.isalnum() else "\\_" * len(match.group())


def _block_start(match: re.Match[str]) -> str:
    quote, item, number, dot = match.groups(default="")
    return f"{number}\\{quote or item or dot}"


def _block(block: Heading | Paragraph | Facts | Bullets | Table | Commands | Lines | Form) -> str:
    match block:
        case Heading(text):
            return f"### {escape(text)}"
        case Paragraph(text):
            return escape(text)
        case Facts(pairs):
            return "\n".join(f"- **{escape(label)}:** {escape(value)}" for label, value in pairs)
        case Bullets(items, label):
            return _labelled(label, "\n".join(f"- {escape(item)}" for item in items))
        case Table(headers, rows):
            return "\n".join((_row(headers), _row(("---",) * len(headers), raw=True), *(_row(row) for row in rows)))
        case Commands(label, commands):
            return _labelled(label, _fence(tuple(visible(" ".join(command)) for command in commands)))
        case Lines(text):
            return _fence(visible_lines(text))
        case Form(labels):
            return "\n".join(f"- **{escape(label)}:** {escape('_' * _BLANK)}" for label in labels)


def _labelled(label: str, text: str) -> str:
    return f"{escape(label)}:\n\n{text}" if label else text


def _row(cells: tuple[str, ...], *, raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else escape(cell) for cell in cells)} |"


def _fence(lines: tuple[str, ...]) -> str:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((fence, *lines, fence))
