"""What an extension module says of the numpy it was built for, found in its read-only data.

numpy's headers put a sentence into every module that imports its C API, and name there the oldest numpy it runs with,
"to allow grepping the binaries" (numpy/_core/include/numpy/numpyconfig.h). Modules built with headers of numpy 1 look
for the API in `numpy.core`, those built with headers of numpy 2 in `numpy._core` first. Files are searched in chunks.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache

from planner.versions import compare, major, minor

_CHUNK = 1 << 20
_OVERLAP = 512
_TARGET = re.compile(rb"\(NumPy (\d+\.\d+)\)")
_API = b"_ARRAY_API"
_SECOND, _FIRST = b"numpy._core._multiarray_umath", b"numpy.core._multiarray_umath"
_SECOND_MAJOR = "2"
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class NumpyUse:
    """`major` is the numpy whose headers it was built with (1 or 2); `target` the oldest X.Y it runs with, if named."""

    major: int
    target: str | None = None

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
        descriptor = os.open(path, _OPEN)
    except (OSError, ValueError):
        return None
    try:
        offset = 0
        tail = b""
        while chunk := os.pread(descriptor, _CHUNK, offset):
            window = tail + chunk
            seen.update(word for word in (_API, _SECOND, _FIRST) if word in window)
            if target is None and (found := _TARGET.search(window)):
                target = found[1].decode()
            offset += len(chunk)
            tail = window[-_OVERLAP:]
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if _API not in seen or not seen & {_FIRST, _SECOND}:
        return None
    return NumpyUse(2 if _SECOND in seen else 1, target)
