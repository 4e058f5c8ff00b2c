"""`planner compare`, as a report for readers and as a document."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from planner.render.blocks import Bullets, Facts, Paragraph, ReportView, Section, Table
from planner.render.groups import plural
from planner.version import __version__

if TYPE_CHECKING:
    from planner.comparison import Comparison, Part
    from planner.snapshot import Snapshot

FORMAT = "conda-environment-comparison"
_HEADINGS: dict[Part, str] = {
    "package": "conda packages",
    "distribution": "Python distributions",
    "setting": "Pins, variables and what was asked for",
    "file": "Files",
}
_SHOWN = 20


def build_view(before: Snapshot, after: Snapshot, comparison: Comparison) -> ReportView:
    """The answer in one line, then every difference."""
    sections = [Section("sides", "What was compared", (Facts(_sides(before, after, comparison)),))]
    for part, heading in _HEADINGS.items():
        rows = tuple(
            (item.subject, item.what, item.before or "nothing", item.after or "nothing")
            for item in comparison.differences
            if item.part == part
        )
        if rows:
            table = Table(("What", "Difference", "First", "Second"), rows, below=None)
            sections.append(Section(part, heading, (table,)))
    if comparison.uncertain:
        left = len(comparison.uncertain) - _SHOWN
        more = (f"and {left} more",) if left > 0 else ()
        unread = Bullets((*comparison.uncertain[:_SHOWN], *more))
        sections.append(Section("unknown", "What could not be compared", (unread,)))
    if comparison.left_out:
        sections.append(Section("left-out", "What was left out", (Paragraph("; ".join(comparison.left_out)),)))
    return ReportView(
        f"{before.name} and {after.name} compared",
        "identical" if comparison.identical else "different",
        headline(comparison),
        "good" if comparison.identical else "bad" if comparison.differences else "unknown",
        tuple(sections),
    )


def headline(comparison: Comparison) -> str:
    """The answer in one sentence."""
    scope = f"{plural(comparison.packages, 'package')}, {plural(comparison.distributions, 'distribution')}"
    scope += (
        f" and {plural(comparison.files, 'path')} by mode, size and hash"
        if comparison.deep
        else "; files were not compared"
    )
    if comparison.identical:
        return f"IDENTICAL: {scope}"
    if not comparison.differences:
        number = len(comparison.uncertain)
        return f"NOT PROVEN: nothing differs that could be read, but {plural(number, 'thing')} could not be ({scope})"
    counts = Counter(item.part for item in comparison.differences)
    told = ", ".join(plural(counts[part], part) for part in _HEADINGS if counts[part])
    return f"DIFFERENT: {told}"


def _sides(before: Snapshot, after: Snapshot, comparison: Comparison) -> tuple[tuple[str, str], ...]:
    def side(snapshot: Snapshot) -> str:
        when = f", as of {snapshot.created}" if snapshot.created else ", as it is now"
        return f"{snapshot.name} at {snapshot.prefix}{when}: python {snapshot.python or 'none'}, {len(snapshot.records)} packages"

    return (
        ("First", side(before)),
        ("Second", side(after)),
        ("Files", "compared" if comparison.deep else "not compared"),
    )


def dumps(before: Snapshot, after: Snapshot, comparison: Comparison) -> str:
    """The document: sorted keys, one line feed at the end."""
    sides = [
        {"name": side.name, "prefix": side.prefix, "created": side.created, "deep": side.files is not None}
        for side in (before, after)
    ]
    document = {
        "format": FORMAT,
        "schema_version": 1,
        "planner_version": __version__,
        "sides": sides,
        "identical": comparison.identical,
        "differences": [
            {name: getattr(item, name) for name in item.__struct_fields__} for item in comparison.differences
        ],
        "uncertain": list(comparison.uncertain),
        "left_out": list(comparison.left_out),
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
