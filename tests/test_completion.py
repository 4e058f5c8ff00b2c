"""Shell completion: the scripts of the shells, and what they are given to complete with."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import cli


def complete(*words):
    return [
        item.value
        for item in BashComplete(cli.main, {}, "planner", "_PLANNER_COMPLETE").get_completions(
            list(words[:-1]), words[-1]
        )
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell(shell, tmp_path):
    done = CliRunner().invoke(cli.main, ["completion", shell])
    assert done.exit_code == 0
    assert "_PLANNER_COMPLETE" in done.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here to read the script")
    script = tmp_path / "script"
    script.write_text(done.stdout)
    subprocess.run([shell, "-n", str(script)], check=True)


def test_an_unknown_shell_is_a_usage_error():
    done = CliRunner().invoke(cli.main, ["completion", "cmd"])
    assert done.exit_code == 2
    assert "bash" in done.stderr


def test_commands_options_and_rules():
    assert "what-if" in complete("wh")
    assert "junit" in complete("show", "x.json", "--format", "j")
    assert complete("rules", "explain", "pip001") == ["PIP001"]


def test_environments_of_the_installation(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for prefix in (tmp_path / "conda", tmp_path / "conda" / "envs" / "train"):
        (prefix / "conda-meta").mkdir(parents=True)
        (prefix / "conda-meta" / "history").write_text("")
    assert complete("--root", str(tmp_path / "conda"), "what-if", "") == ["base", "train"]
    assert complete("--root", str(tmp_path / "conda"), "why", "t") == ["train"]
    assert complete("--root", str(tmp_path / "nothing"), "why", "t") == []
