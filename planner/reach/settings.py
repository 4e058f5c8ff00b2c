"""Variables that decide what is loaded: PYTHONPATH, PYTHONHOME, LD_LIBRARY_PATH and LD_PRELOAD, wherever they are set.

Set by an environment's activation (scripts, `conda-meta/state`, `env_vars.d`), by the start-up files of a shell, or in
the environment that the planner itself was started from. Scripts are read line by line and not run: a value that is only
put together when they run is not seen. Here too is what stacks one environment on another.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from planner.reference import Reference, Setting, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes
    from planner.reference import Scope

VARIABLES: tuple[Variable, ...] = get_args(Variable)
_SET = re.compile(
    r"(?:^|[;&\s\"']|\bEnvironment=)(?:export\s+|setenv\s+|set\s+-?[gxU]*\s*|\$env:)?(LD_LIBRARY_PATH|LD_PRELOAD|PYTHONHOME|PYTHONPATH)"
    r"(?:\s*=\s*|\s+)(\"[^\"]*\"|'[^']*'|[^\s;&]*)"
)
_STACK = re.compile(r"\b(?:conda|mamba|micromamba)\s+activate\s+(?:--stack\s+(\S+)|(\S+)\s+--stack)")
_ACTIVATE = re.compile(
    r"(?:^|[;&(\s])(?:conda|mamba|micromamba|source|\.)\s+(?:\S*/)?activate\s+(?!--stack)([^\s;&|)]+)"
)
_RUN = re.compile(r"\b(?:conda|mamba|micromamba)\s+run\s+(?:\S+\s+)*?(?:-n|--name|-p|--prefix)[\s=]+([^\s;&|]+)")
_START_UP = (
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".config/fish/config.fish",
    ".xonshrc",
    ".pam_environment",
)
_SYSTEM_START_UP = ("etc/profile", "etc/bash.bashrc", "etc/bashrc", "etc/environment", "etc/zshrc", "etc/zsh/zshrc")
_NOT_KNOWN = "which variables it sets is not known"
_MOST_LIBRARIES = 5000
_LIBRARY = re.compile(r"\.so(?:\.|$)|\.dylib$")


def settings(environments: Sequence[tuple[str, str]], prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Where one of the variables is set, each entry on its own, and which environments are stacked."""
    for _, prefix in environments:
        _of_environment(prefix, prefixes, notes)
    for path in _start_up_files(places, notes):
        text = notes.text(path, _NOT_KNOWN)
        for number, line in enumerate((text or "").splitlines(), start=1):
            notes.settings += of_line(line, path, number, "shell", prefixes, None)
            notes.references += _stacked(line, path, number, prefixes)
    for name in VARIABLES:
        value = places.environ.get(name, "")
        notes.settings += of_variable(name, value, "the environment of this process", 0, "process", prefixes, None)


def _of_environment(prefix: str, prefixes: Prefixes, notes: Notes) -> None:
    state = os.path.join(prefix, "conda-meta", "state")
    variables = _object(notes.text(state, _NOT_KNOWN))
    found = [(state, variables.get("env_vars") if isinstance(variables, dict) else None)]
    for entry in notes.entries(os.path.join(prefix, "etc", "conda", "env_vars.d"), _NOT_KNOWN):
        if entry.name.endswith(".json"):
            notes.looked[prefix, "files of variables"] += 1
            found.append((entry.path, _object(notes.text(entry.path, _NOT_KNOWN))))
    for path, values in found:
        for name, value in sorted(values.items()) if isinstance(values, dict) else ():
            if isinstance(value, str):
                notes.settings += of_variable(name, value, path, 0, "environment", prefixes, prefix)
    for entry in notes.entries(os.path.join(prefix, "etc", "conda", "activate.d"), _NOT_KNOWN):
        notes.looked[prefix, "activation scripts"] += 1
        text = notes.text(entry.path, _NOT_KNOWN) or ""
        for number, line in enumerate(text.splitlines(), start=1):
            expanded = line.replace("${CONDA_PREFIX}", prefix).replace("$CONDA_PREFIX", prefix)
            notes.settings += of_line(expanded, entry.path, number, "environment", prefixes, prefix)


def _object(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text) if text and text.strip() else None
    except (msgspec.DecodeError, RecursionError):
        return None  # the loader says that this file is bad


def _start_up_files(places: Places, notes: Notes) -> Iterator[str]:
    for name in _START_UP:
        yield os.path.join(places.home, name)
    for folder in (os.path.join(places.home, ".config", "environment.d"), places.at("etc/profile.d")):
        for entry in notes.entries(folder, _NOT_KNOWN):
            yield entry.path
    for name in _SYSTEM_START_UP:
        yield places.at(name)


def of_line(
    line: str, source: str, number: int, scope: Scope, prefixes: Prefixes, applies_to: str | None
) -> Iterator[Setting]:
    """What one line of a script or a unit sets."""
    if line.lstrip().startswith(("#", ";")):
        return
    for match in _SET.finditer(line):
        yield from of_variable(match[1], match[2].strip("\"'"), source, number, scope, prefixes, applies_to)


def of_variable(
    name: str, value: str, source: str, number: int, scope: Scope, prefixes: Prefixes, applies_to: str | None
) -> Iterator[Setting]:
    """Each entry of a value that is an absolute path, for the variables that count."""
    variable = next((known for known in VARIABLES if known == name), None)
    if variable is None:
        return
    for entry in re.split(r"[:\s]+" if variable == "LD_PRELOAD" else r":", value):
        path = prefixes.expanded(entry.strip("\"'"))
        if not os.path.isabs(path):
            continue
        found = prefixes.locate(path)
        yield Setting(
            variable,
            path,
            source,
            f"{name}={value}",
            scope,
            line=number,
            prefix=found[0] if found else None,
            path=found[1] if found else "",
            applies_to=applies_to,
            libraries=_libraries(variable, path),
            modules=_modules(path) if variable == "PYTHONPATH" else (),
        )


def _modules(path: str) -> tuple[str, ...]:
    """The top-level modules that lie in a folder: a file of python's, or a folder that is a package."""
    try:
        with os.scandir(path) as entries:
            found = [entry.name for _, entry in zip(range(_MOST_LIBRARIES), entries, strict=False)]
    except (OSError, ValueError):
        return ()
    files = {name.partition(".")[0] for name in found if name.endswith((".py", ".so"))}
    return tuple(sorted(files | {name for name in found if os.path.isfile(os.path.join(path, name, "__init__.py"))}))


def _libraries(variable: Variable, path: str) -> tuple[str, ...]:
    if variable == "LD_PRELOAD":
        return (os.path.basename(path),)
    if variable != "LD_LIBRARY_PATH":
        return ()
    try:
        with os.scandir(path) as entries:
            names = [entry.name for _, entry in zip(range(_MOST_LIBRARIES), entries, strict=False)]
    except (OSError, ValueError):
        return ()
    return tuple(sorted(name for name in names if _LIBRARY.search(name)))


def _stacked(line: str, source: str, number: int, prefixes: Prefixes) -> Iterator[Reference]:
    """`conda activate --stack X` keeps what was active before on PATH: base, as a start-up file begins with it."""
    match = None if line.lstrip().startswith("#") else _STACK.search(line)
    base = prefixes.named.get("base")
    if match and base is not None:
        yield Reference("stack", source, base, "", line.strip(), line=number)


def activated(line: str, prefixes: Prefixes) -> Iterator[str]:
    """The prefixes of the environments that a line of a script activates, or runs something in, by name or path."""
    for match in (*_ACTIVATE.finditer(line), *_RUN.finditer(line)):
        name = prefixes.expanded(match[1].strip("\"'"))
        found = prefixes.locate(name)
        prefix = found[0] if found is not None and not found[1] else prefixes.named.get(name)
        if prefix is not None:
            yield prefix
