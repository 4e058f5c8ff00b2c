"""What lies in a folder that python looks into first: modules of its own, and those that only one python can load.

`ext.cpython-310-x86_64-linux-gnu.so` is built where it lies (`build_ext --inplace`) and belongs to no environment: when
the python that runs the script beside it moves, it stays, and is a module no more.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    _Listing: TypeAlias = tuple[frozenset[str] | None, Mapping[str, tuple[str, ...]]]

_TAGGED = re.compile(r"^([A-Za-z_]\w*)\.cpython-\d+[a-z]*-[^/]*\.so$")
_ANY = (".py", ".abi3.so", ".so", ".pyc")
_PACKAGE = "__init__.py"
_MOST = 5000  # entries of one folder


def own_module(folder: str, name: str) -> tuple[str, ...] | None:
    """The files of a top-level module in a folder that only one python loads, none where any does; None without it."""
    names, tagged = _listed(folder)
    may_be = names is None or name in names or any(name + ending in names for ending in _ANY)
    if may_be and _is_module(folder, name):
        return ()
    return tagged.get(name)


def tagged_modules(folder: str) -> Mapping[str, tuple[str, ...]]:
    """The compiled modules right in a folder that are tagged for one python each: the files by the module's name."""
    return _listed(folder)[1]


def _is_module(folder: str, name: str) -> bool:
    return any(
        os.path.isfile(os.path.join(folder, *parts)) for parts in ((name, _PACKAGE), *((name + end,) for end in _ANY))
    )


def _listed(folder: str) -> _Listing:
    try:
        return _read(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):
        return frozenset(), {}


@lru_cache(maxsize=64)  # a thousand scripts lie in one folder
def _read(folder: str, _changed: int) -> _Listing:
    """What lies in a folder by name, None where that is very much; and of its first entries the tagged modules."""
    with os.scandir(folder) as entries:
        names = [entry.name for _, entry in zip(range(_MOST + 1), entries, strict=False)]
    tagged: dict[str, tuple[str, ...]] = {}
    for name in sorted(names):
        match = _TAGGED.match(name)
        if match:
            tagged[match[1]] = (*tagged.get(match[1], ()), os.path.join(folder, name))
    return (frozenset(names) if len(names) <= _MOST else None), tagged
