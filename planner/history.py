"""What people asked for, folded from the text of `conda-meta/history` as conda folds it.

Each block of the file is one command. What it updated (`update`, `install`, `create`) is asked for from then on, what
it removed (`remove`, `uninstall`) no longer, and `neutered` specs replace what was asked for earlier. A list is written
as a Python or JSON list, or, before conda 4.5, with commas. The lines of packages (`+` and `-`) say what happened, not
what was wanted, and do not count. A block without its command line counts, as mamba has it.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.errors import BadSpec
from planner.model.installed import History
from planner.versions import check_spec, spec_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_HEAD = re.compile(r"==>\s*(.+?)\s*<==")
_SPECS = re.compile(r"#\s*(\w+)\s*specs:\s*(.+)?")
_RELATION = re.compile(r"^\s*[=<>!~]")
_KINDS = {
    "update": "update",
    "install": "update",
    "create": "update",
    "remove": "remove",
    "uninstall": "remove",
    "neutered": "neutered",
}


def read_history(text: str, installed: Collection[str]) -> History:
    """Fold a history: the last spec of each name that was asked for and is still installed, by name.

    Specs are in the form that every engine reads (`planner.specs`).
    Lines and specs that cannot be read are passed over; `unreadable_lines` names them.
    """
    specs: dict[str, str] = {}
    for block in _blocks(text):
        for name, _ in _named(block.get("remove", ())):
            specs.pop(name, None)
        for kind in ("update", "neutered"):
            specs.update(_named(block.get(kind, ())))
    return History(tuple(sorted((name, spec) for name, spec in specs.items() if name in installed)))


def unreadable_lines(text: str) -> tuple[str, ...]:
    """The lines of a history that speak of specs, and whose list or whose specs cannot be read."""
    return tuple(filter(_is_unreadable, _telling(text)))


def _blocks(text: str) -> Iterator[dict[str, tuple[str, ...]]]:
    """One mapping for each command: kind of specs to specs. A second line of one kind replaces the first."""
    block: dict[str, tuple[str, ...]] = {}
    for line in _telling(text):
        if _HEAD.match(line):
            yield block
            block = {}
            continue
        match = _SPECS.match(line)
        kind = _KINDS.get(match[1]) if match else None
        if match and kind:
            specs = _specs(match[2] or "")
            if specs:
                block[kind] = specs
    yield block


def _telling(text: str) -> Iterator[str]:
    """The lines that may be a head or name specs: most of a history are those of packages."""
    return (stripped for line in text.splitlines() if (stripped := line.strip()).startswith(("#", "=")))


@lru_cache(maxsize=4096)
def _specs(text: str) -> tuple[str, ...] | None:
    """The specs of one line; None when the list cannot be read."""
    if text.startswith("["):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a Windows path in a list reads as a doubtful escape
                items = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            return None
    elif "[" in text:
        return None
    else:
        items = _comma_separated(text)
    stripped = (item.strip() for item in items)
    return tuple(item for item in stripped if item and not item.endswith("@"))


def _comma_separated(text: str) -> list[str]:
    """Specs as conda wrote them before 4.5: a part that starts with a relation belongs to the spec before it."""
    specs: list[str] = []
    for part in text.split(","):
        if specs and _RELATION.match(part):
            specs[-1] += f",{part.strip()}"
        else:
            specs.append(part)
    return specs


def _named(specs: Collection[str]) -> Iterator[tuple[str, str]]:
    for spec in specs:
        try:
            yield spec_name(spec), check_spec(spec)
        except BadSpec:
            continue


def _is_unreadable(line: str) -> bool:
    match = _SPECS.match(line)
    if match is None or match[1] not in _KINDS:
        return False
    specs = _specs(match[2] or "")
    return specs is None or not all(map(_is_spec, specs))


def _is_spec(text: str) -> bool:
    try:
        check_spec(text)
    except BadSpec:
        return False
    return True
