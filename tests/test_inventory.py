"""`planner envs`: what the names on a disk say of every environment, and that nothing else is opened."""

import contextlib
import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
from datetime import datetime, timezone
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
        (("pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0", "pytorch-cuda-12.1-ha16c6d3_6"), (), ("2.5.1", "12.1", "12.1", "9.1.0")),
        (("pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0", "cuda-version-12.6-3", "cuda-cudart-12.1.105-0", "cudnn-9.3-0"), (), ("2.5.1", "12.1", "12.1.105", "9.3")),
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


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a terminal is needed")
@pytest.mark.parametrize("width", [80, 100, 220])
def test_a_terminal_of_any_width_shows_every_column_within_it(machine, width):
    environment(machine / "conda/envs/an-environment-with-a-name-as-long-as-some-people-like", "python-3.9.1-0")
    torch = ("pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0", "cuda-cudart-12.1.105-0")
    prefix = environment(machine / "conda/envs/train", "python-3.10.14-h0_0_cpython", *torch)
    write(prefix / "bin/tool", f"#!{machine}/conda/bin/python\n")
    write(prefix / "conda-meta/frozen")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    command = [sys.executable, TOP / "cli.py", "--root", machine / "conda", "envs"]
    environ = {"HOME": str(machine / "home"), "PATH": os.environ["PATH"], "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=theirs, stdin=theirs) as run:
        os.close(theirs)
        content = b""
        with contextlib.suppress(OSError):  # a terminal that nobody writes to any more is an error on Linux
            while piece := os.read(ours, 65536):
                content += piece  # which may end within a character
    os.close(ours)
    text = content.decode()
    assert run.returncode == 0
    lines = text.replace("\r\n", "\n").splitlines()
    assert max(map(len, lines)) <= width
    row = {"train", "3.10.14", "2.5.1", "(12.1)", "12.1.105", "9.1.0", "frozen,", "leaks"}
    headers = {"Name", "Python", "torch", "CUDA", "cuDNN", "conda", "pip", "Size", "Changed", "State"}
    today = datetime.fromtimestamp((prefix / "conda-meta/history").stat().st_mtime, timezone.utc).strftime("%Y-%m-%d")
    days = {today} if width > 80 else set()  # beside a name as long as that, the rest is broken too
    assert {*row, *headers, *days} <= set(text.split())


# ---------------------------------------------------------------------------------------------------------------------
# Each column against another way to know it


def asked(root, home, *options):
    """What `planner envs` prints, for a user of that home."""
    command = [sys.executable, TOP / "cli.py", "--root", root, "envs", *options]
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


def shell(command, prefix):
    """A person's count: what a line of shell prints in an environment's folder."""
    return subprocess.run(
        ["bash", "-c", command], cwd=prefix, capture_output=True, text=True, check=True
    ).stdout.strip()


_FILES = r"find . \( -path ./envs -o -path ./pkgs \) -prune -o \( -type f -o -type l \)"


def by_hand(prefix):
    """What the columns should be, by other means than the product's: shell tools, and conda-meta read whole."""
    records = [json.loads(path.read_bytes()) for path in prefix.glob("conda-meta/*.json")]
    named = {record["name"]: record for record in records}
    owned = {path.rpartition("/")[0] for record in records for path in record.get("files") or () if "-info/" in path}
    owned |= {path for record in records for path in record.get("files") or () if path.endswith(".egg-info")}
    dists = {
        str(path.relative_to(prefix))
        for lib in ("lib/python*", "Lib", "lib")
        for ending in ("dist-info", "egg-info")
        for path in prefix.glob(f"{lib}/site-packages/*.{ending}")
    }
    torches = [named["pytorch"]["version"]] if "pytorch" in named else []
    torches += [Path(path).name.split("-")[1].removesuffix(".dist") for path in dists if "/torch-" in path]
    return {
        "python": named.get("python", {}).get("version"),
        "torch": torches[0] if torches else None,
        "packages": int(shell("ls conda-meta/*.json | wc -l", prefix)),
        "pip_packages": len(dists - owned),
        "size": int(shell(_FILES + r" -printf '%D:%i %b\n' | sort -u | awk '{s += $2} END {print s * 512}'", prefix)),
        "own_size": int(shell(_FILES + r" -links 1 -printf '%b\n' | awk '{s += $1} END {print s * 512}'", prefix)),
        "changed": shell("TZ=UTC date -r conda-meta/history +%Y-%m-%dT%H:%M:%SZ", prefix),
        "frozen": bool(shell("ls conda-meta | grep -x frozen || true", prefix)),
        "pinned": bool(shell("grep -v '^ *#' conda-meta/pinned 2>/dev/null | grep . || true", prefix)),
    }


def agrees(root, home):
    """Hold every row of the document against the count by hand, and the table against the document."""
    document = json.loads(asked(root, home, "--sizes", "--format", "json"))
    lines = [
        line.strip("| ").split(" | ") for line in asked(root, home, "--sizes", "--format", "markdown").splitlines()
    ]
    table = {line[-1].strip("`").strip(): [cell.strip("` ") for cell in line] for line in lines if len(line) == 11}
    for row in document["environments"]:
        wanted = by_hand(Path(row["prefix"]))
        assert {name: row[name] for name in wanted} == wanted, row["prefix"]
        directions = " and ".join(name for name in ("in", "out") if row[f"leaks_{name}"])
        state = [name for name in ("frozen", "pinned") if row[name]] + ([f"leaks {directions}"] if directions else [])
        assert table[row["prefix"]] == [
            row["name"],
            row["python"],
            f"{row['torch']} ({row['torch_cuda']})" if row["torch"] else "",
            row["cuda"] or "",
            row["cudnn"] or "",
            str(row["packages"]),
            str(row["pip_packages"]),
            rendering.size(row["size"]),
            row["changed"][:10],
            ", ".join(state),
            row["prefix"],
        ]
    return document


def test_columns_of_real_installations_are_what_a_count_by_hand_says(real_data, tmp_path):
    rows = {}
    for folder in sorted((real_data / "installations").iterdir()):
        rows |= {(folder.name, row["name"]): row for row in agrees(folder, tmp_path)["environments"]}
    torch = rows["linux-torch251-cu121", "base"]
    assert (torch["torch"], torch["torch_cuda"], torch["cuda"], torch["cudnn"]) == (
        "2.5.1",
        "12.1",
        "12.1.105",
        "9.1.0",
    )
    windows = rows["win-torch1131", "base"]
    assert (windows["torch"], windows["cuda"], windows["cudnn"]) == (None, "10.1.243", "7.6.5")
    assert {row["torch_cuda"] for key, row in rows.items() if "torch251" not in key[0]} == {None}


def test_columns_of_a_made_installation_are_what_a_count_by_hand_says(tmp_path):
    """With all that the real ones lack: shared inodes, pins, a frozen environment, pip beside conda, leaks."""
    root, home = tmp_path / "conda", tmp_path / "home"
    home.mkdir()

    def made(prefix, python, *more, pip=()):
        for name, version, build, files in (("python", python, "0", []), *more):
            record = {"name": name, "version": version, "build": build, "files": files}
            write(prefix / f"conda-meta/{name}-{version}-{build}.json", json.dumps(record))
            for path in files:
                write(prefix / path, path * 500)
        write(prefix / "conda-meta/history")
        site = prefix / f"lib/python{python.rpartition('.')[0]}/site-packages"
        for name in pip:
            write(site / f"{name}.dist-info/INSTALLER", "pip\n")
        return prefix

    six = ("six", "1.16.0", "pyh_0", ["lib/python3.10/site-packages/six-1.16.0.dist-info/METADATA"])
    base = made(root, "3.12.4", ("conda", "24.5.0", "py312_0", ["bin/conda"]))
    torch = ("pytorch", "2.5.1", "py3.10_cuda12.4_cudnn9.1.0_0", ["lib/libtorch.so"])
    one = made(
        root / "envs/one", "3.10.14", six, torch, ("cuda-version", "12.4", "h_3", []), pip=("rich-13.7.1", "my_tool-1")
    )
    two = made(root / "envs/two", "3.11.9", pip=("torch-2.8.0", "nvidia_cudnn_cu12-9.10.2.21"))
    write(two / "lib/python3.11/site-packages/torch/version.py", "cuda: str = '12.8'\n")
    (two / "lib/shared.so").hardlink_to(one / "lib/libtorch.so")
    (one / "lib/again.so").hardlink_to(one / "lib/libtorch.so")
    (one / "bin").mkdir()
    (one / "bin/link").symlink_to("nowhere")
    write(one / "conda-meta/pinned", "# why\nnumpy 1.*\n")
    write(two / "conda-meta/frozen")
    write(two / "conda-meta/pinned", "# nothing\n")
    write(two / "bin/tool", f"#!{base}/bin/python\n")
    write(root / "pkgs/cached-1-0/big", "x" * 100_000)
    os.utime(one / "conda-meta/history", (1_700_000_000, 1_700_000_000))
    document = agrees(root, home)
    found = {row["name"]: row for row in document["environments"]}
    assert [(row["torch"], row["torch_cuda"], row["cuda"], row["cudnn"]) for row in found.values()] == [
        (None, None, None, None),
        ("2.5.1", "12.4", "12.4", "9.1.0"),
        ("2.8.0", "12.8", None, "9.10.2.21"),
    ]
    assert [(row["frozen"], row["pinned"]) for row in found.values()] == [(False, False), (False, True), (True, False)]
    assert [(len(row["leaks_in"]), len(row["leaks_out"])) for row in found.values()] == [(0, 1), (0, 0), (1, 0)]
    everything = r"find . -path ./pkgs -prune -o \( -type f -o -type l \) -printf '%D:%i %b\n'"
    assert document["total_size"] == int(shell(everything + " | sort -u | awk '{s += $2} END {print s * 512}'", root))
    assert document["total_size"] < sum(row["size"] for row in found.values())


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
