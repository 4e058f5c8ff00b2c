"""`planner why` as text: trees of who needs a package and what it needs, in 80 columns, without colour."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from planner.graph import find_subjects, why
from planner.render.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.graph import Graph, WhyNode

WIDTH = 80
_KINDS = {
    "constrains": "constrains",
    "depends": "depends",
    "pip_requires": "pip requires",
    "python_abi": "python ABI",
    "virtual": "host",
}
_NARROWEST = 30
_AGAIN = "*"


def render_why(graph: Graph, package: str) -> str:
    """Both trees for everything that `package` means. Raises `InputError` for a name that is not in the graph."""
    return "".join(f"{line}\n" for line in _lines(graph, package))


def _lines(graph: Graph, package: str) -> Iterator[str]:
    for subject in find_subjects(graph, package):
        root = why(graph, subject, "needed_by")
        asked = ", asked for" if root.requested else ""
        yield visible(f"{root.label}{asked}")
        yield ""
        yield from _tree("needed by", root, "nothing on record")
        yield from _tree("needs", why(graph, subject, "needs"), "nothing on record")
    for problem in graph.graph["problems"]:
        yield from _wrapped("! ", f"{problem.path}: {problem.what}; {problem.consequence}", "  ")


def _tree(title: str, root: WhyNode, nothing: str) -> Iterator[str]:
    lines = list(_branches(root.children, "  "))
    yield f"  {title}"
    yield from lines or [f"  \u2514\u2500 {nothing}"]
    if any(line.endswith(f"] {_AGAIN}") for line in lines):
        yield f"  {_AGAIN} spelt out elsewhere in this tree"
    yield ""


def _branches(nodes: tuple[WhyNode, ...], indent: str) -> Iterator[str]:
    # A stack, not recursion: a chain of needs may be longer than python's stack.
    stack = [(nodes, 0, indent)]
    while stack:
        level, index, before = stack.pop()
        if index >= len(level):
            continue
        node, last = level[index], index == len(level) - 1
        rest = before + ("   " if last else "\u2502  ")
        stack.append((level, index + 1, before))
        yield from _wrapped(before + ("\u2514\u2500 " if last else "\u251c\u2500 "), _text(node), rest)
        stack.append((node.children, 0, rest))


def _text(node: WhyNode) -> str:
    asked = ", asked for" if node.requested else ""
    met = {True: "", False: "; NOT MET", None: "; not checked"}[node.satisfied]
    again = f" {_AGAIN}" if node.repeated else ""
    return f"{node.label}{asked} [{_KINDS.get(node.kind, node.kind)}: {node.requirement}{met}]{again}"


def _wrapped(first: str, text: str, rest: str) -> list[str]:
    """A text in lines of at most 80 columns, where the indent leaves room for any."""
    width = max(WIDTH, len(first) + _NARROWEST)
    return textwrap.wrap(visible(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
