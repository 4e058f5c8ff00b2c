"""The tables of facts as text: one line a row, with where it was read and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.facts import Fact, Facts


def render_facts(facts: Facts, table: str | None) -> str:
    """Every table, or the one of that name."""
    lines: list[str] = []
    for name, rows in facts.tables():
        if table in {None, name}:
            lines += [f"{name} ({len(rows)})", *(f"  {_told(row)}  [{facts.cited(row)}]" for row in rows), ""]
    return "\n".join(lines)


def _told(row: Fact) -> str:
    """What a row says, without its source: the fields it has, in order."""
    fields = ((name, getattr(row, name)) for name in row.__struct_fields__ if name not in {"source", "checked"})
    return ", ".join(f"{name} {_text(value)}" for name, value in fields if value not in (None, ()))


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
