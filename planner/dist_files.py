"""What the file list of a Python distribution says: which of its files are compiled, and which names it brings.

The list is all there is to go by: no file of the list is opened, and it may name files that are gone.
"""

from __future__ import annotations

import base64
import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Importable by its very name: `x.cpython-39-x86_64-linux-gnu.so`, `x.abi3.so`, `x.pypy39-pp73-darwin.so`, any `.pyd`.
_MODULE = re.compile(
    r"(?:\.(?:cpython-\d|abi3t?\.|pypy\d|graalpy\d)[^/]*\.(?:so|dylib)|\.abi3t?\.so|\.pyd)$", re.IGNORECASE
)
_PLAIN = re.compile(r"\.so$")
_SHARED = re.compile(r"\.(?:so(?:\.[0-9]+)*|dylib|dll)$", re.IGNORECASE)
# Where auditwheel, delocate and delvewheel put the libraries that the modules beside it need.
_BUNDLED = re.compile(r"(?:^|/)(?:[^/]*\.libs|\.dylibs)/")
_HASH = re.compile(r",sha256=([A-Za-z0-9_-]{43}),\d*\s*$")
_IMPORTABLE = re.compile(r"^([A-Za-z_]\w*)(?:\.py|\.[^/]*\.so|\.so|\.[^/]*\.pyd|\.pyd)?$")


def read_list(text: str) -> tuple[str, ...]:
    """The paths of a RECORD, relative to site-packages, with forward slashes. Lines that make no sense are dropped."""
    paths = (_first_field(line) for line in text.splitlines())
    return tuple(path.replace("\\", "/") for path in paths if path and "\0" not in path)


def read_hashes(text: str) -> dict[str, str]:
    """The paths of a RECORD as `read_list` has them, each with its SHA-256 in hexadecimal, "" where there is none."""
    found = {}
    for line in text.splitlines():
        path = _first_field(line)
        if path and "\0" not in path:
            found[path.replace("\\", "/")] = _sha256(line)
    return found


def _sha256(line: str) -> str:
    """RECORD writes a hash in URL-safe base64, without the padding."""
    match = _HASH.search(line)
    if match is None:
        return ""
    try:
        return base64.urlsafe_b64decode(match[1] + "=").hex()
    except ValueError:
        return ""


def compiled_modules(paths: Iterable[str], tags: Sequence[str]) -> tuple[str, ...]:
    """The compiled files that a distribution brings for its own use, sorted; empty for a pure one.

    Extension modules come first: what python imports by its name, and any other `.so` (torchvision's `_C.so`, say). The
    libraries bundled with them are not modules. A distribution without any module but with shared libraries, which it
    then loads itself (llvmlite, the CUDA libraries), brings those. Where all wheel tags say that no platform is meant, a
    library is data for whoever may need it (a debugger's attach helpers), and only files named as modules count.
    """
    found = sorted(path for path in set(paths) if _MODULE.search(path) or _SHARED.search(path))
    named = [path for path in found if _MODULE.search(path)]
    if tags and all(tag.endswith("-none-any") for tag in tags):
        return tuple(named)
    modules = [path for path in found if path in named or (_PLAIN.search(path) and not _BUNDLED.search(path))]
    return tuple(modules or found)


def top_level_names(paths: Iterable[str]) -> tuple[str, ...]:
    """The import names that a file list implies, sorted: its top folders and modules."""
    names = set()
    for path in paths:
        first, slash, _ = path.partition("/")
        match = _IMPORTABLE.match(first)
        if match and (slash or first != match[1]) and (not slash or first == match[1]):
            names.add(match[1])
    return tuple(sorted(name for name in names if name != "__pycache__" and not name.startswith("__editable__")))


def _first_field(line: str) -> str:
    if not line.startswith('"'):
        return line.partition(",")[0]
    try:
        return next(csv.reader([line]), [""])[0]
    except csv.Error:
        return ""
