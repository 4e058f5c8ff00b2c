"""What people have put under a prefix, or tied to it, that neither conda nor pip would bring into a new environment.

Configuration that no package owns, activation scripts, the texts of files that refer to the prefix from outside, and
whether the local places that pip installed from are still there. Only looked at, never run. Who refers to it is read by
`planner.reach`; what becomes of it is decided in `planner.own_steps` and `planner.cut_over`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.files import path_of_url, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.model.installed import Environment
    from planner.reference import Reference

_TOP = (".condarc", "condarc", "pip.conf")
_MOST, _LARGEST = 200, 1_000_000  # files, and bytes of each: configuration is neither many nor large
_TEXTS = frozenset({"cron", "job", "kernel", "shebang", "unit"})


class OwnFile(Struct, frozen=True):
    """A file that no package owns: its path below the prefix, and whether its text names the prefix."""

    path: str
    names_prefix: bool = False


class Belongings(Struct, frozen=True):
    """What belongs to an environment beside its packages. `sources` are the `file:` URLs of pip's that are there.

    `kernels` are the names of Jupyter kernels outside of the prefix that start its python, `outside` the path and text of
    each file that names it, kernels among them.
    """

    files: tuple[OwnFile, ...] = ()
    kernels: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    outside: tuple[tuple[str, str], ...] = ()


NOTHING_ELSE = Belongings()


def read_belongings(environment: Environment, references: Iterable[Reference]) -> Belongings:
    """Look at one environment and at what refers to it. What cannot be read is passed over."""
    prefix = environment.prefix
    mine = _unowned(environment, list(_candidates(prefix))[:_MOST])
    outside = [one for one in references if one.prefix == prefix and one.holder is None and one.kind in _TEXTS]
    kernels = {os.path.basename(os.path.dirname(one.source)) for one in outside if one.kind == "kernel"}
    return Belongings(
        files=tuple(OwnFile(path, _names(prefix, path)) for path in mine),
        kernels=tuple(sorted(kernels)),
        sources=frozenset(_sources(environment)),
        outside=tuple(_texts(sorted({one.source for one in outside}))),
    )


def _texts(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            yield path, read_bytes(path, _LARGEST).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def _candidates(prefix: str) -> Iterator[str]:
    for name in _TOP:
        if os.path.isfile(os.path.join(prefix, name)):
            yield name
    for folder, folders, names in os.walk(os.path.join(prefix, "etc")):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) <= _LARGEST:
                yield os.path.relpath(path, prefix).replace(os.sep, "/")


def _unowned(environment: Environment, paths: Iterable[str]) -> list[str]:
    """The paths that no conda record and no RECORD of a dist names."""
    left = {path: json.dumps(path).encode("ascii") for path in paths}
    for text in _records(environment):
        if not left:
            break
        left = {path: quoted for path, quoted in left.items() if quoted not in text}
    for dist in environment.pip_dists:
        if not left:
            break
        listed = _read(os.path.join(environment.prefix, dist.metadata_path, "RECORD")) or b""
        left = {path: quoted for path, quoted in left.items() if f"/{path},".encode() not in listed}
    return sorted(left)


def _records(environment: Environment) -> Iterator[bytes]:
    folder = os.path.join(environment.prefix, "conda-meta")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return
    for name in names:
        yield _read(os.path.join(folder, name)) or b""


def _names(prefix: str, path: str) -> bool:
    return os.fsencode(prefix) in (_read(os.path.join(prefix, path)) or b"")


def user_kernels(environ: Mapping[str, str], home: str) -> str:
    """The folder of a user's own Jupyter kernels."""
    given = environ.get("JUPYTER_DATA_DIR")
    if not given and sys.platform == "darwin":
        given = os.path.join(home, "Library", "Jupyter")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(given or os.path.join(data, "jupyter"), "kernels")


def _sources(environment: Environment) -> Iterator[str]:
    for dist in environment.pip_dists:
        if dist.direct_url is not None and dist.direct_url.url.startswith("file:"):
            try:
                path = path_of_url(dist.direct_url.url)
            except ValueError:
                continue
            if "\0" not in path and os.path.exists(path):
                yield dist.direct_url.url


def _read(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except OSError:
        return None
