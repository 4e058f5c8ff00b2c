"""Why a package moved: each sentence names the line that forced it, or says that none did."""

from msgspec.structs import replace

from planner.diff import diff
from planner.held_back import held_back
from planner.model.installed import Environment, PackageRecord
from planner.model.solve import Request
from planner.reasons import explain_changes
from planner.solve.asked import Asked


def record(name, version="1.0", build="0", depends=(), **more):
    return PackageRecord(name, version, build, depends=tuple(depends), **more)


PY310, PY311 = record("python", "3.10.1"), record("python", "3.11.1")
CONDA = record("conda", "4.10.3", "py310_0", ["python >=3.10,<3.11.0a0"])
SIX = record("six", "1.16.0", "py_0", ["python"], noarch="python")
PIP = record("pip", "21.1", "py310_0", ["python >=3.10,<3.11.0a0"])
PIP311 = record("pip", "21.1", "py311_0", ["python >=3.11,<3.12.0a0"])


def reasons(before, after, *specs, operation="install", channel=(), fresh=()):
    request = Request(operation, specs)
    explained = explain_changes(
        diff(before, after, frozenset()),
        before,
        after,
        request,
        kept_fresh=fresh,
        candidates=lambda name: [item for item in channel if item.name == name],
    )
    return {change.name: change.reason for change in explained}


def test_a_python_minor_moves_everything_bound_to_it():
    found = reasons([PY310, CONDA, SIX, PIP], [PY311, SIX, PIP311], "python=3.11", channel=[CONDA, PIP311])
    assert found == {
        "python": "asked for: python=3.11",
        "conda": "conda 4.10.3 py310_0 requires python >=3.10,<3.11.0a0, which python 3.11.1 does not meet; "
        "no build of conda for python 3.11 in the channels",
        "six": "noarch python package, linked again for python 3.11",
        "pip": "pip 21.1 py310_0 requires python >=3.10,<3.11.0a0, which python 3.11.1 does not meet",
    }


def test_what_leaves_with_what_it_needs():
    found = reasons([CONDA, PY310], [CONDA], "python", operation="remove")
    assert found == {"python": "removal asked for: python"}
    user = record("user", depends=["gone"])
    assert reasons([user, record("gone")], [], "gone", operation="remove")["user"] == (
        "user 1.0 0 requires gone, and gone would not be there; the channels have no build of user"
    )


def test_a_constraint_excludes():
    old = PackageRecord("mkl", "1.0", "0", constrains=("blas <2",))
    blas = record("blas", "2.0")
    assert reasons([old], [blas], "blas", channel=[old])["mkl"].startswith("mkl 1.0 0 excludes blas 2.0")


def test_a_new_package_is_named_with_who_needs_it():
    user = record("user", depends=["lib >=2"])
    assert reasons([], [user, record("lib", "2.0")], "user") == {
        "user": "asked for: user",
        "lib": "user 1.0 0 requires lib >=2",
    }


def test_an_old_build_that_another_package_will_not_have():
    user = record("user", "2.0", depends=["lib >=2"])
    assert reasons([record("lib", "1.0")], [user, record("lib", "2.0")], "user")["lib"] == "user 2.0 0 requires lib >=2"


def test_where_no_constraint_forces_it_the_reason_says_so():
    before, after = [record("a")], [record("a", "2.0")]
    assert reasons(before, after, "b") == {"a": "the solver's choice: no constraint forces it"}
    assert reasons(before, after, "b", fresh=["a"]) == {"a": "kept up to date by conda with every change"}
    assert reasons(before, after, operation="update-all") == {"a": "everything was asked to be updated"}
    assert reasons(before, [], "b") == {"a": "the solver's choice: no requirement of its own is broken"}


def test_what_is_cleaned_up_behind_a_removal_says_who_needed_it():
    app = record("app", depends=["lib"])
    found = reasons([app, record("lib")], [], "app", operation="remove")
    assert found["lib"] == "nothing that stays needs it any more; before, app 1.0 0 did"


def test_what_leaves_together_names_the_way_from_what_was_asked():
    """Not what is cleaned up behind it: torchvision needs ffmpeg as well, which leaves only since torchvision does."""
    torch = record("pytorch", depends=["sympy"])
    vision = record("torchvision", depends=["ffmpeg >=4", "pytorch 1.0"])
    user = record("user", depends=["lame", "torchvision"])
    before = [torch, vision, user, record("ffmpeg", "4.0", depends=["lame"]), record("lame"), record("sympy")]
    found = reasons(before, [], "pytorch", operation="remove", channel=before)
    assert found == {
        "pytorch": "removal asked for: pytorch",
        "torchvision": "torchvision 1.0 0 requires pytorch 1.0, and pytorch would not be there",
        "user": "user 1.0 0 requires torchvision, and torchvision would not be there",
        "ffmpeg": "nothing that stays needs it any more; before, torchvision 1.0 0 did",
        "lame": "nothing that stays needs it any more; before, user 1.0 0, ffmpeg 4.0 0 did",
        "sympy": "nothing that stays needs it any more; before, pytorch 1.0 0 did",
    }


def test_what_leaves_with_what_does_not_go_with_the_new_python_leads_to_it():
    ray = record("ray-core", depends=["python >=3.10,<3.11.0a0"])
    tune = record("ray-tune", depends=["tool", "ray-core"])
    before = [PY310, tune, ray, record("tool", depends=["lib"]), record("lib")]
    found = reasons(before, [PY311], "python=3.11", channel=[ray, tune])
    assert found["ray-tune"] == "ray-tune 1.0 0 requires ray-core, and ray-core would not be there"
    assert found["ray-core"].startswith(
        "ray-core 1.0 0 requires python >=3.10,<3.11.0a0, which python 3.11.1 does not meet"
    )
    assert found["tool"] == "nothing that stays needs it any more; before, ray-tune 1.0 0 did"


def test_a_build_of_a_channel_that_goes_before_says_so():
    before = record("torch", build="cuda", channel="https://conda.anaconda.org/pytorch")
    after = record("torch", build="cpu", channel="https://repo.anaconda.com/pkgs/main")
    channels = ("https://repo.anaconda.com/pkgs/main", "https://conda.anaconda.org/pytorch")
    request = Request("update-all", (), channels=channels)

    def reason(request):
        changes = diff([before], [after], frozenset())
        return explain_changes(changes, [before], [after], request, kept_fresh=(), candidates=lambda _: ())[0].reason

    assert reason(request) == "the channel pkgs/main goes before pytorch, and has a build of it"
    assert reason(replace(request, channel_priority="disabled")) == "everything was asked to be updated"


NUMPY, NUMPY2 = record("numpy", "1.26.4"), record("numpy", "2.0.0")


def held(*after, specs=("numpy",), channel=(NUMPY, NUMPY2), operation="install", pins=(), **more):
    environment = Environment("e", "/e", "linux-64", records=after, pins=pins)
    asked = Asked(environment, Request(operation, specs, **more), is_base=False)
    found = held_back(asked, after, lambda name: [item for item in channel if item.name == name])
    return {item.name: (item.version, item.newest, item.reason) for item in found}


def test_what_is_held_back_names_what_holds_it():
    scipy = record("scipy", depends=["numpy <2"])
    assert held(NUMPY, scipy) == {"numpy": ("1.26.4", "2.0.0", "scipy 1.0 0 requires numpy <2")}
    assert held(NUMPY, pins=("numpy 1.26.*",))["numpy"][2] == "the pin numpy 1.26.*"
    bound = record("numpy", "2.0.0", depends=["python >=3.11"])
    assert held(NUMPY, PY310, channel=(NUMPY, bound))["numpy"][2] == (
        "numpy 2.0.0 0 requires python >=3.11, and python stays at 3.10.1"
    )
    assert "solver's choice" in held(NUMPY)["numpy"][2]


def test_the_order_of_channels_can_hold_a_package_back():
    ours = replace(NUMPY, channel="https://conda.anaconda.org/ours")
    theirs = replace(NUMPY2, channel="https://conda.anaconda.org/theirs")
    found = held(ours, channel=(ours, theirs), channels=(ours.channel, theirs.channel))
    assert found["numpy"][2] == "the channel ours goes before theirs, which has it"


def test_what_is_at_the_newest_the_request_allows_is_not_held_back():
    assert held(NUMPY2) == {}
    assert held(NUMPY, specs=("numpy=1",)) == {}
    assert held(NUMPY, operation="remove") == {}
    assert set(held(NUMPY, operation="update-all", specs=())) == {"numpy"}
