"""What an extension module says of the numpy it was built for, or of cffi, found in its read-only data.

numpy's headers put a sentence into every module that imports its C API, and name there the oldest numpy it runs with,
"to allow grepping the binaries" (numpy/_core/include/numpy/numpyconfig.h). Modules built with headers of numpy 1 look
for the API in `numpy.core`, those built with headers of numpy 2 in `numpy._core` first. The C code that cffi generates
begins with `_cffi_init`, which imports `_cffi_backend` and calls a function of it by name (cffi/_cffi_include.h). Files
are searched in chunks.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.versions import compare, major, minor

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_OVERLAP = 512
_TARGET = re.compile(rb"\(NumPy (\d+\.\d+)\)")
_API = b"_ARRAY_API"
_SECOND, _FIRST = b"numpy._core._multiarray_umath", b"numpy.core._multiarray_umath"
_SECOND_MAJOR = "2"
# torch/csrc/utils/tensor_numpy.cpp warns ("Failed to initialize NumPy") and lets the import go on (pytorch/pytorch#107302).
_GOES_ON = frozenset({"libtorch_python.so"})
_CFFI = {b"_cffi_backend", b"_init_cffi_1_0_external_module"}
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class NumpyUse(Struct, frozen=True):
    """`major` is the numpy whose headers it was built with (1 or 2); `target` the oldest X.Y it runs with, if named.

    `stops` is False for one that goes on without numpy, with a warning.
    """

    major: int
    target: str | None = None
    stops: bool = True

    def serves(self, version: str) -> bool:
        """Whether a module that says this runs with that version of numpy."""
        if self.major == 1 and compare(major(version), _SECOND_MAJOR) >= 0:
            return False
        return self.target is None or compare(minor(version), self.target) >= 0


@lru_cache(maxsize=4096)
def numpy_use(path: str) -> NumpyUse | None:
    """What the module at `path` says; None where it does not use numpy's C API, or cannot be read."""
    target: str | None = None
    seen: set[bytes] = set()
    try:
        for window in _windows(path):
            seen.update(word for word in (_API, _SECOND, _FIRST) if word in window)
            if target is None and (found := _TARGET.search(window)):
                target = found[1].decode()
    except (OSError, ValueError):
        return None
    if _API not in seen or not seen & {_FIRST, _SECOND}:
        return None
    return NumpyUse(2 if _SECOND in seen else 1, target, stops=os.path.basename(path) not in _GOES_ON)


@lru_cache(maxsize=4096)
def made_by_cffi(path: str) -> bool:
    """Whether a module holds what cffi generates: code that imports `_cffi_backend` as soon as it is initialised."""
    seen: set[bytes] = set()
    try:
        for window in _windows(path):
            seen.update(word for word in _CFFI if word in window)
    except (OSError, ValueError):
        return False
    return seen == _CFFI


def _windows(path: str) -> Iterator[bytes]:
    """The bytes of a file in chunks, each with the end of the one before. Raises OSError and ValueError."""
    descriptor = os.open(path, _OPEN)
    try:
        offset = 0
        tail = b""
        while chunk := os.pread(descriptor, _CHUNK, offset):
            window = tail + chunk
            yield window
            offset += len(chunk)
            tail = window[-_OVERLAP:]
    finally:
        os.close(descriptor)
