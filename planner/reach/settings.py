"""Variables that decide what is loaded, or whether it goes on beside its like, wherever they are set.

PYTHONPATH, PYTHONHOME, LD_LIBRARY_PATH and LD_PRELOAD lead to paths; KMP_DUPLICATE_LIB_OK lets two OpenMP runtimes be.

Set by an environment's activation (scripts, `conda-meta/state`, `env_vars.d`), by the start-up files of a shell, or in
the environment that the planner itself was started from. Scripts are read line by line and not run: a value that is only
put together when they run is not seen.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from planner.reach.beside import own_module, tagged_modules
from planner.reference import Setting, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes
    from planner.reference import Scope

VARIABLES: tuple[Variable, ...] = get_args(Variable)
_SET = re.compile(
    r"(?:^|[;&\s\"']|\bEnvironment=)(?:export\s+|setenv\s+|set\s+-?[gxU]*\s*|\$env:)?"
    r"(KMP_DUPLICATE_LIB_OK|LD_LIBRARY_PATH|LD_PRELOAD|PYTHONHOME|PYTHONPATH)"
    r"(?:\s*=\s*|\s+)(\"[^\"]*\"|'[^']*'|[^\s;&]*)"
)
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
    """Where one of the variables is set, each entry on its own."""
    for _, prefix in environments:
        _of_environment(prefix, prefixes, notes)
    for path in start_up_files(places, notes):
        text = notes.text(path, _NOT_KNOWN)
        for number, line in enumerate((text or "").splitlines(), start=1):
            notes.settings += of_line(line, path, number, "shell", prefixes, None)
    for name in VARIABLES:
        value = places.environ.get(name, "")
        notes.settings += of_variable(name, value, "the environment of this process", 0, "process", prefixes, None)


def own_variables(prefix: str, notes: Notes) -> Iterator[tuple[str, dict[str, str]]]:
    """The variables that activation of an environment sets by itself, by the file that says so: `state`, `env_vars.d`."""
    files = [os.path.join(prefix, "conda-meta", "state")]
    folder = notes.entries(os.path.join(prefix, "etc", "conda", "env_vars.d"), _NOT_KNOWN)
    files += [entry.path for entry in folder if entry.name.endswith(".json")]
    for path in files:
        values = _object(notes.text(path, _NOT_KNOWN))
        if path == files[0]:
            values = values.get("env_vars") if isinstance(values, dict) else None
        if isinstance(values, dict):
            yield path, {name: value for name, value in sorted(values.items()) if isinstance(value, str)}


def _of_environment(prefix: str, prefixes: Prefixes, notes: Notes) -> None:
    for path, values in own_variables(prefix, notes):
        if path.endswith(".json"):
            notes.looked[prefix, "files of variables"] += 1
        for name, value in values.items():
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


def start_up_files(places: Places, notes: Notes) -> Iterator[str]:
    """What the shells of this user read before anything else, and what is set for every session; not all of it is there."""
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


def without_settings(line: str) -> str:
    """The line without what it says of the variables that are read here."""
    return _SET.sub(" ", line)


def of_variable(
    name: str, value: str, source: str, number: int, scope: Scope, prefixes: Prefixes, applies_to: str | None
) -> Iterator[Setting]:
    """Each entry of a value that is an absolute path, for the variables that count; of one that is no path, the value."""
    variable = next((known for known in VARIABLES if known == name), None)
    if variable is None:
        return
    if variable == "KMP_DUPLICATE_LIB_OK":
        if value:
            yield Setting(variable, value, source, f"{name}={value}", scope, line=number, applies_to=applies_to)
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
            bound=_bound(path) if variable == "PYTHONPATH" else (),
        )


def _bound(path: str) -> tuple[str, ...]:
    return tuple(
        file
        for name, files in sorted(tagged_modules(path).items())
        if own_module(path, name) == files
        for file in files
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
