"""What a function of a 64-bit x86 object calls on every way through it, read from its instructions and never run.

A function surely calls another one if no way from its first instruction to where it returns, or to where the code can no
longer be followed, goes round that call. Every call is taken to return, as it did when the program last ran to its end.
Calls through pointers are followed where these lie in the tables of linkage; others may call anything, and count for
nothing. An object that catches exceptions, or jumps from one function into another, is not followed at all.
Instructions are told apart by capstone. Which object gives a function of another one is `planner.abi.calls`'.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING

import capstone
from capstone import CS_GRP_CALL, CS_GRP_JUMP, CS_GRP_RET, x86

from planner.abi.image import EM_X86_64, BadElfError
from planner.abi.relocations import filled
from planner.abi.symbols import address_of, undefined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.abi.image import Image
    from planner.abi.relocations import Filled

_DT_INIT, _DT_INIT_ARRAY, _DT_INIT_ARRAYSZ = 12, 25, 27
_UNCONDITIONAL = frozenset({x86.X86_INS_JMP, x86.X86_INS_LJMP})
_ENDS = frozenset({x86.X86_INS_HLT, x86.X86_INS_INT3, x86.X86_INS_UD2})
_SMASHED = "__stack_chk_fail"
# What an object needs of others to go on elsewhere than behind a call: C's long jumps, C++'s handlers, and those of an
# object that brings its own runtime of C++ or is written in Rust.
_ELSEWHERE = frozenset(
    {
        *("setjmp", "_setjmp", "__sigsetjmp", "sigsetjmp", "longjmp", "siglongjmp", "__longjmp_chk"),
        *("__cxa_begin_catch", "_Unwind_DeleteException", "_Unwind_RaiseException", "dl_iterate_phdr"),
    }
)
_WINDOW = 256  # bytes decoded in one go
_LONGEST = 15  # bytes of one instruction
_LIMIT = 4000  # instructions of one function; what is longer is not followed to its end
_NAME = 256  # bytes of a method's name, and more
_METHOD = struct.Struct("<QQi4xQ")  # PyMethodDef: name, function, flags, documentation
_METHODS = 24  # bytes from PyModuleDef.m_name to m_methods: behind m_doc and m_size
_FLAGS = 0x3FF  # METH_VARARGS to METH_METHOD


class Code:
    """The code of one object. `image` stays open as long as this is asked. Addresses are those that the file states.

    Every question may raise `BadElfError`.
    """

    def __init__(self, image: Image) -> None:
        """Raises `BadElfError` for an object of another machine, and one whose calls may go on elsewhere."""
        if image.machine != EM_X86_64 or image.layout.bits != 64:  # noqa: PLR2004 -- the word size
            raise BadElfError("its code is not of 64-bit x86")
        elsewhere = sorted(_ELSEWHERE.intersection(symbol.name for symbol in undefined(image)))
        if elsewhere:
            raise BadElfError(f"it may go on elsewhere than behind a call: it needs {', '.join(elsewhere)}")
        self._image = image
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._decoder.detail = True

    @cached_property
    def _filled(self) -> Filled:
        return filled(self._image)

    def function(self, name: str) -> int | None:
        """Where a function is that the object gives others; None where it has none of that name."""
        return address_of(self._image, name)

    def started(self) -> tuple[int | str, ...]:
        """The functions that the loader itself calls when it has loaded the object, by address or name."""
        value = self._image.values.get
        found: list[int | str] = [value(_DT_INIT, 0)] if value(_DT_INIT) else []
        first = value(_DT_INIT_ARRAY)
        if first is not None:
            end = first + value(_DT_INIT_ARRAYSZ, 0)
            found += [target for at, target in sorted(self._filled.everything.items()) if first <= at < end]
        return tuple(found)

    def method(self, module: str, name: str) -> int | str | None:
        """The function that python calls for `name` of the module that the object is; None where its tables do not say.

        Read from the module's PyModuleDef, which has the same fields in a row in every CPython since 3.5.
        """
        tables = {
            table
            for at, target in self._filled.everything.items()
            if isinstance(target, int)
            and isinstance(table := self._filled.everything.get(at + _METHODS), int)
            and self._text(target).rpartition(".")[2] == module
        }
        found = [methods[name] for table in tables if name in (methods := dict(self._methods(table)))]
        return found[0] if len(found) == 1 else None

    def surely_calls(self, start: int, wanted: Callable[[int | str], bool]) -> bool:
        """Whether every way through the function at `start` comes to a call of something `wanted`."""
        waiting, seen, reached = [start], set[int](), False
        while waiting:
            for instruction in self._from(waiting.pop()):
                if instruction.address in seen:
                    break
                seen.add(instruction.address)
                target = self._target(instruction)
                if len(seen) > _LIMIT or instruction.group(CS_GRP_RET) or instruction.id in _ENDS:
                    return False
                if target == _SMASHED:
                    break  # a way that no program takes which has run to its end
                if target is not None and self._leaves(instruction, target) and wanted(target):
                    reached = True
                    break
                if instruction.group(CS_GRP_JUMP):
                    if not isinstance(target, int):
                        return False
                    waiting.append(target)
                    if instruction.id in _UNCONDITIONAL:
                        break
            else:
                return False
        return reached

    # ----------------------------------------------------------------------------------------------------------------

    def _from(self, address: int) -> Iterator[capstone.CsInsn]:
        """The instructions one after the other, up to what is none."""
        while True:
            window = self._image.mapped(address, _WINDOW)
            end = address + len(window) - _LONGEST
            at = address
            for instruction in self._decoder.disasm(window, address):
                yield instruction
                at = instruction.address + instruction.size
                if at > end:
                    break
            if at == address:
                return
            address = at

    def _target(self, instruction: capstone.CsInsn) -> int | str | None:
        """Where a call or jump leads: an address of the object, a name, None where only the running program knows."""
        if not (instruction.group(CS_GRP_CALL) or instruction.group(CS_GRP_JUMP)) or not instruction.operands:
            return None
        operand = instruction.operands[0]
        if operand.type == x86.X86_OP_IMM:
            return self._behind(operand.imm)
        return self._slot(instruction)

    def _slot(self, instruction: capstone.CsInsn) -> str | None:
        """The name of what the loader puts where an instruction reads from, if nothing else is ever put there."""
        operand = instruction.operands[0]
        if operand.type != x86.X86_OP_MEM or operand.mem.base != x86.X86_REG_RIP or operand.mem.index:
            return None
        return self._filled.linkage.get(instruction.address + instruction.size + operand.mem.disp)

    def _behind(self, address: int) -> int | str:
        """The name that an entry of the procedure linkage table stands for; any other address is itself."""
        for instruction in self._decoder.disasm(self._image.mapped(address, 2 * _LONGEST), address):
            if instruction.id == x86.X86_INS_JMP:
                return self._slot(instruction) or address
            if instruction.id != x86.X86_INS_ENDBR64:
                break
        return address

    def _leaves(self, instruction: capstone.CsInsn, target: int | str) -> bool:
        """Whether an instruction hands over to another function: by a call, or by a last jump out of the object."""
        return bool(instruction.group(CS_GRP_CALL)) or (instruction.id in _UNCONDITIONAL and isinstance(target, str))

    def _methods(self, table: int) -> Iterator[tuple[str, int | str]]:
        """The names and functions of a table of PyMethodDef, up to what is no entry."""
        for at in range(table, table + _LIMIT * _METHOD.size, _METHOD.size):
            name, function = self._filled.everything.get(at), self._filled.everything.get(at + 8)
            flags = _METHOD.unpack(self._image.mapped(at, _METHOD.size))[2] if function is not None else 0
            if not isinstance(name, int) or function is None or not 0 < flags <= _FLAGS:
                return
            yield self._text(name), function

    def _text(self, address: int) -> str:
        """The string at an address; empty where there is none."""
        try:
            text, ends, _ = self._image.mapped(address, _NAME).partition(b"\0")
            return text.decode() if ends else ""
        except (BadElfError, UnicodeDecodeError):
            return ""
