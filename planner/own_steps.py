"""The steps for what is neither conda's nor pip's: variables, activation scripts, pins, configuration, Jupyter's kernel.

Files are copied from the old environment when the step is carried out and never quoted in the plan: variables hold
secrets. What names the old prefix in its text is copied as it is and named in the title.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.model.plan import Step
from planner.move import count, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.belongings import OwnFile
    from planner.model.plan import Argv
    from planner.move import Move

_ACTIVATION = ("etc/conda/activate.d/", "etc/conda/deactivate.d/")
_COPY = "import os, shutil, sys; os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True); shutil.copy2(*sys.argv[1:])"
# conda's own settings of the installation lie in base, and stay there.
_OF_BASE = frozenset({".condarc", "condarc"})


def own_steps(move: Move) -> Iterator[Step]:
    """The steps in order; those that have nothing to do are not among them."""
    if move.old.env_vars:
        title = f"Set the {count(len(move.old.env_vars), 'variable')} that activating {move.old.name} sets"
        yield from _copies(move, "env-vars", title, ("conda-meta/state",))
    files = [file for file in move.belongings.files if not (move.is_base and file.path in _OF_BASE)]
    scripts = [file for file in files if file.path.startswith(_ACTIVATION)]
    title = f"Copy the {count(len(scripts), 'activation script')} that no package owns{_naming(move, scripts)}"
    yield from _copies(move, "activation", title, [file.path for file in scripts])
    if move.pins:
        broken = len(move.old.pins) - len(move.pins)
        title = f"Keep the {count(len(move.pins), 'pin')} of {move.old.name} that {move.name} meets"
        title += f"; {broken} more it does not, and these are left behind" if broken else ""
        target = join(move.prefix, "conda-meta", "pinned")
        yield Step("pins", "pins", title, _copy(move, "pinned", target), _same(move, "pinned", target))
    others = [file for file in files if not file.path.startswith(_ACTIVATION)]
    title = f"Copy the {count(len(others), 'configuration file')} that no package owns{_naming(move, others)}"
    yield from _copies(move, "config", title, [file.path for file in others])
    offer = kernel(move)
    if offer is not None and move.belongings.kernels:
        yield offer


def kernel(move: Move) -> Step | None:
    """The step that offers the new environment to Jupyter under its own name; None where it has no ipykernel."""
    has_it = move.record("ipykernel") or any(dist.name == "ipykernel" for dist in move.pip.carried)
    if not has_it or not move.record("python"):
        return None
    known = ", ".join(move.belongings.kernels)
    title = f"Offer {move.name} to Jupyter, under a name of its own"
    title += f"; {known} keeps starting {move.old.name}" if known else ""
    # Jupyter knows a kernel by a name of these characters alone.
    name = re.sub(r"[^a-z0-9._-]", "-", move.name.lower())
    options = ("--user", "--name", name, "--display-name", f"Python ({move.name})")
    command = move.python("-m", "ipykernel", "install", *options)
    undo = move.python("-m", "jupyter_client.kernelspecapp", "remove", "-f", name)
    return Step("kernel", "kernel", title, (command,), undo=(undo,))


def _naming(move: Move, files: Iterable[OwnFile]) -> str:
    named = [file.path for file in files if file.names_prefix]
    return f"; look at {', '.join(named)}: the old prefix {move.old.prefix} stands there" if named else ""


def _copies(move: Move, kind: str, title: str, paths: Iterable[str]) -> Iterator[Step]:
    pairs = [
        (join(move.old.prefix, *path.split("/")), join(move.prefix, *path.split("/")))
        for path in paths
        if not move.windows or move.record("python")
    ]
    if pairs:
        commands = tuple(dict.fromkeys(argv for pair in pairs for argv in _copy(move, *pair)))
        yield Step(kind, kind, title, commands, tuple(check for pair in pairs for check in _same(move, *pair)))


def _copy(move: Move, source: str, target: str) -> tuple[Argv, ...]:
    if move.windows:
        return (move.python("-I", "-B", "-c", _COPY, source, target),)
    folder = target.rpartition("/")[0]
    return (("mkdir", "-p", folder), ("cp", "-p", source, target))


def _same(move: Move, source: str, target: str) -> tuple[Argv, ...]:
    if move.windows:
        code = "import filecmp, sys; sys.exit(not filecmp.cmp(*sys.argv[1:], shallow=False))"
        return (move.python("-I", "-B", "-c", code, source, target),)
    return (("cmp", source, target),)
