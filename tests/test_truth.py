"""The part of the truth lab that continuous integration runs: real upgrades of a small installation, carried out.

`make truth` runs all of it. Here two pythons, few distributions and one installation do, and what is tested besides
the product is the lab itself: that its figures can fall.
"""

import itertools
import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from planner.audit import audit
from planner.model.plan import Severity
from planner.question import Question
from planner.rule import Rule, finding
from rules import RULES
from tests.truth import (
    carry_out,
    cases,
    compare,
    generator,
    installations,
    lab,
    layouts,
    libraries,
    prefixes,
    store,
    table,
)
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


def test_what_a_case_expects_to_be_said_is_said_and_nothing_against_it(results):
    assert [(result.case.title, result.otherwise) for result in results if result.otherwise] == []


def test_an_extension_of_torch_stops_loading_and_the_stable_abi_does_not(results):
    moved = next(result for result in results if "pytorch=2.6.0" in result.case.title)
    assert {each.owner for each in moved.judged.breaks} == {"pip:ofloose"}


@pytest.fixture(scope="module")
def both():
    """The installation, and its environment that has torch from conda and, written over it, from pip."""
    cache = store.cache_folder()
    try:
        materials = store.materials(cache, small=True, say=lambda _text: None)
        place = installations.place(layouts.small(next(iter(materials.pythons))), materials, cache, lambda _text: None)
    except (SystemExit, prefixes.LabError) as error:
        pytest.skip(str(error))
    return place, place.prefix("both")


def test_torch_from_conda_and_from_pip_at_once_is_told_apart(both, tmp_path):
    place, prefix = both
    command = [prefix / "bin/python", "-B", "-c", "import torch; print(torch.__version__)"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    question = Question(
        env="both",
        root=str(place.root),
        home=str(place.home),
        system=str(tmp_path),
        cache_dir=str(tmp_path),
        environ={},
        created="2024-01-01T00:00:00Z",
    )
    said = {found.rule: found for found in audit(question, RULES, deep=False).findings if found.subject == "pip:torch"}
    assert (said["PIP002"].severity, said["PIP002"].status) == (Severity.BLOCK, "certain")
    assert f"hold pip's {imported}, which is what is imported" in said["PIP002"].message
    assert "pytorch 2.5.1" in said["PIP002"].message
    collide = {evidence.where.rpartition("site-packages/")[2] for evidence in said["PIP004"].evidence}
    assert "torch/__init__.py" in collide
    assert "let conda install pytorch again" in said["PIP002"].remedy


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


def test_what_no_files_says_has_figures_of_its_own():
    read = compare.judge(plan(findings=[said("conda:tool")]), [FAILURE])
    unread = compare.judge(plan(findings=[said("conda:tool", status="unverified")]), [FAILURE])
    result = carry_out.Result(
        cases.Case("x", "work", ("tool",)),
        "change",
        "unsafe",
        "engine 1",
        "t",
        read,
        unread=unread,
        unread_verdict="safe",
    )
    facts = table.Facts("2026-01-01", "0", "engine 1", (), 1, (), (), ())
    assert of_all([result]).recall == 1
    assert of_all(table.without_files([result])).unverified == 1
    page = table.markdown([result], facts)
    assert "Of the 1 breaks, 0 are predicted and 1 told as unverified" in page
    assert "- `x: conda install -n work tool` (safe)" in page
    assert "with `--no-files`" not in table.markdown([replace(result, unread=None)], facts)
