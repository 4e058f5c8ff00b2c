"""What the conditions of a python source come to, where the file itself and the planned python decide them.

`sys.version_info >= (3, 8)`, `os.name == "nt"`, `TYPE_CHECKING`, `__name__ == "__main__"`, constants of the file: these
are judged. Everything else may go either way.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cached_property
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARE: dict[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: eq,
    ast.NotEq: ne,
    ast.Lt: lt,  # type: ignore[dict-item]  # of whatever can be compared
    ast.LtE: le,  # type: ignore[dict-item]
    ast.Gt: gt,  # type: ignore[dict-item]
    ast.GtE: ge,  # type: ignore[dict-item]
}


_MICRO = object()  # in the place of what a version says behind the minor


class Setting(Struct, frozen=True):
    """Under what a source is read: the python (major and minor), `sys.platform`, and whether it is run as a script."""

    python: tuple[int, int]
    platform: str
    script: bool = False


class Conditions:
    """The conditions of one file."""

    def __init__(self, tree: ast.Module, setting: Setting) -> None:
        self._tree = tree
        self._setting = setting

    @cached_property
    def _constants(self) -> dict[str, object]:
        return _constants(self._tree)

    def truth(self, test: ast.expr) -> bool | None:
        """What a condition comes to; None where neither the file nor the python decides it."""
        match test:
            case ast.UnaryOp(op=ast.Not()):
                inner = self.truth(test.operand)
                return None if inner is None else not inner
            case ast.BoolOp():
                found = [self.truth(value) for value in test.values]
                decisive = isinstance(test.op, ast.Or)
                if decisive in found:
                    return decisive
                return None if None in found else not decisive
            case ast.Compare(ops=[op], comparators=[right]):
                return self._compared(test.left, op, right)
            case ast.Call(func=ast.Attribute(value=subject, attr="startswith"), args=[ast.Constant(value=str(start))]):
                value = self._value(subject)
                return value.startswith(start) if isinstance(value, str) else None
        value = self._value(test)
        return None if value is None else bool(value)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
        one, other = self._value(left), self._value(right)
        compare = _COMPARE.get(type(op))
        if one is None or other is None or compare is None:
            return None
        if isinstance(one, tuple) and isinstance(other, tuple) and _MICRO in {*one, *other}:
            # Of the micro version and what follows nothing is known here, but that they are there.
            length = len(self._setting.python)
            if one[:length] == other[:length] and min(len(one), len(other)) > length:
                return None
        try:
            return compare(one, other)
        except TypeError:
            return None

    def _value(self, node: ast.expr) -> object:
        """The value of a constant, of a name that has only one, or of what the python says of itself; else None."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Tuple():
                parts = tuple(self._value(part) for part in node.elts)
                return None if None in parts else parts
            case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
                return False
            case ast.Name(id="__name__"):
                return "__main__" if self._setting.script else "a module"
            case ast.Name():
                return self._constants.get(node.id)
        return self._of_python(node)

    def _of_python(self, node: ast.expr) -> object:
        python = self._setting.python
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                return self._setting.platform
            case ast.Attribute(value=ast.Name(id="os"), attr="name"):
                return "nt" if self._setting.platform == "win32" else "posix"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="platform"), attr="system")):
                return {"win32": "Windows", "darwin": "Darwin"}.get(self._setting.platform, "Linux")
            case ast.Attribute(value=ast.Name(id="sys"), attr="version_info"):
                return (*python, _MICRO)
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="sys"), attr="version_info"), attr="major" | "minor" as part
            ):
                return python[part == "minor"]
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="sys"), attr="version_info"), slice=part):
                return self._part(part)
        return None

    def _part(self, part: ast.expr) -> object:
        """A part of `sys.version_info`: major, minor, or both."""
        match part:
            case ast.Constant(value=int(at)) if at in {0, 1}:
                return self._setting.python[at]
            case ast.Slice(lower=None, upper=ast.Constant(value=2), step=None):
                return self._setting.python
        return None


def _constants(tree: ast.Module) -> dict[str, object]:
    """The names that the whole file binds to one constant and to nothing else."""
    values: dict[str, list[object]] = {}
    bound: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                values.setdefault(name, []).append(value)
            case ast.Name(ctx=ast.Store() | ast.Del(), id=name):
                bound[name] += 1
            case ast.alias(name="*") | ast.Name(id="exec" | "globals" | "vars"):
                return {}  # anything may be bound
            case ast.alias():
                bound[node.asname or node.name.partition(".")[0]] += 1
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound[node.name] += 1
            case ast.Global(names=names):
                bound.update(names)
    return {
        name: some[0]
        for name, some in values.items()
        if bound[name] == len(some) and all(value == some[0] for value in some)
    }
