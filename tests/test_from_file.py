"""An environment that is not there yet, asked about from a file: what the file says, and what the answer is."""

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from planner.apply.guard import migration_of
from planner.environment_file import read_environment_file
from planner.errors import InputError
from planner.render import terminal
from planner.render.view import build_view
from planner.run import what_if
from rules import RULES
from tests import scenario as harness

ALIAS = "https://conda.anaconda.org"
SITUATION = {
    "name": "the channels",
    "description": "cudatoolkit ends at 11.8 and the pytorch channel at 2.5.1; later builds go by cuda-version, which excludes it.",
    "host": {"cuda": "12.4"},
    "change": {"install": ["python"]},
    "expected": {"outcome": "change", "verdict": "safe", "changes": [], "findings": [], "steps": []},
    "packages": {
        "python-3.10.14-hd12c33a_0_cpython": {},
        "python-3.11.9-hb806964_0_cpython": {},
        "pip-24.0-pyhd8ed1ab_0": {"noarch": "python", "depends": ["python"]},
        "cudatoolkit-11.8.0-h4ba93d1_13": {},
        "pytorch-2.1.2-cuda118_py310h1_300": {
            "depends": ["python >=3.10,<3.11.0a0", "cudatoolkit >=11.8,<12", "__cuda"]
        },
        "pytorch-2.7.1-cuda126_py310h1_300": {
            "depends": ["python >=3.10,<3.11.0a0", "cuda-version >=12.6,<13", "__cuda"]
        },
        "cuda-version-12.6-h7480c83_3": {"noarch": "generic", "constrains": ["cudatoolkit 12.6|12.6.*", "__cuda >=12"]},
        "pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0": {
            "channel": "pytorch",
            "depends": ["python >=3.10,<3.11.0a0", "pytorch-cuda >=12.1,<12.2"],
        },
        "pytorch-cuda-12.1-ha16c6d3_6": {"channel": "pytorch"},
    },
}


@pytest.fixture
def ask(tmp_path):
    """A function from a file's text (and its name) to the plan for it."""
    question = harness.write(msgspec.convert(SITUATION, harness.Scenario), tmp_path)

    def answer(text, name="environment.yml", **more):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        asked = {"env": None, "specs": (), "channels": (), "override_channels": False, "from_file": str(path)}
        return what_if(replace(question, **(asked | more)), RULES)

    return answer


def yml(*dependencies, channels=("conda-forge",), more=""):
    lines = ["name: train", "channels:", *(f"  - {name}" for name in (*channels, "nodefaults")), "dependencies:"]
    return "\n".join([*lines, *(f"  - {item}" for item in dependencies)]) + "\n" + more


def explicit(*dists, channel=f"{ALIAS}/conda-forge"):
    lines = [f"{channel}/{place}.conda" for place in dists]
    return "\n".join(["# platform: linux-64", "@EXPLICIT", *lines]) + "\n"


def names(plan):
    return {record.name: record.version for record in plan.final_state}


def test_what_the_file_asks_for_goes_into_an_empty_prefix(ask, tmp_path):
    plan = ask(yml("python=3.10", "pytorch =2.7"))
    assert (plan.outcome, plan.verdict.value) == ("change", "safe")
    assert names(plan) == {"python": "3.10.14", "pip": "24.0", "pytorch": "2.7.1", "cuda-version": "12.6"}
    assert {change.action for change in plan.changes} == {"install"}
    target = plan.target
    assert (target.name, target.python, target.packages, target.pip_packages) == ("train", None, 0, 0)
    assert target.prefix == str(tmp_path / "root" / "envs" / "train")
    assert [row.name for row in plan.environments] == ["base", "train"]
    assert not plan.environments[0].affected
    assert plan.migration is not None
    assert (plan.migration.name, plan.migration.prefix) == ("train", target.prefix)
    assert [step.kind for step in plan.migration.steps] == ["preflight", "create", "verify-gpu"]
    assert plan.request.options[:1] == ("--file",)
    shown = terminal.render(build_view(plan), width=100, colour=False)
    assert "conda env create --file" in shown


@pytest.mark.parametrize(
    ("dependencies", "channels", "words", "solves"),
    [
        (("pytorch=2.7", "cudatoolkit=11.8"), ("conda-forge",), ("pytorch", "cudatoolkit"), True),
        (("python=3.10", "cudatoolkit=12.1"), ("pytorch", "conda-forge"), ("cudatoolkit", "11.8.0"), False),
        (("pytorch=2.7", "pytorch-cuda=12.1"), ("pytorch",), ("pytorch", "2.5.1"), False),
    ],
)
def test_the_classic_traps_of_cuda_are_explained(ask, dependencies, channels, words, solves):
    plan = ask(yml(*dependencies, channels=channels))
    assert (plan.outcome, plan.verdict.value) == ("unsolvable", "unsolvable")
    assert [word for word in words if word not in (plan.explanation or "")] == []
    assert plan.changes == plan.final_state == ()
    if solves:
        assert plan.alternatives.items
    for item in plan.alternatives.items:
        again = ask(yml(*item.specs, channels=channels))
        assert again.outcome == "change", item


def test_the_part_for_pip_is_named_and_makes_the_answer_unknown(ask):
    plan = ask(yml("python=3.10", more="  - pip:\n    - flash-attn==2.0\n"))
    assert plan.verdict.value == "unknown"
    row = plan.environments[-1]
    assert not row.readable
    assert "its part for pip (flash-attn==2.0) is not solved here" in row.evidence[0]


def part(*lines):
    return "  - pip:\n" + "".join(f"    - {line!r}\n" for line in lines)


def test_the_part_for_pip_has_a_step_and_its_lines_are_kept(ask):
    index = "--extra-index-url https://download.pytorch.org/whl/cu121"
    lines = (index, "torch==2.1.0", "einops >=0.7 ; python_version > '3.8'", "git+https://github.com/me/it.git@v1")
    plan = ask(yml("python=3.10", more=part(*lines)))
    # conda and mamba add pip themselves where it is not named
    assert names(plan) == {"python": "3.10.14", "pip": "24.0"}
    steps = {step.kind: step for step in plan.migration.steps}
    assert list(steps) == ["preflight", "create", "pip", "verify-gpu"]
    ((_, *command),) = steps["pip"].commands
    assert command == ["-I", "-m", "pip", "install", "--requirement", "requirements.txt"]
    assert steps["pip"].check[0][-2:] == ("pip", "check")
    assert "(2 requirements)" in steps["pip"].title
    assert steps["verify-gpu"].title == "Verify the GPU in train"
    texts = dict(plan.migration.artifacts)
    assert texts["requirements.txt"].splitlines() == ["# What pip is asked for.", *lines]
    assert yaml.safe_load(texts["environment.yml"])["dependencies"][-1] == {"pip": list(lines)}
    assert "history" not in texts["environment.yml"]
    migration_of(plan)  # what `planner apply` lets through


def test_what_means_something_else_elsewhere_is_left_to_do_by_hand(ask):
    lines = (
        "einops",
        "-r more.txt",
        "-e .",
        "./a.whl",
        "x @ file:///srv/x.whl",
        "y @ https://me:secret@h.example/y.whl",
    )
    plan = ask(yml("python=3.10", more=part(*lines)))
    texts = dict(plan.migration.artifacts)
    written = [line for line in texts["requirements.txt"].splitlines() if not line.startswith("#")]
    assert written == ["einops"]
    shown = " ".join(terminal.render(build_view(plan), width=100, colour=False).split())
    assert "Left to do by hand, with pip: -r more.txt (an option, or a place that is found from where" in shown
    assert "y @ https://***@h.example/y.whl (a login or a token may stand in it)" in shown
    assert "secret" not in shown + "".join(texts.values())


def test_without_an_index_that_needs_a_login_nothing_is_taken_from_elsewhere(ask):
    plan = ask(yml("python=3.10", more=part("--index-url https://me:secret@h.example/simple", "ours")))
    assert [step.kind for step in plan.migration.steps] == ["preflight", "create", "verify-gpu"]
    text = dict(plan.migration.artifacts)["requirements.txt"]
    assert "#   ours: pip has to be told of the index above\n" in text


def test_pip_and_its_python_come_where_only_the_part_for_pip_needs_them(ask):
    plan = ask(yml("cuda-version", more=part("einops")))
    assert names(plan).keys() == {"python", "pip", "cuda-version"}
    assert "pip" in [step.kind for step in plan.migration.steps]
    assert names(ask(yml("cuda-version"))).keys() == {"cuda-version"}


def test_the_report_speaks_of_an_environment_that_is_not_there_yet(ask):
    plan = ask(yml("python=3.10", more=part("einops")))
    shown = " ".join(terminal.render(build_view(plan), width=100, colour=False).split())
    assert "Recommended: make train by the steps below, and use it only once its verification has passed." in shown
    assert "It holds nothing yet: it is not made" in shown
    assert "To find out: carry out the steps below." in shown
    for wrong in ("leave train as it is", "beside it", "make these files readable", "0 of 0", "could be read"):
        assert wrong not in shown
    safe = terminal.render(build_view(ask(yml("python=3.10"))), width=100, colour=False)
    assert "Recommended: make train by the steps below." in safe
    none = terminal.render(build_view(ask(yml("python=9"))), width=100, colour=False)
    assert "Recommended: do not proceed; train is not made." in none


def test_an_explicit_list_is_linked_as_it_is(ask):
    text = explicit("linux-64/python-3.10.14-hd12c33a_0_cpython", "noarch/cuda-version-12.6-h7480c83_3")
    plan = ask(text, "explicit.txt", env="locked")
    assert (plan.outcome, plan.verdict.value, plan.target.name) == ("change", "safe", "locked")
    assert names(plan) == {"python": "3.10.14", "cuda-version": "12.6"}
    assert plan.request.channels == (f"{ALIAS}/conda-forge",)


def test_what_an_explicit_list_lacks_is_said_and_not_added(ask):
    plan = ask(explicit("linux-64/pytorch-2.7.1-cuda126_py310h1_300", "linux-64/nothing-1.0-0"), "explicit.txt")
    assert (plan.outcome, plan.verdict.value) == ("change", "unknown")
    assert names(plan) == {"pytorch": "2.7.1", "nothing": "1.0"}
    said = "\n".join(plan.environments[-1].evidence)
    assert "nothing-1.0-0.conda is not in its channel" in said
    assert "needs python >=3.10,<3.11.0a0, which nothing in the list meets" in said
    assert "__cuda" not in said


def test_a_digest_that_is_not_the_channel_s(ask):
    text = explicit("linux-64/python-3.10.14-hd12c33a_0_cpython").rstrip() + "#" + "0" * 32 + "\n"
    plan = ask(text, "explicit.txt")
    assert "the digest of python-3.10.14-hd12c33a_0_cpython.conda is not the one" in plan.environments[-1].evidence[0]


def test_an_environment_that_is_there_already_is_refused(ask, tmp_path):
    (tmp_path / "root" / "envs" / "train" / "conda-meta").mkdir(parents=True)
    with pytest.raises(InputError, match="is there already"):
        ask(yml("python=3.10"))
    assert ask(yml("python=3.10"), name="environment.yml", env="other").target.name == "other"


def test_no_installation_is_needed(ask, tmp_path):
    plan = ask(yml("python=3.10"), root=None)
    assert plan.root == str(tmp_path / "home" / "micromamba")
    assert [row.name for row in plan.environments] == ["train"]
    assert plan.migration is not None
    assert plan.migration.steps[1].commands[0][0] == "micromamba"


def test_options_that_go_with_no_new_environment(ask):
    with pytest.raises(InputError, match="not remove"):
        ask(yml("python"), operation="remove")
    with pytest.raises(InputError, match="base is no new environment"):
        ask(yml("python"), env="base")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yml", "dependencies: [a\n", "it is not valid YAML at line 2"),
        ("a.yml", "- a\n", "it has no `dependencies:`"),
        ("a.yml", "name: x\n", "name no package"),
        ("a.yml", "dependencies: a\n", "dependencies is not a list"),
        ("a.yml", "dependencies:\n  - a: 1\n", "entry 1: {'a': 1} is no spec; a spec is one text"),
        ("a.yml", "dependencies:\n  - 3.10\n", "entry 1: 3.1 is no spec"),
        ("a.yml", "dependencies: ['a@1']\n", "entry 1: the spec 'a@1' cannot be read"),
        ("a.yml", "dependencies: [a, {pip: x}]\n", "pip is not a list"),
        ("a.yml", "channels: [1]\ndependencies: [a]\n", "channels: 1 is not a text"),
        ("a.yml", "name: 1\ndependencies: [a]\n", "name: 1 is not a text"),
        ("a.yml", "dependency: [a]\n", "'dependency' is nothing that an environment file has"),
        ("a.txt", "python=3.10\n", "neither an environment file (.yml) nor an explicit list"),
        ("a.txt", "@EXPLICIT\n", "it lists no package"),
        ("a.txt", "@EXPLICIT\npython=3.10\n", "line 2: 'python=3.10' is not the URL of a package"),
        ("a.txt", "@EXPLICIT\nhttps://me:secret@h.example/c/a-1-0.conda\n", "line 2: 'https://***@h.example/c/a-1-0.conda' is in no channel"),
        ("a.txt", "@EXPLICIT\nhttps://h.example/c/noarch/a-1-0.conda#xyz\n", "neither an MD5 nor a SHA-256"),
        ("a.txt", "@EXPLICIT\n" + "https://h.example/c/noarch/a-1-0.conda\n" * 2, "line 3: a is listed a second time"),
        ("a.txt", "@EXPLICIT\nhttps://h.example/c/linux-64/a-1-0.conda\nhttps://h.example/c/win-64/b-1-0.conda\n", "several platforms: linux-64, win-64"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_environment_file(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_environment_file(str(tmp_path / "no.yml"))
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="it is not UTF-8"):
        read_environment_file(str(tmp_path / "a.yml"))


def test_channels_and_platform_of_the_files(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text("channels: [b, nodefaults, a]\ndependencies: [x, pip, {pip: [y, z]}]\nprefix: /somewhere\n")
    file = read_environment_file(str(path))
    assert (file.channels, file.only_its_channels, file.specs, file.pip) == (("b", "a"), True, ("x", "pip"), ("y", "z"))
    listed = tmp_path / "a.txt"
    listed.write_text(explicit("win-64/a-1-0", "noarch/b-1!2-0"))
    file = read_environment_file(str(listed))
    assert (file.subdir, file.channels, file.only_its_channels) == ("win-64", (f"{ALIAS}/conda-forge",), True)
    assert [item.spec.version for item in file.explicit] == ["1", "1!2"]
