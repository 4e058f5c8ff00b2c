"""Jupyter's kernelspecs: which python a kernel starts, with which module, and the variables it sets for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from planner.reach.activation import of_value
from planner.reach.command_line import is_python
from planner.reach.scripts import command, named_program
from planner.reach.settings import of_variable
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes

_OFF = "PYTHONNOUSERSITE"
_NOT_KNOWN = "which python this kernel starts is not known"


def kernels(environments: Sequence[tuple[str, str]], prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Those of the user, of the system, and of every environment, that start an environment's program."""
    for folder, holder in _folders(environments, places):
        for entry in notes.entries(folder, "which kernels there are is not known"):
            path = os.path.join(entry.path, "kernel.json")
            if not os.path.lexists(path):
                continue
            notes.looked[holder or "", "kernelspecs"] += 1
            _kernel(path, holder, prefixes, notes)


def _folders(environments: Sequence[tuple[str, str]], places: Places) -> Iterator[tuple[str, str | None]]:
    for _, prefix in environments:
        yield os.path.join(prefix, "share", "jupyter", "kernels"), prefix
    data = places.environ.get("JUPYTER_DATA_DIR", "")
    own = [
        os.path.join(places.home, ".local", "share", "jupyter"),
        os.path.join(places.home, ".jupyter"),
        os.path.join(places.home, "Library", "Jupyter"),
        *(folder for folder in (data, *places.environ.get("JUPYTER_PATH", "").split(os.pathsep)) if folder),
        places.at("usr/local/share/jupyter"),
        places.at("usr/share/jupyter"),
    ]
    for folder in dict.fromkeys(own):
        yield os.path.join(folder, "kernels"), None


def _kernel(path: str, holder: str | None, prefixes: Prefixes, notes: Notes) -> None:
    text = notes.text(path, _NOT_KNOWN)
    if text is None:
        return
    try:
        spec: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        spec = None
    argv = spec.get("argv") if isinstance(spec, dict) else None
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        notes.problem(path, "it is no kernelspec: it has no argv", _NOT_KNOWN)
        return
    # Jupyter puts its own python there, which for a kernel in an environment is mostly that environment's.
    named = os.path.join(holder, "bin", argv[0]) if holder is not None and is_python(argv[0]) else argv[0]
    found = prefixes.locate(named if os.sep not in argv[0] else argv[0])
    applies_to = found[0] if found is not None else holder
    variables = spec.get("env")
    if isinstance(variables, dict):
        for name, value in sorted(variables.items()):
            if isinstance(value, str):
                notes.settings += of_variable(name, value, path, 0, "kernel", prefixes, applies_to)
                notes.references += of_value(name, value, path, 0, applies_to, prefixes)
    if found is None:
        return
    prefix, below = found
    program = command(below, argv[1:]) if is_python(below) else named_program(prefix, below, prefixes)
    started = program.started
    if started.variables and isinstance(variables, dict) and variables.get(_OFF):
        started = replace(started, user_site=False)
    notes.references.append(
        Reference(
            "kernel",
            path,
            prefix,
            below,
            f"argv: {' '.join(argv)}",
            holder=holder,
            interpreter=program.interpreter or below,
            modules=program.modules,
            started=started,
            within=program.within,
            bound=program.bound,
            script=program.script,
            broken=not os.path.exists(os.path.join(prefix, below)),
        )
    )
