"""What refers to an environment, read from real files: exactly what is there, whatever else lies beside it."""

import json
import os
import subprocess
import sys
import time
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from itertools import combinations
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner.config import Config
from planner.load import load_environment
from planner.reach import processes as reach_processes
from planner.reach import services as reach_services
from planner.reach.beside import own_module
from planner.reach.command_line import how_started, what_starts
from planner.reach.commands import activated, read_commands
from planner.reach.notes import Notes, Places, Prefixes
from planner.reach.read import read_surroundings
from planner.reach.scripts import ScriptImports, imports_of, interpreter_of, options_of
from planner.reach.walk import walk
from planner.reference import PLAINLY
from planner.render.view import build_view
from planner.run import what_if
from rules import RULES
from tests import scenario as harness

LEAKY = harness.FOLDER / "isolation" / "every-leak-and-its-twin.toml"


@pytest.fixture
def machine(tmp_path):
    """A home, a system and two prefixes, empty but for their conda-meta."""
    for name in ("home", "system", "conda/conda-meta", "conda/envs/x/conda-meta", "conda/bin", "conda/envs/x/bin"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def read(machine, scan=(), **environ):
    pairs = [("base", str(machine / "conda")), ("x", str(machine / "conda/envs/x"))]
    environments = [load_environment(*pair) for pair in pairs]
    places = Places(environ, str(machine / "home"), str(machine / "system"), tuple(map(str, scan)))
    return read_surroundings(environments, environments[0], places, Config(), lambda _text: None)


def write(path, text="", *, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if mode is not None:
        path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{root}/bin/python3.10 -m x", [("base", "bin/python3.10")]),
        ("PATH={root}/bin:/usr/bin", [("base", "bin")]),
        ("'{root}/envs/x/bin/python',", [("x", "bin/python")]),
        ("cd {root}", [("base", "")]),
        ("~/conda2/bin/python", []),
        ("$HOME/../conda/bin/python", []),
        ("{root}2/bin/python {root}.old/bin/python {root}-x/bin", []),
        ("/mnt{root}/bin/python", []),
        ("{root}/envs/gone/bin/python {root}/pkgs/x/bin/python", []),
    ],
)
def test_a_text_names_a_path_only_when_it_does(machine, text, named):
    pairs = [("base", str(machine / "conda")), ("x", str(machine / "conda/envs/x"))]
    prefixes = Prefixes(pairs, str(machine / "home"))
    names = {prefix: name for name, prefix in pairs}
    found = list(prefixes.mentions(text.replace("{root}", str(machine / "conda"))))
    assert [(names[prefix], path) for prefix, path, *_ in found] == named


@pytest.mark.parametrize(
    ("kind", "name", "text", "surely"),
    [
        ("unit", "a.service", "ExecStart={python} -m x", True),
        ("unit", "a.service", "ExecStart=-@{python} python -m x", True),
        ("unit", "a.service", "ExecStartPre = /bin/sh -c '{python} -m x'", True),
        ("unit", "a.service", "ExecStart=/bin/sh -c '{python} -m x || true'", False),
        ("unit", "a.service", "ConditionPathExists={python}", False),
        ("unit", "a.service", "Description=runs {python}", False),
        ("cron", "a", "0 3 * * * root {python} /srv/a.py", True),
        ("cron", "a", "@daily {python} /srv/a.py", True),
        ("cron", "a", "*/5 0-6 * jan mon nice -n 5 {python} /srv/a.py >> /tmp/log 2>&1", True),
        ("cron", "a", "0 3 * * * cd /srv && A=1 {python} a.py", True),
        ("cron", "a", "0 3 * * * root {python} /srv/a.py || /usr/bin/python3 /srv/a.py", False),
        ("cron", "a", "0 3 * * * root /usr/bin/python3 /srv/a.py || {python} /srv/a.py", False),
        ("cron", "a", "0 3 * * * root [ -x {python} ] && /srv/a", False),
        ("cron", "a", "0 3 * * * root echo {python}", False),
        ("job", "a.sh", "set -e\n{python} a.py", True),
        ("job", "a", "#!/bin/sh\nexec {python} a.py", True),
        ("job", "a.sh", "cat a | {python} -", True),
        ("job", "a.sh", "cat a || {python} -", False),
        ("job", "a.sh", "if [ -x {python} ]; then P=1; fi", False),
        ("job", "a.sh", "if true; then\n  {python} a.py\nfi", False),
        ("job", "a.sh", "if true; then\n  x\nfi\n{python} a.py", True),
        ("job", "a.sh", "run() {\n  {python} a.py\n}\nrun", False),
        ("job", "a.sh", "echo hi # once it was {python}", False),
        ("job", "a.sh", "cat <<EOF\n{python}\nEOF", False),
        ("job", "a.sh", "cat <<EOF\nx\nEOF\n{python} a.py", True),
        ("job", "a.sh", "exit 0\n{python} a.py", False),
        ("job", "a.sh", "PYTHON={python}", False),
        ("job", "a.py", '"""It was\n{python}\n"""', False),
        ("job", "a.yaml", "description: {python}", False),
    ],
)
def test_what_a_line_surely_runs(machine, kind, name, text, surely):
    python = str(machine / "conda/bin/python3")
    write(machine / "conda/bin/python3")
    prefixes = Prefixes([("base", str(machine / "conda"))], str(machine / "home"))
    notes = Notes()
    lines = text.replace("{python}", python).splitlines()
    read_commands(str(machine / name), iter(enumerate(lines, start=1)), kind, prefixes, notes)
    assert [reference.surely for reference in notes.references if reference.path == "bin/python3"] == [surely]


def test_a_prefix_is_known_by_its_other_spelling_too(machine):
    (machine / "opt").symlink_to(machine / "conda")
    prefixes = Prefixes([("base", str(machine / "opt"))])
    assert prefixes.locate(str(machine / "conda/bin/python")) == (str(machine / "opt"), "bin/python")
    assert prefixes.locate(str(machine / "opt/bin/../bin/python")) == (str(machine / "opt"), "bin/python")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("conda activate x", ["x"]),
        ("source /opt/conda/bin/activate x && python a.py", ["x"]),
        (". activate x", ["x"]),
        ("conda run -n x python a.py", ["x"]),
        ("mamba run --no-capture-output --name=x python", ["x"]),
        ("micromamba run -p {root}/envs/x python", ["x"]),
        ("conda activate y", []),
        ("conda deactivate x", []),
        ("echo activate x", []),
    ],
)
def test_environments_that_a_script_activates(machine, line, names):
    pairs = [("base", str(machine / "conda")), ("x", str(machine / "conda/envs/x"))]
    prefixes = Prefixes(pairs)
    known = {prefix: name for name, prefix in pairs}
    assert [known[prefix] for prefix in activated(line.replace("{root}", str(machine / "conda")), prefixes)] == names


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("#!/opt/conda/bin/python\nimport x", "/opt/conda/bin/python"),
        ("#! /opt/conda/bin/python -s", "/opt/conda/bin/python"),
        ("#!/bin/sh\n'''exec' \"/opt/with blanks/bin/python\" \"$0\" \"$@\"\n' '''", "/opt/with blanks/bin/python"),
        ("#!/bin/sh\n'''exec' /opt/long/bin/python \"$0\" \"$@\"\n' '''", "/opt/long/bin/python"),
        ("#!/bin/sh\n'''exec' /opt/long/bin/python -sE \"$0\" \"$@\"\n' '''", "/opt/long/bin/python"),
        ("#!/usr/bin/env python", None),
        ("#!/usr/bin/env -S A=1 /opt/conda/bin/python -I\n", "/opt/conda/bin/python"),
        ("\x7fELF", None),
        ("#!", None),
        ("#!python", None),
    ],
)
def test_the_interpreter_of_a_script(text, interpreter):
    assert interpreter_of(text) == interpreter


def test_only_imports_under_no_condition_count(tmp_path):
    script = write(
        tmp_path / "x",
        'import os, numpy.linalg\nfrom scipy import stats\nfrom . import y\n"""\nimport text\n"""\n'
        "try:\n    import rich\nexcept ImportError:\n    pass\nif x:\n    import pandas\ndef f():\n    import torch\n",
    )
    assert imports_of(str(script)) == ScriptImports(("numpy", "os", "scipy"), ("numpy.linalg",))
    assert imports_of(str(write(tmp_path / "sh", "#!/bin/sh\nexit 1\n"))) == ScriptImports()
    moved = write(tmp_path / "moved", "import sys\nsys.exit('it has moved')\nimport torch\n")
    assert imports_of(str(moved)).modules == ("sys",)
    assert imports_of(str(write(tmp_path / "deep", "(" * 60_000))) == ScriptImports()


def test_what_lies_beside_a_script_is_its_own(tmp_path):
    for name in ("own.py", "package/__init__.py", "folder/data", "any.so", "any.cpython-310-x86_64-linux-gnu.so"):
        write(tmp_path / name)
    bound = [str(write(tmp_path / f"one.cpython-{tag}-x86_64-linux-gnu.so")) for tag in ("310", "39")]
    tool = str(write(tmp_path / "tool", "import own, package, folder, rich, any, one\n"))
    assert imports_of(tool) == ScriptImports(("folder", "rich"), (), tuple(bound))
    assert imports_of(tool, beside=False).modules == ("any", "folder", "one", "own", "package", "rich")


def test_what_this_python_finds_beside_a_script_is_what_is_said_of_it(tmp_path):
    """Every ending that a module may have, asked of the running python's own finder."""
    own, *_ = (suffix for suffix in EXTENSION_SUFFIXES if ".cpython-" in suffix)
    foreign = own.replace(f"-{sys.version_info[0]}{sys.version_info[1]}", "-36")
    endings = [own, foreign, ".abi3.so", ".so", ".py", ".pyc", ".txt", "/__init__.py", "/other.py", ".pyd"]
    for number, (one, two) in enumerate(combinations(["", *endings], 2)):
        for ending in filter(None, (one, two)):
            write(tmp_path / f"m{number}{ending}")
    finder = FileFinder(
        str(tmp_path),
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (SourceFileLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
    for number, pair in enumerate(combinations(["", *endings], 2)):
        spec = finder.find_spec(f"m{number}")
        found = spec is not None and spec.loader is not None  # a folder without a loader is none that is meant
        files = own_module(str(tmp_path), f"m{number}")
        said = files is not None and (not files or any(file.endswith(own) for file in files))
        assert said is found, pair


@pytest.mark.parametrize(
    ("first", "options"),
    [
        ("#!/opt/conda/bin/python -Es", ["-Es"]),
        ("#! /opt/conda/bin/python -I\nimport x", ["-I"]),
        ("#!/bin/sh\n'''exec' /opt/long/bin/python -sE \"$0\" \"$@\"\n' '''", ["-sE"]),
        ("#!/opt/conda/bin/python\n-I", []),
        ("-I", []),
    ],
)
def test_the_options_in_a_script_s_first_line(first, options):
    assert options_of(first) == options


OPTIONS = [
    ("", ""),
    ("-u -B", ""),
    ("-s", "user_site"),
    ("-E", "variables"),
    ("-BEs", "user_site variables"),
    ("-I", "beside user_site variables"),
    ("-P", "beside"),
    ("-sP", "beside user_site"),
    ("-S", "site"),
    ("-X s", ""),
    ("-Xs", ""),
    ("-W error -s", "user_site"),
    ("-Werror -E", "variables"),
    ("-qW error -I", "beside user_site variables"),
    ("--check-hash-based-pycs never -s", "user_site"),
]


@pytest.mark.parametrize(("options", "off"), OPTIONS)
def test_where_a_python_looks_is_what_its_options_say(options, off, tmp_path):
    """Read as python itself reads them: it is asked."""
    started = how_started([*options.split(), "tool", "-I"])
    assert {name for name in started.__struct_fields__ if not getattr(started, name)} == set(off.split())
    if "P" in options and sys.version_info < (3, 11):
        pytest.skip("this python has no -P")
    script = write(tmp_path / "beside/tool", "import os, sys\nprint(*sys.path, sys.flags.no_site, sep='\\n')\n")
    user = tmp_path / f"user/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    user.mkdir(parents=True)
    places = {"beside": script.parent, "variables": tmp_path / "variable"}
    environ = {"PYTHONUSERBASE": str(tmp_path / "user"), "PYTHONPATH": str(places["variables"]), "HOME": str(tmp_path)}
    base = os.path.realpath(sys.executable)  # a virtual environment's python has no user site
    command = [base, *options.split(), script]
    *path, no_site = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )[:-1]
    assert {name: str(place) in path for name, place in places.items()} == {
        "beside": started.beside,
        "variables": started.variables,
    }
    if started.variables:  # without, PYTHONUSERBASE says nothing either
        assert (str(user) in path) is (started.user_site and started.site)
    assert (no_site == "0") is started.site


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("", ("", "")),
        ("/srv/a.py -I", ("", "/srv/a.py")),
        ("-u -W error /srv/a.py", ("", "/srv/a.py")),
        ("-m pip -s", ("pip", "")),
        ("-Im pip", ("pip", "")),
        ("-mpip", ("pip", "")),
        ("-m", ("", "")),
        ("-c x /srv/a.py", ("", "")),
        ("- /srv/a.py", ("", "")),
        ("-W", ("", "")),
    ],
)
def test_what_a_python_is_started_with(line, runs):
    assert what_starts(line.split()) == runs


def test_each_command_of_a_table_is_read_with_its_own_options(machine):
    python, scripts = f"{machine}/conda/bin/python", machine / "srv"
    write(scripts / "own.py")
    write(scripts / "a.py", "import own, rich\n")
    write(scripts / "b.py", "#!/usr/bin/python -I\nimport own, attrs\n")
    lines = [
        f"0 1 * * * u {python} {scripts}/a.py; /usr/bin/python -I x",
        f"0 2 * * * u {python} -I {scripts}/b.py && {python} -EP {scripts}/b.py",
        f"0 3 * * * u {python} {scripts}/b.py > /tmp/log",
        f"0 3 * * * u /usr/bin/env -i {python} {scripts}/b.py",
        f"0 4 * * * u bash -c '{python} -s -m tool.run'",
    ]
    write(machine / "system/etc/crontab", "\n".join(lines))
    found = [(item.line, item.modules, item.started) for item in read(machine).references]
    alone = how_started(["-I"])
    assert found == [
        (1, ("rich",), PLAINLY),
        (2, ("attrs", "own"), alone),
        (2, ("attrs", "own"), how_started(["-EP"])),
        (3, ("attrs",), PLAINLY),
        (5, ("tool",), how_started(["-s"])),
    ]


def test_a_kernel_s_options_are_python_s_own(machine):
    python, kernels = f"{machine}/conda/bin/python", machine / "home/.local/share/jupyter/kernels"
    off = {"PYTHONNOUSERSITE": "1"}
    for name, argv, env in (
        ("plain", ["-m", "ipykernel_launcher"], {}),
        ("isolated", ["-I", "-m", "ipykernel_launcher", "-s"], {}),
        ("off", ["-m", "ipykernel_launcher", "-s"], off),
        ("off-unheeded", ["-Em", "ipykernel_launcher"], off),
    ):
        write(kernels / name / "kernel.json", json.dumps({"argv": [python, *argv], "env": env}))
    found = {Path(item.source).parent.name: item for item in read(machine).references}
    assert {item.modules for item in found.values()} == {("ipykernel_launcher",)}
    assert {name for name, item in found.items() if not item.started.user_site} == {"isolated", "off"}


def test_a_file_that_names_very_much_is_read_to_an_end(machine):
    python = f"{machine}/conda/bin/python"
    write(machine / "system/etc/crontab", "".join(f"0 1 * * * u {python} /srv/{n}.py\n" for n in range(5000)))
    found = read(machine)
    assert len(found.references) == 300
    assert [item.what for item in found.problems] == ["it names environments in more than 300 ways"]


def test_links_in_a_circle_lead_nowhere(machine):
    bin_ = machine / "home/.local/bin"
    bin_.mkdir(parents=True)
    (bin_ / "a").symlink_to("b")
    (bin_ / "b").symlink_to("a")
    (bin_ / "self").symlink_to("self")
    (bin_ / "through").symlink_to("next")
    (bin_ / "next").symlink_to(machine / "conda/bin/python3.10")
    found = read(machine).references
    assert {(Path(item.source).name, item.path, item.broken) for item in found} == {
        ("next", "bin/python3.10", True),
        ("through", "bin/python3.10", True),
    }


def test_a_virtual_environment_of_a_system_python_refers_to_none(machine):
    write(machine / "system/srv/a/pyvenv.cfg", "home = /usr/bin\nversion = 3.10.1\n")
    write(machine / "system/srv/b/pyvenv.cfg", f"home = {machine}/conda/bin\nversion = 3.10.1\n")
    write(machine / "system/srv/c/pyvenv.cfg", "\0" * 100)
    write(machine / "system/srv/d/pyvenv.cfg", "nothing")
    (found,) = read(machine).references
    assert (found.source, found.prefix, found.path, found.python, found.broken) == (
        str(machine / "system/srv/b"),
        str(machine / "conda"),
        "bin",
        "3.10",
        True,
    )


def test_a_real_virtual_environment_is_read_as_what_it_is(machine):
    """`python -m venv` itself makes it, from a link that stands for base's python."""
    python = machine / "conda/bin/python3"
    python.symlink_to(os.path.realpath(sys.executable))
    for copied in ("--symlinks", "--copies"):
        subprocess.run([python, "-m", "venv", "--without-pip", copied, machine / "system/srv" / copied[2:]], check=True)
    found = {Path(item.source).name: item for item in read(machine).references if item.kind == "virtualenv"}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if "symlinks" not in found:
        pytest.skip("this python makes virtual environments from where its link leads")
    assert (found["symlinks"].interpreter, found["symlinks"].python) == ("bin/python3", version)
    assert (found["copies"].interpreter, found["copies"].python) == ("", version)


def test_variables_are_found_where_they_are_set(machine):
    conda = machine / "conda"
    write(conda / "conda-meta/state", json.dumps({"env_vars": {"PYTHONHOME": str(conda), "OTHER": "x"}}))
    write(conda / "envs/x/etc/conda/activate.d/a.sh", 'export LD_LIBRARY_PATH="$CONDA_PREFIX/lib:/usr/lib"\n')
    write(machine / "home/.bashrc", "# export PYTHONPATH=/no\nexport PYTHONPATH=~/src:$PYTHONPATH; echo\n")
    write(machine / "home/.cshrc", "setenv PYTHONPATH /srv/lib\n")
    write(machine / "system/etc/environment", "LD_PRELOAD=/usr/lib/libjemalloc.so.2\n")
    found = read(machine, PYTHONPATH="/from/environ").settings
    assert [(item.variable, item.entry, item.scope, item.line) for item in found] == [
        ("PYTHONHOME", str(conda), "environment", 0),
        ("LD_LIBRARY_PATH", str(conda / "envs/x/lib"), "environment", 1),
        ("LD_LIBRARY_PATH", "/usr/lib", "environment", 1),
        ("PYTHONPATH", str(machine / "home/src"), "shell", 2),
        ("PYTHONPATH", "/srv/lib", "shell", 1),
        ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2", "shell", 1),
        ("PYTHONPATH", "/from/environ", "process", 0),
    ]
    assert found[1].prefix == str(conda / "envs/x")
    assert found[1].applies_to == str(conda / "envs/x")


def test_processes_that_run_from_an_environment(machine):
    program = machine / "conda/envs/x/bin/sleeper"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    prefixes = Prefixes([("base", str(machine / "conda")), ("x", str(machine / "conda/envs/x"))])
    with subprocess.Popen([program, "60"]) as running:
        try:
            found = reach_processes.processes(prefixes)
        finally:
            running.kill()
    assert [(item.pid, item.prefix, item.path) for item in found] == [
        (running.pid, str(machine / "conda/envs/x"), str(program))
    ]


def test_a_walk_ends_however_much_there_is(tmp_path):
    for number in range(300):
        write(tmp_path / f"d{number:03}" / "file")
    (tmp_path / "d000/loop").symlink_to(tmp_path)
    notes = Notes()
    folders = [folder for folder, _ in walk(str(tmp_path), notes, depth=9, most=350)]
    assert 2 <= len(folders) < 60
    assert [problem.what for problem in notes.problems] == ["it holds more than 350 files"]
    whole = Notes()
    assert len(list(walk(str(tmp_path), whole, depth=9, most=10_000))) == 301
    assert not whole.problems


def hostile(here):
    """Everything that a tree can hold to annoy a reader."""
    evil = "\x1b[31mred\nExecStart={here}/root/bin/python3.10\n"
    kernels = here / "home/.local/share/jupyter/kernels"
    for name in ("fifo", "folder", "cut", "list", "deep", f"name{evil.replace('/', '-')[:60]}"):
        (kernels / name).mkdir(parents=True)
    os.mkfifo(kernels / "fifo/kernel.json")
    (kernels / "folder/kernel.json").mkdir()
    write(kernels / "cut/kernel.json", '{"argv": ["')
    write(kernels / "list/kernel.json", "[]")
    write(kernels / "deep/kernel.json", "[" * 100_000)
    (kernels / "loop").symlink_to("loop")
    bin_ = here / "home/.local/bin"
    marker = here / "executed"
    write(
        bin_ / "evil\x1b[2J\nname", f"#!{here}/root/bin/python3.10\nimport os\nopen({str(marker)!r}, 'w')\n", mode=0o755
    )
    write(here / "root/bin/python", f"#!/bin/sh\ntouch {marker}\n", mode=0o755)
    write(
        here / "root/etc/conda/activate.d/run.sh", f"touch {marker}\nexport PYTHONPATH=$(touch {marker})\n", mode=0o755
    )
    write(here / "root/envs/clean/lib/python3.10/site-packages/a.pth", f"import os; open({str(marker)!r}, 'w')\n")
    os.mkfifo(bin_ / "pipe")
    os.mkfifo(here / "root/etc/conda/activate.d/pipe.sh")
    os.mkfifo(here / "root/envs/clean/lib/python3.10/site-packages/pipe.pth")
    for folder in ("system/srv", "jobs", "home"):
        (here / folder / "up").symlink_to("..")
        (here / folder / "a" / "b").mkdir(parents=True)
        (here / folder / "a" / "b" / "top").symlink_to(here)
    os.mkfifo(here / "system/srv/a/pyvenv.cfg")
    os.mkfifo(here / "jobs/pipe.sh")
    (here / "jobs/binary.sh").write_bytes(os.urandom(5000))
    write(here / "jobs/huge.sh", "x" * 2_000_000)
    write(here / "system/etc/cron.d/long", f"{'x' * 500_000} {here}/root/bin/python3.10\n")
    return marker


def test_a_hostile_tree_neither_hangs_nor_crashes_nor_runs(tmp_path, state_of):
    case = replace_around(harness.load(LEAKY))
    question = harness.write(case, tmp_path)
    marker = hostile(tmp_path)
    before = state_of(tmp_path / "root", tmp_path / "home", tmp_path / "jobs", tmp_path / "system")
    started = time.monotonic()
    plan = what_if(question, RULES)
    assert time.monotonic() - started < 30
    assert not marker.exists()
    assert state_of(tmp_path / "root", tmp_path / "home", tmp_path / "jobs", tmp_path / "system") == before
    wanted = {found.subject for found in case.expected.findings if found.rule.startswith("ENV")}
    assert wanted <= {harness._short(found.subject, plan) for found in plan.findings}
    assert any("evil" in found.subject for found in plan.findings)
    told = "\n".join(plan.environments[0].evidence)
    assert "kernels/fifo/kernel.json: it is a named pipe, not a file" in told
    from planner.render import markdown, terminal

    view = build_view(plan)
    for text in (terminal.render(view, width=100, colour=False), markdown.render(view)):
        assert "\x1b" not in text
    assert plan.verdict.value == "unsafe"


def replace_around(case):
    import msgspec

    return msgspec.structs.replace(case, around=msgspec.structs.replace(case.around, running=()))


def test_what_may_not_be_looked_into_is_named_and_stops_nothing(open_tmp, unprivileged):
    for name in ("home/.local/bin", "system/srv/secret", "conda/conda-meta", "conda/bin", "conda/envs/x/conda-meta"):
        (open_tmp / name).mkdir(parents=True)
    write(open_tmp / "home/.local/bin/tool", f"#!{open_tmp}/conda/bin/python3.10\n")
    for folder in open_tmp.rglob("*"):
        folder.chmod(0o755)
    with unprivileged(open_tmp / "system/srv/secret"):
        found = read(open_tmp)
    assert [Path(item.source).name for item in found.references] == ["tool"]
    assert [problem.path for problem in found.problems] == [str(open_tmp / "system/srv/secret")]


def test_a_million_files_are_looked_at_for_a_bounded_time(machine, monkeypatch):
    monkeypatch.setattr(reach_services, "_MOST", 200)
    for number in range(20):
        folder = machine / "jobs" / f"d{number}"
        folder.mkdir(parents=True)
        for index in range(30):
            write(folder / f"{index}.sh", "true\n")
    found = read(machine, scan=[machine / "jobs"])
    assert any("it holds more than 200 files" in problem.what for problem in found.problems)


def test_what_lies_in_a_scanned_folder_is_read_as_what_it_is_and_once(machine):
    python = f"{machine}/conda/bin/python3.10"
    write(machine / "home/.config/systemd/user/app.service", f"[Service]\nExecStart={python} -m x\n")
    write(machine / "home/.local/bin/tool", f"#!{python}\n")
    write(machine / "home/jobs/run.sh", f"{python} -m x\n")
    found = read(machine, scan=[machine / "home"]).references
    assert sorted((item.kind, Path(item.source).name) for item in found) == [
        ("job", "run.sh"),
        ("shebang", "tool"),
        ("unit", "app.service"),
    ]


def test_surroundings_are_the_same_each_time(machine):
    write(machine / "home/.local/bin/a", f"#!{machine}/conda/bin/python\n")
    write(machine / "home/.local/bin/b", f"#!{machine}/conda/bin/python\n")
    first, second = read(machine), read(machine)
    off = {"disk": first.disk, "processes": (), "shared": first.shared}
    assert replace(first, **off) == replace(second, **off)
    assert [Path(item.source).name for item in first.references] == ["a", "b"]
