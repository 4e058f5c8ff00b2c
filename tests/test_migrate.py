"""The migration plan: what comes along, the steps and their commands, and the steps carried out where they can be."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from planner.belongings import Belongings, OwnFile, read_belongings
from planner.carry import leaves, stays_in_base
from planner.cut_over import cut_over_patches
from planner.errors import InputError
from planner.load import load_environment, load_installation
from planner.migrate import new_environment_request, new_environment_specs, plan_migration
from planner.model.installed import (
    DirectUrl,
    Environment,
    History,
    Host,
    Installation,
    PackageRecord,
    PipDist,
    VirtualPackage,
)
from planner.model.solve import Install, Request, Solution
from planner.reference import Reference
from planner.verify import runner
from planner.versions import check_spec

GPU_BUILD = "py3.10_cuda12.1_cudnn8.9.2_0"


def record(name, version="1.0", build="0", *, depends=(), **more):
    url = f"https://conda.anaconda.org/conda-forge/linux-64/{name}-{version}-{build}.conda"
    return PackageRecord(name, version, build, depends=depends, subdir="linux-64", url=url, **more)


def dist(name, version="1.0", **more):
    return PipDist(name, version, name, "lib/python3.10/site-packages", f"lib/python3.10/{name}", python="3.10", **more)


PYTHON = record("python", "3.10.14", "h1_0")


def environment(*records, asked=(), dists=(), name="train", prefix="/opt/conda/envs/train", pins=(), subdir="linux-64"):
    history = History(tuple((re.split(r"[ =<>:\[]", spec.rpartition("::")[2])[0], spec) for spec in asked))
    return Environment(name, prefix, subdir, tuple(records), tuple(dists), history, pins)


def specs(target, *asked, operation="install", is_base=False):
    return new_environment_specs(target, is_base, Request(operation, asked))


# --- what comes along


def test_history_is_kept_as_it_was_asked_for():
    target = environment(
        PYTHON,
        record("numpy", "1.26.4"),
        record("zlib"),
        record("pip"),
        asked=("python=3.10", "numpy>=1.21,<2", "conda-forge::einops", "scipy[version='>=1.9']"),
    )
    assert specs(target, "python=3.11") == (
        "python=3.11",
        "conda-forge::einops",
        "numpy>=1.21,<2",
        "pip",
        "scipy[version='>=1.9']",
    )


def test_pythons_minor_is_kept_unless_asked_for():
    target = environment(PYTHON, asked=("python>=3.8", "numpy"))
    assert specs(target, "scipy") == ("scipy", "numpy", "python 3.10.*")
    assert specs(environment(record("r-base"), asked=("r-base",)), "r-dplyr") == ("r-dplyr", "r-base")


def test_the_request_replaces_what_history_says_of_its_names():
    target = environment(PYTHON, asked=("numpy=1.21", "scipy"))
    assert specs(target, "numpy=2") == ("numpy=2", "python 3.10.*", "scipy")
    assert specs(target, "numpy", operation="update") == ("numpy", "python 3.10.*", "scipy")


def test_update_all_keeps_names_and_pythons_minor():
    target = environment(PYTHON, asked=("numpy=1.21", "conda-forge::scipy=1.9"))
    assert specs(target, operation="update-all") == ("numpy", "python 3.10.*", "conda-forge::scipy")


def test_removal_leaves_out_the_removed_and_what_needs_it():
    target = environment(
        PYTHON,
        record("numpy"),
        record("pandas", depends=("numpy >=1.20", "python")),
        record("einops", depends=("python",)),
        asked=("numpy", "pandas", "einops"),
    )
    assert specs(target, "numpy", operation="remove") == ("einops", "python 3.10.*")


def test_without_history_the_leaves_stand_in():
    target = environment(PYTHON, record("numpy"), record("pandas", depends=("numpy", "python")), record("pip"))
    assert leaves(target) == ("pandas", "pip")
    assert specs(target, "python=3.11") == ("python=3.11", "pandas", "pip")


def test_an_environment_made_from_a_lock_is_its_leaves():
    locked = ("python==3.10.14=h1_0", "numpy==1.26.4=py310_0", "pandas==2.1=py310_0")
    target = environment(
        PYTHON,
        record("numpy", "1.26.4", "py310_0"),
        record("pandas", "2.1", "py310_0", depends=("numpy", "python")),
        asked=locked,
    )
    assert specs(target, "python=3.11") == ("python=3.11", "pandas")


def test_one_exact_build_is_loosened_to_its_version():
    target = environment(PYTHON, record("numpy"), record("scipy"), asked=("numpy==1.26.4=py310_0", "scipy"))
    assert specs(target, "python=3.11") == ("python=3.11", "numpy ==1.26.4", "scipy")


def test_a_pin_holds_for_what_was_asked_for_by_name():
    target = environment(PYTHON, asked=("numpy", "scipy=1.9"), pins=("numpy 1.26.*", "scipy 1.8.*"))
    assert specs(target, "python=3.11") == ("python=3.11", "numpy 1.26.*", "scipy=1.9")


def test_a_history_line_that_no_spec_reader_takes_counts_by_its_name():
    target = Environment("e", "/e", "linux-64", (PYTHON,), history=History((("numpy", "numpy >>1"),)))
    assert specs(target, "python=3.11") == ("python=3.11", "numpy")


def test_pip_comes_along_for_its_layer():
    assert "pip" in specs(environment(PYTHON, asked=("numpy",), dists=(dist("einops"),)), "python=3.11")
    assert "pip" not in specs(environment(PYTHON, asked=("numpy",)), "python=3.11")


def test_gpu_builds_are_asked_for_as_gpu_builds():
    target = environment(
        PYTHON,
        record("pytorch", "2.1.0", GPU_BUILD, depends=("pytorch-mutex 1.0 cuda",)),
        record("torchvision", "0.16.0", "py310_cu121"),
        record("pytorch-mutex", "1.0", "cuda"),
        record("tensorflow", "2.10", "gpu_py310h0_0"),
        asked=("pytorch=2.1", "torchvision", "pytorch-cuda=12.1"),
    )
    assert specs(target, "python=3.11") == (
        "python=3.11",
        "pytorch 2.1.* *cuda*",
        "pytorch-cuda=12.1",
        "torchvision * *cu*",
    )
    assert "pytorch 2.2.* *cuda*" in specs(target, "pytorch=2.2")
    assert "nvidia::pytorch * *cuda*" in specs(target, "nvidia::pytorch")


def test_a_gpu_build_is_kept_where_it_came_as_a_dependency():
    torch = record("pytorch", "2.1.0", GPU_BUILD)
    fastai = record("fastai", depends=("pytorch >=1.10",))
    assert "pytorch * *cuda*" in specs(environment(PYTHON, torch, fastai, asked=("fastai",)), "python=3.11")
    assert specs(environment(PYTHON, torch, asked=("numpy",)), "python=3.11") == ("python=3.11", "numpy")


def test_a_cpu_build_may_be_asked_for():
    target = environment(PYTHON, record("pytorch", "2.1.0", GPU_BUILD), asked=("pytorch",))
    assert specs(target, "cpuonly") == ("cpuonly", "python 3.10.*", "pytorch")
    assert specs(target, "pytorch=2.1.0=*cpu*") == ("pytorch=2.1.0=*cpu*", "python 3.10.*")
    cpu = environment(PYTHON, record("pytorch", "2.1.0", "py3.10_cpu_0"), asked=("pytorch",))
    assert specs(cpu, "python=3.11") == ("python=3.11", "pytorch")


def test_condas_own_stays_in_base():
    base = environment(
        PYTHON,
        record("conda", "24.9.2"),
        record("conda-build", depends=("conda",)),
        record("anaconda-anon-usage"),
        record("some-plugin", depends=("conda >=23", "python")),
        record("wheel"),
        record("numpy"),
        record("pip"),
        asked=("python=3.10", "conda", "conda-build", "anaconda-anon-usage", "some-plugin", "wheel", "numpy", "pip"),
    )
    assert specs(base, "python=3.11", is_base=True) == ("python=3.11", "numpy", "pip")
    assert "some-plugin" in stays_in_base(base)
    assert "conda-build" in specs(base, "python=3.11", is_base=False)


def test_the_question_to_the_engine():
    host = Host("linux-64", (VirtualPackage("__cuda", "12.4"),))
    request = new_environment_request(("python=3.11", "numpy"), (), host, "linux-64", "strict")
    assert request.jobs == (Install("python=3.11"), Install("numpy"))
    assert (request.installed, request.virtual_packages) == ((), host.virtual_packages)
    assert (request.channel_priority, request.subdir) == ("strict", "linux-64")


# --- the plan

CONDA = record("conda", "24.9.2")
BASE = environment(record("python", "3.12.1"), CONDA, name="base", prefix="/opt/conda", asked=("conda",))


def plan(target, solution, *, request=None, name=None, base=BASE, others=(), subdir="linux-64", root="/opt/conda"):
    is_base = target.prefix == root
    environments = (target, *others) if is_base else (base, target, *others)
    return plan_migration(
        environment=target,
        installation=Installation(root, environments),
        is_base=is_base,
        request=request or Request("install", ("python=3.11",), channels=("conda-forge",)),
        host=Host(subdir),
        solution=Solution(tuple(solution)),
        name=name,
        planned_python=next((one.version for one in solution if one.name == "python"), None),
    )


NEW_PYTHON = record("python", "3.11.9", "h2_0", size=30_000_000)


def test_the_steps_of_a_whole_move():
    target = environment(
        PYTHON,
        record("numpy"),
        asked=("numpy",),
        dists=(
            dist("numpy", owner="numpy", top_level=("numpy",)),
            dist("einops", "0.7.0", top_level=("einops", "tests", "_private", "not a name", "import")),
        ),
    )
    new = "/opt/conda/envs/train-py311"
    result = plan(target, (NEW_PYTHON, record("numpy", "1.26.4", size=7_000_000), record("pip")))
    assert (result.name, result.prefix) == ("train-py311", new)
    conda, python = "/opt/conda/bin/conda", f"{new}/bin/python"
    undo = ((conda, "env", "remove", "--yes", "--prefix", new),)
    old = "/opt/conda/envs/train"
    before, after = (("planner", "snapshot", old, "--deep", "-o", f"{when}.json") for when in ("before", "after"))
    free = (("test", "!", "-e", new), ("test", "!", "-L", new))
    create = (conda, "create", "--yes", "--no-default-packages", "--prefix", new, "--file", "explicit.txt")
    assert [(step.kind, step.commands, step.check, step.undo) for step in result.steps] == [
        ("preflight", (("df", "-P", "-k", "/opt/conda"),), free, ()),
        ("snapshot", (before,), (), ()),
        ("create", (create,), ((python, "-B", "--version"),), undo),
        (
            "pip",
            ((python, "-I", "-m", "pip", "install", "--no-deps", "--requirement", "requirements.txt"),),
            ((python, "-I", "-m", "pip", "check"),),
            undo,
        ),
        ("smoke-test", ((python, "-I", "-B", "smoke_test.py", "--before", old, "einops", "numpy"),), (), ()),
        ("prove-untouched", (after,), (("planner", "compare", "before.json", "after.json"),), ()),
        ("verify-gpu", (("planner", "verify", new),), (), ()),
    ]
    assert len({step.id for step in result.steps}) == len(result.steps)
    assert [step.kind for step in result.follow_up] == ["cut-over", "before-retiring", "retire"]
    assert [(step.commands, step.check) for step in result.rollback] == [(undo, (("test", "!", "-e", new),))]
    assert (result.download_bytes, result.disk_bytes) == (37_000_000, None)
    assert "the sizes of 1 are not known" in result.steps[2].title
    assert [name for name, _ in result.artifacts] == [
        "environment.yml",
        "explicit.txt",
        "requirements.txt",
        "smoke_test.py",
        "verify_gpu.py",
    ]
    texts = dict(result.artifacts)
    assert texts["verify_gpu.py"] == runner.probe_source()
    assert yaml.safe_load(texts["environment.yml"]) == {
        "name": "train-py311",
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": ["numpy=1.26.4", "pip=1.0", "python=3.11.9", {"pip": ["einops==0.7.0"]}],
    }


def test_steps_without_a_purpose_are_left_out():
    target = environment(record("r-base"), asked=("r-base",))
    result = plan(target, (record("r-base"), record("r-dplyr")), request=Request("install", ("r-dplyr",)))
    assert [step.kind for step in result.steps] == ["preflight", "snapshot", "create", "prove-untouched", "verify-gpu"]
    assert result.steps[2].check == (("/opt/conda/bin/conda", "list", "--prefix", "/opt/conda/envs/train-new"),)
    assert "smoke_test.py" not in dict(result.artifacts)


def test_base_is_never_retired():
    base = environment(PYTHON, CONDA, record("numpy"), name="base", prefix="/opt/conda", asked=("conda", "numpy"))
    result = plan(base, (NEW_PYTHON, record("numpy"), record("ipykernel")))
    assert (result.name, result.prefix) == ("base-py311", "/opt/conda/envs/base-py311")
    assert [step.kind for step in result.follow_up] == ["kernel", "cut-over"]
    assert "# Asked for in base and staying there: conda\n" in dict(result.artifacts)["environment.yml"]


def test_notes_on_what_is_missing():
    target = environment(PYTHON, record("numpy"), record("lost"))
    text = dict(plan(target, (NEW_PYTHON, record("numpy"))).artifacts)["environment.yml"]
    assert "# Asked for, and not in the new environment: lost\n" in text
    assert "# The history names no package: those that no other package needs stand for what was asked for.\n" in text
    unknown = PackageRecord("numpy", "1.0", "0")
    assert "of which 1 with no known URL" in plan(target, (NEW_PYTHON, unknown)).steps[2].title


def test_versions_that_go_back_or_far_are_named():
    old = {
        "pytorch": "2.5.1",
        "torchvision": "0.20.1",
        "numpy": "1.26.4",
        "wandb": "0.19.0",
        "scipy": "1.11",
        "six": "2",
    }
    new = {
        "pytorch": "2.1.0",
        "torchvision": "0.16.0",
        "numpy": "2.4.6",
        "wandb": "0.16.6",
        "scipy": "1.15",
        "six": "1",
    }
    installed = (PYTHON, *(record(name, version) for name, version in old.items()))
    target = environment(*installed, asked=("numpy", "pytorch", "scipy", "wandb"))
    text = dict(plan(target, (NEW_PYTHON, *(record(*item) for item in new.items()))).artifacts)["environment.yml"]
    head = "# Another version in the new environment: "
    assert [line.removeprefix(head) for line in text.splitlines() if line.startswith(head)] == [
        "pytorch 2.5.1 -> 2.1.0, goes back",
        "torchvision 0.20.1 -> 0.16.0, goes back",
        "wandb 0.19.0 -> 0.16.6, goes back",
        "numpy 1.26.4 -> 2.4.6, another major version",
    ]


def test_what_goes_along_with_the_removed_is_named_where_it_was_asked_for():
    partner = record("torchvision", depends=("pytorch >=2", "ffmpeg"))
    installed = (PYTHON, record("pytorch"), partner, record("torchaudio", depends=("pytorch",)), record("einops"))
    target = environment(*installed, asked=("pytorch", "torchvision", "einops"))
    removal = Request("remove", ("pytorch",))
    text = dict(plan(target, (PYTHON, record("einops")), request=removal).artifacts)["environment.yml"]
    assert "# Asked for, and not in the new environment: torchvision\n" in text


@pytest.mark.parametrize(
    ("torch", "solution", "pip", "said", "options"),
    [
        (None, (), (), "so this records that there is nothing to verify", ()),
        (GPU_BUILD, (record("pytorch", "2.1.0", "py3.11_cuda12.1_cudnn8_0"),), (), "Verify the GPU in train-py311", ()),
        (GPU_BUILD, (record("pytorch", "2.1.0", "py3.11_cpu_0"),), (), "Verify the GPU in train-py311", ()),
        (
            "py3.10_cpu_0",
            (record("pytorch", "2.1.0", "py3.11_cpu_0"),),
            (),
            "a CPU-only build, as before, so no GPU is accepted",
            ("--cpu-ok",),
        ),
        (None, (), (dist("torch", "2.1.0"),), "Verify the GPU in train-py311", ()),
        (None, (), (dist("torch", "2.1.0+cpu"),), "a CPU-only build, as before", ("--cpu-ok",)),
        (None, (), (dist("torch", "2.1.0+ours"),), "torch must be installed first", ("--require-gpu",)),
        (None, (record("tensorflow", "2.15"),), (), "the probe does not verify tensorflow", ()),
        (None, (), (dist("jax"),), "the probe does not verify jax", ()),
    ],
)
def test_the_last_step_says_what_there_is_to_verify(torch, solution, pip, said, options):
    installed = (PYTHON, record("pytorch", "2.1.0", torch)) if torch else (PYTHON,)
    result = plan(environment(*installed, dists=pip), (NEW_PYTHON, record("pip"), *solution))
    last = result.steps[-1]
    assert last.kind == "verify-gpu"
    assert said in last.title
    assert last.commands == (("planner", "verify", "/opt/conda/envs/train-py311", *options),)


def test_the_name():
    target = environment(PYTHON, asked=("numpy",))
    taken = environment(name="train-py311", prefix="/opt/conda/envs/train-py311")
    outside = environment(name="/srv/envs/train-py311-2", prefix="/srv/envs/train-py311-2")
    assert plan(target, (NEW_PYTHON,), others=(taken,)).name == "train-py311-2"
    assert plan(target, (NEW_PYTHON,), others=(taken, outside)).name == "train-py311-3"
    assert plan(target, (record("python", "3.10.15"),)).name == "train-new"
    assert plan(target, (NEW_PYTHON,), name="next").prefix == "/opt/conda/envs/next"
    odd = environment(PYTHON, name="/srv/my env;rm", prefix="/srv/my env;rm")
    assert plan(odd, (NEW_PYTHON,)).name == "my-env-rm-py311"
    with pytest.raises(InputError, match="is the name of an environment of this installation"):
        plan(target, (NEW_PYTHON,), name="train")
    for bad in ("a/b", "..", "-n", "base", "a b", "", "a\nb"):
        with pytest.raises(InputError, match="cannot be the name of a new environment"):
            plan(target, (NEW_PYTHON,), name=bad)


@pytest.mark.parametrize(
    ("base", "tool", "path", "hashed"),
    [
        ((CONDA,), "conda", "/opt/conda/bin/conda", "#sha256:"),
        ((record("conda", "23.5.0"),), "conda", "/opt/conda/bin/conda", "#a"),
        ((CONDA, record("mamba", "2.0.5")), "mamba", "/opt/conda/bin/mamba", "#sha256:"),
        ((CONDA, record("mamba", "1.5.8")), "mamba", "/opt/conda/bin/mamba", "#a"),
        ((CONDA,), "mamba", "/opt/conda/bin/conda", "#sha256:"),
        ((), "conda", "micromamba", "#a"),
    ],
)
def test_the_tool_of_the_installation(base, tool, path, hashed):
    request = Request("install", ("python=3.11",), tool=tool)
    root = environment(*base, name="base", prefix="/opt/conda")
    solved = record("python", "3.11.9", md5="a" * 32, sha256="b" * 64)
    result = plan(environment(PYTHON), (solved,), request=request, base=root)
    create = next(step for step in result.steps if step.kind == "create")
    assert create.commands[0][:2] == (path, "create")
    assert ("--no-default-packages" in create.commands[0]) == path.endswith("/conda")
    assert f"-0.conda{hashed}" in dict(result.artifacts)["explicit.txt"]


def test_a_windows_installation():
    root = r"C:\Users\me\miniconda3"
    base = environment(PYTHON, CONDA, name="base", prefix=root, subdir="win-64")
    target = environment(
        PYTHON, dists=(dist("einops", top_level=("einops",)),), prefix=rf"{root}\envs\train", subdir="win-64"
    )
    result = plan(target, (NEW_PYTHON, record("pip")), base=base, subdir="win-64", root=root)
    assert result.prefix == rf"{root}\envs\train-py311"
    programs = {argv[0] for step in result.steps for argv in (*step.commands, *step.check, *step.undo)}
    assert programs == {rf"{root}\Scripts\conda.exe", rf"{root}\python.exe", rf"{result.prefix}\python.exe", "planner"}
    assert "# platform: win-64\n" in dict(result.artifacts)["explicit.txt"]


def test_a_python_2_environment_gets_flags_that_it_knows():
    target = environment(record("python", "2.7.18"), dists=(dist("six"),))
    old = PipDist(
        "six", "1.0", "six", "lib/python2.7/site-packages", "lib/python2.7/six", python="2.7", top_level=("six",)
    )
    target = environment(record("python", "2.7.18"), dists=(old,))
    result = plan(target, (record("python", "2.7.18"), record("pip")), request=Request("install", ("numpy",)))
    commands = [argv for step in result.steps for argv in step.commands if argv[0].endswith("bin/python")]
    assert [argv[1:3] for argv in commands] == [("-E", "-s"), ("-E", "-s")]


# --- the steps carried out, as far as nothing has to be downloaded


@pytest.mark.skipif(os.name != "posix", reason="runs the POSIX form of the steps")
def test_the_steps_that_need_no_download_really_work(tmp_path):
    target = environment(
        PYTHON, dists=(dist("pip", top_level=("json", "sqlite3")),), prefix=str(tmp_path / "envs" / "train")
    )
    root = environment(name="base", prefix=str(tmp_path))
    result = plan(target, (NEW_PYTHON,), base=root, root=str(tmp_path))
    steps = {step.kind: step for step in result.steps}

    def run(argv):
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False).returncode

    assert [run(argv) for argv in (*steps["preflight"].commands, *steps["preflight"].check)] == [0, 0, 0]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", result.prefix], check=True)  # in place of create
    assert run(steps["preflight"].check[0]) == 1
    assert run(steps["create"].check[0]) == 0
    for name, text in result.artifacts:
        (tmp_path / name).write_text(text, encoding="utf-8")
    (smoke,) = steps["smoke-test"].commands
    assert run(smoke) == 0
    assert run((*smoke[:4], "surely_not_there")) == 1
    assert runner.verify_environment(result.prefix).status == "no-framework"
    assert json.loads(
        subprocess.run([smoke[0], "-I", "-B", "verify_gpu.py"], cwd=tmp_path, capture_output=True, check=True).stdout
    )


def test_a_module_that_kills_its_process_hides_no_other(tmp_path):
    from planner.artifacts import script

    (tmp_path / "smoke_test.py").write_text(script("smoke.py"))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "killer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    (site / "broken.py").write_text("raise ImportError('libfoo.so.1: cannot open shared object file')\n")
    command = [venv / "bin" / "python", "-I", "-B", "smoke_test.py", "killer", "broken", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "killer: exit code -9",
        "broken: ImportError: libfoo.so.1: cannot open shared object file",
        "1 of 3 modules import",
        "0 of 0 programs load",
    ]


def test_what_did_not_work_before_is_no_failure_of_the_move(tmp_path):
    from planner.artifacts import script

    (tmp_path / "smoke_test.py").write_text(script("smoke.py"))
    sites = {}
    for name in ("old", "new"):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / name)], check=True)
        (sites[name],) = (tmp_path / name).glob("lib/python*/site-packages")
    (sites["old"] / "lost.py").write_text("")
    info = sites["new"] / "tool-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[console_scripts]\nbroken = lost:main\nmoved = json:dumps\nfine = json:loads\n"
    )
    for name in ("broken", "moved", "fine"):
        line = "#!/nowhere/python" if name == "moved" else f"#!{sys.executable}"
        (tmp_path / "new" / "bin" / name).write_text(f"{line}\n")
    (tmp_path / "old" / "bin" / "moved").write_text(f"#!{sys.executable}\n")
    command = [tmp_path / "new" / "bin" / "python", "-I", "-B", "smoke_test.py", "--before", tmp_path / "old"]
    done = subprocess.run([*command, "lost", "never"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "lost: ModuleNotFoundError: No module named 'lost'",
        "never: did not work before either (ModuleNotFoundError: No module named 'never')",
        "1 of 2 modules import",
        "the program broken: did not work before either (ModuleNotFoundError: No module named 'lost')",
        "the program moved: its first line names an interpreter that is not there",
        "2 of 3 programs load",
    ]
    assert done.returncode == 1


def own_steps_of(target, **belongings):
    solution = (NEW_PYTHON, record("numpy", "1.26.4"), record("ipykernel"))
    result = plan_migration(
        environment=target,
        installation=Installation("/opt/conda", (BASE, target)),
        is_base=False,
        request=Request("install", ("python=3.11",)),
        host=Host("linux-64"),
        solution=Solution(solution),
        name=None,
        planned_python="3.11.9",
        belongings=Belongings(**belongings),
    )
    return result, {step.kind: step for step in result.steps}


def test_what_is_neither_condas_nor_pips_comes_along_without_its_content():
    target = environment(PYTHON, record("numpy"), pins=("numpy 1.*", "python 3.10.*"))
    target = replace(target, env_vars=(("TOKEN", "hunter2"),))
    files = (OwnFile("etc/conda/activate.d/mine.sh", names_prefix=True), OwnFile("pip.conf"))
    result, steps = own_steps_of(target, files=files, kernels=("train",))
    old, new = "/opt/conda/envs/train", "/opt/conda/envs/train-py311"
    assert steps["env-vars"].commands[-1] == ("cp", "-p", f"{old}/conda-meta/state", f"{new}/conda-meta/state")
    assert "hunter2" not in repr(result)
    assert steps["activation"].commands == (
        ("mkdir", "-p", f"{new}/etc/conda/activate.d"),
        ("cp", "-p", f"{old}/etc/conda/activate.d/mine.sh", f"{new}/etc/conda/activate.d/mine.sh"),
    )
    assert "look at etc/conda/activate.d/mine.sh: the old prefix" in steps["activation"].title
    assert steps["config"].check == (("cmp", f"{old}/pip.conf", f"{new}/pip.conf"),)
    assert dict(result.artifacts)["pinned"] == "numpy 1.*\n"
    assert "1 more it does not" in steps["pins"].title
    assert steps["kernel"].commands[0][1:6] == ("-m", "ipykernel", "install", "--user", "--name")
    assert "train keeps starting train" in steps["kernel"].title
    assert "kernel" not in [step.kind for step in result.follow_up]


@pytest.mark.parametrize("end", ["\n", "", " # /opt/conda/envs/train"])  # Jupyter's kernels end without a line feed
def test_the_cut_over_is_a_patch_that_patch_applies(tmp_path, end):
    old, new = "/opt/conda/envs/train", "/opt/conda/envs/train-py311"
    unit = tmp_path / "train.service"
    lines = [
        "[Service]",
        "Environment=TOKEN=hunter2",
        f"ExecStart={old}/bin/python -m x {old}-more",
        f"# {old}",
        "End=",
    ]
    unit.write_text("\n".join(lines) + end)
    result, _ = own_steps_of(environment(PYTHON), outside=((str(unit), unit.read_text()), ("/etc/other", "no\n")))
    patch = dict(result.artifacts)["cut-over-1.diff"]
    assert "hunter2" not in patch
    assert "cut-over-2.diff" not in dict(result.artifacts)
    (step,) = (step for step in result.follow_up if step.kind == "cut-over")
    (tmp_path / "cut-over-1.diff").write_text(patch)
    for argv in step.commands:
        subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    moved = unit.read_text().splitlines()
    assert moved[2:4] == [f"ExecStart={new}/bin/python -m x {old}-more", f"# {new}"]
    subprocess.run(step.undo[0], cwd=tmp_path, check=True, capture_output=True)
    assert unit.read_text() == "\n".join(lines) + end


def test_what_is_condas_stays_in_base():
    text = "/opt/conda/bin/python\n/opt/conda/envs/x/bin/python\n. /opt/conda/etc/profile.d/conda.sh\n/opt/conda/bin/conda\n"
    ((_, patch),) = cut_over_patches((("/etc/x", text),), "/opt/conda", "/opt/conda/envs/base-new", is_base=True)
    assert [line for line in patch.splitlines()[3:] if line.startswith("+")] == ["+/opt/conda/envs/base-new/bin/python"]


def test_a_kernel_is_offered_after_sign_off_where_there_was_none():
    result, steps = own_steps_of(environment(PYTHON))
    assert "kernel" not in steps
    assert [step.kind for step in result.follow_up] == ["kernel", "cut-over", "before-retiring", "retire"]


def test_belongings_are_what_no_package_owns(tmp_path):
    prefix = tmp_path / "env"
    for name in ("etc/owned.conf", "etc/pips.conf", "etc/conda/activate.d/mine.sh", "pip.conf"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text(f"# {prefix}" if name.endswith(".sh") else "")
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "a-1-0.json").write_text('{"files": ["etc/owned.conf"]}')
    (prefix / "info").mkdir()
    (prefix / "info" / "RECORD").write_text("../../../etc/pips.conf,,\n")
    spec = tmp_path / "kernels" / "mine" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": [f"{prefix}/bin/python"]}) + "\n")
    references = (
        Reference("kernel", str(spec), str(prefix), "bin/python", ""),
        Reference("kernel", "/other/other/kernel.json", "/other", "bin/python", ""),
        Reference("unit", str(tmp_path / "gone"), str(prefix), "bin/python", ""),
        Reference("virtualenv", str(tmp_path), str(prefix), "", ""),
    )
    there, gone = (DirectUrl(f"file://{tmp_path}/{name}", kind="dir") for name in ("env", "gone"))
    dists = (
        PipDist("a", "1", "a", "lib", "info", direct_url=there),
        PipDist("b", "1", "b", "lib", "b", direct_url=gone),
    )
    found = read_belongings(Environment("env", str(prefix), "linux-64", dists=dists), references)
    assert found.files == (OwnFile("etc/conda/activate.d/mine.sh", names_prefix=True), OwnFile("pip.conf"))
    assert found.kernels == ("mine",)
    assert [path for path, _ in found.outside] == [str(spec)]
    assert found.sources == frozenset({there.url})


# --- real installations


def test_the_real_base_keeps_its_pip_layer_and_leaves_conda(real_data):
    root = str(real_data / "installations" / "linux-base-py39")
    installation = load_installation(root, [("base", root)])
    base = installation.environments[0]
    request = Request("install", ("python=3.10",))
    assert specs(base, "python=3.10", is_base=True) == ("python=3.10", "pip")
    solution = Solution((record("python", "3.10.0"), record("pip", "21.2.4", depends=("python",))))
    result = plan_migration(
        environment=base,
        installation=installation,
        is_base=True,
        request=request,
        host=Host("linux-64"),
        solution=solution,
        name=None,
        planned_python="3.10.0",
    )
    text = dict(result.artifacts)["requirements.txt"]
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == 64
    assert {"numpy==1.20.3", "argon2-cffi==21.1.0", "pandas==1.3.4"} <= set(lines)
    assert re.findall(r"^#   (\S+) \S+: this version says Requires-Python", text, re.MULTILINE) == ["llvmlite", "numba"]
    rebuilt = re.findall(r"^#   (\S+)$", text, re.MULTILINE)
    assert len(rebuilt) == 12
    assert "argon2-cffi" not in rebuilt  # abi3: its file fits the new python as it is


def test_the_real_gpu_environment_is_asked_for_with_its_gpu_builds(real_data):
    target = load_environment("base", str(real_data / "installations" / "linux-torch251-cu121"))
    wanted = specs(target, "python=3.11")
    for spec in wanted:
        check_spec(spec)
    assert {"pytorch * *cuda*", "pytorch-cuda=12.1", "torchvision * *cu*", "torchaudio * *cu*", "ray-all"} <= set(
        wanted
    )


def test_every_real_installation_gives_specs_that_parse(real_data):
    for prefix in sorted(Path(real_data, "installations").iterdir()):
        target = load_environment("base", str(prefix))
        for request in (Request("install", ("python=3.11",)), Request("update-all", ()), Request("remove", ("numpy",))):
            for is_base in (True, False):
                for spec in new_environment_specs(target, is_base, request):
                    check_spec(spec)
