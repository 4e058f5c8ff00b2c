"""Channels cut down to what a question reaches: nothing in reach is lost, and the answers stay the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from planner.errors import ChannelError
from planner.model import Install, PackageRecord, Pin, Repodata, SolveRequest
from planner.run import Question, what_if
from planner.serialize import dumps
from planner.solve.choose import choose_solver
from planner.solve.closure import Closure
from rules import RULES


def package(name, version, *depends, **more):
    return {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": "linux-64",
        **more,
    }


PACKAGES = {
    "app-1-0.conda": package("app", "1", "lib >=1", timestamp=1_700_000_000_000, license="MIT"),
    "lib-1-0.tar.bz2": package("lib", "1", "__glibc >=2.17"),
    "lib-2-0.conda": package("lib", "2", "base"),
    "base-1-0.conda": package("base", "1", track_features="odd"),
    "other-1-0.conda": package("other", "1"),
    "pip-1-0.conda": package("pip", "1"),
}


@pytest.fixture
def repodata(tmp_path):
    path = tmp_path / "linux-64" / "repodata.json"
    path.parent.mkdir()
    documents = {"packages": {}, "packages.conda": {}}
    for name, values in PACKAGES.items():
        documents["packages.conda" if name.endswith(".conda") else "packages"][name] = values
    path.write_text(json.dumps({"info": {"subdir": "linux-64"}, **documents}))
    return Repodata("https://conda.example/c", "linux-64", str(path), "sha256:0")


def request(repodata, *jobs, installed=(), **more):
    return SolveRequest(tuple(installed), jobs, (repodata,), (), "linux-64", **more)


def read(reduced):
    document = json.loads(Path(reduced.repodata[0].path).read_text(encoding="utf-8"))
    return {**document["packages"], **document["packages.conda"]}


def test_what_is_asked_for_and_all_that_it_needs_stays_whole(repodata):
    closure = Closure(worth_it=0)
    found = read(closure.reduce(request(repodata, Install("app"), add_pip_as_python_dependency=False)))
    assert set(found) == {"app-1-0.conda", "lib-1-0.tar.bz2", "lib-2-0.conda", "base-1-0.conda"}
    for name, values in found.items():
        for key, value in PACKAGES[name].items():
            assert values.get(key) in {value, (value,)} if not isinstance(value, list) else values[key] == value


def test_installed_pinned_and_implied_names_are_in_reach(repodata):
    closure = Closure(worth_it=0)
    reduced = closure.reduce(request(repodata, Pin("other 1.*"), installed=[PackageRecord("lib", "1", "0")]))
    assert {"other-1-0.conda", "lib-1-0.tar.bz2", "lib-2-0.conda", "base-1-0.conda", "pip-1-0.conda"} == set(
        read(reduced)
    )


def test_small_channels_stay_whole_and_are_never_read_in_place(repodata):
    asked = request(repodata, Install("app"))
    closure = Closure()
    (made,) = closure.reduce(asked).repodata
    assert Path(made.path).read_bytes() == Path(repodata.path).read_bytes()
    assert Path(made.path).parent != Path(repodata.path).parent
    assert closure.reduce(request(repodata, Install("other"))).repodata == (made,)


def test_nothing_is_written_beside_a_channel(repodata, libmamba_python, state_of, tmp_path):
    before = state_of(tmp_path)
    engine = choose_solver("libmamba", python=libmamba_python)
    assert engine.solve(request(repodata, Install("other"), add_pip_as_python_dependency=False)).records
    assert state_of(tmp_path) == before


def test_one_reduction_serves_the_questions_that_it_covers(repodata):
    closure = Closure(worth_it=0)
    first = closure.reduce(request(repodata, Install("app"), Install("other")))
    assert closure.reduce(request(repodata, Install("app"))).repodata == first.repodata
    wider = closure.reduce(request(repodata, Install("pip"), Install("nosuch")))
    assert {"app-1-0.conda", "other-1-0.conda", "pip-1-0.conda"} <= set(read(wider))


def test_the_files_go_with_the_engine(repodata):
    closure = Closure(worth_it=0)
    folder = Path(closure.reduce(request(repodata, Install("app"))).repodata[0].path).parent
    assert folder.is_dir()
    del closure
    assert not folder.exists()


def test_a_record_that_cannot_be_read_is_an_error_with_its_file(repodata, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"packages.conda": {"app-1-0.conda": {"name": "app", "version": []}}}))
    with pytest.raises(ChannelError, match="broken"):
        Closure(worth_it=0).reduce(request(replace(repodata, path=str(broken)), Install("app")))


@pytest.mark.parametrize("tool", ["conda", "mamba"])
@pytest.mark.parametrize(
    ("installation", "env", "spec", "channel", "subdir"),
    [
        ("linux-base-py39", "base", "python=3.10", "main-2021-11", "linux-64"),
        ("linux-base-py39", "py37", "python=3.8", "main-2021-11", "linux-64"),
        ("win-base-py310", "base", "python=3.11", "main-2023-06", "win-64"),
        ("win-torch1131", "base", "python=3.11", "main-2023-06", "win-64"),
    ],
)
def test_real_answers_are_those_of_the_whole_channel(
    real_data, libmamba_python, tmp_path, monkeypatch, installation, env, spec, channel, subdir, tool
):
    question = Question(
        env=env,
        specs=(spec,),
        tool=tool,
        root=str(real_data / "installations" / installation),
        channels=(str(real_data / "channels" / channel),),
        override_channels=True,
        offline=True,
        subdir=subdir,
        glibc="2.36",
        solver_python=libmamba_python,
        environ={},
        home=str(tmp_path),
        cache_dir=str(tmp_path / "cache"),
        created="2026-11-24T00:00:00Z",
    )
    whole = dumps(what_if(question, RULES))
    monkeypatch.setattr(Closure.__init__, "__defaults__", (0,))
    assert dumps(what_if(question, RULES)) == whole
