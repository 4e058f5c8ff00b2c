"""What the change does to every environment of the installation, and how that is known.

A change writes below one prefix, the target's. Another environment stays as it is when its own interpreter and its
own site-packages lie below another prefix, no file it starts from is a link into the target, and nothing else in it
refers to the target. Links are read from disk here; all other references are `planner.reach`'s, and what becomes of
them is the rules' to say: a finding about an environment is what affects it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner.model.plan import EnvironmentReport, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.installed import Environment, Installation, LoadProblem
    from planner.model.plan import Finding, PackageChange
    from planner.reference import Surroundings

_UNREAD_SHOWN = 8  # places outside that could not be read; at most these are named


def environment_reports(
    installation: Installation,
    target: Environment,
    changes: Sequence[PackageChange],
    findings: Sequence[Finding],
    surroundings: Surroundings,
) -> tuple[EnvironmentReport, ...]:
    """One row for each environment: the target with what happens to it, the others with why they stay."""
    rows = [
        _target_row(environment, changes, findings, surroundings, installation)
        if environment.prefix == target.prefix
        else _other_row(environment, target, findings, surroundings)
        for environment in installation.environments
    ]
    if target.prefix not in {row.prefix for row in rows}:  # it is yet to be made
        rows.append(_target_row(target, changes, findings, surroundings, installation))
    if installation.problems and rows:
        # Environments that could not even be listed: said where the installation itself is spoken of, in base's row.
        rows[0] = replace(rows[0], evidence=(*_told(installation.problems), *rows[0].evidence))
    return tuple(rows)


def _target_row(
    environment: Environment,
    changes: Sequence[PackageChange],
    findings: Sequence[Finding],
    surroundings: Surroundings,
    installation: Installation,
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
        evidence=(
            *_unread(environment),
            what,
            *_below(environment, installation),
            *_cache_links(environment, surroundings),
            *_referred(environment, findings, surroundings),
            *_outside(surroundings),
        ),
    )


def _below(environment: Environment, installation: Installation) -> tuple[str, ...]:
    """What lies in the folder of the target and is none of its packages: other environments, and the package cache."""
    inside = environment.prefix + os.sep
    nested = [other.name for other in installation.environments if other.prefix.startswith(inside)]
    cache = os.path.join(environment.prefix, "pkgs")
    parts = []
    if nested:
        more = f" and {len(nested) - _UNREAD_SHOWN} more" if len(nested) > _UNREAD_SHOWN else ""
        parts.append(f"{', '.join(nested[:_UNREAD_SHOWN])}{more}")
    if os.path.isdir(cache):
        parts.append(f"the package cache {cache}")
    told = f"in its folder lie too: {' and '.join(parts)}; a change leaves these as they are, removing the folder would not"
    return (told,) if parts else ()


def _referred(environment: Environment, findings: Sequence[Finding], surroundings: Surroundings) -> tuple[str, ...]:
    """What refers to the target from outside and has no finding: it is not forgotten, the change leaves it as it is."""
    judged = {finding.subject.partition(":")[2] for finding in findings if finding.rule.startswith("ENV")}
    left = [item for item in surroundings.to(environment.prefix) if item.source not in judged]
    named = ", ".join(f"{item.where} ({item.path or 'the environment'})" for item in left[:_UNREAD_SHOWN])
    more = f" and {len(left) - _UNREAD_SHOWN} more" if len(left) > _UNREAD_SHOWN else ""
    return (f"refers to it, and is not affected: {named}{more}",) if left else ()


def _outside(surroundings: Surroundings) -> tuple[str, ...]:
    """What around the environments could not be looked at."""
    shown = [f"not looked at: {text}" for text in _told(surroundings.problems[:_UNREAD_SHOWN])]
    left = len(surroundings.problems) - len(shown)
    return (*shown, *([f"and {left} more places that could not be read"] if left > 0 else []))


def _other_row(
    environment: Environment, target: Environment, findings: Sequence[Finding], surroundings: Surroundings
) -> EnvironmentReport:
    links = _links_into(environment.prefix, target)
    via = tuple(
        finding.id
        for finding in findings
        if finding.environment == environment.name
        and not finding.pre_existing
        and finding.severity is not Severity.NOTE
    )
    return EnvironmentReport(
        environment.name,
        environment.prefix,
        affected=bool(links or via),
        readable=not environment.problems,
        via=via,
        evidence=(
            *_unread(environment),
            *links,
            *_own(environment, target),
            *([] if via else [_looked_at(environment, target, surroundings)]),
            *_cache_links(environment, surroundings),
        ),
    )


def _looked_at(environment: Environment, target: Environment, surroundings: Surroundings) -> str:
    counted = dict(surroundings.looked_at).get(environment.prefix)
    read = f"read: {counted}" if counted else "it has no script, kernelspec, path file or activation script to read"
    return f"nothing in it refers to what changes in {target.prefix} ({read})"


def _cache_links(environment: Environment, surroundings: Surroundings) -> tuple[str, ...]:
    return tuple(
        f"{number} of its files are links into the package cache ({example}): this change leaves the cache as it is, "
        "`conda clean --packages` would break them"
        for prefix, number, example in surroundings.cache_links
        if prefix == environment.prefix
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
        folders = sorted({*environment.sites, *(dist.location for dist in environment.dists)})
        where = f", own {' and '.join(folders)}" if folders else ""
        own = f"own interpreter: python {record.version} (conda-meta/{record.dist_name}.json){where}"
    apart = f"the change is to packages of {target.prefix}, and no package of this prefix is among them"
    nested = environment.prefix.startswith(target.prefix + os.sep)
    below = (f"it lies below {target.prefix}, in files of its own: only removing the whole folder would reach it",)
    return (own, apart, *(below if nested else ()))


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
