"""What the pip layer of a new environment needs of conda: asked for beside all else, or said to be missing."""

import msgspec
import pytest

from planner.render import terminal
from planner.render.view import build_view
from planner.run import what_if
from rules import RULES
from tests import scenario as harness

PIP = {
    "name": "transformers",
    "version": "4.29.2",
    "requires_dist": [
        "requests",
        "tqdm >=4.27",
        "tqdm <5",
        "tomli ; python_version < '3.11'",
        "pillow ; extra == 'vision'",
        "einops",
        "regex",
    ],
}
SITUATION = {
    "name": "what conda brought for itself",
    "description": "pip's transformers uses what came with conda, which stays in base.",
    "change": {"install": ["python=3.11"]},
    "expected": {"outcome": "change", "verdict": "safe", "changes": [], "findings": [], "steps": []},
    "packages": {
        "python-3.10.14-hd12c33a_0_cpython": {},
        "python-3.11.9-hb806964_0_cpython": {},
        "conda-24.5.0-py310h1_0": {"depends": ["python >=3.10,<3.11.0a0", "requests", "tqdm", "tomli", "pillow"]},
        "conda-24.5.0-py311h1_0": {"depends": ["python >=3.11,<3.12.0a0", "requests", "tqdm", "tomli", "pillow"]},
        "requests-2.31.0-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.8", "urllib3"]},
        "urllib3-2.2.1-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.8"]},
        "tqdm-4.66.4-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.7"]},
        "tqdm-5.0.0-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.7"]},
        "tomli-2.0.1-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.7"]},
        "pillow-10.3.0-py310h1_0": {"depends": ["python >=3.10,<3.11.0a0"]},
        "pillow-10.3.0-py311h1_0": {"depends": ["python >=3.11,<3.12.0a0"]},
        "pip-24.0-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python >=3.7"]},
    },
    "environments": {
        "base": {
            "installed": [
                "python-3.10.14-hd12c33a_0_cpython",
                "conda-24.5.0-py310h1_0",
                "requests-2.31.0-pyhd8ed1ab_0",
                "urllib3-2.2.1-pyhd8ed1ab_0",
                "tqdm-4.66.4-pyhd8ed1ab_0",
                "tomli-2.0.1-pyhd8ed1ab_0",
                "pillow-10.3.0-py310h1_0",
                "pip-24.0-pyhd8ed1ab_0",
            ],
            "requested": ["conda", "pip"],
            "pip": [PIP, {"name": "einops", "version": "0.8.0"}],
        }
    },
}


@pytest.fixture
def ask(tmp_path):
    """A function from changes of the situation to the plan."""

    def answer(packages=None, **change):
        situation = msgspec.convert(
            SITUATION
            | {"change": change or SITUATION["change"]}
            | {"packages": SITUATION["packages"] | (packages or {})},
            harness.Scenario,
        )
        return what_if(harness.write(situation, tmp_path), RULES)

    return answer


def locked(plan):
    lines = dict(plan.migration.artifacts)["explicit.txt"].splitlines()
    return {line.rpartition("/")[2].rsplit("-", 2)[0] for line in lines if "://" in line}


def yml(plan):
    return dict(plan.migration.artifacts)["environment.yml"]


def test_what_pip_requires_and_conda_brought_for_itself_comes_along(ask):
    plan = ask()
    assert locked(plan) == {"python", "pip", "requests", "urllib3", "tqdm"}
    assert "- tqdm=4.66.4\n" in yml(plan)
    assert "- requests=2.31.0\n" in yml(plan)
    assert "urllib3" not in yml(plan)
    # regex is what nobody ever had, einops is pip's own, tomli not for this python, and pillow an extra
    assert "# Required by the pip layer, and not met in the new environment: regex (by transformers)\n" in yml(plan)
    shown = " ".join(terminal.render(build_view(plan), width=100, colour=False).split())
    assert "Required by the pip layer, and not met in the new environment: regex (by transformers)." in shown


def test_what_cannot_come_along_is_left_out_and_said(ask):
    only_old = {"tqdm-4.66.4-pyhd8ed1ab_0": {"depends": ["python >=3.10,<3.11.0a0"]}}
    plan = ask(only_old)
    assert locked(plan) == {"python", "pip", "requests", "urllib3"}
    said = "tqdm<5 (by transformers); tqdm>=4.27 (by transformers)"
    assert f"not met in the new environment: regex (by transformers); {said}\n" in yml(plan)


def test_what_the_request_takes_away_is_not_brought_back(ask):
    plan = ask(remove=["requests"])
    assert "requests" not in locked(plan)
    assert "requests (by transformers)" in yml(plan)
    assert {"tqdm", "tomli"} <= locked(plan)
