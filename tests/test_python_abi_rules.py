"""ABI001 and ABI002, and what a build is bound to: packages that stay while python is another one."""

from __future__ import annotations

import pytest

from planner.model.installed import RecordFiles
from planner.model.plan import Evidence, Severity
from planner.pyabi import build_python, declared_python, is_compiled
from tests.situations import FREE_THREADED, GIL, PSUTIL_36, PY310, fired, only, pkg, python, short, situation

# ---------------------------------------------------------------------------------------------------------------------
# ABI001


def test_abi001_case_1_a_loose_dependency_and_an_old_build_string():
    ctx = situation([python("3.6.13"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7")
    found = only("ABI001", ctx)
    assert (found.subject, found.severity, found.status, found.predicts) == (
        "conda:psutil",
        Severity.BLOCK,
        "certain",
        "import",
    )
    assert found.message == (
        "psutil 5.6.3 py36_0 stays while python is 3.7: it was built for python 3.6 and cannot be imported"
    )
    assert found.evidence == (Evidence("metadata", "conda-meta/psutil-5.6.3-py36_0.json", "build: py36_0"),)
    (edge,) = found.edges
    assert (edge.consumer, edge.provider, edge.kind, edge.requirement, edge.status) == (
        "conda:psutil",
        "conda:python",
        "python_abi",
        "py36_0",
        "broken",
    )


def test_abi001_names_the_extension_where_files_are_known():
    module = "lib/python3.6/site-packages/psutil/_psutil_linux.cpython-36m-x86_64-linux-gnu.so"
    ctx = situation(
        [python("3.6.13"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7", files={"psutil": [module]}
    )
    found = only("ABI001", ctx)
    assert found.evidence == (Evidence("file", module, "an extension module tagged cp36"),)
    assert found.edges[0].requirement == "cp36"


def test_abi001_plain_modules_in_the_old_folder_are_gone():
    legacy = pkg("legacy", "1.0", "py36_0", "python")
    path = "lib/python3.6/site-packages/legacy/__init__.py"
    ctx = situation([python("3.6.13"), legacy], [python("3.7.11"), legacy], "python=3.7", files={"legacy": [path]})
    found = only("ABI001", ctx)
    assert (found.predicts, found.status) == ("gone", "certain")
    assert found.message == (
        "legacy 1.0 py36_0 stays while python is 3.7: its modules lie in lib/python3.6, which python 3.7 does not read"
    )


def test_abi001_an_abi3_module_in_the_old_folder_is_gone_too():
    brotli = pkg("brotlipy", "0.7.0", "py39h27cfd23_1003", "python")
    path = "lib/python3.9/site-packages/brotli/_brotli.abi3.so"
    ctx = situation([python("3.9.5"), brotli], [python("3.10.0"), brotli], "python=3.10", files={"brotlipy": [path]})
    assert short(fired("ABI001", ctx)) == [("conda:brotlipy", "block", "certain", "gone")]


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        pytest.param(pkg("six", "1.16.0", "pyhd3eb1b0_0", "python", noarch="python"), None, id="noarch python"),
        pytest.param(
            pkg("nh3", "0.2", "py310_0", "python", "cpython >=3.9", noarch="python", subdir="linux-64"),
            None,
            id="abi3 of CEP 20",
        ),
        pytest.param(pkg("zlib", "1.2.13", "h5eee18b_0", "libgcc-ng >=11.2.0"), None, id="no python"),
        pytest.param(pkg("tools", "1.0", "py36_0", "python"), ["bin/tool"], id="files show no python"),
        pytest.param(
            pkg("both", "1.0", "py36_0", "python"),
            ["lib/python3.6/site-packages/both.py", "lib/python3.7/site-packages/both.py"],
            id="files for both",
        ),
        pytest.param(pkg("pkg37", "1.0", "py37_0", "python"), None, id="built for the planned python"),
    ],
)
def test_abi001_near_misses(record, paths):
    ctx = situation(
        [python("3.6.13"), record],
        [python("3.7.11"), record],
        "python=3.7",
        files={record.name: paths} if paths else {},
    )
    assert fired("ABI001", ctx) == []


def test_abi001_a_patch_of_python_and_a_rebuilt_dependent_do_not_fire():
    old, new = pkg("numpy", "1.26", "py310h1_0", PY310), pkg("numpy", "1.26", "py312h2_0", "python >=3.12,<3.13.0a0")
    assert fired("ABI001", situation([python("3.10.1"), old], [python("3.10.9"), old])) == []
    assert fired("ABI001", situation([python("3.10.1"), old], [python("3.12.1"), new])) == []


def test_abi001_what_was_so_before_is_marked():
    ctx = situation([python("3.7.1"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7")
    assert only("ABI001", ctx).pre_existing
    ctx = situation([python("3.7.1"), PSUTIL_36], [python("3.8.1"), PSUTIL_36], "python=3.8")
    assert only("ABI001", ctx).pre_existing


def test_abi001_a_new_package_for_another_python_fires_and_is_not_pre_existing():
    wrong = pkg("numpy", "1.26", "py310h1_0", PY310)
    found = only("ABI001", situation([python("3.11.1")], [python("3.11.1"), wrong], "numpy"))
    assert not found.pre_existing
    assert found.evidence == (Evidence("metadata", "numpy-1.26-py310h1_0", f"depends: {PY310}"),)


def test_abi001_without_a_solution_nothing_is_kept():
    assert fired("ABI001", situation([python("3.6.13"), PSUTIL_36], None, "python=3.7", forced="3.7")) == []


@pytest.mark.parametrize(
    ("depends", "paths", "expected"),
    [
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/mod.cp38-win_amd64.pyd"], ("certain", "import")),
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/brotli/_brotli.pyd"], ("unverified", "import")),
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/pure.py"], None),
        (("python >=3.8,<3.9.0a0",), None, ("unverified", "import")),
        (("python >=3.8,<3.9.0a0", "vc >=14.1,<15.0a0"), None, ("certain", "import")),
        (("python",), ["Lib/site-packages/loose.pyd"], ("unverified", "import")),
    ],
)
def test_abi001_on_windows_only_compiled_modules_are_bound(depends, paths, expected):
    record = pkg("thing", "1.0", "py38h1_0", *depends, subdir="win-64")
    ctx = situation(
        [python("3.8.20"), record],
        [python("3.11.4"), record],
        "python=3.11",
        subdir="win-64",
        files={"thing": paths} if paths else {},
    )
    assert [(f.status, f.predicts) for f in fired("ABI001", ctx)] == ([expected] if expected else [])


# ---------------------------------------------------------------------------------------------------------------------
# ABI002


@pytest.mark.parametrize(
    ("before", "after", "flips"),
    [
        ([GIL], [FREE_THREADED], ("cp313", "cp313t")),
        ([GIL], [pkg("python", "3.13.6", "h1_103_cp313")], None),
        ([GIL], [pkg("python", "3.14.0", "h1_1_cp314t")], None),
        ([pkg("python", "3.10.1", "h1_0_cpython")], [pkg("python", "3.10.2", "h1_0_73_pypy")], ("cp310", "pypy")),
        (
            [pkg("python", "3.10.1", "h1_0_cpython"), pkg("python_abi", "3.10", "4_cp310")],
            [pkg("python", "3.10.2", "h2_0_cpython"), pkg("python_abi", "3.10", "5_cp310")],
            None,
        ),
        ([pkg("python", "3.10.1", "h1_0")], [pkg("python", "3.10.1", "h1_0_cpython")], None),
    ],
)
def test_abi002_speaks_of_a_flip_at_one_minor_only(before, after, flips):
    found = fired("ABI002", situation(before, after))
    if flips is None:
        assert not found
        return
    (only,) = found
    assert (only.subject, only.severity.value, only.status) == ("conda:python", "block", "certain")
    assert f"from {flips[0]} to {flips[1]}" in only.message


# ---------------------------------------------------------------------------------------------------------------------
# What a build is bound to


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("python >=3.10,<3.11.0a0", "3.10"),
        ("python >=3.9.1,<3.10", "3.9"),
        ("python <3.10.0a0,>=3.9", "3.9"),
        ("python >=3.9, <3.10.0a0", "3.9"),
        ("conda-forge::python 3.9.*", "3.9"),
        ("python_abi 3.10.* *_cp310", "3.10"),
        ("python_abi 3.13 *_cp313", "3.13"),
        ("python 3.9.5", "3.9"),
        ("python >=3.6,<3.10", None),
        ("python >=3.8", None),
        ("python 3.*", None),
        ("python", None),
        ("numpy >=1.21,<1.22", None),
    ],
)
def test_declared_python(spec, expected):
    found = declared_python(pkg("thing", "1.0", "0", spec))
    assert (found[0] if found else None) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("py36_0", "3.6"),
        ("py310h1b77274_2", "3.10"),
        ("py3.10_cuda12.1_cudnn9.1.0_0", "3.10"),
        ("np112py36_0", "3.6"),
        ("cuda118py311h9433a6d_301", "3.11"),
        ("cpu_mkl_py311_h30d5c41_100", "3.11"),
        ("py27_0", "2.7"),
        ("py_0", None),
        ("pyhd8ed1ab_0", None),
        ("h6a678d5_0", None),
        ("graalpy231_310_native", None),
    ],
)
def test_build_python(build, expected):
    assert build_python(pkg("thing", "1.0", build)) == expected


def test_is_compiled_by_an_abi3_package_of_cep_20_and_by_windows_names():
    unknown = RecordFiles((), known=False)
    assert is_compiled(pkg("nh3", noarch="python", subdir="linux-64"), unknown) is True
    assert is_compiled(pkg("six", noarch="python"), unknown) is False
    assert is_compiled(pkg("zlib"), RecordFiles(("Library/bin/zlib.dll",))) is True
    assert is_compiled(pkg("pip", "1", "0", "python"), RecordFiles(("Scripts/pip.exe",))) is False
    assert is_compiled(pkg("libz"), RecordFiles(("lib/libz.so.1.2.13",))) is True
