"""What Python distributions require, and who provides it: the edges of the pip layer.

Requirements are read with `packaging`, their markers for the environment's own python and platform; extras are left
aside, since nobody records which were asked for. Where conda owns a distribution, its record stands for it. What conda
packages need of each other is in their own metadata, so of theirs only needs that pip alone meets are told. `packaging` is
imported on first use: many environments have nothing of pip's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.dist_metadata import normalise
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    from planner.model.installed import Environment, PipDist

_TAG = re.compile(r"^cp(\d)(\d*)$")
_MODULE = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[a-z]*(?:-[^/]*)?\.(?:so|pyd)$", re.IGNORECASE)
_PYTHON = "conda:python"
_SYSTEMS = {
    "linux": ("linux", "Linux", "posix"),
    "osx": ("darwin", "Darwin", "posix"),
    "win": ("win32", "Windows", "nt"),
}
_MACHINES = {"32": "i686", "64": "x86_64", "arm64": "arm64", "aarch64": "aarch64", "ppc64le": "ppc64le"}


class Need(Struct, frozen=True):
    """One requirement: who has it, who meets it (subjects), its kind, its text, and whether it is met (None: unknown)."""

    consumer: str
    provider: str
    kind: str
    requirement: str
    satisfied: bool | None


def subject(dist: PipDist) -> str:
    """Who stands for a distribution: the conda record that owns it, else pip."""
    return f"conda:{dist.owner}" if dist.owner else f"pip:{dist.name}"


def pip_dists(environment: Environment) -> tuple[PipDist, ...]:
    """The distributions that conda does not own, one of each name: of several, the one that python sees."""
    python = minor(environment.python) if environment.python else None
    chosen: dict[str, PipDist] = {}
    for dist in environment.pip_dists:
        if dist.name not in chosen or dist.python == python:
            chosen[dist.name] = dist
    return tuple(chosen.values())


def needs(environment: Environment) -> Iterator[Need]:
    """Every need of the pip layer, of each distribution in turn."""
    seen = {id(dist) for dist in pip_dists(environment)}
    dists = [dist for dist in environment.dists if dist.owner is not None or id(dist) in seen]
    providers: dict[str, list[PipDist]] = {}
    for dist in dists:
        providers.setdefault(dist.name, []).append(dist)
    for dist in dists:
        if dist.owner is None:
            yield from _of_python(dist, environment)
        yield from _of_dists(dist, providers, environment)


def requires(dist: PipDist, name: str) -> tuple[str, SpecifierSet] | None:
    """What a distribution requires of another (normalised name), whatever the marker: its text and the versions."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in dist.requires_dist:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if normalise(requirement.name) == name:
            return f"{requirement.name}{requirement.specifier or ''}", requirement.specifier
    return None


def _of_dists(dist: PipDist, providers: dict[str, list[PipDist]], environment: Environment) -> Iterator[Need]:
    from packaging.requirements import InvalidRequirement, Requirement

    consumer = subject(dist)
    for line in dist.requires_dist:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if not _applies(requirement, dist, environment):
            continue
        name = normalise(requirement.name)
        found = providers.get(name, [])
        if dist.owner is not None and (not found or any(item.owner for item in found)):
            continue
        text = f"{requirement.name}{requirement.specifier or ''}"
        for provider in found:
            if subject(provider) != consumer:
                met = _meets(requirement.specifier, provider.version)
                yield Need(consumer, subject(provider), "pip_requires", text, met)
        if not found:
            yield _without_dist(consumer, name, text, environment)


def _without_dist(consumer: str, name: str, text: str, environment: Environment) -> Need:
    """Nothing provides it by its metadata; a conda package of that very name may, but nobody says which version."""
    record = next((record for record in environment.records if normalise(record.name) == name), None)
    if record is not None:
        return Need(consumer, f"conda:{record.name}", "pip_requires", text, satisfied=None)
    return Need(consumer, f"pip:{name}", "pip_requires", text, satisfied=False)


def _of_python(dist: PipDist, environment: Environment) -> Iterator[Need]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    consumer = f"pip:{dist.name}"
    python = environment.python
    if dist.requires_python:
        try:
            met = _meets(SpecifierSet(dist.requires_python), python) if python else None
        except InvalidSpecifier:
            met = None
        yield Need(consumer, _PYTHON, "pip_requires", f"python{dist.requires_python}", met)
    if not dist.compiled:
        return
    stable = [tag.partition("-")[0] for tag in dist.tags if tag.split("-")[1:2] == ["abi3"]]
    for tag in dict.fromkeys(stable):
        floor = _TAG.match(tag)
        met = _numbers(python) >= (int(floor[1]), int(floor[2] or 0)) if floor and python else None
        yield Need(consumer, _PYTHON, "python_abi", f"{tag}-abi3", met)
    if not stable:
        bound = _bound(dist)
        met = _numbers(python) in bound if python else None
        if bound:
            text = " or ".join(f"cp{major}{minor_}" for major, minor_ in sorted(bound))
            yield Need(consumer, _PYTHON, "python_abi", text, met)


def _bound(dist: PipDist) -> set[tuple[int, int]]:
    """The pythons that its wheel tags name, else those in the names of its modules."""
    tags = [match for tag in dist.tags if (match := _TAG.match(tag.partition("-")[0])) and match[2]]
    found = tags or [match for path in dist.extensions if (match := _MODULE.search(path))]
    return {(int(match[1]), int(match[2])) for match in found}


def _applies(requirement: Requirement, dist: PipDist, environment: Environment) -> bool:
    """Whether a requirement's marker holds here; one that cannot be judged is taken to hold."""
    if requirement.marker is None:
        return True
    from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    try:
        return requirement.marker.evaluate(_marker_environment(dist, environment))
    except (InvalidMarker, InvalidVersion, UndefinedComparison, UndefinedEnvironmentName):
        return True


def _marker_environment(dist: PipDist, environment: Environment) -> dict[str, str]:
    system, _, machine = environment.subdir.partition("-")
    sys_platform, platform_system, os_name = _SYSTEMS.get(system, (system, system, "posix"))
    own = environment.python
    folder = (dist.python or "").rstrip("t")
    version = own if own and (not folder or minor(own) == folder) else f"{folder}.0" if folder else "3"
    record = environment.record("python")
    pypy = record is not None and "pypy" in record.build
    return {
        "extra": "",
        "implementation_name": "pypy" if pypy else "cpython",
        "implementation_version": version,
        "os_name": os_name,
        "platform_machine": "AMD64" if system == "win" and machine == "64" else _MACHINES.get(machine, machine),
        "platform_python_implementation": "PyPy" if pypy else "CPython",
        "platform_release": "",
        "platform_system": platform_system,
        "platform_version": "",
        "python_full_version": version,
        "python_version": minor(version),
        "sys_platform": sys_platform,
    }


def _meets(specifier: SpecifierSet, version: str) -> bool | None:
    from packaging.version import InvalidVersion, Version

    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return None


def _numbers(python: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in (python or "").split(".")[:2] if part.isdigit())
