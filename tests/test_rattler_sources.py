"""What rattler is given to read: less than the channels have, and no other answer or explanation than its own gateway's."""

import asyncio
import json

import pytest
import rattler
from rattler import PackageFormatSelection
from rattler.exceptions import SolverError

from planner.model.solve import Repodata
from planner.solve.rattler_sources import Sources

PYTHONS = ("3.9.1", "3.10.4", "3.11.2", "3.11.9")


def record(name, version, build="0", *depends):
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": depends,
        "subdir": "linux-64",
    }


def document():
    packages = {f"python-{version}-0.conda": record("python", version) for version in PYTHONS}
    for minor in ("3.9", "3.10"):
        tag = f"py{minor.replace('.', '')}"
        packages[f"old-1.0-{tag}.conda"] = record("old", "1.0", tag, f"python {minor}.*")
    packages["any-1.0-0.conda"] = record("any", "1.0", "0", "python")
    return {"info": {"subdir": "linux-64"}, "packages.conda": packages, "packages": {}}


@pytest.fixture
def sources(tmp_path):
    """A function from a `repodata.json`, as a value or as bytes, to the sources of it."""

    def make(content):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        path = tmp_path / "repodata.json"
        path.write_bytes(content)
        made = tmp_path / "made"
        made.mkdir(exist_ok=True)
        return Sources([Repodata("https://conda.example.org/lab", "linux-64", str(path), "sha256:0")], str(made))

    return make


def files(sparse, name):
    return {item.file_name for item in sparse.load_records(name, PackageFormatSelection.BOTH)}


def test_builds_that_a_spec_rules_out_are_left_out_and_nothing_else_is(sources):
    found = sources(document())
    (whole,), (less,) = found.without(()), found.without(["python=3.11", "any", "old=1"])
    assert files(less, "python") == {"python-3.11.2-0.conda", "python-3.11.9-0.conda"}
    assert files(less, "old") == files(whole, "old")
    assert files(less, "any") == files(whole, "any")
    assert len(files(whole, "python")) == len(PYTHONS)


def test_what_one_of_several_specs_allows_stays(sources):
    (less,) = sources(document()).without(["python=3.11", "python <3.10"])
    assert files(less, "python") == {"python-3.9.1-0.conda", "python-3.11.2-0.conda", "python-3.11.9-0.conda"}
    (whole,) = sources(document()).without(["python=3.11", "python"])
    assert len(files(whole, "python")) == len(PYTHONS)


def test_an_older_archive_does_not_come_forth_where_the_newer_of_the_same_build_is_left_out(sources):
    content = document()
    content["packages"]["python-3.10.4-0.tar.bz2"] = record("python", "3.10.4")
    (less,) = sources(content).without(["python=3.11"])
    assert files(less, "python") == {"python-3.11.2-0.conda", "python-3.11.9-0.conda"}


@pytest.mark.parametrize("odd", ['"\\ud800"', "[" * 2000 + "]" * 2000], ids=["half a character", "deep"])
def test_what_only_rattler_can_read_is_left_as_it_is(sources, odd):
    content = json.dumps(document()).replace('"info": {', f'"info": {{"note": {odd}, ')
    (whole,) = sources(content.encode()).without(["python=3.11"])
    assert len(files(whole, "python")) == len(PYTHONS)


def test_the_versions_of_an_invented_package_are_in_the_order_of_its_needs(sources):
    made = sources(document()).invented({"choice": [(), ("python",), ("python=3.11", "any")]})
    found = {str(item.version): list(item.depends) for item in made.load_records("choice")}
    assert found == {"1": [], "2": ["python"], "3": ["python=3.11", "any"]}


def outcome(asked):
    try:
        return sorted(item.file_name for item in asyncio.run(asked))
    except SolverError as error:
        return str(error)


@pytest.mark.parametrize(
    "specs",
    [
        ["python=3.11", "any"],
        ["any", "old"],
        ["python=3.11", "old"],
        ["old", "python >=3.11"],
        ["python=3.9", "nosuch"],
    ],
)
def test_the_gateway_answers_and_explains_the_same(sources, specs):
    found = sources(document())
    (whole,) = found.without(())
    ours = rattler.solve_with_sparse_repodata(specs, found.without(specs))
    by_gateway = rattler.solve([whole], specs, platforms=["linux-64"], channel_relations="disabled")
    assert outcome(ours) == outcome(by_gateway)
