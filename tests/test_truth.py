"""The part of the truth lab that continuous integration runs: real upgrades of a small installation, carried out.

`make truth` runs all of it. Here two pythons, few distributions and one installation do, and what is tested besides
the product is the lab itself: that its figures can fall.
"""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from planner.model import Severity
from planner.rule import Rule, finding
from rules import RULES
from tests.truth import compare, generator, installations, lab, libraries, table
from tests.truth.inventory import Unit

# One worker runs them all: they share one installation.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("truth")]


def run(rules, drawn=0):
    try:
        outcome = lab.run(
            small=True, seed=generator.SEED, drawn=drawn, rules=rules, say=lambda _text: None, processes=1
        )
    except SystemExit as error:
        pytest.skip(str(error))
    if not outcome.results:
        pytest.skip(f"the lab lacks {', '.join(outcome.missing)}")
    return outcome.results


@pytest.fixture(scope="module")
def results():
    if libraries.compiler() is None:
        pytest.skip("no C compiler")
    return run(RULES, drawn=5)


def of_all(results):
    return table.rows(results)[-1]


def test_cases_by_hand_and_drawn_are_carried_out_and_things_break(results):
    carried_out = [result for result in results if result.judged is not None]
    assert len(carried_out) >= 9
    assert any(result.case.drawn for result in carried_out)
    assert sum(len(result.judged.breaks) for result in carried_out) >= 10
    assert sum(result.tried for result in carried_out) > 500


def test_nothing_is_predicted_that_does_not_break(results):
    wrong = [
        (result.case.title, prediction)
        for result in results
        if result.judged is not None
        for prediction in result.judged.predictions
        if not prediction.confirmed
    ]
    assert wrong == []


def test_what_pip_leaves_behind_is_seen_to_be_gone_and_was_predicted(results):
    upgrade = next(result for result in results if "-n work python=" in result.case.title)
    found = {(each.owner, each.fate) for each in upgrade.judged.breaks}
    assert ("pip:psutil", "predicted") in found
    assert ("pip:pyyaml", "predicted") in found


def test_without_a_rule_recall_falls(results):
    fewer = run([rule for rule in RULES if rule.id != "PIP001"])
    assert of_all(fewer).recall < of_all([result for result in results if not result.case.drawn]).recall


def test_with_a_false_finding_precision_falls(results):
    def claim(ctx):
        yield finding(ctx, "ABI001", Severity.BLOCK, "conda:pip", "pip breaks", "nothing", predicts="import")

    false = Rule("ABI001", "claim", "says what is not so", Severity.BLOCK, claim)
    more = run([*RULES, false])
    assert of_all(more).precision < of_all(results).precision


def plan(**other):
    return {
        "target": {"name": "work", "prefix": "/root/envs/work"},
        "request": {"operation": "install", "specs": ["x"]},
        "changes": [],
        "findings": [],
    } | other


def said(subject, **other):
    return {
        "rule": "ABI003",
        "subject": subject,
        "environment": "work",
        "status": "certain",
        "predicts": "load",
        "pre_existing": False,
    } | other


FAILURE = compare.Failure(
    Unit("work", "conda:tool", "object", "lib/a.so"),
    "OSError: liba.so.1: cannot open shared object file",
    "/root/envs/work/lib/a.so",
)


@pytest.mark.parametrize(
    ("finding_", "fate", "confirmed"),
    [
        (said("conda:tool"), "predicted", [True]),
        (said("file:lib/a.so"), "predicted", [True]),
        (said("file:/root/envs/work/lib"), "predicted", [True]),
        (said("conda:tool", environment="other"), "missed", [False]),
        (said("conda:tool", status="unverified"), "unverified", []),
        (said("conda:tool", predicts=None), "missed", []),
        (said("conda:tool", pre_existing=True), "missed", []),
        (said("conda:tool", rule="GPU001"), "missed", []),
        (said("conda:another"), "missed", [False]),
    ],
)
def test_a_finding_counts_for_what_it_says(finding_, fate, confirmed):
    judged = compare.judge(plan(findings=[finding_]), [FAILURE])
    assert [found.fate for found in judged.breaks] == [fate]
    assert [prediction.confirmed for prediction in judged.predictions] == confirmed
    if fate == "missed":
        assert judged.breaks[0].cause == "ABI003"


def test_what_was_asked_to_go_is_no_break():
    request = {"operation": "remove", "specs": ["tool >=1"]}
    assert compare.judge(plan(request=request), [FAILURE]).breaks == ()
    elsewhere = replace(FAILURE, unit=replace(FAILURE.unit, environment="other"))
    assert len(compare.judge(plan(request=request), [elsewhere]).breaks) == 1


@pytest.fixture
def drawn(tmp_path):
    """A function from a seed to the first draws for a small installation, of which only the metadata is there."""
    meta = tmp_path / "root" / "conda-meta"
    meta.mkdir(parents=True)
    for name in ("python", "numpy", "labzip", "pip"):
        (meta / f"{name}-1.0-0.json").write_text(json.dumps({"name": name}))
    versions = {"python": ("3.10.13", "3.11.7"), "numpy": ("1.26.4", "2.0.2"), "labzip": ("1.5.0", "2.0.0")}
    records = {
        f"{name}-{version}-0.conda": {"name": name, "version": version}
        for name, some in versions.items()
        for version in some
    }
    for subdir, content in (("linux-64", records), ("noarch", {})):
        (tmp_path / "lab" / subdir).mkdir(parents=True)
        (tmp_path / "lab" / subdir / "repodata.json").write_text(json.dumps({"packages.conda": content}))
    place = installations.Place(
        installations.Installation("x", (installations.Environment("base", ()),)), tmp_path, "key"
    )
    materials = SimpleNamespace(lab=str(tmp_path / "lab"))
    return lambda seed: list(itertools.islice(generator.draws(place, materials, seed), 60))


def test_draws_depend_on_the_seed_alone(drawn):
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_draws_are_of_every_kind(drawn):
    cases = drawn(1)
    assert {case.operation for case in cases} == {"install", "update", "remove", "update-all"}
    assert {case.tool for case in cases} == {"conda", "mamba"}
    assert {case.channels for case in cases} == {("lab",), ("other", "lab")}
    assert any(case.specs and case.specs[0].startswith("python=") for case in cases)
    assert not any(case.operation == "remove" and case.specs[0] in {"python", "pip"} for case in cases)
    assert all(case.drawn for case in cases)
