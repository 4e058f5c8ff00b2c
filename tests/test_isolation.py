"""One row for each environment: what was seen on disk, and nothing that was not."""

import pytest

from planner.isolation import environment_reports
from planner.model.installed import Environment, Installation, LoadProblem, PackageRecord
from planner.model.plan import Finding, PackageChange, Severity
from planner.reference import Surroundings


def environment(name, prefix, python="3.10.1", **more):
    records = (PackageRecord("python", python, "0"),) if python else ()
    return Environment(name, str(prefix), "linux-64", records=records, **more)


CHANGE = PackageChange(
    "python", "upgrade", PackageRecord("python", "3.10.1", "0"), PackageRecord("python", "3.11.1", "0")
)


@pytest.fixture
def prefixes(tmp_path):
    base, other = tmp_path / "conda", tmp_path / "conda" / "envs" / "train"
    for prefix in (base, other):
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "python3.10").write_text("")
    return base, other


def rows(base, other, changes=(CHANGE,), findings=()):
    reports = environment_reports(Installation(base.prefix, (base, other)), base, changes, findings, Surroundings())
    return {row.name: row for row in reports}


def test_the_target_is_affected_by_its_changes_and_names_its_findings(prefixes):
    base, other = environment("base", prefixes[0]), environment("train", prefixes[1])
    finding = Finding("PIP001", Severity.WARN, "pip:x", "x", "base", "y", id="F1")
    row = rows(base, other, findings=(finding,))["base"]
    assert (row.affected, row.via, row.evidence[0]) == (True, ("F1",), "1 package unlinked, 1 package linked")
    assert not rows(base, other, changes=())["base"].affected


def test_a_nested_environment_with_its_own_python_is_untouched(prefixes):
    row = rows(environment("base", prefixes[0]), environment("train", prefixes[1], "3.9.7"))["train"]
    assert not row.affected
    assert row.evidence[0].startswith("own interpreter: python 3.9.7")
    assert (
        "no python of its own"
        in rows(environment("base", prefixes[0]), environment("train", prefixes[1], python=None))["train"].evidence[0]
    )


def test_a_link_into_what_changes_affects_and_a_link_within_does_not(prefixes):
    base, other = prefixes
    (other / "bin" / "python").symlink_to("python3.10")
    assert not rows(environment("base", base), environment("train", other))["train"].affected
    (other / "bin" / "tool").symlink_to(base / "bin" / "python3.10")
    row = rows(environment("base", base), environment("train", other))["train"]
    assert row.affected
    assert str(other / "bin" / "tool") in row.evidence[0]


def test_a_link_into_the_package_cache_is_no_link_into_base(prefixes):
    base, other = prefixes
    (base / "pkgs" / "x").mkdir(parents=True)
    (other / "bin" / "x").symlink_to(base / "pkgs" / "x")
    assert not rows(environment("base", base), environment("train", other))["train"].affected


def test_what_lies_in_the_folder_of_the_target_is_told(prefixes):
    base, other = environment("base", prefixes[0]), environment("train", prefixes[1])
    left = "a change leaves these as they are, removing the folder would not"
    assert rows(base, other)["base"].evidence[1:] == (f"in its folder lie too: train; {left}",)
    (prefixes[0] / "pkgs").mkdir()
    cache = f"the package cache {prefixes[0]}/pkgs"
    assert rows(base, other)["base"].evidence[1:] == (f"in its folder lie too: train and {cache}; {left}",)
    apart = environment_reports(Installation(base.prefix, (base, other)), other, (CHANGE,), (), Surroundings())
    assert apart[1].evidence == ("1 package unlinked, 1 package linked",)


def test_what_could_not_be_read_is_named_first(prefixes):
    problem = LoadProblem("conda-meta/x.json", "cut", "left out")
    row = rows(environment("base", prefixes[0]), environment("train", prefixes[1], problems=(problem,)))["train"]
    assert not row.readable
    assert row.evidence[0] == "conda-meta/x.json: cut; left out"


def test_environments_that_could_not_be_listed_are_named_in_the_row_of_base(prefixes):
    base = environment("base", prefixes[0])
    problem = LoadProblem("/opt/conda/envs", "permission denied", "the environments in it are not in this report")
    (row,) = environment_reports(Installation(base.prefix, (base,), (problem,)), base, (), (), Surroundings())
    assert row.evidence[0] == "/opt/conda/envs: permission denied; the environments in it are not in this report"
