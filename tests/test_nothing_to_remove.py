"""A removal of what is not installed: nothing to do, whoever is asked, and no new environment for it."""

import msgspec
import pytest

from planner.render import terminal
from planner.render.view import build_view
from planner.run import what_if
from rules import RULES
from tests import scenario as harness

SITUATION = {
    "name": "a removal",
    "description": "conda has pip and six, pip has attrs.",
    "change": {"remove": ["nothere"]},
    "expected": {"outcome": "unsolvable", "verdict": "unsolvable", "changes": [], "findings": [], "steps": []},
    "packages": {
        "python-3.10.14-hd12c33a_0_cpython": {},
        "six-1.16.0-pyh6c4a22f_0": {"noarch": "python", "depends": ["python"]},
        "pip-24.0-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python"]},
    },
    "environments": {
        "work": {
            "installed": ["python-3.10.14-hd12c33a_0_cpython", "six-1.16.0-pyh6c4a22f_0", "pip-24.0-pyhd8ed1ab_0"],
            "requested": ["six", "pip"],
            "pip": [{"name": "attrs", "version": "23.2.0"}],
        }
    },
}


def ask(folder, *specs, tool="conda"):
    change = {"environment": "work", "remove": specs, "tool": tool}
    plan = what_if(harness.write(msgspec.convert(SITUATION | {"change": change}, harness.Scenario), folder), RULES)
    return plan, " ".join(terminal.render(build_view(plan), width=100, colour=False).split())


@pytest.mark.parametrize(("tool", "outcome"), [("conda", "unsolvable"), ("mamba", "no-change")])
def test_there_is_nothing_to_do(tmp_path, tool, outcome):
    plan, shown = ask(tmp_path, "nothere", tool=tool)
    assert (plan.outcome, plan.migration) == (outcome, None)
    assert "Recommended: nothing to do: nothere is not installed in work. Check the name." in shown
    assert "There are no steps: nothing that is installed was asked to be removed." in shown


def test_what_pip_has_is_said(tmp_path):
    plan, shown = ask(tmp_path, "attrs")
    assert plan.migration is None
    assert "pip has attrs 23.2.0 there, which pip uninstall removes" in shown


@pytest.mark.parametrize(
    ("tool", "said"), [("conda", "not all of nothere, attrs"), ("mamba", "none of nothere, attrs")]
)
def test_several_of_which_conda_has_none(tmp_path, tool, said):
    plan, shown = ask(tmp_path, "nothere", "attrs", tool=tool)
    assert plan.migration is None
    assert f"nothing to do: {said} are installed in work. Check the names." in shown


def test_where_one_of_several_is_installed_there_is_a_way_without_it(tmp_path):
    plan, shown = ask(tmp_path, "nothere", "six")
    assert plan.outcome == "unsolvable"
    assert plan.migration is not None
    assert "nothing to do" not in shown
