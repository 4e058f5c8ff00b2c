"""What activation does to LD_LIBRARY_PATH: where it is told at all, it is what a shell really makes of the scripts."""

import json
import shutil
import subprocess

import pytest

from planner.abi.library_path import LibraryPath, library_path
from planner.model.installed import Environment

PLAIN = [
    'thing=CC\neval old="\\$${thing}"\nexport LD_LIBRARY_PATH=/one',  # as compilers' activation has it
    "# source /vendor/env.sh\nexport LD_LIBRARY_PATH=/one",
    "export LD_LIBRARY_PATH=$CONDA_PREFIX/lib/x:$LD_LIBRARY_PATH",
    'export LD_LIBRARY_PATH="${CONDA_PREFIX}/lib/x:${LD_LIBRARY_PATH}"',
    'export LD_LIBRARY_PATH="$CONDA_PREFIX/lib:/usr/local/cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"',
    "export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/opt/x/lib;  # ours last",
    "LD_LIBRARY_PATH='/opt/x:/opt/y'\nexport LD_LIBRARY_PATH",
    "unset LD_LIBRARY_PATH",
    "export LD_LIBRARY_PATH=/opt/x:\\\n/opt/y",
    "# export LD_LIBRARY_PATH=/opt/never",
    'if [ -n "$X" ]; then\n  echo x\nfi\nexport LD_LIBRARY_PATH=/opt/x:$LD_LIBRARY_PATH',
    "f() {\n  echo x\n}\nexport LD_LIBRARY_PATH=/opt/x",
    "export LD_LIBRARY_PATH=",
    "export OTHER=$(echo x)",
]
COMPUTED = [
    ". /vendor/env.sh",
    "source /vendor/env.sh",
    "[ -f /vendor/env.sh ] && . /vendor/env.sh",
    'eval "$(vendor-environment)"',
    "module load vendor",
    "export LD_LIBRARY_PATH=$(dirname $0)/lib",
    "export LD_LIBRARY_PATH=`pwd`/lib",
    "export LD_LIBRARY_PATH=$ROOT/lib:$LD_LIBRARY_PATH",
    'if [ -d /opt/x ]; then\nexport LD_LIBRARY_PATH="/opt/x"\nfi',
    '[ -d /opt/x ] && export LD_LIBRARY_PATH="/opt/x"',
    "if [ -d /opt/x ]; then export LD_LIBRARY_PATH=/opt/x; fi",
    "f() {\nexport LD_LIBRARY_PATH=/opt/x\n}",
    "    export LD_LIBRARY_PATH=/opt/x",
    "export LD_LIBRARY_PATH=~/lib",
    "LD_LIBRARY_PATH+=:/opt/x",
    'export LD_LIBRARY_PATH="/opt/x\\"y"',
    "export LD_LIBRARY_PATH=${LD_LIBRARY_PATH//x/y}",
    "export LD_LIBRARY_PATH=/opt/x LD_PRELOAD=y",
]


def environment(prefix, scripts=(), variables=(), packages=()):
    for number, script in enumerate(scripts):
        path = prefix / "etc" / "conda" / "activate.d" / f"{number}.sh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script + "\n")
    for number, given in enumerate(packages):
        path = prefix / "etc" / "conda" / "env_vars.d" / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given if isinstance(given, str) else json.dumps(given))
    return Environment("work", str(prefix), "linux-64", env_vars=tuple(variables))


def as_bash_has_it(prefix, before):
    scripts = sorted((prefix / "etc" / "conda" / "activate.d").iterdir())
    sourced = "".join(f". {script}\n" for script in scripts)
    given = {"CONDA_PREFIX": str(prefix), "PATH": "/usr/bin:/bin", **({"LD_LIBRARY_PATH": before} if before else {})}
    done = subprocess.run(
        ["bash", "-c", sourced + 'printf %s "$LD_LIBRARY_PATH"'], env=given, capture_output=True, text=True, check=True
    )
    return tuple(dict.fromkeys(folder for folder in done.stdout.split(":") if folder))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to compare with")
@pytest.mark.parametrize("before", ["", "/was/there"])
@pytest.mark.parametrize("script", PLAIN)
def test_what_is_assigned_in_plain_words_is_what_the_shell_makes_of_it(tmp_path, script, before):
    found = library_path(environment(tmp_path, [script], [("LD_LIBRARY_PATH", before)] if before else ()))
    assert found == LibraryPath(as_bash_has_it(tmp_path, before))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to compare with")
def test_scripts_follow_one_another_by_name(tmp_path):
    scripts = ["export LD_LIBRARY_PATH=/one", "export LD_LIBRARY_PATH=/two:$LD_LIBRARY_PATH:/three"]
    found = library_path(environment(tmp_path, scripts))
    assert found == LibraryPath(("/two", "/one", "/three"))
    assert found.folders == as_bash_has_it(tmp_path, "")


@pytest.mark.parametrize("script", COMPUTED)
def test_what_is_computed_is_not_known(tmp_path, script):
    found = library_path(environment(tmp_path, [script], [("LD_LIBRARY_PATH", "/was/there")]))
    assert not found.known
    assert found.folders == ("/was/there",)


def test_variables_of_packages_then_of_the_user(tmp_path):
    packages = [{"LD_LIBRARY_PATH": "$CONDA_PREFIX/lib/x"}, "no json", {"OTHER": 1}, "[]"]
    assert library_path(environment(tmp_path, packages=packages)).folders == (f"{tmp_path}/lib/x",)
    mine = environment(tmp_path, variables=[("LD_LIBRARY_PATH", "/mine:relative")])
    assert library_path(mine) == LibraryPath(("/mine",))


def test_what_cannot_be_read_is_passed_over(tmp_path):
    work = environment(tmp_path, ["export LD_LIBRARY_PATH=/one"])
    (tmp_path / "etc" / "conda" / "activate.d" / "2.sh").mkdir()
    (tmp_path / "etc" / "conda" / "activate.d" / "3.sh").symlink_to("nowhere")
    assert library_path(work) == LibraryPath(("/one",))
