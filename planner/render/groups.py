"""Findings put together for readers: 66 pip packages left behind are 66 findings, and one thing to understand.

A group is what one rule says with one weight; within it, findings whose messages differ only in the name and version
of their subject are one case, told once with every name listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.model.plan import Severity
from planner.render.blocks import Bullets, Heading, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from planner.model.plan import Edge, Finding
    from planner.render.blocks import Block, Tone

WEIGHT = {Severity.BLOCK: 0, Severity.WARN: 1, Severity.NOTE: 2}
LIGHTEST = Severity.NOTE
_WORDS = {Severity.BLOCK: "Block", Severity.WARN: "Warning", Severity.NOTE: "Note"}
_TONES: dict[Severity, Tone] = {Severity.BLOCK: "bad", Severity.WARN: "warn", Severity.NOTE: "dim"}
_KINDS = {
    "conda": "conda package",
    "pip": "pip package",
    "file": "file",
    "env": "environment",
    "host": "fact of the host",
}
_PREDICTS = {
    "load": "would fail to load",
    "import": "would fail to import",
    "run": "would no longer run",
    "gone": "would be gone",
}
_NAMED = 4  # names that one line of the verdict holds
_CASE = 4  # findings of one wording that are worth a paragraph of their own
_SAMPLE = 3  # rows of evidence that a screen shows of a large group


class Group(Struct, frozen=True):
    """Findings of one rule, severity, status, environment and prediction, in cases of equal wording."""

    cases: tuple[tuple[Finding, ...], ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, case by case."""
        return tuple(finding for case in self.cases for finding in case)

    @property
    def first(self) -> Finding:
        """The one that stands for the group."""
        return self.cases[0][0]


def group(findings: Iterable[Finding]) -> tuple[Group, ...]:
    """Blocks first, then warnings, then notes; otherwise in the order in which the plan has them."""
    groups: dict[tuple[object, ...], dict[str, list[Finding]]] = {}
    for finding in sorted(findings, key=lambda item: WEIGHT[item.severity]):
        key = (
            finding.rule,
            finding.severity,
            finding.status,
            finding.environment,
            finding.predicts,
            _kind(finding.subject),
        )
        groups.setdefault(key, {}).setdefault(_shape(finding), []).append(finding)
    return tuple(Group(tuple(tuple(case) for case in _large_first(cases.values()))) for cases in groups.values())


def _large_first(cases: Iterable[list[Finding]]) -> list[list[Finding]]:
    return sorted(cases, key=len, reverse=True)


def summary(group: Group) -> str:
    """One line: what the group is, and its message, or its number and the first names.

    Where nothing is seen to break, the number alone would not say what it is about: the first message does.
    """
    findings = group.findings
    text = group.first.message
    if len(findings) > 1:
        more = f" and {len(findings) - _NAMED} more" if len(findings) > _NAMED else ""
        names = f"{', '.join(name_of(item.subject) for item in findings[:_NAMED])}{more}"
        if group.first.predicts is None:
            text = f"{_counted(group)} ({names}); first: {text}"
        else:
            text = f"{_counted(group)}: {names}"
    return f"{_title(group)}: {text}"


def tone(group: Group) -> Tone:
    """The tone of its weight."""
    return _TONES[group.first.severity]


def heading(group: Group) -> str:
    """What the group is, in the words of its heading: the message of one finding, or how many there are of what."""
    if len(group.findings) == 1:
        return f"{_title(group)}: {group.first.message}"
    example = f"; first: {group.first.message}" if group.first.predicts is None else ""
    return f"{_title(group)}: {_counted(group)}{example}"


def _title(group: Group) -> str:
    first = group.first
    return f"{_WORDS[first.severity]} {first.rule}{'' if first.status == 'certain' else ' (not verified)'}"


def blocks(group: Group, edges: Mapping[str, Edge]) -> list[Block]:
    """The group in full: every name, its evidence, and the remedy."""
    first = group.first
    if len(group.findings) == 1:
        return [
            Heading(heading(group), tone(group)),
            *_single(first, edges),
        ]
    found: list[Block] = [Heading(heading(group), tone(group))]
    for case in group.cases:
        if len(case) >= _CASE or len(group.cases) == 1:
            found.extend(_case(case, alone=len(group.cases) == 1))
    small = tuple(_few(case) for case in group.cases if len(case) < _CASE and len(group.cases) > 1)
    if small:
        found.append(Bullets(small))
    found.extend(_paths(group.findings, edges))
    found.extend(_remedies(group.findings))
    found.extend(_evidence(group))
    return found


def name_of(subject: str) -> str:
    """`numpy` of `pip:numpy`."""
    return subject.partition(":")[2]


def sentence(text: str) -> str:
    """The text with a full stop, unless it has its own end."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def plural(number: int, noun: str) -> str:
    """`1 block`, `2 blocks`, `2 facts of the host`."""
    if number == 1:
        return f"1 {noun}"
    if noun.startswith("fact of "):
        return f"{number} facts{noun[4:]}"
    return f"{number} {noun}s"


def _kind(subject: str) -> str:
    return _KINDS.get(subject.partition(":")[0], "thing")


def _counted(group: Group) -> str:
    first = group.first
    what = plural(len(group.findings), _kind(first.subject))
    if first.predicts is None:
        return what
    return f"{what} {_PREDICTS[first.predicts]}"


def _single(finding: Finding, edges: Mapping[str, Edge]) -> list[Block]:
    facts = [f"{piece.where}: {piece.what}" for piece in finding.evidence]
    facts.extend(_path(edges[edge]) for edge in finding.edge_ids if edge in edges)
    if finding.predicts is not None:
        facts.append(
            f"what would be seen: {_kind(finding.subject)} {name_of(finding.subject)} {_PREDICTS[finding.predicts]}"
        )
    found: list[Block] = []
    if facts:
        found.append(Bullets(tuple(facts), "Evidence"))
    found.extend(_remedies((finding,)))
    return found


def _path(edge: Edge) -> str:
    return f"edge {edge.id}, {edge.status}: {edge.consumer} needs {edge.requirement} of {edge.provider} ({edge.kind})"


def _paths(findings: Iterable[Finding], edges: Mapping[str, Edge]) -> list[Block]:
    """The edges that many findings rest on, those to one provider in one line."""
    named = {name for finding in findings for name in finding.edge_ids}
    alike: dict[tuple[str, str, str], list[int]] = {}
    ordered = tuple(edges.values())
    for place, edge in enumerate(ordered):
        if edge.id in named:
            alike.setdefault((edge.provider, edge.kind, edge.status), []).append(place)
    items = []
    for (provider, kind, status), places in alike.items():
        same = [ordered[place] for place in places]
        needed = tuple(dict.fromkeys(edge.requirement for edge in same))
        more = f" or {len(needed) - _NAMED} others" if len(needed) > _NAMED else ""
        verb = "need" if len(same) > 1 else "needs"
        items.append(
            f"{plural(len(same), 'edge')}, {status} ({_ids(ordered, places)}): {_subjects(same)} {verb} "
            f"{' or '.join(needed[:_NAMED])}{more} of {provider} ({kind})"
        )
    return [Bullets(tuple(items), "Along these edges")] if items else []


def _ids(edges: Sequence[Edge], places: Sequence[int]) -> str:
    """The ids of the edges at these places, those that follow on one another as a span: `E1 to E6, E9`."""
    spans: list[list[int]] = []
    for place in places:
        if spans and spans[-1][-1] + 1 == place:
            spans[-1].append(place)
        else:
            spans.append([place])
    ends = ((edges[span[0]].id, edges[span[-1]].id) for span in spans)
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in ends)


def _subjects(some: Sequence[Edge]) -> str:
    more = f" and {len(some) - _NAMED} more" if len(some) > _NAMED else ""
    return f"{', '.join(edge.consumer for edge in some[:_NAMED])}{more}"


def _case(case: tuple[Finding, ...], *, alone: bool) -> list[Block]:
    names = ", ".join(_label(finding)[0] for finding in case)
    count = f"All {len(case)}" if alone else f"{len(case)} of them"
    return [Paragraph(f"{count} like this one: {sentence(case[0].message)}"), Paragraph(f"The {len(case)}: {names}.")]


def _few(case: tuple[Finding, ...]) -> str:
    """One message, and whom it is so of as well."""
    others = ", ".join(_label(finding)[0] for finding in case[1:])
    return f"{sentence(case[0].message)}{f' The same of {others}.' if others else ''}"


def _remedies(findings: tuple[Finding, ...]) -> list[Block]:
    remedies: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.remedy:
            remedies.setdefault(_without(finding.remedy, finding), []).append(finding)
    if len(remedies) == 1:
        (same,) = remedies.values()
        every = len({finding.remedy for finding in same}) > 1
        whose = f", for each of the {len(same)} as for {_label(same[0])[0]}" if every else ""
        return [Paragraph(f"Remedy{whose}: {sentence(same[0].remedy)}")]
    items = []
    for same in remedies.values():
        if len(same) == 1:
            items.append(f"{_label(same[0])[0]}: {same[0].remedy}")
        elif len({finding.remedy for finding in same}) == 1:
            items.append(f"{', '.join(_label(finding)[0] for finding in same)}: {same[0].remedy}")
        else:
            items.append(f"for each of {len(same)}, as for {_label(same[0])[0]}: {same[0].remedy}")
    return [Bullets(tuple(items), "Remedies")] if items else []


def _evidence(group: Group) -> list[Block]:
    rows = tuple(
        (finding.id, _label(finding)[0], "; ".join(f"{piece.where}: {piece.what}" for piece in finding.evidence))
        for finding in group.findings
        if finding.evidence
    )
    short = _SAMPLE if len(group.findings) > 2 * _SAMPLE else len(rows)
    return [Table(("Finding", "Subject", "Evidence"), rows, short=short, below=2)] if rows else []


def _label(finding: Finding) -> tuple[str, str]:
    """How the message names its subject at its start, `numpy 1.20.3 py39h1`, and of that what follows the name.

    The bare name and nothing where the message begins otherwise. A build is told from the next word by its digit.
    """
    name = name_of(finding.subject)
    word = r"[^\s,:;()]*"
    match = re.match(rf"{_loose(name)}(?: (\d{word}(?: {word}\d{word})?))?(?=[\s,:;()]|\Z)", finding.message)
    if match is None or not name:
        return name, ""
    return match.group(), match.group(1) or ""


def _shape(finding: Finding) -> str:
    return _without(finding.message, finding)


def _without(text: str, finding: Finding) -> str:
    """The text with the subject's own name, version and build taken out, so that equal sentences compare equal."""
    name = name_of(finding.subject)
    shape = re.sub(rf"(?<![\w.]){_loose(name)}(?!\w)", "\0", text) if name else text
    for part in _label(finding)[1].split():
        shape = re.sub(rf"(?<![\w.]){re.escape(part)}(?!\w)", "\1", shape)
    return shape


def _loose(name: str) -> str:
    """A pattern for a name in any of its spellings (PEP 503: case and `-_.` do not count)."""
    return "(?i:" + "[-_.]+".join(re.escape(part) for part in re.split(r"[-_.]+", name)) + ")"
