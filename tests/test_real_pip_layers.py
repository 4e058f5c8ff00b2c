"""What the pip layers of real installations need for another python, and what of them conda would overwrite."""

from collections import Counter

import pytest

from planner.load import load_environment
from planner.pip_classes import renewal
from planner.shared_paths import shared_paths


@pytest.fixture(scope="module")
def layer(real_data):
    loaded = {}

    def load(place):
        if place not in loaded:
            loaded[place] = load_environment(place, str(real_data / "installations" / place))
        return loaded[place]

    return load


@pytest.mark.parametrize(
    ("place", "python", "same", "wheel", "refused"),
    [
        ("linux-base-py39", "3.10", 52, 12, {"llvmlite", "numba"}),
        ("linux-base-py39/envs/py37", "3.10", 60, 13, set()),
        ("linux-base-py39/envs/py37", "3.8", 60, 13, set()),
        ("win-py38-pip74", "3.11", 57, 17, set()),
    ],
)
def test_which_of_them_need_what(layer, place, python, same, wheel, refused):
    dists = layer(place).pip_dists
    needs = Counter(renewal(dist, python) for dist in dists)
    assert needs == Counter({"same": same, "wheel": wheel, "refused": len(refused)})
    assert {dist.name for dist in dists if renewal(dist, python) == "refused"} == refused


def test_pip_has_upgraded_itself_over_conda_s_pip(layer):
    environment = layer("win-py38-pip74")
    pip = next(dist for dist in environment.pip_dists if dist.name == "pip")
    record = environment.record("pip")
    shared = shared_paths(environment.prefix, record, pip)
    assert (pip.version, record.version) == ("25.0.1", "24.2")
    assert sum(item.same is False for item in shared) == 133
    assert sum(item.same is True for item in shared) > 100
    assert all(item.holds is None for item in shared)  # the files themselves are not part of the data
