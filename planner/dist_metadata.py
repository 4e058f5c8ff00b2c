"""The text of Python's core metadata: names, versions and requirements, as far as they are needed here."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$")
_VERSION = re.compile(r"^[^\s/\\]+$")
_SEPARATORS = re.compile(r"[-_.]+")
_FOLDER = re.compile(
    r"^(?P<name>.+?)-(?P<version>\d[^-]*)(?:-\d[^-]*)?(?:-py\d[\d.]*(?:-.*)?)?\.(?:dist-info|egg-info|egg)$"
)
_SECTION = re.compile(r"^\[([^:\]]*)(?::(.*))?\]$")


class Metadata(Struct, frozen=True):
    """What core metadata says, as it writes it; `requires_dist` are PEP 508 lines."""

    name: str
    version: str
    requires_python: str | None = None
    requires_dist: tuple[str, ...] = ()


@lru_cache(maxsize=65_536)  # the environments of an installation hold the same few thousand names
def normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return _SEPARATORS.sub("-", name).lower()


def parse(text: str) -> Metadata | None:
    """Read METADATA or PKG-INFO; None when it does not say name and version."""
    headers = _headers(text)
    name, version = _first(headers, "name"), _first(headers, "version")
    if not _NAME.match(name) or not _VERSION.match(version) or not version.isprintable():
        return None
    lines = tuple(" ".join(line.split()) for line in headers.get("requires-dist", ()))
    return Metadata(name, version, _first(headers, "requires-python") or None, tuple(line for line in lines if line))


def from_folder_name(entry: str) -> Metadata | None:
    """Name and version as the name of a metadata folder has them (`six-1.16.0-py3.9.egg-info`); None if it has not."""
    match = _FOLDER.match(entry)
    return Metadata(match["name"], match["version"]) if match and _NAME.match(match["name"]) else None


def required(text: str) -> tuple[str, ...]:
    """The lines of setuptools' `requires.txt` as PEP 508 has them; its sections are extras and markers."""
    found = []
    marker = ""
    for line in map(str.strip, text.splitlines()):
        section = _SECTION.match(line)
        if section:
            extra = f'extra == "{section[1].strip()}"' if section[1].strip() else ""
            condition = f"({section[2].strip()})" if section[2] and section[2].strip() else ""
            marker = " and ".join(part for part in (condition, extra) if part)
        elif line:
            found.append(f"{line}; {marker}" if marker else line)
    return tuple(found)


def _headers(text: str) -> dict[str, list[str]]:
    """The headers before the first empty line, by name in lower case; indented lines continue the one before."""
    headers: dict[str, list[str]] = {}
    last: list[str] = []
    for line in text.replace("\r\n", "\n").partition("\n\n")[0].split("\n"):
        if line[:1] in {" ", "\t"} and last:
            last[-1] += f" {line.strip()}"
            continue
        key, colon, value = line.partition(":")
        if colon:
            last = headers.setdefault(key.strip().lower(), [])
            last.append(value.strip())
    return headers


def _first(headers: dict[str, list[str]], key: str) -> str:
    return next(iter(headers.get(key, ())), "")
