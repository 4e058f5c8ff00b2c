"""What a python source imports as soon as it is imported itself: under no condition, and in no `try` that would catch it.

A module without such an import fails as surely as the import does. Everything else is left out, since a failure there
may be meant: optional imports in a `try`, what stands in functions, under `TYPE_CHECKING`, for another python or another
platform. Conditions are `planner.imports.conditions`'. Pure: takes bytes.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from itertools import takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.imports.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.imports.conditions import Setting

# What comes of a source that is none, or that is nested too deeply to be followed.
UNREADABLE = (ValueError, SyntaxError, RecursionError, MemoryError)
# What an `except` names that catches a module that is not found, or one that fails by itself.
_CATCHING = frozenset({"BaseException", "Exception", "ImportError", "ModuleNotFoundError"})
_ENDING = frozenset({"exit", "os._exit", "os.abort", "quit", "sys.exit"})
# Contexts that let every exception pass.
_TRANSPARENT = frozenset({"catch_warnings", "simplefilter", "nullcontext", "open"})


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


def read(content: bytes, setting: Setting) -> Source | None:
    """What a source imports at once; None where it cannot be read as python."""
    try:
        return _Reader(parsed(content), setting).source()
    except UNREADABLE:
        return None


def parsed(content: bytes) -> ast.Module:
    """The syntax tree of a source, without the warnings that it deserves. Raises one of `UNREADABLE`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(content)


def ends(node: ast.stmt) -> bool:
    """Whether a statement ends what it stands in for certain: by an error, or with the process."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func) in _ENDING
    return isinstance(node, ast.Raise)


class _Reader:
    def __init__(self, tree: ast.Module, setting: Setting) -> None:
        self._tree = tree
        self._conditions = Conditions(tree, setting)
        self._raises = False

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
                case ast.With() if all(is_transparent(item.context_expr) for item in node.items):
                    yield from self._statements(node.body)
                case ast.ClassDef():
                    yield from self._statements(node.body)
                case _ if ends(node):
                    self._raises = True
                    return

    def _if(self, node: ast.If) -> Iterator[Import]:
        truth = self._conditions.truth(node.test)
        if truth is not None:
            yield from self._statements(node.body if truth else node.orelse)

    def _try(self, node: ast.Try) -> Iterator[Import]:
        caught = next((handler for handler in node.handlers if _catches(handler)), None)
        if caught is None or self._ends(caught.body):
            body = [*node.body, *node.orelse]
            if not all(self._ends(handler.body) for handler in node.handlers):
                # What comes before an import may raise what is caught: then it is not come to.
                body = [*takewhile(lambda inner: isinstance(inner, (ast.Import, ast.ImportFrom)), body)]
            yield from self._statements(body)
        yield from self._statements(node.finalbody)

    def _ends(self, body: Sequence[ast.stmt]) -> bool:
        """Whether these statements surely raise: a handler that catches an error only to say more about it."""
        for node in body:
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.If):
                truth = self._conditions.truth(node.test)
                branches = [node.body, node.orelse] if truth is None else [node.body if truth else node.orelse]
                if all(self._ends(branch) for branch in branches):
                    return True
        return False


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failing import; one that is not understood is taken to."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    for kind in kinds:
        if kind is None or isinstance(kind, ast.Attribute) or not isinstance(kind, ast.Name):
            return True
        if kind.id in _CATCHING or not hasattr(builtins, kind.id):
            return True
    return False


def is_transparent(context: ast.expr) -> bool:
    """Whether a context of a `with` lets every exception pass."""
    function = context.func if isinstance(context, ast.Call) else context
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _TRANSPARENT


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
