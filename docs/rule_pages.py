"""Writes `docs/rules/`: one Markdown page for each rule and an index, from the rules' own docstrings.

    python docs/rule_pages.py

The pages are kept in the repository so that they can be read and linked to; a test tells when they are not current.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from planner.render.markdown import escape
from rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.rule import Rule

FOLDER = Path(__file__).parent / "rules"
_HEADING = re.compile(r"^([A-Z][a-z ]+):$")
_ISSUE = re.compile(r"\b([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)#(\d+)")
_EDGES = re.compile(r"(\s*(?:- )?)(.*?)(\s*)")
_RULE = re.compile(r"\b[A-Z]{3,4}\d{3}\b")


def pages() -> dict[str, str]:
    """File name -> text, of every page and of the index."""
    return {"README.md": _index(), **{f"{rule.id}.md": _page(rule) for rule in RULES}}


def _index() -> str:
    rows = [
        f"| [{rule.id}]({rule.id}.md) | {rule.name} | {rule.severity.value} | {escape(rule.title)} |" for rule in RULES
    ]
    return "\n".join(
        (
            "# Rules",
            "",
            "Made by `make docs` from the docstrings in `rules/`. A rule's severity is where it begins: its page says what",
            "raises or lowers it. `planner rules explain ID` prints the same page.",
            "",
            "| id | name | severity | what it says |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )


def _page(rule: Rule) -> str:
    title, _, body = rule.page.partition("\n")
    last = f"Severity: {rule.severity.value}. [All rules](README.md)"
    return "\n\n".join((f"# {_marked(title.rstrip('.'), rule.id)}", *_blocks(body, rule.id), last)) + "\n"


def _blocks(body: str, own: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", body.strip("\n")):
        first, _, rest = block.partition("\n")
        heading = _HEADING.match(first)
        if heading:
            yield f"## {heading[1]}"
        text = textwrap.dedent(rest if heading else block).strip("\n")
        if text:
            yield _marked(text, own)


def _marked(text: str, own: str) -> str:
    """A block of a docstring as Markdown: code and lists stay, issues and other rules become links, the rest itself."""
    parts = text.split("`")
    return "`".join(
        part if index % 2 else "\n".join(_linked(line, own) for line in part.split("\n"))
        for index, part in enumerate(parts)
    )


def _linked(line: str, own: str) -> str:
    lead, text, tail = _EDGES.fullmatch(line).groups()  # type: ignore[union-attr]  # any line has its edges
    text = _ISSUE.sub(r"[\1#\2](https://github.com/\1/issues/\2)", escape(text).replace("\\#", "#"))
    return lead + _RULE.sub(lambda match: _rule_link(match[0], own), text) + tail


def _rule_link(rule_id: str, own: str) -> str:
    known = rule_id != own and any(rule.id == rule_id for rule in RULES)
    return f"[{rule_id}]({rule_id}.md)" if known else rule_id


def main() -> None:
    """Write the pages that changed, and take away those whose rule is gone."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
