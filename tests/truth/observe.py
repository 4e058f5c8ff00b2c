"""What works in an installation, found out by trying: imports, shared objects, scripts, virtualenvs, references."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.truth import inventory
from tests.truth.installations import Place, reference_command, reference_path
from tests.truth.inventory import Unit
from tests.truth.prefixes import LabError, clean_environment

_PROBE = Path(__file__).with_name("probe.py")
_PATIENCE = 60
_WHOLE = 1200


@dataclass(frozen=True, slots=True)
class Seen:
    """How one unit did: `error` is None where it works; `origin` is the file that was used."""

    error: str | None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """One folder with things to try, and the interpreter that tries them. With `owner`, all of it is one thing."""

    environment: str
    folder: Path
    python: Path
    made_from: str
    owner: str | None = None


def before(place: Place) -> dict[Unit, Seen]:
    """Everything that is there, and whether it works."""
    seen: dict[Unit, Seen] = {}
    for view in _views(place):
        seen |= _look(place, view, None)[0]
    return seen | _references(place, None)


def after(place: Place, target: str, worked: set[Unit]) -> tuple[dict[Unit, Seen], set[Unit]]:
    """How the units that worked do after a change of `target`, and which are still listed as their owner's.

    Only what lies in the environment that changed, or was made from it, is tried: of all else the caller proves that
    it is unchanged.
    """
    seen: dict[Unit, Seen] = {}
    listed: set[Unit] = set()
    for view in _views(place):
        if view.made_from == target:
            found, now = _look(place, view, worked)
            seen |= found
            listed |= now
    return seen | _references(place, target), listed


def _views(place: Place) -> list[_View]:
    views = []
    for environment in place.installation.environments:
        prefix = place.prefix(environment.name)
        views.append(_View(environment.name, prefix, prefix / "bin/python", environment.name))
    for virtualenv in place.installation.virtualenvs:
        folder = place.virtualenv(virtualenv.name)
        owner = f"file:{folder}"
        views.append(_View(f"venv:{virtualenv.name}", folder, folder / "bin/python", virtualenv.environment, owner))
    if place.installation.user_site:
        views.append(_View("base", place.home / ".local", place.root / "bin/python", "base"))
    return views


def _look(place: Place, view: _View, worked: set[Unit] | None) -> tuple[dict[Unit, Seen], set[Unit]]:
    stock = inventory.read(view.environment, view.folder)
    if view.owner is not None:
        stock.units = {Unit(unit.environment, view.owner, unit.kind, unit.name) for unit in stock.units}
        stock.units.add(Unit(view.environment, view.owner, "script", "bin/python"))
        stock.files = dict.fromkeys(stock.files, view.owner)
    units = stock.units
    if worked is not None:
        owners = {unit.owner for unit in units}
        units = {unit for unit in worked if unit.environment == view.environment and _is_of(view, place, unit, owners)}
    seen = _imports_and_objects(place, view, units, stock)
    for unit in sorted(units):
        if unit.kind == "script":
            seen[unit] = _run([str(view.folder / unit.name), "--help"], place.home, str(view.folder / unit.name))
        elif unit.kind == "presence":
            there = any((view.folder / "conda-meta").glob(f"{unit.name}-*-*.json"))
            seen[unit] = Seen(None if there and unit in stock.units else "gone: no package of that name")
    return seen, stock.units


def _is_of(view: _View, place: Place, unit: Unit, owners: set[str]) -> bool:
    """base and the user site are two views under one name: a unit belongs to the one that lists its owner."""
    if not place.installation.user_site or view.environment != "base":
        return True
    in_user_site = unit.owner in owners if view.folder != place.root else False
    return in_user_site if view.folder != place.root else unit.owner not in _user_owners(place)


def _user_owners(place: Place) -> set[str]:
    return {unit.owner for unit in inventory.read("base", place.home / ".local").units}


def _imports_and_objects(place: Place, view: _View, units: set[Unit], stock: inventory.Prefix) -> dict[Unit, Seen]:
    modules = {unit for unit in units if unit.kind == "module"}
    objects = {str(view.folder / unit.name): unit for unit in units if unit.kind == "object"}
    if not view.python.exists():
        gone = Seen(f"gone: {view.python} does not exist")
        seen = dict.fromkeys(modules, gone)
        answers = _ask(sys.executable, place.home, view, [], sorted(objects))
    else:
        seen = {}
        answers = _ask(str(view.python), place.home, view, inventory.grouped_modules(modules), sorted(objects))
    by_name: dict[str, list[Unit]] = {}
    for unit in modules:
        by_name.setdefault(unit.name, []).append(unit)
    for kind, name, error, origin in answers:
        if kind == "object":
            missing = None if os.path.exists(name) else "gone: no such file"
            seen[objects[name]] = Seen(missing or error, name)
            continue
        owner = stock.owner_of(origin) if origin else None
        for unit in by_name[name]:
            wrong = error or (None if owner == unit.owner else f"gone: {name} now comes from {owner or origin}")
            seen[unit] = Seen(wrong, origin)
    return seen


def _ask(python: str, home: Path, view: _View, modules: list[list[str]], objects: list[str]) -> list[list[str | None]]:
    if not modules and not objects:
        return []
    done = subprocess.run(
        [python, "-B", "-W", "ignore", "-c", _PROBE.read_text()],
        input=json.dumps({"modules": modules, "objects": objects}),
        env=clean_environment(home) | _activated(view),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=_WHOLE,
        check=False,
    )
    if done.returncode:
        # The interpreter itself does not start: nothing can be imported by it.
        if _run([python, "--version"], home, python).error is None:
            raise LabError(f"the probe failed under {python}: {done.stderr[-2000:]}")
        why = f"{python} does not start"
        return [["module", name, why, None] for group in modules for name in group] + [
            ["object", path, why, None] for path in objects
        ]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _activated(view: _View) -> dict[str, str]:
    """The variables that the environment's activation sets."""
    try:
        variables = json.loads((view.folder / "conda-meta" / "state").read_text())["env_vars"]
    except OSError:
        return {}
    return {str(name): str(value) for name, value in variables.items()}


def _references(place: Place, target: str | None) -> dict[Unit, Seen]:
    found = {}
    for reference in place.installation.references:
        if target in {None, reference.environment}:
            path = str(reference_path(place, reference))
            unit = Unit(f"{reference.kind}:{reference.name}", f"file:{path}", "command", reference.name)
            found[unit] = _run(reference_command(place, reference), place.home, path)
    return found


def _run(command: list[str], home: Path, origin: str) -> Seen:
    try:
        done = subprocess.run(
            command,
            env=clean_environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Seen("hangs", origin)
    except OSError as error:
        return Seen(f"gone: {error.strerror}: {error.filename}", origin)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Seen(f"exit {done.returncode}: {lines[-1] if lines else ''}"[:300], origin)
    return Seen(None, origin)
