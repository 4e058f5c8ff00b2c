"""The worker under another interpreter: run as it is run in earnest, with every fault it can have."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from planner.errors import InputError, SolverCrashed, SolverRefused, SolverTimedOut, SolverUnavailable
from planner.solve import libmamba_worker
from planner.solve.choose import VARIABLE, choose_solver
from planner.solve.libmamba import LibmambaSolver
from planner.solve.worker_process import WorkerProcess


@pytest.fixture
def script(tmp_path):
    """A worker script of our own making, in the place of the real one."""

    def write(body):
        path = tmp_path / "worker.py"
        path.write_text("import json, os, sys, time\n" + textwrap.dedent(body))
        return WorkerProcess(sys.executable, timeout=20, script=str(path))

    return write


@pytest.fixture
def interpreter(tmp_path):
    """A virtual environment whose site-packages holds a libmambapy of our own making."""

    def make(package):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
        (folder,) = (tmp_path / "other").glob("lib/python*/site-packages")
        (folder / "libmambapy").mkdir()
        (folder / "libmambapy" / "__init__.py").write_text(package)
        (folder / "trap.pth").write_text("import sys; sys.exit('a .pth file was run')\n")
        (folder / "sitecustomize.py").write_text("raise SystemExit('sitecustomize was run')\n")
        return str(tmp_path / "other" / "bin" / "python")

    return make


def test_an_interpreter_that_is_not_there(tmp_path):
    with pytest.raises(SolverUnavailable, match="--solver-python"):
        WorkerProcess(str(tmp_path / "no-python"))


def test_an_interpreter_without_libmambapy(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(SolverUnavailable, match=r"no libmambapy.*--solver rattler"):
        choose_solver("libmamba", python=str(tmp_path / "bare" / "bin" / "python"))


def test_version_1_is_recognised_and_refused(interpreter):
    python = interpreter("__version__ = '1.5.8'\n")
    with pytest.raises(SolverUnavailable, match=r"libmambapy 1\.5\.8.*2\.x"):
        choose_solver("auto", environ={VARIABLE: python})


def test_a_crash_is_told_with_what_was_said_last(script):
    worker = script("sys.stderr.write('the floor gave way'); sys.stderr.flush(); os._exit(11)")
    with pytest.raises(SolverCrashed, match=r"exit 11.*the floor gave way"):
        worker.ask({"op": "hello"})
    with pytest.raises(SolverCrashed):
        worker.ask({"op": "hello"})


def test_an_answer_that_does_not_come_ends_the_process(script):
    worker = script("time.sleep(600)")
    worker._timeout = 0.3
    with pytest.raises(SolverTimedOut, match=r"0\.3 seconds"):
        worker.ask({"op": "hello"})
    assert worker._process.poll() is not None


@pytest.mark.parametrize("line", ["no json", "[1, 2]"])
def test_an_answer_that_is_none(script, line):
    worker = script(f"sys.stdin.readline(); print({line!r}, flush=True); time.sleep(60)")
    with pytest.raises(SolverRefused, match="no answer"):
        worker.ask({"op": "hello"})


def test_an_answer_of_another_shape(script):
    worker = script(
        """
        for line in sys.stdin:
            reply = {"version": "2.9"} if json.loads(line)["op"] == "hello" else {"actions": [{"install": 3}]}
            print(json.dumps(reply), flush=True)
        """
    )
    from planner.model.solve import SolveRequest

    solver = LibmambaSolver(worker, "there", "a test")
    assert solver.info.mode == "worker"
    with pytest.raises(SolverRefused, match="cannot be read"):
        solver.solve(SolveRequest((), (), (), (), "linux-64"))


def test_a_request_that_is_none_is_an_answer_of_its_own():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", libmamba_worker.__file__],
        input='nonsense\n[]\n{"op": "dance"}\n',
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = [json.loads(line)["fault"]["kind"] for line in done.stdout.splitlines()]
    assert kinds[:2] == ["bad-request", "bad-request"]
    assert kinds[2] in {"bad-request", "no-libmambapy"}


def test_the_worker_imports_nothing_of_the_planner():
    text = Path(libmamba_worker.__file__).read_text(encoding="utf-8")
    assert "from planner" not in text
    assert "import planner" not in text


def test_libmamba_asked_for_and_not_there_says_what_to_do(monkeypatch):
    monkeypatch.setattr("planner.solve.choose.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SolverUnavailable, match=VARIABLE):
        choose_solver("libmamba", environ={})
    assert choose_solver("auto", environ={}).info.name == "rattler"
    with pytest.raises(InputError, match="uses none"):
        choose_solver("rattler", python="/usr/bin/python3")


def test_an_installation_that_has_libmambapy_is_offered_and_not_run(monkeypatch, tmp_path):
    from planner.model.installed import Environment, PackageRecord

    monkeypatch.setattr("planner.solve.choose.importlib.util.find_spec", lambda _name: None)
    two = Environment("base", str(tmp_path), "linux-64", records=(PackageRecord("libmambapy", "2.3.1", "0"),))
    one = Environment("base", str(tmp_path), "linux-64", records=(PackageRecord("libmambapy", "1.5.8", "0"),))
    assert f"--solver-python {tmp_path}/bin/python" in choose_solver("auto", environ={}, base=two).info.reason
    assert "--solver-python" not in choose_solver("auto", environ={}, base=one).info.reason
