"""Which addresses of a 64-bit x86 object the dynamic loader fills, and with what: a function by its name, or an address.

Calls to other objects go through such a place, and tables of functions, like that of a python module's methods, are made
of them. What cannot be told before run time (IFUNCs, thread-local storage) is left out. What is called from where is
`planner.abi.code`'s.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.abi.image import BadElfError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.abi.image import Image

_DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_JMPREL, _DT_PLTRELSZ, _DT_RELR, _DT_RELRSZ = 6, 7, 8, 23, 2, 36, 35
_ANYWHERE, _LINKAGE = 1, frozenset({6, 7})  # R_X86_64_64; GLOB_DAT and JUMP_SLOT
_RELATIVE = 8
_RELA = struct.Struct("<QQq")
_ADDRESS = struct.Struct("<Q")
_SYMBOL = struct.Struct("<IBBHQQ")
_CHUNK = 1 << 14  # relocations read in one go
_LIMIT = 1 << 20  # relocations; libtorch_cpu.so has some 600,000


class Filled(Struct, frozen=True):
    """What the loader puts where, by address: the name of a symbol, or an address within the object.

    What lies in the tables of `linkage` stays there as long as the process runs. The program may write over the rest of
    `everything`.
    """

    everything: Mapping[int, int | str]
    linkage: Mapping[int, str]


def filled(image: Image) -> Filled:
    """The places of one object. Raises `BadElfError`."""
    found: dict[int, int | str] = {}
    named: list[tuple[int, int]] = []  # address, index of the symbol
    linked: set[int] = set()
    for at, info, addend in _entries(image):
        kind, symbol = info & 0xFFFFFFFF, info >> 32
        if kind == _RELATIVE:
            found[at] = addend
        elif symbol and not addend and (kind == _ANYWHERE or kind in _LINKAGE):
            named.append((at, symbol))
            if kind in _LINKAGE:
                linked.add(at)
    for at in _packed(image):
        (found[at],) = _ADDRESS.unpack(image.read(image.offset(at), _ADDRESS.size))
    names = dict(_names(image, named))
    found.update(names)
    return Filled(found, {at: name for at, name in names.items() if at in linked})


def _entries(image: Image) -> Iterator[tuple[int, int, int]]:
    value = image.values.get
    for table, size in ((_DT_RELA, _DT_RELASZ), (_DT_JMPREL, _DT_PLTRELSZ)):
        address, count = value(table), value(size, 0) // _RELA.size
        if address is None or not count:
            continue
        if count > _LIMIT:
            raise BadElfError(f"it states {count} relocations; at most {_LIMIT} are read")
        start = image.offset(address)
        for first in range(0, count, _CHUNK):
            part = min(_CHUNK, count - first)
            yield from _RELA.iter_unpack(image.read(start + first * _RELA.size, part * _RELA.size))


def _packed(image: Image) -> Iterator[int]:
    """The addresses in DT_RELR: each entry is one, or says bit by bit which of the next 63 are others."""
    address, size = image.values.get(_DT_RELR), image.values.get(_DT_RELRSZ, 0)
    if address is None:
        return
    at = 0
    for (entry,) in _ADDRESS.iter_unpack(image.read(image.offset(address), size - size % _ADDRESS.size)):
        if not entry & 1:
            yield entry
            at = entry + 8
            continue
        yield from (at + 8 * bit for bit in range(63) if entry >> (bit + 1) & 1)
        at += 8 * 63


def _names(image: Image, named: list[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    table = image.values.get(_DT_SYMTAB)
    if table is None or not named:
        return
    base = image.offset(table)
    offsets = {
        symbol: _SYMBOL.unpack(image.read(base + symbol * _SYMBOL.size, _SYMBOL.size))[0]
        for symbol in {symbol for _, symbol in named}
    }
    names = image.strings(offsets.values())
    yield from ((at, names[offsets[symbol]]) for at, symbol in named)
