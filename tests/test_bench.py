"""The benchmark's own world: the same bytes everywhere, of the field's shape, and solvable from one python to the next."""

import hashlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from planner.channels import open_channels
from planner.load import load_environment
from planner.model import Solution
from planner.run import Question, what_if
from planner.solve.closure import Closure
from planner.solve.worker_process import WorkerProcess
from rules import RULES
from tests.bench import equality, inside, prefixes, rows, table
from tests.bench.channel import Channel
from tests.bench.installation import URL
from tests.bench.world import World

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
    return Question(
        env="base",
        specs=("python=3.11",),
        tool="mamba",
        root=str(world.root),
        channels=(URL,),
        mirrors=((URL, str(world.channel)),),
        override_channels=True,
        offline=True,
        solver="rattler",
        cuda="12.6",
        glibc="2.36",
        environ={},
        home=str(tmp_path),
        cache_dir=str(tmp_path / "cache"),
        created="2026-11-24T00:00:00Z",
    )


def test_its_base_moves_from_python_310_to_311(question):
    plan = what_if(question, RULES)
    assert plan.outcome == "change"
    moved = {change.name: change for change in plan.changes}
    assert (moved["python"].before.version[:4], moved["python"].after.version[:4]) == ("3.10", "3.11")
    assert "py311" in moved["numpy"].after.build
    assert len(plan.environments) == 2


@pytest.mark.parametrize("engine", ["rattler", "libmamba"])
def test_every_environment_is_answered_as_on_the_whole_channel(world, engine, request):
    python = request.getfixturevalue("libmamba_python") if engine == "libmamba" else None
    found = equality.compare(world, engine, python)
    assert len(found) == 2
    for compared in found:
        assert isinstance(compared.answers["whole"], Solution)
        assert compared.equal, compared.environment


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
    bench = rows.Bench(world, 1, None, None, (), lambda _text: None)
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
