"""Virtual environments made from a conda python: `venv`, virtualenv, pipx, poetry, tox, pipenv, uv.

Such an environment has no python of its own. It is told by its `pyvenv.cfg`, whose `home` is the `bin` of the python it
was made from; what it starts is what its own `bin/python` is, a link or a copy.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reach.scripts import first_hop
from planner.reach.walk import walk
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.reach.notes import Notes, Places, Prefixes

_KEY = re.compile(r"^\s*([A-Za-z_-]+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_MINOR = re.compile(r"^(\d+\.\d+)")
_DIST = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*?)-[^-]+\.dist-info$")
_MADE_BY = (
    ("pipx", "pipx"),
    ("pypoetry", "poetry"),
    (".tox", "tox"),
    (".nox", "nox"),
    ("hatch", "hatch"),
    ("virtualenvs", "pipenv"),
    ("uv", "uv"),
)
_TOOL_FOLDERS = (
    ".virtualenvs",
    ".local/share/virtualenvs",
    ".local/pipx/venvs",
    ".local/share/pipx/venvs",
    ".local/share/uv/tools",
    ".local/share/hatch/env",
    ".cache/pypoetry/virtualenvs",
    "Library/Caches/pypoetry/virtualenvs",
)
_VARIABLES = ("WORKON_HOME", "POETRY_VIRTUALENVS_PATH")
_NOT_KNOWN = "whether this virtual environment was made from a conda python is not known"
_DEPTH, _MOST = 4, 50_000


def virtualenvs(prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Those in the home (a few levels deep), where the tools keep theirs, in `/srv` and `/opt`, and in `--scan` folders."""
    seen = set()
    for top, depth in _tops(places):
        for folder, entries in walk(top, notes, depth=depth, most=_MOST):
            if all(entry.name != "pyvenv.cfg" for entry in entries):
                continue
            real = os.path.realpath(folder)
            if real not in seen:
                seen.add(real)
                found = read_virtualenv(folder, prefixes, notes)
                if found is not None:
                    notes.references.append(found)


def _tops(places: Places) -> Iterator[tuple[str, int]]:
    tops = {os.path.join(places.home, folder): 2 for folder in _TOOL_FOLDERS}
    for variable in _VARIABLES:
        folder = places.environ.get(variable, "")
        if os.path.isabs(folder):
            tops[folder] = 2
    pipx = places.environ.get("PIPX_HOME", "")
    if os.path.isabs(pipx):
        tops[os.path.join(pipx, "venvs")] = 2
    tops |= {places.home: _DEPTH, places.at("srv"): _DEPTH, places.at("opt"): _DEPTH}
    tops |= {os.path.abspath(folder): 64 for folder in places.scan}
    return iter(tops.items())


def read_virtualenv(folder: str, prefixes: Prefixes, notes: Notes) -> Reference | None:
    """The virtual environment in a folder, if it was made from an environment's python."""
    config = os.path.join(folder, "pyvenv.cfg")
    text = notes.text(config, _NOT_KNOWN)
    if text is None:
        return None
    keys = {match[1].lower(): match[2] for match in reversed(list(_KEY.finditer(text)))}
    home = keys.get("home", "")
    interpreter = next(
        (path for name in ("python", "python3") if os.path.lexists(path := os.path.join(folder, "bin", name))), None
    )
    hop = first_hop(interpreter, prefixes) if interpreter else None
    located = prefixes.locate(home)
    if located is None and hop is None:
        return None
    prefix = hop[0] if hop else (located or ("", ""))[0]
    version = _MINOR.match(keys.get("version") or keys.get("version_info") or "")
    return Reference(
        "virtualenv",
        folder,
        prefix,
        hop[1] if hop else (located or ("", ""))[1],
        f"home = {home}" if home else "no home",
        holder=_holder(folder, prefixes, prefix),
        interpreter=hop[1] if hop else "",
        modules=_dists(folder, version[1] if version else None, notes),
        python=version[1] if version else None,
        made_by=_made_by(folder, keys),
        shares=keys.get("include-system-site-packages", "").lower() == "true",
        broken=interpreter is None or not os.path.exists(interpreter),
    )


def _holder(folder: str, prefixes: Prefixes, prefix: str) -> str | None:
    found = prefixes.locate(folder)
    return found[0] if found is not None and found[0] != prefix else None


def _made_by(folder: str, keys: dict[str, str]) -> str:
    parts = folder.split(os.sep)
    for part, tool in _MADE_BY:
        if part in parts:
            return tool
    if "uv" in keys:
        return "uv"
    return "virtualenv" if "virtualenv" in keys else "venv"


def _dists(folder: str, python: str | None, notes: Notes) -> tuple[str, ...]:
    """The names of the distributions in its site-packages, but for the installers that it was made with."""
    sites = (os.path.join(folder, "lib", f"python{python}{build}", "site-packages") for build in ("", "t"))
    site = next(filter(os.path.isdir, sites), None)
    if python is None or site is None:
        return ()
    names = (_DIST.match(entry.name) for entry in notes.entries(site, "what is installed in it is not known"))
    found = {re.sub(r"[-_.]+", "-", name[1]).lower() for name in names if name}
    # What every one begins with says nothing, unless there is nothing else to lose.
    return tuple(sorted(found - {"pip", "setuptools", "wheel"} or found))
