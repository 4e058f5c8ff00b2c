"""What must hold of any input: no change is safe, order is nothing, and what is unrelated helps nobody."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from msgspec.structs import replace

from planner.model.plan import Verdict
from planner.run import what_if
from planner.serialize import dumps
from rules import RULES
from tests import scenario as harness

SCENARIOS = {f"{path.parent.name}/{path.stem}": path for path in harness.paths()}
# From best to worst; what has no solution and what is not known are no better than a certain block.
RANK = {Verdict.SAFE: 0, Verdict.REVIEW: 1, Verdict.UNKNOWN: 2, Verdict.UNSAFE: 3, Verdict.UNSOLVABLE: 4}
SOME = [
    "base/issue-conda-9907-mamba",
    "changes/issue-conda-11111",
    "environments/unreadable-record-of-the-target",
    "gpu/issue-anaconda-12302",
    "outcomes/pinned-against",
    "pip/issue-conda-pypi-11",
    "windows/pandas-goes-back",
]


@pytest.mark.parametrize("path", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_asking_for_what_is_there_changes_nothing(path, tmp_path):
    """Each installed build asked for as it is: no change, and nothing new to say, whatever the environment holds."""
    case = harness.load(path)
    name = case.change.environment
    environment = case.environments[name]
    # No channel may have anything newer: what conda keeps up to date by itself would move otherwise.
    kept = {dist: table for dist, table in case.packages.items() if dist in environment.installed}
    others = {other: table for other, table in case.environments.items() if set(table.installed) <= set(kept)}
    exact = tuple("{}=={}={}".format(*dist.rsplit("-", 2)) for dist in environment.installed)
    channels = tuple(dict.fromkeys(table.channel for table in kept.values()))
    # As conda: mamba asks for pip beside python, which not every one of these channels has.
    change = msgspec.structs.replace(
        case.change, install=exact, update=(), remove=(), update_all=False, channels=channels, tool="conda"
    )
    packages = {dist: msgspec.structs.replace(table, published_in=None) for dist, table in kept.items()}
    still = msgspec.structs.replace(
        case,
        packages=packages,
        environments={**others, name: msgspec.structs.replace(environment, unreadable=(), pins=())},
        change=change,
    )
    plan = harness.run(still, tmp_path)
    assert plan.outcome == "no-change", [harness.told(change) for change in plan.changes]
    assert plan.verdict is Verdict.SAFE
    assert not [finding for finding in plan.findings if not finding.pre_existing]


@pytest.mark.parametrize("name", SOME)
def test_the_order_of_what_is_read_changes_no_byte(name, tmp_path):
    """The same packages in other orders in repodata and installation: the same plan."""
    case = harness.load(SCENARIOS[name])
    question = harness.write(case, tmp_path)
    expected = dumps(what_if(question, RULES))
    for seed in range(3):
        for path in (tmp_path / "channels").rglob("repodata.json"):
            _shuffle(path, random.Random(seed))  # noqa: S311 -- no secret
        again = dumps(what_if(question, RULES))
        assert _without_repodata(again) == _without_repodata(expected)
    later = dumps(what_if(replace(question, created="2027-01-01T00:00:00Z"), RULES))
    assert _without(later, "created") == _without(again, "created")


def _shuffle(path, rng):
    document = json.loads(path.read_text(encoding="utf-8"))
    for table in ("packages", "packages.conda"):
        entries = list(document.get(table, {}).items())
        rng.shuffle(entries)
        document[table] = dict(entries)
    path.write_text(json.dumps(document), encoding="utf-8")


def _without(text, key):
    document = json.loads(text)
    del document[key]
    return json.dumps(document)


def _without_repodata(text):
    """The digest of the repodata is that of its bytes, which did change."""
    document = json.loads(text)
    del document["fingerprint"]["repodata"]
    return json.dumps(document)


@pytest.mark.parametrize("name", SOME)
def test_an_unrelated_package_never_improves_a_verdict(name, tmp_path):
    """A package that nothing needs, and that needs nothing, in the environment and in a channel."""
    case = harness.load(SCENARIOS[name])
    before = harness.run(case, tmp_path / "before")
    dist, table = "unrelated-1.0-0", harness.PackageTable(channel=next(iter(case.packages.values())).channel)
    environment = case.environments[case.change.environment]
    more = msgspec.structs.replace(
        case,
        packages={**case.packages, dist: table},
        environments={
            **case.environments,
            case.change.environment: msgspec.structs.replace(environment, installed=(*environment.installed, dist)),
        },
    )
    after = harness.run(more, tmp_path / "after")
    assert RANK[after.verdict] >= RANK[before.verdict]
    said = {(finding.rule, finding.subject) for finding in after.findings}
    assert said >= {(finding.rule, finding.subject) for finding in before.findings}
