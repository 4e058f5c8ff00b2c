"""Which functions a python source surely calls: under no condition, and before it may end or return.

Every call is taken to return, as it did when the file last ran to its end, unless something that it may come to says
otherwise (`sys.exit`). Only names are followed that the whole file binds once: by an import, or as a plain function of its
own. What a name leads to in other files, and whether that may end the process, is `planner.imports.running`'s. Pure:
takes bytes.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.imports.conditions import Conditions
from planner.imports.source import UNREADABLE, is_transparent, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.imports.conditions import Setting

# By their last names: what ends the process, or becomes another one.
_ENDING = frozenset(
    {
        *("SystemExit", "_exit", "abort", "exit", "kill", "killpg", "pthread_kill", "quit", "raise_signal"),
        *("execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe"),
    }
)
_OF_EXPRESSIONS = (
    *(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Assert),
    *(ast.Return, ast.Raise),
)
SCRIPT = "__main__"  # what python calls the module of the script that it runs
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Call(Struct, frozen=True):
    """A call of a function by its dotted name. It is `sure`, or may be made or not."""

    name: str
    sure: bool = True


class Calls(Struct, frozen=True):
    """The functions that a file calls when it runs, in that order, and those behind the names it gives others.

    `names` has each name that it imports, with where that lies, and each plain function of its own, with what this calls.
    `ends` says whether something in the file may end the process: then only what stands in `names` may come back.
    """

    at_once: tuple[Call, ...] = ()
    names: Mapping[str, tuple[Call, ...]] = {}
    ends: bool = False


def may_end(name: str) -> bool:
    """Whether a call by this name may end the process. What others call main seldom comes back: unittest's, click's."""
    last = name.rpartition(".")[2]
    return last in _ENDING or (last == "main" and name != f"{SCRIPT}.main")


def read_calls(content: bytes, setting: Setting, module: str, package: str = "") -> Calls:
    """What a source calls; nothing where it cannot be read as python.

    `module` is what its own functions are told by; `package` is what its relative imports start from.
    """
    try:
        return _Reader(parsed(content), setting, module, package).calls()
    except UNREADABLE:
        return Calls()


class _Reader:
    def __init__(self, tree: ast.Module, setting: Setting, module: str, package: str) -> None:
        # When a function is called, anybody may have changed what the file calls a constant.
        self._at_once = Conditions(tree, setting)
        self._later = Conditions(ast.Module([], []), setting)
        self._tree = tree
        self._module = module
        self._bound = Counter(_bindings(tree))
        found: dict[str, list[str]] = {}
        for name, target in _imported(tree, package):
            found.setdefault(name, []).append(target)
        self._imported = {
            name: targets[0]
            for name, targets in found.items()
            if targets[0] and len(set(targets)) == 1 and self._bound[name] == len(targets)
        }
        self._functions = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and self._bound[node.name] == 1 and _is_plain(node)
        }

    def calls(self) -> Calls:
        ends = _ends(self._tree)
        if self._bound["*"] or self._may_end_unseen():
            over = any(_ends(node) for node in self._tree.body if not isinstance(node, _DEFINITIONS))
            return Calls((Call("exit", sure=False),) if over else (), ends=ends)
        own = {name: _Walk(self, self._later).through(node.body) for name, node in self._functions.items()}
        taken = {name: (Call(target),) for name, target in self._imported.items()}
        return Calls(_Walk(self, self._at_once).through(self._tree.body), {**taken, **own}, ends)

    def target(self, name: str) -> str | None:
        """What a dotted name stands for in the file: a function of its own, something imported, or the end of the process."""
        if name in self._functions:
            return f"{self._module}.{name}"
        first, dot, rest = name.partition(".")
        taken = self._imported.get(first)
        if taken is not None:
            return f"{taken}{dot}{rest}"
        return name if may_end(name) else None

    def _may_end_unseen(self) -> bool:
        """Whether something that is not followed may end the process: a class or the like, or another name for what does."""
        plain = {id(node) for node in self._functions.values()}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.alias) and may_end(node.name) and not may_end(node.asname or node.name):
                return True
            if isinstance(node, _DEFINITIONS) and id(node) not in plain and _ends(node):
                return True
        return False


class _Walk:
    """One way through a file or function, from its first statement on."""

    def __init__(self, reader: _Reader, conditions: Conditions) -> None:
        self._reader = reader
        self._conditions = conditions
        self._found: dict[Call, None] = {}

    def through(self, body: Sequence[ast.stmt]) -> tuple[Call, ...]:
        self._block(body)
        return tuple(self._found)

    def _block(self, body: Sequence[ast.stmt]) -> bool:
        """Whether the end of these statements is surely come to."""
        for at, node in enumerate(body):
            if not self._statement(node):
                for rest in body[at + 1 :]:
                    self._perhaps(rest)
                return False
        return True

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, _OF_EXPRESSIONS):
            self._expression(node)
            return not isinstance(node, (ast.Return, ast.Raise))
        match node:
            case ast.If() | ast.While():
                self._expression(node.test)
                truth = self._conditions.truth(node.test)
                if isinstance(node, ast.If) and truth is not None:
                    return self._block(node.body if truth else node.orelse)
                if isinstance(node, ast.While) and truth is not None:
                    # A loop without an end may still be left from within, after any part of it.
                    self._perhaps(node)
                    return False
            case ast.For():
                self._expression(node.iter)
            case ast.With() if all(is_transparent(item.context_expr) for item in node.items):
                for item in node.items:
                    self._expression(item.context_expr)
                return self._block(node.body)
            case ast.Try(handlers=[]):
                return self._block([*node.body, *node.orelse, *node.finalbody])
        if isinstance(node, _DEFINITIONS):
            return True
        self._perhaps(node)
        return not any(isinstance(inner, ast.Return) for inner in ast.walk(node))

    def _expression(self, node: ast.AST) -> None:
        """The calls in an expression, or in a statement of expressions, that are made whatever their values are."""
        called = _dotted(node.func) if isinstance(node, ast.Call) else None
        parts, sure = _parts(node)
        for part in parts[:sure]:
            if called is None or part is not parts[0]:
                self._expression(part)
        for part in parts[sure:]:
            self._perhaps(part)
        if called is not None:
            self._note(called, sure=True)
        elif _is_ending(node):
            self._note("exit", sure=False)
        elif isinstance(node, ast.Name):
            self._note(node.id, sure=False)  # handed on to something that may call it

    def _perhaps(self, node: ast.AST) -> None:
        """Note what may be called in something that is gone through or not."""
        for inner in ast.walk(node):
            if _is_ending(inner):
                self._note("exit", sure=False)
            subject = inner.func if isinstance(inner, ast.Call) else inner
            name = _dotted(subject) if isinstance(subject, (ast.Name, ast.Attribute)) else None
            if name is not None and isinstance(inner, (ast.Call, ast.Name)):
                self._note(name, sure=False)

    def _note(self, name: str, *, sure: bool) -> None:
        target = self._reader.target(name)
        if target is not None:
            self._found[Call(target, sure)] = None


def _parts(node: ast.AST) -> tuple[list[ast.AST], int]:
    """The parts of an expression in the order in which they are reached, and how many of them surely are."""
    match node:
        case ast.Lambda() | ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
            return [*ast.iter_child_nodes(node)], 0
        case ast.IfExp():
            return [node.test, node.body, node.orelse], 1
        case ast.BoolOp():
            return [*node.values], 1
        case ast.Compare():
            return [node.left, *node.comparators], 2
        case ast.Call():
            parts = [node.func, *node.args, *node.keywords]
            return parts, len(parts)
    parts = [*ast.iter_child_nodes(node)]
    return parts, len(parts)


def _is_plain(node: ast.FunctionDef) -> bool:
    """Whether calling a function runs its statements: not decorated, and no generator."""
    return not node.decorator_list and not any(
        isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node)
    )


def _ends(node: ast.AST) -> bool:
    """Whether something in it may end the process."""
    return any(_is_ending(inner) for inner in ast.walk(node))


def _is_ending(node: ast.AST) -> bool:
    """Whether it speaks of what ends the process, by its name or in a text."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)) | ast.alias(name=name):
            return name in _ENDING
    return False


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
    """Every name that anything in the file binds, or sets an attribute of, once for each time."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del(), id=name) | ast.arg(arg=name):
                yield name
            case ast.Attribute(ctx=ast.Store() | ast.Del(), value=ast.Name(id=name)):
                yield name
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[ast.Name(id=name), *_]):
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
