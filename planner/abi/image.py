"""The bytes of one ELF file behind its program headers: bounded reads, the dynamic table, and its strings.

The dynamic loader looks at program headers and the dynamic table only, so nothing else is looked at here: files whose
section headers were cut off or forged read as they would load. Every read is a `pread` of a bounded size, so memory does
not grow with the object, and a file that ends early, lies about sizes or loops in itself costs one `BadElfError`. What
the entries mean for linking is `planner.abi.elf`'s and `planner.abi.symbols`'s.
"""

from __future__ import annotations

import os
import stat
import struct
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

EM_X86_64 = 62
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
SHT_DYNSYM = 11
_ET_EXEC, _ET_DYN = 2, 3
_HEAD = 4096  # bytes of the first read: headers, and for many objects the dynamic strings too
_TABLE_LIMIT = 1 << 20  # bytes of one table; the largest known version table has a tenth of this
_STRING_LIMIT = 1 << 16  # bytes of one string; C++ names of 10,000 bytes do occur
_WINDOW_GAP = 4096  # strings closer than this are read in one go
_SEGMENT_LIMIT = 256
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class BadElfError(ValueError):
    """An ELF file that cannot be read; the text says why, as the end of a sentence that begins with the file."""


class NoElfError(Exception):
    """Not a file that the dynamic loader takes: no ELF, or an ELF object file or core."""


class Layout(Struct, frozen=True):
    """How the structures lie in the file, which differs by word size and byte order."""

    bits: Literal[32, 64]
    byte_order: Literal["little", "big"]
    header: struct.Struct  # type, machine, phoff, shoff, phentsize, phnum, shentsize, shnum
    segment: struct.Struct  # type, offset, vaddr, filesz
    section: struct.Struct  # type, offset, size
    dynamic: struct.Struct  # tag, value
    symbol: struct.Struct  # name, info, other, shndx
    need: struct.Struct  # count, file, aux, next
    need_aux: struct.Struct  # flags, index, name, next
    definition: struct.Struct  # flags, index, count, aux, next
    definition_aux: struct.Struct  # name, next
    word: struct.Struct  # an unsigned 32 bit number
    half: struct.Struct  # an unsigned 16 bit number
    address: struct.Struct  # an unsigned number of `bits`


def _layout(bits: Literal[32, 64], byte_order: Literal["little", "big"]) -> Layout:
    def packed(wide: str, narrow: str | None = None) -> struct.Struct:
        return struct.Struct(("<" if byte_order == "little" else ">") + (wide if bits == 64 else narrow or wide))  # noqa: PLR2004 -- the word size

    return Layout(
        bits,
        byte_order,
        header=packed("HH12xQQ6xHHHH2x", "HH8xII6xHHHH2x"),
        segment=packed("I4xQQ8xQ16x", "III4xI12x"),
        section=packed("4xI16xQQ24x", "4xI8xII16x"),
        dynamic=packed("QQ", "II"),
        symbol=packed("IBBH16x", "I8xBBH"),
        need=packed("2xHIII"),
        need_aux=packed("4xHHII"),
        definition=packed("2xHHH4xII"),
        definition_aux=packed("II"),
        word=packed("I"),
        half=packed("H"),
        address=packed("Q", "I"),
    )


_LAYOUTS = {
    b"\x01\x01": _layout(32, "little"),
    b"\x01\x02": _layout(32, "big"),
    b"\x02\x01": _layout(64, "little"),
    b"\x02\x02": _layout(64, "big"),
}


class Image:
    """An open ELF program or shared object. Offsets are in bytes of the file, addresses as the file states them."""

    __slots__ = (
        "_descriptor",
        "_head",
        "_loads",
        "_sections",
        "_size",
        "dynamic",
        "interpreter",
        "is_program",
        "layout",
        "machine",
        "values",
    )

    def __init__(self, path: str) -> None:
        """Open the file at `path`, symlinks followed, and read headers and dynamic table.

        A pipe or device is no ELF file, and opening one never blocks. Raises `NoElfError`, `BadElfError`, `OSError`.
        """
        self._descriptor = os.open(path, _OPEN)
        try:
            self._read_headers()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Image:  # noqa: PYI034 -- `Self` is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def _read_headers(self) -> None:
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NoElfError
        self._size = status.st_size
        self._head = head = os.pread(self._descriptor, _HEAD, 0)
        if head[:4] != b"\x7fELF":
            raise NoElfError
        layout = _LAYOUTS.get(head[4:6])
        if layout is None:
            raise BadElfError("its ELF header names no known word size and byte order")
        self.layout = layout
        kind, self.machine, phoff, shoff, phentsize, phnum, shentsize, shnum = layout.header.unpack(
            self.read(16, layout.header.size)
        )
        if kind not in {_ET_EXEC, _ET_DYN}:
            raise NoElfError
        self._sections = (shoff, shentsize, shnum)
        loads: list[tuple[int, int, int]] = []
        self._loads = loads
        self.interpreter: str | None = None
        dynamic: tuple[int, int] | None = None
        for what, offset, address, size in self._segments(phoff, phentsize, phnum):
            if what == PT_LOAD:
                loads.append((address, offset, size))
            elif what == PT_DYNAMIC and size and dynamic is None:
                dynamic = (offset, size)
            elif what == PT_INTERP and self.interpreter is None:
                self.interpreter = _text(self.read(offset, min(size, _STRING_LIMIT)) + b"\0", 0)
        self.is_program = kind == _ET_EXEC or self.interpreter is not None
        self.dynamic = self._table(*dynamic) if dynamic else ()
        self.values: dict[int, int] = dict(reversed(self.dynamic))  # the first of each tag

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises `BadElfError` where the file ends before."""
        if offset + size <= len(self._head):
            return self._head[offset : offset + size]
        if size > _TABLE_LIMIT or offset + size > self._size:
            raise BadElfError(f"it is cut short or lies: {size} bytes at {offset} are not in its {self._size} bytes")
        content = os.pread(self._descriptor, size, offset)
        if len(content) != size:
            raise BadElfError("it became shorter while it was read")
        return content

    def parsed(self, offset: int, parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the table at `offset`, whose size is not stated anywhere.

        A page is tried first, then as much as a table may have. Raises `BadElfError` where that is not enough either.
        """
        there = self._size - offset
        for size in (_HEAD, _TABLE_LIMIT):
            try:
                return parse(self.read(offset, max(0, min(size, there))))
            except (struct.error, IndexError):
                continue
        raise BadElfError(f"the table at {offset} reaches past the end of the file or loops in itself")

    def offset(self, address: int) -> int:
        """Where in the file an address lies. Raises `BadElfError` where nothing is mapped there."""
        for start, offset, size in self._loads:
            if start <= address < start + size:
                return address - start + offset
        raise BadElfError(f"the address {address:#x} is in none of its segments")

    def mapped(self, address: int, size: int) -> bytes:
        """What is mapped at an address, at most `size` bytes: fewer where the segment ends before. Raises `BadElfError`."""
        offset = self.offset(address)
        ends = next(start + length for start, _, length in self._loads if start <= address < start + length)
        return self.read(offset, min(size, ends - address))

    def strings(self, offsets: Iterable[int]) -> dict[int, str]:
        """The strings at these offsets of the dynamic string table. What is not UTF-8 is written as escapes."""
        wanted = set(offsets)
        if not wanted:
            return {}
        address, size = self.values.get(DT_STRTAB), self.values.get(DT_STRSZ)
        if address is None or size is None:
            raise BadElfError("it has names but no string table")
        first, last = min(wanted), max(wanted)
        if last >= size:
            raise BadElfError(f"a name at {last} is not in its string table of {size} bytes")
        base = self.offset(address)
        if last - first <= _WINDOW_GAP:
            return self._strings(base, size, wanted, first, last)
        found: dict[int, str] = {}
        for window in _windows(sorted(wanted)):
            found.update(self._strings(base, size, window, window[0], window[-1]))
        return found

    def dynamic_symbol_count(self) -> int | None:
        """How many dynamic symbols the section headers state; None where they were stripped."""
        offset, entry, count = self._sections
        if not offset or entry != self.layout.section.size:
            return None
        for what, _, size in self.layout.section.iter_unpack(self.read(offset, entry * count)):
            if what == SHT_DYNSYM:
                return int(size) // self.layout.symbol.size
        return None

    def _strings(self, base: int, size: int, offsets: Collection[int], first: int, last: int) -> dict[int, str]:
        for room in (256, _STRING_LIMIT):
            end = min(size, last + room)
            content = self.read(base + first, end - first)
            if content.find(b"\0", last - first) >= 0:
                if content.isascii():
                    text = content.decode("ascii")
                    end_from = text.index
                    return {offset: text[(at := offset - first) : end_from("\0", at)] for offset in offsets}
                return {offset: _text(content, offset - first) for offset in offsets}
        raise BadElfError(f"the name at {last} does not end")

    def _segments(self, offset: int, entry: int, count: int) -> list[tuple[int, int, int, int]]:
        if count and entry != self.layout.segment.size:
            raise BadElfError(f"its program headers have {entry} bytes each, not {self.layout.segment.size}")
        if count > _SEGMENT_LIMIT:
            raise BadElfError(f"it has {count} program headers; at most {_SEGMENT_LIMIT} are read")
        return list(self.layout.segment.iter_unpack(self.read(offset, entry * count)))

    def _table(self, offset: int, size: int) -> tuple[tuple[int, int], ...]:
        """The entries of the dynamic table, up to the one that ends it."""
        entry = self.layout.dynamic
        return tuple(takewhile(itemgetter(0), entry.iter_unpack(self.read(offset, size - size % entry.size))))


DT_STRTAB, DT_STRSZ = 5, 10


def _windows(offsets: list[int]) -> Iterator[list[int]]:
    """Sorted offsets, in groups that are read in one go."""
    window = [offsets[0]]
    for offset in offsets[1:]:
        if offset - window[-1] > _WINDOW_GAP or offset - window[0] > _TABLE_LIMIT // 2:
            yield window
            window = []
        window.append(offset)
    yield window


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode("utf-8", "backslashreplace")
