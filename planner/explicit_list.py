"""The records of an explicit list: what `conda create --file` would link, without a solve and without a check.

What the list names is looked up in the channels that its URLs name. Nothing is added to it: what a package needs and
the list lacks, and what does not agree with the channel, becomes a problem with the file's name, for nobody checks an
explicit list when it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.channels import records_of
from planner.errors import BadSpec
from planner.model.installed import LoadProblem, PackageRecord
from planner.versions import matches, spec_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.environment_file import EnvironmentFile, Listed
    from planner.model.installed import Host
    from planner.model.solve import Repodata


def listed_records(
    file: EnvironmentFile, repodata: Sequence[Repodata], host: Host
) -> tuple[tuple[PackageRecord, ...], tuple[LoadProblem, ...]]:
    """The listed packages by name, and what is wrong with the list as far as their metadata tells."""
    records: list[PackageRecord] = []
    problems: list[LoadProblem] = []
    for item in sorted(file.explicit, key=lambda item: item.spec.name):
        found = _published(item, repodata)
        if found is None:
            what = f"{item.fn} is not in its channel {item.spec.channel}"
            problems.append(LoadProblem(file.path, what, "what it needs is not known"))
        elif item.digest and item.digest not in {found.md5, found.sha256}:
            what = f"the digest of {item.fn} is not the one that its channel has"
            problems.append(
                LoadProblem(file.path, what, "conda would refuse the file, or it is another than described")
            )
        records.append(found or _named(item))
    problems += [
        LoadProblem(file.path, what, "an explicit list is installed as it is: nothing adds what is missing")
        for what in _unmet(records, host)
    ]
    return tuple(records), tuple(problems)


def _published(item: Listed, repodata: Sequence[Repodata]) -> PackageRecord | None:
    spec = item.spec
    places = [place for place in repodata if place.channel == spec.channel and place.subdir == spec.subdir]
    candidates = [record for place in places for record in records_of(place, (spec.name,))]
    return next((record for record in candidates if record.fn == item.fn), None)


def _named(item: Listed) -> PackageRecord:
    spec = item.spec
    digest = item.digest or ""
    return PackageRecord(
        spec.name,
        spec.version or "",
        spec.build or "",
        channel=spec.channel or "",
        subdir=spec.subdir or "",
        fn=item.fn,
        url=item.url,
        md5=digest if len(digest) == 32 else None,  # noqa: PLR2004 -- hex digits of an MD5
        sha256=digest if len(digest) == 64 else None,  # noqa: PLR2004 -- and of a SHA-256
    )


def _unmet(records: Sequence[PackageRecord], host: Host) -> Iterator[str]:
    """What the listed packages need and neither the list nor the host has."""
    there = {record.name: record for record in records}
    there |= {
        package.name: PackageRecord(package.name, package.version, package.build) for package in host.virtual_packages
    }
    for record in records:
        for spec in record.depends:
            provider = there.get(_name(spec))
            if provider is None or matches(spec, provider) is False:
                yield f"{record.label} needs {spec}, which nothing in the list meets"


def _name(spec: str) -> str:
    try:
        return spec_name(spec)
    except BadSpec:
        return spec.split(" ", maxsplit=1)[0]
