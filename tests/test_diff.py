"""The one comparison: every action, and what is no change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.diff import diff
from planner.model.installed import PackageRecord


def record(name="numpy", version="1.26.4", build="py310_0", **more):
    more.setdefault("fn", f"{name}-{version}-{build}.conda")
    return PackageRecord(name, version, build, **more)


def actions(before, after):
    return [(change.name, change.action) for change in diff(before, after, frozenset())]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [record()], [("numpy", "install")]),
        ([record()], [], [("numpy", "remove")]),
        ([record()], [record(version="2.0.0")], [("numpy", "upgrade")]),
        ([record()], [record(version="1.9.0")], [("numpy", "downgrade")]),
        ([record(version="1.1.1k")], [record(version="1.1.1w")], [("numpy", "upgrade")]),
        ([record()], [record(build="py311_0")], [("numpy", "rebuild")]),
        ([record(channel="a")], [record(channel="b")], []),
        ([record(channel="a", sha256="1" * 64)], [record(channel="b", sha256="1" * 64)], []),
        ([record(channel="a", sha256="1" * 64)], [record(channel="b", sha256="2" * 64)], [("numpy", "channel")]),
        ([record()], [record()], []),
    ],
)
def test_actions(before, after, expected):
    assert actions(before, after) == expected


def test_noarch_python_packages_are_linked_again_when_the_minor_moves():
    six = record("six", "1.16.0", "pyh_0", noarch="python")
    data = record("tzdata", "2024a", "0", noarch="generic")
    old, patch, new = (record("python", version, "0") for version in ("3.10.1", "3.10.2", "3.11.0"))
    assert actions([old, six, data], [patch, six, data]) == [("python", "upgrade")]
    assert actions([old, six, data], [new, six, data]) == [("python", "upgrade"), ("six", "relink")]


def test_requested_marks_what_was_asked_for():
    changes = diff([], [record(), record("mkl", "2024.0")], frozenset({"numpy"}))
    assert [(change.name, change.requested) for change in changes] == [("mkl", False), ("numpy", True)]


RECORDS = st.lists(
    st.builds(
        record,
        name=st.sampled_from(["a", "b", "python"]),
        version=st.sampled_from(["1.0", "2.0", "3.10.1", "3.11.0"]),
        build=st.sampled_from(["0", "1"]),
    ),
    unique_by=lambda item: item.name,
)


@given(RECORDS)
def test_no_change_is_an_empty_diff(records):
    assert diff(records, list(reversed(records)), frozenset()) == ()


@given(RECORDS, RECORDS)
def test_applying_the_diff_gives_the_after(before, after):
    state = {item.name: item for item in before}
    for change in diff(before, after, frozenset()):
        assert change.before == state.get(change.name)
        if change.after is None:
            del state[change.name]
        else:
            state[change.name] = change.after
    assert sorted(state.values(), key=lambda item: item.name) == sorted(after, key=lambda item: item.name)
