"""Channels cut down to what a question reaches: nothing in reach is lost, and the answers stay the same."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner.cache import Cache
from planner.errors import ChannelError
from planner.model.installed import PackageRecord
from planner.model.solve import Freeze, Install, Keep, Pin, Repodata, SolveRequest, Unsolvable, Update
from planner.repodata_index import open_index
from planner.solve import closure as closures
from planner.solve.choose import choose_solver
from planner.solve.closure import Closure


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
    closure = Closure()
    found = read(closure.reduce(request(repodata, Install("app"), add_pip_as_python_dependency=False)))
    assert set(found) == {"app-1-0.conda", "lib-1-0.tar.bz2", "lib-2-0.conda", "base-1-0.conda"}
    for name, values in found.items():
        for key, value in PACKAGES[name].items():
            assert values.get(key) in {value, (value,)} if not isinstance(value, list) else values[key] == value


def test_installed_pinned_and_implied_names_are_in_reach(repodata):
    closure = Closure()
    reduced = closure.reduce(request(repodata, Pin("other 1.*"), installed=[PackageRecord("lib", "1", "0")]))
    assert {"other-1-0.conda", "lib-1-0.tar.bz2", "lib-2-0.conda", "base-1-0.conda", "pip-1-0.conda"} == set(
        read(reduced)
    )


def test_what_lies_in_reach_is_the_channels_own_text_in_its_own_order(repodata, tmp_path):
    content = Path(repodata.path).read_text(encoding="utf-8")
    spread = tmp_path / "spread.json"
    spread.write_text(json.dumps(json.loads(content), indent=3).replace('"app-1-0.conda":', '"app-1-0.conda"  :\n'))
    for path in (repodata.path, str(spread)):
        closure = Closure()
        reduced = closure.reduce(request(replace(repodata, path=path), Install("app"), Install("other")))
        text, whole = Path(reduced.repodata[0].path).read_text(encoding="utf-8"), Path(path).read_text(encoding="utf-8")
        place = 0
        for name in PACKAGES:
            if name.endswith(".conda"):
                assert (place := text.index(f'"{name}"', place)) >= 0
                start = whole.index("{", whole.index(f'"{name}"'))
                assert whole[start : whole.index("}", start) + 1] in text


@pytest.mark.parametrize(
    "more",
    [
        {"signatures": {"app-1-0.conda": {}}},
        {"v3": {"conda": {"app-3-0": package("app", "3")}}},
        {"packages.conda": {"app-\u00e9-0.conda": package("app", "1")}},
        {"packages.conda": {"app-1-0.conda": {"version": "1"}}},
    ],
)
def test_a_file_that_holds_anything_else_stays_whole_and_is_never_read_in_place(repodata, more):
    document = {**json.loads(Path(repodata.path).read_text(encoding="utf-8")), **more}
    Path(repodata.path).write_text(json.dumps(document), encoding="utf-8")
    asked = request(repodata, Install("app"))
    closure = Closure()
    (made,) = closure.reduce(asked).repodata
    assert Path(made.path).read_bytes() == Path(repodata.path).read_bytes()
    assert Path(made.path).parent != Path(repodata.path).parent
    assert closure.reduce(request(repodata, Install("other"))).repodata == (made,)
    assert closure.prune(asked) is None


def test_what_an_installed_record_needs_is_in_reach_though_no_build_in_the_channel_needs_it(repodata):
    own = PackageRecord("own", "1", "0", depends=("other[version='>=1']", "conda-forge::base>=1"))
    closure = Closure()
    found = read(closure.reduce(request(repodata, Install("pip"), installed=[own])))
    assert {"other-1-0.conda", "base-1-0.conda", "pip-1-0.conda"} == set(found)


def test_nothing_is_written_beside_a_channel(repodata, libmamba_python, state_of, tmp_path):
    before = state_of(tmp_path)
    engine = choose_solver("libmamba", python=libmamba_python)
    assert engine.solve(request(repodata, Install("other"), add_pip_as_python_dependency=False)).records
    assert state_of(tmp_path) == before


def test_one_reduction_serves_the_questions_that_it_covers(repodata):
    closure = Closure()
    first = closure.reduce(request(repodata, Install("app"), Install("other")))
    assert closure.reduce(request(repodata, Install("app"))).repodata == first.repodata
    wider = closure.reduce(request(repodata, Install("pip"), Install("nosuch")))
    assert {"app-1-0.conda", "other-1-0.conda", "pip-1-0.conda"} <= set(read(wider))


def test_the_files_go_with_the_engine(repodata):
    closure = Closure()
    folder = Path(closure.reduce(request(repodata, Install("app"))).repodata[0].path).parent
    assert folder.is_dir()
    del closure
    assert not folder.exists()


def test_a_record_that_cannot_be_read_is_an_error_with_its_file(repodata, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(
        json.dumps({"packages.conda": {"app-1-0.conda": {"name": "app", "version": "1", "depends": "lib"}}})
    )
    with pytest.raises(ChannelError, match=r"broken\.json: a record of app cannot be read"):
        Closure().reduce(request(replace(repodata, path=str(broken)), Install("app")))


def test_a_file_that_changes_while_it_is_read_is_an_error(repodata):
    found = open_index(repodata.path)
    Path(repodata.path).write_bytes(b" " + Path(repodata.path).read_bytes())
    with pytest.raises(ChannelError, match="has changed while it was read"):
        found.read(["app"])


# --------------------------------------------------------------------------------------------------------------------
# Builds for other pythons


PYTHONS = {
    "python-3.10.1-0_cpython.conda": package("python", "3.10.1", constrains=["python_abi 3.10.* *_cp310"]),
    "python-3.11.1-0_cpython.conda": package("python", "3.11.1", constrains=["python_abi 3.11.* *_cp311"]),
    "python-3.11.2-0_cpython.conda": package("python", "3.11.2", constrains=["python_abi 3.11.* *_cp311"]),
    "python_abi-3.10-1_cp310.conda": package("python_abi", "3.10", build="1_cp310", constrains=["python 3.10.*"]),
    "python_abi-3.11-1_cp311.conda": package("python_abi", "3.11", build="1_cp311"),
    "np-1-py310.conda": package("np", "1", "python >=3.10,<3.11.0a0", "python_abi 3.10.* *_cp310"),
    "np-1-py311.conda": package("np", "1", "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311"),
    "np-2-py310.conda": package("np", "2", "python_abi 3.10.* *_cp310"),
    "np-2-py39.tar.bz2": package("np", "2", "python 3.9.*"),
    "np-3-pyh.conda": package("np", "3", "python >=3.8"),
    "np-4-odd.conda": package("np", "4", "python >=3.8,<3.9|3.10.*"),
    "np-5-odd.conda": package("np", "5", "python[version='3.10.*']"),
    "np-6-lib.conda": package("np", "6", "zlib"),
}
KEPT = {
    "python-3.11.1-0_cpython.conda",
    "python-3.11.2-0_cpython.conda",
    "python_abi-3.11-1_cp311.conda",
    "np-1-py311.conda",
    "np-3-pyh.conda",
    "np-4-odd.conda",
    "np-5-odd.conda",
    "np-6-lib.conda",
}
OWN = PackageRecord("python", "3.10.1", "0_cpython")


@pytest.fixture
def bound(tmp_path):
    path = tmp_path / "bound.json"
    kinds = {"packages": ".tar.bz2", "packages.conda": ".conda"}
    parts = {kind: {fn: item for fn, item in PYTHONS.items() if fn.endswith(end)} for kind, end in kinds.items()}
    path.write_text(json.dumps({"info": {"subdir": "linux-64"}, **parts}))
    return Repodata("https://conda.example/c", "linux-64", str(path), "sha256:0")


@pytest.mark.parametrize(
    ("jobs", "installed", "kept"),
    [
        ([Install("python=3.11"), Install("np")], [OWN], KEPT),
        ([Update("python 3.11.*"), Freeze("np")], [OWN], KEPT),
        # A pin forces no python to be there at all, so what constrains it alone may stay.
        ([Pin("python 3.11.*"), Install("np")], [OWN], KEPT | {"python_abi-3.10-1_cp310.conda", "np-2-py310.conda"}),
        ([Install("python=3.11.2"), Install("np")], [], KEPT - {"python-3.11.1-0_cpython.conda"}),
    ],
)
def test_builds_for_another_python_than_the_one_asked_for_are_left_out(bound, jobs, installed, kept):
    closure = Closure()
    assert set(read(closure.prune(request(bound, *jobs, installed=installed)))) == kept


@pytest.mark.parametrize(
    ("jobs", "installed"),
    [
        ([Install("np")], [OWN]),
        ([Install("python"), Install("np")], [OWN]),
        ([Install("python>=3.10"), Install("np")], [OWN]),
        ([Install("python=3.12"), Install("np")], [OWN]),
        ([Update("python"), Install("np")], [OWN]),
        ([Update("python 3.11.*"), Install("np")], []),
        ([Keep("python"), Install("np")], [OWN]),
    ],
)
def test_a_request_that_leaves_python_a_choice_is_not_pruned(bound, jobs, installed):
    closure = Closure()
    asked = request(bound, *jobs, installed=installed)
    assert closure.prune(asked) is None
    assert set(read(closure.reduce(asked))) == set(PYTHONS)


def test_a_python_that_cannot_be_read_is_an_error_with_its_file(bound):
    document = json.loads(Path(bound.path).read_text(encoding="utf-8"))
    del document["packages.conda"]["python-3.11.2-0_cpython.conda"]["build"]
    Path(bound.path).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ChannelError, match=r"bound\.json: a record of python cannot be read: .*`build`"):
        Closure().prune(request(bound, Install("python=3.11"), installed=[OWN]))


def test_a_frozen_python_is_the_only_one(bound):
    closure = Closure()
    found = read(closure.prune(request(bound, Freeze("python"), Install("np"), installed=[OWN])))
    assert set(found) == {
        *(fn for fn in PYTHONS if "odd" in fn or "pyh" in fn or "lib" in fn),
        "np-1-py310.conda",
        "np-2-py310.conda",
        "python_abi-3.10-1_cp310.conda",
        "python_abi-3.11-1_cp311.conda",  # nothing says that it excludes this python
    }


ASKED = (Install("python=3.11"), Install("np"))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache, in which even little is worth keeping."""
    monkeypatch.setattr(closures, "_WORTH_KEEPING", 0)
    return Cache(str(tmp_path / "cache"))


@pytest.fixture
def cuts(monkeypatch):
    """How often builds were cut out."""
    found = []
    without = Closure._without
    monkeypatch.setattr(Closure, "_without", lambda *more: (found.append(more), without(*more))[1])
    return found


def test_what_was_cut_out_for_a_question_is_kept_and_goes_to_a_place_of_its_own(bound, kept, cuts):
    first, again = Closure(kept=kept), Closure(kept=kept)
    (made,) = first.prune(request(bound, *ASKED, installed=[OWN])).repodata
    (same,) = again.prune(request(bound, *ASKED, installed=[OWN])).repodata
    assert len(cuts) == 1
    assert made.path != same.path
    assert Path(made.path).read_bytes() == Path(same.path).read_bytes()
    assert again.prune(request(bound, *ASKED, installed=[OWN])).repodata == (same,)


@pytest.mark.parametrize(
    "other",
    [
        lambda asked: replace(asked, jobs=(Install("python=3.10"), Install("np"))),
        lambda asked: replace(asked, jobs=(*asked.jobs, Install("zlib"))),
        lambda asked: replace(asked, installed=(replace(OWN, version="3.11.1"),)),
        lambda asked: replace(asked, repodata=(replace(asked.repodata[0], digest="sha256:1"),)),
        lambda asked: replace(asked, repodata=(replace(asked.repodata[0], channel="https://conda.example/d"),)),
    ],
)
def test_another_question_or_another_channel_is_cut_anew(bound, kept, cuts, other):
    asked = request(bound, *ASKED, installed=[OWN])
    Closure(kept=kept).prune(asked)
    closure = Closure(kept=kept)
    found = read(closure.prune(other(asked)))
    assert len(cuts) == 2
    assert found == read(Closure().prune(other(asked)))


def test_a_broken_entry_is_cut_anew(bound, kept, cuts):
    asked = request(bound, *ASKED, installed=[OWN])
    closure = Closure(kept=kept)
    right = read(closure.prune(asked))
    for path in Path(kept.folder, "entries").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    again = Closure(kept=kept)
    assert read(again.prune(asked)) == right
    assert len(cuts) == 2


def test_little_is_not_worth_keeping(bound, tmp_path):
    kept = Cache(str(tmp_path / "cache"))
    Closure(kept=kept).prune(request(bound, *ASKED, installed=[OWN]))
    assert not Path(kept.folder).exists()


def test_without_a_solution_the_reasons_are_those_of_the_whole_channel(bound, engine):
    asked = request(bound, Install("python=3.11"), Install("np=2"), installed=[OWN], add_pip_as_python_dependency=False)
    outcome = engine.solve(asked)
    assert isinstance(outcome, Unsolvable)
    assert "3.10" in outcome.explanation
    assert isinstance(engine.solve(replace(asked, explained=False)), Unsolvable)
