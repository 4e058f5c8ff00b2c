"""The paths that a conda record and one of pip's distributions both list, and whose content lies there.

pip asks nobody before it writes over conda's files, and conda takes away what its record lists, whoever wrote it last. The
two lists and their hashes tell where that has happened; Python sources that differ are looked at, larger files are not.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Literal

from planner.conda_meta import hashes
from planner.dist_files import read_hashes
from planner.files import read_bytes
from planner.load import record_contents
from planner.model.installed import SharedPath

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord, PipDist

_LOOKED_AT = 20  # files of one pair: enough to tell who wrote last
_LARGEST = 1024 * 1024  # bytes of a file that is looked at


def shared_paths(prefix: str, record: PackageRecord, dist: PipDist) -> tuple[SharedPath, ...]:
    """The paths in both lists, sorted. Empty where either list cannot be read: what both own is then not known."""
    owned = _owned(prefix, record)
    listed = _listed(prefix, dist)
    found, looked_at = [], 0
    for path in sorted(owned.keys() & listed.keys()):
        theirs, ours = owned[path], listed[path]
        same = theirs == ours if theirs and ours else None
        holds = None
        if same is False and path.endswith(".py") and looked_at < _LOOKED_AT:
            looked_at += 1
            holds = _holds(os.path.join(prefix, *path.split("/")), theirs, ours)
        found.append(SharedPath(path, same, holds))
    return tuple(found)


def _owned(prefix: str, record: PackageRecord) -> dict[str, str]:
    for content in record_contents(prefix, record):
        try:
            found = hashes(content, record)
        except ValueError:
            continue
        if found is not None:
            return found
    return {}


def _listed(prefix: str, dist: PipDist) -> dict[str, str]:
    """What RECORD lists, relative to the prefix: it may lead out of site-packages (`../../../bin/x`)."""
    try:
        text = read_bytes(os.path.join(prefix, *dist.metadata_path.split("/"), "RECORD")).decode("utf-8", "replace")
    except OSError:
        return {}
    there = {os.path.normpath(f"{dist.location}/{path}"): digest for path, digest in read_hashes(text).items()}
    return {
        path.replace(os.sep, "/"): digest for path, digest in there.items() if not path.startswith((os.pardir, "/"))
    }


def _holds(path: str, theirs: str, ours: str) -> Literal["conda", "pip", "neither"] | None:
    try:
        content = read_bytes(path, _LARGEST)
    except OSError:
        return None
    digest = hashlib.sha256(content).hexdigest()
    return "conda" if digest == theirs else "pip" if digest == ours else "neither"
