"""One migration at a time for each prefix: a file lock that a killed planner's own children still hold.

The lock is on an open file that the programs started by the steps inherit. A planner that was killed has let go of
everything but what its conda or pip still does; until those have ended too, nobody else begins.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from planner.errors import InputError, MigrationStopped

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def only_one(state_dir: str, *prefixes: str) -> Iterator[tuple[int, ...]]:
    """Hold the locks of `prefixes`; yields the descriptors, for children to inherit. Raises `InputError` when held."""
    with ExitStack() as stack:
        real = sorted({os.path.realpath(prefix) for prefix in prefixes})
        yield tuple(stack.enter_context(_locked(state_dir, prefix)) for prefix in real)


@contextmanager
def _locked(state_dir: str, prefix: str) -> Iterator[int]:
    folder = os.path.join(state_dir, "locks")
    name = hashlib.sha256(prefix.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    path = os.path.join(folder, f"{name}.lock")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = _acquire(path)
    except OSError as error:
        raise MigrationStopped(
            f"{path} cannot be used as a lock ({error.strerror or error}); nothing was done"
        ) from None
    if descriptor is None:
        raise InputError(
            f"another planner apply is at work on {prefix}, or a program that it started still is: "
            "wait until it has ended, then run the same command again"
        )
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            os.unlink(path)  # while held: whoever opened it meanwhile sees that it is gone, and opens anew
        os.close(descriptor)
        for empty in (folder, state_dir):
            with suppress(OSError):
                os.rmdir(empty)


def _acquire(path: str) -> int | None:
    """A descriptor that holds the lock at `path`, None when another holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)
