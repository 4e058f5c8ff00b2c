"""The figures: for each rule and in all, and as text, Markdown and JSON."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.truth.compare import in_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.truth.carry_out import Result
    from tests.truth.compare import Break

NO_RULE = "none"
_LOADED = frozenset({"module", "object"})
_PLACE = re.compile(r"/\S*/installations/[0-9a-f]{10}/")


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one rule, or of all.

    `confirmed` and `refuted` count predictions; `predicted`, `unverified` and `missed` count breaks.
    """

    name: str
    confirmed: int
    refuted: int
    predicted: int
    unverified: int
    missed: int

    @property
    def recall(self) -> float | None:
        """Of what broke, how much was predicted; None where nothing broke."""
        broke = self.predicted + self.unverified + self.missed
        return self.predicted / broke if broke else None

    @property
    def precision(self) -> float | None:
        """Of what was predicted, how much broke; None where nothing was predicted."""
        said = self.confirmed + self.refuted
        return self.confirmed / said if said else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands above the table."""

    date: str
    planner: str
    solver: str
    pythons: tuple[str, ...]
    seed: int
    unused: tuple[tuple[str, int], ...]
    missing: tuple[str, ...]
    rules: tuple[str, ...]


def rows(results: Sequence[Result]) -> tuple[Row, ...]:
    """One row for each rule that said or should have said something, by id; the last one is all of them."""
    judged = [result.judged for result in results if result.judged is not None]
    predictions = [prediction for one in judged for prediction in one.predictions]
    breaks = [found for one in judged for found in one.breaks]
    names = {prediction.rule for prediction in predictions} | {_blamed(found) for found in breaks}
    names |= {rule for found in breaks for rule in found.rules}
    return (
        *(
            _row(
                name,
                [prediction.confirmed for prediction in predictions if prediction.rule == name],
                [found for found in breaks if _concerns(found, name)],
            )
            for name in sorted(names - {""})
        ),
        _row("all", [prediction.confirmed for prediction in predictions], breaks),
    )


def parts(results: Iterable[Result]) -> tuple[Row, ...]:
    """The figures of all, once for what does not load or import, and once for the cases that people chose."""
    judged = [(result, result.judged) for result in results if result.judged is not None]
    loading = [one for _, one in judged]
    chosen = [one for result, one in judged if not result.case.drawn]
    return (
        _row(
            "loads and imports",
            [p.confirmed for one in loading for p in one.predictions if p.predicts in {"load", "import"}],
            [found for one in loading for found in one.breaks if any(f.unit.kind in _LOADED for f in found.failures)],
        ),
        _row(
            "cases by hand",
            [p.confirmed for one in chosen for p in one.predictions],
            [found for one in chosen for found in one.breaks],
        ),
    )


def _row(name: str, confirmed: list[bool], breaks: Sequence[Break]) -> Row:
    fates = Counter(found.fate for found in breaks)
    return Row(
        name,
        sum(confirmed),
        len(confirmed) - sum(confirmed),
        fates["predicted"],
        fates["unverified"],
        fates["missed"],
    )


def _concerns(found: Break, name: str) -> bool:
    return name in found.rules if found.fate != "missed" else _blamed(found) == name


def _blamed(found: Break) -> str:
    return (found.cause or NO_RULE) if found.fate == "missed" else ""


def without_files(results: Iterable[Result]) -> list[Result]:
    """The same cases by what `--no-files` says of them, as far as that was asked."""
    return [
        replace(result, judged=result.unread, verdict=result.unread_verdict)
        for result in results
        if result.unread is not None
    ]


def document(results: Sequence[Result], facts: Facts) -> dict[str, Any]:
    """Everything, as JSON can hold it: the figures, and every case with its predictions and breaks."""
    carried_out = [result for result in results if result.judged is not None]
    unread = without_files(carried_out)
    return {
        "date": facts.date,
        "planner_version": facts.planner,
        "solver": facts.solver,
        "pythons": list(facts.pythons),
        "seed": facts.seed,
        "cases": len(carried_out),
        "drawn": sum(result.case.drawn for result in carried_out),
        "not_used": dict(facts.unused),
        "missing": list(facts.missing),
        "outside_the_figure": [rule for rule in facts.rules if not in_figure(rule)],
        "figures": [_figures(row) for row in rows(results)],
        "parts": [_figures(row) for row in parts(results)],
        "without_files": [_figures(row) for row in rows(unread)] if unread else None,
        "dry_run": _dry_run(carried_out),
        "called_safe_and_broke": [result.case.title for result in _called_safe(carried_out)],
        "said_otherwise": [[result.case.title, *result.otherwise] for result in results if result.otherwise],
        "results": [_case(result) for result in carried_out],
    }


def _figures(row: Row) -> dict[str, Any]:
    return {
        "rule": row.name,
        "predicted_and_broken": row.confirmed,
        "predicted_and_not_broken": row.refuted,
        "broken_and_predicted": row.predicted,
        "broken_and_unverified": row.unverified,
        "broken_and_not_predicted": row.missed,
        "recall": row.recall,
        "precision": row.precision,
    }


def _called_safe(results: Iterable[Result]) -> list[Result]:
    """Where the verdict was safe or review, and something broke that no certain finding had spoken of."""
    return [
        result
        for result in results
        if result.verdict in {"safe", "review"}
        and result.judged
        and any(found.fate != "predicted" for found in result.judged.breaks)
    ]


def _dry_run(results: Iterable[Result]) -> dict[str, int]:
    breaks = [found for result in results if result.judged for found in result.judged.breaks]
    return {"breaks": len(breaks), "listed_as_removed": sum(found.listed for found in breaks), "said_to_break": 0}


def _case(result: Result) -> dict[str, Any]:
    judged = result.judged
    return {
        "case": result.case.title,
        "drawn": result.case.drawn,
        "verdict": result.verdict,
        "tried": result.tried,
        "predictions": [
            {"rule": p.rule, "subject": _plain(p.subject), "predicts": p.predicts, "confirmed": p.confirmed}
            for p in (judged.predictions if judged else ())
        ],
        "breaks": [
            {
                "environment": found.environment,
                "owner": _plain(found.owner),
                "fate": found.fate,
                "rules": list(found.rules),
                "cause": found.cause,
                "units": len(found.failures),
                "error": found.failures[0].error,
            }
            for found in (judged.breaks if judged else ())
        ],
    }


def text(results: Sequence[Result], facts: Facts) -> str:
    """The table for a terminal."""
    lines = [_summary(results, facts), "", f"{'':18}{'predicted':>20}{'broken':>33}"]
    heads = ("broken", "not", "predicted", "unverified", "missed", "recall", "precision")
    lines.append(f"{'rule':18}" + "".join(f"{head:>11}" for head in heads))
    for row in (*rows(results), *parts(results)):
        numbers = (row.confirmed, row.refuted, row.predicted, row.unverified, row.missed)
        shares = (_share(row.recall), _share(row.precision))
        lines.append(f"{row.name:18}" + "".join(f"{value:>11}" for value in (*numbers, *shares)))
    return "\n".join(lines) + "\n"


def markdown(results: Sequence[Result], facts: Facts) -> str:
    """The page: the table, what it counts, every miss and every false alarm."""
    carried_out = [result for result in results if result.judged is not None]
    said = _dry_run(carried_out)
    unread = without_files(carried_out)
    lines = [
        "# The truth lab",
        "",
        "<!-- written by `make truth`: do not edit -->",
        "",
        _summary(results, facts),
        "",
        (
            "Every case is predicted with `planner what-if`, carried out by rattler's installer on a real installation, "
            "and looked at with the environment's own interpreter: imports, shared objects opened with `RTLD_NOW`, "
            "scripts, virtualenvs, kernels. How it works stands in `tests/truth/README.md`."
        ),
        "",
        *_table(rows(results), parts(results)),
        "",
        (
            "A prediction is a certain finding; it is counted once for its subject. A break is an owner in an environment "
            "(a package of conda's, a distribution of pip's, a virtualenv, a kernel) of whom something worked before and "
            "does not after. A break that only an unverified finding speaks of counts against recall. A missed break "
            "stands in the row of the rule whose business it is, going by what it says when it fails; `none` is where no "
            "rule of the catalogue fits."
        ),
        "",
        (
            f"Outside the figure, since nothing here can execute them: {_listing(_outside(facts))}. "
            f"Findings that predict nothing one could see at once are not counted either."
        ),
        "",
        "## Beside it: what a dry run says",
        "",
        (
            f"Of the same {said['breaks']} breaks, `conda install --dry-run` and `micromamba install --dry-run` list "
            f"{said['listed_as_removed']} as packages that are removed, without a word on what that means, and speak of "
            f"{said['said_to_break']}. Their output has no place for more: both print the transaction (`FETCH`, `LINK` and "
            "`UNLINK` with `--json`), which names packages of conda's. Distributions of pip's, virtualenvs, kernels, "
            "and what is inside a file do not occur in it."
        ),
        "",
        "## Called safe or worth a review, with a break that was not predicted",
        "",
        *_bullets(f"`{result.case.title}` ({result.verdict})" for result in _called_safe(carried_out)),
        "",
        "## Broken and not predicted",
        "",
        *_misses(carried_out),
        "",
        "## Predicted and not broken",
        "",
        *_bullets(
            f"`{result.case.title}`: {p.rule} says `{p.predicts}` of {_plain(p.subject)}"
            for result in carried_out
            for p in (result.judged.predictions if result.judged else ())
            if not p.confirmed
        ),
        "",
        "## Said otherwise than a case expects",
        "",
        (
            f"{sum(bool(result.case.fires or result.case.silent) for result in results)} cases name rules that are to "
            "speak of the change, or not to, whether or not they predict anything."
        ),
        "",
        *_bullets(f"`{result.case.title}`: {', '.join(result.otherwise)}" for result in results if result.otherwise),
        "",
        *(_unread(unread) if unread else []),
        "## The lab",
        "",
        f"- Installations: {', '.join(sorted({result.case.installation for result in carried_out}))}.",
        f"- Interpreters: {', '.join(facts.pythons)}. Engine: {facts.solver}. Seed: {facts.seed}.",
        f"- Drawn and not used: {', '.join(f'{count} {name}' for name, count in facts.unused) or 'nothing'}.",
        f"- Missing on the machine it was made on: {_listing(facts.missing)}.",
        "",
    ]
    return "\n".join(lines)


def _table(all_rows: Iterable[Row], of_these: Iterable[Row]) -> list[str]:
    lines = [
        (
            "| rule | predicted and broken | predicted and not broken | broken and predicted | broken and unverified "
            "| **broken and not predicted** | recall | precision |"
        ),
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    names = [(row, f"**{row.name}**" if row.name == "all" else row.name) for row in all_rows]
    for row, name in (*names, *((row, f"of these: {row.name}") for row in of_these)):
        lines.append(
            f"| {name} | {row.confirmed} | {row.refuted} | {row.predicted} | {row.unverified} | **{row.missed}** "
            f"| {_share(row.recall)} | {_share(row.precision)} |"
        )
    return lines


def _unread(results: Sequence[Result]) -> list[str]:
    """The section on what `--no-files` says of the same cases."""
    total = rows(results)[-1]
    broke = total.predicted + total.unverified + total.missed
    return [
        "## The same with `--no-files`",
        "",
        (
            f"What planned packages contain is told by their metadata alone. Of the {broke} breaks, {total.predicted} are "
            f"predicted and {total.unverified} told as unverified: recall {_share(total.recall)}, precision "
            f"{_share(total.precision)}."
        ),
        "",
        *_table(rows(results), parts(results)),
        "",
        "Neither predicted nor told as unverified:",
        "",
        *_misses(results, fates=("missed",)),
        "",
        "Called safe or worth a review, with a break that was not predicted:",
        "",
        *_bullets(f"`{result.case.title}` ({result.verdict})" for result in _called_safe(results)),
        "",
    ]


def _summary(results: Sequence[Result], facts: Facts) -> str:
    carried_out = [result for result in results if result.judged is not None]
    drawn = sum(result.case.drawn for result in carried_out)
    total = rows(results)[-1]
    return (
        f"{len(carried_out)} cases, {drawn} of them drawn by the generator: recall {_share(total.recall)}, "
        f"precision {_share(total.precision)}. Made on {facts.date} with planner {facts.planner}."
    )


def _misses(results: Iterable[Result], fates: Sequence[str] = ("missed", "unverified")) -> list[str]:
    missed = [
        (found, result.case.title)
        for result in results
        for found in (result.judged.breaks if result.judged else ())
        if found.fate in fates
    ]
    if not missed:
        return ["None."]
    lines = ["| case | what broke | fate | rule | what it says |", "|---|---|---|---|---|"]
    for found, title in missed:
        where = found.owner if not found.owner.startswith("file:") else found.environment
        error = found.failures[0].error.replace("|", "\\|").replace("`", "'")
        lines.append(
            f"| {title} | {where} ({len(found.failures)}) | {found.fate} | {found.cause or ', '.join(found.rules)} "
            f"| `{error[:110]}` |"
        )
    return lines


def _bullets(items: Iterable[str]) -> list[str]:
    return [f"- {item}" for item in items] or ["None."]


def _outside(facts: Facts) -> list[str]:
    return [rule for rule in facts.rules if not in_figure(rule)]


def _listing(items: Sequence[str]) -> str:
    return ", ".join(items) or "nothing"


def _plain(subject: str) -> str:
    """Without the place of this machine where the installation lies."""
    return _PLACE.sub("", subject)


def _share(value: float | None) -> str:
    """Cut and not rounded: 1 stands for all, never for nearly all."""
    return "-" if value is None else f"{math.floor(value * 1000) / 1000:.3f}"
