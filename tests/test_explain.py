"""The one sentence on why a request has no solution, who is blamed for it, and which requests near it do solve."""

import sys

from msgspec.structs import replace

from planner.alternatives import nearest_requests
from planner.explain import explain_unsolvable
from planner.model.installed import Environment, History, PackageRecord
from planner.model.solve import Install, Pin, ProblemGraph, ProblemNode, Request, Solution, Unsolvable
from planner.solve.asked import Asked
from planner.standing import standing_against
from planner.versions import matches, spec_name


def record(name, version, *depends, build="0"):
    return PackageRecord(name, version, build, depends=depends)


CHANNEL = (
    record("python", "3.10.4"),
    record("python", "3.11.2"),
    record("ray", "2.0", "ray-core ==2.0"),
    record("ray-core", "2.0", "python >=3.10,<3.11.0a0"),
    record("cudatoolkit", "11.8.0"),
    record("pytorch-cuda", "12.1"),
)


def candidates(name):
    return [build for build in CHANNEL if build.name == name]


def explained(spec, outcome, history=("ray",)):
    text = explain_unsolvable(Request("install", tuple(spec.split())), outcome, frozenset(history), candidates)
    return text.splitlines()


def test_the_sentence_names_what_stands_against_the_request_and_through_which_chain():
    first, second = explained("python=3.11", Unsolvable("the engine's tree", against=("ray",)))
    assert first == (
        "python=3.11 cannot be had together with ray, which the environment's history asks for: for instance, "
        "ray 2.0 0 requires ray-core ==2.0, and ray-core 2.0 0 requires python >=3.10,<3.11.0a0"
    )
    assert second == "the engine's tree"


def test_a_pin_and_conda_itself_are_named_as_what_they_are():
    pin = Unsolvable("tree", against=("python 3.10.*",), pinned=("python 3.10.*",))
    assert "which is pinned" in explained("python=3.11", pin)[0]
    assert "conda keeps in base" in explained("python=3.11", Unsolvable("tree", against=("conda",)))[0]


def test_what_no_channel_has_is_said_first():
    assert explained("nosuch", Unsolvable("t"))[0] == "no channel has a package nosuch"
    assert explained("python=3.13", Unsolvable("t"))[0] == (
        "no build of python in the channels meets python=3.13: they have 3.10.4 to 3.11.2"
    )


def test_a_mistyped_name_is_told_with_those_it_may_mean():
    request = Request("install", ("pyton=3.11",))
    text = explain_unsolvable(
        request, Unsolvable("t"), frozenset(), candidates, (), lambda: ["python", "cython", "ray"]
    )
    assert text.splitlines()[0] == "no channel has a package pyton; is it python or cython?"


def test_a_conflict_without_a_culprit_is_told_as_the_two_chains_of_the_graph():
    graph = ProblemGraph(
        0,
        (
            ProblemNode(0, "root", "", ""),
            ProblemNode(1, "package", "a", "a 1.0"),
            ProblemNode(2, "package", "z", "z 1.0"),
            ProblemNode(3, "package", "z", "z 2.0"),
        ),
        ((0, 1, "a"), (0, 3, "z 2.*"), (1, 2, "z <2")),
        ((2, 3),),
    )
    first = explained("python=3.11", Unsolvable("tree", graph=graph))[0]
    assert first.endswith("a is asked for, a 1.0 requires z <2; but z 2.* is asked for; the two exclude each other")
    missing = ProblemGraph(
        0, (ProblemNode(0, "root", "", ""), ProblemNode(1, "missing", "q", "q >=1")), ((0, 1, "q >=1"),), ()
    )
    assert "which no channel has" in explained("python=3.11", Unsolvable("tree", graph=missing))[0]


def test_without_culprit_and_graph_no_more_is_said_than_is_known():
    assert explained("python=3.11", Unsolvable("tree"))[0] == (
        "python=3.11 has no solution beside all else that conda asks for here, and no single cause was found"
    )


def test_a_request_whose_own_specs_exclude_each_other_says_through_what():
    assert explained("python=3.11 ray", Unsolvable("tree"))[0] == (
        "python=3.11 ray has no solution: ray 2.0 0 requires ray-core ==2.0, "
        "and ray-core 2.0 0 requires python >=3.10,<3.11.0a0"
    )


def test_what_stands_against_a_request_through_nothing_that_can_be_shown_is_told_so():
    first = explained("cudatoolkit", Unsolvable("tree", against=("ray",)))[0]
    assert first == (
        "cudatoolkit cannot be had together with ray, which the environment's history asks for; no single cause was found"
    )


def test_a_removal_that_would_take_conda_along_says_who_needs_what():
    installed = (
        record("conda", "4.10", "python", "pyopenssl >=16"),
        record("pyopenssl", "20.0", "cryptography"),
        record("cryptography", "3.4"),
    )

    def removing(*specs):
        outcome = Unsolvable("the solver's words", against=("conda",))
        return explain_unsolvable(Request("remove", specs), outcome, frozenset(), candidates, installed).splitlines()

    first, second = removing("cryptography")
    assert first == (
        "removing cryptography would take conda along, which conda does not remove from its own base: "
        "conda 4.10 0 requires pyopenssl >=16, and pyopenssl 20.0 0 requires cryptography"
    )
    assert second == "the solver's words"
    assert removing("conda")[0] == "conda does not remove conda from its own base"


def test_a_refusal_of_the_tool_is_its_own_sentence():
    assert explained("foo", Unsolvable("foo is not installed", refused=True)) == ["foo is not installed"]


PYTHON = record("python", "3.10.4")
RAY = record("ray", "2.0", "ray-core ==2.0")
CORE = record("ray-core", "2.0", "python >=3.10,<3.11.0a0")


def asked(*specs, history=(("ray", "ray"),), records=(PYTHON, RAY, CORE), tool="conda", **more):
    environment = Environment("e", "/e", "linux-64", records=records, history=History(tuple(history)))
    return Asked(environment, Request("install", specs, tool=tool), is_base=False, **more)


def toy_solver(jobs, _installed):
    """Meets python requests with the channel; ray excludes python 3.11."""
    specs = [job.spec for job in jobs if isinstance(job, Install)]
    pins = [job.spec for job in jobs if isinstance(job, Pin)]
    pythons = [
        build
        for build in candidates("python")
        if all(matches(spec, build) for spec in (*specs, *pins) if spec_name(spec) == "python")
    ]
    if any(spec_name(spec) == "ray" for spec in specs):
        pythons = [build for build in pythons if build.version.startswith("3.10")]
    return Solution((pythons[-1],)) if pythons else Unsolvable("no")


def test_only_what_fails_alone_with_the_request_is_blamed():
    assert standing_against(asked("python=3.11"), toy_solver) == (("ray",), ())
    assert standing_against(asked("python=3.11", history=()), toy_solver) == ((), ())
    assert standing_against(asked("python=3.11", tool="mamba"), toy_solver) == ((), ())


def test_a_pin_that_stands_against_the_request_is_blamed_as_one():
    found = standing_against(
        asked("python=3.11", history=(), configured_pins=("python 3.10.*", "zlib 1.*")), toy_solver
    )
    assert found == ((), ("python 3.10.*",))


def near(question, solvable, against=()):
    tried = []

    def simulate(now):
        tried.append(now.request.specs)
        return Solution(now.environment.records) if solvable(now.request.specs) else Unsolvable("no")

    found = nearest_requests(question, Unsolvable("no", against=against), simulate, candidates)
    return found, tried


def test_the_nearest_request_is_the_newest_version_before_the_one_asked_for():
    found, tried = near(asked("python=3.11"), lambda specs: specs == ("python=3.10",))
    assert [item.specs for item in found.items] == [("python=3.10",)]
    assert found.items[0].costs == ("python stays at 3.10 instead of python=3.11: the newest before it that solves",)
    assert found.complete
    assert ("python=3.11",) not in tried


def test_what_blocks_may_move_first():
    history = (("ray", "ray 2.0"),)
    found, tried = near(asked("python=3.11", history=history), lambda _specs: True, against=("ray 2.0",))
    assert tried[0] == ("python=3.11", "ray")
    assert "though history asks for ray 2.0" in found.items[0].costs[0]


def test_under_strict_priority_the_other_channels_are_offered():
    question = asked("python=3.11")
    strict = replace(question, request=replace(question.request, channel_priority="strict"))

    def simulate(now):
        solves = now.request.channel_priority == "flexible"
        return Solution(now.environment.records) if solves else Unsolvable("no")

    found = nearest_requests(strict, Unsolvable("no"), simulate, candidates)
    assert [item.specs for item in found.items] == [("python=3.11",)]
    assert "--channel-priority flexible" in found.items[0].costs[0]
    assert not nearest_requests(question, Unsolvable("no"), lambda _now: Unsolvable("no"), candidates).items


def test_what_carries_the_cuda_version_today_is_offered_for_cudatoolkit():
    found, _ = near(asked("cudatoolkit=12.1"), lambda specs: specs == ("pytorch-cuda=12.1",))
    assert [item.specs for item in found.items] == [("pytorch-cuda=12.1",)]


def test_a_request_of_several_does_without_the_one_that_stands_against_the_rest():
    found, _ = near(asked("jax", "python=3.11"), lambda specs: len(specs) == 1)
    told = {item.specs: (item.costs[0], item.lost) for item in found.items}
    alone = "is left out: the rest of the request solves without it, and"
    assert told == {
        ("python=3.11",): (f"jax {alone} there is no jax", ("jax",)),
        ("jax",): (f"python=3.11 {alone} python is at 3.10.4", ()),
    }


def test_what_stands_against_the_request_is_removed_first_by_a_command_of_its_own():
    """The request itself is asked of the environment that the removal leaves, where history no longer names it."""
    question = asked("python=3.11", history=(("ray", "ray 2.0"), ("zlib", "zlib")))
    seen = []

    def simulate(now):
        if now.request.operation == "remove":
            assert now.request.specs == ("ray",)
            return Solution((PYTHON,))
        seen.append((now.environment.records, now.environment.history.specs, now.request.specs))
        removed = now.environment.records == (PYTHON,)
        return Solution((record("python", "3.11.2"),)) if removed else Unsolvable("no")

    found = nearest_requests(question, Unsolvable("no", against=("ray 2.0",)), simulate, candidates)
    (item,) = found.items
    assert item.specs == ("python=3.11",)
    assert item.costs == (
        "ray must be removed first, since history asks for it: conda remove -p /e ray",
        "removes ray-core",
    )
    assert item.lost == ("ray", "ray-core")
    assert seen[-1] == ((PYTHON,), (), ("python=3.11",))


def test_where_the_removal_has_no_solution_nothing_is_offered_that_rests_on_it():
    question = asked("python=3.11", history=(("conda", "conda"),))

    def simulate(now):
        return Unsolvable("no") if now.request.operation == "remove" or "=" in now.request.specs[0] else Solution(())

    assert not nearest_requests(question, Unsolvable("no", against=("conda",)), simulate, candidates).items


def test_what_an_alternative_takes_away_and_sets_back_is_among_its_costs():
    question = asked("python=3.11", records=(PYTHON, RAY, record("numpy", "2.0")))

    def simulate(_now):
        return Solution((PYTHON, record("numpy", "1.26")))

    item = nearest_requests(question, Unsolvable("no"), simulate, candidates).items[0]
    assert "removes ray" in item.costs
    assert "numpy goes back from 2.0 to 1.26" in item.costs
    assert (item.lost, item.downgraded) == (("ray",), ("numpy",))


def test_versions_that_were_not_tried_leave_the_search_incomplete(monkeypatch):
    pythons = tuple(record("python", f"3.{minor}.1") for minor in range(5, 12))
    monkeypatch.setattr(sys.modules[__name__], "CHANNEL", pythons)
    found, tried = near(asked("python=3.11"), lambda _specs: False)
    assert len(tried) == 4
    assert not found.complete
    assert near(asked("python=3.11"), lambda specs: specs == ("python=3.9",))[0].complete


def test_the_search_is_bounded_and_says_so():
    specs = tuple(f"p{n}=1" for n in range(40))
    found, tried = near(asked(*specs), lambda _specs: False)
    assert len(tried) <= 20
    assert not found.complete
