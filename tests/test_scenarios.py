"""Every scenario through the whole pipeline, and what must hold of the collection as such."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from rules import RULES
from tests import scenario as harness

SCENARIOS = {f"{path.parent.name}/{path.stem}": path for path in harness.paths()}


@pytest.mark.parametrize("path", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario(path, asked_engine, tmp_path):
    case = harness.load(path)
    plan = harness.run(case, tmp_path, **asked_engine)
    others = {row.name for row in plan.environments if row.prefix != plan.target.prefix}
    assert harness.observed(plan, case.expected) == harness.stated(case.expected, plan.solver.name, others)
    for word in case.expected.explanation_mentions:
        assert word in (plan.explanation or "")
    fired = {finding.rule for finding in plan.findings}
    assert not fired & set(case.near_miss)
    for finding in plan.findings:
        for text in (finding.message, finding.remedy, *(item.what for item in finding.evidence)):
            assert text == text.strip()
            assert text
            assert "\n" not in text
            assert not text.endswith(".")
        assert finding.evidence


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_fires_somewhere_and_just_misses_somewhere(rule):
    cases = [harness.load(path) for path in SCENARIOS.values()]
    fires = [case for case in cases if any(found.rule == rule.id for found in case.expected.findings or ())]
    misses = [case for case in cases if rule.id in case.near_miss]
    assert fires, f"no scenario fires {rule.id}"
    assert misses, f"no scenario is a near miss of {rule.id}"


def test_each_published_breakage_and_each_control_has_its_scenario():
    """The table in the folder's README names all that there are, and no other."""
    text = (harness.FOLDER / "README.md").read_text(encoding="utf-8")
    table = text[text.index("## Published breakages") :]
    named = set(re.findall(r"`([a-z]+/[a-z0-9-]+)`", table))
    assert named <= SCENARIOS.keys()
    assert named >= {name for name in SCENARIOS if "/issue-" in name or "/control-" in name}
    assert len(re.findall(r"^\| .*`[a-z]+/", table, flags=re.MULTILINE)) == 25


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("verdict =", "verdikt =", "verdikt"),
        ("requested =", "request =", "request"),
        ('verdict = "safe"', 'verdict = "fine"', "fine"),
        ('near_miss = ["', 'near_miss = ["XYZ999", "', "XYZ999"),
        ('installed = ["python-3.11.9', 'installed = ["python-3.11.7', "python-3.11.7"),
        ('verdict = "safe"\n', "", "verdict is missing"),
    ],
)
def test_a_typo_in_a_scenario_is_an_error(tmp_path, old, new, message):
    text = SCENARIOS["outcomes/no-change"].read_text(encoding="utf-8")
    assert old in text
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AssertionError, match=message):
        harness.load(wrong)


def test_a_solver_s_exception_replaces_only_what_it_names():
    case = harness.load(SCENARIOS["outcomes/no-change"])
    special = {"other": harness.OutcomeTable(reason="it differs", changes=("+ x 1",))}
    expected = msgspec.structs.replace(case.expected, by_solver=special)
    assert harness.expectation(expected, "other").changes == ("+ x 1",)
    assert harness.expectation(expected, "other").verdict == "safe"
    assert harness.expectation(expected, "rattler") == expected


def test_the_files_are_what_the_scenario_says(tmp_path):
    case = harness.load(SCENARIOS["windows/pip-dists-stay-visible"])
    question = harness.write(case, tmp_path)
    prefix = Path(question.root or "") / "envs" / "work"
    assert (prefix / "Lib/site-packages/regex/_regex.cp38-win_amd64.pyd").is_file()
    assert "# update specs: ['python=3.8']" in (prefix / "conda-meta/history").read_text(encoding="utf-8")
    repodata = msgspec.json.decode((tmp_path / "channels/pkgs/main/win-64/repodata.json").read_bytes())
    assert sorted(repodata["packages.conda"]) == [
        "pip-23.1.2-py311haa95532_0.conda",
        "pip-23.1.2-py38haa95532_0.conda",
        "python-3.11.3-he1021f5_1.conda",
        "python-3.8.20-h8205438_0.conda",
    ]
