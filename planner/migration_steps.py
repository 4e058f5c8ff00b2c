"""The steps of a migration: what is run, how it is checked, how it is taken back.

Commands are argv tuples for conda, mamba or micromamba, and for the interpreters of the two environments. The old
environment is only ever read. The last step is the GPU verification, whatever there is to verify.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner import artifacts
from planner.flavour import FRAMEWORKS, flavour
from planner.model import Step
from planner.versions import spec_name

if TYPE_CHECKING:
    from planner.model import Argv, Environment, PackageRecord, PipDist, Solution
    from planner.pip_layer import PipLayer

_RETIRE_AFTER = 30  # days; long enough for a monthly job to have run in the new environment
_TORCH_PACKAGES = frozenset({"pytorch", "pytorch-cpu", "pytorch-gpu"})
_OTHER_DISTS = frozenset({"cupy", "jax", "jaxlib", "mxnet", "onnxruntime-gpu", "paddlepaddle-gpu", "tensorflow"})
_NOT_FOR_IMPORT = frozenset(
    {"benchmark", "benchmarks", "doc", "docs", "example", "examples", "scripts", "test", "tests"}
)


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that makes environments here: its name, how it is called, and which hash its locks may hold."""

    name: str
    path: str
    sha256: bool


@dataclass(frozen=True, slots=True)
class Move:
    """All that the steps are written from.

    `specs` is what the new environment was asked to have, `solution` what it gets. `root_python` is None where base
    has no python. `fresh` says that there is no old environment: `old` is the new one, before it is made.
    """

    old: Environment
    is_base: bool
    name: str
    prefix: str
    subdir: str
    specs: tuple[str, ...]
    solution: Solution
    pip: PipLayer
    root: str
    root_python: str | None
    tool: Tool
    fresh: bool = False

    @property
    def windows(self) -> bool:
        """Whether the new environment is laid out as on Windows."""
        return self.subdir.startswith("win-")

    def record(self, name: str) -> PackageRecord | None:
        """The record of that name in the new environment."""
        return next((record for record in self.solution.records if record.name == name), None)

    def python(self, *arguments: str) -> Argv:
        """A command of the new environment's python."""
        return (in_prefix(self.prefix, "python", windows=self.windows), *arguments)


def all_steps(move: Move) -> tuple[Step, ...]:
    """The steps in order; those that have nothing to do are not among them."""
    made = (_create(move), _pip(move), _smoke(move))
    steps = (_preflight(move), *made) if move.fresh else (_preflight(move), _snapshot(move), *made, _untouched(move))
    return (*(step for step in steps if step is not None), _verify(move))


def _preflight(move: Move) -> Step | None:
    title = f"Check that nothing is at {move.prefix}, and see how much room there is"
    if not move.windows:
        check = (("test", "!", "-e", move.prefix), ("test", "!", "-L", move.prefix))
        return Step("preflight", "preflight", title, (("df", "-P", "-k", move.root),), check)
    if move.root_python is None:
        return None
    room = "import shutil, sys; print(shutil.disk_usage(sys.argv[1]).free, 'bytes free')"
    free = "import os, sys; sys.exit(os.path.lexists(sys.argv[1]))"
    call = (move.root_python, "-I", "-B", "-c")
    return Step("preflight", "preflight", title, ((*call, room, move.root),), ((*call, free, move.prefix),))


def _listing(move: Move) -> Argv:
    return (move.tool.path, "list", "--explicit", "--md5", "--prefix", move.old.prefix)


def _snapshot(move: Move) -> Step:
    title = f"Print the packages of {move.old.name} and keep the output: the record of what was there before"
    return Step("snapshot", "snapshot", title, (_listing(move),))


def _create(move: Move) -> Step:
    records = move.solution.records
    missing = sum(artifacts.lock_url(record) is None for record in records)
    unknown = sum(record.size is None for record in records)
    beside = "" if move.fresh else f" beside {move.old.name}"
    title = f"Create {move.name}{beside} from explicit.txt ({_count(len(records), 'package')}"
    title += f", of which {missing} with no known URL: add these by hand" if missing else ""
    title += f"; the sizes of {unknown} are not known)" if unknown else ")"
    flags = ("--no-default-packages",) if move.tool.name == "conda" else ()
    command = (move.tool.path, "create", "--yes", *flags, "--prefix", move.prefix, "--file", "explicit.txt")
    listed = (move.tool.path, "list", "--prefix", move.prefix)
    check = move.python("-B", "--version") if move.record("python") else listed
    return Step("create", "create", title, (command,), (check,), (_removal(move, move.prefix),))


def _pip(move: Move) -> Step | None:
    if not move.pip.lines or not move.record("python"):
        return None
    number = _count(len(move.pip.carried), "distribution")
    left = f"; {len(move.pip.left)} more not installed by it, each with its reason there" if move.pip.left else ""
    title = f"Install the pip layer of {move.name} from requirements.txt ({number}{left})"
    call = move.python(*_isolated(move), "-m", "pip")
    command = (*call, "install", "--requirement", "requirements.txt")
    return Step("pip", "pip", title, (command,), ((*call, "check"),), (_removal(move, move.prefix),))


def _smoke(move: Move) -> Step | None:
    names = modules(move)
    if not names or not move.record("python"):
        return None
    number = _count(len(names), "module")
    title = f"Import in {move.name} what the requested packages and the pip layer bring ({number})"
    return Step("smoke-test", "smoke-test", title, (move.python(*_isolated(move), "-B", "smoke_test.py", *names),))


def _untouched(move: Move) -> Step:
    title = f"Print the packages of {move.old.name} again: the output must be the same as before the move"
    return Step("prove-untouched", "prove-untouched", title, (_listing(move),))


def _verify(move: Move) -> Step:
    """The last step; its title says what there is to verify."""
    torch = next((record for record in move.solution.records if record.name in _TORCH_PACKAGES), None)
    dist = next((dist for dist in move.pip.carried if dist.name == "torch"), None)
    left = any(dist.name == "torch" for dist, _ in move.pip.left)
    names = {record.name for record in move.solution.records} | {dist.name for dist in move.pip.carried}
    others = ", ".join(sorted(names & (FRAMEWORKS | _OTHER_DISTS)))
    title = f"Verify the GPU in {move.name}"
    options: Argv = ()
    if torch is not None or dist is not None:
        if _stays_cpu(move, torch, dist):
            # There was no GPU to lose, so its absence is no failure of the move.
            title = f"Verify torch in {move.name}: a CPU-only build, as before, so no GPU is accepted"
            options = ("--cpu-ok",)
    elif left:
        title += ": torch must be installed first, requirements.txt says why it does not come along by itself"
        options = ("--require-gpu",)
    elif others:
        title += f": there is no torch in it, and the probe does not verify {others}"
    else:
        title += ": no GPU framework is in it, so this records that there is nothing to verify"
    return Step("verify-gpu", "verify-gpu", title, (("planner", "verify", move.prefix, *options),))


def _stays_cpu(move: Move, torch: PackageRecord | None, dist: PipDist | None) -> bool:
    """Whether torch is a CPU-only build now and will be one."""
    if torch is not None:
        before = move.old.record(torch.name)
        return before is not None and flavour(before) == "cpu" and flavour(torch) == "cpu"
    return dist is not None and dist.version.endswith("+cpu")


def follow_up(move: Move) -> tuple[Step, ...]:
    """What comes only after the new environment has been signed off."""
    steps = []
    kernel = move.record("ipykernel") or any(dist.name == "ipykernel" for dist in move.pip.carried)
    if kernel and move.record("python"):
        shown = f"Python ({move.name})"
        command = move.python("-m", "ipykernel", "install", "--user", "--name", move.name, "--display-name", shown)
        steps.append(Step("kernel", "kernel", f"Offer {move.name} to Jupyter, under a name of its own", (command,)))
    if move.fresh:
        return tuple(steps)
    title = f"Point jobs, services and notebooks that use {move.old.prefix} to {move.prefix}"
    steps.append(Step("cut-over", "cut-over", f"{title}; {move.old.name} keeps working meanwhile"))
    if not move.is_base:
        title = f"Retire {move.old.name} {_RETIRE_AFTER} days after the last user has moved: this cannot be undone"
        steps.append(Step("retire", "retire", title, (_removal(move, move.old.prefix),)))
    return tuple(steps)


def rollback(move: Move) -> Step:
    """The way back from any step."""
    title = f"Remove {move.name}"
    title += "" if move.fresh else f"; {move.old.name} was never changed, so nothing else has to be taken back"
    check = () if move.windows else (("test", "!", "-e", move.prefix),)
    return Step("rollback", "rollback", title, (_removal(move, move.prefix),), check)


def modules(move: Move) -> tuple[str, ...]:
    """The modules to import: of requested packages that conda brings again, and of the pip layer, as metadata names them."""
    requested = {spec_name(spec) for spec in move.specs} & {record.name for record in move.solution.records}
    owned = [dist for dist in move.old.dists if dist.owner in requested]
    names = {name for dist in (*owned, *move.pip.carried) for name in dist.top_level}
    return tuple(sorted(name for name in names if _importable(name)))


def _importable(name: str) -> bool:
    public = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return public and name.isascii() and name not in _NOT_FOR_IMPORT


def _removal(move: Move, prefix: str) -> Argv:
    return (move.tool.path, "env", "remove", "--yes", "--prefix", prefix)


def _isolated(move: Move) -> Argv:
    """Flags that keep PYTHON variables and the user's own site-packages out; python 2 has no single one for both."""
    python = move.record("python")
    return ("-E", "-s") if python and python.version.startswith("2.") else ("-I",)


def in_prefix(prefix: str, program: str, *, windows: bool) -> str:
    """Where an environment has a program."""
    if not windows:
        return join(prefix, "bin", program)
    return join(prefix, "python.exe") if program == "python" else join(prefix, "Scripts", f"{program}.exe")


def join(root: str, *parts: str) -> str:
    """A path below `root`, whose own form tells the separator: plans are also made for other machines."""
    separator = "\\" if "\\" in root or re.match(r"^[A-Za-z]:", root) else "/"
    return separator.join((root.rstrip("\\/"), *parts))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
