"""The report as JUnit XML, for the test page of a CI system: the verdict and each finding as a test case.

A certain block fails, what could not be verified is an error, a warning is skipped with its text (a person has to
look), a note passes. The form is the one that Jenkins, GitLab and pytest share: one suite, cases without times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from planner.render import machine, words
from planner.render.machine import shown

if TYPE_CHECKING:
    from planner.model.plan import Finding, Plan
    from planner.render.machine import Item, Weight

_CHILD: dict[Weight, str] = {"error": "failure", "unknown": "error", "warning": "skipped"}


def render(plan: Plan) -> str:
    """The whole document, ending in one line feed."""
    items = machine.items(plan)
    count = {child: str(sum(_CHILD.get(item.weight) == child for item in items)) for child in _CHILD.values()}
    numbers = {
        "tests": str(len(items)),
        "failures": count["failure"],
        "errors": count["error"],
        "skipped": count["skipped"],
        "time": "0",
    }
    name = shown(f"{words.command(plan)} in {plan.target.name}")
    root = ET.Element("testsuites", {"name": "planner", **numbers})
    suite = ET.SubElement(root, "testsuite", {"name": name, **numbers})
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("verdict", plan.verdict.value),
        ("recommendation", plan.recommendation),
        ("planner", plan.planner_version),
        ("solver", f"{plan.solver.name} {plan.solver.version}, {plan.solver.fidelity}"),
        ("created", plan.created),
        *(
            (f"fingerprint.{part}", getattr(plan.fingerprint, part))
            for part in ("target", "host", "request", "repodata")
        ),
    ):
        ET.SubElement(properties, "property", {"name": key, "value": shown(value)})
    for item in items:
        _case(suite, item)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, item: Item) -> None:
    finding = item.finding
    environment = f"{shown(finding.environment)}." if finding else ""
    case = ET.SubElement(
        suite, "testcase", {"classname": f"{environment}{item.rule}", "name": item.subject, "time": "0"}
    )
    child = _CHILD.get(item.weight)
    if child == "skipped":
        ET.SubElement(case, child, {"message": item.message})
    elif child is not None:
        kind = finding.severity.value if finding else "verdict"
        ET.SubElement(case, child, {"message": item.message, "type": kind}).text = _detail(item, finding)
    if child not in {"failure", "error"} and finding is not None:
        ET.SubElement(case, "system-out").text = _detail(item, finding)


def _detail(item: Item, finding: Finding | None) -> str:
    lines = [item.message]
    if finding is not None:
        lines.extend(f"evidence: {shown(f'{piece.where}: {piece.what}')}" for piece in finding.evidence)
        if finding.remedy:
            lines.append(f"remedy: {shown(finding.remedy)}")
    return "\n".join(lines)
