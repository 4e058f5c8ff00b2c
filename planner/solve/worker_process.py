"""An interpreter that has libmambapy, kept running as long as questions are asked of it.

It is started as `-I -S -B` on the one self-contained worker script: nothing of the user's site, `PYTHON*` variables or
.pth files takes part, and no bytecode is written into a prefix. Requests and answers are JSON, one a line. What goes
wrong is told apart by type: the interpreter is not there, it crashed, it took too long, or it answers what is no answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
import weakref
from typing import IO, TYPE_CHECKING, Any

from planner.errors import SolverCrashed, SolverRefused, SolverTimedOut, SolverUnavailable
from planner.solve import libmamba_worker

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_OF_STDERR = 2000


class WorkerProcess:
    """A worker under another interpreter. `timeout` is in seconds, for each answer."""

    def __init__(self, python: str, timeout: float = 600.0, script: str | None = None) -> None:
        self._command: Sequence[str] = (python, "-I", "-S", "-B", script or libmamba_worker.__file__)
        self._timeout = timeout
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- the interpreter that the user named, and our own script
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": os.devnull},
                cwd=os.sep,
            )
        except OSError as error:
            self._errors.close()
            raise SolverUnavailable(
                f"the interpreter {python} cannot be run: {error.strerror or error}. "
                "Name a python that has libmambapy 2.x with --solver-python"
            ) from None
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        self.close = weakref.finalize(self, _end, self._process, self._errors)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises `SolverCrashed`, `SolverTimedOut` and `SolverRefused`."""
        stdin = self._process.stdin
        try:
            if stdin is None or not self.close.alive:
                raise BrokenPipeError
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty:
            self.close()
            raise SolverTimedOut(
                f"libmamba under {self._command[0]} gave no answer in {self._timeout:g} seconds"
            ) from None
        except OSError:
            line = b""
        if not line:
            raise SolverCrashed(self._epitaph())
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise SolverRefused(f"libmamba under {self._command[0]} answered what is no answer: {line[:200]!r}")
        return reply

    def _epitaph(self) -> str:
        if not self.close.alive:
            return f"libmamba under {self._command[0]} has ended and is asked no more"
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()[-_MOST_OF_STDERR:]
        self.close()
        return f"libmamba under {self._command[0]} ended without an answer (exit {code}): {said or 'it said nothing'}"


def _read(stdout: IO[bytes] | None, lines: queue.SimpleQueue[bytes]) -> None:
    if stdout is not None:
        with stdout:
            for line in stdout:
                lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):  # what was still to be written has no reader any more
            process.stdin.close()
    errors.close()
