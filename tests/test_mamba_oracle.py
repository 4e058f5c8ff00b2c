"""mamba's answers as we simulate them against those of a real mamba or micromamba, build for build.

Runs where `PLANNER_MAMBA` names the executable and `PLANNER_LIBMAMBA_PYTHON` an interpreter with libmambapy.
"""

import json
import os
import shutil
import subprocess

import pytest

from planner.run import what_if
from rules import RULES
from tests.questions import HARVESTED, about_real

CASES = [
    *(
        ("linux-base-py39", env, operation, specs, ("main-2021-11",))
        for env in ("base", "py37")
        for operation, specs in (
            ("install", ("python=3.10",)),
            ("install", ("python=3.8",)),
            ("install", ("pandas", "scipy")),
            ("update", ("requests",)),
            ("update", ("pip", "setuptools")),
            ("update-all", ()),
            ("remove", ("requests",)),
            ("remove", ("six",)),
        )
    ),
    *(
        ("linux-torch251-cu121", "base", operation, specs, HARVESTED)
        for operation, specs in (
            ("install", ("numpy=2",)),
            ("install", ("python=3.11",)),
            ("install", ("scipy=1.11",)),
            ("update", ("pytorch",)),
            ("remove", ("ray-core",)),
        )
    ),
]


@pytest.fixture(scope="module")
def mamba(real_data, tmp_path_factory):
    """A function from an installation's prefix and a command to what the real tool would unlink and link."""
    executable = os.environ.get("PLANNER_MAMBA")
    if not executable:
        pytest.skip("PLANNER_MAMBA names no mamba or micromamba")
    folder = tmp_path_factory.mktemp("mamba")
    variables = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "MAMBA_ROOT_PREFIX": str(folder / "root"),
        "CONDA_OVERRIDE_CUDA": "12.4",
        "CONDA_OVERRIDE_GLIBC": "2.36",
    }

    def ask(prefix, operation, specs, channels, priority):
        command = [executable, operation.removesuffix("-all"), "-p", str(prefix), *specs]
        command += ["--all"] if operation == "update-all" else []
        if operation != "remove":
            command.append("--override-channels")
            for channel in channels:
                command += ["-c", (real_data / "channels" / channel).resolve().as_uri()]
            command += ["--strict-channel-priority"] if priority == "strict" else []
        command += ["--dry-run", "--json", "--offline", "--no-rc", "-y"]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=300)
        answer = json.loads(done.stdout)
        if not answer["success"]:
            return None
        actions = answer.get("actions", {})  # none where nothing is to do
        return tuple(
            {
                (item["name"], item["version"], item.get("build_string") or item["build"])
                for item in actions.get(key, ())
            }
            for key in ("UNLINK", "LINK")
        )

    return ask


@pytest.fixture(scope="module")
def installations(real_data, tmp_path_factory):
    """Copies that mamba may look at: it asks the python of a prefix that has pip for pip's packages."""
    folder = tmp_path_factory.mktemp("installations")
    for name in ("linux-base-py39", "linux-torch251-cu121"):
        shutil.copytree(real_data / "installations" / name, folder / name, copy_function=shutil.copyfile)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    for prefix in (folder / "linux-base-py39", folder / "linux-base-py39/envs/py37", folder / "linux-torch251-cu121"):
        python = prefix / "bin" / "python"
        python.parent.mkdir(exist_ok=True)
        python.write_text('#!/bin/sh\necho \'{"version": "1", "installed": []}\'\n')
        python.chmod(0o755)
    return folder


@pytest.mark.parametrize("priority", ["flexible", "strict"])
@pytest.mark.parametrize(("installation", "env", "operation", "specs", "channels"), CASES)
def test_the_answer_is_mamba_s_own(
    mamba, installations, real_data, libmamba_python, tmp_path, installation, env, operation, specs, channels, priority
):
    root = installations / installation
    question = about_real(
        real_data,
        installation,
        channels,
        tmp_path,
        root=str(root),
        env=env,
        specs=specs,
        operation=operation,
        tool="mamba",
        channel_priority=priority,
        solver_python=libmamba_python,
    )
    plan = what_if(question, RULES)
    prefix = root if env == "base" else root / "envs" / env
    theirs = mamba(prefix, operation, specs, channels, priority)
    if plan.outcome == "unsolvable":
        assert theirs is None
        return
    builds = [
        [(item.name, item.version, item.build) for item in side if item]
        for side in zip(*((c.before, c.after) for c in plan.changes), strict=True)
    ] or [[], []]
    assert theirs == (set(builds[0]), set(builds[1]))
