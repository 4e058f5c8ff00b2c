"""What the change does to every environment of the installation, and how that is known.

A change writes below one prefix, the target's. Another environment stays as it is when its own interpreter and its
own site-packages lie below another prefix and no file it starts from is a link into the target. Both are read from
disk here. Ways by which environments leak into each other outside their prefixes (user site, start-up files,
virtualenvs, kernels) are not looked at here, and the evidence does not claim that they are.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.model import EnvironmentReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model import Environment, Finding, Installation, LoadProblem, PackageChange

_NOT_LOOKED_AT = (
    "not looked at: a user site-packages, variables set by start-up or activation scripts, and virtual environments, "
    "kernels or services that refer to another prefix"
)


def environment_reports(
    installation: Installation,
    target: Environment,
    changes: Sequence[PackageChange],
    findings: Sequence[Finding],
) -> tuple[EnvironmentReport, ...]:
    """One row for each environment: the target with what happens to it, the others with why they stay."""
    rows = [
        _target_row(environment, changes, findings)
        if environment.prefix == target.prefix
        else _other_row(environment, target)
        for environment in installation.environments
    ]
    if installation.problems and rows:
        # Environments that could not even be listed: said where the installation itself is spoken of, in base's row.
        rows[0] = replace(rows[0], evidence=(*_told(installation.problems), *rows[0].evidence))
    return tuple(rows)


def _target_row(
    environment: Environment, changes: Sequence[PackageChange], findings: Sequence[Finding]
) -> EnvironmentReport:
    via = tuple(finding.id for finding in findings if finding.environment == environment.name)
    unlinked = sum(change.before is not None for change in changes)
    linked = sum(change.after is not None for change in changes)
    what = f"{_packages(unlinked)} unlinked, {_packages(linked)} linked" if changes else "no package changes"
    return EnvironmentReport(
        environment.name,
        environment.prefix,
        affected=bool(changes),
        readable=not environment.problems,
        via=via,
        evidence=(*_unread(environment), what),
    )


def _other_row(environment: Environment, target: Environment) -> EnvironmentReport:
    links = _links_into(environment.prefix, target)
    return EnvironmentReport(
        environment.name,
        environment.prefix,
        affected=bool(links),
        readable=not environment.problems,
        evidence=(*_unread(environment), *links, *_own(environment, target)),
    )


def _unread(environment: Environment) -> tuple[str, ...]:
    return _told(environment.problems)


def _told(problems: Sequence[LoadProblem]) -> tuple[str, ...]:
    return tuple(f"{problem.path}: {problem.what}; {problem.consequence}" for problem in problems)


def _own(environment: Environment, target: Environment) -> tuple[str, ...]:
    record = environment.record("python")
    if record is None:
        own = "no python of its own is on record in its conda-meta"
    else:
        folders = sorted({dist.location for dist in environment.dists})
        where = f", own {' and '.join(folders)}" if folders else ""
        own = f"own interpreter: python {record.version} (conda-meta/{record.dist_name}.json){where}"
    apart = f"the change is to packages of {target.prefix}, and no package of this prefix is among them"
    return (own, apart, _NOT_LOOKED_AT)


def _links_into(prefix: str, target: Environment) -> tuple[str, ...]:
    """Links at the top of the environment, or among its interpreters, that lead into a changed environment's files."""
    found = []
    for folder in (prefix, os.path.join(prefix, "bin"), os.path.join(prefix, "lib")):
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        found += [
            f"{entry.path} is a link to {os.path.realpath(entry.path)}, inside what changes"
            for entry in entries
            if entry.is_symlink() and _belongs_to(target, os.path.realpath(entry.path), prefix)
        ]
    return tuple(found)


def _belongs_to(target: Environment, path: str, prefix: str) -> bool:
    """Whether a path is the target's own: not the other environment's, which may be nested in it, nor the cache's."""
    inside_self = path == prefix or path.startswith(prefix + os.sep)
    inside_target = path.startswith(target.prefix + os.sep)
    shared = any(path.startswith(os.path.join(target.prefix, folder) + os.sep) for folder in ("envs", "pkgs"))
    return inside_target and not inside_self and not shared


def _packages(number: int) -> str:
    return f"{number} package{'' if number == 1 else 's'}"
