"""`planner audit`, as a report for readers and as a document."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from planner.model.plan import Verdict
from planner.render import groups, words
from planner.render.blocks import Bullets, Facts, Paragraph, ReportView, Section, Table
from planner.render.groups import plural

if TYPE_CHECKING:
    from planner.audit import Audit
    from planner.integrity import Integrity
    from planner.model.installed import LoadProblem
    from planner.model.plan import Finding
    from planner.render.blocks import Block, Tone

FORMAT = "conda-environment-audit"
_TONES: dict[Verdict, Tone] = {
    Verdict.SAFE: "good",
    Verdict.REVIEW: "warn",
    Verdict.UNSAFE: "bad",
    Verdict.UNSOLVABLE: "bad",
    Verdict.UNKNOWN: "unknown",
}
_SENTENCES = {
    Verdict.SAFE: "nothing was found that is broken today or needs a decision",
    Verdict.REVIEW: "no rule blocks, but something needs a person's decision",
    Verdict.UNSAFE: "something is broken today",
    Verdict.UNSOLVABLE: "something is broken today",
    Verdict.UNKNOWN: "it cannot be said whether all is well: something could not be read or checked",
}
_ONLY_METADATA = "only the metadata of an installation lies here, and not the files of conda's packages"
_SHOWN = 20


def build_view(audit: Audit) -> ReportView:
    """The verdict, the findings, the state of conda's files, what refers to it, and what could not be known."""
    certain = groups.group(finding for finding in audit.findings if finding.status == "certain")
    unverified = groups.group(finding for finding in audit.findings if finding.status == "unverified")
    found: list[Block] = [block for group in certain for block in groups.blocks(group, {})]
    if not found:
        more = "; what became of the files of conda's packages stands below" if audit.integrity.damage else ""
        found.append(Paragraph(f"No rule found anything for certain{more}."))
    sections = [
        Section("asked", "What was looked at", (Facts(_facts(audit)),)),
        Section("findings", "What is wrong, and what to watch", tuple(found)),
        Section("files", "Files of conda's packages", _files(audit)),
        Section("outside", "What refers to it from outside", (_outside(audit),)),
        Section("unknown", "What could not be known", _unknown(audit, unverified)),
    ]
    headline = f"{audit.verdict.value.upper()}: {_sentence(audit)}"
    return ReportView(
        f"Audit of {audit.target.name}", audit.verdict.value, headline, _TONES[audit.verdict], tuple(sections)
    )


def _sentence(audit: Audit) -> str:
    """The verdict's sentence; where only files ask for a review, they are what it is about."""
    integrity = audit.integrity
    if integrity.only_metadata:
        weighs = "" if audit.verdict is Verdict.REVIEW else f"{_SENTENCES[audit.verdict]}; "
        return f"{weighs}{_ONLY_METADATA} ({_counted(integrity)})"
    if audit.verdict is Verdict.REVIEW and integrity.damage:
        return f"{_counted(integrity)} of {plural(integrity.looked_at, 'file')} of conda's packages: a person has to decide"
    return _SENTENCES[audit.verdict]


def _counted(integrity: Integrity) -> str:
    """`2 missing, 1 altered`."""
    counts = Counter(damage.state for damage in integrity.damage)
    return ", ".join(f"{counts[state]} {state}" for state in ("missing", "altered", "unreadable") if counts[state])


def _facts(audit: Audit) -> tuple[tuple[str, str], ...]:
    target = audit.target
    return (
        ("Environment", f"{target.name} at {target.prefix}"),
        ("It holds", words.contents(target)),
        ("Host", f"{audit.host.subdir}; {words.virtual_packages(audit.host)}; {words.gpu(audit.host)}"),
    )


def _files(audit: Audit) -> tuple[Block, ...]:
    integrity = audit.integrity
    if integrity.only_metadata:
        return (
            Paragraph(
                f"{_ONLY_METADATA[0].upper()}{_ONLY_METADATA[1:]}: {_counted(integrity)} of {integrity.looked_at}."
            ),
        )
    how = "and hashed" if audit.deep else f"by kind and size, {integrity.hashed} of them hashed (--deep hashes all)"
    blocks: list[Block] = [
        Paragraph(f"{plural(integrity.looked_at, 'file')} looked at {how}: {_counted(integrity) or 'none differs'}.")
    ]
    if integrity.damage:
        rows = tuple((item.path, item.owner, item.what) for item in integrity.damage)
        blocks.append(Table(("File", "Package", "What is wrong"), rows, short=_SHOWN))
    if integrity.unlisted:
        blocks.append(Paragraph(f"Without a list of files: {', '.join(integrity.unlisted[:_SHOWN])}.", "unknown"))
    return tuple(blocks)


def _outside(audit: Audit) -> Block:
    if not audit.outside:
        return Paragraph("Nothing was found that refers to it.")
    left = len(audit.outside) - _SHOWN
    return Bullets((*audit.outside[:_SHOWN], *([f"and {left} more"] if left > 0 else [])))


def _unknown(audit: Audit, unverified: tuple[groups.Group, ...]) -> tuple[Block, ...]:
    blocks: list[Block] = [block for group in unverified for block in groups.blocks(group, {})]
    told = [_told(problem) for problem in (*audit.problems, *audit.not_looked_at)]
    if told:
        left = len(told) - _SHOWN
        blocks.append(Bullets((*told[:_SHOWN], *([f"and {left} more"] if left > 0 else [])), "Not read"))
    return tuple(blocks or [Paragraph("Everything that was looked for could be read.")])


def _told(problem: LoadProblem) -> str:
    return f"{problem.path}: {problem.what}; {problem.consequence}"


def dumps(audit: Audit) -> str:
    """The document: sorted keys, one line feed at the end; findings have the keys that they have in a plan."""
    document = {
        "format": FORMAT,
        "schema_version": 1,
        "planner_version": audit.planner_version,
        "created": audit.created,
        "root": audit.root,
        "target": _fields(audit.target),
        "verdict": audit.verdict.value,
        "deep": audit.deep,
        "findings": [_finding(finding) for finding in audit.findings],
        "files": {
            "looked_at": audit.integrity.looked_at,
            "hashed": audit.integrity.hashed,
            "unlisted": list(audit.integrity.unlisted),
            "damage": [_fields(damage) for damage in audit.integrity.damage],
        },
        "outside": list(audit.outside),
        "problems": [_fields(problem) for problem in audit.problems],
        "not_looked_at": [_fields(problem) for problem in audit.not_looked_at],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    plain = {name: getattr(finding, name) for name in finding.__struct_fields__ if name not in {"edge_ids", "edges"}}
    return plain | {
        "severity": finding.severity.value,
        "evidence": [_fields(item) for item in finding.evidence],
        "edges": [],
    }


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
