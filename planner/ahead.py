"""Work that fills the planner's cache, done ahead by processes of their own: indexes of repodata, environments.

Such a process does nothing else: whoever wants what it makes finds it in the cache, or makes it, as if there had been no
other process. So one may fail, be killed or be too late, and no answer depends on it. The environments are read from
both ends: from the first by who asks, from the last by a process, until they meet.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

from planner.cache import Cache
from planner.conda_meta_folder import is_kept, read_folder
from planner.repodata_index import is_at_hand, open_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Starting python takes a tenth of a second: that many bytes of repodata, and that many environments, take as long.
_LARGE = 32 << 20
_MANY = 8
_PATIENCE = 120  # seconds after which whoever waits does the work himself
_TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Nothing of the folder that the user is in, of his site or of PYTHON* variables takes part: the modules are those of this
# process.
_CODE = "import sys; n = int(sys.argv[1]) + 2; sys.path[:] = sys.argv[2:n]; from planner import ahead; ahead.{}(*sys.argv[n:])"


class Ahead:
    """A process that is ahead of this one; none where there is nothing to do, no processor to spare, or nothing is kept."""

    def __init__(self, job: str, kept: Cache, paths: Sequence[str]) -> None:
        # What a process finds out and cannot keep would be found out twice.
        useful = bool(paths) and _processors() > 1 and kept.put("ahead", "1", "may be written", b"")
        self._process = _started(job, kept.folder, paths) if useful and kept.folder else None
        self.close = weakref.finalize(self, _end, self._process)

    @property
    def runs(self) -> bool:
        """Whether there is one."""
        return self._process is not None

    def wait(self) -> None:
        """Until it is done, or has failed."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_PATIENCE)
        self.close()


def make_indexes(kept: Cache, paths: Iterable[str]) -> None:
    """Make the indexes of large files that the cache lacks: of the smallest here, of the others in a process meanwhile."""
    lacking = sorted((size, path) for path in dict.fromkeys(paths) if (size := _size_without_index(path, kept)))
    if len(lacking) > 1:
        smallest, *others = [path for _, path in lacking]
        process = Ahead("index", kept, others[::-1])
        if process.runs:
            with contextlib.suppress(OSError):  # that it cannot be read is said by who wants it
                open_index(smallest, kept)
        process.wait()


def environments(kept: Cache, prefixes: Iterable[str]) -> Ahead:
    """The conda-meta of prefixes of which the cache has nothing, the last one first."""
    new = [prefix for prefix in prefixes if not is_kept(prefix, kept)]
    return Ahead("read", kept, new[::-1] if len(new) >= _MANY else ())


def index(folder: str, *paths: str) -> None:
    """What a process for indexes does."""
    for path in paths:
        open_index(path, Cache(folder))


def read(folder: str, *prefixes: str) -> None:
    """What a process for environments does; those that somebody else has read meanwhile it leaves."""
    kept = Cache(folder)
    for prefix in prefixes:
        if not is_kept(prefix, kept):
            read_folder(prefix, kept)


def _started(job: str, folder: str, paths: Sequence[str]) -> subprocess.Popen[bytes] | None:
    modules = [_TOP, *filter(None, sys.path)]
    command = (sys.executable, "-I", "-S", "-B", "-c", _CODE.format(job), str(len(modules)), *modules, folder, *paths)
    nowhere = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)  # noqa: S603 -- python and this file
    except (OSError, ValueError):
        return None


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()


def _size_without_index(path: str, kept: Cache) -> int:
    """The size of a file that is large and whose index is not in the cache, else 0."""
    try:
        size = os.path.getsize(path)
        return size if size >= _LARGE and not is_at_hand(path, kept) else 0
    except OSError:
        return 0


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
