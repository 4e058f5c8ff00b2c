"""The shared libraries of the machine itself, as the dynamic loader would find them: its cache, then its folders.

Only where the change is meant for this very machine do they say anything; for another, `None` stands in their place,
and what a planned environment needs from outside is not known. The cache file is parsed with bounds and never trusted:
a name that leads to no fitting object leads nowhere.
"""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import TYPE_CHECKING

from planner.abi.elf import ElfFacts, read_elf
from planner.files import read_bytes
from planner.host import native_subdir

if TYPE_CHECKING:
    from planner.model.installed import Host

_CACHE = "/etc/ld.so.cache"
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_MAGIC = b"glibc-ld.so.cache1.1"
_OLD_MAGIC = b"ld.so-1.7.0\0"
_OLD_HEADER, _OLD_ENTRY = 16, 12
_HEADER, _ENTRY = struct.Struct("=I"), struct.Struct("=iII12x")
_HEADER_SIZE = 48
# What glibc itself brings: on every machine, whatever else it has.
GLIBC = frozenset(
    {
        "ld-linux-aarch64.so.1",
        "ld-linux-x86-64.so.2",
        "ld-linux.so.2",
        "ld64.so.2",
        "libc.so.6",
        "libdl.so.2",
        "libm.so.6",
        "libmvec.so.1",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libutil.so.1",
    }
)
# What comes with a driver of the machine the work will run on, and is never in an environment.
DRIVERS = frozenset({"libcuda.so.1", "libnvcuvid.so.1", "libnvidia-encode.so.1", "libnvidia-ml.so.1"})


def is_this_machine(host: Host) -> bool:
    """Whether a host is this machine as far as its system libraries go: its platform, and its glibc's version."""
    try:
        here = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):  # no glibc
        return False
    return host.subdir == native_subdir() and here == f"glibc {host.virtual('__glibc')}"


class System:
    """The libraries of this machine."""

    def __init__(self, cache: str = _CACHE, folders: tuple[str, ...] = _FOLDERS) -> None:
        self._cached = _read_cache(cache)
        self._folders = folders

    @cache  # noqa: B019 -- one of these lives as long as the answer it is made for
    def find(self, name: str, architecture: tuple[int, int, str]) -> str | None:
        """The path of the library that the loader takes for a name; None where there is none for the architecture."""
        for path in (*self._cached.get(name, ()), *(os.path.join(folder, name) for folder in self._folders)):
            facts = read_elf(path)
            if isinstance(facts, ElfFacts) and facts.architecture == architecture:
                return path
        return None


def _read_cache(path: str) -> dict[str, tuple[str, ...]]:
    """Names and the paths that the cache has for them, in its order; empty where it cannot be read."""
    try:
        content = read_bytes(path)
        start = 0
        if content.startswith(_OLD_MAGIC):
            (count,) = _HEADER.unpack_from(content, len(_OLD_MAGIC))
            start = _OLD_HEADER + count * _OLD_ENTRY
            start += -start % 8
        if content[start : start + len(_MAGIC)] != _MAGIC:
            return {}
        (count,) = _HEADER.unpack_from(content, start + len(_MAGIC))
        table = content[start + _HEADER_SIZE : start + _HEADER_SIZE + count * _ENTRY.size]
        found: dict[str, tuple[str, ...]] = {}
        for _, key, value in _ENTRY.iter_unpack(table):
            name, where = _text(content, start + key), _text(content, start + value)
            found[name] = (*found.get(name, ()), where)
    except (OSError, ValueError, struct.error):
        return {}
    return found


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode("utf-8", "backslashreplace")
