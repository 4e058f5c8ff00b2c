"""One question, one answer: with an empty cache and a filled one, on what it reaches and on the whole channels.

Every scenario, every real installation and a generated one, with every engine at hand. The whole plan is compared, to
the last byte. That an entry which is cut, foreign or outdated is no hit is tested where the entries are made.
"""

import re
from dataclasses import replace

import pytest

from planner import ahead, cache, conda_meta_folder, repodata_index
from planner.run import Question, what_if
from planner.serialize import dumps
from planner.solve.closure import Closure
from rules import RULES
from tests import scenario
from tests.bench.installation import URL
from tests.bench.world import World


def told(question):
    """The plan as text; the disk's free bytes are in it, and they do change between two questions."""
    return re.sub(r"\d+ bytes free|has room for [\d,]+ MB", "room", dumps(what_if(question, RULES)))


@pytest.fixture
def everything_is_kept(monkeypatch):
    """Small files are worth keeping, and files that were written just now are not going to change."""
    monkeypatch.setattr(repodata_index, "_WORTH_KEEPING", 0)
    monkeypatch.setattr(cache, "_TICK", -(1 << 62))


@pytest.fixture
def made(monkeypatch):
    """What was made of files and not taken from the cache: records and indexes."""
    found = []
    read, places = conda_meta_folder._read, repodata_index._places

    def noted(folder, name, *more):
        answer = read(folder, name, *more)
        if answer[0].record is not None:  # what is no record is read again each time
            found.append(name)
        return answer

    monkeypatch.setattr(conda_meta_folder, "_read", noted)
    monkeypatch.setattr(repodata_index, "_places", lambda *more: (found.append("index"), places(*more))[1])
    return found


@pytest.fixture
def same(monkeypatch, everything_is_kept, made):  # noqa: ARG001 -- it has its effect by being there
    """Ask on the whole channels without a cache, then on what the question reaches: with an empty cache, with a filled one."""

    def ask(question):
        with monkeypatch.context() as changed:
            changed.setattr(Closure.__init__, "__kwdefaults__", {"whole": True})
            whole = told(replace(question, environ={**question.environ, "PLANNER_NO_CACHE": "1"}))
        empty = told(question)
        assert made
        made.clear()
        filled = told(question)
        assert not made
        assert empty == whole
        assert filled == empty
        return whole

    return ask


@pytest.mark.parametrize("path", scenario.paths(), ids=lambda path: path.stem)
def test_every_scenario(path, asked_engine, tmp_path, same):
    same(replace(scenario.write(scenario.load(path), tmp_path), **asked_engine))


HARVESTED = ("harvested/conda-forge", "harvested/pytorch", "pytorch-2023-10", "harvested/nvidia", "harvested/main")
REAL = [
    ("linux-base-py39", "base", "python=3.10", "conda", ("main-2021-11",), "linux-64"),
    ("linux-base-py39", "base", "python=3.10", "mamba", ("main-2021-11",), "linux-64"),
    ("linux-base-py39", "py37", "python=3.8", "conda", ("main-2021-11",), "linux-64"),
    ("win-base-py310", "base", "python=3.11", "conda", ("main-2023-06",), "win-64"),
    ("win-torch1131", "base", "python=3.11", "conda", ("main-2023-06",), "win-64"),
    ("win-py38-pip74", "base", "python=3.11", "mamba", ("main-2023-06",), "win-64"),
    ("linux-base-py312", "base", "python=3.11", "mamba", HARVESTED, "linux-64"),
    ("linux-base-py312", "env-py39", "python=3.10", "mamba", HARVESTED, "linux-64"),
    ("linux-torch251-cu121", "base", "tqdm", "mamba", HARVESTED, "linux-64"),
]


@pytest.fixture
def real(real_data, tmp_path):
    """A question about a real installation, without an engine."""

    def make(installation, env, spec, tool, channels, subdir):
        return Question(
            env=env,
            specs=(spec,),
            tool=tool,
            root=str(real_data / "installations" / installation),
            channels=tuple(str(real_data / "channels" / name) for name in channels),
            override_channels=True,
            offline=True,
            subdir=subdir,
            cuda="12.4",
            glibc="2.36",
            environ={},
            home=str(tmp_path),
            cache_dir=str(tmp_path / "cache"),
            created="2026-11-24T00:00:00Z",
        )

    return make


@pytest.mark.parametrize("asked", REAL, ids=lambda asked: "-".join(asked[:4]))
def test_every_real_installation(real, asked, asked_engine, same):
    same(replace(real(*asked), **asked_engine))


def test_another_python_for_the_largest_real_installation(real, libmamba_python, same):
    """rattler needs half a minute for this one, three times over."""
    asked = real("linux-torch251-cu121", "base", "python=3.11", "mamba", HARVESTED, "linux-64")
    assert '"change"' in same(replace(asked, solver="libmamba", solver_python=libmamba_python))


def test_no_real_installation_is_left_out(real_data):
    assert {path.name for path in (real_data / "installations").iterdir()} == {name for name, *_ in REAL}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("same"), 10_000, 3, packages=60)


@pytest.fixture
def generated(world, asked_engine, tmp_path):
    return Question(
        specs=("python=3.11",),
        tool="mamba",
        root=str(world.root),
        channels=(URL,),
        mirrors=((URL, str(world.channel)),),
        override_channels=True,
        offline=True,
        cuda="12.6",
        glibc="2.36",
        environ={},
        home=str(tmp_path),
        cache_dir=str(tmp_path / "cache"),
        created="2026-11-24T00:00:00Z",
        **asked_engine,
    )


def test_a_generated_installation(generated, same):
    assert '"change"' in same(generated)


def test_with_processes_that_read_ahead(generated, everything_is_kept, made, monkeypatch):  # noqa: ARG001
    alone = told(replace(generated, environ={"PLANNER_NO_CACHE": "1"}))
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    monkeypatch.setattr(ahead, "_LARGE", 0)
    monkeypatch.setattr(ahead, "_MANY", 1)
    made.clear()
    assert told(generated) == alone
    assert told(generated) == alone
