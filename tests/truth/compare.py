"""Predictions against what happened: nothing but the two lists is looked at here, and no case is excused.

A prediction is a certain finding that `predicts` something and was not so before. A break is an owner in an environment
of whom something worked before and does not after, as it was used before. What the request itself took away is none:
the package it named for removal, and what another version of a changed package no longer ships.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.truth.cases import Case
    from tests.truth.inventory import Unit

# Nothing here has a GPU, fills a disk or waits for years: these rules are outside the figure, and named as such.
OUTSIDE = ("GPU", "BASE002", "BASE003", "CHG002", "CHG003", "CHG004", "CHG005", "CHG006", "CHG007", "CHG008", "ABI009")
_CAUSES = (
    ("ABI003", r"cannot open shared object file"),
    ("ABI004", r"undefined symbol|symbol lookup error|version `[^']*' not found"),
    ("ABI006", r"numpy.*(?:failed to import|_ARRAY_API|C-API|ABI|dtype size)|compiled using NumPy|numpy\.dtype size"),
    ("PIP002", r"now comes from"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that worked and does not any more: what it says now, and the file that was used before."""

    unit: Unit
    error: str
    origin: str | None


@dataclass(frozen=True, slots=True)
class Break:
    """All failures of one owner in one environment, and what the plan had said of it.

    `fate` is predicted, unverified or missed; `rules` are those that said so; `cause` is the rule whose business a
    missed one is, by what it says when it fails, None where no rule of the catalogue fits.
    """

    environment: str
    owner: str
    failures: tuple[Failure, ...]
    fate: str
    rules: tuple[str, ...]
    cause: str | None
    listed: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """A certain finding that predicts, and whether anything of its subject broke."""

    rule: str
    subject: str
    environment: str
    predicts: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """One case, compared."""

    predictions: tuple[Prediction, ...]
    breaks: tuple[Break, ...]


def judge(plan: dict[str, Any], failures: Iterable[Failure]) -> Judged:
    """Hold a plan document against the failures that were seen when it was carried out."""
    counted = [failure for failure in failures if not _asked_for(plan, failure.unit)]
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in counted:
        groups.setdefault((failure.unit.environment, failure.unit.owner), []).append(failure)
    said = [finding for finding in plan["findings"] if in_figure(finding["rule"]) and not finding["pre_existing"]]
    certain = [finding for finding in said if finding["status"] == "certain" and finding["predicts"]]
    unverified = [finding for finding in said if finding["status"] == "unverified"]
    predictions = tuple(
        Prediction(
            finding["rule"],
            finding["subject"],
            finding["environment"],
            finding["predicts"],
            any(_is_about(finding, failure, plan) for failure in counted),
        )
        for finding in certain
    )
    breaks = tuple(_break(key, group, certain, unverified, plan) for key, group in sorted(groups.items()))
    return Judged(predictions, breaks)


def otherwise(case: Case, plan: dict[str, Any]) -> tuple[str, ...]:
    """Where a plan does not say what its case expects of it, or says what it is not to say. Sentences."""
    new = [finding for finding in plan["findings"] if not finding["pre_existing"]]
    said = {finding["rule"] for finding in new} | {f"{finding['rule']} {finding['subject']}" for finding in new}
    return (
        *(f"{what} is not said" for what in case.fires if what not in said),
        *(f"{what} is said" for what in case.silent if what in said),
    )


def in_figure(rule: str) -> bool:
    """Whether what a rule predicts can be seen in the lab."""
    return not rule.startswith(OUTSIDE)


def _asked_for(plan: dict[str, Any], unit: Unit) -> bool:
    request = plan["request"]
    if request["operation"] != "remove" or unit.environment != plan["target"]["name"]:
        return False
    named = {re.split(r"[\s=<>!~\[]", spec, maxsplit=1)[0] for spec in request["specs"]}
    return unit.owner in {f"conda:{name}" for name in named}


def _break(
    key: tuple[str, str],
    group: list[Failure],
    certain: list[dict[str, Any]],
    unverified: list[dict[str, Any]],
    plan: dict[str, Any],
) -> Break:
    def rules(findings: list[dict[str, Any]]) -> tuple[str, ...]:
        about = {f["rule"] for f in findings if any(_is_about(f, failure, plan) for failure in group)}
        return tuple(sorted(about))

    predicted, open_ = rules(certain), rules(unverified)
    fate = "predicted" if predicted else "unverified" if open_ else "missed"
    environment, owner = key
    removed = {f"conda:{change['name']}" for change in plan["changes"] if change["action"] == "remove"}
    return Break(
        environment,
        owner,
        tuple(group),
        fate,
        predicted or open_,
        None if predicted else _cause(environment, owner, group, plan),
        listed=environment == plan["target"]["name"] and owner in removed,
    )


def _is_about(finding: dict[str, Any], failure: Failure, plan: dict[str, Any]) -> bool:
    kind, _, name = finding["subject"].partition(":")
    unit = failure.unit
    if kind == "file":
        prefix = plan["target"]["prefix"]
        path = (name if name.startswith("/") else f"{prefix}/{name}").rstrip("/")
        places = (failure.origin, unit.owner.removeprefix("file:") if unit.owner.startswith("file:") else None)
        return any(place is not None and (place == path or place.startswith(f"{path}/")) for place in places)
    if kind == "env":
        return name in {unit.environment, unit.environment.partition(":")[2]} or _lies_in(unit.owner, name)
    return unit.environment == finding["environment"] and unit.owner == finding["subject"]


def _lies_in(owner: str, name: str) -> bool:
    return owner.startswith("file:") and owner.removeprefix("file:") == name


def _cause(environment: str, owner: str, group: Sequence[Failure], plan: dict[str, Any]) -> str | None:
    if any("OMP: Error" in failure.error for failure in group):
        return "ABI010"
    if environment.startswith("venv:"):
        return "ENV004"
    if environment.startswith(("kernel:", "unit:", "script:", "pth:")):
        return "ENV005"
    if any("/.local/lib/" in (failure.origin or "") for failure in group):
        return "ENV001"
    errors = "\n".join(failure.error for failure in group)
    for rule, pattern in _CAUSES:
        if re.search(pattern, errors, re.IGNORECASE):
            return rule
    if owner in {f"conda:{change['name']}" for change in plan["changes"] if change["action"] == "remove"}:
        return "CHG001"
    if _python_moves(plan):
        return "PIP001" if owner.startswith("pip:") else "ABI001"
    if "ModuleNotFoundError" in errors or "ImportError" in errors:
        return "PIP003" if owner.startswith("pip:") else "CHG009"
    return None


def _python_moves(plan: dict[str, Any]) -> bool:
    for change in plan["changes"]:
        if change["name"] == "python":
            sides = [(change[side] or {}).get("version", "") for side in ("before", "after")]
            return sides[0].rpartition(".")[0] != sides[1].rpartition(".")[0]
    return False
