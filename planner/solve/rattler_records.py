"""Between our records and rattler's: the only place that knows the shape of both.

rattler's objects neither pickle nor serialise, and their surface moves between releases, so nothing outside the
adapters ever holds one.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import rattler

from planner.model.installed import PackageRecord, VirtualPackage

_MILLISECONDS = 1000


def record_from_rattler(record: Any) -> PackageRecord:
    """Our record of a `rattler.RepoDataRecord` (or any of its subclasses)."""
    subdir = str(record.subdir)
    timestamp = record.timestamp
    return PackageRecord(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        build_number=record.build_number,
        channel=channel_base(str(record.channel or ""), subdir),
        subdir=subdir,
        fn=record.file_name,
        url=str(record.url),
        depends=tuple(record.depends),
        constrains=tuple(record.constrains),
        noarch="python" if record.noarch.python else "generic" if record.noarch.generic else None,
        timestamp=round(timestamp.timestamp() * _MILLISECONDS) if timestamp else None,
        size=record.size,
        sha256=record.sha256.hex() if record.sha256 else None,
        md5=record.md5.hex() if record.md5 else None,
        license=record.license,
        track_features=tuple(record.track_features),
        features=record.features,
        python_site_packages_path=record.python_site_packages_path,
    )


def record_to_rattler(record: PackageRecord) -> Any:
    """The `rattler.RepoDataRecord` of one of our records, for the solver's list of installed packages."""
    package = rattler.PackageRecord(
        record.name,
        rattler.VersionWithSource(record.version),
        rattler.BuildString(record.build),
        record.build_number,
        record.subdir or "noarch",
        noarch=record.noarch,  # type: ignore[arg-type]  # "python" and "generic" are the literals it takes
        depends=list(record.depends),
        constrains=list(record.constrains),
        sha256=bytes.fromhex(record.sha256) if record.sha256 else None,
        md5=bytes.fromhex(record.md5) if record.md5 else None,
        size=record.size,
        license=record.license,
        python_site_packages_path=record.python_site_packages_path,
    )
    if record.timestamp:
        package.timestamp = datetime.fromtimestamp(record.timestamp / _MILLISECONDS, tz=timezone.utc)
    if record.track_features:
        package.track_features = list(record.track_features)
    fn = record.fn or f"{record.dist_name}.conda"
    url = record.url if "://" in record.url else f"file:///unknown/{record.subdir or 'noarch'}/{fn}"
    # rattler takes nothing but URLs, and records hold bare names as well ("conda-forge", "defaults").
    channel = record.channel if "://" in record.channel else channel_base(url.rpartition("/")[0], record.subdir)
    return rattler.RepoDataRecord(package, file_name=fn, url=url, channel=channel)


def virtual_to_rattler(package: VirtualPackage) -> Any:
    """The `rattler.GenericVirtualPackage` of one of our virtual packages."""
    return rattler.GenericVirtualPackage(
        rattler.PackageName(package.name), rattler.Version(package.version), rattler.BuildString(package.build)
    )


def channel_base(channel: str, subdir: str) -> str:
    """A channel's base URL: without the subdir that old records carry, without a trailing slash."""
    base = channel.rstrip("/")
    return base.removesuffix(f"/{subdir}") if subdir else base
