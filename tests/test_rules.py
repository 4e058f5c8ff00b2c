"""The catalogue of rules, and what is so of every rule: a page, sentences of one form, silence where nothing changes."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from msgspec.structs import replace

import rules
from rules import RULES, rule_by_id
from tests import scenario
from tests.situations import (
    ARGON2,
    BASE,
    CPU_TORCH,
    FLASK,
    FREE_THREADED,
    GIL,
    GPU_TORCH,
    LIBGCC,
    NUMPY_39,
    PANDAS,
    PSUTIL_36,
    PURE,
    dist,
    fired,
    moved,
    pkg,
    python,
    situation,
    switch,
)

HEADINGS = (
    "What it checks:",
    "Why it matters:",
    "How it decides:",
    "Evidence and limits:",
    "Example:",
    "What to do:",
    "References:",
)


def test_the_catalogue_is_sorted_unique_and_complete():
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
    modules = sorted(info.name for info in pkgutil.iter_modules(rules.__path__))
    assert modules == sorted(rule.check.__module__.removeprefix("rules.") for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_one_file_with_its_page(rule):
    module = importlib.import_module(rule.check.__module__)
    assert module.RULE is rule
    assert module.__name__ == f"rules.{rule.id.lower()}_{rule.name.replace('-', '_')}"
    lines = rule.page.splitlines()
    assert lines[0].startswith(f"{rule.id} {rule.name}: ")
    assert tuple(line for line in lines if line in HEADINGS) == HEADINGS
    assert rule.title
    assert not rule.title.endswith(".")


def test_rule_by_id():
    assert rule_by_id("pip001") is rule_by_id("PIP001")
    assert rule_by_id("PIP001").name == "orphaned"
    assert rule_by_id("NOPE999") is None


def of_binaries(folder):
    """The findings of scenarios with real objects, for the rules that look into them."""
    names = ("issue-conda-libmamba-solver-442", "issue-open3d-5531", "series-left-in-name", "issue-ace-378")
    for name in (*names, "glibc-too-old", "issue-anaconda-13146"):
        case = scenario.load(scenario.FOLDER / "binaries" / f"{name}.toml")
        yield from scenario.run(case, folder / name).findings


def test_sentences_are_single_lines_without_a_final_stop(tmp_path):
    everything = [
        *moved(NUMPY_39, ARGON2, FLASK, dist("old", files_known=False)),
        *switch("openssl", kept=[pkg("curl", "1", "0", "openssl")]),
        *fired("GPU001", situation([GPU_TORCH], [CPU_TORCH])),
        *fired("GPU005", situation([], [GPU_TORCH])),
        *fired("BASE001", situation(BASE, [python("3.11.9"), LIBGCC], "python=3.11", base=True)),
        *fired("CHG001", situation(BASE, [python("3.11.9"), LIBGCC], "python=3.11", base=True)),
        *fired("CHG002", situation([pkg("pandas", "2.0")], [pkg("pandas", "1.0")])),
        *fired("ABI001", situation([python("3.6.1"), PSUTIL_36], [python("3.7.1"), PSUTIL_36])),
        *fired("ABI002", situation([GIL], [FREE_THREADED])),
        *of_binaries(tmp_path),
    ]
    assert {found.rule for found in everything} <= {rule.id for rule in RULES}
    for found in everything:
        for text in (found.message, found.remedy, *(item.what for item in found.evidence)):
            assert text == text.strip()
            assert text
            assert "\n" not in text
            assert not text.endswith(".")
        assert found.evidence
        assert found.environment in {"base", "work"}


def test_no_change_fires_nothing():
    ctx = situation([*BASE, GPU_TORCH], [*BASE, GPU_TORCH], dists=[NUMPY_39], base=True)
    assert [fired(rule.id, ctx) for rule in RULES] == [[]] * len(RULES)


def test_control_a_relink_and_a_rebuild_are_silent():
    new = [replace(PANDAS, build="py312h6a_0", depends=("python >=3.12,<3.13.0a0", "numpy >=1.21"))]
    ctx = situation([python("3.10.1"), PANDAS, PURE], [python("3.12.1"), *new, PURE], "python=3.12")
    assert [change.action for change in ctx.changes] == ["relink", "rebuild", "upgrade"]
    assert [fired(rule.id, ctx) for rule in RULES] == [[]] * len(RULES)
