"""What each tool asks for when its command is typed."""

import pytest

from planner.errors import BadSpec
from planner.model import (
    Environment,
    History,
    Install,
    Keep,
    PackageRecord,
    Pin,
    Remove,
    Request,
    Unsolvable,
    Update,
    UpdateAll,
)
from planner.solve.jobs import build_jobs, explain_unsolvable


def environment(**more):
    records = tuple(PackageRecord(name, "3.10.1", "0") for name in ("conda", "numpy", "openssl", "python", "scipy"))
    history = History((("conda", "conda"), ("numpy", "numpy 1.*"), ("python", "python=3.10")))
    return Environment("base", "/opt/conda", "linux-64", records=records, history=history, **more)


def jobs(operation, *specs, tool="conda", is_base=True, **more):
    return build_jobs(environment(**more), Request(operation, specs, tool=tool), is_base=is_base)


def test_conda_demands_history_updates_what_is_installed_and_leaves_the_rest_weak():
    assert jobs("install", "python=3.11") == (
        Update("python=3.11"),
        Keep("python"),
        Update("openssl"),
        Update("conda"),
        Install("conda"),
        Install("numpy 1.*"),
    )


def test_conda_pins_python_where_it_is_not_named_and_outside_base_leaves_conda_alone():
    assert jobs("install", "pandas", is_base=False) == (
        Install("pandas"),
        Update("openssl"),
        Install("conda"),
        Install("numpy 1.*"),
        Pin("python 3.10.*"),
    )


def test_conda_honours_pins_and_a_bare_request_takes_the_pin():
    built = jobs("install", "numpy", pins=("numpy 1.26.*", "python 3.10.*"))
    assert built[:2] == (Update("numpy 1.26.*"), Keep("numpy"))
    assert Pin("numpy 1.26.*") in built
    assert built.count(Pin("python 3.10.*")) == 1


def test_mamba_asks_for_what_was_typed_and_pip_with_python():
    assert jobs("install", "python=3.11", tool="mamba") == (Install("python=3.11"), Install("pip"))
    assert jobs("install", "pandas", tool="mamba") == (Install("pandas"), Pin("python 3.10.*"))


def test_update_all():
    assert jobs("update-all", tool="mamba")[0] == UpdateAll()
    conda = jobs("update-all")
    assert {Update("numpy"), Update("scipy")} <= set(conda)
    assert Update("python") not in conda


def test_remove():
    assert jobs("remove", "numpy") == (Remove("numpy"), Keep("conda"), Keep("python"))
    assert jobs("remove", "numpy", tool="mamba") == (Remove("numpy"), Keep("conda"), Keep("python"))


@pytest.mark.parametrize("spec", ["", "numpy==", "=1", "a@b"])
def test_a_bad_spec_is_refused(spec):
    with pytest.raises(BadSpec):
        jobs("install", spec)


def test_the_explanation_begins_with_one_sentence():
    request = Request("install", ("python=3.10",))
    with_history = explain_unsolvable(request, Unsolvable("tree", against=("conda",)))
    assert with_history.splitlines() == [
        "python=3.10 cannot be had together with conda, which the environment's history asks for",
        "tree",
    ]
    assert explain_unsolvable(request, Unsolvable("tree")).startswith(
        "python=3.10 has no solution in these channels beside all else that conda asks for"
    )
