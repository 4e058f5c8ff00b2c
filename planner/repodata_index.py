"""Where in a `repodata.json` the records of each name lie, so that a question reads a hundredth of the file.

A channel is hundreds of megabytes of which a question reaches a few. The file is decoded once, for names alone, and the
places of their records are kept in the planner's own cache: under the digest of the content, and the digest under the
file's identity. A file whose last change is too fresh to be told from the next one is digested again each time.

What is read is the channel's own text, record for record. A file that holds anything besides plain records (CEP 48's
v3, signatures, a name that JSON escapes) has no index: such a file is read whole, by those who know what it means.
"""

from __future__ import annotations

import gc
import hashlib
import mmap
import os
import re
import time
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from planner.cache import identity, settled
from planner.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from planner.cache import Cache

# Below this many bytes a file is decoded faster than a cache entry is worth.
_WORTH_KEEPING = 4 << 20
_VERSION = "1"
_CHUNK = 1 << 20
_SPACE = b" \t\r\n"
_COMMA, _COLON = b",:"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)


class _Named(msgspec.Struct, gc=False):
    name: str


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """A `repodata.json` of plain records. conda's older copies have four more keys, for conda itself."""

    info: msgspec.Raw = msgspec.Raw(b"{}")
    packages: dict[str, _Named] | None = None
    conda: dict[str, _Named] | None = msgspec.field(name="packages.conda", default=None)
    removed: msgspec.Raw = msgspec.Raw(b"[]")
    version: msgspec.Raw = msgspec.field(name="repodata_version", default=msgspec.Raw(b"1"))
    url: msgspec.Raw = msgspec.field(name="_url", default=msgspec.Raw(b""))
    etag: msgspec.Raw = msgspec.field(name="_etag", default=msgspec.Raw(b""))
    modified: msgspec.Raw = msgspec.field(name="_mod", default=msgspec.Raw(b""))
    control: msgspec.Raw = msgspec.field(name="_cache_control", default=msgspec.Raw(b""))


class _Places(msgspec.Struct, frozen=True, array_like=True):
    """What is kept: the head of the document, and for each name where its runs begin and end, by kind of file."""

    head: bytes
    packages: dict[str, tuple[int, ...]]
    conda: dict[str, tuple[int, ...]]


_DOCUMENT = msgspec.json.Decoder(_Document)
_PLACES = msgspec.msgpack.Decoder(_Places)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NO_PLACES = b""
_ENDINGS = (".conda", ".tar.bz2")


class Run(Struct, frozen=True):
    """Records of one name that lie together: JSON members, the comma after the last one left out; `place` in the file."""

    name: str
    place: int
    conda: bool  # whether they are `.conda` files
    text: bytes

    def members(self) -> dict[str, msgspec.Raw]:
        """Each record's text by its file name."""
        return _MEMBERS.decode(b"{" + self.text + b"}")

    def only(self, files: Collection[str]) -> Run | None:
        """The records of these packages' files alone; None where none of them is here."""
        left = [msgspec.json.encode(fn) + b":" + bytes(record) for fn, record in self.members().items() if fn in files]
        return Run(self.name, self.place, self.conda, b",".join(left)) if left else None


class RepodataIndex(Struct, frozen=True):
    """One file, the digest of its content, and the places of its records; `places` is None where it has no index."""

    path: str
    digest: str
    identity: tuple[int, ...]
    places: _Places | None

    @property
    def plain(self) -> bool:
        """Whether the file can be read by names."""
        return self.places is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it has records of, none where it has no index."""
        return () if self.places is None else tuple({**self.places.packages, **self.places.conda})

    def read(self, names: Iterable[str]) -> list[Run]:
        """The records of these names. Raises `ChannelError` where the file has changed meanwhile or cannot be read."""
        runs: list[Run] = []
        try:
            with open(self.path, "rb", buffering=0) as file:
                if identity(os.fstat(file.fileno())) != self.identity:
                    raise ChannelError(f"{self.path} has changed while it was read: ask again")
                for name, conda, start, end in self._wanted(names):
                    file.seek(start)
                    runs.append(Run(name, start, conda, file.read(end - start)))
        except OSError as error:
            raise ChannelError(f"{self.path} cannot be read: {error.strerror or error}") from None
        return runs

    def document(self, runs: Iterable[Run]) -> list[bytes]:
        """A `repodata.json` of some records in the order that they have in this file, in parts."""
        if self.places is None:
            raise ValueError(f"{self.path} has no index")
        ordered = sorted(runs, key=lambda run: run.place)
        return [
            self.places.head,
            b',"packages":{',
            b",".join(run.text for run in ordered if not run.conda),
            b'},"packages.conda":{',
            b",".join(run.text for run in ordered if run.conda),
            b"}}",
        ]

    def _wanted(self, names: Iterable[str]) -> Iterator[tuple[str, bool, int, int]]:
        if self.places is None:
            raise ValueError(f"{self.path} has no index")
        for name in names:
            for conda, section in ((False, self.places.packages), (True, self.places.conda)):
                places = section.get(name, ())
                for start, end in zip(places[::2], places[1::2], strict=True):
                    yield name, conda, start, end


_LAST_OPENED: dict[str, RepodataIndex] = {}
_MOST_OPENED = 64


def index_of(path: str, digest: str) -> RepodataIndex:
    """The index of a file whose content has that digest, as it was last opened; made anew where it was not."""
    known = _LAST_OPENED.get(path)
    return known if known is not None and known.digest == digest else open_index(path)


def open_index(path: str, cache: Cache | None = None) -> RepodataIndex:
    """The index of a file, from the cache or made and kept. Raises `OSError` for a file that cannot be read."""
    now = time.time_ns()
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        kept = cache if status.st_size >= _WORTH_KEEPING else None
        key = f"{os.path.abspath(path)} {identity(status)}"
        digest = _text(kept, key)
        known = digest is not None
        digest = digest or _digest(file)
        content = kept.get("repodata-index", _VERSION, digest) if kept is not None else None
        if content is None:
            places = _places(file, status.st_size)
            content = memoryview(_NO_PLACES if places is None else msgspec.msgpack.encode(places))
            if kept is not None:
                kept.put("repodata-index", _VERSION, digest, content)
        else:
            places = _PLACES.decode(content) if content else None
        if (
            kept is not None
            and not known
            and settled(status, now)
            and identity(os.fstat(file.fileno())) == identity(status)
        ):
            kept.put("repodata-digest", _VERSION, key, digest.encode())
    index = RepodataIndex(path, digest, identity(status), places)
    while len(_LAST_OPENED) >= _MOST_OPENED:
        _LAST_OPENED.pop(next(iter(_LAST_OPENED)))
    _LAST_OPENED[path] = index
    return index


def is_at_hand(path: str, cache: Cache) -> bool:
    """Whether the index of a file is kept, or the file is one that none is kept of. Raises `OSError`."""
    status = os.stat(path)
    digest = _text(cache, f"{os.path.abspath(path)} {identity(status)}")
    return status.st_size < _WORTH_KEEPING or (
        digest is not None and cache.get("repodata-index", _VERSION, digest) is not None
    )


def _text(cache: Cache | None, key: str) -> str | None:
    content = cache.get("repodata-digest", _VERSION, key) if cache is not None else None
    return None if content is None else bytes(content).decode()


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


# --------------------------------------------------------------------------------------------------------------------
# Making one


def _places(file: BinaryIO, size: int) -> _Places | None:
    if not size:
        return None
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last that was decoded out of it
    collecting = gc.isenabled()
    gc.disable()  # a million small objects at once, none of them garbage
    try:
        document = _DOCUMENT.decode(content)
        if b'"base_url"' in bytes(document.info):
            return None  # packages that lie elsewhere: what that means is rattler's to say
        return _Places(
            b'{"info":' + bytes(document.info) + b',"repodata_version":' + bytes(document.version),
            _by_name(content, b"packages", document.packages),
            _by_name(content, b"packages.conda", document.conda),
        )
    except (msgspec.DecodeError, ValueError):
        return None
    finally:
        if collecting:
            gc.enable()


def _by_name(content: mmap.mmap, section: bytes, members: Mapping[str, _Named] | None) -> dict[str, tuple[int, ...]]:
    """Where each name's records begin and end in a section, in pairs. Raises `ValueError` where they are not found."""
    if not members:
        return {}
    found: dict[str, list[int]] = {}
    run: list[int] = []
    place = _key(content, section, 0)
    last, fn = "", ""
    for fn, record in members.items():
        if record.name != last:
            if not fn.endswith(_ENDINGS):
                raise ValueError(f"{fn} is no file of a package")  # and might be a key inside a record as well
            place = _key(content, fn.encode(), place)
            if run:
                run.append(_before_comma(content, place))
            last = record.name
            run = found.setdefault(last.lower(), [])
            run.append(place)
    run.append(_end_of_member(content, _key(content, fn.encode(), place)))
    return {name: tuple(places) for name, places in found.items()}


def _key(content: mmap.mmap, key: bytes, start: int) -> int:
    """Where the member of that key begins. A text of the same letters that is no key is passed over."""
    quoted = b'"' + key + b'"'
    place = content.find(quoted, start)
    while place >= 0:
        after = place + len(quoted)
        while content[after] in _SPACE:
            after += 1
        if content[after] == _COLON:
            return place
        place = content.find(quoted, after)
    raise ValueError(f"the key {key!r} is written in another way")


def _before_comma(content: mmap.mmap, place: int) -> int:
    """Where the member before the one at `place` ends."""
    end = place
    while content[end - 1] in _SPACE or content[end - 1] == _COMMA:
        end -= 1
    return end


def _end_of_member(content: mmap.mmap, place: int) -> int:
    """Where a member ends, its value being an object."""
    depth, end = 0, place
    for token in _TOKEN.finditer(content, place):
        text = token[0]
        depth += (text == b"{") - (text == b"}")
        end = token.end()
        if text == b"}" and not depth:
            return end
    raise ValueError("the last record does not end")
