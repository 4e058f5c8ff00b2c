r"""Untrusted text made visible: no character of a package's name or a path may act on the reader's screen.

Every renderer passes every text through `visible` before its own escaping. What is not printable (escape codes, line
feeds, bidirectional marks, zero-width characters, lone surrogates) is written as its Python escape, `\x1b` say, so
that a reader sees that it is there. The plan document keeps the text itself.
"""

from __future__ import annotations

LIMIT = 2000


def visible(text: str) -> str:
    r"""One line of printable characters: `\n`, `\x1b`, `\u202e` stand for what is not printable."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def visible_lines(text: str) -> tuple[str, ...]:
    """A text of several lines, such as a solver's explanation: each line made visible, line feeds kept as breaks."""
    return tuple(visible(line) for line in text.replace("\r\n", "\n").split("\n"))


def clip(text: str, limit: int = LIMIT) -> str:
    """The text itself, or, when it is longer than `limit`, its beginning and how much is left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters: the plan document has them)"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
