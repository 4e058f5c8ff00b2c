"""The report as SARIF 2.1.0 (OASIS), for code-scanning pages: the verdict and each finding as a result.

Places are files of the environment: those that the evidence names, else its history. Evidence and remedy are part of
the message, since such pages show nothing else; everything of a finding is in `properties`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from planner.render import machine, words
from planner.render.groups import sentence
from planner.render.machine import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.plan import Evidence, Finding, Plan
    from planner.render.machine import Item, Weight
    from planner.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: dict[Weight, str] = {
    "error": "error",
    "unknown": "error",
    "warning": "warning",
    "note": "note",
    "pass": "none",
}
_PREFIX = "PREFIX"
_HISTORY = "conda-meta/history"


def render(plan: Plan, rules: Sequence[Rule]) -> str:
    """The SARIF log as JSON, ending in one line feed. `rules` gives ids their titles and pages, where they are known."""
    items = machine.items(plan)
    ids = tuple(dict.fromkeys(item.rule for item in items))
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "planner",
                "version": shown(plan.planner_version),
                "rules": _descriptors(ids, {rule.id: rule for rule in rules}),
            }
        },
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_PREFIX: {"uri": _file_uri(plan.target.prefix)}},
        "results": [_result(plan, item, ids.index(item.rule)) for item in items],
        "properties": {
            "verdict": plan.verdict.value,
            "recommendation": plan.recommendation,
            "request": shown(words.command(plan)),
            "solver": shown(f"{plan.solver.name} {plan.solver.version}, {plan.solver.fidelity}"),
            "created": shown(plan.created),
            "fingerprint": {
                name: shown(getattr(plan.fingerprint, name)) for name in ("target", "host", "request", "repodata")
            },
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _descriptors(ids: Sequence[str], rules: dict[str, Rule]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in ids:
        rule = rules.get(name)
        if name == machine.VERDICT:
            text = "The verdict on the whole change"
            found.append({"id": name, "name": "verdict", "shortDescription": {"text": text}})
        elif rule is None:
            found.append({"id": name})
        else:
            found.append(
                {
                    "id": rule.id,
                    "name": rule.name,
                    "shortDescription": {"text": rule.title},
                    "fullDescription": {"text": rule.title},
                    "help": {"text": rule.page},
                    "defaultConfiguration": {"level": {"block": "error", "warn": "warning"}.get(rule.severity, "note")},
                }
            )
    return found


def _result(plan: Plan, item: Item, index: int) -> dict[str, Any]:
    finding = item.finding
    result: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": index,
        "level": _LEVELS[item.weight],
        "message": {"text": item.message if finding is None else _message(item, finding)},
        "locations": _locations(plan, finding),
        "partialFingerprints": {"finding/v1": _fingerprint(plan, item)},
    }
    if item.weight == "pass":
        result["kind"] = "pass"
    if finding is not None:
        result["properties"] = {
            "id": shown(finding.id),
            "status": finding.status,
            "basis": finding.basis,
            "predicts": finding.predicts,
            "pre_existing": finding.pre_existing,
            "environment": shown(finding.environment),
        }
    return result


def _message(item: Item, finding: Finding) -> str:
    parts = [sentence(item.message)]
    parts.extend(f"Evidence: {sentence(shown(f'{piece.where}: {piece.what}'))}" for piece in finding.evidence)
    if finding.remedy:
        parts.append(f"Remedy: {sentence(shown(finding.remedy))}")
    return " ".join(parts)


def _locations(plan: Plan, finding: Finding | None) -> list[dict[str, Any]]:
    subject = f"env:{plan.target.name}" if finding is None else finding.subject
    logical = {"fullyQualifiedName": shown(subject), "kind": subject.partition(":")[0]}
    # One place for a result: a page shows each place as a problem of its own.
    file = next((piece.where for piece in finding.evidence if _in_prefix(piece)), _HISTORY) if finding else _HISTORY
    physical = {"artifactLocation": {"uri": _quoted(file), "uriBaseId": _PREFIX}}
    return [{"physicalLocation": physical, "logicalLocations": [logical]}]


def _in_prefix(piece: Evidence) -> bool:
    """Whether a piece of evidence names a file by its path in the prefix."""
    path = piece.where
    return (
        piece.kind != "catalogue"
        and "/" in path
        and not path.startswith(("/", "~"))
        and ":" not in path
        and ".." not in path.split("/")
    )


def _fingerprint(plan: Plan, item: Item) -> str:
    environment = item.finding.environment if item.finding else plan.target.name
    what = json.dumps([item.rule, environment, item.subject])
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()


def _file_uri(prefix: str) -> str:
    path = shown(prefix).replace("\\", "/").strip("/")
    return f"file:///{quote(path, safe='/:')}/" if path else "file:///"


def _quoted(path: str) -> str:
    return quote(shown(path).replace("\\", "/"), safe="/")
