"""One file of `conda-meta` as a record: decoded for what solving and judging need, and nothing else.

Path lists are nine tenths of these files. Where one is laid out as conda and mamba do, they are cut out before anything
is decoded; `paths` reads them on demand, and `python_metadata` finds by a plain search what little of them loading needs.
Records were written by conda since version 3, mamba, micromamba, rattler and people: what is not essential may be missing
or of another type, and is then taken as not recorded.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from planner.channel_names import KNOWN_SUBDIRS
from planner.credentials import without_credentials
from planner.model.installed import PackageRecord, RecordFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = re.compile(r"^[^\s/\\:]+$")
_NUMBERED = re.compile(r"_(\d+)(?:_|$)")
_ARCHIVE = re.compile(r"\.(?:conda|tar\.bz2)$")
_AFTER_PATH = re.compile(r"[?#].*$", re.DOTALL)
_TOKEN = re.compile(r"(^|/)t/[^/]+/")
_TO_CLEAN = re.compile(r"[@?#]|(?:^|/)t/")
_MOST_SHARED = 16_384  # builds that are remembered; fifty environments hold a third of it
_LAST_SECOND = 253_402_300_799  # end of the year 9999 in seconds: a larger timestamp is in milliseconds
_MACHINES = {"x86": "32", "x86_64": "64", "ppc64le": "ppc64le", "aarch64": "aarch64", "arm64": "arm64"}
_PYTHON_METADATA = re.compile(
    rb'site-packages/([^"/\\]+\.(?:dist-info/(?:METADATA|RECORD)|egg-info/PKG-INFO|egg-info|egg/EGG-INFO/PKG-INFO|egg-link))"'
)


class BadRecordError(ValueError):
    """A file that is no package record; the text says why, as the end of a sentence that begins with the file."""


class _Record(msgspec.Struct):
    """What is decoded. Only the identity is strict: old records have other types in nearly every other place."""

    name: str
    version: str
    build: str
    build_number: Any = None
    channel: Any = None
    subdir: Any = None
    fn: Any = None
    url: Any = None
    depends: list[str] | None = None
    constrains: list[str] | None = None
    noarch: Any = None
    timestamp: Any = None
    size: Any = None
    sha256: Any = None
    md5: Any = None
    license: Any = None
    track_features: Any = None
    features: Any = None
    python_site_packages_path: Any = None
    platform: Any = None
    arch: Any = None


class _Path(msgspec.Struct):
    path: str = msgspec.field(name="_path", default="")
    sha256: Any = None
    sha256_in_prefix: Any = None


class Fingerprint(msgspec.Struct, frozen=True):
    """What conda-meta says of one linked file; `sha256` is empty and `size` None where it does not say."""

    link: bool
    sha256: str
    size: int | None


class _PrintedPath(msgspec.Struct):
    path: str = msgspec.field(name="_path", default="")
    path_type: str | None = None
    prefix_placeholder: str | None = None
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size_in_bytes: int | None = None


class _PrintedPathsData(msgspec.Struct):
    paths: list[_PrintedPath] | None = None


class _Printed(msgspec.Struct):
    files: list[str] | None = None
    paths_data: _PrintedPathsData | None = None


class _PathsData(msgspec.Struct):
    paths: list[_Path] | None = None


class _Listed(msgspec.Struct):
    """As `_Paths`, for the names alone: most records have them twice, and what is in `paths_data` may be left as it is."""

    name: str
    version: str
    build: str
    files: list[str] | None = None
    paths_data: msgspec.Raw = msgspec.Raw(b"null")
    link: Any = None


class _Paths(msgspec.Struct):
    name: str
    version: str
    build: str
    files: list[str] | None = None
    paths_data: _PathsData | None = None
    link: Any = None


_RECORDS = msgspec.json.Decoder(_Record)
_PATHS = msgspec.json.Decoder(_Paths)
_LISTED = msgspec.json.Decoder(_Listed)
_PATHS_DATA = msgspec.json.Decoder(_PathsData | None)
_FINGERPRINTS = msgspec.json.Decoder(_Printed)


def read(content: bytes) -> tuple[PackageRecord, tuple[str, ...]]:
    """The record that a conda-meta file holds, and the `python_metadata` it owns. Raises `BadRecordError`."""
    bare, listed = _parts(content)
    return _record(bare), tuple(dict.fromkeys(_metadata(listed)))


def decode(content: bytes) -> PackageRecord:
    """The record that a conda-meta file holds. Raises `BadRecordError`."""
    return _record(_parts(content)[0])


_shared: dict[bytes, PackageRecord] = {}


def _record(bare: bytes) -> PackageRecord:
    """What the text holds, decoded once: the environments of an installation have most of their builds in common."""
    key = hashlib.sha256(bare).digest()
    record = _shared.get(key)
    if record is None:
        record = _fresh_record(bare)
        if len(_shared) < _MOST_SHARED:
            _shared[key] = record
    return record


def _fresh_record(bare: bytes) -> PackageRecord:
    raw = _decoded(_RECORDS, bare)
    for key, value in (("name", raw.name), ("version", raw.version), ("build", raw.build)):
        if not _PLAIN.match(value) or not value.isprintable():
            raise BadRecordError(f"it is no package record: {value!r} cannot be a {key}")
    url = _clean(_text(raw.url))
    subdir = _subdir(raw, url)
    return PackageRecord(
        name=raw.name,
        version=raw.version,
        build=raw.build,
        build_number=_build_number(raw),
        channel=_channel(_text(raw.channel), url, subdir),
        subdir=subdir,
        fn=_file_name(raw, url),
        url=url,
        depends=tuple(raw.depends or ()),
        constrains=tuple(raw.constrains or ()),
        noarch=_noarch(raw.noarch),
        timestamp=_timestamp(raw.timestamp),
        size=_whole(raw.size),
        sha256=_text(raw.sha256).lower() or None,
        md5=_text(raw.md5).lower() or None,
        license=_text(raw.license) or None,
        track_features=_features(raw.track_features),
        features=" ".join(_features(raw.features)) or None,
        python_site_packages_path=_text(raw.python_site_packages_path) or None,
    )


def paths(content: bytes, record: PackageRecord) -> RecordFiles | None:
    """The path list in a conda-meta file; None when the file is about another build than `record`.

    A record that names no file is known to have none only if an installer wrote it, which leaves a `link`. Raises
    `BadRecordError`.
    """
    raw = _decoded(_LISTED, content)
    if (raw.name, raw.version, raw.build) != (record.name, record.version, record.build):
        return None
    # `files` has the paths as they lie in the prefix; those of noarch packages in `paths_data` are the package's own.
    names = raw.files or _own_paths(raw.paths_data)
    unique = set(names) if b"\\" not in content else {name.replace("\\", "/") for name in names}
    unique.discard("")
    return RecordFiles(tuple(sorted(unique)), known=bool(unique) or raw.link is not None)


def _own_paths(paths_data: msgspec.Raw) -> list[str]:
    found = _decoded(_PATHS_DATA, paths_data)
    return [item.path for item in (found.paths if found else None) or ()]


def hashes(content: bytes, record: PackageRecord) -> dict[str, str] | None:
    """SHA-256 of each path as it was installed, "" where it is not recorded; None for a file about another build.

    Raises `BadRecordError`.
    """
    raw = _decoded(_PATHS, content)
    if (raw.name, raw.version, raw.build) != (record.name, record.version, record.build):
        return None
    found = dict.fromkeys((name.replace("\\", "/") for name in raw.files or ()), "")
    # Paths of a noarch package may be the package's own, `site-packages/x.py`, and not those in the prefix.
    site = next((name.partition("site-packages/")[0] for name in found if "/site-packages/" in name), "")
    for item in (raw.paths_data.paths if raw.paths_data else None) or ():
        path = item.path.replace("\\", "/")
        known = path if path in found or not found else f"{site}{path}"
        if known in found or not raw.files:
            found[known] = _text(item.sha256_in_prefix) or _text(item.sha256)
    return found


def fingerprints(content: bytes) -> dict[str, Fingerprint]:
    """Path -> what a file of the record was like when it was linked, for those of which that is on record.

    `paths_data` names the files of a noarch package as the package does, below `site-packages`; those that `files` has
    under another path are found by their ending. Raises `BadRecordError`.
    """
    raw = _decoded(_FINGERPRINTS, content)
    listed = set(raw.files or ())
    tails = {path.partition("site-packages/")[2]: path for path in listed if "site-packages/" in path}
    found = {}
    for item in raw.paths_data.paths if raw.paths_data and raw.paths_data.paths else ():
        path = item.path
        if listed and path not in listed:
            path = tails.get(path.removeprefix("site-packages/"), path)
        rewritten = bool(item.prefix_placeholder)
        sha256 = item.sha256_in_prefix or ("" if rewritten else item.sha256 or "")
        found[path.replace("\\", "/")] = Fingerprint(
            link=item.path_type == "softlink", sha256=sha256, size=None if rewritten else item.size_in_bytes
        )
    return found


def python_metadata(content: bytes) -> Iterator[str]:
    """The Python metadata that a record owns: paths of `.dist-info`, `.egg-info` and the like, relative to the prefix."""
    yield from _metadata(_parts(content)[1])


def _metadata(listed: bytes) -> Iterator[str]:
    if b"site-packages" not in listed:
        return
    first, last = 0, len(listed)
    if b".egg" not in listed:
        first = listed.find(b".dist-info/")
        if first < 0:
            return
        # Nothing outside of the lines from the first to the last of them has to be searched.
        end = listed.find(b"\n", listed.rfind(b".dist-info/"))
        first, last = listed.rfind(b"\n", 0, first) + 1, end if end >= 0 else last
    listed = listed[first:last]
    if rb"site-packages\\" in listed:
        listed = listed.replace(rb"\\", b"/")
    for match in _PYTHON_METADATA.finditer(listed):
        start = listed.rfind(b'"', 0, match.start()) + 1
        path = listed[start : match.end() - 1].decode("utf-8", "replace")
        yield re.sub(r"(\.dist-info|\.egg-info|/EGG-INFO)/[^/]*$", r"\1", path)


class _Layout:
    """How a writer that sorts its keys begins and ends the path lists, at an indent of so many spaces."""

    def __init__(self, indent: int) -> None:
        self.close = b"\n" + b" " * indent + b"}"
        start = b"\n" + b" " * indent
        self.files, self.files_end = start + b'"files": [\n', start + b"]"
        self.behind_files = start + b"]," + start + b'"fn"'
        self.data, self.data_end = start + b'"paths_data": {\n', b'"paths_version": 1' + start + b"}"
        self.behind_data = (
            start + b'"requested_spec',
            start + b'"sha256": ',
            start + b'"size": ',
            start + b'"subdir": ',
        )


_LAYOUTS = (_Layout(2), _Layout(4))  # conda's, and mamba's


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """The content with empty path lists, and the list `files`; twice the whole where it is not laid out as is known.

    What is cut out begins and ends at one bracket each, so that whatever else had these marks is no JSON without it. The
    end of the paths is looked for from the end of the file: what always stands behind them must be found there.
    """
    layout = _LAYOUTS[content.startswith(b'{\n    "')]
    files = content.find(layout.files)
    data = content.find(layout.data, files)
    data_end = content.rfind(layout.data_end, data)
    if files < 0 or data < 0 or data_end < 0:
        return content, content
    files_end = content.rfind(layout.files_end, files, data)
    behind = content[data_end + len(layout.data_end) :]
    spec, sha256, size, subdir = layout.behind_data
    if (
        not content.startswith(layout.behind_files, files_end)
        or layout.close in behind
        or not (spec in behind and sha256 in behind and size in behind and subdir in behind)
    ):
        return content, content
    bare = content[: files + len(layout.files)] + content[files_end : data + len(layout.data)] + content[data_end:]
    return bare, content[files:files_end]


def _decoded(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        raise BadRecordError(f"it is no package record: {str(error).replace('`', '')}") from None
    except msgspec.DecodeError as error:
        cut = "truncated" in str(error)
        text = "it is empty" if not content.strip() else "it is cut short: its JSON ends in the middle" if cut else None
        raise BadRecordError(
            text or f"it is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}"
        ) from None
    except UnicodeDecodeError:
        raise BadRecordError("it is not UTF-8") from None
    except RecursionError:
        raise BadRecordError("its JSON is nested too deeply") from None


def _text(value: Any) -> str:
    return value.strip() if value and isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _build_number(raw: _Record) -> int:
    number = _whole(int(raw.build_number) if _text(raw.build_number).isdecimal() else raw.build_number)
    if number is not None:
        return number
    found = _NUMBERED.search(raw.build)
    return int(found[1]) if found else 0


def _noarch(value: Any) -> str | None:
    """`noarch: true` is what generic packages said before there were kinds."""
    if value is True:
        return "generic"
    return _text(value) or None


def _timestamp(value: Any) -> int | None:
    whole = _whole(int(value) if isinstance(value, float) and abs(value) < 1e18 else value)  # noqa: PLR2004 -- no clock
    if not whole:
        return None
    return whole if whole > _LAST_SECOND else whole * 1000


def _features(value: Any) -> tuple[str, ...]:
    """A list, or a text with spaces or commas between the features."""
    if not value:
        return ()
    items = value if isinstance(value, list) else [value]
    return tuple(part for item in items for part in _text(item).replace(",", " ").split())


def _clean(url: str) -> str:
    """A URL without login, token, query and fragment."""
    if not _TO_CLEAN.search(url):
        return url
    return _AFTER_PATH.sub("", without_credentials(url)) if "://" in url else _TOKEN.sub(r"\1", url)


def _subdir(raw: _Record, url: str) -> str:
    """The platform: as recorded, else as the URL or the channel says, else as conda 4.0 wrote it."""
    recorded = _text(raw.subdir)
    if recorded:
        return recorded
    for text in (url.rpartition("/")[0], _text(raw.channel).rstrip("/")):
        last = text.rpartition("/")[2]
        if last in KNOWN_SUBDIRS:
            return last
    if _noarch(raw.noarch):
        return "noarch"
    platform, machine = _text(raw.platform), _MACHINES.get(_text(raw.arch))
    return f"{platform}-{machine}" if platform and machine else ""


def _channel(recorded: str, url: str, subdir: str) -> str:
    """The channel's base, without the subdir that old records have at its end, and without credentials."""
    channel = _base(recorded, subdir)
    if channel:
        return channel
    head, slash, _ = url.rpartition("/")
    base, _, last = head.rpartition("/")
    return base if slash and last in KNOWN_SUBDIRS else ""


@lru_cache(maxsize=1024)  # an installation has few channels and many records
def _base(recorded: str, subdir: str) -> str:
    channel = _clean(recorded).rstrip("/")
    head, slash, last = channel.rpartition("/")
    return head if slash and last in {subdir, *KNOWN_SUBDIRS} else channel


def _file_name(raw: _Record, url: str) -> str:
    for name in (_text(raw.fn), url.rpartition("/")[2]):
        if name and "/" not in name and "\\" not in name:
            return name
    # Without a word of the format it is from the days when there was one.
    return f"{raw.name}-{raw.version}-{raw.build}.tar.bz2"


def stem(file_name: str) -> str:
    """The name of a package file without its format, which is also the stem of its conda-meta file."""
    return _ARCHIVE.sub("", file_name)
