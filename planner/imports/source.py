"""What a python source imports as soon as it is imported itself: under no condition, and in no `try` that would catch it.

A module without such an import fails as surely as the import does. Everything else is left out, since a failure there
may be meant: optional imports in a `try`, what stands in functions, under `TYPE_CHECKING`, for another python or another
platform. Conditions are judged only where the file and the planned python decide them. Pure: takes bytes.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from functools import cached_property
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# What an `except` names that catches a module that is not found, or one that fails by itself.
_CATCHING = frozenset({"BaseException", "Exception", "ImportError", "ModuleNotFoundError"})
# Contexts that let every exception pass.
_TRANSPARENT = frozenset({"catch_warnings", "simplefilter", "nullcontext", "open"})
_COMPARE: dict[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: eq,
    ast.NotEq: ne,
    ast.Lt: lt,  # type: ignore[dict-item]  # of whatever can be compared
    ast.LtE: le,  # type: ignore[dict-item]
    ast.Gt: gt,  # type: ignore[dict-item]
    ast.GtE: ge,  # type: ignore[dict-item]
}


class Import(Struct, frozen=True):
    """One import statement. `module` is dotted, relative to `level` packages up (0: absolute); `names` of a `from`."""

    module: str
    names: tuple[str, ...]
    level: int
    line: int


class Source(Struct, frozen=True):
    """What one file surely imports. `defined` are the names it binds, each with the module that it takes it from ("": none).

    `open` says that it may give any attribute. `raises`: it ends in an error of its own, whatever it imports.
    """

    imports: tuple[Import, ...]
    defined: frozenset[tuple[str, str]] = frozenset()
    open: bool = False
    raises: bool = False


class Setting(Struct, frozen=True):
    """Under what a source is read: the python (major and minor), `sys.platform`, and whether it is run as a script."""

    python: tuple[int, int]
    platform: str
    script: bool = False


def read(content: bytes, setting: Setting) -> Source | None:
    """What a source imports at once; None where it cannot be read as python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
        return _Reader(tree, setting).source()
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


class _Reader:
    def __init__(self, tree: ast.Module, setting: Setting) -> None:
        self._tree = tree
        self._setting = setting
        self._raises = False

    @cached_property
    def _constants(self) -> dict[str, object]:
        return _constants(self._tree)

    def source(self) -> Source:
        imports = tuple(self._statements(self._tree.body))
        defined = frozenset(_bound(self._tree.body))
        may_give_any = any(name in {"__getattr__", "*"} for name, _ in defined)
        return Source(imports, defined, may_give_any, self._raises)

    def _statements(self, body: Sequence[ast.stmt]) -> Iterator[Import]:
        for node in body:
            match node:
                case ast.Import():
                    yield from (Import(alias.name, (), 0, node.lineno) for alias in node.names)
                case ast.ImportFrom():
                    names = tuple(alias.name for alias in node.names)
                    yield Import(node.module or "", names, node.level, node.lineno)
                case ast.If():
                    yield from self._if(node)
                case ast.Try():
                    yield from self._try(node)
                case ast.With() if all(_is_transparent(item.context_expr) for item in node.items):
                    yield from self._statements(node.body)
                case ast.ClassDef():
                    yield from self._statements(node.body)
                case ast.Raise():
                    self._raises = True
                    return

    def _if(self, node: ast.If) -> Iterator[Import]:
        truth = self._truth(node.test)
        if truth is not None:
            yield from self._statements(node.body if truth else node.orelse)

    def _try(self, node: ast.Try) -> Iterator[Import]:
        caught = next((handler for handler in node.handlers if _catches(handler)), None)
        if caught is None or self._ends(caught.body):
            yield from self._statements(node.body)
            yield from self._statements(node.orelse)
        yield from self._statements(node.finalbody)

    def _ends(self, body: Sequence[ast.stmt]) -> bool:
        """Whether these statements surely raise: a handler that catches an error only to say more about it."""
        for node in body:
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.If):
                truth = self._truth(node.test)
                branches = [node.body, node.orelse] if truth is None else [node.body if truth else node.orelse]
                if all(self._ends(branch) for branch in branches):
                    return True
        return False

    def _truth(self, test: ast.expr) -> bool | None:
        """What a condition comes to; None where neither the file nor the python decides it."""
        match test:
            case ast.UnaryOp(op=ast.Not()):
                inner = self._truth(test.operand)
                return None if inner is None else not inner
            case ast.BoolOp():
                found = [self._truth(value) for value in test.values]
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
        if isinstance(one, tuple) and isinstance(other, tuple):
            # Of the micro version nothing is known here: only what major and minor decide counts.
            length = len(self._setting.python)
            if one[:length] == other[:length] and max(len(one), len(other)) > length:
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
                return python
            case ast.Attribute(value=ast.Attribute(attr="version_info"), attr="major" | "minor" as part):
                return python[part == "minor"]
            case ast.Subscript(value=ast.Attribute(attr="version_info"), slice=ast.Constant(value=0)):
                return python[0]
            case ast.Subscript(value=ast.Attribute(attr="version_info"), slice=ast.Constant(value=1)):
                return python[1]
            case ast.Subscript(
                value=ast.Attribute(attr="version_info"),
                slice=ast.Slice(lower=None, upper=ast.Constant(value=2), step=None),
            ):
                return python
        return None


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failing import; one that is not understood is taken to."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    for kind in kinds:
        if kind is None or isinstance(kind, ast.Attribute) or not isinstance(kind, ast.Name):
            return True
        if kind.id in _CATCHING or not kind.id.endswith("Error"):
            return True
    return False


def _is_transparent(context: ast.expr) -> bool:
    function = context.func if isinstance(context, ast.Call) else context
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _TRANSPARENT


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


def _bound(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    """The names that a module's own statements bind, in whatever branch, and the module that they are taken from."""
    for node in body:
        match node:
            case ast.Import():
                yield from ((alias.asname or alias.name.partition(".")[0], "") for alias in node.names)
            case ast.ImportFrom(level=1, module=None):
                pass  # `from . import name` may mean the submodule, which then has to be there
            case ast.ImportFrom():
                origin = "" if node.level else node.module or ""
                yield from ((alias.asname or alias.name, origin) for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, ""
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from ((name, "") for target in targets for name in _stored(target))
        yield from (name for branch in _branches(node) for name in _bound(branch))


def _branches(node: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    """The statements within one, but for those of a function or class, which bind names of its own."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield from (handler.body for handler in getattr(node, "handlers", ()))
        yield from (getattr(node, name, ()) for name in ("body", "orelse", "finalbody"))


def _stored(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
