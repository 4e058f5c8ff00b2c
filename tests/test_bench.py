"""The benchmark's own world: the same bytes everywhere, of the field's shape, and solvable from one python to the next."""

import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner import repodata_index
from planner.channels import open_channels
from planner.load import load_environment
from planner.model.solve import Solution
from planner.run import what_if
from planner.solve import closure as closures
from planner.solve.closure import Closure
from planner.solve.worker_process import WorkerProcess
from rules import RULES
from tests.bench import __main__ as main
from tests.bench import equality, inside, kept, prefixes, rows, table
from tests.bench.channel import Channel
from tests.bench.installation import URL
from tests.bench.measure import Measured, Run
from tests.bench.world import World
from tests.questions import about_made

TOP = Path(__file__).parents[1]
RECORDS = 10_000


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("bench"), RECORDS, 2, packages=60)


def digests(folder):
    return [hashlib.sha256((folder / subdir / "repodata.json").read_bytes()).hexdigest() for subdir in SUBDIRS]


SUBDIRS = ("linux-64", "noarch")


def test_the_bytes_follow_from_the_seed_alone(world, tmp_path):
    code = f"from pathlib import Path; from tests.bench.channel import Channel; Channel({RECORDS}).write(Path.cwd())"
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(TOP)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    assert digests(tmp_path) == digests(world.channel)
    Channel(2000, seed=1).write(tmp_path / "other")
    assert digests(tmp_path / "other") != digests(tmp_path)


def test_the_shape_is_the_fields(world):
    for subdir, least, most in (("linux-64", 400, 700), ("noarch", 300, 600)):
        path = world.channel / subdir / "repodata.json"
        document = json.loads(path.read_bytes())
        records = [*document["packages"].values(), *document["packages.conda"].values()]
        assert least < path.stat().st_size / len(records) < most
        assert 2 <= statistics.median(len(record["depends"]) for record in records) <= 9
        assert list(document["packages.conda"]) == sorted(document["packages.conda"])
    assert sum(len(json.loads((world.channel / s / "repodata.json").read_bytes())["packages"]) for s in SUBDIRS) > 100


@pytest.fixture
def question(world, tmp_path):
    return about_made(world, tmp_path, solver="rattler")


def test_its_base_moves_from_python_310_to_311(question):
    plan = what_if(question, RULES)
    assert plan.outcome == "change"
    moved = {change.name: change for change in plan.changes}
    assert (moved["python"].before.version[:4], moved["python"].after.version[:4]) == ("3.10", "3.11")
    assert "py311" in moved["numpy"].after.build
    assert len(plan.environments) == 2


@pytest.fixture(scope="module")
def fifty(tmp_path_factory):
    """An installation of fifty environments besides base, each of some forty packages."""
    return World(tmp_path_factory.mktemp("fifty"), RECORDS, 51, packages=40)


@pytest.mark.parametrize("engine", ["rattler", "libmamba"])
def test_every_one_of_fifty_environments_is_answered_as_on_the_whole_channel(fifty, engine, request, monkeypatch):
    monkeypatch.setattr(closures, "_WORTH_KEEPING", 0)
    monkeypatch.setattr(repodata_index, "_WORTH_KEEPING", 0)
    python = request.getfixturevalue("libmamba_python") if engine == "libmamba" else None
    answered = 0
    for number in range(51):
        name, found, seconds = equality.answers(fifty, engine, python, number, equality.ways(engine))
        answers = {way: item.records if isinstance(item, Solution) else None for way, item in found.items()}
        assert all(item == answers["whole"] for item in answers.values()), name
        assert tuple(seconds) == equality.ways(engine)
        answered += answers["whole"] is not None
    assert answered > 25  # the others say no, in each way


def handed(request):
    """How many records an engine is given."""
    documents = [json.loads(Path(item.path).read_bytes()) for item in request.repodata]
    return sum(len(document[kind]) for document in documents for kind in ("packages", "packages.conda"))


def test_an_engine_is_given_a_part_of_the_channel(world):
    """Counters instead of a clock: of ten thousand records the reach of a small environment, and half of that pruned."""
    repodata = open_channels(
        [URL], "linux-64", mirrors=[(URL, str(world.channel))], offline=True, cache_dir=str(world.work / "cache")
    )
    asked = equality.request(load_environment("base", str(world.root)), repodata)
    closure = Closure()
    reach, pruned = handed(closure.reduce(asked)), handed(closure.prune(asked))
    assert 100 < pruned < 0.75 * reach < 0.75 * 0.6 * RECORDS


def test_a_request_with_a_solution_is_put_to_libmamba_twice(question, libmamba_python, monkeypatch):
    """Once for what would happen and once for the new environment: never again for reasons that nobody asks for."""
    asked = []
    ask = WorkerProcess.ask
    monkeypatch.setattr(
        WorkerProcess, "ask", lambda self, message: (asked.append(message["op"]), ask(self, message))[1]
    )
    plan = what_if(replace(question, solver="libmamba", solver_python=libmamba_python), RULES)
    assert plan.outcome == "change"
    assert asked == ["hello", "solve", "solve"]


def test_every_row_about_prefixes_is_measured(world, monkeypatch):
    objects = TOP / "fixtures" / "elf" / "x86_64"
    monkeypatch.setenv("PLANNER_BENCH_OBJECTS", str(objects))
    monkeypatch.setattr(prefixes, "OBJECTS", (3,))
    monkeypatch.setattr(prefixes, "ENVIRONMENTS", (1, 5))
    bench = rows.Bench(world, 1, None, None, None, (), lambda _text: None)
    for name in ("environments", "growth-of-environments", "objects"):
        measured = prefixes.PARTS[name](bench)
        assert all(item.runs and min(run.cpu for run in item.runs) >= 0 for item in measured), name
        assert any(item.pairs for item in measured), name
        assert table._table(measured)[2:]
    listed = world.work / "objects-3"
    root = world.folder / f"environments-{world.records}-5"
    for job, arguments, count in (
        ("elf", [listed], 3),
        ("pyelftools", [listed], 3),
        ("envs", [root, world.work], 5),
        ("load", [root, world.work / "kept"], 5),
    ):
        assert inside.JOBS[job](*map(str, arguments))() == count


def test_a_part_that_is_measured_alone_leaves_the_others_on_the_page(world, tmp_path, monkeypatch):
    """A run with --only replaces its own part, one with --resume measures what is not there, and what people wrote stays."""
    monkeypatch.setenv("PLANNER_BENCH_OBJECTS", str(TOP / "fixtures" / "elf" / "x86_64"))
    monkeypatch.setattr(prefixes, "OBJECTS", (1, 3))
    older = kept.Setting("2020-01-01", "an abacus", 7, 1, 5)
    row = Measured("planner --help", (Run(1.5, 1.0, 10.0),), "python", ((Run(1.5, 1.0, 10.0), Run(1.0, 1.0, 10.0)),))
    kept.write(tmp_path, kept.Results({"start": kept.Part(older, (row,))}))
    (tmp_path / "performance.md").write_text(f"old figures\n{table.BY_HAND}\n\nwhat stands in the way\n")

    def bench(*options):
        monkeypatch.setattr(sys, "argv", ["bench", "--folder", str(world.folder), "--write", str(tmp_path), *options])
        monkeypatch.setattr(sys, "argv", [*sys.argv, "--records", str(RECORDS), "--environments", "2", "--runs", "1"])
        assert main.main() == 0
        return (tmp_path / "performance.md").read_text()

    page = bench("--only", "objects")
    assert "Measured on 2020-01-01 on an abacus, 5 times." in page
    assert "| planner --help | 1.50 (1.50-1.50) | 1.00 | 10 | 1.500 (1.500-1.500) |" in page
    assert re.search(r"\| 3 objects \|.*\| 3 x: [\d.]+ x the seconds, [\d.]+ x the memory \|", page)
    assert page.endswith(f"{table.BY_HAND}\n\nwhat stands in the way\n")
    assert "old figures" not in page
    first = kept.read(tmp_path).parts["objects"]
    assert bench("--only", "objects", "--resume") == page
    assert kept.read(tmp_path).parts["objects"] == first
    bench("--only", "objects")
    assert kept.read(tmp_path).parts["objects"] != first


def test_answers_are_compared_in_processes_and_not_twice(world, monkeypatch):
    monkeypatch.chdir(TOP)
    said = []
    whole = World(world.folder, world.records, world.environments, packages=world.packages)
    first = list(equality.compare_all(whole, ["rattler"], None, said.append, most=1))
    assert [(item.environment, item.equal) for item in first] == [("base", True)]
    rest = list(equality.compare_all(whole, ["rattler"], None, said.append, known=first, processes=2))
    assert [(item.environment, item.equal) for item in rest] == [("e01", True)]
    assert said[1].startswith("1 of 1: e01, rattler: equal (cached ")
    setting = kept.Setting("2026-01-01", "m", 1, 1, 1)
    page = table.page(kept.Results(equality=kept.Equality(setting, (*first, *rest))))
    assert "| rattler | 2 | 2 | none | cached " in page
