"""Real packages moved by `planner apply` on a machine without conda: rattler links, pip fills, the kernel starts.

The installations are the truth lab's: CPython itself, compiled wheels and a library of the lab's own as conda packages.
What pip adds is compiled for one python, or built from source against the prefix, or tied to a folder of sources.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.seal import differences, seal
from tests.truth import catalogue, installations, libraries, prefixes, store, wheels
from tests.truth.installations import Environment, Installation, Source

TOP = Path(__file__).parent.parent
# One worker runs them all: they share one installation.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("apply-lab"),
    pytest.mark.skipif(sys.platform != "linux", reason="the lab's packages are for Linux"),
]
KERNEL = tuple(release.requirement for release in catalogue.FOR_KERNELS)
OLD, NEW = catalogue.PAIR
# What a user of the new kernel would do first: start it and let it compute.
ASK = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name={name!r})
client.execute_interactive('import sys, yaml._yaml; print(sys.prefix)', timeout=60)
manager.shutdown_kernel(now=True)
"""


class Place:
    """An installation of the lab with a kernel of `pytorch-env`, and the command line for it."""

    def __init__(self, installation, materials, top):
        self.place = installations.place(installation, materials, top, lambda _text: None)
        self.materials, self.top, self.plan = materials, top, top / "plan.json"
        self.root, self.old = self.place.root, self.place.prefix("pytorch-env")
        clean = prefixes.clean_environment(self.place.home)
        self.environ = clean | {
            "PATH": f"{top / 'bin'}:{clean['PATH']}",
            "XDG_CACHE_HOME": str(top / "cache"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(materials.wheel_folder),
        }

    def pip(self, *arguments):
        prefixes.pip(self.old / "bin" / "python", self.place.home, self.materials, *arguments)

    @property
    def git(self):
        author = ("-c", "user.name=lab", "-c", "user.email=lab@example.org")
        return ["git", "-C", str(self.place.home / "src" / "fromgit"), *author]

    def offer_kernel(self):
        command = [self.old / "bin" / "python", "-m", "ipykernel", "install", "--user", "--name", "trainer"]
        prefixes.run([str(word) for word in command], self.place.home)

    @property
    def kernels(self):
        folder = self.place.home / ".local" / "share" / "jupyter" / "kernels"
        return sorted(path.name for path in folder.iterdir())

    def planner(self, *arguments):
        command = [sys.executable, "-c", "import cli; cli.main()", *(str(argument) for argument in arguments)]
        return self.run(command, PYTHONPATH=str(TOP))

    def run(self, command, *, cwd=None, **more):
        environ = {**self.environ, **more}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=cwd or self.top)

    def what_if(self, *specs):
        """Make the plan; the new prefix."""
        options = ("--override-channels", "-c", self.materials.lab, "--save", self.plan, "--exit-zero")
        done = self.planner("--root", self.root, "what-if", "pytorch-env", *specs, *options)
        assert done.returncode == 0, done.stderr
        return Path(json.loads(self.plan.read_text())["migration"]["prefix"])

    def said(self, prefix, code):
        done = self.run([prefix / "bin" / "python", "-B", "-c", code])
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def program(self, path, command):
        """While inside, a program that calls another lies there; `bin` of this place is on PATH."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)
        yield
        path.unlink()

    def by_hand(self, steps=r"### Step 1.*(?=### After sign-off)"):
        """Copy the commands of the report's steps into a shell and run them there, in the folder of their files."""
        folder = self.top / "by-hand"
        shutil.rmtree(folder, ignore_errors=True)
        report = self.planner("show", self.plan, "--files", folder, "--format", "markdown").stdout
        (wanted,) = re.findall(steps, report, re.DOTALL)
        blocks = re.findall(r"^(?:Run|Check):\n\n```\n(.*?)^```$", wanted, re.DOTALL | re.MULTILINE)
        script = "set -eu\n" + "".join(blocks)
        planner = f"env PYTHONPATH={TOP} {sys.executable} -c 'import cli; cli.main()'"
        with self.program(self.top / "bin" / "planner", planner):
            done = self.run(["bash", "-c", script], cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def take_back_by_hand(self, new):
        self.by_hand(steps=r"### Rollback 1.*")
        assert not new.exists()
        assert self.kernels == ["trainer"]

    def snapshot(self, name, prefix):
        path = self.top / name
        done = self.planner("snapshot", prefix, "--deep", "-o", path)
        assert done.returncode == 0, done.stderr
        return path

    def codes(self, prefix):
        """The exit codes of the verification: with no option, with --require-gpu, with --cpu-ok."""
        return [
            self.planner("verify", prefix, *option).returncode for option in ((), ("--require-gpu",), ("--cpu-ok",))
        ]


@pytest.fixture(scope="module")
def materials():
    if libraries.compiler() is None or not shutil.which("git"):
        pytest.skip("no C compiler, or no git")
    cache = store.cache_folder()
    try:
        found = store.materials(cache, small=True, say=lambda _text: None)
    except SystemExit as error:
        pytest.skip(str(error))
    if not {OLD, NEW} <= set(found.pythons):
        pytest.skip(f"the lab has no pythons {OLD} and {NEW}")
    with store.locked(cache, "materials"):
        _, missing = wheels.fetch(catalogue.FOR_KERNELS, catalogue.PAIR, found.wheel_folder)
    if missing:
        pytest.skip(f"the lab lacks {', '.join(missing)}")
    return found


@pytest.fixture(scope="module")
def place(materials, tmp_path_factory):
    """Compiled distributions, a build from source, an editable install and a kernel, of one python."""
    built, tied = Source("pipzip", "labzip_open", "labzip"), Source("tied", "labzip_open", "labzip", how="editable")
    conda = (f"python={OLD}", "pip", "setuptools", "wheel", "markupsafe=2.1", "jinja2", "labzip=1.5")
    installation = Installation(
        "move",
        (Environment("base", (f"python={OLD}", "pip")), Environment("pytorch-env", conda, sources=(built, tied))),
    )
    place = Place(installation, materials, tmp_path_factory.mktemp("move"))
    place.pip(*KERNEL, "pyyaml==6.0.1", "toolz==0.12.1")
    place.pip(f"git+{repository(place.place.home / 'src' / 'fromgit', place).as_uri()}")
    place.offer_kernel()
    return place


def repository(folder, place):
    """A project in a repository whose newest commit is not the one that pip will have built."""
    folder.mkdir(parents=True)
    (folder / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='fromgit', version='1', py_modules=['fromgit'])\n"
    )
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        (folder / "fromgit.py").write_text("X = 1\n")
        prefixes.run([*place.git, *words], place.place.home)
    return folder


def test_a_move_to_another_python(place):
    before, root = place.snapshot("before.json", place.old), seal(str(place.root))
    (place.place.home / "src" / "fromgit" / "fromgit.py").write_text("X = 2\n")
    prefixes.run([*place.git, "commit", "-qam", "second"], place.place.home)
    new = place.what_if(f"python={NEW}")
    done = place.planner("apply", place.plan, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(34 distributions, 4 of them with another wheel or built again)" in done.stdout
    assert place.said(new, "import pipzip, tied, yaml._yaml, psutil; print(pipzip.answer(), tied.answer())").strip()
    assert place.said(new, "import fromgit; print(fromgit.X)") == "1\n"
    assert place.said(new, "import tied; print(tied.__file__)").startswith(str(place.place.home / "src"))
    assert place.kernels == ["pytorch-env-py311", "trainer"]
    for name, prefix in (("pytorch-env-py311", new), ("trainer", place.old)):
        assert place.said(new, ASK.format(name=name)).strip() == str(prefix)
    assert place.codes(new) == [0, 20, 0]
    assert place.planner("compare", before, place.snapshot("after.json", place.old)).returncode == 0
    place.snapshot("applied.json", new)
    assert place.planner("apply", place.plan, "--undo", "--yes").returncode == 0
    assert place.kernels == ["trainer"]
    assert differences(root, seal(str(place.root))) == ()


def as_applied(place, new):
    """What `planner apply` makes with rattler, on record."""
    path = place.top / "applied.json"
    if not path.exists():
        assert place.planner("apply", place.plan, "--yes", "--embedded").returncode == 0
        place.snapshot(path.name, new)
        assert place.planner("apply", place.plan, "--undo", "--yes").returncode == 0
    return path


def made_alike(place, new, applied):
    """Compare what was made by hand with what `planner apply` made at the same place.

    Each tool tells in its own words what it did (`conda-meta`) and how a program of a `noarch` package is called; bytecode
    holds the time of its source.
    """
    done = place.planner("compare", applied, place.snapshot("by-hand.json", new), "--format", "json")
    found = [(item["part"], item["subject"]) for item in json.loads(done.stdout)["differences"]]
    own = {("setting", "asked for"), *(("file", f"bin/{name}") for name in ("pip", "pip3", "wheel"))}
    rest = [subject for subject in found if subject not in own and "/__pycache__/" not in subject[1]]
    assert [subject for subject in rest if not subject[1].startswith("conda-meta/")] == []
    assert place.codes(new) == [0, 20, 0]


def carried_out_by(tool, place, new):
    """`planner apply` with the plan's own tool, and all of it taken back."""
    done = place.planner("apply", place.plan, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tool} made {new} of 8 packages" in done.stdout
    assert place.planner("apply", place.plan, "--undo", "--yes").returncode == 0
    assert not new.exists()


@pytest.mark.skipif("PLANNER_MAMBA" not in os.environ, reason="PLANNER_MAMBA names no mamba or micromamba")
def test_the_same_with_micromamba_by_hand_and_by_apply(place):
    """mamba 2 is built from micromamba's source, and is called as the plan calls micromamba."""
    new = place.what_if(f"python={NEW}")
    applied = as_applied(place, new)
    with place.program(
        place.top / "bin" / "micromamba",
        f"env MAMBA_ROOT_PREFIX={place.top}/mamba {os.environ['PLANNER_MAMBA']}",
    ):
        place.by_hand()
        made_alike(place, new, applied)
        place.take_back_by_hand(new)
        carried_out_by(place.top / "bin" / "micromamba", place, new)


@pytest.mark.skipif("PLANNER_CONDA" not in os.environ, reason="PLANNER_CONDA names no conda")
def test_the_same_with_conda_by_hand_and_by_apply(place):
    """conda itself, put into a base whose records say that it has it."""
    conda = os.environ["PLANNER_CONDA"]
    version = place.run([conda, "--version"]).stdout.split()[1]
    record = place.root / "conda-meta" / f"conda-{version}-0.json"
    fields = {"name": "conda", "version": version, "build": "0", "build_number": 0, "channel": "lab", "depends": []}
    record.write_text(
        json.dumps(fields | {"files": [], "subdir": "linux-64", "url": f"file:///lab/linux-64/{record.stem}.conda"})
    )
    place.environ["CONDA_PKGS_DIRS"] = str(place.top / "pkgs")
    try:
        new = place.what_if(f"python={NEW}")
        applied = as_applied(place, new)
        with place.program(place.root / "bin" / "conda", conda):
            place.by_hand()
            made_alike(place, new, applied)
            place.take_back_by_hand(new)
            carried_out_by(place.root / "bin" / "conda", place, new)
    finally:
        record.unlink()
