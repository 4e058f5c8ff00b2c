"""Fixtures that several tests share: where the real data is, and a proof that nothing was written."""

import hashlib
import importlib.util
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from planner.solve.choose import choose_solver
from planner.solve.closure import Closure
from planner.solve.libmamba import LibmambaSolver
from planner.solve.rattler import RattlerSolver
from planner.solve.worker_process import WorkerProcess

# The same examples on every machine, however busy it is: a change is judged by what it does.
settings.register_profile("every machine", deadline=None, derandomize=True)
settings.load_profile("every machine")


@pytest.fixture(scope="session")
def real_data():
    folder = os.environ.get("PLANNER_REAL_DATA")
    if not folder or not Path(folder, "installations").is_dir():
        pytest.skip("PLANNER_REAL_DATA does not name the real installations")
    return Path(folder)


@pytest.fixture(scope="session")
def libmamba_python():
    """An interpreter that has libmambapy 2.x."""
    python = os.environ.get("PLANNER_LIBMAMBA_PYTHON")
    if not python:
        pytest.skip("PLANNER_LIBMAMBA_PYTHON names no interpreter with libmambapy 2.x")
    return python


@pytest.fixture(
    scope="session", params=["rattler", "libmamba-in-process", "libmamba-worker", "libmamba-whole", "rattler-whole"]
)
def engine(request):
    """Every engine, one after the other; those that are not at hand are skipped."""
    if request.param == "rattler":
        return choose_solver("rattler")
    if request.param == "libmamba-worker":
        return choose_solver("libmamba", python=request.getfixturevalue("libmamba_python"))
    if request.param == "rattler-whole":  # not cut down to what the question reaches
        return RattlerSolver(closure=Closure(whole=True))
    if request.param == "libmamba-whole":
        python = request.getfixturevalue("libmamba_python")
        return LibmambaSolver(WorkerProcess(python), python, "a test", closure=Closure(whole=True))
    if importlib.util.find_spec("libmambapy") is None:
        pytest.skip("this interpreter has no libmambapy")
    return choose_solver("libmamba", environ={})


@pytest.fixture(params=["rattler", "libmamba"])
def asked_engine(request):
    """The options by which a question names its engine; libmamba where it is at hand."""
    python = os.environ.get("PLANNER_LIBMAMBA_PYTHON")
    if request.param == "libmamba" and not python and importlib.util.find_spec("libmambapy") is None:
        pytest.skip("neither this interpreter nor PLANNER_LIBMAMBA_PYTHON has libmambapy 2.x")
    return {"solver": request.param, "solver_python": python if request.param == "libmamba" else None}


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


@pytest.fixture
def later(monkeypatch):
    """As if the files had been written a while ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
