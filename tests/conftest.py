"""Fixtures that several tests share: where the real data is, and a proof that nothing was written."""

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    folder = os.environ.get("PLANNER_REAL_DATA")
    if not folder or not Path(folder, "installations").is_dir():
        pytest.skip("PLANNER_REAL_DATA does not name the real installations")
    return Path(folder)


@pytest.fixture
def state_of():
    """A function from folders to every file's path, kind, size, mode, time of change and content."""

    def state(*folders):
        found = {}
        for folder in folders:
            for path in sorted(Path(folder).rglob("*")):
                status = path.lstat()
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
        return found

    return state


@pytest.fixture
def open_tmp():
    """A folder that any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def unprivileged():
    """A context in which a path may not be read: by its mode, and, for root, to whom modes mean nothing, as nobody."""
    nobody = 65534

    @contextmanager
    def locked(path):
        mode = path.stat().st_mode
        path.chmod(0)
        root = os.geteuid() == 0
        try:
            if root:
                try:
                    os.seteuid(nobody)
                except OSError:
                    pytest.skip("root cannot become another user here, and may read everything")
            yield
        finally:
            if root:
                os.seteuid(0)
            path.chmod(mode)

    return locked
