"""What works of the user site in environments other than base: every python X.Y of the user's reads the same folder.

base's own view of it is `observe`'s. Here each other environment's interpreter tries the modules that lie there for its
X.Y; that they come from the user site makes them units of that environment. The scripts that `pip install --target`
puts beside those modules are units of their own: they are run by the python that their first line names, which need not
be the one that the modules were installed for.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.truth import inventory
from tests.truth.inventory import Unit
from tests.truth.observe import Seen
from tests.truth.prefixes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.truth.installations import Place

_PROBE = Path(__file__).with_name("probe.py")
_PATIENCE = 600


def before(place: Place) -> dict[Unit, Seen]:
    """The modules that an environment's python takes from the user site."""
    seen: dict[Unit, Seen] = {}
    for environment in place.installation.environments[1:]:
        units = {unit for unit in inventory.read(environment.name, _folder(place)).units if unit.kind == "module"}
        tried = _tried(place, environment.name, units)
        seen |= {unit: how for unit, how in tried.items() if how.error is None}
    return seen | {unit: _run(place, unit) for unit in _scripts(place)}


def of(place: Place, worked: Mapping[Unit, Seen]) -> set[Unit]:
    """Those of the units that `before` has found."""
    folder, base = f"{_folder(place)}/", place.installation.environments[0].name
    modules = {unit for unit, how in worked.items() if unit.kind == "module" and (how.origin or "").startswith(folder)}
    scripts = {unit for unit in _scripts(place) if unit in worked}
    return {unit for unit in modules if unit.environment != base} | scripts


def after(place: Place, target: str, units: set[Unit]) -> dict[Unit, Seen]:
    """How the target's among them do after its change."""
    scripts = units.intersection(_scripts(place))
    seen = _tried(place, target, {unit for unit in units if unit.environment == target})
    return seen | {unit: _run(place, unit) for unit in scripts}


def _scripts(place: Place) -> list[Unit]:
    paths = sorted(_folder(place).glob("lib/python*/site-packages/bin/*"))
    return [Unit(f"script:{path.name}", f"file:{path}", "command", path.name) for path in paths if path.is_file()]


def _run(place: Place, unit: Unit) -> Seen:
    path = unit.owner.removeprefix("file:")
    try:
        done = subprocess.run(
            [path, "--help"],
            env=clean_environment(place.home),
            cwd=place.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except OSError as error:
        return Seen(f"gone: {error.strerror}: {error.filename}", path)
    lines = done.stderr.strip().splitlines() or [""]
    return Seen(f"exit {done.returncode}: {lines[-1]}"[:300] if done.returncode else None, path)


def _folder(place: Place) -> Path:
    return place.home / ".local"


def _tried(place: Place, environment: str, units: set[Unit]) -> dict[Unit, Seen]:
    if not units:
        return {}
    prefix = place.prefix(environment)
    done = subprocess.run(
        [prefix / "bin" / "python", "-B", "-W", "ignore", "-c", _PROBE.read_text()],
        input=json.dumps({"modules": inventory.grouped_modules(units), "objects": []}),
        env=clean_environment(place.home) | _variables(prefix),
        cwd=place.home,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=True,
    )
    found: dict[Unit, Seen] = {}
    for _, name, error, origin in (json.loads(line) for line in done.stdout.splitlines()):
        wrong = error
        if not error and not str(origin).startswith(f"{_folder(place)}/"):
            wrong = f"gone: {name} now comes from {origin}"
        found |= {unit: Seen(wrong, origin) for unit in units if unit.name == name}
    return found


def _variables(prefix: Path) -> dict[str, str]:
    """What the environment's activation sets."""
    state = prefix / "conda-meta" / "state"
    return dict(json.loads(state.read_text())["env_vars"]) if state.is_file() else {}
