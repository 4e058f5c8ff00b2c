"""The nearest set: maximal, solved, and nothing blamed that could be had."""

from hypothesis import given
from hypothesis import strategies as st

from planner.nearest import nearest_set


def solver(*conflicts):
    return lambda specs: not any(set(conflict) <= set(specs) for conflict in conflicts)


def test_what_fails_alone_is_left_out_and_the_rest_kept():
    found = nearest_set(["python=3.11"], ["a", "ray", "b"], solver({"python=3.11", "ray"}))
    assert found.kept == ("python=3.11", "a", "b")
    assert found.lost == (("ray", "ray is left out: it has no solution together with python=3.11"),)


def test_without_anything_asked_the_sentence_is_whole():
    found = nearest_set([], ["a"], solver({"a"}))
    assert found.lost == (("a", "a is left out: it has no solution in these channels"),)


def test_of_two_that_exclude_each_other_the_earlier_stays():
    found = nearest_set(["x"], ["torch", "old", "c"], solver({"torch", "old"}))
    assert found.kept == ("x", "torch", "c")
    assert found.lost == (("old", "old is left out: it has no solution together with the specs that are kept"),)


def test_an_impossible_request_has_no_nearest():
    assert nearest_set(["x"], ["a"], solver({"x"})) is None


@given(st.sets(st.frozensets(st.sampled_from("abcdef"), min_size=2, max_size=3)))
def test_the_set_solves_and_is_maximal(conflicts):
    solves = solver(*conflicts)
    found = nearest_set(["a"], "bcdef", solves)
    assert solves(found.kept)
    for spec, _ in found.lost:
        assert not solves((*found.kept, spec))
    assert {*found.kept, *(spec for spec, _ in found.lost)} == set("abcdef")


def test_few_solves_find_one_conflict_among_many():
    calls = []

    def solves(specs):
        calls.append(specs)
        return not {"s3", "s40"} <= set(specs)

    found = nearest_set([], [f"s{n}" for n in range(64)], solves)
    assert [spec for spec, _ in found.lost] == ["s40"]
    assert len(calls) < 64 + 12
