"""The steps of a migration: what is run, how it is checked, how it is taken back.

Commands are argv tuples for conda, mamba or micromamba, and for the interpreters of the two environments. The old
environment is only ever read. The last step is the GPU verification, whatever there is to verify.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from planner import artifacts
from planner.cut_over import cut_over_patches
from planner.flavour import FRAMEWORKS, flavour
from planner.model.plan import Step
from planner.move import count, removal
from planner.own_steps import kernel, own_steps
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord, PipDist
    from planner.model.plan import Argv
    from planner.move import Move

_RETIRE_AFTER = 30  # days; long enough for a monthly job to have run in the new environment
_TORCH_PACKAGES = frozenset({"pytorch", "pytorch-cpu", "pytorch-gpu"})
_OTHER_DISTS = frozenset({"cupy", "jax", "jaxlib", "mxnet", "onnxruntime-gpu", "paddlepaddle-gpu", "tensorflow"})
_NOT_FOR_IMPORT = frozenset(
    {"benchmark", "benchmarks", "doc", "docs", "example", "examples", "scripts", "test", "tests"}
)


def all_steps(move: Move) -> tuple[Step, ...]:
    """The steps in order; those that have nothing to do are not among them."""
    made = (_create(move), *_pip(move), *(() if move.fresh else own_steps(move)), _smoke(move))
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


def _snapshot(move: Move) -> Step:
    title = f"Put the state of {move.old.name} on record, to prove afterwards that it was not touched"
    return Step(
        "snapshot", "snapshot", title, (("planner", "snapshot", move.old.prefix, "--deep", "-o", "before.json"),)
    )


def _create(move: Move) -> Step:
    records = move.solution.records
    missing = sum(artifacts.lock_url(record) is None for record in records)
    unknown = sum(record.size is None for record in records)
    beside = "" if move.fresh else f" beside {move.old.name}"
    title = f"Create {move.name}{beside} from explicit.txt ({count(len(records), 'package')}"
    title += f", of which {missing} with no known URL: add these by hand" if missing else ""
    title += f"; the sizes of {unknown} are not known)" if unknown else ")"
    flags = ("--no-default-packages",) if move.tool.name == "conda" else ()
    command = (move.tool.path, "create", "--yes", *flags, "--prefix", move.prefix, "--file", "explicit.txt")
    listed = (move.tool.path, "list", "--prefix", move.prefix)
    check = move.python("-B", "--version") if move.record("python") else listed
    return Step("create", "create", title, (command,), (check,), (removal(move, move.prefix),))


def _pip(move: Move) -> Iterator[Step]:
    """The pip layer: what pip fetches, then what is tied to folders of sources.

    What a file asks of pip is left to pip to complete, as the tool itself would leave it. Otherwise every distribution that
    was there is named, so pip is told to look for no other: it would put its own torch over conda's where a version does
    not please it.
    """
    if not move.record("python"):
        return
    call = move.python(*_isolated(move), "-m", "pip")
    check, undo = ((*call, "check"),), (removal(move, move.prefix),)
    if move.pip.asked:
        title = f"Let pip install what the file asks of it, from requirements.txt ({count(len(move.pip.asked), 'requirement')}"
        title += (
            f"; {len(move.pip.by_hand)} more left to do by hand, each with its reason there" if move.pip.by_hand else ""
        )
        title += "): what it chooses was not simulated"
        yield Step("pip", "pip", title, ((*call, "install", "--requirement", "requirements.txt"),), check, undo)
        return
    install = (*call, "install", "--no-deps", "--requirement")
    editable = len(move.pip.editable)
    if move.pip.from_files or move.pip.of_torch:
        files: Argv = ("requirements-torch.txt",) if move.pip.of_torch else ()
        files += ("requirements.txt",) if move.pip.from_files else ()
        number = count(len(move.pip.carried) - editable, "distribution")
        built = f", {len(move.pip.rebuilt)} of them with another wheel or built again" if move.pip.rebuilt else ""
        left = f"; {len(move.pip.left)} more not installed by it, each with its reason there" if move.pip.left else ""
        title = f"Install the pip layer of {move.name} from {' and '.join(files)} ({number}{built}{left})"
        yield Step("pip", "pip", title, tuple((*install, name) for name in files), check, undo)
    if editable:
        kept = "" if move.fresh else f", which {move.old.name} keeps using"
        title = f"Tie {move.name} to the sources of {count(editable, 'editable distribution')}{kept}"
        yield Step("pip-editable", "pip", title, ((*install, "requirements-editable.txt"),), check, undo)


def _smoke(move: Move) -> Step | None:
    names = modules(move)
    if not names or not move.record("python"):
        return None
    number = count(len(names), "module")
    title = (
        f"Import in {move.name} what the requested packages and the pip layer bring ({number}), and find their programs"
    )
    before = () if move.fresh else ("--before", move.old.prefix)
    command = move.python(*_isolated(move), "-B", "smoke_test.py", *before, *names)
    return Step("smoke-test", "smoke-test", title, (command,))


def _untouched(move: Move) -> Step:
    title = f"Prove that {move.old.name} is as it was before the move"
    after = ("planner", "snapshot", move.old.prefix, "--deep", "-o", "after.json")
    return Step(
        "prove-untouched", "prove-untouched", title, (after,), (("planner", "compare", "before.json", "after.json"),)
    )


def _verify(move: Move) -> Step:
    """The last step; its title says what there is to verify."""
    torch = next((record for record in move.solution.records if record.name in _TORCH_PACKAGES), None)
    dist = next((dist for dist in move.pip.carried if dist.name == "torch"), None)
    left = any(dist.name == "torch" for dist, _ in move.pip.left)
    names = {record.name for record in move.solution.records} | {dist.name for dist in move.pip.carried}
    names |= set(move.pip.asked)
    others = ", ".join(sorted(names & (FRAMEWORKS | _OTHER_DISTS)))
    title = f"Verify the GPU in {move.name}"
    options: Argv = ()
    if torch is not None or dist is not None or "torch" in names:
        if _stays_cpu(move, torch, dist):
            # There was no GPU to lose, so its absence is no failure of the move.
            title = f"Verify torch in {move.name}: a CPU-only build, as before, so no GPU is accepted"
            options = ("--cpu-ok",)
    elif left:
        title += ": torch must be installed first, requirements.txt says why it does not come along by itself"
        options = ("--require-gpu",)
    elif others:
        title += f": there is no torch in it, and the probe does not verify {others}"
    elif move.pip.asked:
        title += ": nothing asked for by name is a GPU framework, and what else pip brings is not known"
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
    offer = kernel(move)
    if offer is not None and not move.belongings.kernels:
        steps.append(offer)
    if move.fresh:
        return tuple(steps)
    title = f"Point jobs, services and notebooks that use {move.old.prefix} to {move.prefix}"
    title += f"; {move.old.name} keeps working meanwhile"
    patches = [(path, name) for name, path, _ in cut_over(move)]
    title += (
        ". Read the patches before: they hold the lines that were found, and there may be others" if patches else ""
    )
    commands = tuple(("patch", *dry, *pair) for dry in (("--dry-run",), ()) for pair in patches)
    undo = tuple(("patch", "--reverse", *pair) for pair in patches)
    steps.append(Step("cut-over", "cut-over", title, commands, undo=undo))
    if not move.is_base:
        steps += _retirement(move)
    return tuple(steps)


def _retirement(move: Move) -> Iterator[Step]:
    """What still refers to the old environment, then its removal: without a python nothing that starts it would work."""
    old = move.old
    if old.python:
        title = (
            f"See what still refers to {old.name} and runs in it: kernels, scripts, units, jobs, virtual environments"
        )
        before, behind = move.again
        look = ("planner", *before, "what-if", old.prefix, "--remove", "python", *behind, "--no-files", "--exit-zero")
        yield Step("before-retiring", "before-retiring", title, (look,))
    title = f"Retire {old.name} {_RETIRE_AFTER} days after the last user has moved: this cannot be undone"
    gone = () if move.windows else (("test", "!", "-e", old.prefix),)
    yield Step("retire", "retire", title, (removal(move, old.prefix),), gone)


def cut_over(move: Move) -> tuple[tuple[str, str, str], ...]:
    """Name of the artifact, file, and patch, for each file outside that names the old prefix; none on Windows."""
    if move.windows:
        return ()
    found = cut_over_patches(move.belongings.outside, move.old.prefix, move.prefix, is_base=move.is_base)
    return tuple((f"cut-over-{number}.diff", *one) for number, one in enumerate(found, start=1))


def rollback(move: Move) -> Step:
    """The way back from any step."""
    title = f"Remove {move.name}"
    title += "" if move.fresh else f"; {move.old.name} was never changed, so nothing else has to be taken back"
    check = () if move.windows else (("test", "!", "-e", move.prefix),)
    offer = kernel(move) if move.belongings.kernels and not move.fresh else None
    title += f"; the kernel {move.name} goes first, by its own program" if offer else ""
    return Step("rollback", "rollback", title, (*(offer.undo if offer else ()), removal(move, move.prefix)), check)


def modules(move: Move) -> tuple[str, ...]:
    """The modules to import: of requested packages that conda brings again, and of the pip layer, as metadata names them."""
    requested = {spec_name(spec) for spec in move.specs} & {record.name for record in move.solution.records}
    owned = [dist for dist in move.old.dists if dist.owner in requested]
    names = {name for dist in (*owned, *move.pip.carried) for name in dist.top_level}
    return tuple(sorted(name for name in names if _importable(name)))


def _importable(name: str) -> bool:
    public = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return public and name.isascii() and name not in _NOT_FOR_IMPORT


def _isolated(move: Move) -> Argv:
    """Flags that keep PYTHON variables and the user's own site-packages out; python 2 has no single one for both."""
    python = move.record("python")
    return ("-E", "-s") if python and python.version.startswith("2.") else ("-I",)
