"""What lies in a folder that python looks into first: modules of its own, and those that only one python can load.

`ext.cpython-310-x86_64-linux-gnu.so` is built where it lies (`build_ext --inplace`) and belongs to no environment: when
the python that runs the script beside it moves, it stays, and is a module no more.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

_TAGGED = re.compile(r"^([A-Za-z_]\w*)\.cpython-\d+[a-z]*-[^/]*\.so$")
_ANY = ("{}.py", "{}/__init__.py", "{}.abi3.so", "{}.so", "{}.pyc")
_MOST = 5000  # entries of one folder


def own_module(folder: str, name: str) -> tuple[str, ...] | None:
    """The files of a top-level module in a folder that only one python loads, none where any does; None without it."""
    if any(os.path.isfile(os.path.join(folder, ending.format(name))) for ending in _ANY):
        return ()
    return tagged_modules(folder).get(name)


def tagged_modules(folder: str) -> dict[str, tuple[str, ...]]:
    """The compiled modules right in a folder that are tagged for one python each: the files by the module's name."""
    try:
        return _tagged(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=64)  # a thousand scripts lie in one folder
def _tagged(folder: str, _changed: int) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    with os.scandir(folder) as entries:
        for _, entry in zip(range(_MOST), entries, strict=False):
            match = _TAGGED.match(entry.name)
            if match:
                found[match[1]] = tuple(sorted((*found.get(match[1], ()), entry.path)))
    return found
