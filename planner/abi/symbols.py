"""Which symbols an object needs, and whether another one gives them, found the way the dynamic loader finds them.

Definitions are looked up through the object's own hash table, as at run time, so asking a library of a gigabyte for ten
names costs a few reads. Needs are enumerated from the part of the symbol table that is not hashed. Both are read on
demand: most questions are settled by `planner.abi.elf` alone.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.abi.elf import ElfFault, asked, version_definitions, version_needs
from planner.abi.image import BadElfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from planner.abi.image import Image

_DT_HASH, _DT_SYMTAB, _DT_GNU_HASH, _DT_VERSYM = 4, 6, 0x6FFFFEF5, 0x6FFFFFF0
_STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE = 1, 2, 10
_STT_FUNC = 2
_VISIBLE = frozenset({0, 3})  # default and protected: others bind within their object
_SYMBOL_LIMIT = 4_000_000
_CHUNK = 8192  # symbols read in one go
_HIDDEN = 0x8000


class Symbol(Struct, frozen=True):
    """A name that an object needs. `version` and `library` are where it must come from, None where any will do."""

    name: str
    version: str | None = None
    library: str | None = None
    weak: bool = False


class Definition(Struct, frozen=True):
    """One definition of a name: its version, None without; a `default` one also serves whoever names no version."""

    version: str | None = None
    default: bool = True


def undefined_symbols(path: str) -> tuple[Symbol, ...] | ElfFault | None:
    """What the object at `path` needs from others, in the file's order; None where it is no such object."""
    return asked(path, undefined)


def definitions(path: str, names: Iterable[str]) -> dict[str, tuple[Definition, ...]] | ElfFault | None:
    """Those of `names` that the object at `path` defines for others; None where it is no such object."""
    return asked(path, lambda image: _defined(image, names))


def address_of(image: Image, name: str) -> int | None:
    """Where the function is that an object gives others under a name, by default; None where it has none. Raises `BadElfError`."""
    find = _gnu_finder(image) or _sysv_finder(image)
    table = image.values.get(_DT_SYMTAB)
    if find is None or table is None:
        return None
    base, symbol, address = image.offset(table), image.layout.symbol, image.layout.address
    for index in find(name.encode("utf-8", "surrogateescape")):
        entry = image.read(base + index * symbol.size, symbol.size)
        offset, info, other, section = symbol.unpack(entry)
        (version,) = _version_indices(image, index, 1)
        usable = section and other & 3 in _VISIBLE and info & 15 == _STT_FUNC and not version & _HIDDEN
        if usable and image.strings([offset])[offset] == name:
            (value,) = address.unpack_from(entry, symbol.size - 2 * address.size)
            return int(value)
    return None


def gives(found: Iterable[Definition], wanted: Symbol) -> bool:
    """Whether one of an object's definitions of a name is what `wanted` binds to, by the loader's own rule."""
    if wanted.version is None:
        return any(definition.default for definition in found)
    return any(definition.version in {wanted.version, None} for definition in found)


def undefined(image: Image) -> tuple[Symbol, ...]:
    """What an object needs from others, in the file's order. Raises `BadElfError`."""
    table = image.values.get(_DT_SYMTAB)
    if table is None:
        return ()
    size, base = image.layout.symbol.size, image.offset(table)
    found: list[tuple[int, bool, int]] = []  # offset of the name, weak, index of the version
    total = _undefined_within(image)
    for first in range(0, total, _CHUNK):
        count = min(_CHUNK, total - first)
        symbols = image.layout.symbol.iter_unpack(image.read(base + first * size, count * size))
        versions = _version_indices(image, first, count)
        found += [
            (name, info >> 4 == _STB_WEAK, version & ~_HIDDEN)
            for (name, info, _, section), version in zip(symbols, versions, strict=True)
            if not section and name and info >> 4 in {_STB_GLOBAL, _STB_WEAK}
        ]
    names = image.strings(name for name, _, _ in found)
    needs = {need.index: need for need in version_needs(image)} if any(version > 1 for *_, version in found) else {}
    return tuple(
        Symbol(names[name], needs[version].version, needs[version].library, weak)
        if version in needs
        else Symbol(names[name], weak=weak)
        for name, weak, version in found
    )


def _version_indices(image: Image, first: int, count: int) -> Iterable[int]:
    address = image.values.get(_DT_VERSYM)
    if address is None:
        return [0] * count
    half = image.layout.half
    table = image.read(image.offset(address) + first * half.size, count * half.size)
    return [index for (index,) in half.iter_unpack(table)]


def _undefined_within(image: Image) -> int:
    """How many symbols from the first on may be undefined ones. Raises `BadElfError` where nothing states it.

    In a shared object what is hashed is defined. A program's table may also hash what it only refers to.
    """
    count = None if image.is_program else _first_hashed(image)
    if count is None:
        count = image.dynamic_symbol_count()
    if count is None and (table := image.values.get(_DT_HASH)) is not None:
        word = image.layout.word
        (count,) = word.unpack(image.read(image.offset(table) + word.size, word.size))
    if count is None:
        raise BadElfError("nothing states how many dynamic symbols it has")
    if count > _SYMBOL_LIMIT:
        raise BadElfError(f"it states {count} dynamic symbols; at most {_SYMBOL_LIMIT} are read")
    return count


def _first_hashed(image: Image) -> int | None:
    """The index of the first symbol in DT_GNU_HASH; None where nothing is hashed."""
    table = image.values.get(_DT_GNU_HASH)
    if table is None:
        return None
    at, word = image.offset(table), image.layout.word
    buckets, first, bloom, _ = _gnu_header(image, at)
    start = at + 16 + bloom * image.layout.address.size
    for begin in range(0, min(buckets, _SYMBOL_LIMIT), _CHUNK):
        if any(image.read(start + begin * word.size, min(_CHUNK, buckets - begin) * word.size)):
            return first
    return None


def _gnu_header(image: Image, at: int) -> tuple[int, int, int, int]:
    """Number of buckets, index of the first hashed symbol, words of the filter, its shift."""
    buckets, first, bloom, shift = struct.unpack(image.layout.word.format[:1] + "4I", image.read(at, 16))
    return buckets, first, bloom, shift


def _defined(image: Image, names: Iterable[str]) -> dict[str, tuple[Definition, ...]]:
    find = _gnu_finder(image) or _sysv_finder(image)
    table = image.values.get(_DT_SYMTAB)
    if find is None or table is None:
        return {}
    base, layout = image.offset(table), image.layout
    versions = version_definitions(image)
    found: dict[str, tuple[Definition, ...]] = {}
    for name in names:
        there = []
        for index in find(name.encode("utf-8", "surrogateescape")):
            offset, info, other, section = layout.symbol.unpack(
                image.read(base + index * layout.symbol.size, layout.symbol.size)
            )
            binding = info >> 4
            if not section or other & 3 not in _VISIBLE or binding not in {_STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE}:
                continue
            if image.strings([offset])[offset] != name:
                continue
            (version,) = _version_indices(image, index, 1)
            if image.values.get(_DT_VERSYM) is not None and not version & ~_HIDDEN:
                continue  # local to its object
            # Indices 0 and 1 are without a version; 1 would be named by the object's own name.
            named = versions.get(version & ~_HIDDEN) if version & ~_HIDDEN > 1 else None
            there.append(Definition(named, default=not version & _HIDDEN))
        if there:
            found[name] = tuple(there)
    return found


def _gnu_finder(image: Image) -> Callable[[bytes], Iterator[int]] | None:
    """A function from a name to the indices that may be it, by DT_GNU_HASH; None without that table."""
    table = image.values.get(_DT_GNU_HASH)
    if table is None:
        return None
    word, address = image.layout.word, image.layout.address
    at = image.offset(table)
    buckets, first, bloom, shift = _gnu_header(image, at)
    if not buckets or not bloom:
        return lambda _name: iter(())
    filters = at + 16
    heads = filters + bloom * address.size
    chains = heads + buckets * word.size

    def find(name: bytes) -> Iterator[int]:
        value = 5381
        for byte in name:
            value = (value * 33 + byte) & 0xFFFFFFFF
        bits = address.size * 8
        (mask,) = address.unpack(image.read(filters + value // bits % bloom * address.size, address.size))
        if not (mask >> value % bits & mask >> (value >> shift) % bits & 1):
            return
        (index,) = word.unpack(image.read(heads + value % buckets * word.size, word.size))
        if index < first:
            return
        for step in range(_SYMBOL_LIMIT):
            (hashed,) = word.unpack(image.read(chains + (index - first + step) * word.size, word.size))
            if (hashed ^ value) >> 1 == 0:
                yield index + step
            if hashed & 1:
                return

    return find


def _sysv_finder(image: Image) -> Callable[[bytes], Iterator[int]] | None:
    """The same by DT_HASH."""
    table = image.values.get(_DT_HASH)
    if table is None:
        return None
    word = image.layout.word
    at = image.offset(table)
    buckets, chains = (number for (number,) in word.iter_unpack(image.read(at, 2 * word.size)))
    heads = at + 2 * word.size

    def find(name: bytes) -> Iterator[int]:
        if not buckets:
            return
        value = 0
        for byte in name:
            value = (value << 4) + byte
            high = value & 0xF0000000
            value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
        (index,) = word.unpack(image.read(heads + value % buckets * word.size, word.size))
        for _ in range(min(chains, _SYMBOL_LIMIT)):
            if not index:
                return
            yield index
            (index,) = word.unpack(image.read(heads + (buckets + index) * word.size, word.size))
        raise BadElfError("its symbol hash table loops in itself")

    return find
