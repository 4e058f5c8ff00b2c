"""The order of findings, their numbers, the verdict and what is recommended."""

from __future__ import annotations

import itertools
import random

import pytest
from msgspec.structs import replace

from planner.judge import judge, recommendation, verdict
from planner.model.installed import Environment, History, Host, Installation, RecordFiles
from planner.model.plan import Edge, Evidence, Finding, Severity, Verdict
from planner.model.solve import Request
from planner.rule import Rule, RuleContext

BLOCK, WARN, NOTE = Severity.BLOCK, Severity.WARN, Severity.NOTE


def found(rule, subject, severity=BLOCK, **more):
    return Finding(rule, severity, subject, f"{subject} says {rule}", "base", "do something", **more)


def context(*, history=()):
    environment = Environment("base", "/srv/conda", "linux-64", history=History(tuple((n, n) for n in history)))
    return RuleContext(
        installation=Installation("/srv/conda", (environment,)),
        environment=environment,
        is_base=True,
        request=Request("install", ("python=3.10",)),
        host=Host("linux-64"),
        after=(),
        changes=(),
        planned_python=None,
        files=lambda _record: RecordFiles(()),
    )


def rule_of(*findings):
    return Rule("TST001", "test", "A test", BLOCK, lambda _ctx: iter(findings))


def order(*findings, history=()):
    judged, _ = judge([rule_of(*findings)], context(history=history))
    assert [finding.id for finding in judged] == [f"F{n}" for n in range(1, len(judged) + 1)]
    return [(finding.rule, finding.subject) for finding in judged]


RANKED = [
    found("BASE001", "conda:conda"),
    found("CHG001", "conda:pandas"),
    found("CHG001", "conda:pytorch"),
    found("GPU001", "conda:torchvision"),
    found("CHG002", "conda:pandas"),
    found("ABI001", "conda:psutil"),
    found("PIP001", "pip:numpy"),
    found("PIP001", "pip:scipy"),
    found("CHG001", "conda:libuv"),
    found("CHG001", "conda:zstd"),
    found("ABI001", "conda:unclear", status="unverified"),
    found("CHG002", "conda:pytorch", WARN),
    found("PIP001", "pip:flask", WARN),
    found("CHG002", "conda:attrs", WARN),
    found("GPU005", "host:gpu", WARN, status="unverified"),
    found("CHG003", "conda:zlib", NOTE),
    found("BASE001", "conda:conda-libmamba-solver", pre_existing=True),
]


def test_the_order_puts_the_worst_first_however_the_rules_speak():
    expected = [(finding.rule, finding.subject) for finding in RANKED]
    generator = random.Random(7)  # noqa: S311 -- a shuffle for a test, nothing secret
    for _ in range(20):
        shuffled = list(RANKED)
        generator.shuffle(shuffled)
        assert order(*shuffled, history=["pandas"]) == expected


def test_a_loss_counts_as_asked_for_only_if_it_was():
    other, torn = found("CHG001", "conda:pandas"), found("PIP001", "pip:numpy")
    assert order(other, torn) == [("PIP001", "pip:numpy"), ("CHG001", "conda:pandas")]
    assert order(other, torn, history=["pandas"]) == [("CHG001", "conda:pandas"), ("PIP001", "pip:numpy")]


def test_edges_are_numbered_once_and_findings_name_them():
    evidence = (Evidence("metadata", "here", "this"),)
    to_python = Edge("conda:conda", "conda:python", "python_abi", "python >=3.9,<3.10.0a0", "removed", evidence)
    other = Edge("pip:numpy", "conda:python", "python_abi", "cp39", "broken", evidence)
    findings, edges = judge(
        [
            rule_of(found("PIP001", "pip:numpy", edges=(other,)), found("CHG001", "conda:conda", edges=(to_python,))),
            rule_of(found("BASE001", "conda:conda", edges=(to_python, other))),
        ],
        context(),
    )
    assert edges == (replace(to_python, id="E1"), replace(other, id="E2"))
    assert [(f.id, f.rule, f.edge_ids) for f in findings] == [
        ("F1", "BASE001", ("E1", "E2")),
        ("F2", "PIP001", ("E2",)),
        ("F3", "CHG001", ("E1",)),
    ]
    assert findings[0].edges == edges


def test_the_same_said_twice_is_kept_once_at_its_weightiest():
    heavy, light = found("CHG001", "conda:x"), found("CHG001", "conda:x", WARN)
    for pair in itertools.permutations([heavy, light]):
        (finding,), edges = judge([rule_of(*pair)], context())
        assert (finding.severity, edges) == (BLOCK, ())


def test_no_rules_say_nothing():
    assert judge([], context()) == ((), ())


def test_a_broken_rule_is_not_swallowed():
    def broken(_ctx):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        judge([Rule("TST001", "test", "A test", BLOCK, broken)], context())


CERTAIN = found("PIP001", "pip:a")
UNVERIFIED = found("PIP001", "pip:b", status="unverified")
WARNING = found("CHG002", "conda:c", WARN)
UNSURE_WARNING = found("GPU005", "host:gpu", WARN, status="unverified")
NOTED = found("CHG003", "conda:d", NOTE)
OLD = replace(CERTAIN, pre_existing=True)


@pytest.mark.parametrize(
    ("unsolvable", "findings", "readable", "expected"),
    [
        (True, [CERTAIN], False, Verdict.UNSOLVABLE),
        (True, [], True, Verdict.UNSOLVABLE),
        (False, [WARNING, CERTAIN, UNVERIFIED], False, Verdict.UNSAFE),
        (False, [WARNING, UNVERIFIED], True, Verdict.UNKNOWN),
        (False, [WARNING], False, Verdict.UNKNOWN),
        (False, [], False, Verdict.UNKNOWN),
        (False, [NOTED, WARNING], True, Verdict.REVIEW),
        (False, [UNSURE_WARNING], True, Verdict.REVIEW),
        (False, [NOTED, OLD, replace(UNVERIFIED, pre_existing=True)], True, Verdict.SAFE),
        (False, [replace(WARNING, pre_existing=True)], True, Verdict.SAFE),
        (False, [], True, Verdict.SAFE),
    ],
)
def test_the_verdict_is_the_first_that_applies(unsolvable, findings, readable, expected):
    for arrangement in itertools.permutations(findings):
        assert verdict(unsolvable, arrangement, readable) is expected


@pytest.mark.parametrize(
    ("verdict_", "migration", "outcome", "expected"),
    [
        (Verdict.SAFE, True, "change", "in-place"),
        (Verdict.SAFE, False, "no-change", "in-place"),
        (Verdict.REVIEW, True, "change", "in-place"),
        (Verdict.UNSAFE, True, "change", "migrate"),
        (Verdict.UNSAFE, False, "change", "do-not-proceed"),
        (Verdict.UNKNOWN, True, "change", "migrate"),
        (Verdict.UNKNOWN, False, "no-change", "do-not-proceed"),
        (Verdict.UNSOLVABLE, True, "unsolvable", "migrate"),
        (Verdict.UNSOLVABLE, False, "unsolvable", "do-not-proceed"),
    ],
)
def test_what_is_recommended(verdict_, migration, outcome, expected):
    assert recommendation(verdict_, migration, outcome) == expected


def test_edges_that_are_only_reached_come_last_and_never_twice():
    broken = Edge("conda:a", "conda:lib", "soname", "liblib.so.1", "broken")
    same = replace(broken, status="unverified")
    other = Edge("conda:b", "conda:lib", "soname", "liblib.so.1", "intact")
    rule = rule_of(found("ABI003", "conda:a", edges=(broken,)))
    _, edges = judge([rule], context(), reached=[same, other])
    assert [(edge.id, edge.consumer, edge.status) for edge in edges] == [
        ("E1", "conda:a", "broken"),
        ("E2", "conda:b", "intact"),
    ]


def test_a_late_rule_is_checked_last_and_stands_where_its_findings_belong():
    checked = []

    def check(finding):
        checked.append(finding.rule)
        yield finding

    findings = [found("BASE003", "host:disk"), found("GPU001", "conda:pytorch"), found("PIP001", "pip:numpy")]
    rules = [
        Rule(item.rule, "test", "A test", BLOCK, lambda _ctx, item=item: check(item), late=item.rule == "BASE003")
        for item in findings
    ]
    judged, _ = judge(rules, context())
    assert checked == ["GPU001", "PIP001", "BASE003"]
    assert judged == judge([replace(rule, late=False) for rule in rules], context())[0]
