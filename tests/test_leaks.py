"""What reaches an environment by ways that leave no trace in a scenario's findings, and the table of all the ways there are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner.discover import machine_prefixes
from planner.inventory import read_inventory
from planner.reach.notes import Places
from planner.run import what_if
from rules import RULES
from tests import scenario as harness

TESTS = Path(__file__).parent
FURTHER = harness.FOLDER / "isolation/every-further-leak-and-its-twin.toml"
# The rows of the table: each way by which a change of base reaches another thing, and those that only look like one.
WAYS = 35


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """The leaky installation, with links into the package cache, an environment in an odd place, and a list of old."""
    here = tmp_path_factory.mktemp("leaks")
    case = harness.load(FURTHER)
    question = harness.write(case, here)
    root, home = here / "root", here / "home"
    cached = root / "pkgs/cudart-12.1.105-h59595ed_0/lib/libcudart.so.12"
    for path in ("lib/libcached.so.1", "bin/cached"):
        (root / "envs/leaky" / path).symlink_to(cached)
    (root / "envs/clean/lib/libown.so").symlink_to("libown.so.1")
    (root / "work/nested/conda-meta").mkdir(parents=True)
    (root / "work/nested/conda-meta/history").write_text("")
    (home / ".conda").mkdir()
    lines = [root / "envs/clean", root / "envs/deleted", root / "work/nested", "relative", ""]
    (home / ".conda/environments.txt").write_text("\n".join(map(str, lines)))
    (root / ".condarc").write_text("auto_stack: 0\n")
    return here, question, what_if(question, RULES)


def row(machine, name):
    (found,) = (row for row in machine[2].environments if row.name == name)
    return found


def listed(machine):
    question = machine[1]
    root, environ = question.root, question.environ
    prefixes = machine_prefixes(root, (), environ, question.home)
    places = Places(environ, question.home, question.system, question.scan)
    return read_inventory(root, prefixes, places, pkgs_dirs=(f"{root}/pkgs",))


def leaks(machine, name):
    (found,) = (row for row in listed(machine).environments if row.name == name)
    return found.leaks_in


def test_links_into_the_package_cache_are_told_and_links_within_are_not(machine):
    here = machine[0]
    told = [text for text in row(machine, "leaky").evidence if "package cache" in text]
    left = "this change leaves the cache as it is, `conda clean --packages` would break them"
    assert told == [f"2 of its files are links into the package cache ({here}/root/envs/leaky/bin/cached): {left}"]
    assert not [text for text in row(machine, "clean").evidence if "package cache" in text]
    linked = f"links into the package cache: 2, {here}/root/envs/leaky/bin/cached among them"
    assert linked in leaks(machine, "leaky")
    assert not [text for text in leaks(machine, "clean") if "package cache" in text]


def test_what_lies_in_base_s_folder_is_told_and_stays_untouched(machine):
    cache = f"{machine[0]}/root/pkgs"
    assert row(machine, "base").evidence[1] == (
        f"in its folder lie too: clean, leaky, nested and the package cache {cache}; a change leaves these as they are, "
        "removing the folder would not"
    )
    nested = row(machine, "nested")
    assert not nested.affected
    assert any(text.startswith(f"it lies below {machine[0]}/root, in files of its own") for text in nested.evidence)


def test_lines_that_name_no_environment_any_more_are_told_with_their_place(machine):
    here, found = machine[0], listed(machine)
    place = f"{here}/home/.conda/environments.txt"
    stale = [(problem.path, problem.what) for problem in found.problems if problem.path.startswith(place)]
    assert stale == [(f"{place}:2", f"{here}/root/envs/deleted is no environment")]
    assert [row.name for row in found.environments] == ["base", "clean", "leaky", "nested"]


def test_a_change_leaves_what_base_shares_with_all(machine):
    """base's .condarc and conda's own programs are named by nothing that is told: a change of packages leaves them."""
    root = f"{machine[0]}/root"
    shared = {f"file:{root}/.condarc", f"file:{machine[0]}/home/.bashrc"}
    assert not shared & {found.subject for found in machine[2].findings}


def test_a_level_that_is_not_stacked_is_none(tmp_path):
    case = harness.load(FURTHER)
    environ = {
        "CONDA_PREFIX_1": "{here}/root",
        "CONDA_STACKED_2": "",
        "CONDA_STACKED_x": "true",
        "CONDA_STACKED_3": "true",
    }
    case = replace(case, around=replace(case.around, environ=environ))
    plan = what_if(harness.write(case, tmp_path), RULES)
    assert "file:the environment of this process" not in {found.subject for found in plan.findings}


def test_scripts_that_nobody_owns_are_looked_at_to_an_end(tmp_path):
    case = harness.load(FURTHER)
    question = harness.write(case, tmp_path)
    for number in range(1100):
        (tmp_path / f"root/bin/x{number}").write_text(f"#!{tmp_path}/root/bin/python3.10\n")
    plan = what_if(replace(question, look_into_files=False), RULES)
    assert (
        sum(found.subject.startswith(f"file:{tmp_path}/root/bin/") for found in plan.findings) == 999
    )  # one merely moves
    told = "it holds more than 1000 scripts that no package brought"
    assert any(told in text for text in plan.environments[0].evidence)


# ---------------------------------------------------------------------------------------------------------------------
# The table


def table():
    """The rows of the scenarios' README: what leaks, where it is told, and where a twin of it is not."""
    text = (harness.FOLDER / "README.md").read_text(encoding="utf-8")
    text = text[text.index("## Leaks") : text.index("## Published breakages")]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [(what, told, silent) for what, told, silent in rows if what not in {"what leaks", "---"}]


@cache
def scenarios():
    return {path.stem: harness.load(path) for path in harness.paths()}


def named(case, path):
    """Whether a scenario lays out a path, among what lies around it or in one of its environments."""
    around = case.around
    places = {*around.files, *around.links, *around.same_file, *around.running, *around.environ}
    places |= {f"home/.local/lib/python{python}/site-packages" for python in around.user_site}
    return path in places or any(place.startswith(f"{path}/") for place in places)


@pytest.mark.parametrize(("what", "told", "silent"), table(), ids=[row[0] for row in table()])
def test_each_way_is_told_where_it_leaks_and_not_where_its_twin_is(what, told, silent):
    cases = scenarios()
    held = 0
    for cell, fires in ((told, True), (silent, False)):
        for name, rule, subject in re.findall(r"`[a-z]+/([a-z0-9-]+)`: ([A-Z]+\d+) `([^`]+)`", cell):
            expected = cases[name].expected.findings or ()
            assert fires
            assert (rule, subject) in {(found.rule, found.subject) for found in expected}
            held += 1
        for name, path in re.findall(r"`[a-z]+/([a-z0-9-]+)`: `([^`]+)`", cell):
            subjects = {found.subject.partition(":")[2] for found in cases[name].expected.findings or ()}
            assert not fires
            assert named(cases[name], path), path
            assert path not in subjects
            held += 1
        for name, rule in re.findall(r"`[a-z]+/([a-z0-9-]+)`: no ([A-Z]+\d+)", cell):
            assert not fires
            assert rule in cases[name].near_miss
            held += 1
        for file, test in re.findall(r"`(test_\w+)::(\w+)`", cell):
            assert f"def {test}(" in (TESTS / f"{file}.py").read_text(encoding="utf-8")
            held += 1
        if cell == "-":
            assert "not concern" in what or "stays" in what
        else:
            assert held
            held = 0


def test_the_table_has_all_the_ways_and_no_scenario_of_leaks_is_left_out():
    rows = table()
    assert len(rows) == len({what for what, _, _ in rows}) == WAYS
    mentioned = {name for _, told, silent in rows for name in re.findall(r"`isolation/([a-z0-9-]+)`", told + silent)}
    assert {path.stem for path in harness.paths() if path.stem.startswith("every-")} <= mentioned
