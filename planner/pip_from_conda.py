"""What the pip layer of a new environment needs of conda: the specs to ask for beside all others, and what stays unmet.

In the old environment conda may bring what pip's distributions require, as a dependency of something that does not come
along: of conda itself in base. Nobody asked for it by name, and pip is told to install no requirements. How requirements
are met is `planner.pip_unmet`'s to say, what pip carries along `planner.pip_layer`'s. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.carry import keep_gpu, taken_away
from planner.errors import BadSpec
from planner.pip_after import dist_name
from planner.pip_layer import pip_layer
from planner.pip_unmet import unmet_beside
from planner.versions import check_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.model.installed import Environment, PackageRecord
    from planner.model.solve import Request
    from planner.pip_requirements import Need


def needed_from_conda(environment: Environment, request: Request, records: Sequence[PackageRecord]) -> tuple[str, ...]:
    """A spec for each package that `environment` has from conda, its pip layer requires, and `records` lack.

    A spec has the versions that all of pip's distributions together allow. What the request takes away stays away.
    """
    # What lies in a folder may be installed again from there, or by hand: either way it needs what it requires.
    folders = frozenset(dist.direct_url.url for dist in environment.pip_dists if dist.direct_url is not None)
    python = _python(records)
    windows = environment.subdir.startswith("win-")
    layer = pip_layer(environment, records, python, windows=windows, sources=folders)
    wanted: dict[str, list[str]] = {}
    providers = dict(_providers(environment))
    away = taken_away(environment, request)
    for need in unmet_beside(environment, records, python, layer.carried):
        name = providers.get(need.provider.removeprefix("pip:")) if need.provider.startswith("pip:") else None
        if name is not None and name not in away and name not in {record.name for record in records}:
            wanted.setdefault(name, []).append(need.requirement)
    specs = {name: _spec(name, requirements) for name, requirements in sorted(wanted.items())}
    return tuple(keep_gpu(environment, request, specs, away))


def left_unmet(needs: Sequence[Need]) -> tuple[str, ...]:
    """What is required and not met, by name, each with those that require it."""
    consumers: dict[str, list[str]] = {}
    for need in needs:
        consumers.setdefault(need.requirement, []).append(need.consumer.removeprefix("pip:"))
    return tuple(f"{requirement} (by {', '.join(names)})" for requirement, names in sorted(consumers.items()))


def _python(records: Sequence[PackageRecord]) -> str | None:
    return next((record.version for record in records if record.name == "python"), None)


def _providers(environment: Environment) -> Iterator[tuple[str, str]]:
    """Distribution and the conda package that brings it today: by the dist-info there is, else by its name."""
    for record in environment.records:
        name = dist_name(record)
        if name is not None:
            yield name, record.name
    yield from ((dist.name, dist.owner) for dist in environment.dists if dist.owner is not None)


def _spec(name: str, requirements: Sequence[str]) -> str:
    """One spec for several requirements of one package; its bare name where conda cannot read their versions."""
    from packaging.requirements import Requirement

    versions = {str(part) for text in requirements for part in Requirement(text).specifier}
    try:
        return check_spec(f"{name} {','.join(sorted(versions))}") if versions else name
    except BadSpec:
        return name
