"""The main job on real installations, against what the real conda and micromamba answered there."""

import json

import pytest
from rich.cells import cell_len

from planner.render import html, junit, sarif, terminal
from planner.render.view import build_view
from planner.run import what_if
from rules import RULES
from tests.questions import HARVESTED, about_real
from tests.valid import assert_valid_junit, assert_valid_sarif, parsed_html


@pytest.fixture(scope="module")
def answer(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rim")
    made = {}

    def ask(installation, env, spec, channels, **options):
        key = (installation, env, spec, channels, *sorted(options.items()))
        if key not in made:
            question = about_real(
                real_data, installation, channels, folder, env=env, specs=tuple(spec.split()), **options
            )
            made[key] = what_if(question, RULES)
        return made[key]

    return ask


def actions(plan, *wanted):
    return {change.name for change in plan.changes if change.action in wanted}


def findings(plan, rule, **fields):
    return [
        finding
        for finding in plan.findings
        if finding.rule == rule and all(getattr(finding, key) == value for key, value in fields.items())
    ]


def test_linux_base_asked_as_conda_is_refused_and_names_what_pip_would_lose(answer):
    plan = answer("linux-base-py39", "base", "python=3.10", ("main-2021-11",))
    assert plan.verdict.value == "unsolvable"
    assert "own conda 4.10.3 has the classic solver" in plan.solver.reason
    assert "conda" in plan.explanation.splitlines()[0]
    orphans = findings(plan, "PIP001", basis="request")
    assert len(orphans) == 66
    blocks = {finding.subject for finding in orphans if finding.severity.value == "block"}
    assert len(blocks) == 15
    assert "pip:argon2-cffi" in blocks
    argon = next(finding for finding in orphans if finding.subject == "pip:argon2-cffi")
    assert "abi3" in argon.message
    py37 = next(row for row in plan.environments if row.name == "py37")
    assert not py37.affected
    assert any("3.7.11" in line for line in py37.evidence)


def test_linux_base_asked_as_mamba_says_first_that_conda_is_lost(answer):
    plan = answer("linux-base-py39", "base", "python=3.10", ("main-2021-11",), tool="mamba")
    assert plan.outcome == "change"
    assert plan.verdict.value == "unsafe"
    assert plan.findings[0].rule == "BASE001"
    assert "classic" not in plan.solver.reason
    lost = actions(plan, "remove")
    assert {"conda", "requests", "cryptography", "cffi", "urllib3"} <= lost
    assert len(lost) == 11
    assert plan.migration is not None
    assert plan.migration.steps[-1].kind == "verify-gpu"


@pytest.mark.parametrize("spec", ["python=3.10", "python=3.8"])
@pytest.mark.parametrize("tool", ["conda", "mamba"])
def test_linux_env_py37_loses_nothing(answer, spec, tool):
    plan = answer("linux-base-py39", "py37", spec, ("main-2021-11",), tool=tool)
    assert plan.outcome == "change"
    assert actions(plan, "remove") == set()
    assert len(findings(plan, "PIP001")) == 73
    base = next(row for row in plan.environments if row.name == "base")
    assert not base.affected


@pytest.mark.parametrize("tool", ["conda", "mamba"])
def test_windows_base_moves_whole(answer, tool):
    plan = answer("win-base-py310", "base", "python=3.11", ("main-2023-06",), subdir="win-64", tool=tool)
    assert plan.verdict.value in {"safe", "review"}
    assert actions(plan, "remove") == set()
    conda = next(change for change in plan.changes if change.name == "conda")
    assert (conda.after.version, "py311" in conda.after.build) == ("23.5.0", True)


@pytest.mark.parametrize("tool", ["conda", "mamba"])
def test_windows_pandas_goes_back_and_the_compiled_dists_stop_importing(answer, tool):
    plan = answer("win-py38-pip74", "base", "python=3.11", ("main-2023-06",), subdir="win-64", tool=tool)
    pandas = next(change for change in plan.changes if change.name == "pandas")
    numpy = next(change for change in plan.changes if change.name == "numpy")
    assert (pandas.before.version, pandas.after.version) == ("2.0.3", "1.5.3")
    assert (numpy.before.version, numpy.after.version) == ("1.24.3", "1.25.0")
    assert [finding.rule for finding in plan.findings[:18]] == ["CHG002"] + ["PIP001"] * 17
    assert plan.findings[0].subject == "conda:pandas"
    assert all(finding.predicts == "import" for finding in plan.findings[1:18])
    assert "pip:tornado" not in {finding.subject for finding in plan.findings[1:18]}


def test_windows_torchvision_stands_against_python_311_for_conda_and_goes_with_mamba(answer):
    plan = answer("win-torch1131", "base", "python=3.11", ("main-2023-06",), subdir="win-64")
    assert plan.verdict.value == "unsolvable"
    assert "torchvision" in plan.explanation.splitlines()[0]
    plan = answer("win-torch1131", "base", "python=3.11", ("main-2023-06",), subdir="win-64", tool="mamba")
    assert actions(plan, "remove") == {"torchvision"}
    assert "torchvision" in plan.findings[0].subject


def test_windows_torchvision_goes_back_for_python_310(answer):
    plan = answer("win-torch1131", "base", "python=3.10", ("main-2023-06",), subdir="win-64")
    torchvision = next(change for change in plan.changes if change.name == "torchvision")
    assert (torchvision.before.version, torchvision.after.version) == ("0.14.1", "0.13.1")
    assert actions(plan, "remove") == set()


@pytest.mark.parametrize("spec", ["python=3.11", "python=3.12"])
def test_linux_torch_python_is_refused_by_conda_because_of_ray(answer, spec):
    plan = answer("linux-torch251-cu121", "base", spec, HARVESTED)
    assert plan.verdict.value == "unsolvable"
    assert "ray-all" in plan.explanation.splitlines()[0]


def test_linux_torch_as_mamba_loses_ray_and_torch_goes_back(answer):
    plan = answer("linux-torch251-cu121", "base", "python=3.11", HARVESTED, tool="mamba")
    pytorch = next(change for change in plan.changes if change.name == "pytorch")
    assert (pytorch.action, pytorch.before.version, pytorch.after.version) == ("downgrade", "2.5.1", "2.1.0")
    assert {"ray-all", "gymnasium", "pyside6"} <= actions(plan, "remove")
    assert plan.solver.fidelity == "approximate"
    assert plan.verdict.value == "unsafe"
    assert plan.findings[0].severity.value == "block"
    assert plan.findings[0].rule in {"CHG001", "CHG002", "GPU001"}


def test_linux_torch_numpy_2_takes_pydeck_and_streamlit_and_nothing_else(answer):
    refused = answer("linux-torch251-cu121", "base", "numpy=2", HARVESTED).explanation
    assert "streamlit" in refused.splitlines()[0]
    assert "pydeck" in refused
    plan = answer("linux-torch251-cu121", "base", "numpy=2", HARVESTED, tool="mamba")
    assert actions(plan, "remove") == {"pydeck", "streamlit"}
    assert actions(plan, "upgrade") == {"numpy"}


def test_every_real_plan_validates_and_survives_the_round_trip(answer, real_data):
    import jsonschema

    from planner.serialize import dumps, plan_from_dict

    schema = json.loads((real_data.__class__(__file__).parent.parent / "planner/schema/plan-1.json").read_text())
    for plan in (
        answer("linux-base-py39", "base", "python=3.10", ("main-2021-11",)),
        answer("linux-base-py39", "base", "python=3.10", ("main-2021-11",), tool="mamba"),
        answer("linux-torch251-cu121", "base", "python=3.11", HARVESTED, tool="mamba"),
        answer("win-py38-pip74", "base", "python=3.11", ("main-2023-06",), subdir="win-64"),
    ):
        text = dumps(plan)
        jsonschema.validate(json.loads(text), schema)
        assert dumps(plan_from_dict(json.loads(text))) == text


# What conda 26.7 and micromamba 2.8.1 unlinked, linked and removed, from the table beside the data.
TABLE = [
    ("linux-base-py39", "base", "python=3.10", "mamba", 24, 21, 11),
    ("linux-base-py39", "py37", "python=3.10", "conda", 5, 8, 0),
    ("linux-base-py39", "py37", "python=3.10", "mamba", 5, 8, 0),
    ("linux-base-py39", "py37", "python=3.8", "conda", 5, 5, 0),
    ("linux-base-py39", "py37", "python=3.8", "mamba", 5, 5, 0),
    ("win-base-py310", "base", "python=3.11", "conda", 31, 35, 0),
    ("win-base-py310", "base", "python=3.11", "mamba", 31, 35, 0),
    ("win-py38-pip74", "base", "python=3.11", "conda", 16, 21, 0),
    ("win-py38-pip74", "base", "python=3.11", "mamba", 16, 21, 0),
    ("win-torch1131", "base", "python=3.10", "conda", 30, 44, 0),
    ("win-torch1131", "base", "python=3.10", "mamba", 30, 44, 0),
    ("win-torch1131", "base", "python=3.11", "mamba", None, None, 1),
    ("linux-torch251-cu121", "base", "python=3.11", "mamba", 345, 354, 28),
    ("linux-torch251-cu121", "base", "python=3.12", "mamba", None, None, 36),
    ("linux-torch251-cu121", "base", "numpy=2", "mamba", 3, 1, 2),
]
REFUSED = [
    ("linux-base-py39", "python=3.10", "conda"),
    ("win-torch1131", "python=3.11", "torchvision"),
    ("linux-torch251-cu121", "python=3.11", "ray-all"),
    ("linux-torch251-cu121", "python=3.12", "ray-all"),
    ("linux-torch251-cu121", "numpy=2", "pydeck"),
]


def channels_of(installation):
    if installation == "linux-torch251-cu121":
        return HARVESTED, {"channel_priority": "flexible"}
    if installation.startswith("win-"):
        return ("main-2023-06",), {"subdir": "win-64"}
    return ("main-2021-11",), {}


@pytest.mark.parametrize(("installation", "env", "spec", "tool", "unlinked", "linked", "removed"), TABLE)
def test_libmamba_gives_the_tool_s_own_figures(
    answer, libmamba_python, installation, env, spec, tool, unlinked, linked, removed
):
    names, options = channels_of(installation)
    plan = answer(installation, env, spec, names, tool=tool, solver_python=libmamba_python, **options)
    assert (plan.solver.name, plan.solver.mode, plan.solver.fidelity) == ("libmamba", "worker", "exact")
    assert len(actions(plan, "remove")) == removed
    if unlinked is not None:
        assert sum(change.before is not None for change in plan.changes) == unlinked
        assert sum(change.after is not None for change in plan.changes) == linked
    for change in plan.changes:
        assert change.reason, change.name


@pytest.mark.parametrize(("installation", "spec", "named"), REFUSED)
def test_libmamba_refuses_what_conda_refuses_and_the_alternatives_solve(
    answer, libmamba_python, installation, spec, named
):
    names, options = channels_of(installation)
    options["solver_python"] = libmamba_python
    plan = answer(installation, "base", spec, names, **options)
    assert plan.verdict.value == "unsolvable"
    assert named in plan.explanation.splitlines()[0]
    assert plan.alternatives.items
    nearest = plan.alternatives.items[0]
    again = answer(installation, "base", " ".join(nearest.specs), names, **options)
    assert again.outcome != "unsolvable"


def test_an_alternative_without_specs_of_history_removes_them_first_or_is_for_a_new_environment(answer):
    plan = answer("linux-torch251-cu121", "base", "python=3.11", HARVESTED)
    removed = ("plotly_express", "ray-all", "streamlit")
    near = next(item for item in plan.alternatives.items if item.specs == ("python=3.11",))
    assert near.costs[0].endswith(": conda remove -n base plotly_express ray-all streamlit")
    assert near.lost[:3] == removed
    other = next(item for item in plan.alternatives.items if item.lost == removed)
    assert other.costs[0].startswith("for a new environment only")


@pytest.mark.parametrize(
    ("installation", "spec", "channels", "tool"),
    [
        ("linux-base-py39", "python=3.10", ("main-2021-11",), "conda"),
        ("linux-base-py39", "python=3.10", ("main-2021-11",), "mamba"),
        ("linux-torch251-cu121", "python=3.11", HARVESTED, "mamba"),
    ],
)
def test_the_reports_of_real_answers_are_valid_in_every_form(answer, installation, spec, channels, tool):
    plan = answer(installation, "base", spec, channels, tool=tool)
    view = build_view(plan)
    page = html.render(view)
    parsed_html(page)
    assert page.count("<svg") >= 2
    assert_valid_sarif(sarif.render(plan, RULES))
    assert_valid_junit(junit.render(plan))
    for width in (80, 200):
        assert max(map(cell_len, terminal.render(view, width=width, colour=False).splitlines())) <= width
