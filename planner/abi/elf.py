"""What the dynamic loader reads of a program or shared object before it loads it: names, search paths, versions.

`read_elf` is the one entry: facts, None for what is no ELF object, or an `ElfFault` where it is one that cannot be read,
so that one bad file is one sentence and stops nothing. Nothing is executed or loaded. Symbols are read on demand by
`planner.abi.symbols`; which file a needed name leads to is `planner.abi.loader`'s.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from planner.abi.image import BadElfError, Image, NoElfError
from planner.files import reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 14, 15, 29
_DT_BIND_NOW, _DT_FLAGS, _DT_FLAGS_1 = 24, 30, 0x6FFFFFFB
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DF_BIND_NOW, _DF_1_NOW, _DF_1_NODEFLIB = 0x8, 0x1, 0x800
_NAMES = frozenset((_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH))
_WEAK, _BASE = 0x2, 0x1
_COUNT_LIMIT = 65_536  # an index of versions has 16 bits
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*$")


class VersionNeed(Struct, frozen=True):
    """A symbol version that must be defined by `library`, or the loader refuses; `weak` ones may be missing.

    `index` is how the object's own symbols refer to it.
    """

    library: str
    version: str
    weak: bool = False
    index: int = 0


class ElfFacts(Struct, frozen=True):
    """A program or shared object, as the loader would see it.

    `machine` is the ELF number (62: x86-64). `rpath` and `runpath` are the folders as written (`$ORIGIN` and all).
    `version_needs` are in the file's order; `version_defs` are the versions it defines, by index, its own name aside;
    `versioned` is False where it knows of no symbol versions at all: then the loader takes it for any of them.
    `binds_now`: a missing symbol is seen at once even where the loader would wait for the first call.
    """

    path: str
    bits: Literal[32, 64]
    byte_order: Literal["little", "big"]
    machine: int
    program: bool
    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    version_needs: tuple[VersionNeed, ...] = ()
    version_defs: tuple[tuple[int, str], ...] = ()
    interpreter: str | None = None
    binds_now: bool = False
    no_default_paths: bool = False
    versioned: bool = False

    @property
    def architecture(self) -> tuple[int, int, str]:
        """What must be equal for one object to be loaded into a process of the other."""
        return (self.machine, self.bits, self.byte_order)

    def floor(self, family: str) -> str | None:
        """The highest version of a family that it needs: `2.28` of `GLIBC`, `3.4.30` of `GLIBCXX`; None without."""
        found = [
            need.version.removeprefix(f"{family}_")
            for need in self.version_needs
            if need.version.startswith(f"{family}_") and not need.weak
        ]
        return max((text for text in found if _NUMBERS.match(text)), key=_numbers, default=None)


class ElfFault(Struct, frozen=True):
    """An ELF object, or a file that should be one, that cannot be read, and why."""

    path: str
    what: str


def read_elf(path: str) -> ElfFacts | ElfFault | None:
    """The facts of the file at `path`; None where it is no program or shared object. It never raises for a file."""
    return asked(path, lambda image: _facts(path, image))


def asked(path: str, question: Callable[[Image], T]) -> T | ElfFault | None:
    """What a question finds in the file at `path`; its fault, or None where it is no program or shared object."""
    try:
        with Image(path) as image:
            return question(image)
    except NoElfError:
        return None
    except BadElfError as error:
        return ElfFault(path, str(error))
    except (OSError, ValueError) as error:
        return ElfFault(path, reason(error) if isinstance(error, OSError) else f"it cannot be opened: {error}")


def version_needs(image: Image) -> tuple[VersionNeed, ...]:
    """The versions that an image needs, in its order. Raises `BadElfError`."""
    raw = _raw_needs(image)
    names = image.strings(offset for entry in raw for offset in entry[:2])
    return tuple(_need(names[file], names[name], weak, index) for file, name, weak, index in raw)


def version_definitions(image: Image) -> dict[int, str]:
    """The versions that an image defines, by index, its own name (the base) among them. Raises `BadElfError`."""
    raw = _raw_definitions(image)
    names = image.strings(name for _, name, _ in raw)
    return {index: names[name] for index, name, _ in raw}


def _facts(path: str, image: Image) -> ElfFacts:
    needs, definitions = _raw_needs(image), _raw_definitions(image)
    named = [entry for entry in image.dynamic if entry[0] in _NAMES]
    wanted = {offset for _, offset in named}
    for file, name, _, _ in needs:
        wanted.add(file)
        wanted.add(name)
    if definitions:
        wanted.update([name for _, name, base in definitions if not base])
    names = image.strings(wanted)
    soname: str | None = None
    needed, rpath, runpath = [], [], []
    for tag, offset in named:
        if tag == _DT_NEEDED:
            needed.append(names[offset])
        elif tag == _DT_RUNPATH:
            runpath.append(names[offset])
        elif tag == _DT_RPATH:
            rpath.append(names[offset])
        elif soname is None:
            soname = names[offset]
    value = image.values.get
    flags_1 = value(_DT_FLAGS_1, 0)
    return ElfFacts(
        path,
        image.layout.bits,
        image.layout.byte_order,
        image.machine,
        image.is_program,
        soname,
        tuple(needed),
        _folders(rpath) if rpath else (),
        _folders(runpath) if runpath else (),
        tuple([_need(names[file], names[name], weak, index) for file, name, weak, index in needs]),
        tuple([(index, names[name]) for index, name, base in definitions if not base]) if definitions else (),
        image.interpreter,
        binds_now=bool(value(_DT_FLAGS, 0) & _DF_BIND_NOW or flags_1 & _DF_1_NOW or _DT_BIND_NOW in image.values),
        no_default_paths=bool(flags_1 & _DF_1_NODEFLIB),
        versioned=bool(definitions),
    )


# The same few versions are needed by nearly every object.
_need = lru_cache(maxsize=4096)(VersionNeed)


def _folders(values: list[str]) -> tuple[str, ...]:
    return tuple([folder for value in values for folder in value.split(":") if folder])


def _raw_needs(image: Image) -> list[tuple[int, int, bool, int]]:
    """(offset of the library's name, offset of the version's name, weak, index) of each version needed."""
    address, count = image.values.get(_DT_VERNEED), image.values.get(_DT_VERNEEDNUM)
    if address is None or not count:
        return []
    layout = image.layout

    def parse(table: bytes) -> list[tuple[int, int, bool, int]]:
        found: list[tuple[int, int, bool, int]] = []
        unpack_aux, at = layout.need_aux.unpack_from, 0
        for _ in range(_bounded(count)):
            auxiliaries, file, first, following = layout.need.unpack_from(table, at)
            aux = at + first
            for _ in range(auxiliaries):
                flags, index, name, next_aux = unpack_aux(table, aux)
                found.append((file, name, bool(flags & _WEAK), index & 0x7FFF))
                if len(found) > _COUNT_LIMIT:
                    _bounded(len(found))
                if not next_aux:
                    break
                aux += next_aux
            if not following:
                break
            at += following
        return found

    return image.parsed(image.offset(address), parse)


def _raw_definitions(image: Image) -> list[tuple[int, int, bool]]:
    """(index, offset of the name, whether it is the file's own name) of each version defined."""
    address, count = image.values.get(_DT_VERDEF), image.values.get(_DT_VERDEFNUM)
    if address is None or not count:
        return []
    layout = image.layout

    def parse(table: bytes) -> list[tuple[int, int, bool]]:
        found = []
        at = 0
        for _ in range(_bounded(count)):
            flags, index, names, aux, following = layout.definition.unpack_from(table, at)
            if names:
                name, _ = layout.definition_aux.unpack_from(table, at + aux)
                found.append((index & 0x7FFF, name, bool(flags & _BASE)))
            if not following:
                break
            at += following
        return found

    return image.parsed(image.offset(address), parse)


def _bounded(count: int) -> int:
    if count > _COUNT_LIMIT:
        raise BadElfError(f"it states {count} symbol versions; at most {_COUNT_LIMIT} can be")
    return count


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
