"""The pip layer as it would lie there after a change: what python still sees, and what conda provides beside it.

On Unix what pip put into another python's folder is out of sight, on Windows nothing is. What a conda package brings is
told by the dist-info it has now, else by its name; of a package that changes, the version of its distribution is taken to
be conda's, unless the two differ today: then it is not known, and stands here as an empty text. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner.dist_metadata import normalise
from planner.facts import dist_names
from planner.model.installed import PipDist
from planner.pyabi import split_spec
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from planner.model.installed import Environment, PackageRecord


def seen_by(dists: Iterable[PipDist], python: str | None) -> tuple[PipDist, ...]:
    """The distributions that lie where python `python` (a version, or X.Y) looks."""
    if python is None:
        return ()
    return tuple(dist for dist in dists if dist.python is None or dist.python.rstrip("t") == minor(python))


def environment_after(environment: Environment, records: Sequence[PackageRecord], python: str | None) -> Environment:
    """The environment with these records and this python: pip's distributions that it sees, and what conda brings.

    Given the environment's own records and python it is the environment as it is, seen in the same way.
    """
    owned: dict[str, list[PipDist]] = {}
    for dist in environment.dists:
        if dist.owner is not None:
            owned.setdefault(dist.owner, []).append(dist)
    before = {record.name: record for record in environment.records}
    provided = [dist for record in records for dist in _provided(record, before, owned)]
    dists = (*seen_by(environment.pip_dists, python), *provided)
    return replace(environment, records=tuple(records), dists=tuple(sorted(dists, key=_place)))


def one_owner_each(environment: Environment, rewritten: Collection[str]) -> Environment:
    """The same environment, of each distribution that conda and pip both provide only the copy that counts.

    That is pip's, which came later, unless conda writes its own again with the change: `rewritten` names those packages.
    """
    ours = {dist.name for dist in environment.pip_dists}
    theirs = {dist.name for dist in environment.dists if dist.owner is not None and dist.owner in rewritten}
    kept = (
        dist
        for dist in environment.dists
        if (dist.owner is None and dist.name not in theirs)
        or (dist.owner is not None and (dist.owner in rewritten or dist.name not in ours))
    )
    return replace(environment, dists=tuple(kept))


def _place(dist: PipDist) -> tuple[str, str, str]:
    return (dist.name, dist.location, dist.metadata_path)


def _provided(
    record: PackageRecord, before: Mapping[str, PackageRecord], owned: Mapping[str, Sequence[PipDist]]
) -> Iterator[PipDist]:
    old = before.get(record.name)
    now = owned.get(record.name, ())
    if old is not None and old.same_build(record) and now:
        yield from now
        return
    if old is not None and now:
        for dist in now:
            version = record.version if dist.version == old.version else ""
            yield _brought(record, dist.name, version)
        return
    name = dist_name(record)
    if name is not None:
        yield _brought(record, name, record.version)


def dist_name(record: PackageRecord) -> str | None:
    """The distribution that a conda package brings, by its name; None for one that is not python's."""
    known = dist_names().get(record.name)
    if known is not None:
        return known
    of_python = record.noarch == "python" or any(
        split_spec(spec)[0] in {"python", "python_abi"} for spec in record.depends
    )
    return normalise(record.name) if of_python else None


def _brought(record: PackageRecord, name: str, version: str) -> PipDist:
    return PipDist(name, version, name, "", f"conda-meta/{record.dist_name}.json", owner=record.name, files_known=False)
