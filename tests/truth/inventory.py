"""What there is to break: the modules, shared objects and scripts of a prefix, and whose they are.

Read from conda-meta and from the RECORDs of pip, independently of the product, which reads the same files with its own
code. A file that both list belongs to whose content it has, by the hashes in both lists: it was written last by them.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

_SITE = re.compile(r"^lib/python3\.\d+t?/site-packages/")
_MODULE = re.compile(r"^(?P<stem>[^.]+)(?:\.py|(?:\.cpython-\d+[a-z]*-[^.]+|\.abi3)?\.so)$")
_OBJECT = re.compile(r"\.so(?:\.[0-9.]+)?$")
# Tests and vendored copies are not for others to use, and `__main__` runs its program on import.
_NOT_IMPORTED = frozenset({"_vendor", "tests", "test", "testing", "conftest", "__main__", "setup"})
# Programs that open a window or wait for input.
_NOT_RUN = frozenset({"idle3", "pydoc3"})


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One thing that works or does not: (environment, owner, module or file or script).

    `owner` is a subject of the contract: `conda:NAME`, `pip:NAME`, or `file:PATH` of what nobody owns.
    `kind` is module, object, script, command or presence.
    """

    environment: str
    owner: str
    kind: str
    name: str


@dataclass(slots=True)
class Prefix:
    """Owners of files and modules of one prefix. `files` maps real paths to owners."""

    environment: str
    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    units: set[Unit] = field(default_factory=set)
    sources: dict[str, str] = field(default_factory=dict)  # source trees of editable dists: folder -> owner

    def owner_of(self, origin: str) -> str | None:
        """Whose file that is, None where nobody knows."""
        real = os.path.realpath(origin)
        for folder, owner in self.sources.items():
            if real.startswith(folder + os.sep):
                return owner
        return self.files.get(real)


def read(environment: str, folder: Path) -> Prefix:
    """Take stock of a prefix, or of a virtualenv."""
    found = Prefix(environment, folder)
    paths: dict[str, str] = {}
    contents: dict[str, str] = {}
    for record in _records(folder):
        owner = f"conda:{record['name']}"
        paths |= dict.fromkeys(record.get("files", ()), owner)
        for entry in record.get("paths_data", {}).get("paths", ()):
            contents[entry["_path"]] = entry.get("sha256_in_prefix") or entry.get("sha256") or ""
        found.units.add(Unit(environment, owner, "presence", record["name"]))
    for site in sorted(folder.glob("lib/python3.*/site-packages")):
        for information in sorted(site.glob("*.dist-info")):
            location = information.relative_to(folder).as_posix()
            owned = paths.get(f"{location}/METADATA", "").startswith("conda:")
            if not owned and not information.name.startswith("~"):
                _add_dist(found, site, information, paths, contents)
    for path in _unowned_objects(folder, paths):
        paths[path] = f"file:{folder / path}"
    for path, owner in paths.items():
        found.files[os.path.realpath(folder / path)] = owner
        if os.path.lexists(folder / path):
            found.units.update(_units(environment, folder, path, owner))
    return found


def grouped_modules(units: set[Unit]) -> list[list[str]]:
    """The modules of each owner in an order in which packages come before what is in them."""
    groups: dict[str, set[str]] = defaultdict(set)
    for unit in units:
        if unit.kind == "module":
            groups[unit.owner].add(unit.name)
    return [sorted(names) for _, names in sorted(groups.items())]


def _records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "conda-meta").glob("*.json"))]


def _add_dist(found: Prefix, site: Path, information: Path, paths: dict[str, str], contents: dict[str, str]) -> None:
    name, _, _version = information.name.removesuffix(".dist-info").partition("-")
    owner = f"pip:{canonicalize_name(name)}"
    try:
        rows = list(csv.reader((information / "RECORD").read_text().splitlines()))
    except OSError:
        rows = []
    for row in rows:
        path = os.path.normpath(site / row[0])
        if path.startswith(f"{found.folder}{os.sep}") and not path.endswith(".pyc"):
            inner = os.path.relpath(path, found.folder)
            if not _is_written_by_conda(path, contents.get(inner), row[1]):
                paths[inner] = owner
    try:
        direct = json.loads((information / "direct_url.json").read_text())
    except (OSError, ValueError):
        return
    if direct.get("dir_info", {}).get("editable"):
        source = os.path.realpath(direct["url"].removeprefix("file://"))
        found.sources[source] = owner
        for package in sorted(Path(source).glob("*/__init__.py")):
            for path in sorted(package.parent.iterdir()):
                module = _module(f"{package.parent.name}/{path.name}")
                if module:
                    found.units.add(Unit(found.environment, owner, "module", module))


def _is_written_by_conda(path: str, in_record: str | None, by_pip: str) -> bool:
    """Whether a file has the content that conda's record gives it, and not the one that pip's RECORD does."""
    if not in_record or not by_pip or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    own = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return digest.hex() == in_record and own != by_pip.removeprefix("sha256=")


def _unowned_objects(folder: Path, paths: dict[str, str]) -> list[str]:
    lib = folder / "lib"
    names = (
        sorted(path.name for path in lib.iterdir() if path.is_file() and not path.is_symlink()) if lib.is_dir() else []
    )
    return [f"lib/{name}" for name in names if _OBJECT.search(name) and f"lib/{name}" not in paths]


def _units(environment: str, folder: Path, path: str, owner: str) -> list[Unit]:
    found = []
    site = _SITE.match(path)
    module = _module(path[site.end() :]) if site else None
    if module:
        found.append(Unit(environment, owner, "module", module))
    if _OBJECT.search(path) and not (folder / path).is_symlink():
        found.append(Unit(environment, owner, "object", path))
    if path.startswith("bin/") and os.access(folder / path, os.X_OK) and path.removeprefix("bin/") not in _NOT_RUN:
        found.append(Unit(environment, owner, "script", path))
    return found


def _module(path: str) -> str | None:
    """`numpy/linalg/__init__.py` -> numpy.linalg; None for what is no module, or is not imported."""
    *folders, name = path.split("/")
    match = _MODULE.match(name)
    if match is None:
        return None
    parts = [*folders, *([] if match["stem"] == "__init__" else [match["stem"]])]
    if not parts or not all(part.isidentifier() for part in parts) or _NOT_IMPORTED.intersection(parts):
        return None
    return ".".join(parts)
