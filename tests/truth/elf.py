"""The one thing the lab changes in a binary: where an interpreter of this machine looks for its own libpython.

A CPython that was configured for `/somewhere` names `/somewhere/lib` as its run path. In a conda package it must find
the libpython of its own prefix, and, as conda's does, by RPATH: that one also serves the extensions it loads.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 5, 15, 29
_LITTLE_64 = b"\x7fELF\x02\x01"


def set_rpath(path: Path, value: str) -> bool:
    """Replace the run path of a 64-bit ELF object by an RPATH, in place; False where it has none with room for it."""
    content = bytearray(path.read_bytes())
    if not content.startswith(_LITTLE_64):
        return False
    segments = list(_segments(content))
    dynamic = next((segment for segment in segments if segment[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return False
    entries = list(_dynamic(content, dynamic))
    strings = next(value for _, tag, value in entries if tag == _DT_STRTAB)
    for place, tag, offset in entries:
        if tag in {_DT_RPATH, _DT_RUNPATH}:
            start = _file_offset(segments, strings + offset)
            end = content.index(b"\0", start)
            if end - start < len(value):
                return False
            content[start:end] = value.encode().ljust(end - start, b"\0")
            struct.pack_into("<q", content, place, _DT_RPATH)
            path.write_bytes(content)
            return True
    return False


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF objects do."""
    try:
        with path.open("rb") as content:
            return content.read(4) == b"\x7fELF"
    except OSError:
        return False


def _segments(content: bytearray) -> list[tuple[int, int, int, int]]:
    """Kind, file offset, address and file size of every segment."""
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    found = []
    for number in range(count):
        kind, _flags, offset, address, _physical, length = struct.unpack_from("<IIQQQQ", content, table + number * size)
        found.append((kind, offset, address, length))
    return found


def _dynamic(content: bytearray, segment: tuple[int, int, int, int]) -> list[tuple[int, int, int]]:
    """Place in the file, tag and value of every dynamic entry."""
    _, offset, _, length = segment
    found = []
    for place in range(offset, offset + length, 16):
        tag, value = struct.unpack_from("<qQ", content, place)
        if tag == 0:
            break
        found.append((place, tag, value))
    return found


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise ValueError(f"address {address:#x} lies in no segment")
