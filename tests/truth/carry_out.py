"""One case from beginning to end: predict, carry out, look, and put everything back.

What happens depends on the installation and on the transaction alone, not on the rules: it is kept in the cache under
both, so that a changed rule is measured against the same truth in a minute.
"""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.truth import compare, observe, prefixes, user_sites
from tests.truth.compare import Failure, Judged
from tests.truth.inventory import Unit
from tests.truth.store import source_digest, text_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from planner.rule import Rule
    from tests.truth.cases import Case
    from tests.truth.installations import Place
    from tests.truth.observe import Seen
    from tests.truth.store import Materials

# Which engine answers may be chosen from outside; nothing else of this machine's settings has a say.
_PASSED_ON = ("PLANNER_LIBMAMBA_PYTHON",)
_CREATED = "2024-01-01T00:00:00Z"
# What the truth depends on besides; `_FORM` stands for how this module writes it down.
_SOURCES = ("probe.py", "inventory.py", "observe.py", "prefixes.py")
_FORM = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case. `judged` is None where there was nothing to carry out.

    `otherwise` is what the plan says against the case's own expectation.
    `unread` and `unread_verdict` are the same for what is said with `--no-files`, where that was asked too.
    """

    case: Case
    outcome: str
    verdict: str
    solver: str
    transaction: str
    judged: Judged | None = None
    tried: int = 0
    otherwise: tuple[str, ...] = ()
    unread: Judged | None = None
    unread_verdict: str = ""


class Bench:
    """An installation, what works in it, and the changes that are tried on it one after another."""

    def __init__(self, place: Place, materials: Materials, cache: Path, say: Callable[[str], None]) -> None:
        self.place = place
        self._materials = materials
        self._cache = cache
        self._say = say
        users = ("user_sites.py",) if place.installation.user_site or place.installation.other_sites else ()
        self._probes = text_digest(source_digest(*_SOURCES, *users), _FORM)
        self._worked: dict[Unit, Seen] | None = None

    @property
    def worked(self) -> dict[Unit, Seen]:
        """Every unit that works before any change."""
        if self._worked is None:
            path = self._cache / "truths" / f"{text_digest(self.place.key, self._probes)}.before"
            if not path.is_file():
                self._say(f"{self.place.installation.name}: what works before")
                _keep(path, pickle.dumps(observe.before(self.place) | user_sites.before(self.place)))
            seen = pickle.loads(path.read_bytes())  # noqa: S301 -- written by the lab itself, into its own cache
            self._worked = {unit: how for unit, how in seen.items() if how.error is None}
        return self._worked

    def predict(self, case: Case, rules: Sequence[Rule], *, look: bool = True) -> dict[str, Any]:
        """The plan document of `planner what-if --scan HOME --format json`, without `look` with `--no-files`."""
        from planner.run import Question, what_if
        from planner.serialize import dumps

        places = {"lab": self._materials.lab, "other": self._materials.other}
        question = Question(
            env=case.environment,
            specs=case.specs,
            operation=case.operation,
            tool=case.tool,
            root=str(self.place.root),
            channels=tuple(places[name] for name in case.channels),
            override_channels=True,
            offline=True,
            look_into_files=look,
            channel_priority=case.priority,
            environ={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            home=str(self.place.home),
            scan=(str(self.place.home),),
            system=str(self.place.folder),  # nothing of this machine's own: what refers to the installation is in it
            cache_dir=str(self._cache / "planner"),
            created=_CREATED,
        )
        plan: dict[str, Any] = json.loads(dumps(what_if(question, rules)))
        return plan

    def run(self, case: Case, rules: Sequence[Rule], *, unread: bool = False) -> Result:
        """Predict, carry out, compare; with `unread` also what would be said with `--no-files`."""
        plan = self.predict(case, rules)
        records = sorted(record["url"] for record in plan["final_state"])
        transaction = text_digest(self.place.key, case.environment, records)
        solver = f"{plan['solver']['name']} {plan['solver']['version']}"
        if plan["outcome"] != "change":
            unsaid = tuple(f"{what} is not said: {plan['outcome']}" for what in case.fires)
            return Result(case, plan["outcome"], plan["verdict"], solver, transaction, otherwise=unsaid)
        failures, listed, tried = self._truth(case, plan, transaction)
        counted = [failure for failure in failures if not _withdrawn(plan, failure.unit, listed)]
        judged, said = compare.judge(plan, counted), compare.otherwise(case, plan)
        result = Result(case, plan["outcome"], plan["verdict"], solver, transaction, judged, tried, said)
        if not unread:
            return result
        less = self.predict(case, rules, look=False)
        return replace(result, unread=compare.judge(less, counted), unread_verdict=less["verdict"])

    def _truth(self, case: Case, plan: dict[str, Any], transaction: str) -> tuple[list[Failure], set[Unit], int]:
        path = self._cache / "truths" / f"{text_digest(transaction, self._probes)}.json"
        if not path.is_file():
            _keep(path, json.dumps(self._carried_out(case, plan)).encode())
        kept = json.loads(path.read_text())
        failures = [Failure(Unit(**entry["unit"]), entry["error"], entry["origin"]) for entry in kept["failures"]]
        return failures, {Unit(*entry) for entry in kept["listed"]}, kept["tried"]

    def _carried_out(self, case: Case, plan: dict[str, Any]) -> dict[str, Any]:
        self._say(case.title)
        prefix = self.place.prefix(case.environment)
        before = prefixes.seal(self.place.folder)
        worked = self.worked
        of_user = user_sites.of(self.place, worked)
        channels = [self._materials.lab, self._materials.other]
        with prefixes.cloned(prefix):
            prefixes.transact(prefix, plan["final_state"], channels, self._materials)
            seen, listed = observe.after(self.place, case.environment, set(worked) - of_user)
            seen |= user_sites.after(self.place, case.environment, of_user)
        if prefixes.seal(self.place.folder) != before:
            raise prefixes.LabError(f"{case.title}: something was written into the original installation")
        failed = sorted((unit, how) for unit, how in seen.items() if how.error is not None and unit in worked)
        return {
            "tried": sum(unit in worked for unit in seen),
            "failures": [
                {
                    "unit": asdict(unit),
                    "error": (how.error or "").replace(f"{self.place.folder}/", ""),
                    "origin": worked[unit].origin,
                }
                for unit, how in failed
            ],
            # Of what failed: still listed by a package that changed?
            "listed": [[u.environment, u.owner, u.kind, u.name] for u, _ in failed if u in listed],
        }


def _withdrawn(plan: dict[str, Any], unit: Unit, listed: set[Unit]) -> bool:
    """Whether another version of the unit's package no longer ships it: that is the change itself, and no break."""
    changed = {f"conda:{change['name']}" for change in plan["changes"] if change["after"] is not None}
    return unit.environment == plan["target"]["name"] and unit.owner in changed and unit not in listed


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.replace(path)
