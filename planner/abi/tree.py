"""The files of an environment as the dynamic loader would meet them, before a change or after it.

A tree holds what may take part in linking: shared objects, programs and symlinks, each with its owner and with the file
in which its bytes can be read now. After a change most bytes still lie where they lay; those of a planned package lie
in a cache, or nowhere yet: then the path is known and its content is not. Who fills trees is `planner.abi.installed`
and `planner.abi.planned`; who walks them is `planner.abi.loader`.
"""

from __future__ import annotations

import os
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = "host:libraries"  # the owner of what lies outside the prefix
_LINKS = 40  # as many symlinks in a row as the kernel follows
_SHARED = re.compile(r"\.so(?:\.|$)")
_PROGRAMS = frozenset({"bin", "sbin", "libexec"})  # the folders that they lie in
_PYTHON_FOLDER = re.compile(r"(^|/)(?:python|pypy)\d+\.\d+t?(/|$)")
_MODULE_TAG = re.compile(r"\.(?:cpython-\d+[a-z]*(?:-[^./]+)?|abi3t?|pypy\d+[^./]*)\.so$")
_NUMBERED = re.compile(r"\.so(?:\.[0-9]+)+$|-[0-9.]+\.so$")


class Entry(Struct, frozen=True):
    """A file or symlink. `path` is relative to the prefix, absolute outside it; `owner` is a subject.

    `source` is where its bytes can be read now, None where they are not at hand. `link` is where a symlink leads, as
    it is written; `unread` marks a symlink whose target is not known. `placeholder` is a text in its bytes that
    installing replaces by the prefix.
    """

    path: str
    owner: str
    source: str | None = None
    link: str | None = None
    unread: bool = False
    placeholder: str = ""


class Tree(Struct, frozen=True):
    """All entries by path. `incomplete` are the subjects whose files are not known: any path may be theirs.

    `doubtful` are the paths that those had before and may have again.
    """

    prefix: str
    entries: Mapping[str, Entry]
    incomplete: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()

    def final(self, path: str) -> Entry | None:
        """The file that a path leads to, symlinks followed; None where there is none. Paths may be absolute."""
        for _ in range(_LINKS):
            if path.startswith("../"):
                path = posixpath.normpath(f"{self.prefix}/{path}")
            inside = self.inside(path)
            if inside is None:
                beside = self.entries.get(path)
                return beside or (Entry(path, SYSTEM, path) if os.path.isfile(path) else None)
            entry = self.entries.get(inside)
            if entry is None:
                through = self._through_folder(inside)
                if through is None:
                    return None
                path = through
            elif entry.link is None:
                return entry
            else:
                path = self._led(inside, entry.link)
        return None

    def inside(self, path: str) -> str | None:
        """A path relative to the prefix, however that is spelled; None for one outside it."""
        if not path.startswith("/"):
            return path
        if path.startswith(self.prefix + "/"):
            return path[len(self.prefix) + 1 :]
        folder, _, name = path.rpartition("/")
        real, prefix = _real(folder), _real(self.prefix)
        return f"{real}/{name}"[len(prefix) + 1 :] if f"{real}/".startswith(f"{prefix}/") else None

    def absolute(self, path: str) -> str:
        """A path as a message of the loader has it."""
        return path if path.startswith("/") else f"{self.prefix}/{path}"

    def _led(self, path: str, link: str) -> str:
        if link.startswith("/"):
            return posixpath.normpath(link)
        return posixpath.normpath(posixpath.join(self.prefix, posixpath.dirname(path), link))

    def _through_folder(self, path: str) -> str | None:
        """The same path where one of its folders is a symlink."""
        at = path.rfind("/")
        while at > 0:
            entry = self.entries.get(path[:at])
            if entry is not None and entry.link is not None:
                return posixpath.normpath(f"{self._led(path[:at], entry.link)}{path[at:]}")
            at = path.rfind("/", 0, at)
        return None


@lru_cache(maxsize=4096)  # the loader asks for many files of few folders
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def takes_part(path: str) -> bool:
    """Whether a file of this name may be a shared object or a program."""
    return is_shared(path) or path.rpartition("/")[0].rpartition("/")[2] in _PROGRAMS


def is_shared(path: str) -> bool:
    """Whether a file of this name may be a shared object."""
    # Most paths have nothing like it, and are told by a plain search.
    return ".so" in path and bool(_SHARED.search(posixpath.basename(path)))


def kin(path: str) -> str:
    """A path without what an upgrade changes in it: python's X.Y, a module's tag, a library's numbers."""
    path = _PYTHON_FOLDER.sub(r"\1python\2", path)
    return _NUMBERED.sub(".so", _MODULE_TAG.sub(".so", path))
