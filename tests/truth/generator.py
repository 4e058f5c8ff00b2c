"""Changes that nobody chose: drawn with a seed from what is installed and what the channels offer.

Each installation has a stream of its own, so that adding one changes no other's draws. A draw that does not solve, or
changes nothing, or comes to the same transaction as another of its installation, is counted and not used.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.truth.cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.truth.installations import Place
    from tests.truth.store import Materials

SEED = 20260101
_KINDS = ("version",) * 5 + ("python",) * 3 + ("update", "update", "remove", "remove", "two", "two", "all")


def draws(place: Place, materials: Materials, seed: int) -> Iterator[Case]:
    """An endless stream of changes to the environments of an installation."""
    chance = random.Random(f"{seed}:{place.installation.name}")  # noqa: S311 -- no secret is drawn
    offered = _offered(materials.lab)
    while True:
        environment = chance.choice(place.installation.environments).name
        names = _installed(place, environment)
        kind = chance.choice(_KINDS)
        tool = chance.choice(("conda", "conda", "mamba"))
        channels = chance.choice((("lab",), ("lab",), ("other", "lab")))
        operation, specs = _request(chance, kind, names, offered)
        yield Case(
            place.installation.name,
            environment,
            specs,
            operation,  # type: ignore[arg-type]
            tool,  # type: ignore[arg-type]
            channels,
            chance.choice((None, "strict")) if len(channels) > 1 else None,  # type: ignore[arg-type]
            drawn=True,
        )


def _request(
    chance: random.Random, kind: str, names: list[str], offered: dict[str, list[str]]
) -> tuple[str, tuple[str, ...]]:
    if kind == "python":
        return "install", (f"python={chance.choice(offered['python']).rpartition('.')[0]}",)
    if kind == "all":
        return "update-all", ()
    if kind == "update":
        return "update", (chance.choice(names),)
    if kind == "remove":
        return "remove", (chance.choice([name for name in names if name not in {"python", "pip"}]),)
    chosen = chance.sample([name for name in names if len(offered.get(name, ())) > 1] or names, 1)
    if kind == "two":
        chosen.append(chance.choice(sorted(offered)))
    return "install", tuple(
        f"{name}={chance.choice(offered[name])}" for name in dict.fromkeys(chosen) if offered.get(name)
    )


def _installed(place: Place, environment: str) -> list[str]:
    folder = place.prefix(environment) / "conda-meta"
    names = {json.loads(path.read_text())["name"] for path in folder.glob("*.json")}
    return sorted(names - {"python_abi", "cpython", "_python_abi3_support"})


def _offered(channel: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for subdir in ("linux-64", "noarch"):
        content = json.loads(Path(channel, subdir, "repodata.json").read_text())
        for record in content["packages.conda"].values():
            found.setdefault(record["name"], set()).add(record["version"])
    hidden = {"python_abi", "cpython", "_python_abi3_support"}
    return {name: sorted(versions) for name, versions in sorted(found.items()) if name not in hidden}
