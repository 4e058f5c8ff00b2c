"""Which functions a python source surely calls: under no condition, and before it may end or return.

Every call is taken to return, as it did when the file last ran to its end, unless its name says otherwise (`sys.exit`).
Only names are followed that the whole file binds once: by an import, or as a plain function of its own. What a name
leads to in other files is `planner.imports.running`'s. Pure: takes bytes.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.imports.conditions import Conditions
from planner.imports.source import UNREADABLE, is_transparent, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planner.imports.conditions import Setting

# By their last names: what ends the process, or becomes another one.
_ENDING = frozenset(
    {"SystemExit", "_exit", "abort", "execl", "execle", "execlp", "execv", "execve", "execvp", "exit", "kill", "quit"}
)
_OF_EXPRESSIONS = (
    *(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Assert),
    *(ast.Return, ast.Raise),
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Calls(Struct, frozen=True):
    """The functions, by dotted names, that a file surely calls when it runs, and those behind the names it gives others.

    `names` has each name that it imports, with where that lies, and each plain function of its own, with what this
    surely calls.
    """

    at_once: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, ...]] = {}


def read_calls(content: bytes, setting: Setting, package: str = "") -> Calls:
    """What a source calls; nothing where it cannot be read as python. `package` is what its relative imports start from."""
    try:
        return _Reader(parsed(content), setting, package).calls()
    except UNREADABLE:
        return Calls()


class _Reader:
    def __init__(self, tree: ast.Module, setting: Setting, package: str) -> None:
        self.conditions = Conditions(tree, setting)
        self._tree = tree
        self._bound = Counter(_bindings(tree))
        found: dict[str, list[str]] = {}
        for name, target in _imported(tree, package):
            found.setdefault(name, []).append(target)
        self.imported = {
            name: targets[0]
            for name, targets in found.items()
            if targets[0] and len(set(targets)) == 1 and self._bound[name] == len(targets)
        }

    @cached_property
    def functions(self) -> Mapping[str, ast.FunctionDef]:
        """The plain functions of the file, by name."""
        return {
            node.name: node
            for node in self._tree.body
            if isinstance(node, ast.FunctionDef) and self._bound[node.name] == 1 and _is_plain(node)
        }

    def calls(self) -> Calls:
        if self._bound["*"] or self._may_end_unseen():
            return Calls()
        own = {name: _Walk(self).through(node.body) for name, node in self.functions.items()}
        taken = {name: (target,) for name, target in self.imported.items()}
        return Calls(_Walk(self).through(self._tree.body), {**taken, **own})

    def _may_end_unseen(self) -> bool:
        """Whether something that is not followed may end the process: a class, or a function that is handed on."""
        plain = {id(node) for node in self.functions.values()}
        called = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        handed_on = {
            node.id
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called
        }
        return any(
            _ends(node) and (id(node) not in plain or getattr(node, "name", "") in handed_on)
            for node in ast.walk(self._tree)
            if isinstance(node, _DEFINITIONS)
        )


class _Walk:
    """One way through a file or function, from its first statement on, into the plain functions that it calls."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._found: dict[str, None] = {}
        self._within: list[str] = []
        self._over = False

    def through(self, body: Sequence[ast.stmt]) -> tuple[str, ...]:
        self._block(body)
        return tuple(self._found)

    def _block(self, body: Sequence[ast.stmt]) -> bool:
        """Whether the end of these statements is surely come to."""
        return all(self._statement(node) and not self._over for node in body)

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, _OF_EXPRESSIONS):
            self._expression(node)
            return not isinstance(node, (ast.Return, ast.Raise))
        match node:
            case ast.If() | ast.While():
                self._expression(node.test)
                truth = self._reader.conditions.truth(node.test)
                if truth is not None:
                    # A loop without an end may still be left from within, after any part of it.
                    return isinstance(node, ast.If) and self._block(node.body if truth else node.orelse)
            case ast.For():
                self._expression(node.iter)
            case ast.With() if all(is_transparent(item.context_expr) for item in node.items):
                for item in node.items:
                    self._expression(item.context_expr)
                return self._block(node.body)
            case ast.Try(handlers=[]):
                return self._block([*node.body, *node.orelse, *node.finalbody])
        return isinstance(node, _DEFINITIONS) or _is_passed(node)

    def _expression(self, node: ast.AST) -> None:
        """The calls in an expression, or in a statement of expressions, that are made whatever their values are."""
        match node:
            case ast.Lambda() | ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                return
            case ast.IfExp():
                parts: Iterable[ast.AST] = (node.test,)
            case ast.BoolOp():
                parts = node.values[:1]
            case ast.Compare():
                parts = (node.left, *node.comparators[:1])
            case _:
                parts = ast.iter_child_nodes(node)
        for part in parts:
            self._expression(part)
        if isinstance(node, ast.Call) and not self._over:
            self._call(node.func)

    def _call(self, function: ast.expr) -> None:
        name = _dotted(function)
        if name is None:
            return
        first, _, rest = name.partition(".")
        own = self._reader.functions.get(name)
        if name.rpartition(".")[2] in _ENDING:
            self._over = True
        elif own is not None:
            if name not in self._within:
                self._within.append(name)
                self._block(own.body)
                self._within.pop()
        else:
            target = self._reader.imported.get(first)
            if target is not None:
                self._found.setdefault(f"{target}.{rest}" if rest else target)
            # What others call so seldom comes back: unittest's, click's.
            self._over = name.rpartition(".")[2] == "main"


def _is_plain(node: ast.FunctionDef) -> bool:
    """Whether calling a function runs its statements: not decorated, and no generator."""
    return not node.decorator_list and not any(
        isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node)
    )


def _is_passed(node: ast.stmt) -> bool:
    """Whether a statement, gone through or not, leads on to the next one."""
    return not _ends(node) and not any(isinstance(inner, ast.Return) for inner in ast.walk(node))


def _ends(node: ast.AST) -> bool:
    """Whether something in it may end the process."""
    return any(
        (isinstance(inner, ast.Name) and inner.id in _ENDING)
        or (isinstance(inner, ast.Attribute) and inner.attr in _ENDING)
        for inner in ast.walk(node)
    )


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    inner = _dotted(node.value) if isinstance(node, ast.Attribute) else None
    return f"{inner}.{node.attr}" if inner is not None and isinstance(node, ast.Attribute) else None


def _imported(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with where it leads to; empty where a relative import leads out of its package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.asname or alias.name.partition(".")[0],
                    alias.name if alias.asname else alias.name.partition(".")[0],
                )
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            inside = len(parts) >= node.level
            base = ".".join(
                [*(parts[: len(parts) - node.level + 1] if node.level else []), *filter(None, [node.module])]
            )
            for alias in node.names:
                yield alias.asname or alias.name, f"{base}.{alias.name}" if inside and base else ""


def _bindings(tree: ast.Module) -> Iterator[str]:
    """Every name that anything in the file binds, once for each time."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del(), id=name) | ast.arg(arg=name):
                yield name
            case ast.alias():
                yield node.asname or node.name.partition(".")[0]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
