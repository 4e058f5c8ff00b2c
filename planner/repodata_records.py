"""Records of a channel as its own text has them, decoded without an engine: what every question of builds is answered by.

A question looks at thousands of builds, and an engine's objects cost ten times the decoding. Only what is written plainly
is decoded here, and comes out as rattler reads it, which is tested on every real channel at hand. Whatever is not, a
record without its platform or a name that a URL would escape, is left to rattler, by whom asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from planner.model.installed import PackageRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from planner.repodata_index import Run

_LAST_SECOND = 253_402_300_799  # end of the year 9999 in seconds: a larger timestamp is in milliseconds
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+-]*?(\.conda|\.tar\.bz2)")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_TEXT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+-]*")
_FEATURES = re.compile(r"(?:[\w.-]+(?:[ ,][\w.-]+)*)?")
_HEX = re.compile(r"[0-9a-f]+")
_SHA256, _MD5 = 64, 32


class _Record(msgspec.Struct, gc=False):
    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Literal["python", "generic"] | bool | None = None
    timestamp: int | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    license: str | None = None
    track_features: str | tuple[str, ...] = ()
    features: str | None = None
    python_site_packages_path: str | None = None


_RECORDS = msgspec.json.Decoder(dict[str, _Record])
_RECORD = msgspec.json.Decoder(_Record)


def plain_records(
    runs: Iterable[Run], channel: str, subdir: str, files: Collection[str] | None = None
) -> list[PackageRecord] | None:
    """The records of the runs, those of `files` alone where given; None where one of them is not written plainly.

    `channel` is the URL under which the packages lie. Of one build in both forms the `.conda` counts.
    """
    found: list[PackageRecord] = []
    base = channel.rstrip("/")
    ordered = sorted(runs, key=lambda run: not run.conda)
    stems: set[str] = set()
    for run in ordered:
        try:
            decoded = _decoded(run, files)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        for fn, record in decoded.items():
            ending = _FILE.fullmatch(fn)
            if ending is None or not _is_plain(record):
                return None
            stem = fn.removesuffix(ending[1])
            if stem in stems:
                continue
            stems.add(stem)
            found.append(_record(fn, record, base, subdir))
    return found


def _decoded(run: Run, files: Collection[str] | None) -> dict[str, _Record]:
    if files is None:
        return _RECORDS.decode(b"{" + run.text + b"}")
    return {fn: _RECORD.decode(text) for fn, text in run.members().items() if fn in files}


def _is_plain(record: _Record) -> bool:
    return bool(
        _NAME.fullmatch(record.name)
        and _TEXT.fullmatch(record.version)
        and _TEXT.fullmatch(record.build)
        and record.build_number >= 0
        and (not isinstance(record.track_features, str) or _FEATURES.fullmatch(record.track_features))
        and (record.size is None or record.size >= 0)
        and (record.timestamp is None or record.timestamp > 0)
        and _is_digest(record.sha256, _SHA256)
        and _is_digest(record.md5, _MD5)
    )


def _is_digest(text: str | None, length: int) -> bool:
    return text is None or (len(text) == length and _HEX.fullmatch(text) is not None)


def _record(fn: str, record: _Record, base: str, subdir: str) -> PackageRecord:
    features, stamp, noarch = record.track_features, record.timestamp, record.noarch
    return PackageRecord(
        record.name,
        record.version,
        record.build,
        record.build_number,
        base.removesuffix(f"/{record.subdir}"),
        record.subdir,
        fn,
        f"{base}/{subdir}/{fn}",
        record.depends,
        record.constrains,
        # Before there were two kinds, `true` meant what is called generic today.
        ("generic" if noarch else None) if isinstance(noarch, bool) else noarch,
        stamp * 1000 if stamp is not None and stamp <= _LAST_SECOND else stamp,
        record.size,
        record.sha256,
        record.md5,
        record.license,
        tuple(features.replace(",", " ").split(" ")) if isinstance(features, str) else features,
        record.features,
        record.python_site_packages_path,
    )
