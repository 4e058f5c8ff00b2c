"""`planner envs`: what the names on a disk say of every environment, and that nothing else is opened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner import inventory
from planner.discover import machine_prefixes
from planner.reach.notes import Places
from planner.render import inventory as rendering
from planner.render import markdown, terminal

TOP = Path(__file__).parents[1]


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def environment(prefix, *dists, pip=(), python="3.10"):
    for dist in dists:
        write(prefix / "conda-meta" / f"{dist}.json", "not even JSON")
    write(prefix / "conda-meta/history")
    for name in pip:
        write(prefix / f"lib/python{python}/site-packages" / f"{name}.dist-info/INSTALLER", "pip\n")
    return prefix


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "home/.conda").mkdir(parents=True)
    (tmp_path / "system").mkdir()
    environment(tmp_path / "conda", "python-3.12.4-h0_0_cpython", "conda-24.5.0-py312h0_0")
    return tmp_path


def listed(machine, *, measure=True, **environ):
    root = str(machine / "conda")
    prefixes = machine_prefixes(root, (), environ, str(machine / "home"))
    places = Places(environ, str(machine / "home"), str(machine / "system"))
    return inventory.read_inventory(root, prefixes, places, measure=measure)


def row(machine, name, **environ):
    return next(item for item in listed(machine, **environ).environments if item.name == name)


@pytest.mark.parametrize(
    ("dists", "pip", "expected"),
    [
        (("pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0", "pytorch-cuda-12.1-ha16c6d3_6"), (), ("2.5.1", "12.1", "12.1", None)),
        (("pytorch-2.4.0-cuda120_py310h9a2b2b7_301", "cuda-version-12.6-3", "cudnn-9.3.0.75-h0_0"), (), ("2.4.0", "12.0", "12.6", "9.3.0.75")),
        (("pytorch-1.13.1-cuda112py310he33e0d6_200", "cudatoolkit-11.8.0-h0_13"), (), ("1.13.1", "11.2", "11.8.0", None)),
        (("pytorch-2.5.1-cpu_generic_py310_0",), (), ("2.5.1", "cpu", None, None)),
        ((), ("torch-2.8.0", "nvidia_cuda_runtime_cu12-12.8.90", "nvidia_cudnn_cu12-9.10.2.21"), ("2.8.0", None, "12.8.90", "9.10.2.21")),
        ((), (), (None, None, None, None)),
    ],
)  # fmt: skip
def test_torch_and_cuda_by_names(machine, dists, pip, expected):
    environment(machine / "conda/envs/x", "python-3.10.14-h0_0_cpython", *dists, pip=pip)
    found = row(machine, "x")
    assert (found.torch, found.torch_cuda, found.cuda, found.cudnn) == expected
    assert (found.python, found.packages, found.pip_packages) == ("3.10.14", 1 + len(dists), len(pip))


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("cuda: Optional[str] = '12.4'\n", "12.4"),
        ('__version__ = "2.1"\ncuda = "11.8"\n', "11.8"),
        ("cuda: Optional[str] = None\n", "cpu"),
    ],
)
def test_what_torch_says_of_itself_wins(machine, text, cuda):
    prefix = environment(machine / "conda/envs/x", "python-3.10.14-h0_0_cpython", pip=("torch-2.4.0",))
    write(prefix / "lib/python3.10/site-packages/torch/version.py", text)
    assert row(machine, "x").torch_cuda == cuda


def test_whose_a_distribution_is(machine):
    prefix = environment(
        machine / "conda/envs/x",
        "python-3.10.14-h0_0_cpython",
        "ruamel.yaml-0.17.21-py310_0",
        "py-opencv-4.6.0-py310_0",
        pip=("ruamel.yaml-0.17.21", "rich-13.7.1", "~umpy-1.0"),
    )
    site = prefix / "lib/python3.10/site-packages"
    write(site / "torchvision-0.19.dist-info/INSTALLER", "conda\n")
    write(site / "opencv-4.6.0.dist-info/METADATA")
    write(
        prefix / "conda-meta/py-opencv-4.6.0-py310_0.json",
        '"lib/python3.10/site-packages/opencv-4.6.0.dist-info/METADATA"',
    )
    write(site / "own_tool-0.1.egg-info/PKG-INFO")
    assert row(machine, "x").pip_packages == 2


def test_state_and_last_change(machine):
    prefix = environment(machine / "conda/envs/x", "python-3.10.14-h0_0_cpython")
    os.utime(prefix / "conda-meta/history", (1_700_000_000, 1_700_000_000))
    write(prefix / "conda-meta/frozen")
    write(prefix / "conda-meta/pinned", "# none\n\n")
    found = row(machine, "x")
    assert (found.changed, found.frozen, found.pinned) == ("2023-11-14T22:13:20Z", True, False)
    write(prefix / "conda-meta/pinned", "numpy 1.*  # for ever\n")
    assert row(machine, "x").pinned


def test_sizes_count_an_inode_once(machine):
    one, two = machine / "conda/envs/one", machine / "conda/envs/two"
    environment(one)
    environment(two)
    write(one / "lib/big", "x" * 100_000)
    (one / "lib/again").hardlink_to(one / "lib/big")
    (two / "lib").mkdir()
    (two / "lib/big").hardlink_to(one / "lib/big")
    write(two / "own", "y" * 50_000)
    found = listed(machine)
    rows = {item.name: item for item in found.environments}
    assert rows["one"].size == rows["one"].own_size + 102_400
    assert rows["two"].size >= 102_400 + 53_248
    assert found.total_size < sum(item.size for item in found.environments)
    assert found.total_size == sum(item.own_size for item in found.environments) + 102_400


def test_many_files_are_not_measured_unasked(machine, monkeypatch):
    monkeypatch.setattr(inventory, "MOST_FILES", 2)
    assert {item.size for item in listed(machine, measure=False).environments} == {None}
    assert listed(machine, measure=False).total_size is None
    assert listed(machine).total_size > 0


def test_every_environment_of_the_machine(machine):
    environment(machine / "conda/envs/x")
    environment(machine / "mambaforge", "mamba-1.5-0")
    environment(machine / "mambaforge/envs/x")
    environment(machine / "alone")
    write(machine / "home/.conda/environments.txt", f"{machine}/alone\n{machine}/conda/envs/x\n{machine}/gone\n")
    found = listed(machine, MAMBA_ROOT_PREFIX=str(machine / "mambaforge"))
    assert [(item.name, item.root) for item in found.environments] == [
        ("base", f"{machine}/conda"),
        ("x", f"{machine}/conda"),
        (f"{machine}/mambaforge", f"{machine}/mambaforge"),
        (f"{machine}/mambaforge/envs/x", f"{machine}/mambaforge"),
        (f"{machine}/alone", f"{machine}/alone"),
    ]


def test_leaks_of_both_directions(machine):
    environment(machine / "conda/envs/x", "python-3.10.14-h0_0_cpython")
    environment(machine / "conda/envs/y", "python-3.11.9-h0_0_cpython")
    base = f"{machine}/conda"
    write(machine / "conda/envs/x/bin/tool", f"#!{base}/bin/python\n")
    write(machine / "conda/envs/y/bin/tool", f"#!{base}/envs/y/bin/python\n")
    write(machine / "home/.local/lib/python3.10/site-packages/rich-13.dist-info/METADATA", "Name: rich\nVersion: 13\n")
    rows = {item.name: item for item in listed(machine).environments}
    assert rows["base"].leaks_out == (f"shebang {base}/envs/x/bin/tool",)
    assert rows["x"].leaks_in == (
        f"user site: 1 in {machine}/home/.local/lib/python3.10/site-packages",
        f"shebang {base}/envs/x/bin/tool leads to {base}",
    )
    assert (rows["y"].leaks_in, rows["y"].leaks_out, rows["base"].leaks_in) == ((), (), ())
    assert row(machine, "x", PYTHONNOUSERSITE="1").leaks_in == rows["x"].leaks_in[1:]


def test_reports_and_document(machine):
    environment(machine / "conda/envs/evil\x1b[31m\n", "python-3.10.14-h0_0_cpython")
    found = listed(machine)
    view = rendering.build_view(found)
    for text in (terminal.render(view, width=80, colour=False), markdown.render(view)):
        assert "\x1b" not in text
        assert "3.12.4" in text
    document = json.loads(rendering.dumps(found))
    assert document["format"] == "conda-environments"
    assert [item["python"] for item in document["environments"]] == ["3.12.4", "3.10.14"]


def test_the_command_line(machine):
    done = subprocess.run(
        [sys.executable, TOP / "cli.py", "--root", machine / "conda", "envs", "--format", "json"],
        env={"HOME": str(machine / "home"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    names = [item["name"] for item in json.loads(done.stdout)["environments"]]
    assert names[0] == "base"


def test_real_installations_agree_with_a_full_reading(real_data):
    from planner.discover import environment_prefixes
    from planner.load import load_environment

    for folder in sorted((real_data / "installations").iterdir()):
        prefixes = [(name, prefix, str(folder)) for name, prefix in environment_prefixes(str(folder))]
        found = inventory.read_inventory(str(folder), prefixes, Places({}, "/nonexistent", "/nonexistent"))
        for item in found.environments:
            whole = load_environment(item.name, item.prefix)
            assert (item.python, item.pip_packages) == (whole.python, len({d.name for d in whole.pip_dists})), (
                item.prefix
            )
