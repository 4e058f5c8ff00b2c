"""A tree with very many files, under names that attack a screen: every command that looks at it ends, and runs nothing.

`make many` asks for a million of them; they are hard links to a few, so that the disk holds names and no content.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from planner.demo import unpack

FILES = int(os.environ.get("PLANNER_FILES", "4000"))
_LINKS = 30_000  # of one inode: file systems allow 65,000 at most
_IN_A_FOLDER = 1000
_EVIL = "a\x1b[31m\nb"


def many(top, number, name, mode=0o644, text=""):
    """`number` files below a folder, a thousand in each folder, ten levels of folders for some."""
    source = None
    for index in range(number):
        folder = top / f"d{index // _IN_A_FOLDER}" / ("deep/" * (index // _IN_A_FOLDER % 10))
        if index % _IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        path = folder / name.format(index)
        if index % _LINKS == 0:
            source = path
            path.write_text(text)
            path.chmod(mode)
        else:
            os.link(source, path)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    here = tmp_path_factory.mktemp("many")
    demo = unpack(str(here))
    root, home, marker = Path(demo.root), Path(demo.home), here / "executed"
    runs = f"#!{root}/bin/python\nimport os; open({str(marker)!r}, 'w')\n"
    site = root / "lib/python3.10/site-packages"
    many(site / "package", FILES * 4 // 10, "m{}.py", text=runs)
    many(root / "share", FILES * 2 // 10, f"{_EVIL}{{}}")
    many(root / "envs/pytorch-env/lib", FILES // 10, "lib{}.so.1", text="\x7fELF")
    many(home, FILES // 10, "job{}.sh", 0o755, runs)
    many(here / "jobs", FILES // 10, f"{_EVIL}{{}}.sh", 0o755, runs)
    (root / "bin").mkdir()
    for index in range(FILES // 10):
        target = root / "bin" / f"tool{index}"
        if index % _LINKS == 0:
            first = target
            target.write_text(runs)
            target.chmod(0o755)
        else:
            os.link(first, target)
    (root / "bin/python").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (root / "bin/python").chmod(0o755)
    (site / "loop").symlink_to(site)
    (site / "self").symlink_to("self")
    (root / "lib/up").symlink_to("..")
    kernel = home / ".local/share/jupyter/kernels/fifo"
    kernel.mkdir(parents=True)
    os.mkfifo(kernel / "kernel.json")
    os.mkfifo(root / "conda-meta/pipe-1-0.json")
    common = ["--override-channels", "--offline", "--subdir", demo.subdir, "--cuda", demo.cuda, "--glibc", demo.glibc]
    common += [word for name in demo.channels for word in ("-c", name)]
    common += [word for name, place in demo.mirrors for word in ("--mirror", f"{name}={place}")]
    return here, demo, common, marker


# A process of its own starts the command: what a child begins with counts as its memory, and a test's is large.
_MEASURE = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[2:]])
_, status, used = os.wait4(child, 0)
figures = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss
open(sys.argv[1], "w").write(" ".join(map(str, figures)))
"""


def ended(words, demo, folder):
    """What a command that ran in a process of its own said, its exit code, processor seconds and peak memory in bytes."""
    environ = {"HOME": demo.home, "XDG_CACHE_HOME": str(folder / "cache"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", _MEASURE, folder / "figures", Path(cli.__file__), "--root", demo.root, *words]
    said = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout
    code, seconds, peak = (folder / "figures").read_text().split()
    return said.decode(), int(code), float(seconds), int(peak) * (1 if sys.platform == "darwin" else 1024)


COMMANDS = ["envs", "envs --sizes", "audit", "audit --deep", "what-if", "what-if --deep", "what-if --no-files"]
COMMANDS += ["snapshot", "snapshot --deep"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_and_runs_nothing(installation, tmp_path, command):
    here, demo, common, marker = installation
    words = command.split()
    words += {
        "envs": ["--scan", str(here / "jobs"), "--format", "json"],  # a table shows the first few of what was not read
        "audit": ["base", "--scan", str(here / "jobs"), "--format", "json"],
        "what-if": ["base", "python=3.11", "--scan", str(here / "jobs"), "--format", "json", *common],
        "snapshot": ["base", "-o", str(tmp_path / "snapshot.json")],
    }[words[0]]
    steps = [words]
    if "snapshot" in words:
        # What could not be read is told, and keeps it from being called identical.
        steps.append(["compare", words[-1], "base"])
    for step in steps:
        text, code, seconds, peak = ended(step, demo, tmp_path)
        sys.stdout.write(f"{step[0]} of {command}: {seconds:.1f} s of a processor, {peak / 1e6:.0f} MB\n")
        assert code in {0, *cli.VERDICT_CODES.values()}, text[-2000:]
        assert "\x1b" not in text
        assert not marker.exists()
        # In proportion to what there is to look at.
        assert seconds < 30 + FILES * 200e-6
        assert peak < 400e6 + FILES * 1000
        if step[0] == "compare":
            assert code == cli.DIFFERENT
            assert "nothing differs that could be read" in text
        else:
            assert "named pipe, not a file" in text
