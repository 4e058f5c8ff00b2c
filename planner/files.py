"""Reading files of an installation that is not ours, where anything may lie under any name.

A FIFO would block for ever, a device may have no end, a cut or huge file must cost one message and no more. So only
regular files of a sensible size are read, and whatever stands against that is an `OSError` whose text tells a person
why. What the bytes mean is up to the callers.
"""

from __future__ import annotations

import errno
import os
import stat
from urllib.parse import urlsplit

LIMIT = 256 * 1024 * 1024  # bytes; the largest conda-meta record known has a tenth of this
_CHUNK = 1 << 16  # bytes; what states no size, as in /proc, is read in pieces of this
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_bytes(path: str, limit: int = LIMIT) -> bytes:
    """The content of a regular file of at most `limit` bytes; symlinks are followed.

    Raises `OSError` for anything else, `FileNotFoundError` among them.
    """
    return read_file(path, limit)[0]


def read_file(path: str, limit: int = LIMIT, known: os.stat_result | None = None) -> tuple[bytes, os.stat_result]:
    """As `read_bytes`, with the status of what was read, as it was before the first byte.

    `known` is the status of what the path leads to, where that has just been looked at.
    """
    _check(os.stat(path) if known is None else known, limit)
    descriptor = os.open(path, _OPEN)
    try:
        # Once more on what was opened: it may have been swapped for a pipe in between.
        status = os.fstat(descriptor)
        _check(status, limit)
        size = status.st_size
        first = os.read(descriptor, min(limit, size + 1 if size else _CHUNK))
        if size and len(first) == size:
            return first, status  # one byte more was asked for: it is the end
        parts, left = [first], limit - len(first)
        while first and left and (part := os.read(descriptor, min(left, max(size, _CHUNK)))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts), status
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """Why a path could not be read, in words: "it cannot be read: Permission denied"."""
    if isinstance(error, _UnfitError):
        return str(error.strerror)
    return f"it cannot be read: {error.strerror or error}"


def path_of_url(url: str) -> str:
    """The path that a `file:` URL means on this system, whoever the URL says has it. Raises `ValueError`."""
    from urllib.request import url2pathname  # at the top it would cost every start a client of HTTP

    return url2pathname(urlsplit(url).path)


def is_folder(path: str) -> bool | None:
    """Whether `path` is a folder; None where that may not be known to this user."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except PermissionError:
        return None
    except (OSError, ValueError):
        return False


class _UnfitError(OSError):
    """Not the operating system's refusal but ours."""


def _check(status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise _UnfitError(errno.EINVAL, f"it is {kind}, not a file")
    if status.st_size > limit:
        raise _UnfitError(errno.EFBIG, f"it is too large ({status.st_size} bytes; at most {limit} are read)")
