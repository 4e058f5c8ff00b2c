"""Conda's own order and specs, which are not PEP 440's."""

import pytest

from planner import versions
from planner.errors import BadSpec
from planner.model.installed import PackageRecord


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("1.1.1k", "1.1.1w", -1),
        ("9e", "9d", 1),
        ("2024a", "2024a", 0),
        ("1.0", "1.0.0", 0),
        ("1!1.0", "2.0", 1),
        ("1.0rc1", "1.0", -1),
        ("1.0.post1", "1.0", 1),
        ("3.9", "3.10", -1),
    ],
)
def test_compare(left, right, expected):
    assert versions.compare(left, right) == expected


def test_minor_and_major():
    assert (versions.minor("3.10.14"), versions.minor("3"), versions.major("2.0.3")) == ("3.10", "3", "2")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("python >=3.10,<3.11.0a0", True),
        ("python 3.10.*", True),
        ("python=3.10", True),
        ("python 3.10", False),
        ("python 3.10.14 h1_cpython", True),
        ("python 3.10.* *_cpython", True),
        ("python * *_pypy", False),
        ("python", True),
        ("conda-forge::python >=3.10", True),
        ("conda-forge::python >=3.11", False),
        ("numpy", False),
        ("python ==", None),
    ],
)
def test_matches(spec, expected):
    assert versions.matches(spec, PackageRecord("python", "3.10.14", "h1_cpython")) is expected


def test_parts_of_a_spec():
    assert versions.spec_name("conda-forge::NumPy >=1.2") == "numpy"
    assert versions.spec_version("numpy 1.5*") == "1.5.*"
    assert versions.spec_is_bare("numpy")
    assert not versions.spec_is_bare("numpy=*=py3*")


def test_what_does_not_parse_is_named():
    with pytest.raises(BadSpec, match=r"'numpy=='"):
        versions.check_spec("numpy==")


def test_version_matches():
    assert versions.version_matches(">=3.9,<3.10.0a0", "3.9.5") is True
    assert versions.version_matches(">=3.9,<3.10.0a0", "3.10.0") is False
    assert versions.version_matches("not a version!", "3.10.0") is None
