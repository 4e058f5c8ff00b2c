"""What is said to exclude a spec excludes it: no build is blamed while another would do."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.exclusion import Exclusion
from planner.model.installed import PackageRecord
from planner.versions import dependency_name, matches


def record(name, version, *depends, build="0"):
    return PackageRecord(name, version, build, depends=depends)


def chain(spec, channel, *asked, installed=()):
    def builds(name):
        return [build for build in channel if build.name == name]

    return Exclusion(asked, builds, installed).chain(spec)


PY39 = record("python", "3.9.1")
PY311 = record("python", "3.11.1")


def for_python(name, version, *minors, needs=()):
    return [record(name, version, f"python 3.{minor}.*", *needs, build=f"py3{minor}_0") for minor in minors]


def test_a_package_that_has_a_build_for_the_python_asked_for_is_not_the_cause():
    channel = [
        PY39,
        PY311,
        *for_python("conda", "23.5", 9, 11, needs=("menu", "yaml")),
        *for_python("menu", "1.4", 9, 11),
        *for_python("yaml", "0.17", 9, 11, needs=("clib >=0.2",)),
        *for_python("clib", "0.2.7", 10, 11),
    ]
    assert chain("conda", channel, "python=3.9") == (
        "conda 23.5 py39_0 requires yaml, and yaml 0.17 py39_0 requires clib >=0.2, and no build of it that meets this "
        "goes with python=3.9: clib 0.2.7 py311_0 requires python 3.11.*"
    )
    assert chain("conda", channel, "python=3.11") is None


def test_no_build_of_what_is_asked_for_itself():
    numpy = for_python("numpy", "1.21", 8, 9)
    assert chain("numpy", [PY39, PY311, *numpy], "python=3.11") == (
        "no build of numpy goes with python=3.11: numpy 1.21 py39_0 requires python 3.9.*"
    )
    assert chain("numpy=1.21", [PY39, PY311, *numpy], "python=3.11") == (
        "no build of numpy that meets numpy=1.21 goes with python=3.11: numpy 1.21 py39_0 requires python 3.9.*"
    )
    assert (
        chain("python 3.9.*", [PY39, PY311], "python=3.11")
        == "no build of python meets both python 3.9.* and python=3.11"
    )
    assert chain("gone", [], "python=3.11") == "no build of gone in the channels meets gone"


def test_what_no_channel_has_excludes_what_needs_it():
    assert chain("app", [record("app", "1.0", "lib >=2"), record("lib", "1.0")]) == (
        "app 1.0 0 requires lib >=2, which nothing in the channels meets"
    )


def test_what_is_installed_counts_as_a_build_and_may_be_broken_already():
    old = record("app", "1.0", "gone", "lib")
    channel = [record("app", "2.0", "lib >=2")]
    assert chain("app", channel) is not None
    assert chain("app", channel, installed=[old, record("lib", "1.0")]) is None


def test_requirements_that_only_together_exclude_each_other_are_no_proof():
    channel = [record("app", "1.0", "a", "b"), record("a", "1.0", "lib 1.*"), record("b", "1.0", "lib 2.*")]
    assert chain("app", [*channel, record("lib", "1.0"), record("lib", "2.0")]) is None


def test_what_needs_itself_through_others_is_no_proof():
    assert chain("a", [record("a", "1.0", "b"), record("b", "1.0", "a")], "python=3.9") is None


NAMES = ("a", "b", "c", "p")
NEEDS = st.lists(
    st.sampled_from([f"{name}{version}" for name in NAMES for version in ("", " 1.*", " 2.*")]), max_size=2
)
UNIVERSE = st.fixed_dictionaries(
    {name: st.lists(st.tuples(st.sampled_from("12"), NEEDS), max_size=3) for name in NAMES}
)


@settings(max_examples=400, deadline=None)
@given(UNIVERSE, st.sampled_from(["p=1", "p=2", "p"]))
def test_what_is_excluded_is_in_no_environment_at_all(universe, asked):
    builds = {
        name: [record(name, f"{version}.0", *needs, build=str(n)) for n, (version, needs) in enumerate(some)]
        for name, some in universe.items()
    }
    if chain("a", [build for some in builds.values() for build in some], asked) is None:
        return

    def holds(records):
        present = {item.name: item for item in records if item is not None}
        needs = ["a", asked, *(need for item in present.values() for need in item.depends)]
        names = [dependency_name(need.replace("=", " ")) for need in needs]
        return all(name in present and matches(need, present[name]) for name, need in zip(names, needs, strict=True))

    assert not any(holds(records) for records in product(*([None, *builds[name]] for name in NAMES)))
