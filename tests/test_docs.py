"""The documentation is true: every command in it runs, every link leads somewhere, the rules' pages are current.

Commands run on the bundled installation, found as a user's own would be: by CONDA_PREFIX, with its channels as
configured. Its second environment is called `train` here, and has an interpreter.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from planner.demo import unpack

TOP = Path(__file__).parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
ANSWERS = {0, *cli.VERDICT_CODES.values()}
# Commands that a test of the suite cannot run, and what runs them instead.
ELSEWHERE = {
    "make test": "is what runs this test",
    "make truth": "takes half an hour; tests/test_truth.py runs a part of it",
    "python3 -m venv ~/planner": "needs a package index for the next line; make does the same",
    "~/planner/bin/python -m pip install .": "needs a package index; tests/test_wheel.py builds the wheel and runs it",
}


def commands(page):
    found = []
    for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            command = re.sub(r"\s{2,}# .*$", "", line).strip()
            if kind == "yaml":
                if not command.startswith("- "):
                    continue
                command = command[2:]
            if command:
                found.append(command)
    return found


WITH_COMMANDS = [page for page in PAGES if commands(page)]


@pytest.fixture
def installation(tmp_path, monkeypatch):
    demo = unpack(str(tmp_path))
    root, home = Path(demo.root), Path(demo.home)
    (root / "envs" / "pytorch-env").rename(root / "envs" / "train")
    with (root / ".condarc").open("a", encoding="utf-8") as condarc:
        condarc.write(f"channel_alias: file://{tmp_path}/channels\n")
    binaries = tmp_path / "bin"
    for folder in (binaries, root / "envs" / "train" / "bin", home / "planner" / "bin"):
        folder.mkdir(parents=True)
    (root / "envs" / "train" / "bin" / "python").symlink_to(sys.executable)
    planner = binaries / "planner"
    planner.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(TOP / "cli.py"))} "$@"\n')
    planner.chmod(0o755)
    (home / "planner" / "bin" / "planner").symlink_to(planner)
    for folder in (".zfunc", ".config/fish/completions", ".local/share/bash-completion/completions"):
        (home / folder).mkdir(parents=True)
    work = tmp_path / "work"
    work.mkdir()
    (work / "mirror").symlink_to(tmp_path / "channels")
    (work / "environment.yml").write_text(
        "name: new\nchannels: [conda-forge, nodefaults]\ndependencies: [python=3.11]\n", encoding="utf-8"
    )
    (work / "changes.txt").write_text("python=3.11\n--update openssl\n", encoding="utf-8")
    (work / "my-channel").symlink_to(tmp_path / "channels" / "conda-forge")
    for name in list(os.environ):
        if name.startswith(("CONDA", "MAMBA", "PLANNER_LIBMAMBA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("CONDA_PREFIX", str(root))
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(work)
    return root


def run(command):
    """The exit code of one command, and what it said; the planner's own run here, all else in a shell."""
    command = command.replace("/opt/conda", os.environ["CONDA_PREFIX"])
    words = shlex.split(command)
    if words[0] == "planner" and not {"||", "&&", "|", ">"} & set(words):
        done = CliRunner().invoke(cli.main, words[1:])
        return done.exit_code, done.output
    if words[0] == "make":
        made = TOP / ".venv" / ".installed"
        words = [
            "make",
            "-C",
            str(TOP),
            "-o",
            str(made.relative_to(TOP)),
            f"BIN={Path(os.environ['PATH'].split(os.pathsep)[0])}",
            *words[1:],
        ]
        command = shlex.join(words)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(TOP)))
@pytest.mark.usefixtures("installation")
def test_every_command_of_the_page_runs(page):
    for command in commands(page):
        if command not in ELSEWHERE:
            code, said = run(command)
            assert code in ANSWERS, f"{command}: exit {code}\n{said}"


def test_what_runs_elsewhere_is_still_in_the_documentation():
    assert set(ELSEWHERE) <= {command for page in PAGES for command in commands(page)}


def test_the_harness_would_notice(installation):
    assert run("planner what-if nowhere python=3.11")[0] == 2
    assert run("planner what-if base python=3.11 --no-such-option")[0] == 2
    assert run("planner --root /opt/conda what-if base python=3.11")[0] in ANSWERS
    assert str(installation) in run("planner what-if base python=3.11")[1]


@pytest.mark.parametrize("name", sorted(cli.main.commands))
def test_every_example_of_a_commands_help_runs(name, installation):
    assert installation.is_dir()
    run("planner what-if base python=3.11 --save plan.json")
    for snapshot in ("before.json", "here.json", "there.json"):
        run(f"planner snapshot train -o {snapshot}")
    run("planner verify train --format json -o gpu.json")
    group = cli.main.commands[name]
    for command in (group, *getattr(group, "commands", {}).values()):
        _, _, examples = (command.help or "").partition("Example")
        for line in re.findall(r"^\s+(planner .*)$", examples, re.MULTILINE):
            code, said = run(line.replace("train-py311", "train"))
            assert code in ANSWERS, f"{line}: exit {code}\n{said}"


def test_every_link_leads_somewhere():
    broken = [
        f"{page.relative_to(TOP)}: {target}"
        for page in [*PAGES, TOP / "CHANGELOG.md"]
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_how_to_is_linked_from_the_readme():
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    for page in (TOP / "docs" / "howto").glob("*.md"):
        assert f"docs/howto/{page.name}" in readme


def test_the_pages_of_the_rules_are_current():
    spec = importlib.util.spec_from_file_location("rule_pages", TOP / "docs" / "rule_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.name: path.read_text(encoding="utf-8") for path in (TOP / "docs" / "rules").iterdir()}
    assert written == module.pages(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(cli.main.commands))
def test_every_command_is_in_the_readme(name):
    assert f"`planner {name}" in (TOP / "README.md").read_text(encoding="utf-8")
