"""What every engine does with the jobs, on small channels: the same cases for each that is at hand."""

import json

import pytest
from msgspec.structs import replace

from planner.errors import BadSpec
from planner.model.installed import PackageRecord
from planner.model.solve import (
    Freeze,
    Install,
    Keep,
    Pin,
    Remove,
    Repodata,
    Solution,
    SolveRequest,
    Unsolvable,
    Update,
    UpdateAll,
)
from planner.solve.rattler import RattlerSolver

CHANNEL = "https://conda.example/main"


def record(name, version, build="0", depends=(), **more):
    fn = f"{name}-{version}-{build}.conda"
    return PackageRecord(
        name,
        version,
        build,
        channel=CHANNEL,
        subdir="linux-64",
        fn=fn,
        url=f"{CHANNEL}/linux-64/{fn}",
        depends=tuple(depends),
        **more,
    )


PY310 = record("python", "3.10.14")
PY311 = record("python", "3.11.9")
NUMPY = record("numpy", "1.26.4", "py310_0", ["python >=3.10,<3.11.0a0"])
NUMPY311 = record("numpy", "1.26.4", "py311_0", ["python >=3.11,<3.12.0a0"])
NUMPY2 = record("numpy", "2.0.0", "py310_0", ["python >=3.10,<3.11.0a0"])
TORCH = record("pytorch", "2.3.0", "py310_0", ["python >=3.10,<3.11.0a0", "numpy <2"])
USER = record("torch-user", "1.0", "0", ["pytorch"])
PURE = record("six", "1.16.0", "pyh_0", ["python"], noarch="python")
ALL = (PY310, PY311, NUMPY, NUMPY311, NUMPY2, TORCH, USER, PURE)


@pytest.fixture
def ask(tmp_path, engine):
    def write(records, channel=CHANNEL, rank=0):
        folder = tmp_path / f"repo{len(list(tmp_path.iterdir()))}" / "linux-64"
        folder.mkdir(parents=True)
        path = folder / "repodata.json"
        packages = {
            item.fn: {
                "name": item.name,
                "version": item.version,
                "build": item.build,
                "build_number": 0,
                "depends": list(item.depends),
                "constrains": list(item.constrains),
                "subdir": "linux-64",
                **({"noarch": item.noarch} if item.noarch else {}),
            }
            for item in records
        }
        path.write_text(json.dumps({"info": {"subdir": "linux-64"}, "packages.conda": packages}))
        return Repodata(channel, "linux-64", str(path), "sha256:0", rank)

    def solve(jobs, installed=(PY310, NUMPY, TORCH, USER, PURE), channel=ALL, repodata=None, **options):
        request = SolveRequest(
            installed=tuple(installed),
            jobs=tuple(jobs),
            repodata=repodata or (write(channel),),
            virtual_packages=(),
            subdir="linux-64",
            **options,
        )
        return engine.solve(request)

    solve.write = write
    return solve


def labels(outcome):
    assert isinstance(outcome, Solution), outcome
    return [item.label for item in outcome.records]


def test_nothing_installed_is_lost_by_a_request_that_does_not_name_it(ask):
    assert labels(ask([Install("python=3.10")])) == [item.label for item in (NUMPY, PY310, TORCH, PURE, USER)]


def test_a_request_lets_go_only_what_stands_against_it(ask):
    assert labels(ask([Install("python=3.11")])) == [NUMPY311.label, PY311.label, PURE.label]


def test_what_is_demanded_beside_it_makes_the_request_unsolvable(ask):
    outcome = ask([Install("python=3.11"), Install("pytorch")])
    assert isinstance(outcome, Unsolvable)
    assert "pytorch" in outcome.explanation
    assert "python" in outcome.explanation


def test_an_installed_build_that_the_channel_no_longer_has_stays(ask):
    assert TORCH.label in labels(ask([Install("six")], channel=(PY310, NUMPY, PURE)))


def test_the_installed_record_itself_comes_back_not_a_copy_of_the_channels(ask):
    installed = replace(NUMPY, sha256="ab" * 32, size=7)
    outcome = ask([Install("six")], installed=(PY310, installed, PURE))
    assert installed in outcome.records


def test_a_frozen_package_blocks_what_would_move_it(ask):
    assert isinstance(ask([Install("numpy=2"), Freeze("pytorch")]), Unsolvable)


def test_a_pin_constrains_and_installs_nothing(ask):
    pins = [Pin("numpy 1.26.*"), Pin("python 3.10.*"), Pin("scipy 1.*")]
    assert labels(ask([Update("numpy"), *pins], installed=(PY310, NUMPY))) == [NUMPY.label, PY310.label]


def test_update_moves_to_the_newest_that_fits(ask):
    assert NUMPY2.label in labels(ask([Update("numpy")], installed=(PY310, NUMPY)))


def test_update_does_not_move_past_what_an_installed_package_needs(ask):
    assert NUMPY.label in labels(ask([Update("numpy")]))


def test_update_all_moves_everything(ask):
    assert labels(ask([UpdateAll(), Pin("python 3.10.*")], installed=(PY310, NUMPY))) == [NUMPY2.label, PY310.label]


def test_remove_takes_what_needs_it_and_what_only_it_needed(ask):
    assert labels(ask([Remove("pytorch")])) == [PY310.label, PURE.label]
    assert labels(ask([Remove("pytorch"), Keep("numpy")])) == [NUMPY.label, PY310.label, PURE.label]


def test_remove_keeps_what_needs_what_goes_where_another_build_of_it_does_not(ask):
    old, mkl = record("app", "1.0", "mkl_0", ["mkl"]), record("mkl", "1.0")
    found = ask([Remove("mkl")], installed=(PY310, mkl, old), channel=(record("app", "1.0", "nomkl_0"), old, mkl, *ALL))
    assert labels(found) == ["app 1.0 nomkl_0", PY310.label]


def test_remove_moves_others_only_where_that_keeps_more(ask):
    old, mkl = record("app", "1.0", "mkl_0", ["mkl"]), record("mkl", "1.0")
    new = record("app", "2.0", "nomkl_0", ["python >=3.11"])
    found = ask([Remove("mkl"), Keep("python")], installed=(PY310, mkl, old), channel=(new, old, mkl, PY310, PY311))
    assert labels(found) == [new.label, PY311.label]
    pip = record("pip", "24.2", "py310_0", ["python >=3.10,<3.11.0a0"])
    newer = record("pip", "26.1", "pyh_0", ["python >=3.10"], noarch="python")
    installed, kept = (PY310, pip, mkl, old, PURE), (Keep("python"), Keep("pip"))
    found = ask([Remove("mkl"), *kept], installed=installed, channel=(newer, old, mkl, PY311, PURE))
    assert labels(found) == [pip.label, PY310.label, PURE.label]


def test_remove_moves_nothing_for_what_is_cleaned_up_all_the_same(ask):
    mkl = record("mkl", "1.0")
    numpy = record("numpy", "1.24", "mkl_0", ["mkl", "python >=3.10,<3.11.0a0"])
    fft = record("fft", "1.0", "0", ["mkl", "numpy"])
    pip = record("pip", "24.2", "py310_0", ["python >=3.10,<3.11.0a0"])
    newer = record("pip", "26.1", "pyh_0", ["python >=3.10"], noarch="python")
    numpy2 = record("numpy", "2.0", "0", ["python >=3.11"])
    kept = (Keep("python"), Keep("pip"), Keep("fft"))
    found = ask([Remove("mkl"), *kept], installed=(PY310, pip, mkl, numpy, fft), channel=(newer, numpy2, PY311))
    assert labels(found) == [pip.label, PY310.label]


def test_remove_leaves_alone_what_was_broken_before(ask):
    broken = record("broken", "1.0", "0", ["nowhere"])
    installed = (PY310, NUMPY, TORCH, broken)
    assert labels(ask([Remove("pytorch"), Keep("numpy")], installed=installed)) == [
        broken.label,
        NUMPY.label,
        PY310.label,
    ]


def test_remove_of_a_version_that_is_not_there_takes_nothing(ask):
    assert labels(ask([Remove("pytorch=9")], installed=(PY310, TORCH))) == [PY310.label, TORCH.label]


def test_pip_is_no_dependency_where_the_channel_has_none(ask):
    assert "pip" not in " ".join(labels(ask([Install("python=3.11")], installed=(PY310,))))


def test_pip_comes_with_python_where_the_channel_has_it(ask):
    pip = record("pip", "24.0", "pyh_0", ["python"], noarch="python")
    assert pip.label in labels(ask([Install("python=3.11")], installed=(PY310,), channel=(*ALL, pip)))


def test_strict_priority_hides_the_later_channel(ask):
    first = ask.write([record("tool", "1.0")], "https://conda.example/first", rank=0)
    second = ask.write([record("tool", "2.0")], "https://conda.example/second", rank=1)
    found = ask([Install("tool")], (), repodata=(second, first), channel_priority="strict")
    assert labels(found) == ["tool 1.0 0"]
    assert isinstance(ask([Install("tool=2")], (), repodata=(first, second), channel_priority="strict"), Unsolvable)


def test_flexible_priority_prefers_the_first_channel_and_can_fall_through(ask):
    first = ask.write([record("tool", "1.0")], "https://conda.example/first", rank=0)
    second = ask.write([record("tool", "2.0")], "https://conda.example/second", rank=1)
    assert labels(ask([Install("tool")], (), repodata=(first, second))) == ["tool 1.0 0"]
    assert labels(ask([Install("tool=2")], (), repodata=(first, second))) == ["tool 2.0 0"]
    assert labels(ask([Install("tool")], (), repodata=(first, second), channel_priority="disabled")) == ["tool 2.0 0"]


def test_the_same_record_in_two_places_of_one_channel_is_no_trouble(ask):
    twice = (ask.write(ALL, rank=0), ask.write(ALL, rank=1))
    assert PY311.label in labels(ask([Install("python=3.11")], (), repodata=twice))


def test_a_spec_that_does_not_parse_is_named(ask):
    with pytest.raises(BadSpec, match="numpy >="):
        ask([Install("numpy >=")])


def test_the_answer_is_marked_approximate_and_says_why():
    info = RattlerSolver("chosen").info
    assert (info.name, info.mode, info.fidelity, info.reason) == ("rattler", "in-process", "approximate", "chosen")


def test_an_update_never_goes_back_to_an_older_channel(ask):
    newer = record("ca-certificates", "2026.1.1")
    older = record("ca-certificates", "2023.5.30")
    assert labels(ask([Update("ca-certificates")], (newer,), channel=(older,))) == [newer.label]
    assert labels(ask([UpdateAll()], (newer,), channel=(older,))) == [newer.label]


def test_an_installed_gpu_build_stays_on_a_host_without_cuda(ask):
    gpu = record("pytorch", "2.4.0", "cuda_0", ["__cuda", "python"])
    wanted = [Install("pytorch"), Install("six")]
    assert labels(ask(wanted, (PY310, gpu), channel=(PY310, gpu, PURE))) == [PY310.label, gpu.label, PURE.label]
    assert isinstance(ask([Install("pytorch")], (PY310,), channel=(PY310, gpu)), Unsolvable)


def test_where_an_engine_gives_the_conflict_s_structure_its_nodes_read_as_people_write_them(ask):
    outcome = ask([Install("python=3.11"), Install("pytorch")], ())
    assert isinstance(outcome, Unsolvable)
    if outcome.graph is not None:
        packages = [node.text for node in outcome.graph.nodes if node.kind == "package"]
        assert TORCH.name in {text.split(" ")[0] for text in packages}
        assert [text for text in packages if set(text) & set("()'\"")] == []


def test_a_channel_in_a_spec_is_the_one_that_its_name_stands_for(ask):
    first = ask.write([record("tool", "1.0")], "https://conda.example/first", rank=0)
    second = ask.write([record("tool", "2.0")], "https://repo.anaconda.com/pkgs/main", rank=1)
    names = (("pkgs/main", ("https://repo.anaconda.com/pkgs/main",)),)
    more = {"repodata": (first, second), "channel_names": names}
    assert labels(ask([Install("pkgs/main::tool")], (), **more)) == ["tool 2.0 0"]
    assert labels(ask([Install("https://conda.example/first::tool")], (), **more)) == ["tool 1.0 0"]
    assert isinstance(ask([Install("pkgs/main::tool 1.*")], (), **more), Unsolvable)
