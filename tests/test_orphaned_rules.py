"""PIP001: what pip installed and the planned python does not see, or sees and cannot import."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from planner.model.installed import DirectUrl, LoadProblem
from planner.model.plan import Evidence
from tests.situations import ARGON2, FLASK, NUMPY_39, dist, fired, moved, only, python, short, situation


def test_pip001_a_tagged_dist_stays_behind():
    (found,) = moved(NUMPY_39)
    assert short([found]) == [("pip:numpy", "block", "certain", "gone")]
    assert found.message == (
        "numpy 1.20.3 (pip, compiled for cp39) stays behind in lib/python3.9/site-packages, "
        "which python 3.10 does not read"
    )
    wheel = Evidence(
        "metadata", "lib/python3.9/site-packages/numpy-1.20.3.dist-info/WHEEL", "Tag: cp39-cp39-manylinux2010_x86_64"
    )
    assert found.evidence == (
        wheel,
        Evidence(
            "metadata",
            "lib/python3.9/site-packages/numpy-1.20.3.dist-info/RECORD",
            "names numpy/core/_multiarray_umath.cpython-39-x86_64-linux-gnu.so",
        ),
    )
    assert [(e.consumer, e.provider, e.kind, e.requirement, e.status, e.evidence) for e in found.edges] == [
        ("pip:numpy", "conda:python", "python_abi", "cp39", "broken", (wheel,))
    ]


def test_pip001_every_class_is_named():
    editable = dist("mylib", "0.1", direct_url=DirectUrl("file:///home/user/mylib", editable=True, kind="dir"))
    local = dist("patched", "0.2", "py3-none-any", direct_url=DirectUrl("file:///srv/wheels/patched.whl"))
    found = moved(ARGON2, FLASK, editable, local)
    assert [(f.subject, f.severity.value, re.search(r"\((.*?)\)", f.message)[1]) for f in found] == [
        ("pip:argon2_cffi", "block", "pip, abi3: compiled, the same wheel serves python 3.10"),
        ("pip:flask", "warn", "pip, pure"),
        ("pip:mylib", "warn", "pip, editable"),
        ("pip:patched", "warn", "pip, local"),
    ]
    assert [f.edges for f in found] == [(), (), (), ()]
    assert found[2].remedy == "install it again for python 3.10 in editable mode from file:///home/user/mylib"


def test_pip001_a_pure_dist_that_a_requested_package_requires_blocks():
    owner = dist("dash", "2.0", "py3-none-any", owner="dash", requires_dist=("Flask>=1.0", "six; python_version<'3'"))
    werkzeug, six = dist("Werkzeug", "2.0", "py3-none-any"), dist("six", "1.16", "py2.py3-none-any")
    needing = replace(FLASK, requires_dist=("Werkzeug (>=2.0)", "asgiref (>=3.2) ; extra == 'async'"))
    found = moved(owner, needing, six, werkzeug, history=["dash"])
    assert [(f.subject, f.severity.value) for f in found] == [
        ("pip:flask", "block"),
        ("pip:six", "warn"),
        ("pip:werkzeug", "block"),
    ]
    assert found[0].message.endswith("; dash, which was asked for, requires it")
    assert {f.severity.value for f in moved(owner, needing, six, werkzeug)} == {"warn"}


def test_pip001_without_record_and_tags_the_class_is_unverified():
    (found,) = moved(dist("old", files_known=False))
    assert short([found]) == [("pip:old", "block", "unverified", "gone")]
    assert found.evidence[0].what == "no RECORD and no wheel tags"


def test_pip001_judges_the_request_where_there_is_no_solution():
    ctx = situation([python("3.9.5")], None, "python=3.10", dists=[NUMPY_39, FLASK], forced="3.10")
    found = fired("PIP001", ctx)
    assert [(f.subject, f.basis) for f in found] == [("pip:numpy", "request"), ("pip:flask", "request")]
    assert fired("PIP001", situation([python("3.9.5")], None, "numpy=2", dists=[NUMPY_39])) == []


def test_pip001_near_misses():
    assert fired("PIP001", situation([python("3.9.5")], [python("3.9.7")], dists=[NUMPY_39])) == []
    assert moved(replace(NUMPY_39, owner="numpy")) == []
    assert moved(replace(NUMPY_39, python="3.8", location="lib/python3.8/site-packages")) == []
    assert moved(replace(NUMPY_39, python="3.10", location="lib/python3.10/site-packages")) == []


def test_pip001_python_leaves():
    ctx = situation([python("3.9.5")], [], "python", operation="remove", dists=[FLASK])
    found = only("PIP001", ctx)
    assert (found.predicts, found.status) == ("import", "certain")
    assert found.message == "Flask 2.0.1 (pip, pure) has no python to be imported by: python itself leaves"


def test_pip001_with_pythons_record_unreadable_it_is_unverified():
    problem = LoadProblem("conda-meta/python-3.9.5-h12debd9_4.json", "cut", "the record is left out")
    ctx = situation([], [python("3.10.0")], "python=3.10", dists=[NUMPY_39], problems=[problem])
    assert short(fired("PIP001", ctx)) == [("pip:numpy", "block", "unverified", "gone")]
    assert fired("PIP001", situation([], [python("3.10.0")], "python=3.10", dists=[NUMPY_39])) == []


def test_a_compiled_wheel_that_names_no_python_needs_no_new_one():
    library = "nvidia/nccl/lib/libnccl.so.2"
    (found,) = moved(dist("nvidia-nccl", "2.20.5", "py3-none-manylinux_2_17_x86_64", extensions=(library,)))
    assert found.severity.value == "block"
    assert "for that python" not in found.remedy
    assert not found.edges


# ---------------------------------------------------------------------------------------------------------------------
# On Windows

WINDOWS = "Lib/site-packages"


def on_windows(*dists, to="3.11.4"):
    return fired(
        "PIP001",
        situation([python("3.8.20")], [python(to)], f"python={to[:4]}", dists=dists, subdir="win-64"),
    )


def win(name, *tags, extensions=(), **more):
    return dist(name, "1.0", *tags, extensions=extensions, folder=WINDOWS, **more)


def test_pip001_on_windows_what_is_tagged_stops_importing():
    (found,) = on_windows(win("aiohttp", "cp38-cp38-win_amd64", extensions=("aiohttp/_http.cp38-win_amd64.pyd",)))
    assert short([found]) == [("pip:aiohttp", "block", "certain", "import")]
    assert found.message == (
        "aiohttp 1.0 (pip, compiled for cp38) stays visible in Lib/site-packages, "
        "but python 3.11 cannot import its compiled modules"
    )


@pytest.mark.parametrize(
    "near",
    [
        pytest.param(win("flask", "py3-none-any"), id="pure"),
        pytest.param(win("tornado", "cp38-abi3-win_amd64", extensions=("tornado/speedups.pyd",)), id="abi3"),
        pytest.param(win("ruff", "py3-none-win_amd64", extensions=("ruff.pyd",)), id="no ABI needed"),
        pytest.param(win("new", "cp311-cp311-win_amd64", extensions=("n.cp311-win_amd64.pyd",)), id="for the new one"),
        pytest.param(win("older", "cp37-cp37m-win_amd64", extensions=("o.cp37-win_amd64.pyd",)), id="broken before"),
    ],
)
def test_pip001_on_windows_near_misses(near):
    assert on_windows(near) == []


@pytest.mark.parametrize(
    ("unclear", "severity"),
    [
        pytest.param(win("old", files_known=False), "block", id="no RECORD, no tags"),
        pytest.param(win("loose", extensions=("loose.pyd",)), "block", id="untagged module"),
        pytest.param(win("mylib", direct_url=DirectUrl("file:///c:/src", editable=True)), "warn", id="editable"),
    ],
)
def test_pip001_on_windows_what_cannot_be_told_is_unverified(unclear, severity):
    assert short(on_windows(unclear)) == [(f"pip:{unclear.name}", severity, "unverified", "import")]


def test_pip001_on_windows_abi3_promises_nothing_below_its_floor():
    tornado = win("tornado", "cp38-abi3-win_amd64", extensions=("tornado/speedups.pyd",))
    assert short(on_windows(tornado, to="3.7.9")) == [("pip:tornado", "block", "unverified", "import")]
