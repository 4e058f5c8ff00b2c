"""What comes with a shell or an activation and names another environment: programs, folders in variables, what is stacked.

conda runs the scripts in `activate.d` and sets the variables of `conda-meta/state` and `env_vars.d` each time an
environment is activated; a shell reads its start-up files before anything else. The variables that decide by themselves
what is loaded are `planner.reach.settings`'.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reach.commands import may_tell, read_commands
from planner.reach.settings import VARIABLES, own_variables, start_up_files, without_settings
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.reach.notes import Notes, Places, Prefixes
    from planner.reference import ReferenceKind

_NOT_KNOWN = "what it starts is not known"
_SCRIPTS = ("activate.d", "deactivate.d")
# `export CUDA_HOME=/opt/conda`, `setenv CUDA_HOME /opt/conda`, `set -gx CUDA_HOME /opt/conda`; no command's output.
_ASSIGNMENT = re.compile(
    r"^\s*(?:(?:export\s+|\$env:)?([A-Za-z_]\w*)\s?=\s?|(?:setenv|set\s+-\w+)\s+([A-Za-z_]\w*)\s+)([^$`(]+)$"
)
_BY_ACTIVATION = frozenset({*VARIABLES, "PATH", "MANPATH", "CONDA_EXE", "CONDA_PYTHON_EXE", "CONDA_PREFIX"})
# What `conda init` writes into start-up files: what becomes of conda itself is BASE001's to say.
_OF_CONDA = re.compile(r"(?:^|/)(?:activate|conda|mamba)(?:\.\w+)?$|^(?:bin|condabin)$")
_STACKED = re.compile(r"^CONDA_STACKED_(\d+)$")


def activations(environments: Sequence[tuple[str, str]], prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """What activation of each environment, a new shell, and the one that the planner was started from bring along."""
    for _, prefix in environments:
        for folder in _SCRIPTS:
            for entry in notes.entries(os.path.join(prefix, "etc", "conda", folder), _NOT_KNOWN):
                _read(entry.path, "activation", prefix, prefixes, notes)
        for path, values in own_variables(prefix, notes):
            for name, value in values.items():
                notes.references += of_value(name, value, path, 0, prefix, prefixes)
    for path in start_up_files(places, notes):
        _read(path, "start-up", None, prefixes, notes)
    notes.references += _stacked(places.environ, prefixes)


def _read(path: str, kind: ReferenceKind, holder: str | None, prefixes: Prefixes, notes: Notes) -> None:
    text = notes.text(path, _NOT_KNOWN)
    if text is None or not may_tell(text, prefixes):
        return
    known = len(notes.references)
    lines = []
    for number, whole in enumerate(text.splitlines(), start=1):
        line = without_settings(whole)
        if holder is not None:
            line = line.replace("${CONDA_PREFIX}", holder).replace("$CONDA_PREFIX", holder)
        assigned = None if line.lstrip().startswith("#") else _ASSIGNMENT.match(prefixes.expanded(line))
        if assigned is None:
            lines.append((number, line))
        else:
            name, value = assigned[1] or assigned[2], assigned[3].strip("\"' ;")
            notes.references += of_value(name, value, path, number, holder, prefixes)
    read_commands(path, iter(lines), kind, prefixes, notes)
    notes.references[known:] = [
        item for item in notes.references[known:] if item.kind != kind or not _OF_CONDA.search(item.path)
    ]


def of_value(
    name: str, value: str, source: str, number: int, holder: str | None, prefixes: Prefixes
) -> Iterator[Reference]:
    """The places in another environment that a variable names, of all that activation does not set by itself."""
    if name in _BY_ACTIVATION:
        return
    for entry in value.split(os.pathsep):
        found = prefixes.locate(prefixes.expanded(entry))
        if found is not None and found[0] != holder:
            yield Reference(
                "variable",
                source,
                *found,
                f"{name}={value}",
                line=number,
                holder=holder,
                broken=not os.path.lexists(os.path.join(*found)),
            )


def _stacked(environ: Mapping[str, str], prefixes: Prefixes) -> Iterator[Reference]:
    """Conda notes each environment that is stacked on another: at level n on that of level n - 1."""
    for name, value in sorted(environ.items()):
        level = _STACKED.match(name)
        below = environ.get(f"CONDA_PREFIX_{int(level[1]) - 1}", "") if level and value else ""
        found = prefixes.locate(below)
        if found is not None and not found[1]:
            text = f"{name}={value} on {below}"
            yield Reference("stack", "the environment of this process", found[0], "", text)
